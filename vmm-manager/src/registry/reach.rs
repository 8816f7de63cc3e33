//! Which registries are asked on a job's behalf: what its egress policy names, and what the operator
//! lists. The registry is no way around the policy. Pure.

use std::sync::Arc;

use kiln_net::{
    name::Name,
    policy::{Policy, Protocol},
};
use kiln_registry::{caller::Outside, name::Host, registries::Registries};

/// As references name it, and the host that answers for it.
const DOCKER: &str = "docker.io";
const DOCKER_REGISTRY: &str = "registry-1.docker.io";

/// What the operator says of registries.
#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    pub(super) registries: Registries,
    /// For every job that may reach anything.
    pub(super) mirrors: Vec<Host>,
}

/// Of a tenant's job with this policy.
pub(super) fn of_policy(policy: &Policy, tenant: &str, operator: &Arc<Operator>) -> Outside {
    if *policy == Policy::None {
        return Outside::StoredOnly;
    }
    let (policy, tenant, operator) = (policy.clone(), tenant.to_owned(), Arc::clone(operator));
    Outside::Asked(Arc::new(move |host| {
        operator.mirrors.contains(host)
            || (is_meant_for(&policy, &tenant, host, &operator.registries)
                && admits(&policy, host, &operator.registries))
    }))
}

/// Of a client on this host.
pub(super) fn of_local_client() -> Outside {
    Outside::Asked(Arc::new(|_| true))
}

/// Whoever may reach the internet may not therefore reach what is no part of it: one with a private
/// address is named by a rule, or the tenant has a credential for it.
fn is_meant_for(policy: &Policy, tenant: &str, host: &Host, registries: &Registries) -> bool {
    let is_private = registries.registry(host).is_some_and(|registry| registry.private);
    let is_named = !policy.rules().is_empty();
    let is_the_tenants =
        || registries.credentials(tenant, host).any(|one| one.registry() == Some(host));
    !is_private || is_named || is_the_tenants()
}

fn admits(policy: &Policy, host: &Host, registries: &Registries) -> bool {
    if *policy == Policy::Internet {
        return true;
    }
    let is_http = registries.registry(host).is_some_and(|registry| registry.http);
    // As a lockfile has it, which does not know how the operator has it asked.
    let tls = Some((host.port().unwrap_or(443), Protocol::Tls));
    let http = is_http.then(|| (host.port().unwrap_or(80), Protocol::Http));
    let also = (host.name() == DOCKER).then_some(DOCKER_REGISTRY);
    // An address has no name, and so no rule.
    let names = [host.name()].into_iter().chain(also).filter_map(|name| name.parse::<Name>().ok());
    let admits = |name: &Name, (port, protocol)| policy.decide(name, port).admits(protocol);
    let ways: Vec<_> = tls.into_iter().chain(http).collect();
    names.into_iter().any(|name| ways.iter().any(|way| admits(&name, *way)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        r#"{"registries":{"plain.test:5000":{"http":true},"plain.test":{"http":true}}}"#;

    fn check(policy: &str, mirrors: &[&str], admitted: &[&str], refused: &[&str]) {
        let operator = Arc::new(Operator {
            registries: Registries::parse(FILE.as_bytes()).unwrap(),
            mirrors: mirrors.iter().map(|host| host.parse().unwrap()).collect(),
        });
        let outside = of_policy(&policy.parse().unwrap(), "local", &operator);
        for (hosts, expected) in [(admitted, true), (refused, false)] {
            for host in hosts {
                let host = host.parse().unwrap();
                assert_eq!(outside.admits(&host), expected, "{policy}: {host}");
            }
        }
    }

    #[test]
    fn a_rule_names_a_registry_on_its_port() {
        check(
            "allow=one.test,two.test:5443,*.three.test:443/tcp",
            &[],
            &["one.test", "one.test:443", "two.test:5443", "a.three.test"],
            &["one.test:5443", "two.test", "three.test", "four.test", "192.0.2.1", "docker.io"],
        );
        check(
            "allow=one.test:443/http,two.test:5443/udp",
            &[],
            &[],
            &["one.test", "two.test:5443"],
        );
    }

    #[test]
    fn one_that_speaks_http_is_named_so() {
        check(
            "allow=plain.test:80,plain.test:5000/http",
            &[],
            &["plain.test", "plain.test:5000"],
            &["plain.test:443"],
        );
        check("allow=plain.test:5000/tls", &[], &["plain.test:5000"], &["plain.test"]);
        check("allow=plain.test:443", &[], &["plain.test"], &["plain.test:5000"]);
        check("allow=plain.test:5000/tcp", &[], &["plain.test:5000"], &["plain.test"]);
    }

    #[test]
    fn docker_io_is_named_by_who_answers_for_it_as_well() {
        check("allow=docker.io", &[], &["docker.io"], &["registry-1.docker.io"]);
        check("allow=registry-1.docker.io", &[], &["docker.io", "registry-1.docker.io"], &[]);
        check("allow=auth.docker.io", &[], &[], &["docker.io"]);
    }

    #[test]
    fn what_the_operator_lists_is_every_jobs_but_one_that_reaches_nothing() {
        let mirrors = ["docker.io", "two.test:5443"];
        check("allow=one.test", &mirrors, &["docker.io", "two.test:5443"], &["two.test"]);
        check("none", &mirrors, &[], &["docker.io", "two.test:5443"]);
    }

    #[test]
    fn a_private_one_is_named_or_the_tenants_own() {
        let file = r#"{"registries":{"corp.test":{"private":true},"own.test":{"private":true}},
            "credentials":[{"registry":"own.test","tenants":["local"],"username":"u",
            "password_file":"/p"},{"tenants":["*"],"docker_config":"/d"}]}"#;
        let registries = Registries::parse(file.as_bytes()).unwrap();
        let operator = Arc::new(Operator { registries, mirrors: Vec::new() });
        for (policy, tenant, host, expected) in [
            ("internet", "local", "corp.test", false),
            ("record", "local", "corp.test", false),
            ("allow=corp.test", "local", "corp.test", true),
            ("internet", "local", "own.test", true),
            ("internet", "other", "own.test", false),
            ("internet", "other", "one.test", true),
        ] {
            let outside = of_policy(&policy.parse().unwrap(), tenant, &operator);
            assert_eq!(
                outside.admits(&host.parse().unwrap()),
                expected,
                "{policy} {tenant} {host}"
            );
        }
    }

    #[test]
    fn record_takes_whatever_has_a_name_and_internet_all() {
        check("record", &[], &["one.test", "one.test:5000"], &["192.0.2.1", "one.test:853"]);
        check("internet", &[], &["one.test:853", "192.0.2.1:5000", "[2001:db8::1]"], &[]);
    }
}
