//! What a guest may reach, and what it did.

use serde::Serialize;

use super::Time;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Egress {
    pub(crate) mode: EgressMode,
    /// Of `allow` alone.
    pub(crate) rules: Vec<String>,
}

/// `Unknown` is one of a newer kilnd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EgressMode {
    #[default]
    None,
    Allow,
    Record,
    Internet,
    Unknown,
}

/// As the host saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct EgressRecord {
    pub(crate) flows: Vec<Flow>,
    pub(crate) refusals: Vec<Refusal>,
    /// Not listed.
    pub(crate) more_flows: u64,
    pub(crate) more_refusals: u64,
    /// Dropped, with another's address or otherwise made up.
    pub(crate) forged_frames: u64,
    /// Dropped, over a limit.
    pub(crate) limited_packets: u64,
    /// A part of it was lost, and why.
    pub(crate) incomplete: Option<String>,
}

/// Everything that went to one port of one address under one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Flow {
    /// `None` when nobody asked for one.
    pub(crate) name: Option<String>,
    pub(crate) address: String,
    pub(crate) port: u32,
    pub(crate) transport: String,
    /// As it was recognised; `None` when nothing looked.
    pub(crate) protocol: Option<String>,
    pub(crate) connections: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) first_at: Option<Time>,
    pub(crate) last_at: Option<Time>,
}

/// A question to the resolver, or a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Refusal {
    pub(crate) name: Option<String>,
    /// Of a question.
    pub(crate) query_kind: Option<String>,
    /// Of a connection, as are the next two.
    pub(crate) address: Option<String>,
    pub(crate) port: Option<u32>,
    pub(crate) transport: Option<String>,
    pub(crate) reason: String,
    pub(crate) times: u64,
    pub(crate) first_at: Option<Time>,
    pub(crate) last_at: Option<Time>,
}

/// How many rules are told in words; `--json` has them all.
const MOST_RULES: usize = 10;

impl Egress {
    /// In one line, however many rules it has.
    pub(crate) fn described(&self) -> String {
        let mut words = vec![self.mode.name()];
        words.extend(self.rules.iter().take(MOST_RULES).map(String::as_str));
        let more = match self.rules.len().saturating_sub(MOST_RULES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", words.join(" "))
    }
}

impl EgressMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Allow => "allow",
            Self::Record => "record",
            Self::Internet => "internet",
            Self::Unknown => "unknown",
        }
    }
}
