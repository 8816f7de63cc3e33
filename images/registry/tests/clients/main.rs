//! Clients that others wrote: skopeo, oras, containerd's and docker's engine push to the registry and
//! pull from it, and all agree on the digests.
//!
//! ```text
//! trial ─▶ unshare ─▶ this program again, in a network and mounts of its own ─┬ the registry, on lo
//!                                                                            └ the client
//! ```
//! Nothing of them stays: their directories are below one that is removed, or on mounts that end with
//! the namespace. `KILN_REGISTRY_CLIENTS` says where the programs are; without it, or without root,
//! the trials are reported as not run.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod built;
mod containerd;
mod docker;
mod image;
mod inside;
mod oras;
mod program;
mod skopeo;

use std::{path::PathBuf, process::Command, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use self::inside::Stage;

type Story = (&'static str, fn(&Stage));

const STORIES: [Story; 5] = [
    ("skopeo", skopeo::copies_there_and_back),
    ("oras", oras::pushes_attaches_and_copies),
    ("containerd", containerd::pushes_and_fetches),
    ("docker", docker::pushes_and_pulls),
    ("docker load", docker::loads),
];

const CLIENTS: &str = "KILN_REGISTRY_CLIENTS";
const INSIDE: &str = "--inside";
/// Of one story, on a machine that does other things too.
const SECONDS: &str = "180";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().collect();
    if let [_, inside, name, directory] = &*words
        && inside == INSIDE
    {
        let (_, story) = STORIES.iter().find(|(known, _)| known == name).unwrap();
        inside::tell(*story, directory.as_ref());
        return ExitCode::SUCCESS;
    }
    let missing = missing();
    if let Some(missing) = &missing {
        say(&format!("not run: {missing}"));
    }
    let trials = STORIES.map(|(name, _)| {
        Trial::test(name, move || apart(name)).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn missing() -> Option<String> {
    if clients().is_none() {
        return Some(format!("{CLIENTS} is not set: `cargo xtask test` sets it"));
    }
    let is_root = rustix::process::geteuid().is_root();
    (!is_root).then(|| "namespaces of engines are root's to make".to_owned())
}

fn clients() -> Option<PathBuf> {
    std::env::var_os(CLIENTS).map(PathBuf::from)
}

/// In namespaces that end with whatever runs in them.
fn apart(name: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let told = Command::new("timeout")
        .args(["--kill-after=5", SECONDS, "unshare", "--net", "--mount", "--pid", "--cgroup"])
        .args(["--fork", "--mount-proc", "--kill-child", "--"])
        .arg(std::env::current_exe()?)
        .args([INSIDE, name])
        .arg(directory.path())
        .output()?;
    if told.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&told.stdout, &told.stderr].map(|told| String::from_utf8_lossy(told));
    Err(format!("{}\n{stdout}{stderr}", told.status).into())
}

#[expect(clippy::print_stdout, reason = "what is not run is for people to read")]
fn say(line: &str) {
    println!("{line}");
}
