//! The options that a build may bring along, each checked before the engine's client hears of it.

use std::net::IpAddr;

use kiln_buildkit::{AddHost, Attributes, Network, Order};
use kiln_proto::agent::v1::{BuildOptions, BuildPair};

/// Of one kind; far more than anyone has asked for.
const MAX_ITEMS: usize = 1024;
/// A build argument is a variable of steps: the kernel takes no longer one.
const MAX_BYTES: usize = 120 * 1024;
const MAX_VALUE_BYTES: usize = 64;
const ENTITLEMENTS: [&str; 2] = ["network.host", "security.insecure"];

/// What an export may be told, by its kind, and a cache: the rest would lead it elsewhere.
pub(super) const IMAGE: &[&str] = &[
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
];
pub(super) const TREE: &[&str] = &["platform-split"];
pub(super) const CACHE: &[&str] =
    &["compression", "force-compression", "ignore-error", "image-manifest", "mode"];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOption {
    #[error("{0} has a value that it cannot have")]
    Value(&'static str),
    #[error("{0} is longer than {MAX_BYTES} bytes")]
    TooLong(&'static str),
    #[error("there are more than {MAX_ITEMS} of {0}")]
    TooMany(&'static str),
    #[error("{of} has an attribute that it cannot have: {name:?}")]
    Attribute { of: &'static str, name: String },
}

/// Into the order that they are for.
pub(super) fn put(options: BuildOptions, order: &mut Order) -> Result<(), InvalidOption> {
    let BuildOptions {
        target,
        build_args,
        labels,
        annotations,
        add_hosts,
        no_cache,
        no_cache_filter,
        pull,
        no_network,
        shm_bytes,
        ulimits,
        allow,
        provenance,
        sbom,
    } = options;
    order.target = text("the target", target)?;
    order.build_args = pairs("a build argument", build_args)?;
    order.labels = pairs("a label", labels)?;
    order.annotations = pairs("an annotation", annotations)?;
    order.add_hosts =
        pairs("a host", add_hosts)?.into_iter().map(host).collect::<Result<_, _>>()?;
    order.no_cache = no_cache;
    order.no_cache_filter = each("a stage without cache", no_cache_filter, |_| true)?;
    order.pull = pull;
    order.network = if no_network { Network::None } else { Network::Host };
    order.shm_bytes = Some(shm_bytes).filter(|bytes| *bytes != 0);
    order.ulimits = each("a limit", ulimits, is_limit)?;
    order.allow = each("what is allowed", allow, |name| ENTITLEMENTS.contains(&name))?;
    order.provenance = text("the provenance", provenance)?;
    order.sbom = text("the list of packages", sbom)?;
    Ok(())
}

/// Names of `known`, with plain words for values.
pub(super) fn attributes(
    of: &'static str,
    attributes: Attributes,
    known: &[&str],
) -> Result<Attributes, InvalidOption> {
    let word = |value: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=MAX_VALUE_BYTES).contains(&value.len()) && value.bytes().all(plain)
    };
    for (name, value) in &attributes {
        if !known.contains(&&**name) {
            let name = name.chars().take(MAX_VALUE_BYTES).collect();
            return Err(InvalidOption::Attribute { of, name });
        }
        if !word(value) {
            return Err(InvalidOption::Value(of));
        }
    }
    Ok(attributes)
}

/// `None`: it is empty.
fn text(what: &'static str, text: String) -> Result<Option<String>, InvalidOption> {
    check(what, &text)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn check(what: &'static str, text: &str) -> Result<(), InvalidOption> {
    match text {
        text if text.len() > MAX_BYTES => Err(InvalidOption::TooLong(what)),
        text if text.contains('\0') => Err(InvalidOption::Value(what)),
        _ => Ok(()),
    }
}

fn each(
    what: &'static str,
    texts: Vec<String>,
    valid: impl Fn(&str) -> bool,
) -> Result<Vec<String>, InvalidOption> {
    if texts.len() > MAX_ITEMS {
        return Err(InvalidOption::TooMany(what));
    }
    for text in &texts {
        check(what, text)?;
        if text.is_empty() || !valid(text) {
            return Err(InvalidOption::Value(what));
        }
    }
    Ok(texts)
}

fn pairs(
    what: &'static str,
    pairs: Vec<BuildPair>,
) -> Result<Vec<(String, String)>, InvalidOption> {
    if pairs.len() > MAX_ITEMS {
        return Err(InvalidOption::TooMany(what));
    }
    let pair = |BuildPair { name, value }: BuildPair| {
        check(what, &name)?;
        check(what, &value)?;
        if name.is_empty() || name.contains('=') {
            return Err(InvalidOption::Value(what));
        }
        Ok((name, value))
    };
    pairs.into_iter().map(pair).collect()
}

/// The engine would take a comma for the next one.
fn host((name, address): (String, String)) -> Result<AddHost, InvalidOption> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.bytes().all(usual) && address.parse::<IpAddr>().is_ok() {
        Ok(AddHost { name, address })
    } else {
        Err(InvalidOption::Value("a host"))
    }
}

/// `NAME=SOFT:HARD`.
fn is_limit(text: &str) -> bool {
    let Some((name, limits)) = text.split_once('=') else { return false };
    let Some((soft, hard)) = limits.split_once(':') else { return false };
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase())
        && soft.parse::<i64>().is_ok()
        && hard.parse::<i64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> Vec<BuildPair> {
        vec![BuildPair { name: name.to_owned(), value: value.to_owned() }]
    }

    #[test]
    fn what_is_usual_is_taken() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut order = Order::default();
        let options = BuildOptions {
            target: "last".to_owned(),
            build_args: [pair("A", ""), pair("B", "line 1\nline 2=3,\"4\"")].concat(),
            labels: pair("l", "$(reboot)"),
            annotations: pair("index:a", "b"),
            add_hosts: [pair("a.test", "192.0.2.1"), pair("b", "2001:db8::1")].concat(),
            no_cache: true,
            no_cache_filter: texts(&["stage"]),
            pull: true,
            no_network: true,
            shm_bytes: 1 << 20,
            ulimits: texts(&["nofile=10:20", "core=-1:-1"]),
            allow: texts(&ENTITLEMENTS),
            provenance: "mode=max".to_owned(),
            sbom: "generator=a".to_owned(),
        };
        put(options, &mut order).unwrap();
        assert_eq!(order.build_args[1].1, "line 1\nline 2=3,\"4\"");
        assert_eq!(order.add_hosts[1].address, "2001:db8::1");
        assert_eq!((order.network, order.shm_bytes), (Network::None, Some(1 << 20)));
        assert_eq!((order.allow.len(), order.ulimits.len()), (2, 2));
        assert_eq!(order.provenance.as_deref(), Some("mode=max"));
        assert!(order.no_cache && order.pull);
        put(BuildOptions::default(), &mut order).unwrap();
        assert_eq!(order, Order::default());
    }

    fn refused(change: impl FnOnce(&mut BuildOptions), expected: &str) {
        let mut options = BuildOptions::default();
        change(&mut options);
        let told = put(options, &mut Order::default()).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }

    #[test]
    fn values_are_what_their_options_take() {
        for name in ["", "a=b", "a\0b"] {
            refused(|options| options.build_args = pair(name, "hidden"), "a build argument has");
            refused(|options| options.annotations = pair(name, "hidden"), "an annotation has");
        }
        refused(|options| options.labels = pair("a", "hidden\0"), "a label has a value");
        for (name, address) in [
            ("a", "host-gateway"),
            ("a", "192.0.2.1,b"),
            ("a,b", "192.0.2.1"),
            ("a", "[2001:db8::1]"),
            ("", "192.0.2.1"),
        ] {
            refused(|options| options.add_hosts = pair(name, address), "a host has a value");
        }
        for limit in ["nofile", "nofile=1", "nofile=a:b", "=1:2", "nofile=1:2,core=1:2"] {
            refused(|options| options.ulimits.push(limit.to_owned()), "a limit has a value");
        }
        for allowed in ["", "network.host,security.insecure", "device"] {
            refused(|options| options.allow.push(allowed.to_owned()), "what is allowed has");
        }
        refused(|options| options.no_cache_filter.push(String::new()), "a stage without cache");
        refused(|options| options.target = "\0".to_owned(), "the target has a value");
        refused(|options| options.labels = pair("a", &"x".repeat(MAX_BYTES + 1)), "longer than");
        let many = MAX_ITEMS + 1;
        refused(
            |options| options.labels = vec![pair("a", "").remove(0); many],
            "more than 1024 of a label",
        );
        refused(|options| options.ulimits = vec!["a=1:1".to_owned(); many], "more than 1024");
    }

    #[test]
    fn attributes_are_of_a_closed_set() {
        let check = |known: &[&str], name: &str, value: &str| {
            let one = Attributes::from([(name.to_owned(), value.to_owned())]);
            attributes("an output", one, known).map_err(|error| error.to_string())
        };
        for (name, value) in [("compression", "zstd"), ("compression-level", "-1")] {
            check(IMAGE, name, value).unwrap();
        }
        check(TREE, "platform-split", "true").unwrap();
        for name in ["dest", "tar", "push", "registry.insecure", "name", "type", "ref"] {
            assert!(check(IMAGE, name, "a").unwrap_err().contains("an output has an attribute"));
            check(CACHE, name, "a").unwrap_err();
        }
        for value in ["", "a,b", "a=b", "a b", &"x".repeat(65)] {
            assert!(check(CACHE, "mode", value).unwrap_err().contains("a value"));
        }
    }
}
