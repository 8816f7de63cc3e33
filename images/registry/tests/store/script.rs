//! What a store goes through while it is killed, its disk fills up or the power goes; and what it
//! must be afterwards.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    name::{Tag, Target},
    repository::Repository,
    store::{Store, StoreError, UploadId},
};

use crate::{
    built,
    given::{chunks, content, image, local, mirror, push},
};

pub(crate) const STEPS: usize = 18;

const HALF: usize = 70_000;
const NONE: Duration = Duration::ZERO;

/// The same names and bytes in every process.
#[derive(Debug)]
pub(crate) struct Script {
    ours: Repository,
    other: Repository,
    outside: Repository,
    first: Bytes,
    second: Bytes,
    brought: Bytes,
    /// Once it was begun, where anybody remembers.
    pub(crate) upload: Option<UploadId>,
}

/// How the process that went through the steps has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What it has written is there.
    Killed,
    /// What it has not synced may be gone.
    PowerLost,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            ours: local("a", "app"),
            other: local("a", "other"),
            outside: mirror("registry.example", "app"),
            first: content(1, 2 * HALF),
            second: content(2, 5000),
            brought: content(3, 2 * HALF),
            upload: None,
        }
    }

    /// May be tried again when it has failed.
    pub(crate) async fn step(&mut self, store: &Store, number: usize) -> Result<(), StoreError> {
        let upload = self.upload.clone().ok_or(StoreError::NoUpload);
        let (first, brought) = (Digest::of(&self.first), Digest::of(&self.brought));
        // So that age tells what was before this step.
        tokio::time::sleep(Duration::from_millis(3)).await;
        match number {
            0 => self.upload = Some(store.begin_upload(&self.ours).await?),
            1 => {
                let half = chunks(&self.first.slice(..HALF), 10_000);
                store.append(&self.ours, &upload?, Some(0), half).await?;
            }
            2 => {
                let half = chunks(&self.first.slice(HALF..), 10_000);
                store.append(&self.ours, &upload?, Some(HALF as u64), half).await?;
            }
            3 => drop(store.finish_upload(&self.ours, &upload?, first).await?),
            4 | 12 => self.tag(store, &self.ours, "a", &self.first).await?,
            5 => drop(push(store, &self.ours, &self.second).await?),
            6 => self.tag(store, &self.ours, "b", &self.second).await?,
            7 => {
                let mut writer = store.write(&self.outside, brought, None).await?;
                if writer.offset() == 0 {
                    writer.push(self.brought.slice(..HALF)).await?;
                }
            }
            8 => {
                let size = Some(self.brought.len() as u64);
                let mut writer = store.write(&self.outside, brought, size).await?;
                let offset = usize::try_from(writer.offset()).unwrap();
                writer.push(self.brought.slice(offset..)).await?;
                writer.commit().await?;
            }
            9 => drop(store.delete_tag(&self.ours, &tag("a")).await?),
            10 | 15 => drop(store.collect_older(NONE).await?),
            11 => drop(push(store, &self.ours, &self.first).await?),
            13 => {
                assert!(store.link(&self.other, Digest::of(&self.second)).await?);
                self.tag(store, &self.other, "b", &self.second).await?;
            }
            14 => {
                let (_, bytes) = image(&[Digest::of(&self.second)]);
                store.delete_manifest(&self.ours, Digest::of(&bytes)).await?;
            }
            16 => built::ingest(store).await?,
            17 => {
                built::forget(store).await?;
                store.collect_older(NONE).await?;
            }
            _ => unreachable!("there are {STEPS} steps"),
        }
        Ok(())
    }

    async fn tag(
        &self,
        store: &Store,
        at: &Repository,
        name: &str,
        layer: &Bytes,
    ) -> Result<(), StoreError> {
        let (manifest, bytes) = image(&[Digest::of(layer)]);
        store.put_manifest(at, Some(&tag(name)), manifest, bytes).await
    }

    /// After so many steps; the one behind them may have been done, or not.
    pub(crate) async fn holds(&self, store: &Store, done: usize, end: End) {
        let checked = store.check(true).await.unwrap();
        assert_eq!((checked.dropped, checked.problems), (vec![], vec![]));
        assert_eq!(store.incomplete().await.unwrap(), Vec::<String>::new());
        if let Some(upload) = self.upload.as_ref().filter(|_| end == End::Killed) {
            let offset = store.upload(&self.ours, upload).await.unwrap();
            let half = HALF as u64;
            let is_right = match done {
                0 => true,
                1 => offset.is_some(),
                2 => offset >= Some(half),
                // It is an upload, a blob or nobody's, and then sent again.
                3 => offset.is_none_or(|offset| offset == 2 * half),
                _ => offset.is_none(),
            };
            assert!(is_right, "{offset:?} of an upload after {done} steps");
        }
        let has =
            async |at, bytes: &Bytes| store.blob(at, Digest::of(bytes)).await.unwrap().is_some();
        let tagged =
            async |at, name| store.manifest(at, &Target::Tag(tag(name))).await.unwrap().is_some();
        // None while a step changes it.
        let check = |what, expected: Option<bool>, found: bool| {
            assert!(expected.is_none_or(|expected| expected == found), "{what} after {done} steps");
        };
        let first = match done {
            3 | 10 | 11 => None,
            _ => Some(matches!(done, 4..=9 | 12..)),
        };
        check("the first blob", first, has(&self.ours, &self.first).await);
        let tag_a = match done {
            4 | 9 | 12 => None,
            _ => Some(matches!(done, 5..=8 | 13..)),
        };
        check("tag a", tag_a, tagged(&self.ours, "a").await);
        let second = match done {
            5 | 15 => None,
            _ => Some(matches!(done, 6..=14)),
        };
        check("the second blob", second, has(&self.ours, &self.second).await);
        let tag_b = match done {
            6 | 14 => None,
            _ => Some(matches!(done, 7..=13)),
        };
        check("tag b", tag_b, tagged(&self.ours, "b").await);
        let brought = if done == 8 { None } else { Some(done > 8) };
        check("what was brought", brought, has(&self.outside, &self.brought).await);
        let other = if done == 13 { None } else { Some(done > 13) };
        check("the other's blob", other, has(&self.other, &self.second).await);
        check("the other's tag", other, tagged(&self.other, "b").await);
        let built = match done {
            16 | 17 => None,
            _ => Some(false),
        };
        check("what was built", built, built::is_there(store).await);
    }

    /// It works on, and nothing is left of what was not finished.
    pub(crate) async fn goes_on(&self, store: &Store, home: &Path) {
        store.collect_older(NONE).await.unwrap();
        let bytes = content(77, 3000);
        let digest = push(store, &self.ours, &bytes).await.unwrap();
        self.tag(store, &self.ours, "new", &bytes).await.unwrap();
        let blob = store.blob(&self.ours, digest).await.unwrap().unwrap();
        assert_eq!(crate::given::whole(&blob).await, bytes);
        let checked = store.check(false).await.unwrap();
        let files = crate::given::walk(&home.join("blobs"));
        assert_eq!(checked.blobs, files as u64, "files without rows");
    }
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}
