//! One line of QMP.

use serde::Deserialize;
use serde_json::Value;

/// How much of a complaint of QEMU's is kept.
const REASON_CHARACTERS: usize = 1024;

#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Answer {
        id: u64,
        answer: Result<Value, String>,
    },
    Shutdown(ShutdownReason),
    /// The greeting, an event that we do not need, or no QMP at all: its name, if it has one.
    Other(String),
}

/// Why QEMU ends, as it tells in its SHUTDOWN event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vmm::qemu) enum ShutdownReason {
    GuestPoweredOff,
    GuestReset,
    GuestPanicked,
    /// We asked, or somebody sent it a signal that it heeds.
    Host,
}

#[derive(Deserialize)]
struct Line {
    id: Option<u64>,
    #[serde(rename = "return")]
    returned: Option<Value>,
    error: Option<Complaint>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Complaint {
    desc: String,
}

impl Message {
    pub(super) fn parse(line: &[u8]) -> Self {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            return Self::Other("something that is no QMP".to_owned());
        };
        match line {
            Line { id: Some(id), error: Some(Complaint { desc }), .. } => {
                let reason = crate::guest::text::printable(&desc);
                let answer = Err(reason.chars().take(REASON_CHARACTERS).collect());
                Self::Answer { id, answer }
            }
            Line { id: Some(id), returned: Some(value), .. } => {
                Self::Answer { id, answer: Ok(value) }
            }
            Line { event: Some(event), data, .. } if event == "SHUTDOWN" => {
                Self::Shutdown(ShutdownReason::of(&data))
            }
            Line { event, .. } => Self::Other(event.unwrap_or_default()),
        }
    }
}

impl ShutdownReason {
    /// What the end of a conversation says of QEMU's end. The first reason is the cause, later ones
    /// its consequence.
    pub(in crate::vmm::qemu) fn last_words(heard: &str) -> Option<Self> {
        heard.lines().find_map(|line| match Message::parse(line.as_bytes()) {
            Message::Shutdown(reason) => Some(reason),
            Message::Answer { .. } | Message::Other(_) => None,
        })
    }

    fn of(data: &Value) -> Self {
        match data["reason"].as_str() {
            Some("guest-shutdown") => Self::GuestPoweredOff,
            Some("guest-reset" | "subsystem-reset") => Self::GuestReset,
            Some("guest-panic") => Self::GuestPanicked,
            _ => Self::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Message, ShutdownReason};

    fn check(line: &str, expected: &Message) {
        assert_eq!(&Message::parse(line.as_bytes()), expected);
    }

    fn shutdown(reason: &str) -> String {
        json!({"event": "SHUTDOWN", "data": {"guest": true, "reason": reason}}).to_string()
    }

    #[test]
    fn answers_are_told_from_events() {
        check(r#"{"return": {}, "id": 7}"#, &Message::Answer { id: 7, answer: Ok(json!({})) });
        check(
            r#"{"error": {"class": "GenericError", "desc": "no\nway"}, "id": 8}"#,
            &Message::Answer { id: 8, answer: Err("no\u{fffd}way".into()) },
        );
        check(&shutdown("guest-shutdown"), &Message::Shutdown(ShutdownReason::GuestPoweredOff));
        check(&shutdown("guest-reset"), &Message::Shutdown(ShutdownReason::GuestReset));
        check(&shutdown("guest-panic"), &Message::Shutdown(ShutdownReason::GuestPanicked));
        check(&shutdown("host-qmp-quit"), &Message::Shutdown(ShutdownReason::Host));
        check(&shutdown("of the next release"), &Message::Shutdown(ShutdownReason::Host));
    }

    #[test]
    fn what_is_not_known_is_survived() {
        check(r#"{"event": "RTC_CHANGE", "data": {}}"#, &Message::Other("RTC_CHANGE".into()));
        check(r#"{"event": "OF_THE_NEXT_RELEASE"}"#, &Message::Other("OF_THE_NEXT_RELEASE".into()));
        check(r#"{"QMP": {"version": {}, "capabilities": []}}"#, &Message::Other(String::new()));
        check(r#"{"return": {}}"#, &Message::Other(String::new()));
        for junk in ["", "{", "null", "[1]", "\"x\"", r#"{"id": "text", "return": 1}"#] {
            check(junk, &Message::Other("something that is no QMP".into()));
        }
    }
}
