//! `kiln shell`, `kiln run -it` and `kiln host`.

use std::{
    io::{Read, Write},
    process::Stdio,
    time::Duration,
};

use kiln_proto::v1::{self, exec_in_job_response::Event};
use rustix::{
    process::Signal,
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::{
    command::{LIMIT, ended, finish, kiln, run, signal},
    fake::{Fake, Plan, Step, completed, exited},
    terminal::terminal,
};

/// A fake with a job that runs, and its id.
async fn running(plan: Plan) -> (Fake, String) {
    let fake = Fake::start(Plan { steps: vec![Step::UntilCancelled], ..plan });
    let (_, id, _) = run(&fake, &["run", "-d", "sleep"]).await;
    let id = String::from_utf8(id).unwrap().trim().to_owned();
    until_it_runs(&fake, &id).await;
    (fake, id)
}

async fn until_it_runs(fake: &Fake, id: &str) {
    loop {
        let (_, job, _) = run(fake, &["job", "get", "--json", id]).await;
        let job: Value = serde_json::from_slice(&job).unwrap();
        if job["state"] == "running" {
            return;
        }
    }
}

#[tokio::test]
async fn a_command_runs_in_a_running_job() {
    let exec_end = Event::Exit(v1::ExitStatus { code: 7, signal: 0 });
    let (fake, id) = running(Plan { exec_end, ..Plan::default() }).await;
    let arguments = ["shell", "-e", "A=b", "-u", "nobody", "-w", "/tmp", &id, "--", "cat", "-n"];
    let mut child = kiln(&fake, &arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"through and back").await.unwrap();
    drop(stdin);
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stdout.as_slice(), stderr.as_str()), (7, &b"through and back"[..], ""));
    let exec = fake.state.execs.borrow()[0].clone();
    assert_eq!(exec.argv, ["cat", "-n"]);
    assert_eq!((exec.user.as_str(), exec.workdir.as_str()), ("nobody", "/tmp"));
    assert_eq!(exec.env[0].name, "A");
    assert!(exec.stdin && exec.terminal.is_none());

    assert_eq!(run(&fake, &["shell", &id]).await.0, 7);
    assert_eq!(fake.state.execs.borrow()[1].argv[..2], ["/bin/sh", "-c"]);
}

#[tokio::test]
async fn a_command_that_cannot_start_is_told() {
    let details = [("reason".to_owned(), "not_found".to_owned())].into();
    let failure = v1::Failure { class: 1, message: "\"x\": no such command".to_owned(), details };
    let (fake, id) = running(Plan { exec_end: Event::Failure(failure), ..Plan::default() }).await;
    let (code, _, stderr) = run(&fake, &["shell", &id, "--", "x"]).await;
    assert_eq!((code, stderr.as_str()), (127, "kiln: \"x\": no such command\n"));
}

#[tokio::test]
async fn a_machine_that_lets_nobody_in_is_told() {
    let fake = Fake::start(Plan { steps: vec![Step::UntilCancelled], ..Plan::default() });
    let (_, id, _) = run(&fake, &["rootfs", "-d", "local/app"]).await;
    let id = String::from_utf8(id).unwrap().trim().to_owned();
    until_it_runs(&fake, &id).await;
    let (code, stdout, stderr) = run(&fake, &["shell", &id]).await;
    assert_eq!((code, stdout), (125, Vec::new()));
    assert_eq!(stderr, "kiln: nobody is let into the machine\n");
}

#[tokio::test]
async fn a_shell_dies_with_its_daemon() {
    let (fake, id) = running(Plan::default()).await;
    let mut child = kiln(&fake, &["shell", &id]).stdin(Stdio::piped()).spawn().unwrap();
    let _stdin = child.stdin.take();
    fake.state.execs.subscribe().wait_for(|execs| !execs.is_empty()).await.unwrap();
    fake.state.vanish();
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("lost kilnd"), "{stderr}");
}

#[tokio::test]
async fn a_signal_reaches_the_command_in_a_shell() {
    let (fake, id) = running(Plan::default()).await;
    let mut child = kiln(&fake, &["shell", &id]).stdin(Stdio::piped()).spawn().unwrap();
    let _stdin = child.stdin.take();
    fake.state.execs.subscribe().wait_for(|execs| !execs.is_empty()).await.unwrap();
    signal(&child, Signal::INT);
    fake.state.signals.subscribe().wait_for(|signals| signals == &[2]).await.unwrap();
    signal(&child, Signal::INT);
    assert_eq!(ended(&mut child).await, 130);
}

#[tokio::test]
async fn user_signals_reach_the_command_of_a_run() {
    let fake = Fake::start(Plan {
        steps: vec![Step::Stdout("ready".into()), Step::UntilCancelled],
        ..Plan::default()
    });
    let mut child = kiln(&fake, &["run", "-q", "sleep"]).spawn().unwrap();
    fake.sent_at_least(5).await;
    for (kind, number) in [(Signal::USR1, 10), (Signal::USR2, 12)] {
        signal(&child, kind);
        let mut signals = fake.state.signals.subscribe();
        let arrived = signals.wait_for(|signals| signals.last() == Some(&number));
        tokio::time::timeout(LIMIT, arrived).await.expect("no signal").unwrap();
    }
    signal(&child, Signal::TERM);
    assert_eq!(ended(&mut child).await, 130);
}

fn is_raw(theirs: &std::fs::File) -> bool {
    !tcgetattr(theirs).unwrap().local_modes.contains(LocalModes::ICANON)
}

/// What is to happen to a `kiln run -it`, and its exit code.
async fn at_a_terminal(
    plan: Plan,
    happen: impl AsyncFnOnce(&Fake, &mut std::fs::File, &tokio::process::Child),
    expected: i32,
) {
    let fake = Fake::start(plan);
    let (mut ours, theirs) = terminal();
    tcsetwinsize(&theirs, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut command = kiln(&fake, &["run", "-q", "-it", "--", "bash"]);
    command.env("TERM", "xterm-kiln");
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap());
    command.stderr(theirs.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    fake.sent_at_least(1).await;
    assert!(is_raw(&theirs));
    happen(&fake, &mut ours, &child).await;
    assert_eq!(ended(&mut child).await, expected);
    assert!(!is_raw(&theirs), "the terminal stayed raw");
    let exec = fake.exec();
    assert_eq!(exec.terminal, Some(v1::TerminalSize { rows: 30, columns: 100 }));
    assert!(exec.stdin);
    let term = exec.env.iter().find(|variable| variable.name == "TERM").unwrap();
    assert_eq!(term.value, "xterm-kiln");
}

fn shell_like() -> Plan {
    Plan { steps: vec![Step::Stdout("$ ".into()), Step::UntilCancelled], ..Plan::default() }
}

#[tokio::test]
async fn a_terminal_is_lent_and_given_back() {
    let steps = vec![Step::Stdout("$ ".into()), Step::Sleep(Duration::from_millis(300))];
    let plan = Plan { steps, end: exited::<7>, ..Plan::default() };
    at_a_terminal(plan, async |_, _, _| {}, 7).await;
    for kind in [Signal::TERM, Signal::INT, Signal::HUP] {
        at_a_terminal(shell_like(), async |_, _, child| signal(child, kind), 130).await;
    }
    let lost = async |fake: &Fake, _: &mut std::fs::File, child: &tokio::process::Child| {
        fake.state.vanish();
        signal(child, Signal::TERM);
        signal(child, Signal::INT);
    };
    at_a_terminal(shell_like(), lost, 130).await;
}

#[tokio::test]
async fn keys_are_the_commands_and_so_is_the_size() {
    let plan = Plan { steps: vec![Step::Stdout("$ ".into()), Step::Echo], ..Plan::default() };
    let happen = async |fake: &Fake, ours: &mut std::fs::File, child: &tokio::process::Child| {
        let mut prompt = [0; 2];
        ours.read_exact(&mut prompt).unwrap();
        // Ctrl-C is a key like others.
        ours.write_all(b"\x03").unwrap();
        let mut key = [0; 1];
        ours.read_exact(&mut key).unwrap();
        assert_eq!(key, [3]);
        tcsetwinsize(&*ours, Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 })
            .unwrap();
        // It is no terminal of a session here, so nobody else says so.
        signal(child, Signal::WINCH);
        let resized = v1::TerminalSize { rows: 50, columns: 120 };
        let mut resizes = fake.state.resizes.subscribe();
        let arrived = resizes.wait_for(|all| all.last() == Some(&resized));
        tokio::time::timeout(LIMIT, arrived).await.expect("no resize").unwrap();
        assert!(fake.state.cancelled.lock().unwrap().is_empty());
        signal(child, Signal::TERM);
    };
    at_a_terminal(plan, happen, 130).await;
}

#[tokio::test]
async fn a_terminal_that_is_not_there_is_refused() {
    let fake = Fake::running(Vec::new(), completed);
    for arguments in [&["run", "-it", "sh"][..], &["run", "-t", "sh"]] {
        let (code, _, stderr) = run(&fake, arguments).await;
        assert_eq!(code, 125);
        assert!(stderr.starts_with("kiln: -t needs a terminal, and stdin is none"), "{stderr}");
    }
}

#[tokio::test]
async fn a_host_tells_of_itself() {
    let fake = Fake::running(Vec::new(), completed);
    let (code, stdout, _) = run(&fake, &["host"]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    assert_eq!(code, 0);
    assert!(stdout.contains("Jobs         1 running, 3 queued"), "{stdout}");
    let (_, stdout, _) = run(&fake, &["host", "--json"]).await;
    let host: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(host["total"]["cpus"], 8);
    assert_eq!(host["draining"], false);
    assert_eq!((&host["network"], &host["no_network"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_host_without_networks_says_why() {
    let network = Err("kilnd runs with --no-network".to_owned());
    let fake = Fake::start(Plan { network, ..Plan::default() });
    let (code, stdout, _) = run(&fake, &["host"]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    assert_eq!(code, 0);
    assert!(stdout.contains("\nNetwork      none: kilnd runs with --no-network\n"), "{stdout}");
    assert!(!stdout.contains("Leases"), "{stdout}");
    let (_, stdout, _) = run(&fake, &["host", "--json"]).await;
    let host: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(host["network"], Value::Null);
    assert_eq!(host["no_network"], "kilnd runs with --no-network");
}

#[tokio::test]
async fn a_host_tells_how_its_networks_are() {
    let link = |gateway: &str, guest: &str| v1::GuestLink {
        gateway: gateway.to_owned(),
        guest: guest.to_owned(),
    };
    let network = v1::HostNetwork {
        ceiling: Some(v1::Egress { mode: v1::EgressMode::Record.into(), rules: Vec::new() }),
        endpoints: Vec::new(),
        pools: vec!["198.18.0.0/16".to_owned(), "2001:db8:1::/64".to_owned()],
        leases: 2,
        link: Some(link("198.19.255.253", "198.19.255.254")),
        link6: Some(link("2001:db8::1", "2001:db8::2")),
        resolvers: vec!["192.0.2.53:53".to_owned()],
        troubles: vec!["the host has a route to 198.18.0.0/24 by \u{1b}[2Jeth0".to_owned()],
    };
    let fake = Fake::start(Plan { network: Ok(network), ..Plan::default() });
    let (code, stdout, _) = run(&fake, &["host"]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    assert_eq!(code, 0);
    let expected = "
Network      up to record
Leases       2 in use of 198.18.0.0/16 2001:db8:1::/64
Guest link   guest 198.19.255.254, gateway 198.19.255.253
IPv6         guest 2001:db8::2, gateway 2001:db8::1
Resolvers    192.0.2.53:53
Trouble      the host has a route to 198.18.0.0/24 by \\u{1b}[2Jeth0
Registry     none: images come from outside alone
Jobs ";
    assert!(stdout.contains(expected), "{stdout}");
    let (_, stdout, _) = run(&fake, &["host", "--json"]).await;
    let host: Value = serde_json::from_slice(&stdout).unwrap();
    let expected = serde_json::json!({
        "ceiling": {"mode": "record", "rules": []},
        "endpoints": [],
        "pools": ["198.18.0.0/16", "2001:db8:1::/64"],
        "leases": 2,
        "link": {"gateway": "198.19.255.253", "guest": "198.19.255.254"},
        "link6": {"gateway": "2001:db8::1", "guest": "2001:db8::2"},
        "resolvers": ["192.0.2.53:53"],
        "troubles": ["the host has a route to 198.18.0.0/24 by \u{1b}[2Jeth0"],
    });
    assert_eq!((&host["network"], &host["no_network"]), (&expected, &Value::Null));
}
