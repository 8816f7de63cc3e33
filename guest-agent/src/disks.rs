//! Disks are found by the serial number that the host gave them, whatever their order.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const BLOCK_DEVICES: &str = "/sys/block";
/// Where programs look for a disk whose serial number they were told.
const LINKS: &str = "/dev/disk/by-id";
/// The driver finds its disks while it is loaded; this is for a kernel that does so later.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// Where disks are. Whatever stands for a disk has a size that can be sought: a block device, or a
/// plain file.
pub trait Disks: Send + Sync {
    /// The disk's device file. May block.
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk>;
}

#[derive(Debug, thiserror::Error)]
pub enum NoDisk {
    #[error(
        "no disk has the serial number {serial:?}; there are: {}",
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    )]
    Missing { serial: String, found: Vec<String> },
    #[error("the list of disks cannot be read")]
    Unreadable(#[from] io::Error),
}

/// The guest's own, by the serial number of virtio.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockDevices;

impl Disks for BlockDevices {
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
        let began = Instant::now();
        loop {
            match look(Path::new(BLOCK_DEVICES), serial)? {
                Ok(name) => return Ok(Path::new("/dev").join(name)),
                Err(found) if began.elapsed() >= LIMIT => {
                    return Err(NoDisk::Missing { serial: serial.to_owned(), found });
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }
}

/// Links every disk that there is now and that has a serial number to where udev would: nothing of
/// it runs in a guest.
pub(crate) fn link_all() -> io::Result<()> {
    link(Path::new(BLOCK_DEVICES), Path::new(LINKS))
}

fn link(devices: &Path, links: &Path) -> io::Result<()> {
    fs::create_dir_all(links)?;
    for entry in fs::read_dir(devices)? {
        let entry = entry?;
        let serial = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        let serial = serial.trim();
        // A name, and nothing that would be a path.
        if serial.is_empty() || serial.contains(['/', '\0']) {
            continue;
        }
        let target = Path::new("../..").join(entry.file_name());
        match symlink(target, links.join(format!("virtio-{serial}"))) {
            // Of two disks with one number the first one keeps it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => linked?,
        }
    }
    Ok(())
}

/// The name of the disk, or what there is instead.
fn look(devices: &Path, serial: &str) -> io::Result<Result<String, Vec<String>>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(devices)? {
        let entry = entry?;
        // A device without a serial number has no such file, or nothing in it.
        let own = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        // An empty name is no disk's, whatever has none.
        if !serial.is_empty() && own.trim() == serial {
            return Ok(Ok(name));
        }
        found.push(format!("{name} ({:?})", own.trim()));
    }
    Ok(Err(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_by_its_serial_number() {
        let devices = tempfile::tempdir().unwrap();
        for (name, serial) in [("vda", "kiln-scratch\n"), ("vdb", "kiln-root"), ("loop0", "")] {
            fs::create_dir(devices.path().join(name)).unwrap();
            fs::write(devices.path().join(name).join("serial"), serial).unwrap();
        }
        let look = |serial| look(devices.path(), serial).unwrap();
        assert_eq!(look("kiln-root"), Ok("vdb".to_owned()));
        assert_eq!(look("kiln-scratch"), Ok("vda".to_owned()));
        assert_eq!(look("kiln").unwrap_err().len(), 3);
        assert_eq!(look("").unwrap_err().len(), 3);
    }

    #[test]
    fn a_link_is_made_for_each_serial_number_that_is_a_name() {
        let place = tempfile::tempdir().unwrap();
        let devices = place.path().join("block");
        for (name, serial) in
            [("vda", "kiln-root\n"), ("vdb", "../../etc"), ("vdc", "a\0b"), ("loop0", "")]
        {
            fs::create_dir_all(devices.join(name)).unwrap();
            fs::write(devices.join(name).join("serial"), serial).unwrap();
        }
        let links = place.path().join("dev/disk/by-id");
        link(&devices, &links).unwrap();
        link(&devices, &links).unwrap();
        let made: Vec<_> = fs::read_dir(&links).unwrap().map(|link| link.unwrap().path()).collect();
        assert_eq!(made, [links.join("virtio-kiln-root")]);
        assert_eq!(fs::read_link(&made[0]).unwrap(), Path::new("../../vda"));
    }
}
