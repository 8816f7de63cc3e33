//! A command: what the guest's kernel could not take is refused here, where it can be named.

use std::collections::HashSet;

use kiln_proto::v1;

use super::terminal_size;
use crate::{api::field::InvalidField, job::Exec};

/// Linux gives one argument or variable at most 128 KiB with its end.
const MOST_STRING_BYTES: usize = 128 * 1024 - 1;
/// All of them travel in one frame to the agent, which has room for this and its framing.
const MOST_TOTAL_BYTES: usize = 192 * 1024;
/// What a command finds when it is not told otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `at` is where the request has it.
pub(in crate::api) fn exec(at: &str, wire: v1::ExecSpec) -> Result<Exec, InvalidField> {
    let v1::ExecSpec { argv, env, workdir, user, stdin, terminal } = wire;
    let field = |name: &str| format!("{at}.{name}");
    if argv.first().is_none_or(String::is_empty) {
        return Err(InvalidField::new(field("argv"), "names no command"));
    }
    for (index, argument) in argv.iter().enumerate() {
        string(&field(&format!("argv[{index}]")), argument)?;
    }
    let env = environment(at, env)?;
    if !workdir.is_empty() && !workdir.starts_with('/') {
        return Err(InvalidField::new(field("workdir"), "is not an absolute path"));
    }
    if workdir.len() >= 4096 {
        return Err(InvalidField::new(field("workdir"), "is longer than a path can be"));
    }
    string(&field("workdir"), &workdir)?;
    if user.len() > 256 || user.contains([' ', '\n']) {
        return Err(InvalidField::new(
            field("user"),
            "is no `name`, `uid`, `name:group` or `uid:gid`",
        ));
    }
    string(&field("user"), &user)?;
    if terminal.is_some() && !stdin {
        let problem = "needs `stdin`: a terminal has both directions";
        return Err(InvalidField::new(field("terminal"), problem));
    }
    let terminal = terminal.map(|size| terminal_size(&field("terminal"), size)).transpose()?;
    let arguments: usize = argv.iter().map(|argument| argument.len() + 1).sum();
    let variables: usize = env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if arguments + variables > MOST_TOTAL_BYTES {
        let problem =
            format!("arguments and environment together are above {MOST_TOTAL_BYTES} bytes");
        return Err(InvalidField::new(at, problem));
    }
    Ok(Exec { argv, env, workdir, user, stdin, terminal })
}

fn environment(
    at: &str,
    wire: Vec<v1::EnvironmentVariable>,
) -> Result<Vec<(String, String)>, InvalidField> {
    let mut seen = HashSet::new();
    let mut env = Vec::with_capacity(wire.len() + 1);
    for (index, v1::EnvironmentVariable { name, value }) in wire.into_iter().enumerate() {
        let field = |part| format!("{at}.env[{index}].{part}");
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
