//! Plays bytes to the parsers of what a guest says first, and holds what they say against each other
//! and against what a careless server would read.
//!
//! ```text
//! where the second piece begins (2) │ bytes
//! ```

use kiln_gateway::{
    client_hello::{self, ClientHello, Hello, ServerAnswer},
    http_host::{self, MAX_HEAD_BYTES, Requests},
};

use crate::lenient;

const PORT: u16 = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// A name, or that there is none.
    Understood,
    /// Its end has not come.
    Unfinished,
    Refused,
}

pub(crate) fn input(cut: u16, bytes: &[u8]) -> Vec<u8> {
    [&cut.to_be_bytes()[..], bytes].concat()
}

fn pieces(input: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let Some((cut, bytes)) = input.split_first_chunk() else { return (&[], &[], &[]) };
    let cut = usize::from(u16::from_be_bytes(*cut)) % (bytes.len() + 1);
    let (first, second) = bytes.split_at(cut);
    (bytes, first, second)
}

pub(crate) fn client_hello(input: &[u8]) -> End {
    let (bytes, first, second) = pieces(input);
    for new in [ClientHello::default, ClientHello::again] {
        let whole = new().push(bytes);
        let mut parser = new();
        let in_pieces = match parser.push(first) {
            Ok(None) => parser.push(second),
            early => early,
        };
        assert_eq!(whole, in_pieces);
        if let Ok(Some(Hello { bytes: length, .. })) = whole {
            assert!(length <= client_hello::MAX_BYTES && length <= bytes.len());
            // What it says of its length is so.
            assert_eq!(new().push(&bytes[..length]), whole);
            assert_eq!(new().push(&bytes[..length - 1]), Ok(None));
        } else if bytes.len() > client_hello::MAX_BYTES {
            assert!(whole.is_err());
        }
    }
    let mut server = ServerAnswer::default();
    let in_pieces = server.push(first).or_else(|| server.push(second));
    assert_eq!(ServerAnswer::default().push(bytes), in_pieces);
    match ClientHello::default().push(bytes) {
        Ok(Some(_)) => End::Understood,
        Ok(None) => End::Unfinished,
        Err(_) => End::Refused,
    }
}

pub(crate) fn http_head(input: &[u8]) -> End {
    let (bytes, first, second) = pieces(input);
    let read = |pieces: &[&[u8]]| {
        let mut requests = Requests::new(PORT);
        let mut passed = Vec::new();
        for piece in pieces {
            requests.push(piece, &mut passed)?;
            assert!(bytes.starts_with(&passed), "what is passed is what came");
        }
        Ok::<_, http_host::Unread>((requests.host().map(ToString::to_string), passed))
    };
    let whole = read(&[bytes]);
    let in_pieces = read(&[first, second]);
    // Which of two faults is told may depend on how it came; that there is one does not.
    assert_eq!(whole.as_ref().ok(), in_pieces.as_ref().ok());
    let Ok((host, passed)) = whole else { return End::Refused };
    assert!(bytes.len() - passed.len() <= MAX_HEAD_BYTES);
    assert_eq!(host.is_none(), passed.is_empty());
    let Some(host) = host else { return End::Unfinished };
    for other in lenient::hosts(&passed) {
        let same = other == host || other == format!("{host}:{PORT}");
        assert!(same, "{other} is named, and {host} understood");
    }
    End::Understood
}
