//! What a jail leaves.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::UnixStream,
    },
};

use kiln_jail::CoreScheduling;

use crate::machine::{KEEPER, Machine, PROFILES};

pub(crate) fn what_a_vmm_needs_works() {
    for profile in PROFILES {
        let machine = Machine::new();
        // The keeper is here before the program.
        fs::create_dir(machine.path("shot")).unwrap();
        let mut file = fs::OpenOptions::new();
        let mut file = file
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(machine.path("shot/of-the-keeper"))
            .unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o666)).unwrap();
        file.write_all(b"a disk that comes later").unwrap();
        let mut program = machine.start(profile, &["allowed"]);
        let confinement = program.confinement.clone();
        assert_eq!((confinement.user, confinement.profile), (Some(machine.user), profile));
        assert_ne!(confinement.core_scheduling, CoreScheduling::Unsupported);
        let mut lines = vec![program.line()];
        while lines.last().is_some_and(|line| line != "listens\tdone") {
            lines.push(program.line());
        }
        let mut stream = UnixStream::connect(machine.path("run/a.sock")).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"pong");
        let rest = program.finish();
        lines.extend(rest.lines().map(str::to_owned));
        // The bridge has no file without a name to make.
        let wrong: Vec<_> = lines
            .iter()
            .filter(|line| !line.ends_with("\tdone"))
            .filter(|line| {
                !(profile == kiln_jail::Profile::VhostDeviceVsock
                    && line.contains("without a name"))
            })
            .collect();
        assert!(wrong.is_empty(), "{profile:?}: {wrong:?}");
        let disk = fs::read(machine.path("disk")).unwrap();
        assert_eq!(&disk[4096..4111], b"a guest's bytes");
        for (name, mode) in [("disk", 0o660), ("run", 0o2770), ("shot", 0o2770)] {
            let metadata = fs::metadata(machine.path(name)).unwrap();
            let owners = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
            assert_eq!(owners, (machine.user, KEEPER, mode), "{name}");
        }
        let kernel = fs::metadata(machine.path("kernel")).unwrap();
        assert_eq!((kernel.uid(), kernel.mode() & 0o777), (0, 0o644));
    }
}
