use std::{fs, os::unix::fs::symlink};

use super::*;

/// A file that can be executed, or could if it were a program.
fn file(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn check(program: &Path, expected: &str) {
    let error = Jailed::find(program).await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_program_needs_itself_its_loader_and_its_libraries() {
    let ours = std::env::current_exe().unwrap();
    let jailed = Jailed::find(&ours).await.unwrap();
    assert_eq!(jailed.program(), ours);
    let needs = jailed.needs();
    assert_eq!(needs[0], JailPath { path: ours, access: Access::Execute });
    assert!(needs.iter().any(|need| need.path.to_string_lossy().contains("/libc.so")), "{needs:?}");
    assert!(needs.iter().any(|need| need.path.to_string_lossy().contains("/ld-")), "{needs:?}");
    for (index, need) in needs.iter().enumerate() {
        assert!(need.path.is_absolute() && need.path.is_file(), "{need:?}");
        assert!(needs[..index].iter().all(|earlier| earlier.path != need.path), "twice: {need:?}");
        let is_cache = need.path == Path::new(LOADER_CACHE);
        assert_eq!(need.access, if is_cache { Access::Read } else { Access::Execute });
    }
}

#[tokio::test]
async fn a_module_comes_with_what_it_needs() {
    let shell = Jailed::find("sh".as_ref()).await.unwrap();
    let count = shell.needs().len();
    let ours = std::env::current_exe().unwrap();
    let with = shell.with_module(&ours).await.unwrap();
    assert!(with.needs().iter().any(|need| need.path == ours));
    // The test program has the compiler's own library beside the shell's.
    assert!(with.needs().len() > count + 1, "{:?}", with.needs());
    let again = with.clone().with_module(&ours).await.unwrap();
    assert_eq!(again, with);
}

#[tokio::test]
async fn a_name_is_looked_for_in_path_and_a_link_keeps_its_name() {
    let shell = Jailed::find("sh".as_ref()).await.unwrap();
    assert!(shell.program().is_absolute() && shell.program().ends_with("sh"));
    check("no-such-program-anywhere".as_ref(), "is in no directory of PATH").await;
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    symlink("/bin/sh", &link).unwrap();
    assert_eq!(Jailed::find(&link).await.unwrap().needs()[0].path, link);
    let path = format!("::relative:/nonexistent:{}", directory.path().display());
    file(directory.path(), "tool", b"");
    fs::write(directory.path().join("text"), b"").unwrap();
    assert_eq!(in_path("tool".as_ref(), path.as_ref()), Some(directory.path().join("tool")));
    assert_eq!(in_path("text".as_ref(), path.as_ref()), None);
}

#[tokio::test]
async fn what_is_no_program_is_called_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    check("/nonexistent/qemu".as_ref(), "/nonexistent/qemu cannot be read").await;
    check(directory, "is not a file that can be executed").await;
    let text = directory.join("text");
    fs::write(&text, "no mode bits").unwrap();
    check(&text, "is not a file that can be executed").await;
    check(&file(directory, "empty", b""), "is no ELF file").await;
    check(&file(directory, "script", b"#!/bin/sh -e\nexec qemu\n"), "a script for /bin/sh -e;")
        .await;
    let ours = fs::read("/bin/sh").unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = ours.clone();
        bytes[at] = byte;
        bytes
    };
    check(&file(directory, "short", &ours[..40]), "a damaged ELF file").await;
    check(&file(directory, "32-bit", &changed(4, 1)), "a 32-bit program").await;
    check(&file(directory, "big-endian", &changed(5, 2)), "for another processor").await;
    check(&file(directory, "sparc", &changed(18, 2)), "for another processor").await;
    check(&file(directory, "object", &changed(16, 1)), "cannot be executed").await;
    check(&file(directory, "entries", &changed(57, 0xff)), "a damaged ELF file").await;
    check(&file(directory, "table", &changed(39, 0xff)), "a damaged ELF file").await;
    // Cut off behind the header, where the table of segments begins.
    check(&file(directory, "cut", &ours[..80]), "a damaged ELF file").await;
}

#[tokio::test]
async fn a_loader_that_does_not_answer_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let ours = fs::read("/bin/sh").unwrap();
    let loader = Elf::read("/bin/sh".as_ref()).unwrap().loader.unwrap();
    let name = loader.as_os_str().as_bytes();
    let at = ours.windows(name.len()).position(|window| window == name).unwrap();
    let mut elsewhere = ours.clone();
    elsewhere[at..at + 4].copy_from_slice(b"/not");
    let program = file(directory.path(), "elsewhere", &elsewhere);
    check(&program, "does not tell its libraries: it could not be started").await;
    elsewhere[at] = b'n';
    check(&file(directory.path(), "relative", &elsewhere), "a damaged ELF file").await;
}

#[test]
fn what_a_loader_lists_is_understood() {
    let listed = |said: &str| loader::listed(said, "/usr/bin/qemu".as_ref());
    let said = "\tlinux-vdso.so.1 (0x00007f1790e10000)\n\
                \tlibz.so.1 => /lib/with (0x1) odd name/libz.so.1 (0x00007f178fb36000)\n\
                \t/lib64/ld-linux-x86-64.so.2 (0x00007f1790e12000)\n";
    let expected: [PathBuf; 2] =
        ["/lib/with (0x1) odd name/libz.so.1".into(), "/lib64/ld-linux-x86-64.so.2".into()];
    assert_eq!(listed(said).unwrap(), expected);
    assert!(listed("\tstatically linked\n").unwrap().is_empty());
    assert!(listed("").unwrap().is_empty());
    let error = listed("\tlibhere.so.2 => not found\n").unwrap_err();
    assert_eq!(error.to_string(), "/usr/bin/qemu needs libhere.so.2, which is not installed");
    let error = listed("\tlibhere.so.2 => ./libhere.so.2 (0x00)\n").unwrap_err();
    assert!(matches!(error, JailedError::Relative { .. }), "{error}");
}
