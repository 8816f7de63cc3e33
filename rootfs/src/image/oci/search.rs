//! The manifest of the one platform that is wanted.

use super::{
    super::{
        Config, OpenError, Platform,
        descriptor::{CONFIG_LIMIT, Descriptor, JSON_LIMIT, parse},
        shelf::Shelf,
    },
    CONFIG, INDEX, Index, MANIFEST, Manifest, is_config,
};

/// Indexes inside each other, and all that they list.
const DEPTH: usize = 4;
const MANIFESTS: usize = 1000;

/// A manifest of an image that may be the one.
pub(super) struct Candidate {
    pub(super) descriptor: Descriptor,
    pub(super) platform: Platform,
    name: Option<String>,
}

/// All images that an index leads to.
pub(super) struct Search<'a> {
    shelf: &'a Shelf,
    left: usize,
    pub(super) found: Vec<Candidate>,
}

impl<'a> Search<'a> {
    pub(super) fn new(shelf: &'a Shelf) -> Self {
        Self { shelf, left: MANIFESTS, found: Vec::new() }
    }

    /// What a descriptor of the outermost index leads to, all under its name.
    pub(super) fn visit(
        &mut self,
        descriptor: Descriptor,
        name: Option<&str>,
    ) -> Result<(), OpenError> {
        self.visit_below(descriptor, name, DEPTH)
    }

    fn visit_below(
        &mut self,
        descriptor: Descriptor,
        name: Option<&str>,
        depth: usize,
    ) -> Result<(), OpenError> {
        let malformed = |problem| OpenError::Malformed { what: INDEX.to_owned(), problem };
        self.left =
            self.left.checked_sub(1).ok_or_else(|| malformed("it lists too many images"))?;
        match descriptor.media_type.as_str() {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => {
                let depth = depth.checked_sub(1);
                let depth =
                    depth.ok_or_else(|| malformed("indexes stand too deep in each other"))?;
                let index: Index = parse(&descriptor.bytes(self.shelf, INDEX, JSON_LIMIT)?, INDEX)?;
                for descriptor in index.manifests {
                    // Of several platforms, those that were not wanted need not be there.
                    self.visit_below(descriptor, name, depth)?;
                }
            }
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json"
                if !is_attestation(&descriptor) =>
            {
                let platform = match descriptor.platform.clone() {
                    Some(platform) => platform,
                    None => match self.platform(&descriptor)? {
                        Some(platform) => platform,
                        None => return Ok(()),
                    },
                };
                let name = name.map(str::to_owned);
                self.found.push(Candidate { descriptor, platform, name });
            }
            // Signatures, attestations and other things that are no image.
            _ => {}
        }
        Ok(())
    }

    /// As the configuration has it; `None` where the manifest is of something else.
    fn platform(&self, descriptor: &Descriptor) -> Result<Option<Platform>, OpenError> {
        let manifest: Manifest =
            parse(&descriptor.bytes(self.shelf, MANIFEST, JSON_LIMIT)?, MANIFEST)?;
        if !is_config(&manifest.config) {
            return Ok(None);
        }
        Ok(Some(Config::parse(manifest.config.bytes(self.shelf, CONFIG, CONFIG_LIMIT)?)?.platform))
    }
}

fn is_attestation(descriptor: &Descriptor) -> bool {
    descriptor.annotation("vnd.docker.reference.type").is_some()
        || descriptor.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
}

/// The one for a platform.
pub(super) fn choose(
    candidates: Vec<Candidate>,
    wanted: &Platform,
) -> Result<Candidate, OpenError> {
    let mut found: Vec<_> = candidates.iter().map(|one| one.platform.clone()).collect();
    found.sort();
    found.dedup();
    let mut fitting: Vec<_> =
        candidates.into_iter().filter(|one| one.platform.is(wanted)).collect();
    let Some(chosen) = fitting.pop() else {
        if found.is_empty() {
            return Err(OpenError::NotAnImage);
        }
        return Err(OpenError::WrongPlatform { wanted: wanted.clone(), found });
    };
    let digest = chosen.descriptor.digest(MANIFEST)?;
    for other in &fitting {
        if other.descriptor.digest(MANIFEST)? != digest {
            let all = fitting.iter().chain([&chosen]);
            let shown = |one: &Candidate| match &one.name {
                Some(name) => format!("{name} ({})", one.platform),
                None => format!("one without a name ({})", one.platform),
            };
            let mut known: Vec<_> = all.map(shown).collect();
            known.sort();
            return Err(OpenError::Ambiguous { known });
        }
    }
    Ok(chosen)
}
