//! One machine's network.
//!
//! ```text
//! namespace ─▶ TAP, switches ─▶ uplink: the lease ─▶ rules, read back ─▶ routes ─▶ sockets ─▶ network
//! ```
//! *Happy path*: nobody has the TAP or a socket before the rules stand, and what comes from the guest
//! has no route before that. *Failure path*: at any step, also the death of who makes it, the
//! namespace's last descriptor goes, and with it all that is above; where we live to see it, the
//! uplink goes at once, so that its address is free.

mod guest;
mod sockets;

use std::{
    io,
    net::IpAddr,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

pub use self::sockets::SocketError;
use crate::{
    address::Pools,
    namespace::Namespace,
    netlink::{Netlink, NetlinkError, unless},
    nft::{self, NftError},
    plan::{Admission, HostNetwork, Lease, Plan},
    ruleset,
    seen::{self, Seen},
    sysctl::SysctlError,
    uplink::{self, Uplink, UplinkError},
};

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("the machine's namespace could not be made or entered")]
    Namespace(#[source] io::Error),
    #[error("the machine's TAP could not be made")]
    Tap(#[source] io::Error),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    #[error("the machine's uplink could not be made")]
    Uplink(#[from] UplinkError),
    #[error("the machine's rules could not be put in place")]
    Rules(#[from] NftError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("what all networks share is in use by somebody who does not let go")]
    Lock(#[source] io::Error),
    /// It is somebody else's, whatever it is called.
    #[error("the link {name} is none of this machine's")]
    Foreign { name: String },
}

/// In place. The kernel keeps it while a process of the machine is in it, or this lives.
#[derive(Debug)]
pub struct Network {
    lease: Lease,
    /// Of the host's end of the uplink.
    index: u32,
    namespace: Namespace,
    parts: Parts,
}

/// What a machine's programs are born with, each by its name. Given away, or none in a network that
/// was found.
#[derive(Debug, Default)]
pub struct Parts(Vec<(&'static str, OwnedFd)>);

/// The guest's end.
pub const TAP_PART: &str = "tap";

impl Network {
    /// `alias` says whose it is, and `addresses` are the host's own. The lock is held while an
    /// address is taken.
    pub(crate) fn make<L>(
        network: &HostNetwork,
        plan: &Plan,
        alias: &str,
        (pools, lock): (&mut Pools, impl FnOnce() -> Result<L, NetworkError>),
        host: &mut Netlink,
        addresses: &[IpAddr],
    ) -> Result<Self, NetworkError> {
        let namespace = Namespace::make().map_err(NetworkError::Namespace)?;
        let (mut inside, tap) = within(&namespace, || guest::prepare(network))?;
        let Uplink { lease, index } = {
            let _alone = lock()?;
            Uplink::make(network, pools, host, &namespace, alias)?
        };
        let ruleset = ruleset::machine(network, plan, &lease, addresses);
        let finished = within(&namespace, || {
            nft::apply(&ruleset)?;
            guest::connect(&mut inside, network)?;
            uplink::connect(&mut inside, &lease, pools, network)?;
            Ok(sockets::bind(network)?)
        });
        match finished {
            Ok(sockets) => {
                let mut parts = vec![(TAP_PART, tap)];
                parts.extend(sockets);
                Ok(Self { lease, index, namespace, parts: Parts(parts) })
            }
            Err(error) => {
                let _with_the_namespace = host.delete_link(index);
                Err(error)
            }
        }
    }

    /// One that an earlier daemon made: `namespace` is a gateway's.
    pub(crate) fn found(lease: Lease, index: u32, namespace: Namespace) -> Self {
        Self { lease, index, namespace, parts: Parts::default() }
    }

    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// What is there of it to give to programs.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        self.parts.0.iter().map(|(name, part)| (*name, part.as_fd()))
    }

    /// Programs have them now: from here on the TAP is there as long as its guest is.
    pub fn let_go_of_parts(&mut self) {
        self.parts.0.clear();
    }

    /// What the guest may reach for some time.
    pub fn admit(&self, instance: &str, admissions: &[Admission]) -> Result<(), NetworkError> {
        within(&self.namespace, || Ok(nft::admit(instance, admissions)?))
    }

    /// The host has other addresses now, which the guest may not reach.
    pub fn set_host_addresses(
        &self,
        instance: &str,
        addresses: &[IpAddr],
    ) -> Result<(), NetworkError> {
        within(&self.namespace, || Ok(nft::host_addresses(instance, addresses)?))
    }

    pub fn seen(&self, instance: &str) -> Result<Seen, NetworkError> {
        within(&self.namespace, || Ok(seen::read(instance)?))
    }

    /// At once, whoever is still in it. `host` is the host's namespace's.
    pub(crate) fn release(self, host: &mut Netlink) -> Result<(), NetworkError> {
        match host.link(&self.lease.interface)? {
            // Another one can have the name by now, and none has the number.
            Some(link) if link.index == self.index => {
                unless(libc::ENODEV, host.delete_link(self.index))?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Does `work` in a namespace, with errors of its own.
pub(crate) fn within<T: Send>(
    namespace: &Namespace,
    work: impl FnOnce() -> Result<T, NetworkError> + Send,
) -> Result<T, NetworkError> {
    namespace.enter(|| Ok(work())).map_err(NetworkError::Namespace)?
}
