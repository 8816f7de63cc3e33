//! What people write.

pub(crate) fn ignores() -> Vec<Vec<u8>> {
    let paths = "\0a\0a/b\0a/b/c.md\0docs/README.md\0docs/x/y\0.git/config\0node_modules/x/package.json\
                 \0src/main.rs\0build/out.o\0a b\0#x\0!x\0temp1\0x/temp2\0";
    [
        "# a comment\n*/temp*\n*/*/temp*\ntemp?\n",
        "*.md\n!README.md\n",
        "**\n!src\n!docs/*.md\n",
        "node_modules\n.git\n**/*.o\n",
        "docs\n!docs/README.md\n",
        "/a/\n./docs/../build\n",
        "a[b-d]e\n[^a]*\n[\\]x]\n",
        "a/**/c.md\n**/b\n!**/c.md\n",
        "\u{feff}a\r\n!a/b\r\n  docs  \r\n",
        "*\n!a\na/b\n",
        "\\#x\n\\!x\na\\*b\n",
        "**/x**\n***\n**/**/y\n",
        "",
    ]
    .iter()
    .map(|file| [file, paths].concat().into_bytes())
    .collect()
}

/// As `play` reads directories.
pub(crate) fn trees() -> Vec<Vec<u8>> {
    let member = |kind: u8, name: &str, content: &[u8]| {
        let lengths =
            [kind, u8::try_from(name.len()).unwrap(), u8::try_from(content.len()).unwrap()];
        [&lengths[..], name.as_bytes(), content].concat()
    };
    let tree = |ignore: &str, members: &[Vec<u8>]| {
        [&[u8::try_from(ignore.len()).unwrap()], ignore.as_bytes(), &members.concat()].concat()
    };
    let long = "l".repeat(130);
    vec![
        tree(
            "",
            &[
                member(160, "a", b"1"),
                member(6, "d", b""),
                member(166, "d/b", b"22"),
                member(1, "link", b"d/b"),
                member(8, "hard", b""),
                member(165, "run", b"#!/bin/sh"),
            ],
        ),
        tree(
            "d\n!d/b\n",
            &[
                member(166, "d/a", b"1"),
                member(166, "d/b", b"1"),
                member(166, "e/f/g", b"1"),
                member(6, "e/h", b""),
            ],
        ),
        tree(
            "*.md\n",
            &[
                member(166, "x.md", b"1"),
                member(166, &long, &[7; 250]),
                member(1, "far", &[b't'; 240]),
                member(3, "holed", &[1, 200, 77]),
                member(9, "sub/holed", b""),
            ],
        ),
        tree(
            "**\n!keep\n",
            &[
                member(166, "keep/a\nb", b"1"),
                member(166, "keep/\u{fc}", b"1"),
                member(166, "other/c", b"1"),
                member(1, "keep/l", b".."),
            ],
        ),
    ]
}

pub(crate) fn stdins() -> Vec<Vec<u8>> {
    let tar = |files: &[(&str, &str)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let mut linked = tar::Builder::new(tar(&[("ci/Dockerfile", "FROM a\n")])[..1024].to_vec());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    linked.append_link(&mut header, "Dockerfile", "./ci/Dockerfile").unwrap();
    vec![
        b"FROM scratch\nCOPY a b\n".to_vec(),
        tar(&[("Dockerfile", "FROM a\n"), (".dockerignore", "*"), ("a", "1")]),
        tar(&[("./ci/Dockerfile", "FROM a\n"), ("dockerfile", "FROM b\n")]),
        tar(&[("Dockerfile", "FROM a\n"), (&"l".repeat(150), "1")]),
        linked.into_inner().unwrap(),
    ]
}
