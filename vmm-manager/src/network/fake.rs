//! A kernel whose networks are a list: it remembers what there is, and fails where it is told to.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use kiln_net::{
    plan::{Admission, GuestLink, GuestLink6, Lease, Limits, Plan},
    policy::{Ceiling, Endpoint, Policy},
    record::Transport,
    seen::{Seen, SeenRefusal},
};
use kiln_shim::ProcessIdentity;

use super::{Networks, NetworksParts};
use crate::{
    config::{NetworkConfig, Resolvers},
    host::{
        VmUsers,
        network::{NetworkError, NetworkKernel},
    },
    vmm::Jailed,
};

/// What it does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    Make,
    Take,
    Read,
    Release,
    Look,
}

#[derive(Debug, Default)]
pub(crate) struct FakeKernel {
    networks: Mutex<BTreeMap<String, Network>>,
    pub(crate) fails: Mutex<Vec<Fails>>,
    /// What each operation takes.
    pub(crate) slowness: Mutex<Duration>,
    /// What every network has refused so far.
    pub(crate) refused: Mutex<Vec<SeenRefusal>>,
    /// What stands in the way, and how often somebody asked.
    pub(crate) troubles: Mutex<(Vec<String>, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) plan: Plan,
    pub(crate) admitted: Vec<Admission>,
    /// How often it was taken up again.
    pub(crate) taken: u32,
}

impl FakeKernel {
    pub(crate) fn names(&self) -> Vec<String> {
        self.networks.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn network(&self, job: &str) -> Option<Network> {
        self.networks.lock().unwrap().get(job).cloned()
    }

    /// As another daemon's leavings would be.
    pub(crate) fn plant(&self, job: &str, plan: Plan) {
        let network = Network { plan, admitted: Vec::new(), taken: 0 };
        self.networks.lock().unwrap().insert(job.to_owned(), network);
    }

    pub(crate) fn refuses(&self, address: &str, port: u16) {
        let address = address.parse().unwrap();
        let refusal = SeenRefusal { address, port, transport: Transport::Tcp, packets: 3 };
        self.refused.lock().unwrap().push(refusal);
    }

    async fn step(&self, fails: Option<Fails>) -> Result<(), NetworkError> {
        let slowness = *self.slowness.lock().unwrap();
        tokio::time::sleep(slowness).await;
        match fails {
            Some(step) if self.fails.lock().unwrap().contains(&step) => {
                Err(NetworkError::Refused { reason: format!("told to fail at {step:?}") })
            }
            _ => Ok(()),
        }
    }

    fn of<T>(&self, job: &str, change: impl FnOnce(&mut Network) -> T) -> Result<T, NetworkError> {
        let none = || NetworkError::Refused { reason: format!("{job} has no network") };
        self.networks.lock().unwrap().get_mut(job).map(change).ok_or_else(none)
    }
}

#[async_trait]
impl NetworkKernel for FakeKernel {
    async fn make(&self, job: &str, plan: Plan) -> Result<(Lease, OwnedFd), NetworkError> {
        self.step(Some(Fails::Make)).await?;
        assert!(self.network(job).is_none(), "{job} has one already");
        self.plant(job, plan);
        Ok((lease(), std::fs::File::open("/dev/null").unwrap().into()))
    }

    async fn take(&self, job: &str, _: ProcessIdentity, plan: Plan) -> Result<Lease, NetworkError> {
        self.step(Some(Fails::Take)).await?;
        self.of(job, |network| {
            assert_eq!(network.plan, plan, "another plan than it was made with");
            network.taken += 1;
        })?;
        Ok(lease())
    }

    async fn admit(&self, job: &str, admissions: Vec<Admission>) -> Result<(), NetworkError> {
        self.step(None).await?;
        self.of(job, |network| network.admitted.extend(admissions))
    }

    async fn read(&self, job: &str) -> Result<Seen, NetworkError> {
        self.step(Some(Fails::Read)).await?;
        self.of(job, |_| ())?;
        Ok(Seen { refused: self.refused.lock().unwrap().clone(), ..Seen::default() })
    }

    async fn release(&self, job: &str) -> Result<(), NetworkError> {
        self.step(Some(Fails::Release)).await?;
        self.networks.lock().unwrap().remove(job);
        Ok(())
    }

    async fn sweep(&self, keep: Vec<String>) -> Result<(), NetworkError> {
        self.step(None).await?;
        self.networks.lock().unwrap().retain(|job, _| keep.contains(job));
        Ok(())
    }

    async fn release_host(&self) -> Result<bool, NetworkError> {
        Ok(self.names().is_empty())
    }

    async fn troubles(&self) -> Result<Vec<String>, NetworkError> {
        self.step(Some(Fails::Look)).await?;
        let (troubles, looks) = &mut *self.troubles.lock().unwrap();
        *looks += 1;
        Ok(troubles.clone())
    }
}

fn lease() -> Lease {
    let address = [192, 0, 2, 7].into();
    Lease { interface: "kfake00-1".to_owned(), address, address6: None }
}

/// With this kernel, and an endpoint that nobody answers at.
pub(crate) async fn networks(kernel: &Arc<FakeKernel>) -> Arc<Networks> {
    let endpoint = Endpoint { name: "mirror.kiln".parse().unwrap(), port: 443 };
    let ceiling = Ceiling { widest: Policy::Internet, endpoints: vec![endpoint] };
    let resolvers = Resolvers::Named(Vec::new());
    networks_with(kernel, ceiling, resolvers).await
}

/// Nobody answers at the endpoints.
pub(crate) async fn networks_with(
    kernel: &Arc<FakeKernel>,
    ceiling: Ceiling,
    resolvers: Resolvers,
) -> Arc<Networks> {
    let limits = Limits {
        connections: 16,
        new_connections_per_second: 16,
        packets_per_second: 1000,
        bytes_per_second: 1 << 20,
    };
    let six = GuestLink6 {
        guest: "2001:db8::2".parse().unwrap(),
        gateway: "2001:db8::1".parse().unwrap(),
    };
    let (guest, gateway) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
    let link = GuestLink { guest, gateway, six: Some(six) };
    let config = NetworkConfig {
        link,
        pools: vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:1::/64".parse().unwrap()],
        never: vec!["203.0.113.0/24".parse().unwrap()],
        limits,
        resolvers,
    };
    let nobody = "127.0.0.1:1".parse().unwrap();
    Arc::new(Networks::new(NetworksParts {
        kernel: Arc::clone(kernel) as Arc<dyn NetworkKernel>,
        config,
        endpoints: ceiling.endpoints.iter().map(|one| (one.clone(), nobody)).collect(),
        ceiling,
        registry: true,
        program: Jailed::find("/bin/sh".as_ref()).await.unwrap(),
        users: VmUsers::from_base(1_900_000_000).unwrap(),
    }))
}
