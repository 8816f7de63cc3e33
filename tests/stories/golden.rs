//! The golden root, which every VM reads and none may change; and the serial console, into which
//! any guest may pour.

use anyhow::{Context as _, ensure};
use kiln_tests::{Stage, Story, stories};
use serde_json::Value;
use tokio::process::Command;

/// Each as root in the guest.
const ATTEMPTS: [&str; 10] = [
    "dd if=/dev/urandom of=/dev/vda bs=1M count=4 conv=fsync",
    "dd if=/dev/urandom of=/dev/vda bs=4096 count=4 seek=1000 oflag=direct",
    "blockdev --setrw /dev/vda && dd if=/dev/zero of=/dev/vda bs=1M count=4 conv=fsync",
    "mount -o remount,rw / && echo poison > /etc/poison && sync",
    "mkdir -p /tmp/g && mount -o rw /dev/vda /tmp/g && echo poison > /tmp/g/poison && sync",
    "mke2fs -q -F /dev/vda",
    "tune2fs -L poison /dev/vda",
    "blkdiscard -f /dev/vda",
    "fallocate --punch-hole --offset 0 --length 1048576 /dev/vda",
    "mknod /tmp/v b $(tr : ' ' < /sys/block/vda/dev) && dd if=/dev/zero of=/tmp/v bs=1M count=4",
];

pub(crate) fn stories() -> Vec<Story> {
    stories![
        the_golden_root_survives_ten_attempts_on_it,
        a_serial_flood_takes_no_memory.only_full(),
    ]
}

async fn the_golden_root_survives_ten_attempts_on_it(stage: &Stage) -> anyhow::Result<()> {
    let image = &stage.settings().guest_image;
    let manifest: Value = serde_json::from_slice(&std::fs::read(image.join("manifest.json"))?)?;
    let expected = manifest["root"]["sha256"].as_str().context("the root's digest")?;
    let root = image.join(manifest["root"]["file"].as_str().context("the root's name")?);
    let host = stage.host().start().await?;
    let script = ATTEMPTS
        .map(|attempt| {
            format!("echo '{attempt}'; timeout 60 sh -c '{attempt}'; echo attempted: $?")
        })
        .join("\n");
    let ended = host.kiln(["run", "--", "sh", "-c", &script]).run().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    let attempted = ended.stdout_text().matches("attempted: ").count();
    assert_eq!(attempted, ATTEMPTS.len(), "{ended}");
    host.vms_are_gone().await?;
    let summed = Command::new("sha256sum").arg(&root).kill_on_drop(true).output().await?;
    let summed = String::from_utf8(summed.stdout)?;
    let actual = summed.split_whitespace().next().unwrap_or_default();
    ensure!(expected.ends_with(actual) && actual.len() == 64, "{expected} became {actual}");
    host.stop().await
}

async fn a_serial_flood_takes_no_memory(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let peak = host.resident_peak()?;
    let script = "yes serial | head -c 8388608 > /dev/ttyS0; echo poured";
    let ended = host.kiln(["run", "--", "sh", "-c", script]).run().await?;
    assert_eq!(ended.stdout_text(), "poured\n", "{ended}");
    let growth = peak.growth()?;
    assert!(growth <= 8 << 20, "kilnd grew by {growth} bytes");
    host.stop().await
}
