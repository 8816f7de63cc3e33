//! What is tried, and not only looked at.

use std::{io, thread};

use kiln_net::tap;

use super::{Area, Check, Finding, NFT, TAP, UnshareFlags, command, run, unshare_unsafe};

const LINK: &str = "kiln-doctor";
const TABLE: &str = "kiln_doctor";
/// What the rules are written for.
const OLDEST: [u32; 3] = [1, 0, 6];

pub(super) fn checks(is_root: bool) -> Vec<Check> {
    // The namespace is the thread's alone, and goes with it.
    let tried = thread::spawn(|| {
        // SAFETY: it changes the network namespace of this thread, in which nothing is open.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        Ok::<_, io::Error>((tap::make(LINK).map(drop), nft()))
    });
    let (tap, nft) = match tried.join() {
        Ok(Ok(tried)) => tried,
        Ok(Err(error)) => {
            let found = format!("no network namespace to try it in: {error}");
            let mend = if is_root { "use a kernel with CONFIG_NET_NS" } else { "run as root" };
            let untried = |name| Check::note(Area::Network, name, found.clone()).mend(mend);
            return vec![untried(TAP), untried(NFT)];
        }
        Err(_panicked) => return Vec::new(),
    };
    let finding = if is_root { Finding::Missing } else { Finding::Note };
    let missing =
        |name, found: String| Check { finding, ..Check::missing(Area::Network, name, found) };
    vec![
        match tap {
            Ok(()) => Check::ok(Area::Network, TAP, "made with IFF_VNET_HDR and removed"),
            Err(error) => missing(TAP, format!("cannot be made: {error}"))
                .mend("load tun (modprobe tun), or say --no-network"),
        },
        match nft {
            Ok(version) if is_known(&version) => Check::ok(
                Area::Network,
                NFT,
                format!(
                    "nft {version}: tables of inet and netdev were made, read back and removed"
                ),
            ),
            Ok(version) => Check::warning(
                Area::Network,
                NFT,
                format!("nft {version} is older than 1.0.6, with which Kiln's rules are tried"),
            )
            .mend("install a newer nftables"),
            Err(reason) => missing(NFT, format!("nft: {reason}"))
                .mend("apt install nftables, or say --no-network"),
        },
    ]
}

/// Its version, if it does what networks need.
fn nft() -> Result<String, String> {
    let said = run(command("nft").arg("--version"), b"")?;
    let said = said.split_whitespace().nth(1).unwrap_or(said.trim());
    let version = said.trim_start_matches('v').to_owned();
    let rules = format!(
        "table inet {TABLE} {{ set seen {{ type ipv4_addr . inet_proto . inet_service; size 16; \
         flags dynamic,timeout; counter; }}; chain forward {{ type filter hook forward priority 0; \
         policy drop; ct count over 9 drop; limit rate over 9/second drop; }}; \
         chain nat {{ type nat hook postrouting priority 100; masquerade; }}; }}\n\
         table netdev {TABLE} {{ chain frames {{ type filter hook ingress device lo priority 0; \
         ether saddr 02:4b:69:6c:6e:02 drop; }}; }}\n"
    );
    run(command("nft").args(["-f", "-"]), rules.as_bytes())?;
    for (family, word) in [("inet", "masquerade"), ("netdev", "02:4b:69:6c:6e:02")] {
        let read = run(command("nft").args(["list", "table", family, TABLE]), b"")?;
        if !read.contains(word) {
            return Err("the table that was made is not the one that is read back".to_owned());
        }
        run(command("nft").args(["delete", "table", family, TABLE]), b"")?;
    }
    Ok(version)
}

fn is_known(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    numbers.as_slice() >= OLDEST.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        for (version, expected) in [
            ("1.0.6", true),
            ("1.0.9", true),
            ("1.1", true),
            ("1.1.3", true),
            ("2.0", true),
            ("1.0.5", false),
            ("0.9.8", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_known(version), expected, "{version}");
        }
    }
}
