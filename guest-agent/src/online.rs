//! CPUs and blocks of memory that were added to the running machine.
//!
//! The kernel makes a directory for each that ACPI announces. A file in it says whether the device is
//! in use and takes the order to use it; a CPU that can't do without being in use has no such file.
//! Kernels that take memory into use by themselves leave nothing to do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the kernel shows CPUs and memory.
#[derive(Debug)]
pub(crate) struct System {
    devices: PathBuf,
}

/// What is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) cpus: u32,
    pub(crate) memory_blocks: u32,
    pub(crate) memory_block_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OnlineError {
    #[error("{path} cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    /// By the kernel, of a CPU or a block of memory.
    #[error("{device} cannot be taken into use")]
    Refused { device: String, source: io::Error },
}

/// A kind of device: the name of its directory, and what its devices' names begin with.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    /// In which a device says whether it is in use.
    file: &'static str,
    unused: &'static str,
    /// What is written to have it used, and read when it is.
    used: &'static str,
}

const CPU: Kind = Kind { name: "cpu", file: "online", unused: "0", used: "1" };
const MEMORY: Kind = Kind { name: "memory", file: "state", unused: "offline", used: "online" };
/// Without `0x`.
const BLOCK_SIZE: &str = "memory/block_size_bytes";

impl System {
    pub(crate) fn of_this_machine() -> Self {
        Self { devices: PathBuf::from("/sys/devices/system") }
    }

    /// Takes into use what is not, and says what then is. One device that is refused keeps no other
    /// from being used.
    pub(crate) fn take_into_use(&self) -> Result<Online, OnlineError> {
        let (cpus, blocks) = (self.use_all(CPU), self.use_all(MEMORY));
        let (cpus, memory_blocks) = (cpus?, blocks?);
        Ok(Online { cpus, memory_blocks, memory_block_bytes: self.block_bytes()? })
    }

    /// How many of a kind are in use, in the end.
    fn use_all(&self, kind: Kind) -> Result<u32, OnlineError> {
        let directory = self.devices.join(kind.name);
        let unreadable = |source| OnlineError::Unreadable { path: directory.clone(), source };
        let entries = match fs::read_dir(&directory) {
            // Of memory that cannot be added to there is no list.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(unreadable)?,
        };
        let (mut used, mut refused) = (0, None);
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let device = entry.file_name().to_string_lossy().into_owned();
            let number = device.strip_prefix(kind.name).unwrap_or_default();
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            match use_one(kind, &entry.path()) {
                Ok(true) => used += 1,
                Ok(false) => {}
                Err(source) => refused = Some(OnlineError::Refused { device, source }),
            }
        }
        refused.map_or(Ok(used), Err)
    }

    fn block_bytes(&self) -> Result<u64, OnlineError> {
        let path = self.devices.join(BLOCK_SIZE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(source) => return Err(OnlineError::Unreadable { path, source }),
        };
        u64::from_str_radix(text.trim(), 16)
            .map_err(|error| OnlineError::Unreadable { path, source: io::Error::other(error) })
    }
}

/// Whether the device is in use, in the end; one that has gone is not.
fn use_one(kind: Kind, device: &Path) -> io::Result<bool> {
    let file = device.join(kind.file);
    let is_used = || match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(device.is_dir()),
        text => Ok(text?.trim() == kind.used),
    };
    // What is on its way in or out of use is left to whoever began that.
    if fs::read_to_string(&file).is_ok_and(|text| text.trim() == kind.unused) {
        let ordered = fs::write(&file, kind.used);
        // Somebody else may have been faster, which the kernel calls an error.
        let used = is_used()?;
        return if used { Ok(true) } else { ordered.map(|()| false) };
    }
    is_used()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each device with the content of its file, or without one.
    fn system(devices: &[(&str, Option<&str>)]) -> (tempfile::TempDir, System) {
        let directory = tempfile::tempdir().unwrap();
        for (device, state) in devices {
            let path = directory.path().join(device);
            fs::create_dir_all(&path).unwrap();
            let file = if device.starts_with("cpu/") { "online" } else { "state" };
            if let Some(state) = state {
                fs::write(path.join(file), state).unwrap();
            }
        }
        let system = System { devices: directory.path().to_owned() };
        (directory, system)
    }

    #[test]
    fn what_was_added_is_used_and_asking_again_changes_nothing() {
        let (directory, system) = system(&[
            ("cpu/cpu0", None),
            ("cpu/cpu1", Some("1\n")),
            ("cpu/cpu2", Some("0\n")),
            ("cpu/cpuidle", None),
            ("cpu/power", None),
            ("memory/memory0", Some("online\n")),
            ("memory/memory32", Some("offline\n")),
            ("memory/memory33", Some("going-offline\n")),
        ]);
        fs::write(directory.path().join("memory/block_size_bytes"), "8000000\n").unwrap();
        for _ in 0..2 {
            let expected = Online { cpus: 3, memory_blocks: 2, memory_block_bytes: 128 << 20 };
            assert_eq!(system.take_into_use().unwrap(), expected);
        }
        let read = |path| fs::read_to_string(directory.path().join(path)).unwrap();
        assert_eq!(read("cpu/cpu2/online"), "1");
        assert_eq!(read("memory/memory32/state"), "online");
        assert_eq!(read("memory/memory33/state"), "going-offline\n");
    }

    #[test]
    fn a_kernel_without_a_list_of_memory_has_no_blocks() {
        let (_directory, system) = system(&[("cpu/cpu0", None)]);
        assert_eq!(system.take_into_use().unwrap(), Online { cpus: 1, ..Online::default() });
    }

    #[test]
    fn a_refused_device_is_named_and_keeps_no_other_from_use() {
        let (directory, system) = system(&[
            ("cpu/cpu0", None),
            ("memory/memory1", Some("offline")),
            ("memory/memory2", Some("offline")),
        ]);
        // A directory, which can neither be read nor written.
        let state = directory.path().join("cpu/cpu1/online");
        fs::create_dir_all(&state).unwrap();
        let error = system.take_into_use().unwrap_err();
        assert_eq!(error.to_string(), "cpu1 cannot be taken into use");
        for block in ["memory1", "memory2"] {
            let state = directory.path().join("memory").join(block).join("state");
            assert_eq!(fs::read_to_string(state).unwrap(), "online");
        }
    }
}
