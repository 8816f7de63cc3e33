use kiln_proto::agent::v1::BuildOptions;

use super::*;

fn start() -> BuildStart {
    BuildStart {
        id: "build".into(),
        context: "/var/lib/kiln/build/context".into(),
        dockerfile: "docker/Dockerfile".into(),
        options: Some(BuildOptions { target: "last".into(), ..Default::default() }),
        secrets: vec!["token".into()],
        ssh: vec![
            BuildSsh { id: "default".into(), relayed: true },
            BuildSsh { id: "key".into(), relayed: false },
        ],
        outputs: vec![BuildOutput {
            disk: "kiln-out-0".into(),
            path: "/run/kiln/build/out/image".into(),
            kind: Kind::Oci.into(),
            attributes: [("compression".into(), "zstd".into())].into(),
        }],
        platforms: vec!["linux/amd64".into()],
        ..Default::default()
    }
}

fn parts() -> Parts {
    let mut parts = Parts::default();
    parts.secrets.insert("token".into(), b"hidden".to_vec());
    parts.ssh_keys.insert("key".into(), b"hidden".to_vec());
    parts
}

fn check(change: impl FnOnce(&mut BuildStart, &mut Parts), expected: &str) {
    let (mut start, mut parts) = (start(), parts());
    change(&mut start, &mut parts);
    let error = Build::try_from(Asked { start, parts }).unwrap_err().to_string();
    assert!(error.contains(expected), "{error:?} instead of {expected:?}");
    assert!(!error.contains("hidden"));
}

#[test]
fn a_whole_build_is_taken() {
    let build = Build::try_from(Asked { start: start(), parts: parts() }).unwrap();
    assert_eq!(build.ssh, [Ssh::Relayed("default".into()), Ssh::Key("key".into())]);
    assert_eq!(build.exports[0].order.disk, "kiln-out-0");
    assert_eq!(build.exports[0].told.attributes["compression"], "zstd");
    assert_eq!(build.order.target.as_deref(), Some("last"));
    assert_eq!(build.timeout, None);
    let mut inline = start();
    inline.context.clear();
    inline.dockerfile.clear();
    let mut parts = parts();
    parts.dockerfile = Some(Vec::new());
    parts.ignore = Some(Vec::new());
    Build::try_from(Asked { start: inline, parts }).unwrap();
}

#[test]
fn what_is_named_was_brought_along() {
    check(|_, parts| parts.secrets.clear(), "the secret \"token\" was not brought");
    check(|_, parts| parts.ssh_keys.clear(), "the ssh key \"key\" was not brought");
    check(|start, _| start.dockerfile.clear(), "the file \"Dockerfile\" was not brought");
    check(|start, _| start.secrets.clear(), "the secret \"token\" was brought along and is not");
    check(|_, parts| parts.dockerfile = Some(Vec::new()), "as well");
    check(|_, parts| parts.ignore = Some(Vec::new()), "\".dockerignore\" was brought");
    let lost = |start: &mut BuildStart, parts: &mut Parts| {
        start.resumed = true;
        *parts = Parts::default();
    };
    check(lost, "lost");
}

#[test]
fn paths_lead_nowhere_else() {
    for path in ["context", "/a/../b", "/a\0"] {
        check(|start, _| start.context = path.into(), "the context is not an absolute path");
    }
    for path in ["/etc/passwd", "../Dockerfile", "a/../../b", "a\0"] {
        check(|start, _| start.dockerfile = path.into(), "is not a path in the context");
    }
    check(|start, _| start.context.clear(), "is not a path in the context");
    for path in ["out", "/run/../etc", "/a\0"] {
        check(|start, _| start.outputs[0].path = path.into(), "an output is not an absolute path");
    }
}

#[test]
fn outputs_say_what_they_are_and_not_where_they_go() {
    let attribute = |name: &str| {
        let one = (name.to_owned(), "true".to_owned());
        move |start: &mut BuildStart, _: &mut Parts| {
            start.outputs[0].attributes.extend([one]);
        }
    };
    for name in ["dest", "tar", "push", "name", "platform-split"] {
        check(attribute(name), "an output has an attribute that it cannot have");
    }
    check(|start, _| start.outputs[0].kind = 0, "does not say what it is");
    check(|start, _| start.outputs[0].kind = 9, "does not say what it is");
    check(|start, _| start.outputs[0].disk.clear(), "serial number");
    check(|start, _| start.outputs.extend(start.outputs.clone()), "two outputs go through");
}

#[test]
fn contexts_come_from_somewhere() {
    let context = |name: &str, from| {
        let context = BuildContext { name: name.into(), from };
        move |start: &mut BuildStart, _: &mut Parts| start.contexts.push(context)
    };
    check(context("a", None), "says not where it is from");
    check(context("a", Some(From::Path("b".into()))), "a context is not an absolute path");
    for reference in ["/etc", "oci-layout:///a", "ssh://a"] {
        check(context("a", Some(From::Reference(reference.into()))), "says not where it is from");
    }
    check(context("a=b", Some(From::Reference("target:b".into()))), "no name that can be told");
}

#[test]
fn everything_else_is_checked_too() {
    let allowed = vec!["device".to_owned()];
    check(|start, _| start.options.as_mut().unwrap().allow = allowed, "what is allowed");
    check(|start, _| start.platforms.push("windows/amd64".into()), "windows");
    check(|start, _| start.cache_from.push("a\nx".into()), "a cache is");
    check(|start, _| start.cache_from.push(String::new()), "a cache is");
    let cache = |reference: &str, name: &str| BuildCache {
        reference: reference.to_owned(),
        attributes: [(name.to_owned(), "x".to_owned())].into(),
    };
    check(|start, _| start.cache_to.push(cache("a", "dest")), "a cache has an attribute");
    check(|start, _| start.cache_to.push(cache("", "mode")), "an inline cache has an attribute");
    check(|start, _| start.cache_to.push(cache("a\0", "mode")), "a cache is");
    check(|start, _| start.secrets.push("a,src=/etc/shadow".into()), "a secret has no name");
    check(|start, _| start.ssh[0].id = "a=b".into(), "an ssh agent has no name");
    check(
        |start, _| start.cache_from = vec!["a".into(); MAX_ITEMS + 1],
        "more than 1024 of caches",
    );
}
