//! A valid request made wrong in one field: the answer names that field.

use kiln_proto::v1;

use super::super::{
    attach, exec_in_job, find_source, job_id, new_job, page, read_output, signal, terminal_size,
    upload_start,
};
use crate::{
    api::field::InvalidField,
    job::{JobId, SourceId},
};

const CASES: u64 = 4000;

/// What a seed decides.
pub(in crate::api) struct Dice(u64);

impl Dice {
    pub(in crate::api) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// splitmix64.
    pub(in crate::api) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(in crate::api) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.roll() % count as u64).unwrap()
    }

    pub(in crate::api) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Text with `wrong` somewhere in it.
    pub(in crate::api) fn text_with(&mut self, prefix: &str, wrong: &str) -> String {
        let mut text = prefix.to_owned();
        for _ in 0..self.below(8) {
            text.push(self.of(&['a', 'z', '0', '-']));
        }
        text.push_str(wrong);
        for _ in 0..self.below(8) {
            text.push(self.of(&['a', 'z', '0', '-']));
        }
        text
    }

    pub(in crate::api) fn bad_id(&mut self) -> String {
        match self.below(5) {
            0 => String::new(),
            1 => JobId::generate().as_str().to_ascii_uppercase(),
            2 => JobId::generate().as_str()[1..].to_owned(),
            3 => self.text_with("", "/../"),
            _ => "7".repeat(27 + self.below(1000)),
        }
    }

    fn bad_path(&mut self) -> String {
        match self.below(5) {
            0 => String::new(),
            1 => self.text_with("relative", ""),
            2 => self.text_with("/", "\0"),
            3 => self.text_with("/", "/../"),
            _ => format!("/{}", "d".repeat(256 + self.below(5000))),
        }
    }

    pub(in crate::api) fn bad_project(&mut self) -> String {
        match self.below(4) {
            0 => self.text_with("-", ""),
            1 => self.text_with("a", "A"),
            2 => self.text_with("a", "/"),
            _ => "a".repeat(64 + self.below(1000)),
        }
    }
}

fn valid_exec(dice: &mut Dice) -> v1::ExecSpec {
    let stdin = dice.below(2) == 0;
    let terminal =
        (stdin && dice.below(2) == 0).then_some(v1::TerminalSize { rows: 1, columns: 9 });
    let variable = v1::EnvironmentVariable { name: "A".to_owned(), value: "b".to_owned() };
    v1::ExecSpec {
        argv: vec!["true".to_owned(); 1 + dice.below(4)],
        env: vec![variable; dice.below(2)],
        workdir: dice.of(&["", "/", "/a b"]).to_owned(),
        user: dice.of(&["", "1000:1000", "build"]).to_owned(),
        stdin,
        terminal,
    }
}

fn valid_egress(dice: &mut Dice) -> Option<v1::Egress> {
    let mode = dice.of(&[
        v1::EgressMode::None,
        v1::EgressMode::Allow,
        v1::EgressMode::Record,
        v1::EgressMode::Internet,
    ]);
    let rules = match mode {
        v1::EgressMode::Allow => vec!["one.test".to_owned(), "*.two.test:22/tcp".to_owned()],
        _ => Vec::new(),
    };
    (dice.below(2) == 0).then(|| v1::Egress { mode: mode.into(), rules })
}

fn valid_job(dice: &mut Dice) -> v1::CreateJobRequest {
    let exec = valid_exec(dice);
    let input = |path: &str| v1::InputDisk {
        source_id: SourceId::generate().to_string(),
        path: path.to_owned(),
        format: 0,
    };
    let output = |index: usize| v1::OutputDisk {
        name: format!("out-{index}"),
        path: "/out".to_owned(),
        format: 1,
        max_bytes: 1 << 20,
    };
    let spec = v1::JobSpec {
        cpus: 1,
        memory_bytes: dice.of(&[0, 1 << 28]),
        disk_bytes: dice.of(&[0, 1 << 30]),
        timeout: None,
        attach: exec.stdin,
        work: Some(v1::job_spec::Work::Exec(exec)),
        inputs: vec![input("/in"); dice.below(9)],
        outputs: (0..dice.below(9)).map(output).collect(),
        egress: valid_egress(dice),
    };
    let project = dice.of(&["", "team-1"]).to_owned();
    v1::CreateJobRequest { project, spec: Some(spec), idempotency_key: "key 1".to_owned() }
}

/// Makes one field of a command wrong; its name, without what stands before it.
fn break_exec(dice: &mut Dice, exec: &mut v1::ExecSpec) -> String {
    match dice.below(9) {
        0 => {
            exec.argv = if dice.below(2) == 0 { Vec::new() } else { vec![String::new()] };
            ".argv".to_owned()
        }
        1 => {
            let index = dice.below(exec.argv.len());
            exec.argv[index] = match dice.below(2) {
                0 => dice.text_with("x", "\0"),
                _ => "x".repeat((128 << 10) + dice.below(100)),
            };
            format!(".argv[{index}]")
        }
        2 => {
            exec.argv.extend(vec!["y".repeat(1000); 200 + dice.below(100)]);
            String::new()
        }
        3 => {
            let name = match dice.below(3) {
                0 => String::new(),
                1 => dice.text_with("N", "="),
                _ => dice.text_with("N", "\0"),
            };
            exec.env.push(v1::EnvironmentVariable { name, value: String::new() });
            format!(".env[{}].name", exec.env.len() - 1)
        }
        4 => {
            let value = dice.text_with("", "\0");
            exec.env.push(v1::EnvironmentVariable { name: "V".to_owned(), value });
            format!(".env[{}].value", exec.env.len() - 1)
        }
        5 => {
            let twice = v1::EnvironmentVariable { name: "T".to_owned(), value: String::new() };
            exec.env.extend([twice.clone(), twice]);
            format!(".env[{}].name", exec.env.len() - 1)
        }
        6 => {
            exec.workdir = match dice.below(3) {
                0 => dice.text_with("relative", ""),
                1 => dice.text_with("/", "\0"),
                _ => format!("/{}", "d/".repeat(2048 + dice.below(1000))),
            };
            ".workdir".to_owned()
        }
        7 => {
            exec.user = match dice.below(3) {
                0 => dice.text_with("u", " "),
                1 => dice.text_with("u", "\0"),
                _ => "u".repeat(257 + dice.below(1000)),
            };
            ".user".to_owned()
        }
        _ => {
            let wrong = dice.of(&[0, 65_536, u32::MAX]);
            exec.stdin = true;
            let rows = dice.below(2) == 0;
            exec.terminal = Some(if rows {
                v1::TerminalSize { rows: wrong, columns: 80 }
            } else {
                v1::TerminalSize { rows: 24, columns: wrong }
            });
            if rows { ".terminal.rows" } else { ".terminal.columns" }.to_owned()
        }
    }
}

/// Makes one field wrong; its name.
fn break_job(dice: &mut Dice, request: &mut v1::CreateJobRequest) -> String {
    match dice.below(4) {
        0 => {
            request.project = dice.bad_project();
            return "project".to_owned();
        }
        1 => {
            request.idempotency_key = match dice.below(3) {
                0 => dice.text_with("k", "\u{7}"),
                1 => dice.text_with("k", "ß"),
                _ => "k".repeat(129 + dice.below(1000)),
            };
            return "idempotency_key".to_owned();
        }
        _ => {}
    }
    let Some(spec) = request.spec.as_mut() else { unreachable!("a valid job has a spec") };
    match dice.below(9) {
        0 => {
            request.spec = None;
            "spec".to_owned()
        }
        1 => {
            spec.work = None;
            "spec.work".to_owned()
        }
        2 => {
            spec.memory_bytes = dice.of(&[1, (16 << 20) - 1, (1 << 50) + 1, u64::MAX]);
            "spec.memory_bytes".to_owned()
        }
        3 => {
            spec.disk_bytes = dice.of(&[1, (16 << 20) - 1, (16 << 40) + 1, u64::MAX]);
            "spec.disk_bytes".to_owned()
        }
        4 => {
            let (seconds, nanos) =
                dice.of(&[(0, 0), (-1, 0), (0, -1), (i64::MAX, 0), (1, 1 << 30)]);
            spec.timeout = Some(prost_types::Duration { seconds, nanos });
            "spec.timeout".to_owned()
        }
        5 => break_input(dice, &mut spec.inputs),
        6 => break_output(dice, &mut spec.outputs),
        7 => {
            spec.attach = false;
            let Some(v1::job_spec::Work::Exec(exec)) = spec.work.as_mut() else { unreachable!() };
            exec.stdin = true;
            "spec.exec.stdin".to_owned()
        }
        _ => {
            spec.attach = true;
            let Some(v1::job_spec::Work::Exec(exec)) = spec.work.as_mut() else { unreachable!() };
            format!("spec.exec{}", break_exec(dice, exec))
        }
    }
}

fn break_input(dice: &mut Dice, inputs: &mut Vec<v1::InputDisk>) -> String {
    let mut input = v1::InputDisk {
        source_id: SourceId::generate().to_string(),
        path: "/in".to_owned(),
        format: 0,
    };
    inputs.truncate(7);
    let at = format!("spec.inputs[{}]", inputs.len());
    let field = match dice.below(4) {
        0 => {
            inputs.resize(8 + dice.below(100), input.clone());
            inputs.push(input);
            return "spec.inputs".to_owned();
        }
        1 => {
            input.source_id = dice.bad_id();
            "source_id"
        }
        2 => {
            input.path = dice.bad_path();
            "path"
        }
        _ => {
            input.format = dice.of(&[3, -1, i32::MAX, i32::MIN]);
            "format"
        }
    };
    inputs.push(input);
    format!("{at}.{field}")
}

fn break_output(dice: &mut Dice, outputs: &mut Vec<v1::OutputDisk>) -> String {
    let mut output = v1::OutputDisk {
        name: "extra".to_owned(),
        path: "/extra".to_owned(),
        format: 2,
        max_bytes: 0,
    };
    outputs.truncate(6);
    let field = match dice.below(6) {
        0 => {
            outputs.resize(8 + dice.below(100), output.clone());
            outputs.push(output);
            return "spec.outputs".to_owned();
        }
        1 => {
            output.name = match dice.below(4) {
                0 => String::new(),
                1 => dice.text_with("a", "A"),
                2 => dice.text_with("a", "/../"),
                _ => "a".repeat(33 + dice.below(1000)),
            };
            "name"
        }
        2 => {
            outputs.push(output.clone());
            "name"
        }
        3 => {
            output.path = dice.bad_path();
            "path"
        }
        4 => {
            output.format = dice.of(&[3, -1, i32::MAX, i32::MIN]);
            "format"
        }
        _ => {
            output.max_bytes = dice.of(&[(16 << 40) + 1, u64::MAX]);
            "max_bytes"
        }
    };
    outputs.push(output);
    format!("spec.outputs[{}].{field}", outputs.len() - 1)
}

fn check(seed: u64, expected: &str, answer: Result<(), InvalidField>) {
    let error = answer.expect_err(&format!("seed {seed}: {expected} was not refused"));
    assert_eq!(error.field, expected, "seed {seed}: {error}");
    let status = tonic::Status::from(error);
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let words = status.message().strip_prefix(expected).and_then(|rest| rest.strip_prefix(": "));
    assert!(words.is_some_and(|words| words.len() > 5), "seed {seed}: {status}");
    assert!(status.message().len() < 400, "seed {seed}: a long value is not repeated");
}

#[test]
fn a_job_that_is_wrong_in_one_field_is_refused_by_its_name() {
    for seed in 0..CASES {
        let mut dice = Dice(seed);
        let mut request = valid_job(&mut dice);
        let valid = new_job(request.clone(), u64::MAX);
        assert!(valid.is_ok(), "seed {seed}: {:?}", valid.unwrap_err());
        let field = break_job(&mut dice, &mut request);
        check(seed, &field, new_job(request, u64::MAX).map(drop));
    }
}

#[test]
fn every_other_request_that_is_wrong_in_one_field_is_refused_by_its_name() {
    for seed in 0..CASES {
        let dice = &mut Dice(seed);
        let (field, answer) = break_other(dice);
        check(seed, &field, answer);
    }
}

fn break_other(dice: &mut Dice) -> (String, Result<(), InvalidField>) {
    let id = JobId::generate().to_string();
    let (field, answer) = match dice.below(15) {
        0 => ("id", job_id("id", &dice.bad_id()).map(drop)),
        1 => {
            let request = v1::ListJobsRequest { project: dice.bad_project(), ..Default::default() };
            ("project", page(request).map(drop))
        }
        2 => {
            let page_size = dice.of(&[1001, 1 << 20, u32::MAX]);
            ("page_size", page(v1::ListJobsRequest { page_size, ..Default::default() }).map(drop))
        }
        3 => {
            let page_token = dice.bad_id();
            if page_token.is_empty() {
                return break_other(dice);
            }
            ("page_token", page(v1::ListJobsRequest { page_token, ..Default::default() }).map(drop))
        }
        4 => {
            let request = v1::ReadOutputRequest { id: dice.bad_id(), ..Default::default() };
            ("id", read_output(request).map(drop))
        }
        5 => {
            let name = dice.text_with("", "/../");
            ("name", read_output(v1::ReadOutputRequest { id, name, offset: 0 }).map(drop))
        }
        6 => {
            let start = v1::UploadStart { project: dice.bad_project(), ..Default::default() };
            let event = Some(v1::upload_source_request::Event::Start(start));
            ("start.project", upload_start(Some(v1::UploadSourceRequest { event })).map(drop))
        }
        7 => {
            let data = v1::upload_source_request::Event::Data("first".into());
            let event = dice.below(2).eq(&0).then_some(data);
            ("start", upload_start(Some(v1::UploadSourceRequest { event })).map(drop))
        }
        8 => {
            let to = v1::Attach { id: dice.bad_id(), offset: dice.roll() };
            let event = Some(v1::attach_job_request::Event::Attach(to));
            ("attach.id", attach(Some(v1::AttachJobRequest { event })).map(drop))
        }
        9 => {
            let event = dice.of(&[
                Some(v1::attach_job_request::Event::Signal(15)),
                Some(v1::attach_job_request::Event::StdinClosed(v1::StdinClosed {})),
                None,
            ]
            .each_ref());
            let request = v1::AttachJobRequest { event: event.clone() };
            ("attach", attach(Some(request)).map(drop))
        }
        10 => {
            let number = dice.of(&[0, -1, 65, i32::MAX, i32::MIN]);
            ("signal", signal(number).map(drop))
        }
        11 => {
            let rows = dice.of(&[0, 65_536, u32::MAX]);
            let size = v1::TerminalSize { rows, columns: 80 };
            ("resize.rows", terminal_size("resize", size).map(drop))
        }
        12 => return break_known(dice),
        13 => {
            let digest = dice.text_with("sha256:", "x");
            let request = v1::FindSourceRequest { digest, size_bytes: 1, ..Default::default() };
            ("digest", find_source(request).map(drop))
        }
        _ => return break_exec_in_job(dice, id),
    };
    (field.to_owned(), answer)
}

/// An upload of what is known.
fn break_known(dice: &mut Dice) -> (String, Result<(), InvalidField>) {
    let mut start = v1::UploadStart {
        size_bytes: 1 + (dice.roll() >> 1),
        digest: format!("sha256:{}", "0".repeat(64)),
        ..Default::default()
    };
    let field = match dice.below(4) {
        0 => {
            start.digest = dice.of(&["sha256", "sha512:00", "0", "sha256:0"]).to_owned();
            "start.digest"
        }
        1 => {
            start.digest = start.digest.replace('0', "A");
            "start.digest"
        }
        2 => {
            start.size_bytes = 0;
            "start.size_bytes"
        }
        _ => {
            start.offset = start.size_bytes + 1;
            if dice.below(2) == 0 {
                start.digest.clear();
            }
            "start.offset"
        }
    };
    let event = Some(v1::upload_source_request::Event::Start(start));
    (field.to_owned(), upload_start(Some(v1::UploadSourceRequest { event })).map(drop))
}

fn break_exec_in_job(dice: &mut Dice, id: String) -> (String, Result<(), InvalidField>) {
    let mut exec = valid_exec(dice);
    let (field, start) = match dice.below(4) {
        0 => ("start.id".to_owned(), v1::ExecInJob { id: dice.bad_id(), exec: Some(exec) }),
        1 => ("start.exec".to_owned(), v1::ExecInJob { id, exec: None }),
        _ => {
            let field = format!("start.exec{}", break_exec(dice, &mut exec));
            (field, v1::ExecInJob { id, exec: Some(exec) })
        }
    };
    let event = Some(v1::exec_in_job_request::Event::Start(start));
    (field, exec_in_job(Some(v1::ExecInJobRequest { event })).map(drop))
}

/// For those who ask over a socket.
pub(in crate::api) fn malformed_job(seed: u64) -> (String, v1::CreateJobRequest) {
    let mut dice = Dice(seed);
    let mut request = valid_job(&mut dice);
    let field = break_job(&mut dice, &mut request);
    (field, request)
}

pub(in crate::api) fn malformed_exec(seed: u64) -> (String, v1::ExecInJobRequest) {
    let dice = &mut Dice(seed);
    let mut exec = valid_exec(dice);
    let field = format!("start.exec{}", break_exec(dice, &mut exec));
    let start = v1::ExecInJob { id: JobId::generate().to_string(), exec: Some(exec) };
    (field, v1::ExecInJobRequest { event: Some(v1::exec_in_job_request::Event::Start(start)) })
}
