//! The configuration of a machine, as Cloud Hypervisor's API has it.
//!
//! Cloud Hypervisor ignores a field that it does not know and fills in one that is missing. So
//! each field that matters is named here, also where its default would do: what the VMM answers is
//! compared with this, field by field.

use std::path::Path;

use serde_json::{Value, json};

use crate::vmm::{Disk, Network, VmSpec, gateway};

/// Where its vsock listens, below the VM's directory. That is where it is: the 107 bytes of a socket's
/// path are ours to spend.
pub(super) const VSOCK_SOCKET: &str = "run/vsock.sock";
/// Where it writes snapshots, below the VM's directory.
pub(super) const SNAPSHOT: &str = "snapshot";
/// Where the disks are that are plugged in while it runs, below the VM's directory.
pub(super) const PLUG: &str = "plug";
pub(super) const PLACES: [&str; 2] = [PLUG, SNAPSHOT];
pub(super) const RANDOM: &str = "/dev/urandom";
/// Memory is plugged in by blocks of this size.
pub(super) const BLOCK_BYTES: u64 = 128 << 20;

/// A machine can grow to twice its processors and about twice its memory.
pub(super) fn most_cpus(cpus: u32) -> u32 {
    cpus.saturating_mul(2)
}

pub(super) fn most_memory_added(memory_bytes: u64) -> u64 {
    memory_bytes.next_multiple_of(BLOCK_BYTES)
}

/// A machine with or without [`PLACES`].
pub(super) fn render(spec: &VmSpec, places: bool) -> Value {
    let VmSpec {
        name: _in_records_alone,
        instance: _,
        cid,
        user: _,
        cgroup: _,
        directory,
        cpus,
        memory_bytes,
        kernel,
        initramfs,
        command_line,
        disks,
        network: _is_added_with_its_tap,
    } = spec;
    // What is named elsewhere it may open anyway.
    let rule = |place| json!({"path": directory.join(place), "access": "rw"});
    let rules: Vec<_> = if places { PLACES.map(rule).to_vec() } else { Vec::new() };
    json!({
        "cpus": {
            "boot_vcpus": cpus,
            "max_vcpus": most_cpus(*cpus),
            // No machines inside the machine: what is not offered cannot be attacked.
            "nested": false,
            "kvm_hyperv": false,
            // Its jail has seen to that, for all of its threads.
            "core_scheduling": "Off",
            "features": {"amx": false},
        },
        "memory": {
            "size": memory_bytes,
            // Pages are never shared with other machines: what is shared can be timed.
            "mergeable": false,
            "shared": false,
            "hugepages": false,
            "prefault": false,
            "reserve": false,
            "thp": true,
            "hotplug_method": "Acpi",
            "hotplug_size": most_memory_added(*memory_bytes),
        },
        "payload": {
            "kernel": kernel,
            "initramfs": initramfs,
            "cmdline": format!("console=ttyS0 {command_line}"),
        },
        "disks": disks.iter().map(disk).collect::<Vec<_>>(),
        "rng": {"id": "rng", "src": RANDOM},
        // To stdout, which its supervisor always drains: the console never makes the guest wait.
        "serial": {"mode": "Tty"},
        "console": {"mode": "Off"},
        "debug_console": {"mode": "Off"},
        "vsock": {"id": "vsock", "cid": cid, "socket": VSOCK_SOCKET},
        "pvpanic": false,
        "iommu": false,
        "watchdog": false,
        "landlock_enable": true,
        "landlock_rules": rules,
    })
}

/// Always raw, so that no header which a guest may have written is ever read. Flushes are left to
/// the guest.
pub(super) fn disk(disk: &Disk) -> Value {
    let Disk { serial, path, read_only } = disk;
    json!({
        "id": serial,
        "serial": serial,
        "path": path,
        "readonly": read_only,
        "image_type": "Raw",
        "backing_files": false,
        "direct": false,
        "vhost_user": false,
        // What the guest discards, the host gets back.
        "sparse": !read_only,
        "num_queues": 1,
        "queue_size": 128,
        // Its ring is beyond any filter of system calls.
        "disable_io_uring": true,
        "disable_aio": false,
    })
}

/// Its TAP travels beside the request, with the MTU that it has: told of one, Cloud Hypervisor would
/// set it, and in its jail it can change no interface.
pub(super) fn network(network: &Network) -> Value {
    let Network { id, mac, tap: _beside_the_request } = network;
    json!({
        "id": id,
        "mac": gateway::mac(*mac),
        // One in each direction.
        "num_queues": 2,
        "queue_size": 256,
        "vhost_user": false,
        "offload_tso": true,
        "offload_ufo": false,
        "offload_csum": true,
    })
}

/// As the API names places.
pub(super) fn url(directory: &Path) -> String {
    format!("file://{}", directory.display())
}
