use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn tree(files: &[&str]) -> TempDir {
    let base = tempfile::tempdir().unwrap();
    for file in files {
        let path = base.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("FROM {file}\n")).unwrap();
    }
    base
}

fn chosen(base: &TempDir, choice: &Choice) -> Result<Dockerfile, DockerfileError> {
    plan(&base.path().join("ctx"), choice).map(|plan| plan.dockerfile)
}

fn file(base: &TempDir, path: &str) -> Choice {
    Choice::File(base.path().join(path))
}

fn inside(path: &str) -> Dockerfile {
    Dockerfile::Path(path.to_owned())
}

fn by_value(path: &str) -> Dockerfile {
    Dockerfile::Inline(format!("FROM {path}\n").into_bytes())
}

#[test]
fn it_is_found_where_docker_finds_it() {
    let base = tree(&["ctx/Dockerfile", "ctx/ci/Test", "outside", "ctx/low/dockerfile"]);
    assert_eq!(chosen(&base, &Choice::Usual).unwrap(), inside("Dockerfile"));
    let check = |path: &str, expected| {
        assert_eq!(chosen(&base, &file(&base, path)).unwrap(), expected, "{path}");
    };
    check("ctx/ci/Test", inside("ci/Test"));
    check("ctx/../ctx/./ci/Test", inside("ci/Test"));
    check("ctx/low/Dockerfile", inside("low/dockerfile"));
    check("outside", by_value("outside"));
    let given = Choice::Given(b"FROM x\n".to_vec());
    assert_eq!(chosen(&base, &given).unwrap(), Dockerfile::Inline(b"FROM x\n".to_vec()));
}

#[test]
fn links_are_followed_as_far_as_the_engine_would() {
    let base = tree(&["ctx/real", "ctx/ci/Test", "outside", "ctx/odd\nname"]);
    let link = |path: &str, target: &str| symlink(target, base.path().join(path)).unwrap();
    link("ctx/one", "real");
    link("ctx/two", "./one");
    link("ctx/out", "../outside");
    link("ctx/ci/up", "../real");
    link("ctx/absolute", "/etc/hostname");
    link("way", "ctx");
    link("ctx/sub", "ci");
    link("ctx/down", "ci/Test");
    link("ctx/through", "sub/Test");
    let check = |path: &str, expected, targets: &[&str]| {
        let plan = plan(&base.path().join("ctx"), &file(&base, path)).unwrap();
        assert_eq!(plan.dockerfile, expected, "{path}");
        for target in targets {
            let target = target.as_bytes().to_vec();
            assert!(plan.always.contains(&target), "{path}: {:?}", plan.always);
        }
    };
    check("ctx/one", inside("one"), &["one", "real"]);
    check("ctx/two", inside("two"), &["two", "one", "real"]);
    check("ctx/down", inside("down"), &["down", "ci/Test"]);
    check("ctx/out", by_value("outside"), &[]);
    check("ctx/ci/up", by_value("ctx/real"), &[]);
    check("ctx/through", by_value("ctx/ci/Test"), &[]);
    // The way to it may be any.
    check("way/real", inside("real"), &["real"]);
    check("ctx/sub/Test", inside("ci/Test"), &["ci/Test"]);
    check("ctx/odd\nname", by_value("ctx/odd\nname"), &[]);
    // A context may be a link as well.
    let through = plan(&base.path().join("way"), &file(&base, "ctx/real")).unwrap();
    assert_eq!(through.dockerfile, inside("real"));
}

#[test]
fn what_is_wrong_is_told() {
    let base = tree(&["ctx/a", "ctx/empty"]);
    fs::write(base.path().join("ctx/empty"), "").unwrap();
    fs::create_dir(base.path().join("ctx/directory")).unwrap();
    symlink("nowhere", base.path().join("ctx/dangling")).unwrap();
    let check = |choice: Choice, expected: &str| {
        let error = chosen(&base, &choice).unwrap_err().to_string();
        let error = error.replace(&base.path().display().to_string(), "");
        assert_eq!(error, expected);
    };
    check(
        Choice::Usual,
        "failed to read dockerfile: open Dockerfile: no such file or directory: looked for \
         /ctx/Dockerfile and /ctx/dockerfile; --file names another",
    );
    check(
        file(&base, "ctx/none"),
        "failed to read dockerfile: open none: no such file or directory: looked for /ctx/none; \
         --file names another",
    );
    check(
        file(&base, "ctx/dangling"),
        "failed to read dockerfile: open dangling: no such file or directory: looked for \
         /ctx/dangling; --file names another",
    );
    check(file(&base, "ctx/directory"), "the Dockerfile /ctx/directory is no file");
    check(Choice::Given(Vec::new()), "the Dockerfile is empty");
    check(Choice::Given(vec![b' '; (2 << 20) + 1]), "the Dockerfile is longer than 2 MiB");
    let error = plan(&base.path().join("none"), &Choice::Usual).unwrap_err();
    assert!(matches!(error, DockerfileError::Context { .. }), "{error}");
    let error = plan(&base.path().join("ctx/a"), &Choice::Usual).unwrap_err();
    assert!(matches!(error, DockerfileError::NoDirectory { .. }), "{error}");
}

#[test]
fn an_ignore_file_counts_only_where_the_engine_looks() {
    let base = tree(&["ctx/Dockerfile", "outside", "ctx/rules"]);
    let at = |path: &str| base.path().join(path);
    let ignore = || plan(&at("ctx"), &Choice::Usual).unwrap().ignore;
    assert!(ignore().is_none());
    symlink("../outside", at("ctx/.dockerignore")).unwrap();
    assert!(ignore().is_none(), "it leads out of the context");
    fs::remove_file(at("ctx/.dockerignore")).unwrap();
    symlink("rules", at("ctx/.dockerignore")).unwrap();
    assert_eq!(ignore().unwrap().content, b"FROM ctx/rules\n");
    let always = plan(&at("ctx"), &Choice::Usual).unwrap().always;
    for path in [".dockerignore", "rules", "Dockerfile"] {
        assert!(always.contains(&path.as_bytes().to_vec()), "{always:?}");
    }
    fs::write(at("ctx/Dockerfile.dockerignore"), "").unwrap();
    assert_eq!(ignore().unwrap().content, b"");
}
