//! Somebody between a driver and its VMM who changes what is asked.
//!
//! The driver speaks to whoever listens at `api.sock`. The supervisor that makes this socket is
//! started by a program of ours that holds its answer back until the socket has changed places.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use kiln_shim::ProcessIdentity;
use serde_json::Value;

use crate::stage::everybody;

/// How the supervisor is called that waits.
pub(crate) const HELD: &str = "kiln-shim-held";
const REPORT: &str = "report";
const GO: &str = "go";
const PAUSE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of the configuration on its way.
pub(crate) type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What was seen on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) asked: Value,
    pub(crate) everybody: Vec<ProcessIdentity>,
}

/// The supervisor's program: the real one, whose report is held back.
pub(crate) fn hold(own: &Path) -> ExitCode {
    let output = Command::new(own.with_file_name("kiln-shim"))
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let (report, go) = (own.with_file_name(REPORT), own.with_file_name(GO));
    fs::write(&report, "").unwrap();
    wait_for(&go);
    let _ = (fs::remove_file(report), fs::remove_file(go));
    std::io::stdout().write_all(&output.stdout).unwrap();
    ExitCode::SUCCESS
}

/// Stands between the driver and the next VMM, in `directory`, of the stage at `home`.
pub(crate) fn between(home: &Path, directory: &Path, change: Change) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (home, directory, ours) = (home.to_owned(), directory.to_owned(), Arc::clone(&seen));
    thread::spawn(move || {
        wait_for(&home.join(REPORT));
        let (api, real) = (directory.join("api.sock"), directory.join("real.sock"));
        // A start that has failed is nobody's to change.
        if fs::rename(&api, &real).is_err() {
            return fs::write(home.join(GO), "").unwrap();
        }
        let listener = UnixListener::bind(&api).unwrap();
        ours.lock().unwrap().everybody = everybody(&directory);
        fs::write(home.join(GO), "").unwrap();
        for stream in listener.incoming() {
            if serve(&stream.unwrap(), &real, &change, &ours).is_none() {
                return;
            }
        }
    });
    seen
}

/// One request and its answer; `None` when the VMM is gone.
fn serve(driver: &UnixStream, real: &Path, change: &Change, seen: &Mutex<Seen>) -> Option<()> {
    let vmm = UnixStream::connect(real).ok()?;
    let (head, mut body) = message(driver)?;
    if head.contains("vm.create") {
        let mut config: Value = serde_json::from_slice(&body).unwrap();
        seen.lock().unwrap().asked = config.clone();
        change(&mut config);
        body = config.to_string().into_bytes();
    }
    send(&vmm, &head, &body)?;
    let (head, body) = message(&vmm)?;
    send(driver, &head, &body);
    Some(())
}

/// The head without its length, and the body.
fn message(stream: &UnixStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if line == "\r\n" {
            break;
        }
        match line.to_ascii_lowercase().strip_prefix("content-length:") {
            Some(value) => length = value.trim().parse().unwrap(),
            None => head.push_str(&line),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn send(mut stream: &UnixStream, head: &str, body: &[u8]) -> Option<()> {
    let head = match body.len() {
        0 if head.contains(" 204 ") => format!("{head}\r\n"),
        length => format!("{head}Content-Length: {length}\r\n\r\n"),
    };
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn wait_for(file: &Path) {
    let begin = Instant::now();
    while !file.exists() && begin.elapsed() < PATIENCE {
        sleep(PAUSE);
    }
}
