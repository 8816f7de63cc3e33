use kiln_proto::agent::v1::EnvironmentVariable;

use super::*;

fn start(argv: &[&str]) -> ExecStart {
    let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
    ExecStart { argv, ..Default::default() }
}

fn variable(name: &str, value: &str) -> EnvironmentVariable {
    EnvironmentVariable { name: name.to_owned(), value: value.to_owned() }
}

fn check(change: impl FnOnce(&mut ExecStart), message: &str) {
    let mut start = start(&["true"]);
    change(&mut start);
    let error = Command::try_from(start).expect_err(message);
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn what_the_kernel_could_not_take_is_refused_by_name() {
    check(|start| start.argv.clear(), "argv is empty");
    check(|start| start.argv[0].clear(), "argv[0] is empty");
    check(|start| start.argv.push("a\0b".into()), "argv[1] contains a NUL byte");
    check(|start| start.workdir = "tmp".into(), "\"tmp\" is not absolute");
    check(|start| start.workdir = "/t\0".into(), "workdir contains a NUL byte");
    check(|start| start.user = "a:b:c".into(), "user \"a:b:c\"");
    check(|start| start.env = vec![variable("", "x")], "not the name");
    check(|start| start.env = vec![variable("A=B", "x")], "not the name");
    check(|start| start.env = vec![variable("A\0", "x")], "not the name");
    check(|start| start.env = vec![variable("A", "\0")], "variable A contains a NUL");
    check(
        |start| start.env = vec![variable("A", "1"), variable("B", "2"), variable("A", "1")],
        "variable A stands twice",
    );
    check(|start| start.env = vec![variable("PATH", &":".repeat(300))], "PATH names more");
}

#[test]
fn values_arrive_as_they_are() {
    let value = "a \"b\" 'c' $HOME `id` $(id)\n\\ =é";
    let mut start = start(&["sh", "", value]);
    start.env = vec![variable("X", value), variable("EMPTY", "")];
    let command = Command::try_from(start).unwrap();
    assert_eq!(command.argv()[2].to_str(), Ok(value));
    assert_eq!(command.argv()[1].to_str(), Ok(""));
    let environment = command.environment("/root");
    let lines: Vec<&str> = environment.iter().filter_map(|line| line.to_str().ok()).collect();
    assert_eq!(lines, [&*format!("X={value}"), "EMPTY=", "HOME=/root"]);
}

#[test]
fn a_home_that_was_given_stays() {
    let mut start = start(&["true"]);
    start.env = vec![variable("HOME", "/mine")];
    let command = Command::try_from(start).unwrap();
    assert_eq!(command.environment("/root"), [c"HOME=/mine".to_owned()]);
}

#[test]
fn nothing_means_the_default() {
    let command = Command::try_from(start(&["true"])).unwrap();
    assert_eq!(command.working_directory.to_str(), Ok("/"));
    assert_eq!(command.timeout, None);
    assert!(command.limits.memory_bytes.is_none() && command.limits.pids.is_none());
    let candidates = command.candidates();
    assert_eq!(candidates, [c"/bin/true".to_owned(), c"/usr/bin/true".to_owned()]);
}
