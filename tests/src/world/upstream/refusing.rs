//! A registry that gives nothing and says why not: with the status that a repository's name ends in.
//! `refusing.test:5443/answers/429` has a limit of requests for whoever asks for it.

use std::{
    io::Cursor,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{CERTIFICATE, KEY, PORT, Upstream};
use crate::{
    Namespace,
    world::{Data, World},
};

/// Where it is, alone.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 101);
/// As references name it.
pub const NAME: &str = "refusing.test:5443";
pub(super) const HOST: &str = "refusing.test";
/// What it asks for with a 429.
pub const RETRY_AFTER_SECONDS: u64 = 3600;
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Gone when dropped.
#[derive(Debug)]
pub struct Refusing {
    asked: Asked,
    _serving: JoinSet<()>,
}

type Asked = Arc<Mutex<Vec<String>>>;

impl Refusing {
    fn serve(directory: &Path, namespace: &Namespace) -> anyhow::Result<Self> {
        let acceptor = acceptor(directory)?;
        let bound = namespace.within(|| TcpListener::bind((ADDRESS, PORT)))?;
        let bound = bound.context("binding a registry's address")?;
        bound.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(bound)?;
        let (asked, mut serving) = (Asked::default(), JoinSet::new());
        let seen = Arc::clone(&asked);
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                open.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // Whoever leaves half-way has been written down.
                        let _ = refuse(stream, &seen).await;
                    }
                });
            }
        });
        Ok(Self { asked, _serving: serving })
    }

    /// What it was asked, in order: `HEAD /v2/answers/403/manifests/1`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl World {
    /// Beside a registry that gives, whose authority is its own too.
    pub fn refusing(&mut self, upstream: &Upstream) -> anyhow::Result<Refusing> {
        self.internet.answer_as(ADDRESS.into())?;
        self.zone.say(HOST, [Data::Address(ADDRESS.into())]);
        Refusing::serve(&upstream.directory, self.internet.namespace())
    }
}

fn acceptor(directory: &Path) -> anyhow::Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_file(directory.join(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config).into())
}

/// Request after request.
async fn refuse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    asked: &Asked,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        head.push(stream.read_u8().await?);
        if head.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let mut words = text.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        let mut answer = Cursor::new(answer(method, path));
        stream.write_all_buf(&mut answer).await?;
        stream.flush().await?;
    }
}

fn answer(method: &str, path: &str) -> Vec<u8> {
    let status = status(path);
    let body = match status {
        200 => "{}".to_owned(),
        _ => r#"{"errors":[{"code":"UNKNOWN","message":"not for you"}]}"#.to_owned(),
    };
    let wait = match status {
        429 => format!("retry-after: {RETRY_AFTER_SECONDS}\r\n"),
        _ => String::new(),
    };
    let mut answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n",
        body.len()
    );
    if method != "HEAD" {
        answer += &body;
    }
    answer.into_bytes()
}

/// Of `/v2/answers/403/manifests/1`: 403. Whatever else there is, is not there.
fn status(path: &str) -> u16 {
    if path == "/v2/" {
        return 200;
    }
    let named = path.strip_prefix("/v2/answers/").and_then(|rest| rest.split('/').next());
    named.and_then(|status| status.parse().ok()).unwrap_or(404)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repositorys_name_says_what_is_answered() {
        for (path, expected) in [
            ("/v2/", 200),
            ("/v2/answers/403/manifests/1", 403),
            ("/v2/answers/429/blobs/sha256:00", 429),
            ("/v2/team/base/manifests/1", 404),
            ("/", 404),
        ] {
            assert_eq!(status(path), expected, "{path}");
        }
        let limited = String::from_utf8(answer("HEAD", "/v2/answers/429/manifests/1")).unwrap();
        assert!(limited.contains("retry-after: 3600\r\n"), "{limited}");
        assert!(limited.ends_with("\r\n\r\n"), "{limited}");
        let denied = String::from_utf8(answer("GET", "/v2/answers/403/manifests/1")).unwrap();
        assert!(denied.starts_with("HTTP/1.1 403 ") && denied.ends_with('}'), "{denied}");
    }
}
