use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn gathered(options: &[&str], file: &str) -> Result<Vec<(String, String)>, EnvironmentError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.env");
    fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    let arguments = ["kiln", "run", "--env-file", path]
        .into_iter()
        .chain(options.iter().copied())
        .chain(["true"]);
    let Command::Run(arguments) = Cli::try_parse_from(arguments).unwrap().command else {
        panic!("not a run");
    };
    let own = |name: &str| match name {
        "OWN" => Some("mine".into()),
        "BAD" => Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff])),
        _ => None,
    };
    gather(&arguments.env_file, &arguments.env, own)
        .map(|variables| variables.into_iter().collect())
}

#[track_caller]
fn check(options: &[&str], file: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(gathered(options, file).unwrap(), expected);
}

#[track_caller]
fn refused(options: &[&str], file: &str, part: &str) {
    let message = gathered(options, file).unwrap_err().to_string();
    assert!(message.contains(part), "{message}");
}

#[test]
fn files_and_options_come_together() {
    check(
        &[],
        "A=1\n\n# no\n  # no\n  B=2 \r\nC=\"q\" # yes\n",
        &[("A", "1"), ("B", "2 "), ("C", "\"q\" # yes")],
    );
    check(&["-e", "A=2", "-e", "A=3"], "A=1\nB=1\n", &[("A", "3"), ("B", "1")]);
    check(&[], "\u{feff}A=1", &[("A", "1")]);
    check(&["-e", "A=\"$x\" `y`\n'"], "", &[("A", "\"$x\" `y`\n'")]);
}

#[test]
fn names_alone_come_from_the_caller() {
    check(&["-e", "OWN", "-e", "NONE"], "", &[("OWN", "mine")]);
    check(&["-e", "A=1"], "OWN\nNONE\n", &[("A", "1"), ("OWN", "mine")]);
}

#[test]
fn what_is_no_variable_is_refused() {
    refused(&[], "A=1\n=2\n", "line 2: a variable needs a name");
    refused(&[], "export A=1\n", "line 1: a variable's name has no blanks");
    refused(&[], "A=\0", "line 1: a variable cannot hold a zero byte");
    refused(&["-e", "BAD"], "", "--env BAD");
}
