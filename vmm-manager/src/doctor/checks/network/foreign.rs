//! Who else decides about what this host passes on. Our own rules accept nothing for others, and
//! theirs come after ours: what they drop is dropped.

use std::net::IpAddr;

use serde::Deserialize;

use super::{Area, Check, NetworkConfig, command, run};

const FORWARD: &str = "others' rules";
const OURS: &str = "kiln_";

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    chain: Option<Chain>,
}

#[derive(Debug, Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

/// Who is known to be behind such chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Docker,
    Firewalld,
    Ufw,
    Unknown,
}

pub(super) fn checks(network: &NetworkConfig) -> Vec<Check> {
    let mut checks = Vec::new();
    // Of nftables, which iptables mostly is too.
    if let Ok(listed) = run(command("nft").args(["-j", "list", "chains"]), b"") {
        checks.extend(of_nftables(&listed, network));
    }
    // Of the older kind, which nft does not see; it loads nothing where there is none.
    let is_old = std::fs::read_to_string("/proc/net/ip_tables_names")
        .is_ok_and(|names| names.lines().any(|name| name == "filter"));
    if is_old && let Ok(rules) = run(command("iptables-legacy").args(["-S"]), b"") {
        checks.extend(of_iptables(&rules, network));
    }
    if checks.is_empty() {
        checks.push(Check::ok(Area::Network, FORWARD, "none drop what the host passes on"));
    }
    checks
}

fn of_nftables(listed: &str, network: &NetworkConfig) -> Vec<Check> {
    let Ok(Listing { nftables }) = serde_json::from_str(listed) else { return Vec::new() };
    let chains: Vec<Chain> = nftables.into_iter().filter_map(|entry| entry.chain).collect();
    let shuts = |chain: &&Chain| {
        let forwards = chain.hook.as_deref() == Some("forward") && !chain.table.starts_with(OURS);
        // firewalld's accepts by its policy, and rejects by its last rule.
        forwards && (chain.policy.as_deref() == Some("drop") || chain.table == "firewalld")
    };
    let found = chains.iter().filter(shuts).map(|chain| {
        let names = || {
            chains
                .iter()
                .filter(|other| other.table == chain.table && other.family == chain.family)
                .map(|other| other.name.as_str())
        };
        let Chain { family, table, name, .. } = chain;
        let whose = whose(table, names());
        check(whose, &format!("{family} {table} {name}"), network)
    });
    found.collect()
}

fn of_iptables(rules: &str, network: &NetworkConfig) -> Option<Check> {
    rules.lines().find(|line| *line == "-P FORWARD DROP")?;
    let names = rules.lines().filter_map(|line| line.strip_prefix("-N "));
    Some(check(whose("filter", names), "iptables' FORWARD", network))
}

fn whose<'a>(table: &str, mut chains: impl Iterator<Item = &'a str>) -> Whose {
    if table == "firewalld" {
        return Whose::Firewalld;
    }
    let known = |name: &str| match name {
        "DOCKER-USER" => Some(Whose::Docker),
        _ if name.starts_with("ufw-") => Some(Whose::Ufw),
        _ => None,
    };
    chains.find_map(known).unwrap_or(Whose::Unknown)
}

fn check(whose: Whose, chain: &str, network: &NetworkConfig) -> Check {
    let who = match whose {
        Whose::Docker => "Docker",
        Whose::Firewalld => "firewalld",
        Whose::Ufw => "ufw",
        Whose::Unknown => "somebody",
    };
    let found = format!(
        "{who} drops what it does not know of all that this host passes on ({chain}): guests whose \
         policy opens something reach it only if it is let through there too"
    );
    Check::warning(Area::Network, FORWARD, found).mend(mend(whose, chain, network))
}

fn mend(whose: Whose, chain: &str, network: &NetworkConfig) -> String {
    let pools = network.pools.iter().filter(|pool| matches!(pool.address(), IpAddr::V4(_)));
    let lines = pools.map(|pool| match whose {
        Whose::Docker => format!(
            "iptables -I DOCKER-USER -s {pool} -j ACCEPT; iptables -I DOCKER-USER -d {pool} \
             -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
        ),
        Whose::Firewalld => format!(
            "firewall-cmd --permanent --new-zone=kiln; firewall-cmd --permanent --zone=kiln \
             --add-source={pool}; firewall-cmd --permanent --new-policy=kiln-out; firewall-cmd \
             --permanent --policy=kiln-out --add-ingress-zone=kiln --add-egress-zone=ANY \
             --set-target=ACCEPT; firewall-cmd --reload"
        ),
        Whose::Ufw => format!("ufw route allow from {pool}"),
        Whose::Unknown => format!(
            "let through in {chain} what comes from {pool}, and what goes there and is established \
             or related"
        ),
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    fn network() -> NetworkConfig {
        use clap::Parser as _;

        let flags = crate::config::Flags::try_parse_from(["kilnd"]).unwrap();
        NetworkConfig::resolve(flags.network).unwrap().unwrap()
    }

    fn chain(table: &str, name: &str, rest: &str) -> String {
        format!(
            r#"{{"chain":{{"family":"ip","table":"{table}","name":"{name}","handle":1{rest}}}}}"#
        )
    }

    const DROPS: &str = r#","type":"filter","hook":"forward","prio":0,"policy":"drop""#;
    const ACCEPTS: &str = r#","type":"filter","hook":"forward","prio":0,"policy":"accept""#;

    fn checked(chains: &[String]) -> Vec<Check> {
        let meta = r#"{"metainfo":{"version":"1.0.6","json_schema_version":1}}"#;
        let listed = format!(r#"{{"nftables":[{meta},{}]}}"#, chains.join(","));
        of_nftables(&listed, &network())
    }

    fn check(chains: &[String], who: &str, how: &str) {
        let found = checked(chains);
        let [Check { finding: Finding::Warning, found, mend: Some(mend), .. }] = &*found else {
            panic!("{found:?}");
        };
        assert!(found.starts_with(who) && mend.contains(how), "{found} {mend}");
        assert!(mend.contains("198.18.0.0/16"), "{mend}");
    }

    #[test]
    fn who_drops_what_is_passed_on_is_named() {
        let docker = [chain("filter", "FORWARD", DROPS), chain("filter", "DOCKER-USER", "")];
        check(&docker, "Docker", "iptables -I DOCKER-USER -s");
        let ufw = [chain("filter", "ufw-user-forward", ""), chain("filter", "FORWARD", DROPS)];
        check(&ufw, "ufw", "ufw route allow from");
        check(&[chain("firewalld", "filter_FORWARD", ACCEPTS)], "firewalld", "firewall-cmd");
        check(&[chain("mine", "f", DROPS)], "somebody", "let through in ip mine f");
    }

    #[test]
    fn who_does_not_is_not() {
        let input = DROPS.replace("forward", "input");
        for chains in [
            vec![chain("filter", "FORWARD", ACCEPTS), chain("filter", "DOCKER-USER", "")],
            vec![chain("mine", "input", &input)],
            vec![chain("kiln_0badcafe", "forward", DROPS)],
            vec![],
        ] {
            assert_eq!(checked(&chains), [], "{chains:?}");
        }
        assert_eq!(of_nftables("no JSON", &network()), []);
    }

    #[test]
    fn iptables_of_the_older_kind_counts() {
        let rules = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER-USER\n";
        let found = of_iptables(rules, &network()).unwrap();
        assert!(found.found.starts_with("Docker"), "{found:?}");
        assert_eq!(of_iptables("-P FORWARD ACCEPT\n", &network()), None);
    }
}
