//! Names that never leave this host, since whoever answered them would tell of it, or of its
//! neighbours: RFC 6761 and its like, and the reverse of addresses that no guest reaches.

use hickory_proto::rr::Name;

use crate::gateway::Gateway;

const LOCAL: [&str; 9] = [
    "local",
    "localhost",
    "localdomain",
    "onion",
    "invalid",
    "alt",
    "internal",
    "home.arpa",
    "resolver.arpa",
];

pub(super) fn is_ours_alone(gateway: &Gateway, name: &Name) -> bool {
    // A search list of the host's resolver would complete it.
    let is_bare = name.num_labels() < 2;
    let labels: Vec<_> = name.iter().map(<[u8]>::to_ascii_lowercase).collect();
    let is_local = LOCAL.iter().any(|own| {
        let own: Vec<_> = own.split('.').map(|label| label.as_bytes().to_vec()).collect();
        labels.ends_with(&own)
    });
    let is_reverse = name.parse_arpa_name().is_ok_and(|block| gateway.never(block.addr()));
    is_bare || is_local || is_reverse
}
