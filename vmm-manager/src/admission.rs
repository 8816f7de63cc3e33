//! Whether a job could ever run on this host, and whether there is room for it to wait. Pure: what
//! the host has is handed in.

use kiln_net::policy::{BeyondCeiling, Ceiling, Policy};

use crate::{
    job::{JobSpec, Work, rootfs::RootfsImage},
    scheduler::Budget,
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("asks for {asked} and this host gives a job at most {limit}")]
    TooMuch {
        /// The field of the spec that asks for too much.
        field: &'static str,
        asked: u64,
        limit: u64,
    },
    #[error(transparent)]
    Egress(#[from] BeyondCeiling),
    #[error(
        "is `{asked}`, and VMs of this host have no network: kilnd runs without root, or with \
         --no-network; ask for none"
    )]
    NoNetwork { asked: &'static str },
    #[error("cannot be run on this host: {0}")]
    NoBuilds(&'static str),
    #[error("cannot be had on this host: {reason}")]
    NoImages {
        /// Of the spec: where the image is named.
        field: &'static str,
        reason: &'static str,
    },
}

/// Whether a host can build, or why it can't.
pub type Builds = Result<(), &'static str>;
/// Whether a host can bring images that nobody sends it, or why it can't.
pub type Images = Result<(), &'static str>;

/// What VMs of a host can be given of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    Absent,
    UpTo(Ceiling),
}

impl Refusal {
    /// Of the spec.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TooMuch { field, .. } | Self::NoImages { field, .. } => field,
            Self::NoBuilds(_) => "spec.build",
            Self::Egress(BeyondCeiling::Rule { .. }) => "spec.egress.rules",
            Self::Egress(BeyondCeiling::Mode { .. }) | Self::NoNetwork { .. } => "spec.egress.mode",
        }
    }
}

/// Images come to a guest through the host's registry, over a network to it, and are kept there.
pub fn builds(has_registry: bool, has_network: bool) -> Builds {
    match (has_registry, has_network) {
        (true, true) => Ok(()),
        (false, _) => Err("images are kept in its registry, and it has none; start kilnd without \
                           --no-registry"),
        (true, false) => Err("its VMs have no network, and so no way to its registry: kilnd runs \
                              without root, or with --no-network"),
    }
}

pub fn images(has_registry: bool) -> Images {
    if has_registry {
        Ok(())
    } else {
        Err("its registry brings images, and it has none; start kilnd without --no-registry, or \
             upload the image")
    }
}

/// Whether there is what the job's work needs beside its size.
pub fn admit_work(spec: &JobSpec, builds: Builds, images: Images) -> Result<(), Refusal> {
    let brought = |field| images.map_err(|reason| Refusal::NoImages { field, reason });
    match &spec.work {
        Work::Build(_) => builds.map_err(Refusal::NoBuilds),
        Work::Rootfs(rootfs) => match &rootfs.source {
            RootfsImage::Reference(_) => brought("spec.rootfs.reference"),
            RootfsImage::Build { .. } => brought("spec.rootfs.build"),
            RootfsImage::Upload(_) => Ok(()),
        },
        Work::Exec(_) | Work::Boot(_) => Ok(()),
    }
}

/// Whether a guest may reach what the job asks for.
pub fn admit_egress(policy: &Policy, network: &Network) -> Result<(), Refusal> {
    match (policy, network) {
        (Policy::None, _) => Ok(()),
        (asked, Network::Absent) => Err(Refusal::NoNetwork { asked: asked.mode() }),
        (asked, Network::UpTo(ceiling)) => Ok(ceiling.covers(asked)?),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} jobs wait, and no more may (kilnd --max-queued): submit it again later")]
pub struct QueueFull {
    pub limit: usize,
}

/// Whether the job fits into all that the host has, when nothing else runs.
pub fn admit(spec: &JobSpec, total: Budget) -> Result<(), Refusal> {
    let need = Budget::of(spec);
    // Of a root filesystem the outputs follow from it.
    let is_only_disk = spec.outputs.is_empty() || matches!(spec.work, Work::Rootfs(_));
    let disk = if is_only_disk || spec.disk_bytes > total.disk_bytes {
        "spec.disk_bytes"
    } else {
        "spec.outputs"
    };
    // The machine has a reserve that its job does not know of.
    let reserve = need.memory_bytes - spec.memory_bytes;
    let memory_limit = total.memory_bytes.saturating_sub(reserve);
    let checks = [
        ("spec", u64::from(need.vms), u64::from(total.vms)),
        ("spec.cpus", u64::from(need.cpus), u64::from(total.cpus)),
        ("spec.memory_bytes", spec.memory_bytes, memory_limit),
        (disk, need.disk_bytes, total.disk_bytes),
    ];
    for (field, asked, limit) in checks {
        if asked > limit {
            return Err(Refusal::TooMuch { field, asked, limit });
        }
    }
    Ok(())
}

/// Whether one more may wait beside `waiting`.
pub fn room(waiting: usize, limit: usize) -> Result<(), QueueFull> {
    if waiting < limit { Ok(()) } else { Err(QueueFull { limit }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job::{DiskFormat, Exec, JobId, OutputDisk, Rootfs, SourceId};

    prop_compose! {
        fn specs()(
            cpus in 1..200_u32,
            memory in 1..1_u64 << 40,
            disk in 1..1_u64 << 50,
            output in proptest::option::of(1..1_u64 << 50),
        ) -> JobSpec {
            let exec = Exec {
                argv: vec!["true".to_owned()],
                env: Vec::new(),
                workdir: String::new(),
                user: String::new(),
                stdin: false,
                terminal: None,
            };
            let output = output.map(|max_bytes| OutputDisk {
                name: "out".to_owned(),
                path: "/out".to_owned(),
                format: DiskFormat::Tar,
                max_bytes,
            });
            JobSpec {
                cpus,
                memory_bytes: memory,
                disk_bytes: disk,
                timeout: None,
                attach: false,
                work: Work::Exec(exec),
                inputs: Vec::new(),
                outputs: output.into_iter().collect(),
                egress: Policy::None,
            }
        }
    }

    #[test]
    fn a_build_needs_a_registry_and_a_way_to_it() {
        let exec = crate::store::samples::spec("true");
        let build = Work::Build(Box::new(crate::build::samples::build()));
        let build = JobSpec { work: build, ..exec.clone() };
        assert_eq!(admit_work(&build, builds(true, true), Ok(())), Ok(()));
        for (host, words) in
            [(builds(false, true), "--no-registry"), (builds(true, false), "--no-network")]
        {
            assert_eq!(admit_work(&exec, host, Ok(())), Ok(()));
            let refusal = admit_work(&build, host, Ok(())).unwrap_err();
            assert_eq!(refusal.field(), "spec.build");
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }

    #[test]
    fn an_image_that_nobody_sends_needs_a_registry() {
        let check = |source, expected: Option<&str>| {
            let rootfs = Rootfs { source, ..crate::rootfs::samples::rootfs() };
            let work = Work::Rootfs(Box::new(rootfs));
            let spec = JobSpec { work, ..crate::store::samples::spec("true") };
            assert_eq!(admit_work(&spec, Ok(()), images(true)), Ok(()));
            // A host that can't build makes root filesystems.
            assert_eq!(admit_work(&spec, builds(true, false), images(true)), Ok(()));
            let refusal = admit_work(&spec, Ok(()), images(false)).err();
            assert_eq!(refusal.as_ref().map(Refusal::field), expected);
            assert!(refusal.is_none_or(|why| why.to_string().contains("--no-registry")));
        };
        let build = RootfsImage::Build { build: JobId::generate(), export: String::new() };
        check(RootfsImage::Reference("local/app".to_owned()), Some("spec.rootfs.reference"));
        check(build, Some("spec.rootfs.build"));
        check(RootfsImage::Upload(SourceId::generate()), None);
    }

    #[test]
    fn a_build_has_an_engines_disk_beside_its_scratch() {
        let check = |disk_bytes, expected: u64| {
            let exec = JobSpec { disk_bytes, ..crate::store::samples::spec("true") };
            assert_eq!(exec.host_disk_bytes(), disk_bytes);
            let build = Work::Build(Box::new(crate::build::samples::build()));
            let build = JobSpec { work: build, ..exec };
            assert_eq!(build.host_disk_bytes(), expected);
        };
        check(1 << 28, 2 << 28);
        check(2 << 30, 3 << 30);
        check(10 << 30, 15 << 30);
    }

    #[test]
    fn a_network_is_given_up_to_the_ceiling() {
        let check = |asked: &str, ceiling: Option<&str>, expected: Option<(&str, &str)>| {
            let widest = |text: &str| Ceiling { widest: text.parse().unwrap(), endpoints: vec![] };
            let network = ceiling.map_or(Network::Absent, |text| Network::UpTo(widest(text)));
            let refused = admit_egress(&asked.parse().unwrap(), &network).err();
            match (refused, expected) {
                (None, None) => {}
                (Some(refusal), Some((field, words))) => {
                    assert_eq!(refusal.field(), field);
                    assert!(refusal.to_string().contains(words), "{refusal}");
                }
                (refused, _) => panic!("{asked}: {refused:?}"),
            }
        };
        check("none", None, None);
        check("none", Some("none"), None);
        check("internet", None, Some(("spec.egress.mode", "have no network")));
        check("record", Some("none"), Some(("spec.egress.mode", "beyond what this host allows")));
        let rule = Some(("spec.egress.rules", "two.test:443 is beyond"));
        check("allow=one.test,two.test", Some("allow=one.test"), rule);
        check("allow=one.test,two.test", Some("allow=*.test"), None);
    }

    proptest! {
        #[test]
        fn what_is_admitted_fits_and_what_is_refused_does_not(
            spec in specs(),
            cpus in 1..100_u32,
            memory_bytes in 0..1_u64 << 40,
            disk_bytes in 0..1_u64 << 50,
            vms in 0..3_u32,
        ) {
            let total = Budget { cpus, memory_bytes, disk_bytes, vms };
            let fits = spec.cpus <= cpus
                && spec.machine_memory_bytes() <= memory_bytes
                && spec.host_disk_bytes() <= disk_bytes
                && vms > 0;
            match admit(&spec, total) {
                Ok(()) => prop_assert!(fits),
                Err(refusal) => {
                    prop_assert!(!fits);
                    let Refusal::TooMuch { asked, limit, .. } = refusal else {
                        panic!("{refusal:?}")
                    };
                    prop_assert!(asked > limit);
                }
            }
        }

        #[test]
        fn no_more_wait_than_may(waiting in 0..100_usize, limit in 0..100_usize) {
            prop_assert_eq!(room(waiting, limit).is_ok(), waiting < limit);
        }
    }
}
