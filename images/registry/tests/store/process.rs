//! Another process that goes through the script, with faults in its way.
//!
//! It is this very program, asked for one test that does nothing in any other case. What it has
//! done it says in a file: a line for each step, and `upload ID` where one was begun.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use kiln_faults::{Plan, mark};
use kiln_registry::store::{Limits, Store, StoreError};

use crate::{
    given::open,
    script::{STEPS, Script},
};

const HOME: &str = "KILN_STORE_HOME";
const TOLD: &str = "KILN_STORE_TOLD";
/// Where steps are marked among the writes.
const MARKS: &str = "KILN_STORE_MARKS";
/// Made when a write was refused: so the disk has room again.
const ROOM: &str = "KILN_STORE_ROOM";

#[tokio::test]
#[ignore = "it is the other process"]
async fn child() {
    let Some(home) = env::var_os(HOME) else { return };
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let told = variable(TOLD).unwrap();
    let told = fs::File::options().append(true).create(true).open(told).unwrap();
    let (marks, room) = (variable(MARKS), variable(ROOM));
    let refused = |what: &str, error: StoreError| {
        let Some(room) = &room else { panic!("{error:?} at {what}") };
        writeln!(&told, "refused {what}").unwrap();
        assert!(matches!(error, StoreError::DiskFull), "{error:?} at {what}");
        fs::write(room, "").unwrap();
    };
    let home = Path::new(&home);
    let store = Store::open(home, Limits::default()).unwrap_or_else(|error| {
        refused("open", error);
        open(home)
    });
    let mut script = Script::new();
    for number in 0..STEPS {
        if let Err(error) = script.step(&store, number).await {
            refused(&number.to_string(), error);
            // With room again, at once.
            script.step(&store, number).await.unwrap();
        }
        if let (0, Some(upload)) = (number, &script.upload) {
            writeln!(&told, "upload {upload}").unwrap();
        }
        writeln!(&told, "done {number}").unwrap();
        if let Some(marks) = &marks {
            mark(marks, &format!("{}", number + 1)).unwrap();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) directory: tempfile::TempDir,
}

/// What it told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) script: Option<Script>,
}

impl Process {
    /// In memory where there is such a place: no sync is waited for.
    pub(crate) fn new() -> Self {
        let shared = Path::new("/dev/shm");
        let place = if shared.is_dir() { shared.to_owned() } else { env::temp_dir() };
        let builder = tempfile::Builder::new().prefix("kiln-registry-").tempdir_in(place);
        let directory = builder.expect("a directory in memory");
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub(crate) fn room(&self) -> PathBuf {
        self.directory.path().join("room")
    }

    pub(crate) fn plan(&self) -> Plan {
        let program = env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_string_lossy().into_owned();
        Plan::new(self.home(), program, self.log())
    }

    pub(crate) fn run(&self, plan: &Plan) -> ExitStatus {
        let preload = preload();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "process::child", "--ignored", "--test-threads=1"])
            .envs(plan.arm(&preload, &self.directory.path().join("plan")).unwrap())
            .env(HOME, self.home())
            .env(TOLD, self.directory.path().join("told"))
            .stdin(Stdio::null());
        if plan.record {
            command.env(MARKS, self.log());
        }
        if plan.rules.iter().any(|rule| rule.until.is_some()) {
            command.env(ROOM, self.room());
        }
        let output = command.output().unwrap();
        let is_killed = output.status.code().is_none();
        if !is_killed && !output.status.success() {
            let (out, err) = (&output.stdout, &output.stderr);
            panic!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
        }
        output.status
    }

    pub(crate) fn told(&self) -> Told {
        let text = fs::read_to_string(self.directory.path().join("told")).unwrap_or_default();
        let mut told = Told::default();
        let mut script = Script::new();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("upload", id)) => script.upload = Some(id.parse().unwrap()),
                Some(("done", number)) => told.done = number.parse::<usize>().unwrap() + 1,
                Some(("refused", _)) => told.refused += 1,
                _ => panic!("{line}"),
            }
        }
        told.script = Some(script);
        told
    }
}

/// What stands between the other process and its writes: given, beside this program, or built.
fn preload() -> PathBuf {
    if let Some(given) = env::var_os("KILN_FAULTS") {
        return given.into();
    }
    let program = env::current_exe().unwrap();
    let beside = program.ancestors().nth(2).unwrap().join("libkiln_faults_preload.so");
    if !beside.exists() {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--package", "kiln-faults-preload"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(status.is_ok_and(|status| status.success()), "cargo builds kiln-faults-preload");
    }
    assert!(beside.exists(), "{} is missing: `cargo build --workspace`", beside.display());
    beside
}
