//! Users as another program resolves them, which has docker's own code for it: umoci.
//!
//! Lines whose numbers are none are left out: there docker makes root of a user, and the init refuses.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use kiln_init::{Database, Identity};
use proptest::prelude::*;
use serde_json::Value;

const NAMES: [&str; 6] = ["root", "app", "web", "5", "a.b", "x"];
const IDS: [&str; 6] = ["0", "5", "7", "1000", "1001", "2147483647"];
const USERS: [&str; 12] =
    ["", "root", "app", "web", "5", "a.b", "0", "7", "1001", "+7", "2147483648", "ghost"];
const GROUPS: [&str; 10] =
    ["", ":", ":root", ":app", ":5", ":7", ":1234", ":ghost", ":-1", ":app:x"];

fn id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&IDS[..])
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn passwd() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(&["", ":", "::/home/one:/bin/sh", "::/two"][..]);
    let line = (name(), id(), id(), ends);
    let line = line.prop_map(|(name, user, group, end)| format!("{name}:x:{user}:{group}{end}\n"));
    prop::collection::vec(line, 0..5).prop_map(|lines| lines.concat())
}

fn group() -> impl Strategy<Value = String> {
    let members = prop::collection::vec(name(), 0..4).prop_map(|members| members.join(","));
    let line = (name(), id(), members);
    let line = line.prop_map(|(name, id, members)| format!("{name}:x:{id}:{members}\n"));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

fn umoci(directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("umoci").current_dir(directory).args(arguments).output();
    output.unwrap_or_else(|error| panic!("umoci is needed (Debian: umoci): {error}"))
}

/// User, group and the other groups; `None` is refused.
type Found = Option<(u32, u32, Vec<u32>)>;

fn theirs(directory: &Path, said: &str) -> Found {
    let set = umoci(directory, &["config", "--image", "layout:image", "--config.user", said]);
    assert!(set.status.success(), "{set:?}");
    let made = ["raw", "runtime-config", "--image", "layout:image", "--rootfs", "root", "made"];
    let _ = fs::remove_file(directory.join("made"));
    let output = umoci(directory, &made);
    if !output.status.success() {
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot parse user spec"));
        return None;
    }
    let made: Value = serde_json::from_slice(&fs::read(directory.join("made")).unwrap()).unwrap();
    let user = &made["process"]["user"];
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let others = user["additionalGids"].as_array().into_iter().flatten().map(number).collect();
    Some((number(&user["uid"]), number(&user["gid"]), others))
}

/// docker has put the primary group among the others since.
fn ours(said: &str, passwd: &str, group: &str) -> Found {
    let found = Identity::find(said, &Database::new(passwd.as_bytes(), group.as_bytes())).ok()?;
    assert_eq!(found.groups.first(), Some(&found.group));
    Some((found.user, found.group, found.groups.into_iter().skip(1).collect()))
}

#[test]
fn users_are_those_that_umoci_finds() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    assert!(umoci(directory, &["init", "--layout", "layout"]).status.success());
    assert!(umoci(directory, &["new", "--image", "layout:image"]).status.success());
    fs::create_dir_all(directory.join("root/etc")).unwrap();
    let said = (prop::sample::select(&USERS[..]), prop::sample::select(&GROUPS[..]));
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let cases = (said, passwd(), group());
    let outcome = runner.run(&cases, |((user, group_said), passwd, group)| {
        fs::write(directory.join("root/etc/passwd"), &passwd).unwrap();
        fs::write(directory.join("root/etc/group"), &group).unwrap();
        let said = format!("{user}{group_said}");
        let expected = theirs(directory, &said);
        prop_assert_eq!(ours(&said, &passwd, &group), expected, "{:?}", said);
        Ok(())
    });
    outcome.unwrap();
}
