use clap::{CommandFactory, Parser};

use super::*;

fn run(arguments: &[&str]) -> Result<RunArguments, clap::Error> {
    let arguments = ["kiln", "run"].iter().chain(arguments);
    match Cli::try_parse_from(arguments)?.command {
        Command::Run(arguments) => Ok(*arguments),
        other => panic!("not a run: {other:?}"),
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn options_end_at_the_command() {
    let check = |arguments: &[&str], command: &[&str]| {
        assert_eq!(run(arguments).unwrap().command, command, "{arguments:?}");
    };
    check(&["true"], &["true"]);
    check(&["--", "true"], &["true"]);
    check(&["--", "sh", "-c", "exit 7"], &["sh", "-c", "exit 7"]);
    check(&["sh", "-c", "exit 7"], &["sh", "-c", "exit 7"]);
    check(&["echo", "-e", "--json", "-i"], &["echo", "-e", "--json", "-i"]);
    check(&["echo", "--", "x"], &["echo", "--", "x"]);
    check(&["--", "echo", "--", "x"], &["echo", "--", "x"]);
    check(&["--", "-x"], &["-x"]);
    check(&["-q", "echo", "--help"], &["echo", "--help"]);
    check(&["--", "sh", "-c", ""], &["sh", "-c", ""]);
    check(&["echo", "--socket", "x"], &["echo", "--socket", "x"]);
}

#[test]
fn options_before_the_command_are_ours() {
    let arguments =
        run(&["-i", "-e", "A=b", "-eC", "-u", "nobody", "-w/tmp", "cat", "-e"]).unwrap();
    assert!(arguments.interactive);
    assert_eq!(arguments.env.len(), 2);
    assert_eq!(arguments.user.as_deref(), Some("nobody"));
    assert_eq!(arguments.workdir.as_deref(), Some("/tmp"));
    assert_eq!(arguments.command, ["cat", "-e"]);
}

#[test]
fn bad_usage_is_refused_with_words() {
    let check = |arguments: &[&str], part: &str| {
        let message = run(arguments).unwrap_err().to_string();
        assert!(message.contains(part), "{arguments:?}: {message}");
    };
    check(&[], "<COMMAND>");
    check(&["--"], "<COMMAND>");
    check(&["--bogus", "true"], "--bogus");
    check(&["-d", "-i", "true"], "cannot be used with");
    check(&["--memory", "1.5g", "true"], "only whole numbers");
    check(&["--cpus", "1.5", "true"], "whole CPUs");
    check(&["--timeout", "5min", "true"], "is no unit");
    check(&["-e", "=x", "true"], "needs a name");
}

#[test]
fn the_socket_may_stand_anywhere_before_the_command() {
    for arguments in [
        ["kiln", "--socket", "/s", "job", "ls", "--json"],
        ["kiln", "job", "--socket", "/s", "ls", "--json"],
        ["kiln", "job", "ls", "--json", "--socket", "/s"],
    ] {
        assert_eq!(Cli::try_parse_from(arguments).unwrap().socket, PathBuf::from("/s"));
    }
}

#[test]
fn the_doctor_passes_on_what_is_kilnds() {
    let doctor = |arguments: &[&str]| {
        let arguments = ["kiln", "doctor"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::Doctor(arguments) => arguments,
            other => panic!("not a doctor: {other:?}"),
        }
    };
    let check = |arguments: &[&str], json: bool, flags: &[&str]| {
        let found = doctor(arguments);
        assert_eq!((found.json, found.kilnd), (json, None), "{arguments:?}");
        assert_eq!(found.flags, flags, "{arguments:?}");
    };
    check(&[], false, &[]);
    check(&["--json"], true, &[]);
    check(&["--home", "/x", "--json"], false, &["--home", "/x", "--json"]);
    check(&["--json", "--again", "--home", "/x"], true, &["--again", "--home", "/x"]);
    check(&["--vmm=qemu", "--socket", "/s"], false, &["--vmm=qemu", "--socket", "/s"]);
    let named = doctor(&["--kilnd", "/k", "--home", "/x"]);
    assert_eq!(named.kilnd.as_deref(), Some(std::path::Path::new("/k")));
    assert_eq!(named.flags, ["--home", "/x"]);
}
