//! A job with a place of its own on the host, and no machine in it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Host,
    created::Created,
    directory::VmDirectory,
    durable::durable,
    given::{self, Given, Purpose},
    interrupt::{Interrupted, unless_cancelled},
};
use crate::{
    disk::Disks,
    fault::{Point, at},
    host::{
        cgroup::{Cgroup, CgroupLimits},
        network::NetworkError,
    },
    job::{Failure, FailureClass, MachineRecord, Work},
    machine::{self, Parts},
    network::{EgressView, NetworkLease, Networks},
    pool::Number,
    registry::{JobLedger, JobRegistry},
    source::SourceHold,
    store::{JobHandle, LeaseKind},
    vmm::{self, Machine, MachineNetwork},
};

/// For the kernel to be done with a machine's processes, which are dead already.
pub(crate) const CGROUP_LIMIT: Duration = Duration::from_secs(10);

/// What the job has of the host; all of it can be found again from the job's record alone.
#[derive(Debug)]
pub(super) struct Taken {
    /// In the record before anything carries it.
    number: Number,
    /// Named by the job's id.
    directory: VmDirectory,
    /// The home's, in the names of what is taken.
    instance: String,
    /// Named by the home's instance and the job's id.
    cgroup: Option<Cgroup>,
    /// Named by the job's id.
    network: Option<NetworkLease>,
    /// Over that network.
    registry: Option<JobRegistry>,
    /// In the directory.
    disks: Disks,
    /// They stay while the machine may read them.
    given: Given,
    purpose: Purpose,
}

impl Taken {
    pub(super) async fn take(
        host: &Host,
        job: &JobHandle,
        purpose: Purpose,
    ) -> Result<Self, Interrupted> {
        let number = host.numbers.take().ok_or_else(no_number)?;
        let path = host.home.vm_directory(job.id());
        // Written in this order: the last is durable after the others.
        job.lease_number(number.value()).detach();
        let cgroup = job.take_lease(LeaseKind::Cgroup, job.id().as_str());
        cgroup.detach();
        if networks(host, job).is_some() {
            job.take_lease(LeaseKind::Network, job.id().as_str()).detach();
        }
        let directory = job.take_lease(LeaseKind::Directory, path.to_string_lossy());
        let nothing_taken = || give_leases_back(job, path.to_string_lossy().into_owned());
        durable(directory, &host.limits).await.inspect_err(|_| nothing_taken())?;
        at(Point::Numbered);
        let disks = match purpose {
            Purpose::Work => Disks::of(&path, job.spec()),
            Purpose::Check => Disks::of_check(&path, job.spec()),
        };
        let directory = VmDirectory::take(path.clone())
            .inspect_err(|_| nothing_taken())
            .map_err(|error| failed("disks", &error))?;
        at(Point::Directory);
        let instance = host.home.instance().to_owned();
        let mut taken = Self {
            number,
            directory,
            instance,
            cgroup: None,
            network: None,
            registry: None,
            disks,
            given: Given::default(),
            purpose,
        };
        match taken.fill(host, job).await {
            Ok(()) => Ok(taken),
            Err(failure) => {
                taken.release(job).await;
                Err(failure.into())
            }
        }
    }

    /// What an earlier kilnd took for this job. `None` when the number is not ours to have again:
    /// then the machine's address may be another's by now.
    pub(super) fn again(host: &Host, job: &JobHandle) -> Option<Self> {
        let number = host.numbers.take_again(job.recovery().number?)?;
        let path = host.home.vm_directory(job.id());
        let disks = Disks::of(&path, job.spec());
        let cgroup = host.cgroups.as_ref().and_then(|cgroups| cgroups.open(job.id().as_str()));
        let directory = VmDirectory::again(path);
        let instance = host.home.instance().to_owned();
        Some(Self {
            number,
            directory,
            instance,
            cgroup,
            network: None,
            registry: None,
            disks,
            given: Given::again(host, job),
            // One that checks is never taken up again.
            purpose: Purpose::Work,
        })
    }

    /// The network that `machine` was started with, which an earlier kilnd took.
    pub(super) async fn network_again(
        &mut self,
        host: &Host,
        job: &JobHandle,
        machine: &dyn Machine,
    ) -> Result<(), NetworkError> {
        let Some(gateway) = machine.gateway() else { return Ok(()) };
        let networks = host.networks.as_ref().ok_or_else(|| NetworkError::Unavailable {
            reason: "it has none any more".to_owned(),
        })?;
        let (name, path) = (job.id().as_str(), self.directory.path());
        let since = job.snapshot().started_at().unwrap_or(SystemTime::UNIX_EPOCH);
        let mut network = networks.again(name, path, &job.spec().egress, since, gateway).await?;
        if let Some(service) = &host.registry {
            self.registry = Some(service.again(job, self.directory.path()).await);
        }
        network.serve(self.registry.as_ref().map(JobRegistry::streams));
        self.network = Some(network);
        Ok(())
    }

    async fn fill(&mut self, host: &Host, job: &JobHandle) -> Result<(), Failure> {
        if let Some(cgroups) = &host.cgroups {
            let (memory, cpus) = (job.spec().machine_memory_bytes(), job.spec().cpus);
            let limits = CgroupLimits::for_machine(memory, host.vmm.overhead_bytes(), cpus);
            let cgroup = cgroups.create(job.id().as_str(), limits);
            self.cgroup = Some(cgroup.map_err(|error| failed("cgroup", &error))?);
        }
        at(Point::Cgroup);
        if let Some(networks) = networks(host, job) {
            // Made while the disks are, and waited for before there is a VMM.
            let (name, path) = (job.id().as_str(), self.directory.path());
            self.network = Some(NetworkLease::begin(networks, name, path, &job.spec().egress));
        }
        self.given = Given::of(host, job, &self.disks, self.purpose).await?;
        let (disks, spec) = (self.disks.clone(), job.spec().clone());
        let made = spawn_blocking(move || disks.make(&spec)).await;
        made.map_err(|error| failed("disks", &error))?.map_err(|error| failed("disks", &error))?;
        at(Point::Disks);
        Ok(())
    }

    /// Starts the VMM while the scratch disk gets its file system: nothing reads it before the
    /// guest does. The network is there, and shut, before the VMM is.
    pub(super) async fn create(
        mut self,
        host: &Host,
        job: &JobHandle,
    ) -> Result<Created, Interrupted> {
        let mut network = self.network.take();
        let both = async {
            let format = async {
                let formatted = self.disks.format().await;
                formatted.map_err(|error| Failure::infrastructure("disks", &error))
            };
            let create = async {
                let network = match &mut network {
                    Some(network) => {
                        let made = network.made(self.number.value()).await;
                        Some(made.map_err(|error| Failure::infrastructure("network", &error))?)
                    }
                    None => None,
                };
                at(Point::Network);
                let spec = machine::spec(&host.image, self.parts(host, job, network));
                match timeout(host.limits.create, host.vmm.create(spec)).await {
                    Ok(Ok(machine)) => Ok(machine),
                    Ok(Err(error)) => Err(Failure::infrastructure("vmm", &error)),
                    Err(elapsed) => Err(Failure::infrastructure("vmm", &elapsed)),
                }
            };
            tokio::try_join!(create, format).map(|(machine, ())| machine)
        };
        let created = unless_cancelled(job.cancellation(), both).await;
        self.network = network;
        match created {
            Ok(machine) => {
                if let Some(network) = &mut self.network {
                    let registry = host.registry.as_ref();
                    self.registry = registry.map(|service| service.of(job, self.directory.path()));
                    // From before the guest's first instruction.
                    network.serve(self.registry.as_ref().map(JobRegistry::streams));
                }
                job.record_machine(record(host, machine.as_ref())).detach();
                Ok(Created { taken: self, machine })
            }
            Err(interrupted) => {
                self.release(job).await;
                Err(interrupted)
            }
        }
    }

    fn parts<'a>(
        &'a self,
        host: &'a Host,
        job: &'a JobHandle,
        network: Option<MachineNetwork>,
    ) -> Parts<'a> {
        Parts {
            name: job.id().as_str(),
            instance: host.home.instance(),
            directory: self.directory.path(),
            cid: self.number.cid(),
            user: host.vm_users.map(|users| users.of(self.number.value())),
            cgroup: self.cgroup.clone(),
            cpus: job.spec().cpus,
            memory_bytes: job.spec().machine_memory_bytes(),
            disks: &self.disks,
            sources: &self.given.files,
            words: given::words(job, self.purpose),
            network,
        }
    }

    pub(super) fn sources(&self) -> &[SourceHold] {
        &self.given.holds
    }

    /// Beside another machine of the same job, which has been given back.
    pub(super) fn is_second(&self) -> bool {
        self.purpose == Purpose::Check
    }

    pub(super) fn disks(&self) -> &Disks {
        &self.disks
    }

    /// What happens on its network, where it has one.
    pub(super) fn egress(&self) -> Option<&Arc<EgressView>> {
        self.network.as_ref().map(NetworkLease::view)
    }

    /// What the host's registry served, where its guest has one.
    pub(super) fn registry(&self) -> Option<&Arc<JobLedger>> {
        self.registry.as_ref().map(JobRegistry::ledger)
    }

    pub(super) fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    /// Its machine is gone, or never was.
    pub(super) async fn release(self, job: &JobHandle) {
        self.end_what_is_left().await;
        let Self { number, directory, cgroup, network, .. } = self;
        if let Some(network) = network {
            network.release().await;
        }
        at(Point::NetworkGone);
        if let Some(cgroup) = cgroup
            && let Err(error) = cgroup.remove(CGROUP_LIMIT).await
        {
            tracing::error!(%error, "the cgroup of a VM is left behind");
        }
        let path = directory.path().to_string_lossy().into_owned();
        directory.release().await;
        at(Point::DirectoryGone);
        give_leases_back(job, path);
        // Last: nothing carries it any more.
        drop(number);
    }

    /// A supervisor that was killed while it started the machine leaves programs that nobody has
    /// heard of.
    async fn end_what_is_left(&self) {
        if self.cgroup.as_ref().is_none_or(|cgroup| cgroup.processes().is_empty()) {
            return;
        }
        match vmm::reap(self.directory.path(), &self.instance).await {
            Ok(reaped) => tracing::debug!(?reaped, "what was left of a machine"),
            Err(error) => tracing::error!(%error, "what is left of a machine could not be ended"),
        }
    }
}

/// None for what makes a root filesystem and what checks it: whatever is in the image, it reaches
/// neither the outside nor what else the tenant has in the registry.
fn networks<'a>(host: &'a Host, job: &JobHandle) -> Option<&'a Arc<Networks>> {
    host.networks.as_ref().filter(|_| !matches!(job.spec().work, Work::Rootfs(_)))
}

/// Of the directory at `path`, the network and the cgroup, which are gone.
pub(super) fn give_leases_back(job: &JobHandle, path: String) {
    job.release_lease(LeaseKind::Network, job.id().as_str()).detach();
    job.release_lease(LeaseKind::Cgroup, job.id().as_str()).detach();
    job.release_lease(LeaseKind::Directory, path).detach();
}

fn failed(step: &'static str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::infrastructure(step, error)
}

fn no_number() -> Failure {
    let message = "this daemon has no number left for another VM; lower --max-vms";
    Failure::new(FailureClass::Infrastructure, message).with("step", "number")
}

fn record(host: &Host, machine: &dyn Machine) -> MachineRecord {
    let identity = host.vmm.identity();
    MachineRecord {
        vmm: identity.name.into(),
        vmm_version: identity.version.clone(),
        accelerator: identity.accelerator.into(),
        jail: machine.jail(),
        kernel_digest: host.image.kernel.sha256.clone(),
        initramfs_digest: host.image.initramfs.sha256.clone(),
        root_digest: host.image.root.sha256.clone(),
        kernel_release: String::new(),
        agent_version: String::new(),
    }
}
