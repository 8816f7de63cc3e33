//! Disks that begin like images of a format which names other files.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use kiln_vmm_manager::vmm::{Disk, Reaped, VmSpec, Vmm as _, reap};
use serde_json::Value;

use super::{INSTANCE, qemu, spec};
use crate::stage::Stage;

const BYTES: usize = 1 << 20;
/// What a header would have us open.
const SECRET: &str = "/etc/shadow";

/// What stands where in a disk: at its beginning, or so far from its end.
enum Place {
    At(usize),
    BeforeEnd(usize),
}

use Place::{At, BeforeEnd};

/// `QFI\xfb`, a version, and a backing file's name at 512.
fn qcow2(version: u8) -> Vec<u8> {
    let mut header = vec![0; 1024];
    header[..8].copy_from_slice(&[b'Q', b'F', b'I', 0xfb, 0, 0, 0, version]);
    header[14..16].copy_from_slice(&512_u16.to_be_bytes());
    header[19] = u8::try_from(SECRET.len()).unwrap();
    header[23] = 16;
    header[24..32].copy_from_slice(&(1_u64 << 30).to_be_bytes());
    header[512..512 + SECRET.len()].copy_from_slice(SECRET.as_bytes());
    header
}

fn heads() -> Vec<(Place, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut external = qcow2(3);
    // Incompatible feature: the data are in another file.
    external[79] = 4;
    let descriptor = format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
         createType=\"monolithicFlat\"\nRW 2048 FLAT \"{SECRET}\" 0\n"
    );
    let vdi = [vec![0; 64], 0xbeda_107f_u32.to_le_bytes().to_vec()].concat();
    vec![
        (At(0), qcow2(1)),
        (At(0), qcow2(2)),
        (At(0), qcow2(3)),
        (At(0), external),
        (At(0), text("QED\0")),
        (At(0), text("KDMV\x01\0\0\0")),
        (At(0), text("COWD\x01\0\0\0")),
        (At(0), text(&descriptor)),
        (At(0), text("vhdxfile")),
        (At(64 << 10), text("head")),
        (At(0), text("conectix\0\0\0\x02\0\x01\0\0")),
        (BeforeEnd(512), text("conectix\0\0\0\x02\0\x01\0\0")),
        (At(0), text("<<< QEMU VM Virtual Disk Image >>>\n")),
        (At(0), text("<<< Oracle VM VirtualBox Disk Image >>>\n")),
        (At(0), vdi),
        (At(0), text("WithoutFreeSpace")),
        (At(0), text("WithouFreSpacExt")),
        (At(0), text("Bochs Virtual HD Image\0")),
        (At(0), text("#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0")),
        (BeforeEnd(512), text("koly\0\0\0\x04")),
        (At(0), text("LUKS\u{0}\u{1}")),
        (At(0), vec![b'L', b'U', b'K', b'S', 0xba, 0xbe, 0, 1]),
        (At(0), vec![b'L', b'U', b'K', b'S', 0xba, 0xbe, 0, 2]),
        (At(0), format!("json:{{\"driver\":\"file\",\"filename\":\"{SECRET}\"}}").into_bytes()),
        (At(0), format!("nbd:unix:{SECRET}").into_bytes()),
    ]
}

pub(crate) async fn whatever_a_disk_holds_it_is_raw() {
    let stage = Stage::new();
    let qemu = qemu(&stage).await;
    let mut spec = spec(&stage).await;
    let mut contents = BTreeMap::new();
    for (number, (place, head)) in heads().into_iter().enumerate() {
        let mut content = vec![0; BYTES];
        let at = match place {
            At(at) => at,
            BeforeEnd(distance) => BYTES - distance,
        };
        content[at..at + head.len()].copy_from_slice(&head);
        let path = stage.directory().join(format!("disk{number}"));
        fs::write(&path, &content).unwrap();
        spec.disks.push(Disk {
            serial: format!("odd-{number}").into(),
            path: path.clone(),
            read_only: number % 2 == 1,
        });
        contents.insert(path, content);
    }
    assert_eq!(contents.len(), 25);
    let spec = VmSpec { ..spec };
    let machine = qemu.create(spec.clone()).await.unwrap();
    let pid = machine.processes()[0];
    // Of all that is open there is nothing but what was named.
    let open: Vec<PathBuf> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.is_absolute() && path.is_file())
        .collect();
    for path in &open {
        assert!(spec.disks.iter().any(|disk| disk.path == *path), "{}", path.display());
    }
    assert!(contents.keys().all(|path| open.contains(path)), "{open:?}");
    // Its size is that of the file, whatever a header says, and it has no other one below it.
    machine.leave();
    let nodes = asked(&stage.directory().join("qmp.sock"), "query-named-block-nodes");
    let nodes = nodes.as_array().unwrap();
    for path in contents.keys() {
        let of_this = nodes.iter().filter(|node| node["file"].as_str() == path.to_str());
        let seen: Vec<_> = of_this
            .map(|node| {
                let image = &node["image"];
                assert!(
                    image.get("backing-image").is_none() && image.get("format-specific").is_none()
                );
                (node["drv"].as_str().unwrap(), image["virtual-size"].as_u64().unwrap())
            })
            .collect();
        let size = u64::try_from(BYTES).unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.contains(&("raw", size)) && seen.contains(&("file", size)), "{seen:?}");
    }
    assert_eq!(reap(&stage.directory(), INSTANCE).await.unwrap(), Reaped::Ended);
    for (path, content) in contents {
        assert!(fs::read(&path).unwrap() == content, "{} has changed", path.display());
    }
}

fn asked(socket: &Path, command: &str) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for command in ["qmp_capabilities", command] {
        writeln!(stream, "{{\"execute\":\"{command}\",\"id\":\"{command}\"}}").unwrap();
    }
    loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if line["id"].as_str() == Some(command) {
            return line["return"].clone();
        }
    }
}
