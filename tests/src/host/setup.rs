//! How a kilnd is started.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use super::{Daemon, Host};
use crate::{Stage, until};

/// `--accelerator auto` boots a guest before the daemon listens.
const START_LIMIT: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub struct HostSetup<'a> {
    stage: &'a Stage,
    guest_image: PathBuf,
    socket: PathBuf,
    user: Option<&'static str>,
    emulation_allowed: bool,
    accelerator: Option<&'static str>,
}

impl<'a> HostSetup<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        let guest_image = stage.settings().guest_image.clone();
        let socket = stage.directory().join("kilnd.sock");
        Self { stage, guest_image, socket, user: None, emulation_allowed: true, accelerator: None }
    }

    #[must_use]
    pub fn guest_image(self, directory: &Path) -> Self {
        Self { guest_image: directory.to_owned(), ..self }
    }

    #[must_use]
    pub fn socket(self, path: &Path) -> Self {
        Self { socket: path.to_owned(), ..self }
    }

    #[must_use]
    pub fn forbid_emulation(self) -> Self {
        Self { emulation_allowed: false, ..self }
    }

    /// Not as root.
    #[must_use]
    pub fn user(self, name: &'static str) -> Self {
        Self { user: Some(name), ..self }
    }

    /// Another one than what this run goes with.
    #[must_use]
    pub fn accelerator(self, name: &'static str) -> Self {
        Self { accelerator: Some(name), ..self }
    }

    /// Comes back when it answers.
    pub async fn start(self) -> anyhow::Result<Host> {
        let mut host = self.launch()?;
        until("kilnd answers", START_LIMIT, async || {
            if let Some(status) = host.daemon.has_ended()? {
                bail!("kilnd ended with {status}");
            }
            Ok(host.list_jobs().await.ok().map(drop))
        })
        .await?;
        let instance = std::fs::read_to_string(host.home.join("instance"))?;
        self.stage.mark(instance.trim());
        Ok(host)
    }

    /// For a kilnd that must not start: what it says. It must leave no socket behind.
    pub async fn is_refused(self) -> anyhow::Result<String> {
        let mut host = self.launch()?;
        let status = host.daemon.ended(START_LIMIT).await?;
        ensure!(!status.success(), "kilnd ended as if all were well");
        ensure!(status.code().is_some(), "kilnd was ended by a signal: {status}");
        ensure!(!host.socket.exists(), "kilnd left its socket behind");
        std::fs::read_to_string(self.log()).context("reading what kilnd said")
    }

    fn log(&self) -> PathBuf {
        self.stage.directory().join("kilnd.log")
    }

    fn launch(&self) -> anyhow::Result<Host> {
        let settings = self.stage.settings();
        let directory = self.stage.directory();
        let (home, socket) = (directory.join("home"), self.socket.clone());
        let accelerator = self.accelerator.unwrap_or_else(|| settings.accelerator());
        let mut arguments = Vec::new();
        for (flag, value) in [
            ("--home", home.as_path()),
            ("--socket", &socket),
            ("--guest-image", &self.guest_image),
            ("--vhost-device-vsock", &settings.vhost_device_vsock),
            ("--accelerator", Path::new(accelerator)),
        ] {
            arguments.extend([flag.to_owned(), value.display().to_string()]);
        }
        if self.emulation_allowed {
            arguments.push("--allow-emulation".to_owned());
        }
        let copy = directory.join("kilnd");
        let mut program = Vec::new();
        if let Some(user) = self.user {
            // Where the build lies may be closed to others.
            std::fs::copy(&settings.kilnd, &copy)?;
            std::fs::set_permissions(directory, Permissions::from_mode(0o711))?;
            program.extend(["setpriv", "--reuid", user, "--clear-groups"].map(Path::new));
            program.push(&copy);
        } else {
            program.push(&settings.kilnd);
        }
        let daemon = Daemon::start(&program, &arguments, directory, &self.log())?;
        Ok(Host { settings: settings.clone(), daemon, home, socket })
    }
}
