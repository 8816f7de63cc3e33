//! The kernel's modules, from the initramfs, in the order in which they stand in `/modules/order`; and
//! those that few guests want, from the root.

use std::{
    fs::{self, DirEntry, File},
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat},
    io::Errno,
    system::{finit_module, uname},
};

use crate::kmsg;

const DIRECTORY: &str = "/modules";
const ORDER: &str = "order";
const MAX_ORDER_BYTES: u64 = 64 * 1024;
/// The power button: nobody waits for it, so it is loaded after the host was greeted.
const LATE: [&str; 2] = ["button.ko", "evdev.ko"];
/// Of no use to a machine without a network device.
const NETWORK: [&str; 3] = ["failover.ko", "net_failover.ko", "virtio_net.ko"];
/// In the root, below it in the kernel's release.
const ON_DEMAND: &str = "/usr/lib/modules";
const VIRTIO_DEVICES: &str = "/sys/bus/virtio/devices";
/// What a network device is among those of virtio.
const VIRTIO_NETWORK: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    #[error("{DIRECTORY}/{ORDER} cannot be read")]
    Order(#[source] io::Error),
    #[error("{DIRECTORY}/{ORDER} names {0:?}, which is no file name")]
    Name(String),
    #[error("{path} cannot be opened")]
    Open { path: PathBuf, source: io::Error },
    #[error("the kernel did not take the module {name}")]
    Load { name: String, source: io::Error },
}

/// The modules that are still to be loaded.
#[derive(Debug)]
pub(crate) struct Modules {
    /// Held open: the initramfs is out of reach by then. `None` when there are no modules.
    directory: Option<OwnedFd>,
    late: Vec<String>,
}

impl Modules {
    /// Loads what cannot wait. A kernel with everything built in has no modules.
    pub(super) fn load() -> Result<Self, ModuleError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match openat(CWD, DIRECTORY, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(Self { directory: None, late: Vec::new() }),
            Err(errno) => return Err(ModuleError::Order(errno.into())),
        };
        let order = read_order(&directory).map_err(ModuleError::Order)?;
        let (late, now): (Vec<&str>, Vec<&str>) =
            parse(&order)?.into_iter().partition(|name| LATE.contains(name));
        // What makes the bus comes before what is on it.
        let (network, now): (Vec<&str>, Vec<&str>) =
            now.into_iter().partition(|name| NETWORK.contains(name));
        for name in now {
            load(&directory, name)?;
        }
        if has_network(Path::new(VIRTIO_DEVICES)) {
            for name in network {
                load(&directory, name)?;
            }
        }
        Ok(Self { late: late.into_iter().map(str::to_owned).collect(), directory: Some(directory) })
    }

    pub(crate) fn load_late(self) {
        let Some(directory) = self.directory else { return };
        for name in self.late {
            if let Err(error) = load(&directory, &name) {
                kmsg::error(format_args!("{error}"));
            }
        }
    }
}

/// Loads a module that the root has and that needs no other. One that is loaded stays as it is.
pub(crate) fn load_on_demand(name: &str) -> Result<(), ModuleError> {
    let release = uname();
    let release = release.release().to_string_lossy();
    let path = Path::new(ON_DEMAND).join(&*release).join(format!("{name}.ko"));
    let file = File::open(&path).map_err(|source| ModuleError::Open { path, source })?;
    match finit_module(&file, c"", 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(ModuleError::Load { name: name.to_owned(), source: errno.into() }),
    }
}

/// Where that cannot be told, there is none: whoever was promised one says so.
fn has_network(devices: &Path) -> bool {
    let kind = |device: DirEntry| {
        let text = fs::read_to_string(device.path().join("device")).ok()?;
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    };
    let mut devices = fs::read_dir(devices).into_iter().flatten().flatten();
    devices.any(|device| kind(device) == Some(VIRTIO_NETWORK))
}

fn parse(order: &str) -> Result<Vec<&str>, ModuleError> {
    let name = |line: &'_ str| line.is_empty() || line.contains('/');
    let lines = order.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| if name(line) { Err(ModuleError::Name(line.to_owned())) } else { Ok(line) })
        .collect()
}

fn load(directory: &OwnedFd, name: &str) -> Result<(), ModuleError> {
    let failed = |errno: Errno| ModuleError::Load { name: name.to_owned(), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).map_err(failed)?;
    match finit_module(&file, c"", 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    // The file is memory of the guest. Where it cannot be removed, it stays.
    let _ = unlinkat(directory, name, AtFlags::empty());
    Ok(())
}

fn read_order(directory: &OwnedFd) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(directory, ORDER, flags, Mode::empty())?;
    let mut order = String::new();
    File::from(file).take(MAX_ORDER_BYTES).read_to_string(&mut order)?;
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_one_file_name_per_line() {
        let names = parse("virtio_blk.ko\n\n  vsock.ko \noverlay.ko").unwrap();
        assert_eq!(names, ["virtio_blk.ko", "vsock.ko", "overlay.ko"]);
        assert!(
            matches!(parse("a.ko\n../b.ko\n"), Err(ModuleError::Name(name)) if name == "../b.ko")
        );
    }

    #[test]
    fn a_network_device_is_known_by_its_number() {
        let devices = tempfile::tempdir().unwrap();
        assert!(!has_network(&devices.path().join("missing")));
        for (name, kind, expected) in
            [("virtio0", "0x0002\n", false), ("virtio1", "", false), ("virtio2", "0x0001\n", true)]
        {
            fs::create_dir(devices.path().join(name)).unwrap();
            fs::write(devices.path().join(name).join("device"), kind).unwrap();
            assert_eq!(has_network(devices.path()), expected, "{name}");
        }
    }
}
