//! What the guest might reach, and what it did.

use super::{Story, plural};
use crate::{
    display::size,
    record::{Egress, EgressRecord, Flow, Refusal},
};

pub(super) fn policy(story: &mut Story, egress: &Egress) {
    story.line("Egress", &egress.described());
}

pub(super) fn record(story: &mut Story, record: &EgressRecord) {
    let EgressRecord {
        flows,
        refusals,
        more_flows,
        more_refusals,
        forged_frames,
        limited_packets,
        incomplete,
    } = record;
    story.list("Reached", flows.iter().map(flow), flows.len(), *more_flows);
    story.list("Refused", refusals.iter().map(refusal), refusals.len(), *more_refusals);
    for (count, what) in [(forged_frames, "forged"), (limited_packets, "over a limit")] {
        if *count > 0 {
            story.line("Dropped", &format!("{} {what}", plural(*count, "packet")));
        }
    }
    if let Some(why) = incomplete {
        story.line("Not recorded", why);
    }
}

fn flow(flow: &Flow) -> String {
    let Flow {
        name,
        address,
        port,
        transport,
        protocol,
        connections,
        sent_bytes,
        received_bytes,
        first_at: _,
        last_at: _,
    } = flow;
    let spoken = protocol.as_ref().unwrap_or(transport);
    let to = place(name.as_deref(), address, *port);
    let counted = match connections {
        0 => String::new(),
        _ => format!("{}, ", plural(*connections, "connection")),
    };
    let (sent, received) = (size(*sent_bytes), size(*received_bytes));
    format!("{to} {spoken}: {counted}{sent} sent, {received} received")
}

fn refusal(refusal: &Refusal) -> String {
    let Refusal {
        name,
        query_kind,
        address,
        port,
        transport,
        reason,
        times,
        first_at: _,
        last_at: _,
    } = refusal;
    let what = match (address, query_kind) {
        (Some(address), _) => {
            let to = place(name.as_deref(), address, port.unwrap_or_default());
            format!("{to} {}", transport.as_deref().unwrap_or_default())
        }
        (None, kind) => format!(
            "query {} {}",
            name.as_deref().unwrap_or_default(),
            kind.as_deref().unwrap_or_default()
        ),
    };
    // A name may hold anything, and is one line here.
    let what = what.trim_end().replace('\n', "\\n");
    format!("{what}: {}, {}", in_words(reason), plural(*times, "time"))
}

fn place(name: Option<&str>, address: &str, port: u32) -> String {
    let at = if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    };
    match name {
        Some(name) => format!("{name} ({at})"),
        None => at,
    }
}

/// A newer kilnd's reason is shown as it is.
fn in_words(reason: &str) -> &str {
    match reason {
        "not_allowed" => "no rule names it",
        "never" => "always refused: private, link-local, metadata or the host",
        "private_answer" => "its name was answered by an address that is always refused",
        "no_server_name" => "TLS that names no host, or hides it",
        "other_server_name" => "it named another host than its address stands for",
        "not_the_protocol" => "not what its rule expects; write /tcp if that is meant",
        "query_kind" => "a kind of question that is not answered",
        "limit" => "over a limit",
        "unreachable" => "could not be reached",
        "malformed" => "could not be read",
        newer => newer,
    }
}
