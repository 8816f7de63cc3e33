//! What is left out, and what never is.

use super::*;

const FILES: &[(&str, &str)] =
    &[("Dockerfile", "FROM a\n"), ("a/b/c", "1"), ("a/b/d.md", "1"), ("a/e", "1"), ("f", "1")];

fn check(ignore: &str, expected: &[&str]) {
    let tree = Tree::new(FILES);
    tree.write(".dockerignore", ignore);
    assert_eq!(names(&mut tree.context()), expected, "{ignore:?}");
}

#[test]
fn what_is_named_stays_behind() {
    check("a", &[".dockerignore", "Dockerfile", "f"]);
    check("*", &[".dockerignore", "Dockerfile"]);
    check("a/b", &[".dockerignore", "Dockerfile", "a/", "a/e", "f"]);
    check("**/*.md\nf", &[".dockerignore", "Dockerfile", "a/", "a/b/", "a/b/c", "a/e"]);
    // Neither of the two that the engine needs.
    check("Dockerfile\n.dockerignore\na\nf", &[".dockerignore", "Dockerfile"]);
}

#[test]
fn what_is_kept_brings_its_directories() {
    check("a\n!a/b/c", &[".dockerignore", "Dockerfile", "a/", "a/b/", "a/b/c", "f"]);
    check("*\n!**/*.md", &[".dockerignore", "Dockerfile", "a/", "a/b/", "a/b/d.md"]);
    check("a\n!a/none", &[".dockerignore", "Dockerfile", "f"]);
    check("a/*\n!a/b", &[".dockerignore", "Dockerfile", "a/", "a/b/", "a/b/c", "a/b/d.md", "f"]);
}

#[test]
fn an_ignored_directory_is_not_looked_into() {
    let tree = Tree::new(FILES);
    tree.write(".dockerignore", "a\n!f");
    // Whoever looked would fail on it.
    let deep: String = "x/".repeat(600);
    let mut path = tree.path("a");
    for part in deep.split_terminator('/') {
        path.push(part);
        if path.as_os_str().len() > 3000 {
            break;
        }
    }
    fs::create_dir_all(&path).unwrap();
    assert_eq!(names(&mut tree.context()), [".dockerignore", "Dockerfile", "f"]);
    tree.write(".dockerignore", "");
    let error = tree.choose(Choice::Usual).unwrap_err();
    assert!(matches!(error, ContextError::Walk(WalkError::TooDeep { .. })), "{error}");
}

#[test]
fn a_dockerfile_s_own_ignore_file_wins() {
    let tree = Tree::new(FILES);
    tree.write(".dockerignore", "a");
    tree.write("Dockerfile.dockerignore", "f\nDockerfile*");
    let expected = ["Dockerfile", "Dockerfile.dockerignore"];
    let found = names(&mut tree.context());
    assert!(expected.iter().all(|name| found.contains(&(*name).to_owned())), "{found:?}");
    assert!(found.contains(&"a/e".to_owned()) && !found.contains(&"f".to_owned()), "{found:?}");
    assert!(found.contains(&".dockerignore".to_owned()));
}

#[test]
fn a_file_that_is_no_ignore_file_is_told_with_its_line() {
    let tree = Tree::new(FILES);
    tree.write(".dockerignore", "a\n[");
    let error = tree.choose(Choice::Usual).unwrap_err();
    let ContextError::Ignore { path, source } = error else { panic!("{error}") };
    assert!(path.ends_with("/.dockerignore"), "{path}");
    assert!(source.to_string().starts_with("line 2: \"[\" is no pattern"), "{source}");
}

#[test]
fn a_dockerfile_elsewhere_with_an_ignore_file_goes_aside() {
    let (tree, other) = (Tree::new(FILES), Tree::new(&[("x", "FROM b\n")]));
    tree.write(".dockerignore", "f");
    let mut context = tree.choose(Choice::File(other.path("x"))).unwrap();
    assert_eq!(context.dockerfile(), Some(&Dockerfile::Inline(b"FROM b\n".to_vec())));
    assert!(!names(&mut context).contains(&"f".to_owned()));

    other.write("x.dockerignore", "a");
    let mut context = tree.choose(Choice::File(other.path("x"))).unwrap();
    let aside = Dockerfile::Path(".kiln-dockerfile/Dockerfile".to_owned());
    assert_eq!(context.dockerfile(), Some(&aside));
    let expected = [
        ".kiln-dockerfile/Dockerfile",
        ".kiln-dockerfile/Dockerfile.dockerignore",
        ".dockerignore",
        "Dockerfile",
        "f",
    ];
    assert_eq!(names(&mut context), expected);
    let tar = tar_of(&mut context);
    let mut archive = tar::Archive::new(&tar[..]);
    let ignore = archive.entries().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(io::read_to_string(ignore).unwrap(), "a\n.kiln-dockerfile\n");

    tree.write(".kiln-dockerfile/mine", "1");
    let context = tree.choose(Choice::File(other.path("x"))).unwrap();
    let aside = Dockerfile::Path(".kiln-dockerfile-/Dockerfile".to_owned());
    assert_eq!(context.dockerfile(), Some(&aside));
}
