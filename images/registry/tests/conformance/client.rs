//! A client that says what it is told to, and hides nothing of the answer.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, client::conn::http1, ext::ReasonPhrase};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

pub(crate) struct Ask {
    address: SocketAddr,
    request: hyper::http::request::Builder,
    has_host: bool,
    body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn ask(&self, method: Method, target: &str) -> Ask {
        let request = Request::builder().method(method).uri(target);
        Ask { address: self.address, request, has_host: false, body: Bytes::new() }
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.ask(Method::GET, target).send().await
    }

    pub(crate) async fn head(&self, target: &str) -> Reply {
        self.ask(Method::HEAD, target).send().await
    }

    pub(crate) async fn delete(&self, target: &str) -> Reply {
        self.ask(Method::DELETE, target).send().await
    }

    pub(crate) async fn post(&self, target: &str) -> Reply {
        self.ask(Method::POST, target).header("content-length", "0").send().await
    }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name == "host";
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Reply {
        self.sent().await.expect("an answer")
    }

    /// An error: the connection broke.
    pub(crate) async fn sent(self) -> hyper::Result<Reply> {
        let Self { address, request, has_host, body } = self;
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = if has_host { request } else { request.header("host", address.to_string()) };
        let answer = sender.send_request(request.body(Full::new(body)).expect("a request")).await?;
        let (head, body) = answer.into_parts();
        let reason = head.extensions.get::<ReasonPhrase>();
        let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Reply {
            status: head.status.as_u16(),
            reason: reason.unwrap_or_default(),
            headers: head.headers,
            body,
        })
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        let location = self.header("location");
        assert!(location.starts_with("/v2/"), "{self:?}");
        location
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn has(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(!self.headers.contains_key("www-authenticate"), "{self:?}");
        assert!(!self.headers.contains_key("content-encoding"), "{self:?}");
        self
    }

    /// In the specification's form, and in the status line for those that see no body.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Self {
        let reply = self.has(status);
        assert!(!reply.reason.is_empty(), "{reply:?}");
        assert!(reply.reason.bytes().all(|byte| (32..127).contains(&byte)), "{reply:?}");
        if !reply.body.is_empty() {
            let json = reply.json();
            assert_eq!(json["errors"][0]["code"], code, "{reply:?}");
            assert!(json["errors"][0]["message"].is_string(), "{reply:?}");
            assert_eq!(reply.header("content-type"), "application/json");
        }
        reply
    }
}
