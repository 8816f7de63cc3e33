//! Elements of sets, by the kernel's own protocol: a program would take longer to start than a
//! guest should wait for its answer.

mod batch;
mod message;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{plan::Admission, record::Transport};
use batch::Batch;
use message::{Element, Request};

#[derive(Debug, thiserror::Error)]
pub enum ElementsError {
    #[error("the kernel's netlink could not be spoken to")]
    Netlink(#[source] rustix::io::Errno),
    /// Nothing was changed.
    #[error("the kernel refused elements of set {set:?} of table {table:?}")]
    Refused { table: String, set: String, source: rustix::io::Errno },
    #[error("the kernel has not kept an element of set {set:?} of table {table:?}")]
    Lost { table: String, set: String },
    #[error("an answer of the kernel's netlink could not be read")]
    Malformed,
    #[error("{0} elements are too many for one transaction; {AT_ONCE} are not")]
    TooMany(usize),
    #[error("{0:?} has no ports that could be admitted")]
    Transport(Transport),
}

/// A list of elements is one attribute, which has 64 KiB.
const LISTED: usize = 512;
/// In one transaction.
const AT_ONCE: usize = 4096;

pub(super) fn admit(table: &str, admissions: &[Admission]) -> Result<(), ElementsError> {
    let mut sets: BTreeMap<&str, BTreeMap<Vec<u8>, Duration>> = BTreeMap::new();
    for admission in admissions {
        let (set, element) = admitted(admission)?;
        // Twice in one list would be deleted twice, and the second is not there.
        let longest = sets.entry(set).or_default().entry(element).or_default();
        *longest = (*longest).max(Duration::from_secs(admission.seconds.max(1).into()));
    }
    let sets: Vec<(&str, Vec<Element>)> = sets
        .into_iter()
        .map(|(set, elements)| (set, elements.into_iter().map(Element::from).collect()))
        .collect();
    change(table, &sets, |batch, set, elements| {
        // Added, taken away and added again: what is there is no error, and its time begins anew.
        for request in [Request::Add, Request::Delete, Request::Add] {
            batch.add(request, table, set, elements);
        }
    })
}

/// One transaction, and a look whether it holds.
fn change<Name: AsRef<str>>(
    table: &str,
    sets: &[(Name, Vec<Element>)],
    mut changes: impl FnMut(&mut Batch, &str, &[Element]),
) -> Result<(), ElementsError> {
    let count = sets.iter().map(|(_, elements)| elements.len()).sum();
    if count > AT_ONCE {
        return Err(ElementsError::TooMany(count));
    }
    let mut batch = Batch::open()?;
    for (set, elements) in sets {
        changes(&mut batch, set.as_ref(), elements);
    }
    batch.commit()?;
    sets.iter().try_for_each(|(set, elements)| batch.look_up(table, set.as_ref(), elements))
}

pub(super) fn replace(table: &str, name: &str, addresses: &[IpAddr]) -> Result<(), ElementsError> {
    let mut sets = Vec::new();
    for (family, six) in [(4, false), (6, true)] {
        let mut keys: Vec<_> = addresses
            .iter()
            .filter(|address| address.is_ipv6() == six)
            .map(|address| octets(*address))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let elements: Vec<_> = keys.into_iter().map(|key| Element { key, timeout: None }).collect();
        sets.push((format!("{name}{family}"), elements));
    }
    change(table, &sets, |batch, set, elements| {
        batch.add(Request::Flush, table, set, &[]);
        batch.add(Request::Add, table, set, elements);
    })
}

/// Its set and its key there: each part is padded to four bytes.
fn admitted(admission: &Admission) -> Result<(&'static str, Vec<u8>), ElementsError> {
    let Admission { address, transport, port, seconds: _ } = admission;
    let protocol = match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
        Transport::Icmp | Transport::Other => return Err(ElementsError::Transport(*transport)),
    };
    let mut key = octets(*address);
    key.extend([protocol, 0, 0, 0]);
    if *port == 0 {
        return Ok((if address.is_ipv6() { "allowed_any6" } else { "allowed_any4" }, key));
    }
    let [high, low] = port.to_be_bytes();
    key.extend([high, low, 0, 0]);
    Ok((if address.is_ipv6() { "allowed6" } else { "allowed4" }, key))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
