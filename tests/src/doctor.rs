//! `kiln doctor`, in a story's own directory.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{Kiln, Stage};

/// Of `nobody`.
const NOBODY: u32 = 65_534;
const PROGRAMS: [&str; 4] = ["kilnd", "kiln-shim", "kiln-helper", "kiln-gateway"];

impl Stage {
    /// The doctor as root, who looks at the home of the story's first daemon and is told of this
    /// machine's guest image and programs.
    pub fn doctor(&self) -> Kiln {
        self.doctor_who_knows(Some(&self.settings().guest_image.clone()))
    }

    /// The same with another guest image, or none.
    pub fn doctor_who_knows(&self, guest_image: Option<&Path>) -> Kiln {
        let settings = self.settings();
        let mut arguments: Vec<OsString> = vec!["doctor".into(), "--kilnd".into()];
        arguments.push(settings.kilnd.clone().into());
        arguments.extend(self.flags(guest_image));
        let mut inside: Vec<OsString> = Vec::new();
        if let Some(namespace) = self.namespace() {
            inside.extend(namespace.entry().map(OsString::from));
        }
        inside.push(settings.cli.clone().into());
        inside.append(&mut arguments);
        let (program, arguments) = inside.split_at(1);
        let socket = self.directory().join("kilnd.sock");
        unbiased(Kiln::new(Path::new(&program[0]), &socket, arguments))
    }

    /// The doctor of an ordinary user, from programs that he may run.
    pub fn doctor_of_nobody(&self) -> anyhow::Result<Kiln> {
        let programs = self.directory().join("programs");
        fs::create_dir(&programs)?;
        for name in PROGRAMS {
            let program = self.settings().kilnd.with_file_name(name);
            fs::copy(&program, programs.join(name)).with_context(|| name)?;
        }
        fs::set_permissions(self.directory(), Permissions::from_mode(0o711))?;
        let work = self.doctors();
        fs::create_dir(&work)?;
        fs::set_permissions(&work, Permissions::from_mode(0o700))?;
        chown(&work, Some(NOBODY), Some(NOBODY))?;
        let mut arguments: Vec<OsString> =
            ["--reuid", "nobody", "--clear-groups"].map(OsString::from).to_vec();
        arguments.extend([programs.join("kilnd").into(), "doctor".into()]);
        arguments.extend(self.flags(None));
        let socket = self.directory().join("kilnd.sock");
        Ok(unbiased(Kiln::new(Path::new("setpriv"), &socket, arguments)))
    }

    /// Where doctors of this story work, and keep what they have found out.
    pub fn doctors(&self) -> PathBuf {
        self.directory().join("d")
    }

    fn flags(&self, guest_image: Option<&Path>) -> Vec<OsString> {
        let settings = self.settings();
        let directory = self.directory();
        let mut flags: Vec<OsString> = Vec::new();
        let mut flag = |name: &str, value: &Path| flags.extend([name.into(), value.into()]);
        flag("--home", &directory.join("home"));
        flag("--socket", &directory.join("kilnd.sock"));
        flag("--pool", &directory.join("pool"));
        flag("--work", &self.doctors());
        flag("--user", Path::new("nobody"));
        flag("--vhost-device-vsock", &settings.vhost_device_vsock);
        if let Some(program) = &settings.cloud_hypervisor {
            flag("--cloud-hypervisor", program);
        }
        if let Some(guest_image) = guest_image {
            flag("--guest-image", guest_image);
        }
        flags
    }
}

/// Without what the runner says to stories in variables that are kilnd's own.
fn unbiased(doctor: Kiln) -> Kiln {
    ["KILN_GUEST_IMAGE", "KILN_ACCELERATOR"].into_iter().fold(doctor, Kiln::without_variable)
}
