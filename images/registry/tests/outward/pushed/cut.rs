//! A way to a registry on which connections are lost.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Cutting {
    pub(crate) host: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    cuts: AtomicU64,
    passed: AtomicU64,
}

impl Cutting {
    /// So many connections are cut when so many bytes have gone to the registry on each.
    pub(crate) async fn often(registry: &str, cuts: u64, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (registry, counts) = (registry.to_owned(), Arc::new(Counts::default()));
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&registry).await.unwrap();
                tokio::spawn(pass(client, server, (cuts, after), Arc::clone(&counted)));
            }
        });
        Self { host, counts }
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.counts.cuts.load(Ordering::Relaxed)
    }

    /// To the registry, in all.
    pub(crate) fn passed(&self) -> u64 {
        self.counts.passed.load(Ordering::Relaxed)
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    (cuts, after): (u64, u64),
    counts: Arc<Counts>,
) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let to = async {
        let (mut buffer, mut passed) = (vec![0; 16 << 10], 0);
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            passed += length as u64;
            counts.passed.fetch_add(length as u64, Ordering::Relaxed);
            if passed > after && counts.cuts.load(Ordering::Relaxed) < cuts {
                counts.cuts.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if to_server.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    let back = async { drop(tokio::io::copy(&mut from_server, &mut to_client).await) };
    tokio::select! {
        () = to => {}
        () = back => {}
    }
}
