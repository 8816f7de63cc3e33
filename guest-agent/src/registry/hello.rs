//! What the engine says first in a tunnel, from which it is known which of its clients speaks.
//!
//! That for registries, of every version that guests have, offers no protocol by ALPN, since it
//! speaks HTTP/1.1 alone; all others offer some.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_rustls::rustls::server::Acceptor;

/// Several times what clients say.
const MAX_BYTES: usize = 32 << 10;
const READ_BYTES: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Hello {
    pub(super) is_for_a_registry: bool,
    /// All that was read for it.
    pub(super) bytes: Bytes,
}

/// `read` came before. `None`: it is no TLS, or too long, or it ended.
pub(super) async fn read(read: &[u8], stream: &mut (impl AsyncRead + Unpin)) -> Option<Hello> {
    let mut bytes = BytesMut::from(read);
    let mut acceptor = Acceptor::default();
    let mut taken = 0;
    loop {
        while taken < bytes.len() {
            let mut rest = &bytes[taken..];
            let before = rest.len();
            match acceptor.read_tls(&mut rest as &mut dyn io::Read) {
                Ok(0) | Err(_) => return None,
                Ok(_) => taken += before - rest.len(),
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let is_for_a_registry = accepted.client_hello().alpn().is_none();
                    return Some(Hello { is_for_a_registry, bytes: bytes.freeze() });
                }
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        if bytes.len() >= MAX_BYTES {
            return None;
        }
        bytes.reserve(READ_BYTES);
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
