//! A VMM that runs something else than what was asked is never booted.

use std::sync::Arc;

use kiln_vmm_manager::vmm::{Vmm as _, VmmError, null_guest::Errand};
use serde_json::{Value, json};

use crate::{
    fault::{Change, HELD, Seen, between},
    stage::{Stage, gone, within},
};

/// What the VMM does otherwise when it is not told so, or does not understand that it is.
const FIELDS: [&str; 34] = [
    "/cpus/boot_vcpus",
    "/cpus/max_vcpus",
    "/cpus/nested",
    "/cpus/core_scheduling",
    "/memory/size",
    "/memory/hotplug_size",
    "/payload",
    "/payload/kernel",
    "/payload/initramfs",
    "/payload/cmdline",
    "/disks",
    "/disks/0/id",
    "/disks/0/serial",
    "/disks/0/path",
    "/disks/0/readonly",
    "/disks/0/image_type",
    "/disks/0/sparse",
    "/disks/0/disable_io_uring",
    "/disks/1/id",
    "/disks/1/serial",
    "/disks/1/path",
    "/disks/1/image_type",
    "/disks/1/disable_io_uring",
    "/rng/id",
    "/serial",
    "/console",
    "/vsock",
    "/vsock/id",
    "/vsock/cid",
    "/vsock/socket",
    "/landlock_enable",
    "/landlock_rules",
    "/landlock_rules/0/path",
    "/landlock_rules/1/access",
];

/// What nobody asked for.
fn additions() -> Vec<Value> {
    let device = json!({"path": "/sys/bus/pci/devices/0000:00:00.0"});
    vec![
        json!({"net": [{"tap": "tap0"}]}),
        json!({"fs": [{"tag": "host", "socket": "/run/fs.sock"}]}),
        json!({"devices": [device]}),
        json!({"user_devices": [{"socket": "/run/user.sock"}]}),
        json!({"vdpa": [{"path": "/dev/vhost-vdpa-0"}]}),
        json!({"pmem": [{"file": "/etc/shadow"}]}),
        json!({"balloon": {"size": 0}}),
        json!({"tpm": {"socket": "/run/tpm.sock"}}),
        json!({"numa": [{"guest_numa_id": 0}]}),
        json!({"rtc": {}}),
        json!({"platform": {"iommufd": true}}),
        json!({"rate_limit_groups": [{"id": "slow", "rate_limiter_config": {}}]}),
        json!({"generic_vhost_user": [
            {"socket": "/run/vhost.sock", "queue_sizes": [16], "device_type": 26}
        ]}),
        json!({"pci_segments": [{"pci_segment": 0}]}),
        json!({"memory": {"zones": [{"id": "zone", "size": 1_048_576, "shared": true}]}}),
        json!({"payload": {"firmware": "/etc/shadow"}}),
        json!({"serial": {"file": "/etc/shadow"}}),
        json!({"console": {"file": "/etc/shadow"}}),
        json!({"rng": {"iommu": true}}),
        json!({"vsock": {"iommu": true}}),
        json!({"cpus": {"topology": {
            "threads_per_core": 1, "cores_per_die": 2, "dies_per_package": 1, "packages": 1
        }}}),
    ]
}

fn merge(config: &mut Value, addition: &Value) {
    match (config, addition) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (config, addition) => *config = addition.clone(),
    }
}

fn parent<'a>(config: &'a mut Value, field: &str) -> (&'a mut Value, String) {
    let (parent, name) = field.rsplit_once('/').unwrap();
    (config.pointer_mut(parent).unwrap(), name.to_owned())
}

fn dropped(field: &'static str) -> Change {
    Arc::new(move |config| {
        let (parent, name) = parent(config, field);
        parent.as_object_mut().unwrap().remove(&name).unwrap();
    })
}

fn misspelt(field: &'static str) -> Change {
    Arc::new(move |config| {
        let (parent, name) = parent(config, field);
        let fields = parent.as_object_mut().unwrap();
        let value = fields.remove(&name).unwrap();
        fields.insert(format!("{name}s"), value);
    })
}

/// Something else of the same kind.
fn altered(field: String) -> Change {
    Arc::new(move |config| {
        let value = config.pointer_mut(&field).unwrap();
        *value = match &*value {
            Value::Bool(value) => json!(!value),
            Value::Number(value) => json!(value.as_u64().unwrap() * 2),
            Value::String(value) => json!(format!("{value}x")),
            other => panic!("{other} is no leaf"),
        };
    })
}

/// Every field that has no fields.
fn leaves(path: &str, value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(&format!("{path}/{name}"), value, all));
        }
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.for_each(|(index, value)| leaves(&format!("{path}/{index}"), value, all));
        }
        _ => all.push(path.to_owned()),
    }
}

/// With the change on the way, and what became of it.
async fn start(stage: &Stage, change: Change) -> (Result<(), VmmError>, Seen) {
    let spec = stage.spec(Errand::Halt);
    let seen = between(&stage.path(""), &spec.directory, change);
    let created = within(stage.driver.create(spec)).await;
    let result = match created {
        Ok(machine) => {
            machine.kill().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    let seen = seen.lock().unwrap().clone();
    (result, seen)
}

async fn aborts(stage: &Stage, what: &str, change: Change) -> VmmError {
    let (result, seen) = start(stage, change).await;
    let error = match result {
        Ok(()) => panic!("{what}: it was booted"),
        Err(error) => error,
    };
    assert_eq!(seen.everybody.len(), 2, "{what}");
    gone(&seen.everybody).await;
    match &error {
        // What it cannot do without, it says by itself.
        VmmError::ReadBack { .. } | VmmError::Refused { command: "vm.create", .. } => {}
        other => panic!("{what}: {other}"),
    }
    error
}

pub(crate) async fn what_is_misspelt_or_dropped_aborts_the_start() {
    let stage = Stage::with(HELD).await;
    let mut differences = 0;
    for field in FIELDS {
        for change in [dropped(field), misspelt(field)] {
            let error = aborts(&stage, field, change).await;
            differences += usize::from(matches!(error, VmmError::ReadBack { .. }));
        }
    }
    assert!(differences >= 40, "{differences} were found by us");
}

pub(crate) async fn what_is_altered_aborts_the_start() {
    let stage = Stage::with(HELD).await;
    let (result, seen) = start(&stage, Arc::new(|_| {})).await;
    result.unwrap();
    let mut all = Vec::new();
    leaves("", &seen.asked, &mut all);
    assert!(all.len() >= 60, "{all:?}");
    for field in all {
        aborts(&stage, &field, altered(field.clone())).await;
    }
}

pub(crate) async fn what_was_not_asked_for_aborts_the_start() {
    let stage = Stage::with(HELD).await;
    for addition in additions() {
        let what = addition.to_string();
        let change: Change = Arc::new(move |config| merge(config, &addition));
        aborts(&stage, &what, change).await;
    }
}
