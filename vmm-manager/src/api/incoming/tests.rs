//! Every field of a request, wrong in every way that has a name of its own.

use kiln_proto::v1;

use super::{job_spec, project};

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
    let error = job_spec(Some(spec)).unwrap_err();
    assert_eq!(error.field, field, "{error}");
}

#[test]
fn defaults_are_filled_in() {
    let spec = job_spec(Some(valid())).unwrap();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (1, 512 << 20, 10 << 30));
    assert!(spec.timeout.is_none() && !spec.attach);
}

#[test]
fn the_wrong_field_is_named() {
    assert_eq!(job_spec(None).unwrap_err().field, "spec");
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

#[test]
fn what_is_unusual_and_right_is_taken_as_it_is() {
    let value = "it's \"$HOME\" `id`\n$(reboot) \u{1f525}";
    let spec = exec(|exec| exec.env = vec![variable("A", value), variable("PATH", "/x")]);
    let super::Work::Exec(exec) = job_spec(Some(spec)).unwrap().work;
    assert_eq!(
        exec.env,
        [("A".to_owned(), value.to_owned()), ("PATH".to_owned(), "/x".to_owned())]
    );
}

#[test]
fn projects_have_plain_names() {
    assert_eq!(project("").unwrap(), "default");
    assert_eq!(project("team-1").unwrap(), "team-1");
    for name in ["-a", "a-", "A", "a/b", "..", &"a".repeat(64), "ä"] {
        assert_eq!(project(name).unwrap_err().field, "project");
    }
}
