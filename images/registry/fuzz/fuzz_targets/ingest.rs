//! What a build's guest wrote: an image, whole, or refused as its fault, with nothing left of it.
#![no_main]

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use kiln_registry::{
    build::Maker,
    mirror::{self, Mirror},
    operate::{Config, Fault, Form, Images},
    store::{Limits, Store},
    upstream::{self, Resolve, Upstream},
};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

struct Stage {
    images: Images,
    store: Store,
    maker: Maker,
    runtime: Runtime,
    directory: PathBuf,
}

struct Nowhere;

#[async_trait::async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("nobody is asked"))
    }
}

/// In memory where there is such a place, and begun anew by each process.
fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let shared = PathBuf::from("/dev/shm");
        let place = if shared.is_dir() { shared } else { std::env::temp_dir() };
        let directory = place.join(format!("kiln-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory");
        let store = Store::open(&directory.join("store"), Limits::default()).expect("a store");
        let upstream = Upstream::new(upstream::Config::default(), Arc::new(Nowhere));
        let mirror = Mirror::new(store.clone(), upstream.clone(), mirror::Config::default());
        let config = Config { rights_age: Duration::from_secs(3600), is_offline: true };
        let images = Images::new(store.clone(), mirror, upstream, config);
        let maker = Maker::new("a", "job").expect("a build");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Stage { images, store, maker, runtime, directory }
    })
}

fuzz_target!(|input: &[u8]| {
    let Stage { images, store, maker, runtime, directory } = stage();
    let path = directory.join("disk");
    File::create(&path).and_then(|mut disk| disk.write_all(input)).expect("a disk");
    let disk = File::open(&path).expect("a disk");
    runtime.block_on(async {
        match images.ingest_build(maker, disk, input.len() as u64).await {
            Ok(built) => {
                let plan = images.plan_build(maker, built.root.digest, Form::Oci, &[]).await;
                plan.expect("a tar").digest().await.expect("all of it");
                images.forget_build(maker).await.expect("forgotten");
            }
            Err(error) => assert_eq!(error.fault(), Fault::Content, "{error}"),
        }
        let usage = store.usage("a").await.expect("its usage");
        assert_eq!((usage.stored, usage.in_flight), (0, 0));
    });
});
