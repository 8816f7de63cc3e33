use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{AddHost, CacheImport, Dockerfile};

fn plain() -> Order {
    Order {
        context: Some("/context".into()),
        dockerfile: Dockerfile { directory: "/context".into(), name: "Dockerfile".into() },
        ..Order::default()
    }
}

fn attributes(order: &Order) -> BTreeMap<String, String> {
    asked(order).solve.frontend_attrs.into_iter().collect()
}

fn asked(order: &Order) -> Asked {
    request(order, "session", "/empty".into()).unwrap()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn table(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs(all).into_iter().collect()
}

const LEAST: [(&str, &str); 3] =
    [("filename", "Dockerfile"), ("force-network-mode", "host"), ("image-resolve-mode", "local")];

#[test]
fn a_plain_order_asks_for_little() {
    let Asked { solve, directories } = asked(&plain());
    assert_eq!(solve.frontend_attrs.into_iter().collect::<BTreeMap<_, _>>(), table(&LEAST));
    assert_eq!((&*solve.frontend, &*solve.session), ("dockerfile.v0", "session"));
    assert_eq!(solve.r#ref.len(), 25);
    assert!(solve.internal && solve.exporters.is_empty() && solve.exporter_deprecated.is_empty());
    assert_eq!(solve.entitlements, ["network.host"]);
    let expected = ["context", "dockerfile"].map(|name| (name.to_owned(), "/context".into()));
    assert_eq!(directories, HashMap::from(expected));
    let without = Order { context: None, ..plain() };
    assert_eq!(asked(&without).directories["context"], Path::new("/empty"));
}

#[test]
fn a_full_order_is_said_as_buildx_says_it() {
    let order = Order {
        dockerfile: Dockerfile { directory: "/other".into(), name: "a.file".into() },
        contexts: vec![
            ("more".into(), Context::Directory("/more".into())),
            ("context".into(), Context::Directory("/one".into())),
            ("base".into(), Context::Reference("docker-image://a/b:1".into())),
        ],
        platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
        target: Some("last".into()),
        build_args: pairs(&[("A", "1,2"), ("BUILDKIT_MULTI_PLATFORM", "1")]),
        labels: pairs(&[("one", "a=b")]),
        add_hosts: vec![
            AddHost { name: "a.test".into(), address: "192.0.2.1".into() },
            AddHost { name: "b.test".into(), address: "[2001:db8::1]".into() },
        ],
        no_cache_filter: vec!["a".into(), "b".into()],
        pull: true,
        network: Network::None,
        shm_bytes: Some(1 << 20),
        ulimits: vec!["nofile=1:2".into(), "core=0:0".into()],
        allow: vec!["network.host".into()],
        cache_from: vec![CacheImport { attributes: table(&[("ref", "a/b:c")]) }],
        cache_to: vec![CacheExport::Inline, CacheExport::Registry(table(&[("mode", "max")]))],
        provenance: Some("mode=max".into()),
        sbom: Some("true".into()),
        ..plain()
    };
    let expected = table(&[
        ("add-hosts", "a.test=192.0.2.1,b.test=2001:db8::1"),
        ("attest:provenance", "type=provenance,mode=max"),
        ("attest:sbom", "type=sbom,disabled=false"),
        ("build-arg:A", "1,2"),
        ("build-arg:BUILDKIT_MULTI_PLATFORM", "1"),
        ("cache-imports", r#"[{"Type":"registry","Attrs":{"ref":"a/b:c"}}]"#),
        ("context:base", "docker-image://a/b:1"),
        ("context:context", "local:_context"),
        ("context:more", "local:more"),
        ("filename", "a.file"),
        ("force-network-mode", "none"),
        ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
        ("image-resolve-mode", "pull"),
        ("label:one", "a=b"),
        ("multi-platform", "true"),
        ("no-cache", "a,b"),
        ("platform", "linux/amd64,linux/arm64"),
        ("shm-size", "1048576"),
        ("target", "last"),
        ("ulimit", "nofile=1:2,core=0:0"),
    ]);
    assert_eq!(attributes(&order), expected);
    let Asked { solve, directories } = asked(&order);
    assert_eq!(solve.entitlements, ["network.host"]);
    let cache = solve.cache.unwrap();
    let kinds: Vec<&str> = cache.exports.iter().map(|export| &*export.r#type).collect();
    assert_eq!(kinds, ["inline", "registry"]);
    assert_eq!(cache.imports[0].attrs["ref"], "a/b:c");
    assert_eq!(directories["_context"], Path::new("/one"));
    assert_eq!(directories["context"], Path::new("/context"));
    assert_eq!(directories["dockerfile"], Path::new("/other"));
}

#[test]
fn caches_are_turned_off_for_all_or_for_some() {
    let all = Order { no_cache: true, ..plain() };
    assert_eq!(attributes(&all)["no-cache"], "");
    let both = Order { no_cache_filter: vec!["a".into()], ..all };
    let error = request(&both, "session", "/empty".into()).unwrap_err();
    assert_eq!(error, InvalidOrder::NoCacheTwice);
    let inline = Order { build_args: pairs(&[("BUILDKIT_INLINE_CACHE", "1")]), ..plain() };
    assert_eq!(asked(&inline).solve.cache.unwrap().exports[0].r#type, "inline");
    let not = Order { build_args: pairs(&[("BUILDKIT_INLINE_CACHE", "0")]), ..plain() };
    assert!(asked(&not).solve.cache.unwrap().exports.is_empty());
}

#[test]
fn attestations_are_as_their_flags() {
    let check = |value: &str, expected: Option<&str>| {
        let order = Order { provenance: Some(value.into()), ..plain() };
        let attributes = attributes(&order);
        assert_eq!(attributes.get("attest:provenance").map(String::as_str), expected, "{value}");
    };
    check("true", Some("type=provenance,disabled=false"));
    check("mode=min,inline-only=true", Some("type=provenance,mode=min,inline-only=true"));
    check("false", None);
    check("0", None);
    check("", None);
    check("mode=max,disabled=true", None);
    check("mode=max,disabled=false", Some("type=provenance,mode=max,disabled=false"));
}

fn export(kind: ExportKind, attributes: &[(&str, &str)]) -> Export {
    Export { kind, attributes: table(attributes), path: "/out".into() }
}

#[test]
fn exports_keep_their_order_and_have_the_annotations() {
    let order = Order {
        exports: vec![
            export(ExportKind::Oci, &[("name", "a"), ("compression", "zstd")]),
            export(ExportKind::Oci, &[]),
            export(ExportKind::Tar, &[("platform-split", "true")]),
        ],
        annotations: pairs(&[
            ("a.b/c", "1"),
            ("org.x:y", "2"),
            ("index,manifest[linux/amd64]:k:l", "3"),
            ("manifest-descriptor:d", "4"),
        ]),
        build_args: pairs(&[("BUILDKIT_INLINE_BUILDINFO_ATTRS", "1")]),
        ..plain()
    };
    let solve = asked(&order).solve;
    let annotations = [
        ("annotation-index.k:l", "3"),
        ("annotation-manifest-descriptor.d", "4"),
        ("annotation-manifest[linux/amd64].k:l", "3"),
        ("annotation.a.b/c", "1"),
        ("annotation.org.x:y", "2"),
    ];
    let expected = [
        ("oci", vec![("buildinfo-attrs", "1"), ("compression", "zstd"), ("name", "a")]),
        ("oci", vec![("buildinfo-attrs", "1")]),
        ("tar", vec![("platform-split", "true")]),
    ];
    for (exporter, (kind, mut attributes)) in solve.exporters.iter().zip(expected) {
        attributes.extend(annotations);
        assert_eq!(exporter.r#type, kind);
        let said: BTreeMap<_, _> = exporter.attrs.clone().into_iter().collect();
        assert_eq!(said, table(&attributes));
    }
    assert_eq!((solve.exporters.len(), &*solve.exporter_deprecated), (3, "oci"));
    assert_eq!(solve.exporter_attrs_deprecated, solve.exporters[0].attrs);
}

#[test]
fn what_buildx_refuses_is_refused() {
    let exports = vec![export(ExportKind::Oci, &[])];
    let check = |order: Order, expected: InvalidOrder| {
        assert_eq!(request(&order, "session", "/empty".into()).unwrap_err(), expected);
    };
    for wrong in ["nope:key", "index:", "manifest[linux/amd64:key", "index,nope:key"] {
        let order =
            Order { exports: exports.clone(), annotations: pairs(&[(wrong, "x")]), ..plain() };
        check(order, InvalidOrder::Annotation(wrong.into()));
    }
}

#[test]
fn a_dockerfile_in_small_letters_stands_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let name =
        |name: &str| dockerfile::name(&Dockerfile { directory: path.clone(), name: name.into() });
    assert_eq!(name("Dockerfile"), "Dockerfile");
    fs::write(path.join("dockerfile"), "").unwrap();
    assert_eq!(name("Dockerfile"), "dockerfile");
    assert_eq!(name("Other"), "Other");
    fs::create_dir(path.join("below")).unwrap();
    fs::write(path.join("below/dockerfile"), "").unwrap();
    assert_eq!(name("below/Dockerfile"), "below/dockerfile");
    fs::write(path.join("Dockerfile"), "").unwrap();
    assert_eq!(name("Dockerfile"), "Dockerfile");
}
