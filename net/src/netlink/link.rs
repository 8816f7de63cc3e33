//! Links.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::{
    Netlink, NetlinkError,
    attribute::{attributes, family_number, number, text},
    message::{CREATE, DUMP, EXCLUSIVE, Message},
};

pub type Mac = [u8; 6];

const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;
const SET: u16 = 19;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const PEER_INDEX: u16 = 5;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const PEER: u16 = 1;
const ALIAS: u16 = 20;
const AF_SPEC: u16 = 26;
const NAMESPACE: u16 = 28;
const EXTENSIONS: u16 = 29;
/// `IFLA_INET6_ADDR_GEN_MODE`, and the mode of no address.
const GENERATION: u16 = 8;
const NO_ADDRESS: u8 = 1;
/// What an answer need not have.
const SKIP_STATISTICS: u32 = 1 << 3;
const HEADER_BYTES: usize = 16;

/// As the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `veth`, `tun`; hardware has none.
    pub kind: Option<String>,
    pub alias: Option<String>,
    pub address: Option<Mac>,
    /// The other end's index, in its own namespace.
    pub peer: Option<u32>,
    pub is_up: bool,
}

/// `ifinfomsg`
fn header(index: u32, flags: u32, change: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let [_, _, _, _, place @ ..] = &mut bytes;
    for (place, value) in place.chunks_exact_mut(4).zip([index, flags, change]) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}

const UP: u32 = libc::IFF_UP.cast_unsigned();

impl Netlink {
    /// A pair of links, one end here, called `name`, the other, `peer`, in `namespace`.
    pub fn make_pair(
        &mut self,
        (name, address): (&str, Mac),
        (peer, peer_address): (&str, Mac),
        namespace: BorrowedFd<'_>,
    ) -> Result<(), NetlinkError> {
        let namespace = namespace.as_raw_fd().to_ne_bytes();
        let message = Message::new(NEW, CREATE | EXCLUSIVE, &header(0, 0, 0))
            .with_text(NAME, name)
            .with(ADDRESS, &address)
            .nest(LINK_INFO, &[], |info| {
                info.with_text(INFO_KIND, "veth").nest(INFO_DATA, &[], |data| {
                    data.nest(PEER, &header(0, 0, 0), |other| {
                        other
                            .with_text(NAME, peer)
                            .with(ADDRESS, &peer_address)
                            .with(NAMESPACE, &namespace)
                    })
                })
            });
        self.order(message, || format!("the link {name} could not be made"))
    }

    pub fn set_alias(&mut self, index: u32, alias: &str) -> Result<(), NetlinkError> {
        // Without its zero: an alias has its length.
        let message = Message::new(SET, 0, &header(index, 0, 0)).with(ALIAS, alias.as_bytes());
        self.order(message, || format!("the link {index} could not be given its alias"))
    }

    pub fn set_address(&mut self, index: u32, address: Mac) -> Result<(), NetlinkError> {
        let message = Message::new(SET, 0, &header(index, 0, 0)).with(ADDRESS, &address);
        self.order(message, || format!("the link {index} could not be given its address"))
    }

    /// No address of IPv6 by itself.
    pub fn set_no_generation(&mut self, index: u32) -> Result<(), NetlinkError> {
        let six = u16::from(family_number(libc::AF_INET6));
        let message = Message::new(SET, 0, &header(index, 0, 0)).nest(AF_SPEC, &[], |families| {
            families.nest(six, &[], |six| six.with(GENERATION, &[NO_ADDRESS]))
        });
        self.order(message, || format!("the link {index} could not be kept from addresses"))
    }

    pub fn set_up(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = Message::new(SET, 0, &header(index, UP, UP));
        self.order(message, || format!("the link {index} could not be set up"))
    }

    /// With its other end.
    pub fn delete_link(&mut self, index: u32) -> Result<(), NetlinkError> {
        let message = Message::new(DELETE, 0, &header(index, 0, 0));
        self.order(message, || format!("the link {index} could not be removed"))
    }

    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        self.one(header(0, 0, 0), |message| message.with_text(NAME, name), name)
    }

    pub fn link_of(&mut self, index: u32) -> Result<Option<Link>, NetlinkError> {
        self.one(header(index, 0, 0), |message| message, &index.to_string())
    }

    fn one(
        &mut self,
        header: [u8; HEADER_BYTES],
        name: impl FnOnce(Message) -> Message,
        called: &str,
    ) -> Result<Option<Link>, NetlinkError> {
        let message = name(Message::new(GET, 0, &header).with_number(EXTENSIONS, SKIP_STATISTICS));
        let mut found = None;
        let asked = self.ask(
            message,
            |_, body| found = parse(body),
            || format!("the link {called} could not be looked at"),
        );
        match asked {
            Err(error) if error.errno() == libc::ENODEV => Ok(None),
            other => other.map(|()| found),
        }
    }

    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let message =
            Message::new(GET, DUMP, &header(0, 0, 0)).with_number(EXTENSIONS, SKIP_STATISTICS);
        let mut found = Vec::new();
        self.ask(
            message,
            |_, body| found.extend(parse(body)),
            || "the links could not be listed".to_owned(),
        )?;
        Ok(found)
    }
}

/// Its index, and whether it is up.
pub(super) fn parse_state(body: &[u8]) -> Option<(u32, bool)> {
    Some((body.get(4..).and_then(number)?, body.get(8..).and_then(number)? & UP != 0))
}

fn parse(body: &[u8]) -> Option<Link> {
    let (header, rest) = body.split_at_checked(HEADER_BYTES)?;
    let (index, is_up) = parse_state(header)?;
    let mut link = Link {
        index,
        name: String::new(),
        kind: None,
        alias: None,
        address: None,
        peer: None,
        is_up,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            NAME => link.name = text(value)?,
            ADDRESS => link.address = value.try_into().ok(),
            PEER_INDEX => link.peer = number(value),
            ALIAS => link.alias = text(value),
            LINK_INFO => {
                let info = attributes(value).find(|(kind, _)| *kind == INFO_KIND);
                link.kind = info.and_then(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    Some(link)
}
