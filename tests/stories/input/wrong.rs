//! The ways in which each field can be wrong. Where there are many, dice choose one.

use kiln_proto::v1::{CreateJobRequest, EnvironmentVariable, ExecSpec, JobSpec, job_spec::Work};

/// One way.
pub(super) struct Wrong {
    /// As the answer must name it.
    pub(super) field: &'static str,
    /// Makes a request wrong that was fine. The first of the dice is never 0.
    pub(super) make: fn(&mut CreateJobRequest, dice: &[u8]),
}

pub(super) const WRONGS: &[Wrong] = &[
    Wrong { field: "project", make: |request, dice| request.project = foul(dice) },
    Wrong { field: "project", make: |request, dice| request.project = long(dice) },
    Wrong { field: "spec", make: |request, _| request.spec = None },
    Wrong { field: "spec.work", make: |request, _| spec(request).work = None },
    Wrong { field: "spec.cpus", make: |request, dice| spec(request).cpus = 1000 + word(dice) },
    Wrong { field: "spec.cpus", make: |request, _| spec(request).cpus = u32::MAX },
    Wrong { field: "spec.memory_bytes", make: |request, _| spec(request).memory_bytes = u64::MAX },
    Wrong {
        field: "spec.memory_bytes",
        make: |request, dice| spec(request).memory_bytes = (1 << 50) + u64::from(word(dice)),
    },
    Wrong {
        field: "spec.memory_bytes",
        make: |request, dice| spec(request).memory_bytes = dice[0].into(),
    },
    Wrong { field: "spec.disk_bytes", make: |request, _| spec(request).disk_bytes = u64::MAX },
    Wrong {
        field: "spec.disk_bytes",
        make: |request, dice| spec(request).disk_bytes = dice[0].into(),
    },
    Wrong { field: "spec.timeout", make: |request, _| timeout(request, 0, 0) },
    Wrong { field: "spec.timeout", make: |request, dice| timeout(request, -i64::from(dice[0]), 0) },
    Wrong { field: "spec.timeout", make: |request, dice| timeout(request, 0, dice[0].into()) },
    Wrong { field: "spec.timeout", make: |request, _| timeout(request, i64::MAX, 0) },
    Wrong { field: "spec.exec.argv", make: |request, _| exec(request).argv.clear() },
    Wrong { field: "spec.exec.argv", make: |request, _| exec(request).argv = vec![String::new()] },
    Wrong { field: "spec.exec.argv", make: |request, dice| exec(request).argv.push(nul(dice)) },
    Wrong {
        field: "spec.exec.argv",
        make: |request, _| exec(request).argv.push("x".repeat(3 << 20)),
    },
    Wrong {
        field: "spec.exec",
        make: |request, _| exec(request).argv.extend(vec!["x".repeat(1000); 3000]),
    },
    Wrong { field: "spec.exec.env", make: |request, _| env(request, &["", "x"]) },
    Wrong { field: "spec.exec.env", make: |request, _| env(request, &["A=B", "x"]) },
    Wrong { field: "spec.exec.env", make: |request, dice| env(request, &[&nul(dice), "x"]) },
    Wrong { field: "spec.exec.env", make: |request, dice| env(request, &["A", &nul(dice)]) },
    Wrong { field: "spec.exec.env", make: |request, _| env(request, &["A", "x", "A", "y"]) },
    Wrong { field: "spec.exec.env", make: |request, _| env(request, &["A", &"x".repeat(3 << 20)]) },
    Wrong {
        field: "spec.exec.workdir",
        make: |request, _| exec(request).workdir = "relative".into(),
    },
    Wrong {
        field: "spec.exec.workdir",
        make: |request, dice| exec(request).workdir = format!("/{}", nul(dice)),
    },
    Wrong {
        field: "spec.exec.workdir",
        make: |request, dice| exec(request).workdir = format!("/{}", long(dice)),
    },
    Wrong { field: "spec.exec.user", make: |request, dice| exec(request).user = nul(dice) },
    Wrong { field: "spec.exec.user", make: |request, dice| exec(request).user = long(dice) },
    Wrong { field: "spec.exec.stdin", make: |request, _| exec(request).stdin = true },
];

fn spec(request: &mut CreateJobRequest) -> &mut JobSpec {
    request.spec.as_mut().expect("a spec")
}

fn exec(request: &mut CreateJobRequest) -> &mut ExecSpec {
    match spec(request).work.as_mut().expect("work") {
        Work::Exec(exec) => exec,
        other => panic!("no command: {other:?}"),
    }
}

fn timeout(request: &mut CreateJobRequest, seconds: i64, nanos: i32) {
    spec(request).timeout = Some(prost_types::Duration { seconds, nanos });
}

fn env(request: &mut CreateJobRequest, pairs: &[&str]) {
    exec(request).env = pairs
        .chunks_exact(2)
        .map(|pair| EnvironmentVariable { name: pair[0].to_owned(), value: pair[1].to_owned() })
        .collect();
}

fn word(dice: &[u8]) -> u32 {
    u32::from_le_bytes([dice[0], dice[1], dice[2], dice[3]]) >> 1
}

/// Somewhere in it stands a NUL.
fn nul(dice: &[u8]) -> String {
    let mut text = letters(&dice[1..], dice[0] as usize);
    text.insert(dice[1] as usize % (text.len() + 1), '\0');
    text
}

/// Somewhere in it stands what no name may hold.
fn foul(dice: &[u8]) -> String {
    let mut text = letters(&dice[1..], dice[0] as usize % 8);
    let foul = ['/', '\0', '\n', ' ', '\u{1b}', '\u{202e}', '*', '$'];
    text.insert(dice[1] as usize % (text.len() + 1), foul[dice[2] as usize % foul.len()]);
    text
}

fn long(dice: &[u8]) -> String {
    letters(dice, 5000 + dice[0] as usize * 16)
}

fn letters(dice: &[u8], length: usize) -> String {
    dice.iter().cycle().take(length).map(|die| char::from(b'a' + die % 26)).collect()
}
