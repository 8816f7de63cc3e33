use std::io::Write as _;

use flate2::{Compression as Level, write::GzEncoder};

use super::*;

const LIMIT: u64 = 1 << 20;

fn tar_of(files: &[(&str, &str)], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header
    };
    for (path, content) in files {
        let mut header = header(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    for (path, target) in links {
        let mut header = header(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, target).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Its members, with what is in them.
fn members(bytes: &[u8], file: Option<&str>) -> Result<Vec<(String, String)>, StdinError> {
    let Stdin::Context(mut context) = read_stdin(bytes, file.map(Path::new), LIMIT)? else {
        panic!("a Dockerfile");
    };
    let name = ".kiln-dockerfile";
    let Some(Dockerfile::Path(path)) = context.dockerfile() else { panic!("{context:?}") };
    assert!(path.starts_with(name), "{path}");
    let known = context.identify().unwrap();
    let mut whole = Vec::new();
    let mut take = |chunk: Bytes| {
        whole.extend_from_slice(&chunk);
        Ok(())
    };
    context.write_from(0, &mut take).unwrap();
    assert_eq!(known.size, whole.len() as u64);
    for offset in [1, 600, 2048, 2500, known.size] {
        let mut rest = Vec::new();
        let mut take = |chunk: Bytes| {
            rest.extend_from_slice(&chunk);
            Ok(())
        };
        context.write_from(offset, &mut take).unwrap();
        assert!(rest == whole[usize::try_from(offset).unwrap()..], "from {offset}");
    }
    let mut archive = tar::Archive::new(&whole[..]);
    let member = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        let entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        (path, io::read_to_string(entry).unwrap())
    };
    Ok(archive.entries().unwrap().map(member).collect())
}

fn check(bytes: &[u8], file: Option<&str>, dockerfile: &str) {
    let found = members(bytes, file).unwrap();
    assert_eq!(found[0], (".kiln-dockerfile/Dockerfile".to_owned(), dockerfile.to_owned()));
    let ignore =
        (".kiln-dockerfile/Dockerfile.dockerignore".to_owned(), "\n.kiln-dockerfile\n".to_owned());
    assert_eq!(found[1], ignore);
}

fn refused(bytes: &[u8], file: Option<&str>) -> String {
    match read_stdin(bytes, file.map(Path::new), LIMIT) {
        Ok(found) => panic!("{found:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_tar_comes_whole_with_its_dockerfile_before_it() {
    let files = [("Dockerfile", "FROM a\n"), (".dockerignore", "*"), ("./ci/Test", "FROM b\n")];
    let tar = tar_of(&files, &[("link", "ci/Test"), ("ci/up", "../Dockerfile"), ("out", "../x")]);
    check(&tar, None, "FROM a\n");
    check(&gzip(&tar), None, "FROM a\n");
    check(&tar, Some("ci/Test"), "FROM b\n");
    check(&tar, Some("./ci/../link"), "FROM b\n");
    check(&tar, Some("ci/up"), "FROM a\n");
    let found = members(&tar, None).unwrap();
    assert_eq!(found.len(), 8);
    assert_eq!(found[3], (".dockerignore".to_owned(), "*".to_owned()));
    check(&tar_of(&[("dockerfile", "FROM c\n")], &[]), None, "FROM c\n");
    // The last of a name is what is unpacked.
    let twice = [("Dockerfile", "FROM a\n"), ("./Dockerfile", "FROM d\n")];
    check(&tar_of(&twice, &[]), None, "FROM d\n");

    let missing =
        |name: &str| format!("there is no {name} in the tar on stdin: --file names another");
    assert_eq!(refused(&tar, Some("none")), missing("none"));
    assert_eq!(refused(&tar, Some("out")), missing("out"));
    assert_eq!(refused(&tar_of(&[("a", "1")], &[]), None), missing("Dockerfile"));
    assert_eq!(refused(&tar_of(&[("Dockerfile", "")], &[]), None), "the Dockerfile is empty");
    let circle = tar_of(&[], &[("Dockerfile", "Dockerfile")]);
    assert_eq!(refused(&circle, None), "Dockerfile in the tar on stdin is no file");
}

#[test]
fn a_name_that_is_taken_is_left_to_whoever_has_it() {
    let tar = tar_of(&[("Dockerfile", "FROM a\n"), (".kiln-dockerfile/x", "1")], &[]);
    let found = members(&tar, None).unwrap();
    assert_eq!(found[0].0, ".kiln-dockerfile-/Dockerfile");
    assert_eq!(found[1].1, "\n.kiln-dockerfile-\n");
}

#[test]
fn what_is_no_tar_is_a_dockerfile() {
    let text = b"FROM a\nRUN true\n";
    match read_stdin(&text[..], None, LIMIT).unwrap() {
        Stdin::Dockerfile(found) => assert_eq!(found, text),
        Stdin::Context(context) => panic!("{context:?}"),
    }
    assert!(
        refused(text, Some("x")).starts_with("stdin is a Dockerfile, and --file names another")
    );
    assert!(refused(b"", None).starts_with("stdin is empty"));
    assert_eq!(refused(&b" ".repeat((2 << 20) + 1), None), "the Dockerfile is longer than 2 MiB");
}

#[test]
fn what_is_not_taken_is_named() {
    let check = |head: &[u8], name: &str| {
        let expected = format!(
            "stdin is compressed with {name}, which is not taken: decompress it before, as with \
             {name} -dc"
        );
        assert_eq!(refused(head, None), expected);
    };
    check(b"BZh91AY&SY", "bzip2");
    check(b"\xfd7zXZ\0\0", "xz");
    check(b"\x28\xb5\x2f\xfd\x04", "zstd");
    let tar = tar_of(&[("Dockerfile", "FROM a\n"), ("a", &"1".repeat(9000))], &[]);
    let large = tar_of(&[("Dockerfile", "FROM a\n"), ("a", &"1".repeat(2 << 20))], &[]);
    let expected = "what comes from stdin is larger than 1048576 bytes: build from a directory";
    assert_eq!(refused(&large, None), expected);
    // Also where it is small on its way.
    assert_eq!(refused(&gzip(&large), None), expected);
    let cut = gzip(&tar);
    assert_eq!(refused(&cut[..cut.len() / 2], None), "the gzip on stdin is damaged");
    assert_eq!(refused(&tar[..5000], None), "the tar on stdin is damaged");
}
