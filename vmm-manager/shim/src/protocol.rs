//! What is said over `shim.sock`: lines of JSON, the client's hello first.
//!
//! ```text
//! client                                     supervisor
//! {"major":1,"minor":0,"instance":"…"}  ──▶
//!                                       ◀──  {"id":0,"body":{"greeting":{…}}}
//! {"id":1,"ask":"wait"}                 ──▶
//! {"id":2,"ask":"serial"}               ──▶
//!                                       ◀──  {"id":2,"body":{"serial":{…}}}
//!                                       ◀──  {"id":1,"body":{"ended":{…}}}
//! ```
//!
//! Within a major version fields and questions are only added: fields that are not known are
//! ignored on both sides, and a question that is not known is refused as such. A client of another
//! major version is told ours, in a shape that every version understands, and left alone.

use kiln_jail::Confinement;
use serde::{Deserialize, Serialize};

use crate::{ExitRecord, ProcessIdentity};

pub const MAJOR: u32 = 1;
pub const MINOR: u32 = 0;
/// A client's line is some tens of bytes; more ends its connection.
pub const MAX_REQUEST_BYTES: usize = 4096;
/// Of a supervisor's line: two mebibytes of console in hexadecimal, and the rest.
pub const MAX_ANSWER_BYTES: usize = (4 << 20) + 4096;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub major: u32,
    pub minor: u32,
    /// The client's home.
    pub instance: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Carried back in the answer; from 1.
    pub id: u64,
    /// A name of [`Ask`].
    pub ask: String,
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Status,
    /// Answered when the machine has ended.
    Wait,
    Serial,
    /// Ends the machine; answered when it has ended.
    Kill,
    /// Says that the client is about to end the machine in its own way.
    Stopping,
    /// Says that nobody needs the supervisor of an ended machine any more.
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Greeting(Greeting),
    /// To a client of another major version.
    Version {
        major: u32,
        minor: u32,
    },
    Status(Status),
    Ended(ExitRecord),
    Serial(Serial),
    /// It was heard.
    Noted,
    Refused {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    pub major: u32,
    pub minor: u32,
    pub instance: String,
    pub name: String,
    pub process: ProcessIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub children: Vec<Child>,
    pub stopping: bool,
    pub ended: Option<ExitRecord>,
}

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    pub name: String,
    pub process: ProcessIdentity,
    /// What holds it; `None` where nothing was ordered to.
    #[serde(default)]
    pub confinement: Option<Confinement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serial {
    /// What is kept of the console, in hexadecimal.
    pub hex: String,
    /// How many bytes came before it.
    pub dropped: u64,
}

impl Ask {
    pub const ALL: [Self; 6] =
        [Self::Status, Self::Wait, Self::Serial, Self::Kill, Self::Stopping, Self::Done];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Wait => "wait",
            Self::Serial => "serial",
            Self::Kill => "kill",
            Self::Stopping => "stopping",
            Self::Done => "done",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ask| ask.name() == name)
    }
}

impl Serial {
    pub fn new(bytes: &[u8], dropped: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        let hex = bytes.iter().flat_map(digits).map(char::from).collect();
        Self { hex, dropped }
    }

    /// `None` when it is no hexadecimal.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = self.hex.as_bytes().chunks(2);
        pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
    }
}

/// A message as it is sent.
pub fn line<T: Serialize>(message: &T) -> Vec<u8> {
    // Strings, numbers and lists of them: nothing that could fail to be written as JSON.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_found_by_its_name() {
        for ask in Ask::ALL {
            assert_eq!(Ask::parse(ask.name()), Some(ask));
        }
        assert_eq!(Ask::parse("of_the_next_release"), None);
    }

    #[test]
    fn a_console_comes_back_as_it_was() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(Serial::new(&all, 7).bytes(), Some(all));
        assert_eq!(Serial::new(&[], 0).bytes(), Some(vec![]));
        for bad in ["a", "zz", "0g", "é"] {
            assert_eq!(Serial { hex: bad.to_owned(), dropped: 0 }.bytes(), None, "{bad}");
        }
    }

    #[test]
    fn fields_of_the_next_release_are_ignored() {
        let hello = r#"{"major":1,"minor":9,"instance":"i","compression":"zstd"}"#;
        let expected = Hello { major: 1, minor: 9, instance: "i".to_owned() };
        assert_eq!(serde_json::from_str::<Hello>(hello).unwrap(), expected);
        let answer = r#"{"id":3,"body":{"serial":{"hex":"","dropped":1,"lines":4}},"took":5}"#;
        let body = Body::Serial(Serial { hex: String::new(), dropped: 1 });
        assert_eq!(serde_json::from_str::<Answer>(answer).unwrap(), Answer { id: 3, body });
    }
}
