//! Requests that are wrong in one field: refused by its name, and nothing has changed.

use tonic::Code;

use super::service::Service;
use crate::api::incoming::{
    tests::fuzz::{malformed_exec, malformed_job},
    tests_of_builds::fuzz::malformed,
};

const CASES: u64 = 500;

#[tokio::test]
async fn nothing_changes_by_a_request_that_is_wrong_in_one_field() {
    let service = Service::start().await;
    let mut client = service.client();
    for seed in 0..CASES {
        let (field, request) = malformed_job(seed);
        let refused = client.create_job(request).await.expect_err(&field);
        assert_eq!(refused.code(), Code::InvalidArgument, "seed {seed}: {refused}");
        assert!(refused.message().starts_with(&format!("{field}: ")), "seed {seed}: {refused}");
        if seed % 10 == 0 {
            let (field, request) = malformed_exec(seed);
            let refused = client.exec_in_job(tokio_stream::once(request)).await.expect_err(&field);
            assert!(refused.message().starts_with(&format!("{field}: ")), "seed {seed}: {refused}");
        }
    }
    let mut builds = service.builds.clone();
    for seed in 0..CASES {
        let (field, request) = malformed(seed);
        let refused = builds.create_build(request).await.expect_err(&field);
        assert_eq!(refused.code(), Code::InvalidArgument, "seed {seed}: {refused}");
        assert!(refused.message().starts_with(&format!("{field}: ")), "seed {seed}: {refused}");
    }
    assert!(service.list().await.is_empty());
    let load = service.scheduler.load();
    assert_eq!((load.queued, load.running), (0, 0));
    assert_eq!(service.sources.used_bytes(), 0);
    assert_eq!(std::fs::read_dir(service.home.path().join("jobs")).unwrap().count(), 0);
}
