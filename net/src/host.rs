//! What all networks of one daemon share on the host, and what they take of it.
//!
//! ```text
//! state written ─▶ table, rules, switches ─▶ networks, one by one ─▶ none is left ─▶ all is as before
//!       ▲                                          │
//!       └── the next daemon of the home, whatever became of this one
//! ```
//! Everything is the daemon's own by its instance: the table's name, the state file's name, each
//! link's alias, the priorities of its rules. So that one more machine changes no rule of the host,
//! rules are for pools, and name links by how their names begin. Of a link it is proven that it is
//! ours, or it is not touched.

mod admissible;
mod blocks;
mod forwarding;
mod guard;
mod run;

use std::{io, net::IpAddr, path::Path};

use self::run::{Run, State};
pub use self::{admissible::Inadmissible, blocks::BlockError, run::RunError};
use crate::{
    address::Pools,
    namespace::Namespace,
    netlink::{Link, Netlink, NetlinkError, unless},
    network::{Network, NetworkError, within},
    nft::{self, NftError},
    plan::{Cidr, HostNetwork, Lease, Plan, UPLINK},
    ruleset::{self, Guard},
    sysctl::SysctlError,
    watch::{Changed, Watch, WatchError},
};

/// Where the daemons of a host meet; emptied by a reboot, as the kernel is.
pub const RUN: &str = "/run/kiln/net";

/// In place, for as long as a daemon has networks. Of the namespace of the thread that made it, and
/// to be used by that one.
#[derive(Debug)]
pub struct Host {
    network: HostNetwork,
    netlink: Netlink,
    pools: Pools,
    watch: Watch,
    run: Run,
    state: State,
    /// In the table now.
    guard: Option<Guard>,
}

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the kernel cannot be asked for links")]
    Open(#[source] io::Error),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the host's table could not be put in place")]
    Rules(#[from] NftError),
    #[error(transparent)]
    Blocks(#[from] BlockError),
    #[error(
        "the host's own address {address} is among guests' ({block}) and could not be used any more: \
         choose another --guest-pool or --guest-link"
    )]
    OwnAddress { address: IpAddr, block: Cidr },
}

/// What became of the end of it all.
#[derive(Debug)]
pub enum Released {
    Done,
    /// This link is a machine's still.
    Busy {
        interface: String,
    },
}

impl Host {
    /// Takes up what an earlier daemon of this home left, or begins.
    pub fn prepare(network: HostNetwork, run: &Path) -> Result<Self, HostError> {
        let mut netlink = Netlink::open().map_err(HostError::Open)?;
        let namespace = Namespace::own().and_then(|own| own.number()).map_err(HostError::Open)?;
        let watch = Watch::open(&mut netlink, &network)?;
        if let Some((address, block)) = watch.own_address() {
            return Err(HostError::OwnAddress { address, block });
        }
        let run = Run::open(run, &network.instance, namespace)?;
        // Where one begins does not matter, but that it is not where the last one did.
        let start = std::process::id().wrapping_mul(0x9e37_79b1) ^ run::seconds();
        let pools = Pools::new(&network.pools, start);
        let mut host =
            Self { network, netlink, pools, watch, run, state: State::default(), guard: None };
        match host.set_up() {
            Ok(()) => Ok(host),
            Err(error) => {
                // What an earlier daemon's networks need stays: then there are some.
                let _half_way = host.release();
                Err(error)
            }
        }
    }

    fn set_up(&mut self) -> Result<(), HostError> {
        let _lock = self.run.lock()?;
        self.state = self.run.read()?;
        blocks::choose(&mut self.netlink, &self.network, &mut self.state)?;
        if self.state.forwards.is_none() {
            self.state.forwards = forwarding::all()?;
        }
        self.run.write(&self.state)?;
        blocks::add(&mut self.netlink, &self.state)?;
        self.forward()
    }

    /// Nothing forwards before it is guarded. Under the lock.
    fn forward(&mut self) -> Result<(), HostError> {
        let has_six = self.network.link.six.is_some();
        let mut all = Vec::new();
        for index in self.watch.outward().collect::<Vec<_>>() {
            // One that is gone by now leads nowhere.
            let Some(link) = self.netlink.link_of(index)? else { continue };
            if !Guard::can_name(&link.name) {
                continue;
            }
            all.extend(forwarding::lost(&link.name, &self.state)?);
            let wanted = forwarding::wanted(&link.name, has_six, &self.state)?;
            self.state.switches.extend(wanted.iter().cloned());
            all.extend(wanted);
        }
        let guard = guard::of(&self.run, &self.state)?;
        let lifted = guard::choose(&mut self.netlink, &guard, &mut self.state)?;
        self.run.write(&self.state)?;
        if self.guard.as_ref() != Some(&guard) {
            nft::apply(&ruleset::host(&self.network, &guard))?;
            self.guard = Some(guard);
        }
        guard::add(&mut self.netlink, &self.state.ways)?;
        forwarding::set(&all)?;
        if !lifted.is_empty() {
            guard::remove(&mut self.netlink, &lifted)?;
            self.state.ways.retain(|ways| !lifted.contains(ways));
            self.run.write(&self.state)?;
        }
        Ok(())
    }

    /// For a machine that has none.
    pub fn make(&mut self, machine: &str, plan: &Plan) -> Result<Network, NetworkError> {
        let alias = self.alias(machine);
        let addresses = self.watch.addresses();
        let run = &self.run;
        let lock = || run.lock().map_err(|error| NetworkError::Lock(io::Error::other(error)));
        let (network, netlink) = (&self.network, &mut self.netlink);
        Network::make(network, plan, &alias, (&mut self.pools, lock), netlink, &addresses)
    }

    /// The network of a machine that an earlier daemon made, which is in `namespace`; proven by the
    /// host's end of its uplink.
    pub fn find(&mut self, machine: &str, namespace: Namespace) -> Result<Network, NetworkError> {
        let foreign = || NetworkError::Foreign { name: UPLINK.to_owned() };
        let (inner, addresses) = within(&namespace, || {
            let mut inside = Netlink::open().map_err(NetworkError::Namespace)?;
            Ok((inside.link(UPLINK)?, inside.addresses()?))
        })?;
        let inner = inner.ok_or_else(foreign)?;
        let outer = match inner.peer {
            Some(index) => self.netlink.link_of(index)?.ok_or_else(foreign)?,
            None => return Err(foreign()),
        };
        let is_pair = outer.peer == Some(inner.index);
        if !is_pair || !self.is_ours(&outer) || outer.alias != Some(self.alias(machine)) {
            return Err(foreign());
        }
        let mut lease = Lease { interface: outer.name, address: [0; 4].into(), address6: None };
        for found in addresses.iter().filter(|address| address.link == inner.index) {
            match found.address {
                IpAddr::V4(four) => lease.address = four,
                IpAddr::V6(six) => lease.address6 = Some(six),
            }
        }
        let network = Network::found(lease, outer.index, namespace);
        network.set_host_addresses(&self.network.instance, &self.watch.addresses())?;
        Ok(network)
    }

    /// At once, whoever is still in it.
    pub fn release_network(&mut self, network: Network) -> Result<(), NetworkError> {
        network.release(&mut self.netlink)
    }

    /// The same for one that nobody here has: a machine's that an earlier daemon made, or that was
    /// not finished.
    pub fn release_of(&mut self, machine: &str) -> Result<(), NetworkError> {
        let alias = self.alias(machine);
        self.remove(|link| link.alias.as_deref() == Some(&alias))
    }

    /// Every link of ours, but those of machines in `keep`.
    pub fn sweep(&mut self, keep: &[String]) -> Result<(), NetworkError> {
        let kept: Vec<_> = keep.iter().map(|machine| self.alias(machine)).collect();
        self.remove(|link| !link.alias.as_ref().is_some_and(|alias| kept.contains(alias)))
    }

    fn remove(&mut self, is_meant: impl Fn(&Link) -> bool) -> Result<(), NetworkError> {
        let links = self.netlink.links()?;
        let meant = links.into_iter().filter(|link| self.is_ours(link) && is_meant(link));
        for index in meant.map(|link| link.index).collect::<Vec<_>>() {
            unless(libc::ENODEV, self.netlink.delete_link(index))?;
        }
        Ok(())
    }

    fn alias(&self, machine: &str) -> String {
        format!("kiln {} {machine}", self.network.instance)
    }

    fn is_ours(&self, link: &Link) -> bool {
        link.name.starts_with(&self.network.prefix) && is_of(link, &self.network.instance)
    }

    /// What has changed on the host since the last look; new ways out forward from now on.
    pub fn look(&mut self) -> Result<Changed, HostError> {
        let changed = self.watch.look(&mut self.netlink)?;
        if changed.outward {
            let _lock = self.run.lock()?;
            self.state = self.run.read()?;
            self.forward()?;
        }
        Ok(changed)
    }

    /// Readable when there is something to look at.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    pub fn network(&self) -> &HostNetwork {
        &self.network
    }

    /// What stands in the way, in words for the host's operator.
    pub fn troubles(&mut self) -> Vec<String> {
        let Self { watch, netlink, .. } = self;
        let mut name = |index| netlink.link_of(index).ok().flatten().map(|link| link.name);
        let mut troubles = watch.troubles(&mut name);
        let odd = watch.outward().filter_map(name).filter(|link| !Guard::can_name(link));
        troubles.extend(odd.map(|link| {
            format!("no answers come to guests by {link:?}: no rule can be written for such a name")
        }));
        troubles
    }

    /// All is as it was before the first network, unless somebody else changed it since. Goes on past
    /// failures, of which it tells the first; then another try may do the rest.
    pub fn release(&mut self) -> Result<Released, HostError> {
        let _lock = self.run.lock()?;
        let links = self.netlink.links()?;
        if let Some(link) = links.into_iter().find(|link| self.is_ours(link)) {
            return Ok(Released::Busy { interface: link.name });
        }
        // Others may have handed something over.
        self.state = self.run.read()?;
        undo(&mut self.netlink, &self.run, &self.state, &self.network.instance)?;
        self.state = State::default();
        self.guard = None;
        Ok(Released::Done)
    }
}

/// What an earlier daemon of this home left, for one that gives no machine a network: machines that
/// have one still lose it. Nothing is looked at where nothing was left.
pub fn clear(instance: &str, run: &Path) -> Result<(), HostError> {
    if !run::is_written(run, instance) {
        return Ok(());
    }
    let mut netlink = Netlink::open().map_err(HostError::Open)?;
    let namespace = Namespace::own().and_then(|own| own.number()).map_err(HostError::Open)?;
    let run = Run::open(run, instance, namespace)?;
    let _lock = run.lock()?;
    for link in netlink.links()?.into_iter().filter(|link| is_of(link, instance)) {
        unless(libc::ENODEV, netlink.delete_link(link.index))?;
    }
    let state = run.read()?;
    undo(&mut netlink, &run, &state, instance)
}

/// Under the lock.
fn undo(netlink: &mut Netlink, run: &Run, state: &State, instance: &str) -> Result<(), HostError> {
    let restored = forwarding::restore(run, state);
    let removed = blocks::remove(netlink, state).map_err(HostError::from);
    let lifted = guard::remove(netlink, &state.ways).map_err(HostError::from);
    let cleared = nft::remove(instance).map_err(HostError::from);
    restored.and(removed).and(lifted).and(cleared)?;
    Ok(run.forget()?)
}

/// By its kind and its alias. One that has no alias yet is its maker's, who lives or has taken it
/// with him.
fn is_of(link: &Link, instance: &str) -> bool {
    let ours = format!("kiln {instance} ");
    link.kind.as_deref() == Some("veth")
        && link.alias.as_ref().is_some_and(|alias| alias.starts_with(&ours))
}
