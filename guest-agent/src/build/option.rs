//! The options that a build may bring along in the words of the engine's client: a closed set, as what
//! else the client can be told would lead it out of the guest's arrangements.

use std::net::IpAddr;

/// The kernel takes no longer argument.
const MAX_BYTES: usize = 120 * 1024;

/// Names, and what their values must be.
const TABLE: [(&str, Value); 15] = [
    ("add-host", Value::Checked(is_host)),
    ("allow", Value::OneOf(&["network.host", "security.insecure"])),
    ("annotation", Value::Pair),
    ("build-arg", Value::Pair),
    ("label", Value::Text),
    ("network", Value::OneOf(&["host", "none"])),
    ("no-cache", Value::None),
    ("no-cache-filter", Value::Text),
    ("provenance", Value::Text),
    ("pull", Value::None),
    ("sbom", Value::Text),
    ("shm-size", Value::Checked(is_size)),
    ("tag", Value::Text),
    ("target", Value::Text),
    ("ulimit", Value::Pair),
];

#[derive(Clone, Copy)]
enum Value {
    /// `--NAME` alone.
    None,
    /// Any, but not empty.
    Text,
    /// `KEY=VALUE`: without the value the client would look into its own environment.
    Pair,
    OneOf(&'static [&'static str]),
    Checked(fn(&str) -> bool),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOption {
    #[error("option {0:?} is none that a build may have")]
    Unknown(String),
    #[error("option --{0} has a value that it cannot have")]
    Value(&'static str),
    #[error("option --{0} is longer than {MAX_BYTES} bytes")]
    TooLong(&'static str),
}

/// Whether `option` is `--NAME` or `--NAME=VALUE` of the table.
pub(super) fn check(option: &str) -> Result<(), InvalidOption> {
    let unknown = || {
        // What follows a name may be a value that nobody else is to read.
        let name = option.split('=').next().unwrap_or_default();
        InvalidOption::Unknown(name.chars().take(64).collect())
    };
    let text = option.strip_prefix("--").ok_or_else(unknown)?;
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let (name, kind) =
        TABLE.iter().find(|(known, _)| *known == name).ok_or_else(unknown).copied()?;
    if option.len() > MAX_BYTES {
        return Err(InvalidOption::TooLong(name));
    }
    let valid = match (kind, value) {
        (Value::None, value) => value.is_none(),
        (_, None) => false,
        (_, Some(value)) if value.contains('\0') => false,
        (Value::Text, Some(value)) => !value.is_empty(),
        (Value::Pair, Some(value)) => value.find('=').is_some_and(|at| at > 0),
        (Value::OneOf(those), Some(value)) => those.contains(&value),
        (Value::Checked(check), Some(value)) => check(value),
    };
    if valid { Ok(()) } else { Err(InvalidOption::Value(name)) }
}

/// `NAME:ADDRESS`. The client would take a comma for the next one.
fn is_host(value: &str) -> bool {
    let Some((name, address)) = value.split_once(':') else { return false };
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let address =
        address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    !name.is_empty() && name.bytes().all(usual) && address.parse::<IpAddr>().is_ok()
}

fn is_size(value: &str) -> bool {
    let number = value.trim_end_matches(|unit: char| "bkmgBKMG".contains(unit));
    value.len() - number.len() <= 1 && number.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(option: &str) {
        assert_eq!(check(option), Ok(()), "{option}");
    }

    fn refused(option: &str, expected: &str) {
        let told = check(option).unwrap_err().to_string();
        assert!(told.contains(expected), "{option}: {told}");
    }

    #[test]
    fn the_table_is_in_order_and_all_there_is() {
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
        for option in [
            "--add-host=a.test:192.0.2.1",
            "--add-host=a:2001:db8::1",
            "--add-host=a:[2001:db8::1]",
            "--allow=network.host",
            "--annotation=index:a=b",
            "--build-arg=A=",
            "--build-arg=A=line 1\nline 2=3,\"4\"",
            "--label=a",
            "--network=none",
            "--no-cache",
            "--no-cache-filter=stage",
            "--provenance=mode=max",
            "--pull",
            "--sbom=true",
            "--shm-size=64m",
            "--shm-size=1048576",
            "--target=last",
            "--ulimit=nofile=10:20",
        ] {
            taken(option);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for option in [
            "--output=type=local,dest=/",
            "--secret=id=a,src=/etc/shadow",
            "--ssh=default",
            "--build-context=a=/",
            "--cache-to=type=local,dest=/",
            "--metadata-file=/etc/passwd",
            "--iidfile=/a",
            "--builder=other",
            "--cgroup-parent=/",
            "--progress=plain",
            "--file=/a",
            "--platform=linux/arm64",
            "--",
            "-t=a",
            "label=a",
            "",
        ] {
            refused(option, "none that a build may have");
        }
    }

    #[test]
    fn values_are_what_their_options_take() {
        for option in [
            "--build-arg=HOME",
            "--build-arg",
            "--build-arg==a",
            "--label=a\0b",
            "--network=bridge",
            "--network=container:1",
            "--allow=network.host,security.insecure",
            "--add-host=a:192.0.2.1,b:192.0.2.2",
            "--add-host=a:host-gateway",
            "--no-cache=1",
            "--shm-size=64mm",
            "--shm-size=m",
            "--shm-size=-1",
            "--target=",
        ] {
            refused(option, "a value that it cannot have");
        }
        refused(&format!("--label={}", "x".repeat(MAX_BYTES)), "longer than");
    }

    #[test]
    fn no_value_stands_in_an_error() {
        refused("--secret-thing=hidden", "--secret-thing");
        assert!(!check("--secret-thing=hidden").unwrap_err().to_string().contains("hidden"));
    }
}
