//! Manifests: a tag is asked for each time, a digest when the right to it isn't fresh.

use std::{sync::Arc, time::Duration};

use super::{
    Inner,
    allowance::Lanes,
    ask::broken,
    failure::{Asked, Failure, Meaning},
    right::{Decision, Named, decide, may_go_stale},
    source::{Found, Place},
};
use crate::{
    caller::Caller,
    content::{self, MAX_MANIFEST_BYTES},
    digest::Digest,
    manifest::Manifest,
    name::Target,
    problem::Code,
    record::Origin,
    store::StoredManifest,
};

impl Inner {
    pub(super) async fn manifest(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        target: &Target,
    ) -> Result<content::Manifest, Failure> {
        let at = asked.by(caller);
        let named = match target {
            Target::Tag(_) => Named::ByTag,
            Target::Digest(_) => Named::ByDigest,
        };
        let stored = self.stored_manifest(&at, target).await?;
        let case = self.case(caller, &at, named, stored.is_some()).await?;
        let ages = &self.config.ages;
        match (decide(&case, ages), stored) {
            (Decision::Serve(origin), Some(stored)) => return Ok(served(stored, origin)),
            (Decision::Ask, Some(stored)) if self.is_away(&at) && may_go_stale(&case, ages) => {
                return Ok(served(stored, Origin::Stale));
            }
            (Decision::Ask, _) => {}
            (Decision::NotHere(reach), _) => return Err(Failure::Here(asked.not_here(reach))),
            (Decision::Serve(_), None) => {
                return Err(Failure::Here(asked.not_here(case.reach)));
            }
        }
        let lanes = self.admit(caller, asked)?;
        let within = may_go_stale(&case, ages).then_some(ages.patience);
        let work = || Arc::clone(self).ask_manifest(at.clone(), target.clone(), lanes, within);
        let answer = self.manifests.join((at.clone(), target.clone()), work).await;
        let failure = match answer.unwrap_or_else(|| Err(broken())) {
            Ok(manifest) => return Ok(manifest),
            Err(failure) => failure,
        };
        self.charge(caller, &failure);
        if failure.meaning() != Meaning::Absent {
            return Err(failure);
        }
        // Anew: what was known may have changed while it was asked.
        let stored = self.stored_manifest(&at, target).await?;
        let case = self.case(caller, &at, named, stored.is_some()).await?;
        match stored {
            Some(stored) if may_go_stale(&case, ages) => Ok(served(stored, Origin::Stale)),
            _ => Err(failure),
        }
    }

    /// For all who ask for it at this time in this tenant's name.
    async fn ask_manifest(
        self: Arc<Self>,
        at: Place,
        target: Target,
        lanes: Lanes,
        within: Option<Duration>,
    ) -> Result<content::Manifest, Failure> {
        let _lane = lanes.ask().await;
        let known = self.stored_manifest(&at, &target).await?;
        let answer = self.compare(&at, &target, known.as_ref(), within).await;
        if let Err(failure) = &answer {
            self.failed(&at, known.is_some(), failure).await?;
        }
        answer
    }

    /// What it is by now, first; all of it only when that isn't stored.
    async fn compare(
        &self,
        at: &Place,
        target: &Target,
        known: Option<&StoredManifest>,
        within: Option<Duration>,
    ) -> Result<content::Manifest, Failure> {
        let (wanted, is_let_in) = match (target, known) {
            (Target::Digest(digest), None) => (Some(*digest), false),
            (Target::Digest(_), Some(_)) | (Target::Tag(_), _) => {
                match self.source.manifest(at, target, true, within).await {
                    Ok(Found { digest, is_public, .. }) => {
                        self.granted(at, is_public).await?;
                        (agrees(target, digest)?, true)
                    }
                    // Some do not answer this, and say what it is when it is asked for.
                    Err(Failure::Answered { status: 405 | 501, .. }) => (None, false),
                    Err(failure) => return Err(failure),
                }
            }
        };
        // Others may have stored it by now: that is no answer to this tenant.
        if is_let_in
            && let Some(digest) = wanted
            && let Some(stored) = self.stored_manifest(at, &Target::Digest(digest)).await?
        {
            let is_new = known.is_some_and(|known| {
                known.digest == digest && known.confirmed_at.is_some_and(|at| self.is_new(at))
            });
            if !is_new {
                self.confirm_tag(at, target, &stored).await?;
            }
            return Ok(served(stored, Origin::Confirmed));
        }
        let exact = wanted.map_or_else(|| target.clone(), Target::Digest);
        let found = self.source.manifest(at, &exact, false, within).await?;
        let is_public = found.is_public;
        self.granted(at, is_public).await?;
        let kept = self.keep(at, target, wanted, found).await?;
        // What others were answered while it came was not said of it.
        if !is_public {
            self.store.end_publicity(&at.repository()).await.map_err(Failure::of_store)?;
        }
        Ok(kept)
    }

    async fn keep(
        &self,
        at: &Place,
        target: &Target,
        wanted: Option<Digest>,
        found: Found,
    ) -> Result<content::Manifest, Failure> {
        let Found { digest: told, media_type, bytes, is_public: _ } = found;
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(lies(Code::ManifestInvalid, "it is larger than 4 MiB"));
        }
        let digest = Digest::of(&bytes);
        if [wanted, told].into_iter().flatten().any(|other| other != digest) {
            return Err(lies(Code::DigestInvalid, "its bytes are not those of its digest"));
        }
        let manifest = Manifest::parse(media_type.as_deref(), &bytes)
            .map_err(|invalid| lies(Code::ManifestInvalid, &invalid.to_string()))?;
        let tag = match target {
            Target::Tag(tag) => Some(tag),
            Target::Digest(_) => None,
        };
        let repository = at.repository();
        self.store
            .put_manifest(&repository, tag, &manifest, bytes.clone())
            .await
            .map_err(Failure::of_store)?;
        let mut sizes = super::lock(&self.sizes);
        for reference in manifest.references() {
            sizes.tell(&repository, reference.descriptor.digest, reference.descriptor.size);
        }
        drop(sizes);
        let media_type = manifest.media_type;
        Ok(content::Manifest { digest, media_type, bytes, origin: Origin::Fetched })
    }

    /// The tag means what is stored.
    async fn confirm_tag(
        &self,
        at: &Place,
        target: &Target,
        stored: &StoredManifest,
    ) -> Result<(), Failure> {
        let Target::Tag(tag) = target else { return Ok(()) };
        let manifest = Manifest::parse(Some(&stored.media_type), &stored.bytes)
            .map_err(|invalid| lies(Code::ManifestInvalid, &invalid.to_string()))?;
        let bytes = stored.bytes.clone();
        self.store
            .put_manifest(&at.repository(), Some(tag), &manifest, bytes)
            .await
            .map_err(Failure::of_store)
    }

    async fn stored_manifest(
        &self,
        at: &Place,
        target: &Target,
    ) -> Result<Option<StoredManifest>, Failure> {
        self.store.manifest(&at.repository(), target).await.map_err(Failure::of_store)
    }
}

fn agrees(target: &Target, told: Option<Digest>) -> Result<Option<Digest>, Failure> {
    match target {
        Target::Digest(digest) if told.is_some_and(|told| told != *digest) => {
            Err(lies(Code::DigestInvalid, "it has another digest there"))
        }
        Target::Digest(digest) => Ok(Some(*digest)),
        Target::Tag(_) => Ok(told),
    }
}

fn served(stored: StoredManifest, origin: Origin) -> content::Manifest {
    let StoredManifest { digest, media_type, bytes, .. } = stored;
    content::Manifest { digest, media_type, bytes, origin }
}

fn lies(code: Code, why: &str) -> Failure {
    Failure::Lies { code, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        mirror::{
            Config, Mirror,
            source::{Download, Size, Source},
        },
        store::{Limits, Store},
    };

    /// Lets nobody in, and remembers who asked for a manifest, and whether for its head alone.
    #[derive(Default)]
    struct Closed(Mutex<Vec<bool>>);

    const REFUSED: Failure = Failure::Denied { credentials: true };

    #[async_trait]
    impl Source for Closed {
        async fn manifest(
            &self,
            _: &Place,
            _: &Target,
            head: bool,
            _: Option<Duration>,
        ) -> Result<Found, Failure> {
            self.0.lock().unwrap().push(head);
            Err(REFUSED)
        }

        async fn has_blob(
            &self,
            _: &Place,
            _: Digest,
            _: Option<Duration>,
        ) -> Result<Size, Failure> {
            Err(REFUSED)
        }

        async fn blob(&self, _: &Place, _: Digest, _: u64) -> Result<Download, Failure> {
            Err(REFUSED)
        }
    }

    #[tokio::test]
    async fn what_another_tenant_stores_meanwhile_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("registry"), Limits::default()).unwrap();
        let source = Arc::new(Closed::default());
        let mirror = Mirror::over(store.clone(), Arc::clone(&source) as _, Config::default());
        let bob = Place {
            tenant: "bob".to_owned(),
            host: "registry.example".parse().unwrap(),
            name: "team/app".parse().unwrap(),
        };
        let bytes = bytes::Bytes::from_static(MANIFEST);
        let manifest = Manifest::parse(None, &bytes).unwrap();
        let target = Target::Digest(Digest::of(&bytes));
        store.put_manifest(&bob.repository(), None, &manifest, bytes).await.unwrap();
        // As of when bob looked, it was not there.
        let told = mirror.inner.compare(&bob, &target, None, None).await;
        assert_eq!(told.map(|manifest| manifest.digest), Err(REFUSED));
        assert_eq!(*source.0.lock().unwrap(), [false], "he asked for it himself");
        let known = mirror.inner.stored_manifest(&bob, &target).await.unwrap();
        let told = mirror.inner.compare(&bob, &target, known.as_ref(), None).await;
        assert_eq!(told.map(|manifest| manifest.digest), Err(REFUSED));
        assert_eq!(*source.0.lock().unwrap(), [false, true]);
    }

    const MANIFEST: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
}
