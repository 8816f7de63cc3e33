//! A command: what the guest's kernel could not take is refused here, where it can be named.

use std::collections::HashSet;

use kiln_proto::v1;

use crate::{api::field::InvalidField, job::Exec};

/// Linux gives one argument or variable at most 128 KiB with its end.
const MOST_STRING_BYTES: usize = 128 * 1024 - 1;
/// All of them travel in one frame to the agent, which has room for this and its framing.
const MOST_TOTAL_BYTES: usize = 192 * 1024;
/// What a command finds when it is not told otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn exec(wire: v1::ExecSpec, attach: bool) -> Result<Exec, InvalidField> {
    let v1::ExecSpec { argv, env, workdir, user, stdin } = wire;
    if argv.first().is_none_or(String::is_empty) {
        return Err(InvalidField::new("spec.exec.argv", "names no command"));
    }
    for (index, argument) in argv.iter().enumerate() {
        string(&format!("spec.exec.argv[{index}]"), argument)?;
    }
    let env = environment(env)?;
    if !workdir.is_empty() && !workdir.starts_with('/') {
        return Err(InvalidField::new("spec.exec.workdir", "is not an absolute path"));
    }
    if workdir.len() >= 4096 {
        return Err(InvalidField::new("spec.exec.workdir", "is longer than a path can be"));
    }
    string("spec.exec.workdir", &workdir)?;
    if user.len() > 256 || user.contains([' ', '\n']) {
        return Err(InvalidField::new(
            "spec.exec.user",
            "is no `name`, `uid`, `name:group` or `uid:gid`",
        ));
    }
    string("spec.exec.user", &user)?;
    if stdin && !attach {
        return Err(InvalidField::new(
            "spec.exec.stdin",
            "needs `spec.attach`, where it comes from",
        ));
    }
    let arguments: usize = argv.iter().map(|argument| argument.len() + 1).sum();
    let variables: usize = env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if arguments + variables > MOST_TOTAL_BYTES {
        let problem =
            format!("arguments and environment together are above {MOST_TOTAL_BYTES} bytes");
        return Err(InvalidField::new("spec.exec", problem));
    }
    Ok(Exec { argv, env, workdir, user, stdin })
}

fn environment(wire: Vec<v1::EnvironmentVariable>) -> Result<Vec<(String, String)>, InvalidField> {
    let mut seen = HashSet::new();
    let mut env = Vec::with_capacity(wire.len() + 1);
    for (index, v1::EnvironmentVariable { name, value }) in wire.into_iter().enumerate() {
        let field = |part| format!("spec.exec.env[{index}].{part}");
        if name.is_empty() || name.contains('=') {
            return Err(InvalidField::new(field("name"), "is empty or contains `=`"));
        }
        string(&field("name"), &name)?;
        string(&field("value"), &value)?;
        if !seen.insert(name.clone()) {
            return Err(InvalidField::new(field("name"), format!("{name} stands twice")));
        }
        env.push((name, value));
    }
    if !seen.contains("PATH") {
        env.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
    }
    Ok(env)
}

fn string(field: &str, value: &str) -> Result<(), InvalidField> {
    if value.contains('\0') {
        return Err(InvalidField::new(field, "contains a NUL byte"));
    }
    if value.len() > MOST_STRING_BYTES {
        return Err(InvalidField::new(field, format!("is above {MOST_STRING_BYTES} bytes")));
    }
    Ok(())
}
