//! The networks of machines. The helper holds a descriptor of each one's namespace, and what its
//! programs are born with until they are; `kiln_net` knows how they are made.

use std::{
    collections::HashMap,
    error::Error,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use kiln_net::{
    host::{Host, HostError, Released},
    network::{Network, NetworkError, TAP_PART},
    plan::{Admission, HostNetwork, Lease, Plan},
    seen::Seen,
    uplink::UplinkError,
};
use kiln_shim::{GIVEN, ProcessIdentity};

use crate::{Answer, Policy, Refusal, gateway, given::Given};

/// What root allows, and what there is of it.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    /// Once it was asked for.
    host: Option<Host>,
    /// By their jobs.
    machines: HashMap<String, Machine>,
}

#[derive(Debug)]
struct Machine {
    network: Network,
    plan: Plan,
}

/// What an answer says when it could not be done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// As it is told.
    Answer(Answer),
    Failed {
        what: String,
        errno: i32,
    },
}

type Done<T> = Result<Result<T, Failure>, Refusal>;

impl Networks {
    pub(crate) fn prepare(&mut self, policy: &Policy) -> Done<()> {
        let network = policy.network.as_ref().ok_or(Refusal::NoNetworks)?;
        if self.host.is_some() {
            return Ok(Ok(()));
        }
        Ok(match Host::prepare(network.clone(), &policy.networks) {
            Ok(host) => {
                self.host = Some(host);
                Ok(())
            }
            Err(error) => Err(Failure::Answer(Answer::NoNetwork { reason: chain(&error) })),
        })
    }

    pub(crate) fn make(&mut self, job: &str, plan: Plan) -> Done<(Lease, OwnedFd)> {
        let host = self.host.as_mut().ok_or(Refusal::NoNetworks)?;
        within_ceiling(&plan, host.network())?;
        if self.machines.contains_key(job) {
            let what = format!("a network for {job}, which has one");
            return Ok(Err(Failure::Failed { what, errno: libc::EEXIST }));
        }
        let made = host.make(job, &plan).map_err(Failure::from);
        Ok(made.and_then(|network| {
            let lease = network.lease().clone();
            let tap = network.parts().find(|(name, _)| *name == TAP_PART);
            let tap = tap.and_then(|(_, tap)| tap.try_clone_to_owned().ok());
            let tap = tap.ok_or_else(|| Failure::Failed {
                what: format!("the TAP of {job}"),
                errno: libc::EMFILE,
            })?;
            self.machines.insert(job.to_owned(), Machine { network, plan });
            Ok((lease, tap))
        }))
    }

    /// `process` is to be the job's gateway, and what it is in the job's network.
    pub(crate) fn take(
        &mut self,
        policy: &Policy,
        cgroups: &[PathBuf],
        job: &str,
        process: ProcessIdentity,
        plan: Plan,
    ) -> Done<Lease> {
        let host = self.host.as_mut().ok_or(Refusal::NoNetworks)?;
        within_ceiling(&plan, host.network())?;
        if let Some(Machine { network, .. }) = self.machines.get(job) {
            return Ok(Ok(network.lease().clone()));
        }
        let namespace = gateway::namespace(policy, cgroups, process)?;
        Ok(match host.find(job, namespace) {
            Ok(network) => {
                let lease = network.lease().clone();
                self.machines.insert(job.to_owned(), Machine { network, plan });
                Ok(lease)
            }
            Err(NetworkError::Foreign { .. }) => return Err(Refusal::Process { pid: process.pid }),
            Err(error) => Err(error.into()),
        })
    }

    pub(crate) fn admit(&self, job: &str, admissions: &[Admission]) -> Done<()> {
        let host = self.host.as_ref().ok_or(Refusal::NoNetworks)?;
        let Machine { network, plan } = self.machine(job)?;
        let addresses = host.watch().addresses();
        if let Err(invalid) = host.network().admissible(*plan, admissions, &addresses) {
            return Err(Refusal::Ceiling { what: invalid.to_string() });
        }
        Ok(network.admit(&host.network().instance, admissions).map_err(Failure::from))
    }

    pub(crate) fn read(&self, job: &str) -> Done<Seen> {
        let host = self.host.as_ref().ok_or(Refusal::NoNetworks)?;
        let Machine { network, .. } = self.machine(job)?;
        Ok(network.seen(&host.network().instance).map_err(Failure::from))
    }

    fn machine(&self, job: &str) -> Result<&Machine, Refusal> {
        self.machines.get(job).ok_or_else(|| Refusal::Networkless { job: job.to_owned() })
    }

    pub(crate) fn release(&mut self, job: &str) -> Done<()> {
        let host = self.host.as_mut().ok_or(Refusal::NoNetworks)?;
        let released = match self.machines.remove(job) {
            Some(Machine { network, .. }) => host.release_network(network),
            None => host.release_of(job),
        };
        Ok(released.map_err(Failure::from))
    }

    pub(crate) fn sweep(&mut self, keep: &[String]) -> Done<()> {
        let host = self.host.as_mut().ok_or(Refusal::NoNetworks)?;
        self.machines.retain(|job, _| keep.contains(job));
        Ok(host.sweep(keep).map_err(Failure::from))
    }

    /// Nothing to do, where nothing was asked for.
    pub(crate) fn release_host(&mut self) -> Result<(), Failure> {
        let Some(host) = &mut self.host else { return Ok(()) };
        match host.release() {
            Ok(Released::Done) => {
                self.host = None;
                self.machines.clear();
                Ok(())
            }
            Ok(Released::Busy { interface }) => {
                Err(Failure::Answer(Answer::Busy { path: interface.into() }))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn troubles(&mut self) -> Result<Vec<String>, Refusal> {
        let mut troubles = self.look();
        let host = self.host.as_mut().ok_or(Refusal::NoNetworks)?;
        troubles.extend(host.troubles());
        Ok(troubles)
    }

    /// Readable when there is something to look at.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.host.as_ref().map(|host| host.watch().as_fd())
    }

    /// At what has changed on the host. What could not be done about it is told.
    pub(crate) fn look(&mut self) -> Vec<String> {
        let Some(host) = &mut self.host else { return Vec::new() };
        let changed = match host.look() {
            Ok(changed) => changed,
            Err(error) => return vec![chain(&error)],
        };
        if !changed.addresses {
            return Vec::new();
        }
        let addresses = host.watch().addresses();
        let instance = &host.network().instance;
        let told = self.machines.iter().filter_map(|(job, Machine { network, .. })| {
            let error = network.set_host_addresses(instance, &addresses).err()?;
            Some(format!("{job} does not know the host's new addresses: {}", chain(&error)))
        });
        told.collect()
    }

    /// What the job's programs can be given, if it has a network.
    pub(crate) fn given(&self, job: &str) -> Option<Given<'_>> {
        let Machine { network, .. } = self.machines.get(job)?;
        // By the names that orders have, which are the same.
        let named = |(name, part)| Some((*GIVEN.iter().find(|known| **known == name)?, part));
        let descriptors = network.parts().filter_map(named).collect();
        Some(Given { namespace: network.namespace(), descriptors })
    }

    /// They have it.
    pub(crate) fn gave(&mut self, job: &str) {
        if let Some(Machine { network, .. }) = self.machines.get_mut(job) {
            network.let_go_of_parts();
        }
    }
}

/// A machine's may be narrower than root's.
fn within_ceiling(plan: &Plan, network: &HostNetwork) -> Result<(), Refusal> {
    let refused = |what: &str| Err(Refusal::Ceiling { what: what.to_owned() });
    let (asked, most) = (plan.limits, network.limits);
    if plan.reach > network.ceiling {
        return refused("its reach");
    }
    if asked.connections > most.connections
        || asked.new_connections_per_second > most.new_connections_per_second
        || asked.packets_per_second > most.packets_per_second
        || asked.bytes_per_second > most.bytes_per_second
    {
        return refused("one of its limits");
    }
    if asked.connections == 0
        || asked.new_connections_per_second == 0
        || asked.packets_per_second == 0
        || asked.bytes_per_second == 0
    {
        return Err(Refusal::Order { reason: "a limit of it is 0".to_owned() });
    }
    Ok(())
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        match &error {
            NetworkError::Uplink(full @ UplinkError::NoAddress { .. }) => {
                Self::Answer(Answer::NoAddress { reason: full.to_string() })
            }
            _ => Self::Failed { what: chain(&error), errno: errno(&error) },
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Failed { what: chain(&error), errno: errno(&error) }
    }
}

/// The kernel's own, as far down as it stands.
fn errno(error: &(dyn Error + 'static)) -> i32 {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return number;
        }
        next = error.source();
    }
    libc::EIO
}

fn chain(error: &dyn Error) -> String {
    crate::serve::chain(error)
}
