//! The monitor against a QEMU of our own that remembers its state and fails on command.

use std::io::{BufRead, BufReader, Write};

use serde_json::json;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// How the fake answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Honest,
    /// Answers commands in pairs, the second first.
    Reversed,
    /// An event before each answer, some of the next release.
    Chatty,
    /// Reads and says nothing.
    Silent,
    /// Closes instead of answering this.
    ClosesOn(&'static str),
    Refuses(&'static str),
    /// Never ends its line.
    Endless,
    /// Answers what was not asked, and no JSON.
    Raving,
}

/// Serves one connection; returns how the machine stood in the end.
fn qemu(stream: StdUnixStream, manner: Manner) -> std::thread::JoinHandle<&'static str> {
    std::thread::spawn(move || {
        let mut to_kilnd = stream.try_clone().unwrap();
        let mut status = "prelaunch";
        let mut held = Vec::new();
        let mut negotiated = false;
        let _ = to_kilnd.write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n");
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let command: Value = serde_json::from_str(&line).unwrap();
            let name = command["execute"].as_str().unwrap();
            let id = &command["id"];
            let returned = match name {
                "qmp_capabilities" => {
                    negotiated = true;
                    json!({"return": {}, "id": id})
                }
                _ if !negotiated => json!({"error": {"class": "C", "desc": "too soon"}, "id": id}),
                "cont" => {
                    status = "running";
                    json!({"return": {}, "id": id})
                }
                "query-status" => json!({"return": {"status": status}, "id": id}),
                _ => json!({"error": {"class": "C", "desc": "unknown"}, "id": id}),
            };
            let mut said = Vec::new();
            match manner {
                Manner::Silent => continue,
                Manner::ClosesOn(command) if command == name => return status,
                Manner::Refuses(command) if command == name => {
                    said.push(json!({"error": {"class": "C", "desc": "refused"}, "id": id}));
                }
                Manner::Reversed => {
                    held.push(returned);
                    if held.len() == 2 {
                        said.extend(held.drain(..).rev());
                    }
                }
                Manner::Chatty => {
                    said.extend([
                        json!({"event": "NEW", "data": [1]}),
                        json!({"event": 7}),
                        returned,
                    ]);
                }
                Manner::Raving => {
                    said.extend([json!({"return": 1, "id": 999}), json!("?"), returned]);
                }
                Manner::Endless => {
                    let _ = to_kilnd.write_all(&vec![b'x'; MAX_LINE_BYTES + 8192]);
                    continue;
                }
                _ => said.push(returned),
            }
            for message in said {
                let _ = writeln!(to_kilnd, "{message}");
            }
        }
        status
    })
}

/// Negotiates and boots; `expected` is the status then, or what the error says.
async fn check(manner: Manner, limit: Duration, expected: &str) {
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    let fake = qemu(theirs, manner);
    let monitor = Monitor::open(ours).unwrap();
    let conversation = async {
        tokio::try_join!(
            biased;
            monitor.call("qmp_capabilities", limit),
            monitor.call("cont", limit),
        )?;
        let (status, _) = tokio::try_join!(
            biased;
            monitor.call("query-status", limit),
            monitor.call("query-status", limit),
        )?;
        Ok(status["status"].as_str().unwrap_or_default().to_owned())
    };
    let outcome = conversation.await.unwrap_or_else(|error: MonitorError| error.to_string());
    assert!(outcome.contains(expected), "{manner:?}: {outcome}");
    drop(monitor);
    // Not here: the monitor's task needs this thread to hear that it was dropped.
    tokio::task::spawn_blocking(|| fake.join()).await.unwrap().unwrap();
}

#[tokio::test]
async fn commands_are_answered_whatever_is_said_between() {
    for manner in [Manner::Honest, Manner::Reversed, Manner::Chatty, Manner::Raving] {
        check(manner, LIMIT, "running").await;
    }
}

#[tokio::test]
async fn a_monitor_that_fails_is_told_apart() {
    check(Manner::Refuses("cont"), LIMIT, "refused").await;
    check(Manner::Refuses("qmp_capabilities"), LIMIT, "refused").await;
    check(Manner::ClosesOn("qmp_capabilities"), LIMIT, "closed").await;
    check(Manner::ClosesOn("query-status"), LIMIT, "closed").await;
    check(Manner::Endless, LIMIT, "closed").await;
    check(Manner::Silent, Duration::from_millis(50), "no answer").await;
}
