//! An internet of a story's own, and the operator's networks beside it.
//!
//! ```text
//! guest ══ [kilnd's namespace] ══ 203.0.113.0/30 ══ [the internet: every address there is]
//!                  ║
//!                  ╚══════════════ 192.0.2.128/30 ══ [inside: 169.254.169.254, 10/8, 192.168/16, …]
//! ```
//!
//! Either far namespace answers for every address, so whatever a guest finds a way to, arrives, and
//! is written down twice: frame by frame as it comes out of the link ([`Arrivals`]), and by the
//! servers that are spoken to ([`Served`]). Names are answered by a server that says what a story has
//! it say ([`Zone`]).

mod arrivals;
mod certificate;
mod dns;
mod far;
pub mod git;
mod picture;
mod served;
pub mod upstream;
mod zone;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;

use self::far::Far;
pub use self::{
    arrivals::{Arrival, Arrivals},
    git::Git,
    picture::Picture,
    served::{Said, Served},
    upstream::Upstream,
    zone::{Answer, Asked, Data, Zone},
};
use crate::{Namespace, Stage};

/// Between each guest and its gateway.
pub const GUEST_LINK: &str = "192.0.2.0/30";
pub const GUEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The resolver that kilnd is told of.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// Where `one.test`, `two.test` and others are.
pub const SHARED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
pub const SHARED6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x80);
/// Where `three.test` is, alone.
pub const ALONE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 90);
/// Where `game.test` is, alone too.
pub const GAMES: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 91);
/// Of kilnd's host, on the link to the internet.
pub const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
/// A service of the host's own listens at its every address.
pub const HOST_PORT: u16 = 7070;
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What is the operator's, and behind kilnd's host.
const INSIDE: &[&str] = &[
    "169.254.0.0/16",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "64:ff9b::/96",
];

/// Gone with the story.
#[derive(Debug)]
pub struct World {
    host: Namespace,
    zone: Zone,
    internet: Far,
    inside: Far,
    /// The host's own service.
    service: Served,
}

impl World {
    /// Around the namespace of the story's daemons, before they are started.
    pub async fn around(stage: &Stage) -> anyhow::Result<Self> {
        let host = stage.namespace().context("a world takes root")?.clone();
        let zone = Zone::of_tests();
        let mut internet = Far::new(&host, "wan", ["203.0.113", "2001:db8:1:"], 0)?;
        let mut inside = Far::new(&host, "lan", ["192.0.2", "2001:db8:2:"], 128)?;
        host.ip("route add default via 203.0.113.2")?;
        host.ip("-6 route add default via 2001:db8:1::2")?;
        for block in INSIDE {
            let (family, gateway) =
                if block.contains(':') { ("-6", "2001:db8:2::2") } else { ("-4", "192.0.2.130") };
            host.ip(&format!("{family} route add {block} via {gateway}"))?;
        }
        for address in [RESOLVER, SHARED, ALONE, GAMES] {
            internet.answer_as(address.into())?;
        }
        internet.answer_as(SHARED6.into())?;
        inside.answer_as(METADATA.into())?;
        internet.serve(&certificate::authority(stage.directory())?).await?;
        internet.resolve(SocketAddr::from((RESOLVER, 53)), &zone)?;
        inside.serve(&[]).await?;
        let service = Served::default();
        far::listen(&host, HOST_PORT, &service)?;
        Ok(Self { host, zone, internet, inside, service })
    }

    /// What its names stand for, and who asked.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Frames that came out of kilnd's host into the internet.
    pub fn arrivals(&self) -> &Arrivals {
        self.internet.arrivals()
    }

    /// And those into the operator's networks, where none may ever come.
    pub fn trespasses(&self) -> &Arrivals {
        self.inside.arrivals()
    }

    /// What the internet's servers were told.
    pub fn served(&self) -> &Served {
        self.internet.served()
    }

    /// What the servers inside were told, the metadata endpoint's among them.
    pub fn served_inside(&self) -> &Served {
        self.inside.served()
    }

    /// What the host's own service was told.
    pub fn served_by_the_host(&self) -> &Served {
        &self.service
    }

    /// Links, rules, routes, settings and tables of kilnd's host.
    pub fn picture(&self) -> anyhow::Result<Picture> {
        Picture::of(&self.host)
    }

    /// The certificate of a name, in PEM.
    pub fn certificate(&self, name: &str) -> anyhow::Result<String> {
        self.internet.certificate(name)
    }

    /// Whatever arrived in the internet beside questions to the resolver and the given
    /// destinations, as lines to be shown; and everything that arrived inside.
    pub fn strays(&self, expected: &[(IpAddr, u16)]) -> Vec<String> {
        let resolver = (IpAddr::from(RESOLVER), 53);
        let is_expected = |arrival: &&Arrival| {
            let destination = (arrival.destination, arrival.port);
            destination == resolver || expected.contains(&destination)
        };
        let mut strays = self.arrivals().all();
        strays.retain(|arrival| !is_expected(&arrival));
        strays.extend(self.trespasses().all());
        strays.iter().map(Arrival::to_string).collect()
    }
}

#[cfg(test)]
mod tests;
