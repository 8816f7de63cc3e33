//! What is told of something that is not there.

use std::time::Duration;

use hickory_proto::{op::Message, rr::RData};

use super::seconds;

const LONGEST: u32 = 60;
const SHORTEST: u32 = 2;
/// Where the zone does not say.
const UNTOLD: u32 = 10;

/// Whether the zone says so itself (RFC 2308).
pub(super) fn is_told(message: &Message) -> bool {
    message.authorities.iter().any(|one| matches!(one.data, RData::SOA(_)))
}

pub(super) fn ttl(message: &Message) -> Duration {
    let told = message.authorities.iter().find_map(|one| match &one.data {
        RData::SOA(zone) => Some(zone.minimum.min(one.ttl)),
        _ => None,
    });
    seconds(told.unwrap_or(UNTOLD).clamp(SHORTEST, LONGEST))
}
