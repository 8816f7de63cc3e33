//! Contexts of builds, as clients pack them.

use std::{
    ffi::OsStr,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt, symlink},
    },
};

use kiln_context::{Cache, Choice, Context};
use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::*;

fn plant(root: &Path) {
    fs::create_dir(root).unwrap();
    let write = |name: &[u8], content: &[u8]| {
        let path = root.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write(b"Dockerfile", b"FROM scratch\n");
    write(b".dockerignore", b"ignored\nDockerfile\n");
    write(b"ignored/file", b"1");
    write(b"empty", b"");
    write(b"new\nline", b"2");
    write(b"latin\xe9", b"3");
    write(&[b'l'; 255], b"longest");
    write(&[&b"deep/".repeat(60)[..], b"end"].concat(), &vec![9; 300_000]);
    symlink("deep/deep", root.join("link")).unwrap();
    symlink("t".repeat(300), root.join("far")).unwrap();
    fs::hard_link(root.join("empty"), root.join("second")).unwrap();
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o4750)).unwrap();
    let holed = File::create(root.join("holed")).unwrap();
    holed.set_len(40 * MIB).unwrap();
    for part in 0..30 {
        holed.write_all_at(b"data", part * MIB + 8192).unwrap();
    }
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
    File::open(root.join("new\nline")).unwrap().set_modified(time).unwrap();
    File::open(root.join("deep")).unwrap().set_modified(time).unwrap();
}

#[tokio::test]
async fn a_context_is_unpacked_as_it_was() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    let root = machine.path("context");
    plant(&root);
    let has = setxattr(root.join("empty"), "user.kiln", b"=\0", XattrFlags::empty()).is_ok();
    let mut context = Context::of_build(&root, Choice::Usual, Cache::none()).unwrap();
    let mut archive = Vec::new();
    let mut take = |chunk: bytes::Bytes| {
        archive.extend_from_slice(&chunk);
        Ok(())
    };
    context.write_from(0, &mut take).unwrap();
    let read = machine.unpack_bytes("context", &archive, "made").await.unwrap();
    // But for the second of the two blocks that end it.
    assert_eq!(read, archive.len() as u64 - 512);

    let mut expected = census(&root);
    for path in ["ignored", "ignored/file"] {
        assert!(expected.remove(Path::new(path)).is_some(), "{path}");
    }
    let made = machine.path("made");
    assert_eq!(census(&made), expected);
    if has {
        let mut value = [0; 8];
        assert_eq!(getxattr(made.join("empty"), "user.kiln", &mut value), Ok(2));
    }
    for path in ["new\nline", "deep"] {
        let times = made.join(path).metadata().unwrap();
        assert_eq!((times.mtime(), times.mtime_nsec()), (1_700_000_000, 123_456_789), "{path}");
    }
}
