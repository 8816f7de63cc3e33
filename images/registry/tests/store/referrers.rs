//! Lists of what is about a manifest are bounded, however much is about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    store::{Described, ReferrersWanted, Store},
};

use crate::given::{local, open};

const KIND: &str = "application/vnd.example.note";

fn wanted(after: Option<Digest>, limit: usize) -> ReferrersWanted {
    ReferrersWanted { after, artifact_type: Some(KIND.to_owned()), limit }
}

async fn put(store: &Store, subject: Digest, number: usize, kind: &str, length: usize) {
    let referrer = Described {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        subject: Some(subject),
        artifact_type: Some(kind.to_owned()),
        annotations: BTreeMap::from([("a".to_owned(), "b".repeat(length))]),
        ..Described::default()
    };
    let bytes = Bytes::from(format!("{kind} {number}"));
    store.put_manifest(&local("a", "app"), None, referrer, bytes).await.unwrap();
}

#[tokio::test]
async fn a_page_has_so_many_bytes() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let (ours, subject) = (local("a", "app"), Digest::of(b"subject"));
    for number in 0..100 {
        put(&store, subject, number, KIND, 60 << 10).await;
        put(&store, subject, number, "application/vnd.example.other", 1).await;
    }
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let after = all.last().copied();
        let found = store.referrers(&ours, subject, wanted(after, 1000)).await.unwrap();
        let bytes: usize = found.page.iter().map(|referrer| referrer.annotations["a"].len()).sum();
        assert!(bytes <= 4 << 20, "{bytes}");
        assert!(found.page.iter().all(|referrer| referrer.artifact_type.as_deref() == Some(KIND)));
        all.extend(found.page.iter().map(|referrer| referrer.digest));
        pages += 1;
        if !found.has_more {
            break;
        }
    }
    assert_eq!((all.len(), pages), (100, 2));
    assert!(all.is_sorted());
    let some = store.referrers(&ours, subject, wanted(Some(all[9]), 5)).await.unwrap();
    let some: Vec<_> = some.page.iter().map(|referrer| referrer.digest).collect();
    assert_eq!(some, all[10..15]);
    let last = store.referrers(&ours, subject, wanted(Some(all[94]), 5)).await.unwrap();
    assert_eq!((last.page.len(), last.has_more), (5, false));
}

#[tokio::test]
async fn annotations_that_are_many_are_left_out() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let subject = Digest::of(b"subject");
    put(&store, subject, 0, KIND, 64 << 10).await;
    let found = store.referrers(&local("a", "app"), subject, wanted(None, 10)).await.unwrap();
    assert_eq!(found.page.len(), 1);
    assert!(found.page[0].annotations.is_empty());
}
