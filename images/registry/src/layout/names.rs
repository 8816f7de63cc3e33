//! What images in an archive are called, and what they may be called here.

use super::InvalidLayout;
use crate::{
    build,
    manifest::Descriptor,
    operate::{Place, Reference},
};

/// Of containerd and docker: the whole reference.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";
/// Of OCI: a tag, or the whole reference.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What a layout's index calls one of its images.
pub(crate) fn stated(entry: &Descriptor) -> Option<&str> {
    let is_whole = |name: &&String| name.contains(['/', ':']);
    let ref_name = || entry.annotations.get(REF_NAME).filter(is_whole);
    entry.annotations.get(IMAGE_NAME).or_else(ref_name).map(String::as_str)
}

/// A name from elsewhere as one of `local/…`: what is in a tar was said by whoever made it, and never
/// by the registry that it names.
pub(crate) fn local(name: &str) -> Result<Reference, InvalidLayout> {
    let foreign = || InvalidLayout::ForeignName { name: name.chars().take(256).collect() };
    let mut reference: Reference = name.parse().map_err(|_| foreign())?;
    let Place::Registry(host) = &reference.place else { return Ok(reference) };
    let own = match host.name() {
        "docker.io" => {
            let name = reference.name.as_str();
            // As docker reads `local/app`, and `app`.
            let own = name.strip_prefix("local/").or_else(|| name.strip_prefix("library/"));
            own.unwrap_or(name).parse().map_err(|_| foreign())?
        }
        "localhost" => reference.name.clone(),
        _ => return Err(foreign()),
    };
    if build::is_reserved(&own) {
        return Err(foreign());
    }
    (reference.place, reference.name) = (Place::Local, own);
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Digest, manifest::media};

    #[test]
    fn names_from_elsewhere() {
        for (name, own) in [
            ("local/app:1", "local/app:1"),
            ("docker.io/local/app:1", "local/app:1"),
            ("app:1", "local/app:1"),
            ("docker.io/library/debian:12", "local/debian:12"),
            ("user/app", "local/user/app:latest"),
            ("localhost/app:2", "local/app:2"),
            ("localhost:5000/group/app:2", "local/group/app:2"),
        ] {
            assert_eq!(local(name).unwrap().to_string(), own, "{name}");
        }
        for name in [
            "registry.example/app:1",
            "192.0.2.1:5000/app",
            "App",
            "",
            "../x",
            "local/kiln.build/x:1",
            "docker.io/local/kiln.build/x:1",
            "docker.io/kiln.build/x:1",
            "localhost/kiln.build:1",
        ] {
            assert!(matches!(local(name), Err(InvalidLayout::ForeignName { .. })), "{name}");
        }
    }

    #[test]
    fn names_in_an_index() {
        let mut entry = Descriptor::new(media::OCI_MANIFEST, Digest::of(b""), 0);
        assert_eq!(stated(&entry), None);
        entry.annotations.insert(REF_NAME.into(), "12".into());
        assert_eq!(stated(&entry), None);
        entry.annotations.insert(REF_NAME.into(), "local/app:1".into());
        assert_eq!(stated(&entry), Some("local/app:1"));
        entry.annotations.insert(IMAGE_NAME.into(), "docker.io/library/app:2".into());
        assert_eq!(stated(&entry), Some("docker.io/library/app:2"));
    }
}
