//! A client that costs as little as can be, so that what is measured is the other end.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// Nobody is that slow.
const LIMIT: Duration = Duration::from_secs(300);
const BUFFER: usize = 256 << 10;

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) length: u64,
    /// Where to go on: the path alone.
    pub(crate) location: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("dialling {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self { stream: BufReader::new(stream), address, buffer: vec![0; BUFFER] })
    }

    /// Up to the answer's body, of which [`Self::body`] is to be called where there may be one.
    pub(crate) fn ask<'a>(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> anyhow::Result<Answer> {
        let length: usize = body.clone().map(<[u8]>::len).sum();
        let sends = length > 0 || matches!(method, "POST" | "PUT");
        let length = if sends { format!("Content-Length: {length}\r\n") } else { String::new() };
        let address = self.address;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{length}{headers}\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        for part in body {
            stream.write_all(part)?;
        }
        let mut answer = Answer { status: 0, length: 0, location: String::new() };
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        answer.status = status.with_context(|| format!("no answer: {first:?}"))?;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.parse()?,
                "location" => answer.location = path_of(value),
                "transfer-encoding" => anyhow::bail!("{method} {path}: no length"),
                _ => {}
            }
        }
        Ok(answer)
    }

    pub(crate) fn body(
        &mut self,
        answer: &Answer,
        mut take: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let mut left = answer.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let read = self.stream.read(&mut self.buffer[..most])?;
            ensure!(read > 0, "the answer broke off with {left} bytes left");
            take(&self.buffer[..read]);
            left -= read as u64;
        }
        Ok(())
    }

    /// A request without a body, and its answer's.
    pub(crate) fn get(
        &mut self,
        path: &str,
        headers: &str,
        take: impl FnMut(&[u8]),
    ) -> anyhow::Result<u64> {
        let answer = self.ask("GET", path, headers, std::iter::empty())?;
        let mut words = Vec::new();
        if answer.status == 200 {
            self.body(&answer, take)?;
        } else {
            self.body(&answer, |part| words.extend_from_slice(part))?;
        }
        let words = String::from_utf8_lossy(&words);
        ensure!(answer.status == 200, "GET {path}: {} {words}", answer.status);
        Ok(answer.length)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the connection broke");
        Ok(line.trim_end().to_owned())
    }
}

/// Of an address with or without a host.
fn path_of(location: &str) -> String {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
        None => location.to_owned(),
    }
}
