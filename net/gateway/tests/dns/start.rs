//! A start that fails says why.

use std::{net::TcpListener, os::unix::net::UnixListener, process::Command};

use kiln_net::{control::CONTROL_FD, policy::Policy};

use crate::gateway::{Setup, config, give, output};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kiln-gateway"))
}

fn fails(command: &mut Command, expected: &str) {
    let (success, said) = output(command);
    assert!(!success);
    assert!(said.contains(expected), "{said:?} does not say {expected:?}");
    assert!(said.lines().count() == 1, "{said:?}");
}

#[test]
fn without_a_configuration() {
    fails(&mut program(), "usage: kiln-gateway CONFIG");
    fails(program().args(["/nonexistent/egress.json"]), "/nonexistent/egress.json: No such file");
    fails(program().args(["one", "two"]), "usage");
}

#[test]
fn with_a_configuration_that_says_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("egress.json");
    std::fs::write(&path, b"{\"policy\":\"none\",\"more\":1}").unwrap();
    fails(program().arg(&path), "is not what this version reads");
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(5 << 20).unwrap();
    fails(program().arg(&path), "is larger than");
}

#[test]
fn without_its_sockets_or_with_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("egress.json");
    let config = config(Setup::of(Policy::None), directory.path().join("egress.log"));
    std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    fails(program().arg(&path), "descriptor 100 is not open");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = program();
    give(&mut command, vec![(CONTROL_FD, listener.into())]);
    fails(command.arg(&path), "descriptor 100 is not a listening unix socket");

    let control = UnixListener::bind(directory.path().join("gateway.sock")).unwrap();
    let mut command = program();
    give(&mut command, vec![(CONTROL_FD, control.into())]);
    fails(command.arg(&path), "descriptor 101 is not open");
}
