//! What really runs, compared with what was asked. A QEMU that was misunderstood is not booted.

use serde_json::Value;

use super::arguments::disk_node;
use crate::vmm::{VmSpec, VmmError};

/// What QEMU says of the machine that it holds.
#[derive(Debug)]
pub(super) struct Reported {
    /// Of `query-status`.
    pub(super) status: Value,
    /// Of `query-cpus-fast`.
    pub(super) cpus: Value,
    /// Of `query-memory-size-summary`.
    pub(super) memory: Value,
    /// Of `query-block`.
    pub(super) block: Value,
}

impl Reported {
    pub(super) fn matches(&self, spec: &VmSpec) -> Result<(), VmmError> {
        same("status", &"prelaunch", self.status["status"].as_str())?;
        same("cpus", &spec.cpus, self.cpus.as_array().map(Vec::len))?;
        same("memory", &spec.memory_bytes, self.memory["base-memory"].as_u64())?;
        let devices = self.block.as_array().map(Vec::as_slice).unwrap_or_default();
        same("number of disks", &spec.disks.len(), Some(devices.len()))?;
        for (index, disk) in spec.disks.iter().enumerate() {
            let node = disk_node(index);
            let inserted = devices
                .iter()
                .map(|device| &device["inserted"])
                .find(|inserted| inserted["node-name"] == *node);
            let field = |name: &str| inserted.map(|inserted| &inserted[name]);
            same("disk format", &"raw", field("drv").and_then(Value::as_str))?;
            same("disk read-only", &disk.read_only, field("ro").and_then(Value::as_bool))?;
            let path = disk.path.display().to_string();
            same("disk file", &path, field("file").and_then(Value::as_str))?;
        }
        Ok(())
    }
}

fn same<A>(field: &'static str, asked: &A, actual: Option<impl ToString>) -> Result<(), VmmError>
where
    A: ToString,
{
    let asked = asked.to_string();
    let actual = actual.map_or_else(|| "nothing".to_owned(), |actual| actual.to_string());
    if asked == actual { Ok(()) } else { Err(VmmError::ReadBack { field, asked, actual }) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Reported, VmSpec, VmmError};
    use crate::vmm::Disk;

    fn check(change: impl FnOnce(&mut Reported), expected: Option<&'static str>) {
        let disk = |serial: &'static str, path: &str, read_only| Disk {
            serial: serial.into(),
            path: path.into(),
            read_only,
        };
        let spec = VmSpec {
            name: "job".into(),
            instance: "0badcafe".into(),
            cid: 3,
            cgroup: None,
            directory: "/vm".into(),
            cpus: 2,
            memory_bytes: 1 << 30,
            kernel: "/vmlinux".into(),
            initramfs: "/initramfs".into(),
            command_line: String::new(),
            disks: vec![disk("kiln-root", "/root.ext4", true), disk("kiln-scratch", "/s", false)],
        };
        let inserted = |node: &str, file: &str, ro: bool| json!({"device": "", "inserted": {"node-name": node, "file": file, "ro": ro, "drv": "raw"}});
        let mut reported = Reported {
            status: json!({"status": "prelaunch", "running": false}),
            cpus: json!([{"cpu-index": 0}, {"cpu-index": 1}]),
            memory: json!({"base-memory": 1_u64 << 30, "plugged-memory": 0}),
            block: json!([inserted("disk0", "/root.ext4", true), inserted("disk1", "/s", false)]),
        };
        change(&mut reported);
        let field = match reported.matches(&spec) {
            Ok(()) => None,
            Err(VmmError::ReadBack { field, .. }) => Some(field),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(field, expected);
    }

    #[test]
    fn a_machine_that_differs_is_not_booted() {
        check(|_| {}, None);
        check(|reported| reported.status["status"] = json!("running"), Some("status"));
        check(|reported| reported.cpus = json!([{}]), Some("cpus"));
        check(|reported| reported.memory["base-memory"] = json!(1), Some("memory"));
        check(|reported| reported.memory = json!(null), Some("memory"));
        check(|reported| reported.block = json!([]), Some("number of disks"));
        let inserted = |field: &str, value: serde_json::Value| {
            let field = field.to_owned();
            move |reported: &mut Reported| reported.block[0]["inserted"][field] = value
        };
        check(inserted("drv", json!("qcow2")), Some("disk format"));
        check(inserted("ro", json!(false)), Some("disk read-only"));
        check(inserted("file", json!("/etc/shadow")), Some("disk file"));
        check(inserted("node-name", json!("other")), Some("disk format"));
    }
}
