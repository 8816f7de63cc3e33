//! An image through the program: the ext4 and the tar that come of it, read by others.

use std::{fmt, path::Path, process::Command};

use ext4_view::{Ext4, FileType};
use kiln_rootfs::{Compression, Hasher};

use crate::{
    layout::Layout,
    picture::{Hung, Picture},
    program::{converted, of_debian},
    reading::{Fact, Reading, hex, unhex},
};

const BLOCK: usize = 4096;
/// Larger files are left to the kernel.
const LARGE: u64 = 16 << 20;

/// Who says what came of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Of the tar and of the ext4, for everyone.
    Programs,
    /// This machine's, of the ext4: it takes root and loop devices.
    Kernel,
    /// Of the layers, from which it makes files and devices: it takes root.
    Umoci,
}

impl fmt::Display for Reader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Programs => "programs",
            Self::Kernel => "the kernel",
            Self::Umoci => "umoci",
        })
    }
}

/// It is what the layers say, read by a reader that is neither's.
pub(crate) fn check(reader: Reader, picture: &Picture) -> Reading {
    let hung = picture.hang();
    let expected = Reading::of_layers(&picture.layers);
    let (ext4, tar) = (hung.at("out.ext4"), hung.at("out.tar"));
    match reader {
        Reader::Programs => {
            converted(&hung.image(), &ext4, &["--no-harden"]);
            converted(&hung.image(), &tar, &["--no-harden", "--format", "tar"]);
            assert_eq!(hung.beside(), ["out.ext4", "out.tar"]);
            expected.check(&Reading::of_tar(&tar), "the tar");
            check_file_system(&ext4);
            check_view(&ext4, &expected);
        }
        Reader::Kernel => {
            converted(&hung.image(), &ext4, &["--no-harden"]);
            expected.check(&Reading::of_ext4(&ext4), "the kernel");
        }
        Reader::Umoci => check_umoci(picture, &hung, &expected),
    }
    expected
}

pub(crate) fn check_file_system(path: &Path) {
    let mut e2fsck = Command::new("e2fsck");
    e2fsck.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-f", "-n"]).arg(path);
    let found = of_debian("e2fsprogs", &mut e2fsck);
    assert_eq!(found.code, Some(0), "{}{}", found.out, found.error);
}

/// Without a kernel's help, but it knows of no names of the same file, attributes and numbers of devices.
fn check_view(path: &Path, expected: &Reading) {
    let ext4 = Ext4::load_from_path(path).unwrap();
    // Of a time's low word it takes the sign for a fault.
    let is_read = |fact: &Fact| u32::try_from(fact.modified.0 & 0xffff_ffff).unwrap() >> 31 == 0;
    for (name, fact) in expected.0.iter().filter(|(_, fact)| is_read(fact)) {
        let name = unhex(name);
        let view = if name.is_empty() { b"/".to_vec() } else { name };
        check_one(&ext4, &ext4_view::PathBuf::try_from(&view[..]).unwrap(), fact);
    }
}

fn check_one(ext4: &Ext4, path: &ext4_view::PathBuf, fact: &Fact) {
    let name = path.display();
    let read = ext4.symlink_metadata(path.as_path()).unwrap();
    let kind = match read.file_type() {
        FileType::Directory => "directory".to_owned(),
        FileType::Symlink => {
            format!("link {}", hex(ext4.read_link(path.as_path()).unwrap().as_ref()))
        }
        FileType::Regular if read.len() > LARGE => fact.kind.clone(),
        FileType::Regular => file(&ext4.read(path.as_path()).unwrap()),
        FileType::Fifo => "fifo".to_owned(),
        device => {
            let word = if device.is_char_dev() { "character " } else { "block " };
            assert!(fact.kind.starts_with(word), "{name}");
            fact.kind.clone()
        }
    };
    assert_eq!(kind, fact.kind, "{name}");
    assert_eq!(u32::from(read.mode()) & 0o7777, fact.mode, "{name}");
    assert_eq!((read.uid(), read.gid()), fact.owner, "{name}");
    let modified = (read.modified().seconds(), read.modified().nanoseconds());
    assert!(fact.is_made() || modified == fact.modified, "{name}: {modified:?} and {fact:?}");
}

/// As the other reader tells of one.
fn file(bytes: &[u8]) -> String {
    let mut hash = Hasher::default();
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            let mut whole = block.to_vec();
            whole.resize(BLOCK, 0);
            hash.update(&(number as u64).to_le_bytes());
            hash.update(&whole);
        }
    }
    format!("file {} {}", bytes.len(), hash.finish().hex())
}

fn check_umoci(picture: &Picture, hung: &Hung, expected: &Reading) {
    let layout = hung.at("layout");
    Layout::of(&picture.layers, Compression::Gzip).write(&layout);
    let image = format!("{}:latest", layout.display());
    let mut umoci = Command::new("umoci");
    umoci.args(["raw", "unpack", "--image", &image]).arg(hung.at("unpacked"));
    let unpacked = of_debian("umoci", &mut umoci);
    assert_eq!(unpacked.code, Some(0), "{}", unpacked.error);
    let mut read = Reading::of_directory(&hung.at("unpacked"));
    // It lets a directory's time be that of the day when it makes or empties it.
    for (path, fact) in read.0.iter_mut().filter(|(_, fact)| fact.kind == "directory") {
        fact.modified = expected.0.get(path).map_or((0, 0), |expected| expected.modified);
    }
    // An attribute without a value means to it that there is none.
    let mut expected = expected.clone();
    for fact in expected.0.values_mut() {
        fact.attributes.retain(|_, value| !value.is_empty());
    }
    expected.check(&read, "umoci");
}
