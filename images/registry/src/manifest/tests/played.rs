//! Whatever comes: read without a panic, and what is read is written and read again as the same.

use proptest::prelude::*;

use super::super::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß/.:-]{1,12}"
}

fn media_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(media::OCI_MANIFEST.to_owned()),
        Just(media::OCI_LAYER_GZIP.to_owned()),
        Just(media::DOCKER_LIST.to_owned()),
        "[a-z]{1,8}/[a-z0-9.+-]{1,16}",
    ]
}

fn annotations() -> impl Strategy<Value = Annotations> {
    proptest::collection::btree_map(text(), "\\PC{0,12}", 0..3)
}

fn platform() -> impl Strategy<Value = Platform> {
    let optional = || proptest::option::of(text());
    (text(), text(), optional(), optional()).prop_map(|(os, architecture, variant, os_version)| {
        Platform { os, architecture, variant, os_version }
    })
}

prop_compose! {
    fn descriptor()(
        media_type in media_type(),
        bytes in any::<[u8; 32]>(),
        size in 0..1_u64 << 40,
        platform in proptest::option::of(platform()),
        artifact_type in proptest::option::of(media_type()),
        urls in proptest::collection::vec(text(), 0..2),
        annotations in annotations(),
    ) -> Descriptor {
        let digest = Digest::from_bytes(bytes);
        Descriptor { media_type, digest, size, platform, artifact_type, urls, annotations }
    }
}

fn content() -> impl Strategy<Value = (String, Content)> {
    let some = || proptest::collection::vec(descriptor(), 0..5);
    let custom = "application/vnd\\.[a-z]{1,8}\\+json";
    let of = |first: &'static str, second: &'static str| {
        prop_oneof![Just(first.to_owned()), Just(second.to_owned()), custom]
    };
    prop_oneof![
        (of(media::OCI_MANIFEST, media::DOCKER_MANIFEST), descriptor(), some()).prop_map(
            |(name, config, layers)| (name, Content::Image { config: Box::new(config), layers })
        ),
        (of(media::OCI_INDEX, media::DOCKER_LIST), some())
            .prop_map(|(name, manifests)| (name, Content::Index { manifests })),
    ]
}

prop_compose! {
    fn manifest()(
        (media_type, content) in content(),
        subject in proptest::option::of(descriptor()),
        artifact_type in proptest::option::of(media_type()),
        annotations in annotations(),
    ) -> Manifest {
        Manifest { media_type, content, subject, artifact_type, annotations }
    }
}

/// Pieces of manifests in any order: closer to them than bytes at random.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("null"),
        Just("2"),
        Just("\"schemaVersion\":2"),
        Just("\"mediaType\""),
        Just("\"layers\""),
        Just("\"config\""),
        Just("\"manifests\""),
        Just("\"size\":1"),
        Just("\"digest\":\"sha256:0\""),
        Just("\"a/b\""),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn a_manifest_survives_its_json(manifest in manifest()) {
        let bytes = manifest.to_json();
        prop_assert_eq!(Manifest::parse(Some(&manifest.media_type), &bytes), Ok(manifest.clone()));
        prop_assert_eq!(Manifest::parse(None, &bytes), Ok(manifest));
    }

    #[test]
    fn bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        drop(Manifest::parse(None, &bytes));
    }

    #[test]
    fn nearly_manifests_are_read_without_a_panic(text in nearly()) {
        if let Ok(manifest) = Manifest::parse(None, text.as_bytes()) {
            prop_assert_eq!(Manifest::parse(None, &manifest.to_json()), Ok(manifest));
        }
    }

    #[test]
    fn a_manifest_with_a_flaw_is_read_as_a_manifest_or_refused(
        manifest in manifest(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = manifest.to_json();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Manifest::parse(None, &bytes) {
            prop_assert_eq!(Manifest::parse(None, &read.to_json()), Ok(read));
        }
    }
}
