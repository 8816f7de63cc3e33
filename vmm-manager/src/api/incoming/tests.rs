//! Every field of a request, wrong in every way that has a name of its own.

/// Far beyond what any case asks for.
const MOST: u64 = u64::MAX;

pub(in crate::api) mod fuzz;

use kiln_net::policy::Policy;
use kiln_proto::v1;

use super::{idempotency_key, job_spec, project};
use crate::job::{DiskFormat, SourceId, TerminalSize};

fn valid() -> v1::JobSpec {
    let exec = v1::ExecSpec { argv: vec!["true".to_owned()], ..v1::ExecSpec::default() };
    v1::JobSpec { work: Some(v1::job_spec::Work::Exec(exec)), ..v1::JobSpec::default() }
}

fn exec(change: impl FnOnce(&mut v1::ExecSpec)) -> v1::JobSpec {
    let mut exec = v1::ExecSpec { argv: vec!["true".to_owned()], ..v1::ExecSpec::default() };
    change(&mut exec);
    v1::JobSpec { work: Some(v1::job_spec::Work::Exec(exec)), ..v1::JobSpec::default() }
}

fn variable(name: &str, value: &str) -> v1::EnvironmentVariable {
    v1::EnvironmentVariable { name: name.to_owned(), value: value.to_owned() }
}

fn check(spec: v1::JobSpec, field: &str) {
    let error = job_spec(Some(spec), MOST).unwrap_err();
    assert_eq!(error.field, field, "{error}");
}

#[test]
fn defaults_are_filled_in() {
    let spec = job_spec(Some(valid()), MOST).unwrap();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (1, 512 << 20, 10 << 30));
    assert!(spec.timeout.is_none() && !spec.attach);
}

#[test]
fn the_wrong_field_is_named() {
    assert_eq!(job_spec(None, MOST).unwrap_err().field, "spec");
    check(v1::JobSpec { work: None, ..valid() }, "spec.work");
    check(v1::JobSpec { memory_bytes: 1, ..valid() }, "spec.memory_bytes");
    check(v1::JobSpec { memory_bytes: u64::MAX, ..valid() }, "spec.memory_bytes");
    check(v1::JobSpec { disk_bytes: 4096, ..valid() }, "spec.disk_bytes");
    check(v1::JobSpec { disk_bytes: u64::MAX, ..valid() }, "spec.disk_bytes");
    for (seconds, nanos) in
        [(0, 0), (-1, 0), (0, -5), (i64::MAX, 0), (0, 999), (1, -255), (1, i32::MAX)]
    {
        let timeout = Some(prost_types::Duration { seconds, nanos });
        check(v1::JobSpec { timeout, ..valid() }, "spec.timeout");
    }
    check(exec(|exec| exec.argv.clear()), "spec.exec.argv");
    check(exec(|exec| exec.argv = vec![String::new()]), "spec.exec.argv");
    check(exec(|exec| exec.argv.push("a\0b".to_owned())), "spec.exec.argv[1]");
    check(exec(|exec| exec.argv.push("a".repeat(128 * 1024))), "spec.exec.argv[1]");
    check(exec(|exec| exec.argv.extend(vec!["a".repeat(1000); 200])), "spec.exec");
    check(exec(|exec| exec.env = vec![variable("", "x")]), "spec.exec.env[0].name");
    check(exec(|exec| exec.env = vec![variable("a=b", "x")]), "spec.exec.env[0].name");
    check(exec(|exec| exec.env = vec![variable("a", "\0")]), "spec.exec.env[0].value");
    let twice = vec![variable("a", "1"), variable("a", "1")];
    check(exec(|exec| exec.env = twice), "spec.exec.env[1].name");
    check(exec(|exec| exec.workdir = "relative".to_owned()), "spec.exec.workdir");
    check(exec(|exec| exec.workdir = "/\0".to_owned()), "spec.exec.workdir");
    check(exec(|exec| exec.workdir = format!("/{}", "d".repeat(5000))), "spec.exec.workdir");
    check(exec(|exec| exec.user = "two words".to_owned()), "spec.exec.user");
    check(exec(|exec| exec.user = "\0".to_owned()), "spec.exec.user");
    check(exec(|exec| exec.stdin = true), "spec.exec.stdin");
}

fn input(source_id: &str, path: &str, format: i32) -> v1::JobSpec {
    let input = v1::InputDisk { source_id: source_id.to_owned(), path: path.to_owned(), format };
    v1::JobSpec { inputs: vec![input], ..valid() }
}

fn output(name: &str, path: &str) -> v1::OutputDisk {
    v1::OutputDisk { name: name.to_owned(), path: path.to_owned(), format: 0, max_bytes: 0 }
}

fn outputs(outputs: &[v1::OutputDisk]) -> v1::JobSpec {
    v1::JobSpec { outputs: outputs.to_vec(), ..valid() }
}

#[test]
fn disks_are_named_by_what_is_wrong_with_them() {
    let id = SourceId::generate().to_string();
    check(input("", "/in", 0), "spec.inputs[0].source_id");
    check(input("../../etc", "/in", 0), "spec.inputs[0].source_id");
    for path in ["", "in", "./in", "/in/../..", "/..", "/a\0b", &format!("/{}", "d".repeat(256))] {
        check(input(&id, path, 0), "spec.inputs[0].path");
        check(outputs(&[output("a", "/a"), output("b", path)]), "spec.outputs[1].path");
    }
    for path in ["/", "/in/", "/in/."] {
        check(input(&id, path, v1::DiskFormat::Raw.into()), "spec.inputs[0].path");
        assert!(
            job_spec(Some(input(&id, path, 0)), MOST).is_ok(),
            "a directory, which a tar needs"
        );
    }
    check(input(&id, "/in", 3), "spec.inputs[0].format");
    check(input(&id, "/in", -1), "spec.inputs[0].format");
    let nine = vec![input(&id, "/in", 0).inputs[0].clone(); 9];
    check(v1::JobSpec { inputs: nine, ..valid() }, "spec.inputs");
    for name in ["", "A", "a_b", "a/b", "..", ".", "a.partial", &"a".repeat(33)] {
        check(outputs(&[output(name, "/out")]), "spec.outputs[0].name");
    }
    check(outputs(&[output("a", "/a"), output("a", "/b")]), "spec.outputs[1].name");
    let huge = v1::OutputDisk { max_bytes: u64::MAX, ..output("a", "/a") };
    check(outputs(&[output("b", "/b"), huge]), "spec.outputs[1].max_bytes");
    check(outputs(&vec![output("a", "/a"); 9]), "spec.outputs");
}

#[test]
fn disks_have_their_defaults_and_whole_blocks() {
    let id = SourceId::generate();
    let odd = v1::OutputDisk { max_bytes: 4097, ..output("b-1", "/b") };
    let wire = v1::JobSpec {
        inputs: input(id.as_str(), "/in", 2).inputs,
        outputs: vec![output("a", "/a"), odd],
        ..valid()
    };
    let spec = job_spec(Some(wire), MOST).unwrap();
    assert_eq!((&spec.inputs[0].source, spec.inputs[0].format), (&id, DiskFormat::Raw));
    let sizes: Vec<_> =
        spec.outputs.iter().map(|output| (output.max_bytes, output.format)).collect();
    assert_eq!(sizes, [(1 << 30, DiskFormat::Tar), (8192, DiskFormat::Tar)]);
}

fn terminal(rows: u32, columns: u32, stdin: bool) -> v1::JobSpec {
    let terminal = Some(v1::TerminalSize { rows, columns });
    let mut spec = exec(|exec| (exec.terminal, exec.stdin) = (terminal, stdin));
    spec.attach = stdin;
    spec
}

#[test]
fn a_terminal_has_a_size_and_needs_stdin() {
    check(terminal(24, 80, false), "spec.exec.terminal");
    check(terminal(0, 80, true), "spec.exec.terminal.rows");
    check(terminal(65_536, 80, true), "spec.exec.terminal.rows");
    check(terminal(24, 0, true), "spec.exec.terminal.columns");
    check(terminal(24, u32::MAX, true), "spec.exec.terminal.columns");
    let super::Work::Exec(exec) = job_spec(Some(terminal(1, 65_535, true)), MOST).unwrap().work
    else {
        panic!()
    };
    assert_eq!(exec.terminal, Some(TerminalSize { rows: 1, columns: 65_535 }));
}

#[test]
fn a_key_is_printable_and_short() {
    for key in ["\n", "\u{7f}", "ä", "a\0", &"k".repeat(129)] {
        let error = idempotency_key(key.to_owned()).unwrap_err();
        assert_eq!(error.field, "idempotency_key");
    }
    assert_eq!(idempotency_key(String::new()).unwrap(), None);
    let longest = "~ k".repeat(42);
    assert_eq!(idempotency_key(longest.clone()).unwrap(), Some(longest));
}

#[test]
fn what_is_unusual_and_right_is_taken_as_it_is() {
    let value = "it's \"$HOME\" `id`\n$(reboot) \u{1f525}";
    let spec = exec(|exec| exec.env = vec![variable("A", value), variable("PATH", "/x")]);
    let super::Work::Exec(exec) = job_spec(Some(spec), MOST).unwrap().work else { panic!() };
    assert_eq!(
        exec.env,
        [("A".to_owned(), value.to_owned()), ("PATH".to_owned(), "/x".to_owned())]
    );
}

fn egress(mode: i32, rules: &[&str]) -> v1::JobSpec {
    let rules = rules.iter().map(ToString::to_string).collect();
    v1::JobSpec { egress: Some(v1::Egress { mode, rules }), ..valid() }
}

#[test]
fn a_policy_is_read_and_its_wrong_rule_is_named() {
    let allow = v1::EgressMode::Allow.into();
    assert_eq!(job_spec(Some(valid()), MOST).unwrap().egress, Policy::None);
    let spec = job_spec(Some(egress(allow, &["two.test:22/tcp", "ONE.test"])), MOST).unwrap();
    assert_eq!(spec.egress.to_string(), "allow=one.test:443,two.test:22/tcp");
    check(egress(99, &[]), "spec.egress.mode");
    check(egress(allow, &[]), "spec.egress.rules");
    check(egress(0, &["one.test"]), "spec.egress.rules");
    check(egress(v1::EgressMode::Internet.into(), &["one.test"]), "spec.egress.rules");
    check(egress(allow, &["one.test", "1.2.3.4"]), "spec.egress.rules[1]");
    check(egress(allow, &["one.test", "two.test", "one.test:443"]), "spec.egress.rules[2]");
    check(egress(allow, &["one.test,two.test"]), "spec.egress.rules[0]");
    let many: Vec<_> = (0..1001).map(|number| format!("h{number}.test")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    check(egress(allow, &many), "spec.egress.rules");
}

#[test]
fn projects_have_plain_names() {
    assert_eq!(project("").unwrap(), "default");
    assert_eq!(project("team-1").unwrap(), "team-1");
    for name in ["-a", "a-", "A", "a/b", "..", &"a".repeat(64), "ä"] {
        assert_eq!(project(name).unwrap_err().field, "project");
    }
}
