//! Blobs: from the store where the right is fresh, after a question where it isn't, and as they come
//! where they are not stored.

use std::{sync::Arc, time::Duration};

use super::{
    Extent, Inner,
    ask::{broken, refuse},
    download::{Order, Seat, State},
    failure::{Asked, Failure, Meaning},
    followed::Followed,
    right::{Decision, Named, decide, may_go_stale},
    source::{Place, Size},
};
use crate::{
    caller::Caller,
    content::{self, Part},
    digest::Digest,
    problem::{Code, Problem},
    record::Origin,
    store::StoredBlob,
};

/// Times that others are found to have changed everything in the meantime.
const MOST_TURNS: usize = 4;

impl Inner {
    pub(super) async fn blob(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        digest: Digest,
        extent: Extent,
    ) -> Result<content::Blob, Failure> {
        let at = asked.by(caller);
        for _ in 0..MOST_TURNS {
            if let Some(blob) = self.turn(caller, asked, &at, digest, extent).await? {
                return Ok(blob);
            }
        }
        Err(broken())
    }

    /// None: what it was decided by is no longer so.
    async fn turn(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        at: &Place,
        digest: Digest,
        extent: Extent,
    ) -> Result<Option<content::Blob>, Failure> {
        let stored = self.store.blob(&at.repository(), digest).await.map_err(Failure::of_store)?;
        let case = self.case(caller, at, Named::ByDigest, stored.is_some()).await?;
        let ages = &self.config.ages;
        match (decide(&case, ages), &stored) {
            (Decision::Serve(origin), Some(stored)) => {
                return whole(stored, extent, origin).map(Some);
            }
            (Decision::Ask, Some(stored)) if self.is_away(at) && may_go_stale(&case, ages) => {
                return whole(stored, extent, Origin::Stale).map(Some);
            }
            (Decision::Ask, _) => {}
            (Decision::NotHere(reach), _) => return Err(Failure::Here(asked.not_here(reach))),
            (Decision::Serve(_), None) => return Err(Failure::Here(asked.not_here(case.reach))),
        }
        let Some(stored) = stored else {
            return self.absent(caller, asked, at, digest, extent).await;
        };
        let within = may_go_stale(&case, ages).then_some(ages.patience);
        match self.confirm(caller, asked, at, Known::here(&stored), within).await {
            Ok(_) => whole(&stored, extent, Origin::Confirmed).map(Some),
            Err(failure) if failure.meaning() == Meaning::Absent => {
                let case = self.case(caller, at, Named::ByDigest, true).await?;
                if may_go_stale(&case, ages) {
                    whole(&stored, extent, Origin::Stale).map(Some)
                } else {
                    Err(failure)
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// It isn't in this repository.
    async fn absent(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        at: &Place,
        digest: Digest,
        extent: Extent,
    ) -> Result<Option<content::Blob>, Failure> {
        if let Some(blob) = self.elsewhere(at, digest).await? {
            self.confirm(caller, asked, at, Known::elsewhere(&blob), None).await?;
            self.store.link(&at.repository(), digest).await.map_err(Failure::of_store)?;
            return whole(&blob, extent, Origin::Confirmed).map(Some);
        }
        if extent == Extent::Head {
            let size = self.confirm(caller, asked, at, Known::nothing(digest), None).await?;
            if let Some(size) = size.bytes {
                return Ok(Some(content::Blob {
                    digest,
                    size,
                    origin: Origin::Confirmed,
                    chunks: Box::pin(Nothing),
                }));
            }
        }
        let seat = match self.downloads.join(&at.host, digest) {
            Some(seat) => seat,
            None => self.begin(caller, asked, at, digest).await?,
        };
        self.follow(caller, asked, at, seat, digest, extent).await
    }

    /// It is stored for another repository, and this one's registry needs no proof that it has it.
    async fn elsewhere(&self, at: &Place, digest: Digest) -> Result<Option<StoredBlob>, Failure> {
        let Some(blob) = self.store.anywhere(digest).await.map_err(Failure::of_store)? else {
            return Ok(None);
        };
        let is_trusted =
            self.store.is_held_for(digest, &at.host).await.map_err(Failure::of_store)?;
        Ok(is_trusted.then_some(blob))
    }

    async fn begin(
        &self,
        caller: &Caller,
        asked: &Asked,
        at: &Place,
        digest: Digest,
    ) -> Result<Seat, Failure> {
        let lanes = self.admit(caller, asked)?;
        let permit = lanes.download().await.ok_or_else(broken)?;
        let size = super::lock(&self.sizes).of(&at.repository(), digest);
        Ok(self.downloads.begin(Order { at: at.clone(), digest, size, permit }))
    }

    async fn follow(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        at: &Place,
        seat: Seat,
        digest: Digest,
        extent: Extent,
    ) -> Result<Option<content::Blob>, Failure> {
        // What its registry says to another tenant, or of another repository, is nothing to this one.
        let is_starter = seat.is_of(at);
        if !is_starter {
            self.confirm(caller, asked, at, Known::nothing(digest), None).await?;
            seat.admit(at).await.map_err(Failure::of_store)?;
        }
        let opened = match seat.opened().await {
            State::Open(opened) | State::Done(opened) => opened,
            State::Failed(failure) if is_starter => {
                self.failed(at, false, &failure).await?;
                self.charge(caller, &failure);
                return Err(failure);
            }
            // Said to the one who began it: it may be otherwise for this one.
            State::Failed(
                Failure::Answered { .. } | Failure::Unauthorized { .. } | Failure::Denied { .. },
            )
            | State::There
            | State::Asked => {
                return Ok(None);
            }
            State::Failed(failure) => return Err(failure),
        };
        if is_starter {
            self.granted(at, opened.is_public).await?;
        }
        let size = opened.size;
        let part = match extent {
            Extent::Head => {
                let chunks = Box::pin(Nothing);
                return Ok(Some(content::Blob { digest, size, origin: Origin::Fetched, chunks }));
            }
            Extent::Whole => None,
            Extent::Part(part) => Some(within(part, size)?),
        };
        let Some(chunks) = seat.read(part).await else {
            return match seat.ended().await {
                State::Failed(failure) => Err(failure),
                _ => {
                    let stored = self
                        .store
                        .blob(&at.repository(), digest)
                        .await
                        .map_err(Failure::of_store)?;
                    stored.map(|stored| whole(&stored, extent, Origin::Fetched)).transpose()
                }
            };
        };
        let (caller, asked) = (caller.clone(), asked.clone());
        let broken = move |failure: &Failure| drop(refuse(&caller, &asked, failure));
        let chunks = Box::pin(Followed::new(chunks, seat, broken));
        Ok(Some(content::Blob { digest, size, origin: Origin::Fetched, chunks }))
    }

    /// Asks whether this tenant may read it in this repository.
    async fn confirm(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        at: &Place,
        known: Known,
        within: Option<Duration>,
    ) -> Result<Size, Failure> {
        let Known { digest, size, is_stored } = known;
        let lanes = self.admit(caller, asked)?;
        let inner = Arc::clone(self);
        let place = at.clone();
        let work = async move {
            let _lane = lanes.ask().await;
            let answer = inner.source.has_blob(&place, digest, within).await;
            match &answer {
                Ok(size) => inner.granted(&place, size.is_public).await?,
                Err(failure) => inner.failed(&place, is_stored, failure).await?,
            }
            answer
        };
        let answer = self.blobs.join((at.clone(), digest), || work).await;
        let answer = answer.unwrap_or_else(|| Err(broken()));
        match &answer {
            Ok(Size { bytes: Some(told), .. }) if size.is_some_and(|size| size != *told) => {
                let why = format!("it has {told} bytes there, which its digest does not");
                Err(Failure::Lies { code: Code::SizeInvalid, why })
            }
            Ok(_) => answer,
            Err(failure) => {
                self.charge(caller, failure);
                answer
            }
        }
    }
}

/// What is known of a blob that its registry is asked for.
#[derive(Clone, Copy)]
struct Known {
    digest: Digest,
    size: Option<u64>,
    /// In this very repository.
    is_stored: bool,
}

impl Known {
    fn here(stored: &StoredBlob) -> Self {
        Self { digest: stored.digest, size: Some(stored.size), is_stored: true }
    }

    /// A guest can name any digest that is stored for another repository.
    fn elsewhere(stored: &StoredBlob) -> Self {
        Self { is_stored: false, ..Self::here(stored) }
    }

    fn nothing(digest: Digest) -> Self {
        Self { digest, size: None, is_stored: false }
    }
}

fn whole(stored: &StoredBlob, extent: Extent, origin: Origin) -> Result<content::Blob, Failure> {
    let chunks: content::Chunks = match extent {
        Extent::Head => Box::pin(Nothing),
        Extent::Whole => stored.chunks(None),
        Extent::Part(part) => stored.chunks(Some(within(part, stored.size)?)),
    };
    Ok(content::Blob { digest: stored.digest, size: stored.size, origin, chunks })
}

fn within(part: Part, size: u64) -> Result<Part, Failure> {
    let is_within = part.start.checked_add(part.length).is_some_and(|end| end <= size);
    let message = || format!("there are {size} bytes: ask for a part of these");
    is_within
        .then_some(part)
        .ok_or_else(|| Failure::Here(Problem::new(Code::SizeInvalid, 416, message())))
}

/// The answer to a `HEAD`.
struct Nothing;

impl futures_core::Stream for Nothing {
    type Item = std::io::Result<bytes::Bytes>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(None)
    }
}
