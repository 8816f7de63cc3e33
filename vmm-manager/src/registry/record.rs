//! What the registry served to one machine, and what it refused it: each once, with how often.

use std::time::SystemTime;

use kiln_registry::{
    digest::Digest,
    name::Host,
    record::{Kind, Material, Origin, Refusal},
};

/// A build of many images has some hundreds.
pub(super) const MAX_MATERIALS: usize = 1000;
pub(super) const MAX_REFUSALS: usize = 200;
/// Of what a guest, or a registry outside, may write as it likes.
const MAX_TEXT_BYTES: usize = 512;

/// Lists are bounded; what was over the bound is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryRecord {
    /// In the order in which they were first served.
    pub materials: Vec<Served>,
    pub refusals: Vec<Refused>,
    /// Not listed.
    pub more_materials: u64,
    pub more_refusals: u64,
    /// A part of it was lost, and why.
    pub incomplete: Option<String>,
}

/// A manifest or a blob that went out whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub kind: Kind,
    /// `None`: of `local/…`.
    pub registry: Option<Host>,
    pub repository: String,
    /// `None`: it was asked for by its digest.
    pub tag: Option<String>,
    pub digest: Digest,
    pub media_type: String,
    pub bytes: u64,
    pub origin: Origin,
    pub times: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `None`: of `local/…`, or not even a registry.
    pub registry: Option<Host>,
    pub repository: String,
    pub target: String,
    pub code: String,
    /// The last time.
    pub reason: String,
    pub upstream_status: Option<u16>,
    /// After the last time.
    pub retry_after_seconds: Option<u64>,
    pub times: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

/// Where something is listed now, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    At(usize),
    Over,
}

impl RegistryRecord {
    pub(crate) fn serve(&mut self, material: Material) -> Listed {
        let served = Served::from(material);
        if let Some(index) = self.materials.iter().position(|known| known.is_like(&served)) {
            let known = &mut self.materials[index];
            known.times = known.times.saturating_add(1);
            known.last = known.last.max(served.last);
            return Listed::At(index);
        }
        if self.materials.len() >= MAX_MATERIALS {
            self.more_materials = self.more_materials.saturating_add(1);
            return Listed::Over;
        }
        self.materials.push(served);
        Listed::At(self.materials.len() - 1)
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Listed {
        let refused = Refused::from(refusal);
        if let Some(index) = self.refusals.iter().position(|known| known.is_like(&refused)) {
            let known = &mut self.refusals[index];
            known.times = known.times.saturating_add(1);
            known.last = known.last.max(refused.last);
            known.reason = refused.reason;
            known.retry_after_seconds = refused.retry_after_seconds;
            return Listed::At(index);
        }
        if self.refusals.len() >= MAX_REFUSALS {
            self.more_refusals = self.more_refusals.saturating_add(1);
            return Listed::Over;
        }
        self.refusals.push(refused);
        Listed::At(self.refusals.len() - 1)
    }

    /// As an earlier daemon counted it.
    pub(super) fn put_served(&mut self, served: Served) {
        match self.materials.iter().position(|known| known.is_like(&served)) {
            Some(index) => self.materials[index] = served,
            None if self.materials.len() < MAX_MATERIALS => self.materials.push(served),
            None => {}
        }
    }

    /// Likewise.
    pub(super) fn put_refused(&mut self, refused: Refused) {
        match self.refusals.iter().position(|known| known.is_like(&refused)) {
            Some(index) => self.refusals[index] = refused,
            None if self.refusals.len() < MAX_REFUSALS => self.refusals.push(refused),
            None => {}
        }
    }

    /// One more thing that it lacks.
    pub(crate) fn lack(&mut self, what: &str) {
        match &mut self.incomplete {
            Some(why) if why.contains(what) => {}
            Some(why) => {
                why.push_str("; ");
                why.push_str(what);
            }
            None => self.incomplete = Some(what.to_owned()),
        }
    }
}

impl Served {
    fn is_like(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.digest, one.kind, one.origin, one.bytes);
        key(self) == key(other)
            && self.registry == other.registry
            && self.repository == other.repository
            && self.tag == other.tag
            && self.media_type == other.media_type
    }
}

impl Refused {
    fn is_like(&self, other: &Self) -> bool {
        self.target == other.target
            && self.repository == other.repository
            && self.code == other.code
            && self.upstream_status == other.upstream_status
            && self.registry == other.registry
    }
}

impl From<Material> for Served {
    fn from(material: Material) -> Self {
        let Material { kind, registry, repository, tag, digest, media_type, bytes, origin, at } =
            material;
        Self {
            kind,
            registry,
            repository: bounded(repository),
            tag: tag.map(bounded),
            digest,
            media_type: bounded(media_type),
            bytes,
            origin,
            times: 1,
            first: at,
            last: at,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let Refusal {
            registry,
            repository,
            target,
            code,
            reason,
            upstream_status,
            retry_after_seconds,
            at,
        } = refusal;
        Self {
            registry,
            repository: bounded(repository),
            target: bounded(target),
            code: bounded(code),
            reason: bounded(reason),
            upstream_status,
            retry_after_seconds,
            times: 1,
            first: at,
            last: at,
        }
    }
}

fn bounded(mut text: String) -> String {
    let mut end = MAX_TEXT_BYTES;
    if text.len() > end {
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn material(repository: &str, at: u64) -> Material {
        Material {
            kind: Kind::Manifest,
            registry: Some("docker.io".parse().unwrap()),
            repository: repository.to_owned(),
            tag: Some("12".to_owned()),
            digest: Digest::of(b"m"),
            media_type: "application/json".to_owned(),
            bytes: 7,
            origin: Origin::Fetched,
            at: UNIX_EPOCH + Duration::from_secs(at),
        }
    }

    fn refusal(target: String) -> Refusal {
        Refusal {
            registry: None,
            repository: "ä".repeat(MAX_TEXT_BYTES),
            target,
            code: "DENIED".to_owned(),
            reason: "no".to_owned(),
            upstream_status: None,
            retry_after_seconds: None,
            at: UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_once_more_is_counted() {
        let mut record = RegistryRecord::default();
        assert_eq!(record.serve(material("a", 5)), Listed::At(0));
        assert_eq!(record.serve(material("b", 6)), Listed::At(1));
        assert_eq!(record.serve(material("a", 7)), Listed::At(0));
        let stale = Material { origin: Origin::Stale, ..material("a", 8) };
        assert_eq!(record.serve(stale), Listed::At(2), "a stale one is another fact");
        let told: Vec<_> = record.materials.iter().map(|one| (one.times, one.origin)).collect();
        assert_eq!(told, [(2, Origin::Fetched), (1, Origin::Fetched), (1, Origin::Stale)]);
        let times = (record.materials[0].first, record.materials[0].last);
        assert_eq!(times, (material("a", 5).at, material("a", 7).at));
    }

    #[test]
    fn what_is_over_the_bound_is_counted_and_texts_are_cut() {
        let mut record = RegistryRecord::default();
        for number in 0..MAX_REFUSALS + 3 {
            record.refuse(refusal(number.to_string()));
        }
        assert_eq!((record.refusals.len(), record.more_refusals), (MAX_REFUSALS, 3));
        record.refuse(refusal("0".to_owned()));
        assert_eq!((record.refusals[0].times, record.more_refusals), (2, 3));
        assert_eq!(record.refusals[0].repository.len(), MAX_TEXT_BYTES);
        for number in 0..MAX_MATERIALS + 2 {
            record.serve(material(&number.to_string(), 1));
        }
        assert_eq!((record.materials.len(), record.more_materials), (MAX_MATERIALS, 2));
    }
}
