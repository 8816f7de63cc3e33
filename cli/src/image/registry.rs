//! `kiln image registry`: where local clients reach it.

use std::fmt::Write;

use crate::{
    args::RegistryArguments,
    daemon::Daemon,
    display::{printable, size},
    output,
    record::{Registry, RegistryDetails},
};

#[derive(Debug, thiserror::Error)]
#[error(
    "the registry does not listen for clients on this host: kilnd runs with --registry-listen none"
)]
struct NoAddress;

pub(super) async fn run(daemon: &Daemon, arguments: RegistryArguments) -> anyhow::Result<u8> {
    let details = daemon.registry().await?;
    if arguments.json {
        output::print_json(&details)?;
    } else if arguments.long {
        output::print(table(&details).as_bytes())?;
    } else {
        let address = details.registry.address.ok_or(NoAddress)?;
        output::print_line(&address)?;
    }
    Ok(0)
}

fn table(details: &RegistryDetails) -> String {
    let RegistryDetails { registry, mirrors } = details;
    let Registry {
        address,
        guest_address,
        stored_bytes,
        mirrored_bytes,
        most_mirrored_bytes,
        used_bytes,
        quota_bytes,
        offline,
        troubles,
    } = registry;
    let mut table = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:<13}{}", printable(value));
    };
    line("Address", address.as_deref().unwrap_or("none: kilnd runs with --registry-listen none"));
    line("For guests", guest_address.as_deref().unwrap_or("none: they have no network"));
    line("Stored", &size(*stored_bytes));
    let most = match most_mirrored_bytes {
        0 => String::new(),
        most => format!(" of {}", size(*most)),
    };
    line("Mirrored", &format!("{}{most}", size(*mirrored_bytes)));
    let quota = match quota_bytes {
        0 => String::new(),
        quota => format!(" of {}", size(*quota)),
    };
    line("Own", &format!("{}{quota}", size(*used_bytes)));
    let outside = match &mirrors[..] {
        _ if *offline => "none: it is offline".to_owned(),
        [] => "what a job's policy names".to_owned(),
        mirrors => format!("what a job's policy names, and {}", mirrors.join(" ")),
    };
    line("Outside", &outside);
    for trouble in troubles {
        line("Trouble", trouble);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_shown() {
        let registry = Registry {
            address: Some("127.0.0.1:35000".to_owned()),
            guest_address: Some("registry.kiln:5000".to_owned()),
            stored_bytes: 3 << 30,
            mirrored_bytes: 2 << 30,
            most_mirrored_bytes: 8 << 30,
            used_bytes: 1 << 20,
            quota_bytes: 0,
            offline: false,
            troubles: vec!["its disk is full".to_owned()],
        };
        let mirrors = vec!["docker.io".to_owned(), "registry.example:5443".to_owned()];
        let expected = "\
Address      127.0.0.1:35000
For guests   registry.kiln:5000
Stored       3 GiB
Mirrored     2 GiB of 8 GiB
Own          1 MiB
Outside      what a job's policy names, and docker.io registry.example:5443
Trouble      its disk is full
";
        assert_eq!(table(&RegistryDetails { registry, mirrors }), expected);
        let registry = Registry { offline: true, ..Registry::default() };
        let shown = table(&RegistryDetails { registry, mirrors: Vec::new() });
        assert!(shown.contains("Outside      none: it is offline\n"), "{shown}");
        assert!(shown.contains("--registry-listen none"), "{shown}");
    }
}
