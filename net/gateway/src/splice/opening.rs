//! What a guest says first, and whom it names by it.

use std::time::Duration;

use kiln_net::{name::Name, policy::Protocol, record::Reason};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{candidates::Candidates, connection::Refusal};
use crate::{
    client_hello::{self, ClientHello, ServerName},
    http_host::{self, Requests},
};

/// For all of a hello, or of a request's head.
pub(super) const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// Who has not spoken by then waits for the server to.
const SPEAKS_FIRST: Duration = Duration::from_millis(300);
/// A read's worth more than the longest of what is read whole.
const MAX_BYTES: usize = client_hello::MAX_BYTES + http_host::MAX_HEAD_BYTES;
const READ_BYTES: usize = 4 << 10;
const TLS: u8 = 22;

/// Whom it is for, and what was read by then.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) name: Name,
    pub(super) speaks: Speaks,
    /// May be sent on.
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Speaks {
    /// `held`: what came behind the hello.
    Tls {
        held: Vec<u8>,
    },
    Http(Box<Requests>),
    Tcp,
}

impl Speaks {
    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Tls { .. } => Protocol::Tls,
            Self::Http(_) => Protocol::Http,
            Self::Tcp => Protocol::Tcp,
        }
    }
}

/// What is refused before it has named anybody is told by the first of those it may have meant.
pub(super) async fn read(
    guest: &mut TcpStream,
    candidates: &Candidates,
    port: u16,
) -> Result<Opened, Refusal> {
    let read = read_any(guest, candidates, port).await;
    read.map_err(|refusal| refusal.of(candidates.first()))
}

async fn read_any(
    guest: &mut TcpStream,
    candidates: &Candidates,
    port: u16,
) -> Result<Opened, Refusal> {
    let mut heard = Heard { bytes: Vec::new(), until: Instant::now() + HELLO_LIMIT };
    let fallback = candidates.tcp.first();
    if let Some(name) = fallback {
        if candidates.tls.is_empty() && candidates.http.is_empty() {
            return Ok(tcp(name, heard));
        }
        let spoke = match timeout(SPEAKS_FIRST, heard.more(guest)).await {
            Ok(more) => more?,
            Err(_) => false,
        };
        if !spoke {
            return Ok(tcp(name, heard));
        }
    } else if !heard.more(guest).await? {
        // It went without a word.
        return Err(Refusal::SILENT);
    }
    let read = if heard.bytes.first() == Some(&TLS) {
        read_tls(guest, candidates, &mut heard).await
    } else {
        read_http(guest, candidates, port, &mut heard).await
    };
    match (read, fallback) {
        // Where every name is allowed, what names another than it has is told from what names none:
        // else the record would say what was not so.
        (Err(refusal), Some(name))
            if !(refusal.is_silent() || candidates.open && refusal.is_other()) =>
        {
            Ok(tcp(name, heard))
        }
        (read, _) => read,
    }
}

fn tcp(name: &Name, heard: Heard) -> Opened {
    Opened { name: name.clone(), speaks: Speaks::Tcp, bytes: heard.bytes }
}

async fn read_tls(
    guest: &mut TcpStream,
    candidates: &Candidates,
    heard: &mut Heard,
) -> Result<Opened, Refusal> {
    if candidates.tls.is_empty() {
        return Err(Refusal::new(Reason::NotTheProtocol));
    }
    let mut parser = ClientHello::default();
    let mut read = 0;
    let hello = loop {
        let hello = parser.push(&heard.bytes[read..]);
        if let Some(hello) = hello.map_err(|error| Refusal::new(error.reason()))? {
            break hello;
        }
        read = heard.bytes.len();
        if !heard.more(guest).await? {
            return Err(Refusal::new(Reason::Malformed));
        }
    };
    let name = named(hello.name)?;
    if !candidates.tls.contains(&name) {
        return Err(Refusal::new(Reason::OtherServerName).named(name.to_string()));
    }
    let mut bytes = heard.bytes.clone();
    let held = bytes.split_off(hello.bytes);
    Ok(Opened { name, speaks: Speaks::Tls { held }, bytes })
}

pub(super) fn named(name: ServerName) -> Result<Name, Refusal> {
    let none = Refusal::new(Reason::NoServerName);
    match name {
        ServerName::Clear(name) => Ok(name),
        ServerName::Missing => Err(none),
        ServerName::Encrypted { outer } => {
            Err(Refusal { encrypted: true, name: outer.map(String::from), ..none })
        }
        ServerName::NoName(text) => Err(none.named(text)),
    }
}

async fn read_http(
    guest: &mut TcpStream,
    candidates: &Candidates,
    port: u16,
    heard: &mut Heard,
) -> Result<Opened, Refusal> {
    if candidates.http.is_empty() {
        return Err(Refusal::new(Reason::NotTheProtocol));
    }
    let mut requests = Requests::new(port);
    let mut bytes = Vec::new();
    let mut read = 0;
    loop {
        requests.push(&heard.bytes[read..], &mut bytes).map_err(|error| Refusal::from(&error))?;
        if let Some(name) = requests.host() {
            if !candidates.http.contains(name) {
                return Err(Refusal::new(Reason::OtherServerName).named(name.to_string()));
            }
            let name = name.clone();
            return Ok(Opened { name, speaks: Speaks::Http(Box::new(requests)), bytes });
        }
        read = heard.bytes.len();
        if !heard.more(guest).await? {
            return Err(Refusal::new(Reason::Malformed));
        }
    }
}

/// What was read, all of it.
#[derive(Debug)]
struct Heard {
    bytes: Vec<u8>,
    until: Instant,
}

impl Heard {
    /// `false`: it ends here.
    ///
    /// # Cancel safety
    /// What was not told is not read.
    async fn more(&mut self, guest: &mut TcpStream) -> Result<bool, Refusal> {
        if self.bytes.len() >= MAX_BYTES {
            return Err(Refusal::new(Reason::Limit));
        }
        self.bytes.reserve(READ_BYTES);
        match timeout_at(self.until, guest.read_buf(&mut self.bytes)).await {
            Ok(Ok(0)) => Ok(false),
            Ok(Ok(_)) => Ok(true),
            // Its reset.
            Ok(Err(_)) => Err(Refusal::SILENT),
            Err(_) => Err(Refusal::new(Reason::Limit)),
        }
    }
}
