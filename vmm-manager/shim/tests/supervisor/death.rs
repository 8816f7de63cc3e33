//! Who dies with whom, and what is left.

use std::fs;

use kiln_shim::{Ask, EXIT_FILE, End, ExitRecord, Program};
use rustix::process::Signal;

use crate::{
    client::Client,
    shim::{Shim, runs, shell, signal, until},
};

#[test]
fn children_die_with_their_supervisor_however_it_dies() {
    for _ in 0..5 {
        let shim =
            Shim::of(vec![shell("vmm", "exec sleep 1000"), shell("bridge", "exec sleep 1000")]);
        assert!(runs(shim.pid("vmm")) && runs(shim.pid("bridge")));
        signal(shim.process.pid, Signal::KILL);
        shim.gone();
        assert!(!shim.file(EXIT_FILE).exists());
    }
}

#[test]
fn a_supervisor_that_is_told_to_go_takes_its_machine_down_in_order() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000"), shell("bridge", "exec sleep 1000")]);
    let mut client = Client::connect(&shim);
    client.begin("wait");
    signal(shim.process.pid, Signal::TERM);
    assert!(matches!(client.hear().unwrap().body, kiln_shim::Body::Ended(exit) if exit.stopping));
    shim.gone();
    assert!(ExitRecord::read(shim.directory()).unwrap().stopping);
}

#[test]
fn a_machine_goes_on_when_its_clients_die() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    for asked in ["wait", "status", "serial"] {
        let mut client = Client::connect(&shim);
        client.begin(asked);
        drop(client);
    }
    assert!(runs(shim.pid("vmm")));
    Client::connect(&shim).end(Ask::Kill);
}

#[test]
fn nobody_needs_to_come() {
    let shim = Shim::with(vec![shell("vmm", "exit 5")], |order| order.linger_millis = 100);
    assert_eq!(shim.exit().child("vmm").unwrap().end, End::Code(5));
    shim.gone();
}

#[test]
fn what_a_child_started_ends_with_it() {
    let script = "sleep 1000 & echo $! > grandchild; wait";
    let shim = Shim::of(vec![shell("vmm", script)]);
    let grandchild: u32 =
        until(|| fs::read_to_string(shim.file("grandchild")).ok()?.trim().parse().ok());
    assert!(runs(grandchild));
    signal(shim.pid("vmm"), Signal::KILL);
    let exit = Client::connect(&shim).end(Ask::Wait);
    assert_eq!(exit.child("vmm").unwrap().end, End::Signal(9));
    until(|| (!runs(grandchild)).then_some(()));
}

#[test]
fn a_record_that_cannot_be_written_is_told_and_tried_again() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    // A directory in the way of the fresh file is as good as a full disk.
    let fresh = shim.file("exit.new");
    fs::create_dir_all(fresh.join("in the way")).unwrap();
    let exit = Client::connect(&shim).end(Ask::Kill);
    assert!(ExitRecord::read(shim.directory()).is_err());
    fs::remove_dir_all(&fresh).unwrap();
    assert_eq!(shim.exit(), exit);
}

#[test]
fn a_program_that_may_ends_by_itself_in_its_time() {
    let gateway = |script: &str, parting_millis| {
        let script = format!(
            "trap 'echo last >> words; {script}' TERM; touch set; while :; do sleep 0.01; done"
        );
        Program { parting_millis, ..shell("gateway", &script) }
    };
    let check = |gateway: Program, end: End, words: &str| {
        let vmm = shell("vmm", "while ! test -e go; do sleep 0.01; done; exit 7");
        let shim = Shim::of(vec![vmm, gateway]);
        until(|| shim.file("set").exists().then_some(()));
        fs::write(shim.file("go"), "").unwrap();
        let exit = shim.exit();
        assert_eq!((exit.first.as_str(), exit.stopping), ("vmm", false));
        assert_eq!(exit.child("vmm").unwrap().end, End::Code(7));
        assert_eq!(exit.child("gateway").unwrap().end, end);
        let said = fs::read_to_string(shim.file("words")).unwrap_or_default();
        assert_eq!(said, words);
    };
    check(gateway("exit 0", 5000), End::Code(0), "last\n");
    check(gateway("", 300), End::Signal(9), "last\n");
    // Nobody asks one that has no time.
    check(gateway("exit 0", 0), End::Signal(9), "");
}
