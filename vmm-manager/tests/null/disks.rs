//! Disks whose content looks like something else than what it is, bytes.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use kiln_vmm_manager::vmm::{Disk, Vmm as _, VmmError, null_guest::Errand};

use crate::stage::{Stage, greeted, within};

const SECRET: &str = "/etc/shadow";
const BYTES: u64 = 4 << 20;

/// To Cloud Hypervisor these look like something else, whatever it is told.
const REFUSED: [&str; 6] = ["qcow2", "qcow2-v3", "qcow2-backed", "qcow", "vhdx", "vhd"];

/// A name, and what stands where in the file.
type Looks = (&'static str, Vec<(u64, Vec<u8>)>);

/// A qcow2 header of `version` over `backing`, as large as 1 GiB.
fn qcow2(version: u32, backing: &str) -> Vec<u8> {
    let mut header = b"QFI\xfb".to_vec();
    header.extend(version.to_be_bytes());
    let at: u64 = if backing.is_empty() { 0 } else { 512 };
    header.extend(at.to_be_bytes());
    header.extend(u32::try_from(backing.len()).unwrap().to_be_bytes());
    // Clusters of 64 KiB; the size; no encryption; one table of one cluster.
    header.extend(16_u32.to_be_bytes());
    header.extend((1_u64 << 30).to_be_bytes());
    header.extend([0, 0, 0, 0, 0, 0, 0, 2]);
    header.extend((3_u64 << 16).to_be_bytes());
    header.extend((1_u64 << 16).to_be_bytes());
    header.extend([0, 0, 0, 1]);
    header.resize(104, 0);
    header[100..104].copy_from_slice(&104_u32.to_be_bytes());
    header
}

fn looks() -> Vec<Looks> {
    let at = |offset: u64, bytes: &[u8]| vec![(offset, bytes.to_vec())];
    let mut backed = vec![(0, qcow2(3, SECRET))];
    backed.push((512, SECRET.as_bytes().to_vec()));
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
         createType=\"monolithicFlat\"\nRW 8192 FLAT \"{SECRET}\" 0\n"
    );
    let mut sparse_vmdk = b"KDMV\x01\0\0\0".to_vec();
    sparse_vmdk.resize(512, 0);
    vec![
        ("qcow2", at(0, &qcow2(2, ""))),
        ("qcow2-v3", at(0, &qcow2(3, ""))),
        ("qcow2-backed", backed),
        ("qcow", at(0, b"QFI\xfb\0\0\0\x01")),
        ("qed", at(0, b"QED\0\0\0\x01\0")),
        ("vmdk", at(0, &sparse_vmdk)),
        ("vmdk-flat", at(0, descriptor.as_bytes())),
        ("cowd", at(0, b"COWD\x01\0\0\0")),
        ("vhdx", vec![(0, b"vhdxfile".to_vec()), (64 << 10, b"head".to_vec())]),
        ("vhd", vec![(0, b"conectix".to_vec()), (BYTES - 512, b"conectix\0\0\0\x02".to_vec())]),
        ("vdi", at(64, b"\x7f\x10\xda\xbe")),
        ("parallels", at(0, b"WithoutFreeSpace")),
        ("parallels-ext", at(0, b"WithouFreSpacExt")),
        ("bochs", at(0, b"Bochs Virtual HD Image")),
        ("cloop", at(0, b"#!/bin/sh\n#V2.0 Format\n")),
        ("dmg", at(BYTES - 512, b"koly")),
        ("luks", at(0, b"LUKS\xba\xbe\0\x01")),
        ("ext4", at(1024 + 56, b"\x53\xef")),
        ("xfs", at(0, b"XFSB")),
        ("btrfs", at((64 << 10) + 64, b"_BHRfS_M")),
        ("iso9660", at((32 << 10) + 1, b"CD001")),
        ("squashfs", at(0, b"hsqs")),
        ("gzip", at(0, b"\x1f\x8b\x08")),
        ("zstd", at(0, b"\x28\xb5\x2f\xfd")),
        ("mbr", at(510, b"\x55\xaa")),
        ("gpt", vec![(510, b"\x55\xaa".to_vec()), (512, b"EFI PART".to_vec())]),
    ]
}

fn make(path: &Path, contents: &[(u64, Vec<u8>)]) {
    let file = fs::File::create(path).unwrap();
    file.set_len(BYTES).unwrap();
    for (offset, bytes) in contents {
        file.write_all_at(bytes, *offset).unwrap();
    }
}

/// How often each file is open.
fn open_files(pid: u32) -> BTreeMap<PathBuf, usize> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let Ok(link) = fs::read_link(entry.unwrap().path()) else { continue };
        if link.starts_with("/dev") || link.is_absolute() {
            *files.entry(link).or_default() += 1;
        }
    }
    files
}

pub(crate) async fn what_looks_like_an_image_is_a_disk_of_its_bytes() {
    let stage = Stage::new().await;
    let looks = looks().into_iter().filter(|(name, _)| !REFUSED.contains(name));
    let looks: Vec<_> = looks.collect();
    assert_eq!(looks.len(), 20);
    for some in looks.chunks(9) {
        let mut spec = stage.spec(Errand::Halt);
        let plain = spec.directory.join("plain.img");
        make(&plain, &[]);
        spec.disks = vec![Disk { serial: "plain".into(), path: plain.clone(), read_only: false }];
        for (name, contents) in some {
            for read_only in [false, true] {
                let serial = format!("{name}{}", if read_only { "-ro" } else { "" });
                let path = spec.directory.join(format!("{serial}.img"));
                make(&path, contents);
                spec.disks.push(Disk { serial: serial.into(), path, read_only });
            }
        }
        let disks = spec.disks.clone();
        let before: Vec<_> = disks.iter().map(|disk| fs::read(&disk.path).unwrap()).collect();
        // That each of them is raw to the VMM is read back by the driver.
        let machine = within(stage.driver.create(spec)).await.unwrap();
        machine.boot().await.unwrap();
        greeted(machine.as_ref()).await;
        let open = open_files(machine.processes()[0]);
        let names: Vec<_> = open.keys().collect();
        // In its own root a file has the same name; as often as one without any content.
        let times = |path: &Path| open.get(path).copied().unwrap_or_default();
        assert!(times(&plain) > 0, "{names:?}");
        for disk in &disks {
            assert_eq!(times(&disk.path), times(&plain), "{}: {names:?}", disk.serial);
        }
        assert!(!open.contains_key(Path::new(SECRET)), "{names:?}");
        let counters = machine.counters().await.unwrap();
        assert!(
            disks.iter().all(|disk| counters.contains_key(&format!("{}.read_ops", disk.serial)))
        );
        machine.kill().await;
        for (disk, before) in disks.iter().zip(before) {
            assert!(fs::read(&disk.path).unwrap() == before, "{} was changed", disk.serial);
        }
    }
}

/// Nothing is started, so nothing opens them.
pub(crate) async fn what_the_vmm_would_take_for_an_image_is_refused() {
    let stage = Stage::new().await;
    let looks = looks();
    for refused in REFUSED {
        let (_, contents) = looks.iter().find(|(name, _)| *name == refused).unwrap();
        let mut spec = stage.spec(Errand::Halt);
        let path = spec.directory.join("image.img");
        make(&path, contents);
        spec.disks.push(Disk { serial: "image".into(), path: path.clone(), read_only: false });
        let before = fs::read(&path).unwrap();
        let directory = spec.directory.clone();
        match within(stage.driver.create(spec)).await {
            Err(VmmError::Disk { serial, .. }) => assert_eq!(serial, "image"),
            other => panic!("{refused}: {other:?}"),
        }
        assert!(!directory.join("shim.json").exists());
        assert!(fs::read(&path).unwrap() == before);
        // One that is plugged in as well.
        let spec = stage.spec(Errand::Halt);
        let path = spec.directory.join("plug/image.img");
        let machine = within(stage.driver.create(spec)).await.unwrap();
        make(&path, contents);
        let disk = Disk { serial: "image".into(), path: path.clone(), read_only: true };
        let error = machine.add_disk(disk).await.unwrap_err();
        assert!(matches!(error, VmmError::Disk { .. }), "{refused}: {error}");
        machine.kill().await;
    }
}
