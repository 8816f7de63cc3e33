//! Network devices are found by the MAC address that the host gave them, as disks by their serial
//! numbers.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::NetworkError;

const DEVICES: &str = "/sys/class/net";
const SYSCTLS: &str = "/proc/sys/net/ipv6/conf";
/// The driver finds its devices while it is loaded; this is for a kernel that does so later.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// What a device without IPv6 has set.
const WITHOUT_IPV6: &[(&str, &str)] = &[("disable_ipv6", "1")];
/// Everything is told, so nothing is asked for, waited for or believed.
const WITH_IPV6: &[(&str, &str)] = &[
    ("disable_ipv6", "0"),
    ("accept_ra", "0"),
    ("autoconf", "0"),
    ("accept_redirects", "0"),
    ("accept_dad", "0"),
    ("dad_transmits", "0"),
    ("router_solicitations", "0"),
    // No link-local address either.
    ("addr_gen_mode", "1"),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) index: u32,
}

impl Device {
    pub(super) fn find(mac: [u8; 6]) -> Result<Self, NetworkError> {
        let began = Instant::now();
        loop {
            match look(Path::new(DEVICES), mac).map_err(NetworkError::Devices)? {
                Ok(device) => return Ok(device),
                Err(found) if began.elapsed() >= LIMIT => {
                    return Err(NetworkError::NoDevice { mac: shown(mac), found });
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// While the link is still down, so that no packet leaves before.
    pub(super) fn set_up_ipv6(&self, wanted: bool) -> Result<(), NetworkError> {
        set(Path::new(SYSCTLS), &self.name, if wanted { WITH_IPV6 } else { WITHOUT_IPV6 })
    }
}

fn set(sysctls: &Path, device: &str, values: &[(&str, &str)]) -> Result<(), NetworkError> {
    let directory = sysctls.join(device);
    if !directory.exists() {
        // A kernel without IPv6: who wants an address of it is refused that.
        return Ok(());
    }
    for (name, value) in values {
        let path = directory.join(name);
        fs::write(&path, value).map_err(|source| NetworkError::Write { path, source })?;
    }
    Ok(())
}

/// The device, or what there is instead.
fn look(devices: &Path, mac: [u8; 6]) -> io::Result<Result<Device, Vec<String>>> {
    let mac = shown(mac);
    let mut found = Vec::new();
    for entry in fs::read_dir(devices)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A device may go while we look.
        let read = |file| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let own = read("address");
        if own.trim() == mac
            && let Ok(index) = read("ifindex").trim().parse()
        {
            return Ok(Ok(Device { name, index }));
        }
        found.push(format!("{name} ({})", own.trim()));
    }
    Ok(Err(found))
}

fn shown(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_its_address() {
        let devices = tempfile::tempdir().unwrap();
        for (name, address, index) in
            [("lo", "00:00:00:00:00:00", "1"), ("eth7", "02:4b:69:6c:6e:02", "9")]
        {
            let device = devices.path().join(name);
            fs::create_dir(&device).unwrap();
            fs::write(device.join("address"), format!("{address}\n")).unwrap();
            fs::write(device.join("ifindex"), format!("{index}\n")).unwrap();
        }
        let found = look(devices.path(), [2, 0x4b, 0x69, 0x6c, 0x6e, 2]).unwrap();
        assert_eq!(found, Ok(Device { name: "eth7".to_owned(), index: 9 }));
        let mut instead = look(devices.path(), [2; 6]).unwrap().unwrap_err();
        instead.sort();
        assert_eq!(instead, ["eth7 (02:4b:69:6c:6e:02)", "lo (00:00:00:00:00:00)"]);
    }

    #[test]
    fn what_a_kernel_does_not_have_is_not_set() {
        let sysctls = tempfile::tempdir().unwrap();
        set(sysctls.path(), "eth0", WITHOUT_IPV6).unwrap();
        fs::create_dir(sysctls.path().join("eth0")).unwrap();
        set(sysctls.path(), "eth0", WITH_IPV6).unwrap();
        let read = |name| fs::read_to_string(sysctls.path().join("eth0").join(name)).unwrap();
        assert_eq!((read("disable_ipv6"), read("accept_ra")), ("0".to_owned(), "0".to_owned()));
    }
}
