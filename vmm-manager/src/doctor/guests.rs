//! Boots the real guest with each VMM, and asks the daemon's own choice what follows.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use async_trait::async_trait;
use kiln_images::GuestImage;
use rustix::process::geteuid;

use super::{
    reach::may_run,
    report::{Driver, Guest, NotTried},
    work::{WorkError, Workplace},
};
use crate::{
    config::{DoctorFlags, DriverConfig},
    daemon::{
        choose::{self, ChooseError, Trial, Trials, Tried, VERDICTS, choose},
        user,
    },
    host::VmUsers,
    vmm::{Hindrance, Pair, ProbeVerdict, described, probe_limit},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub(super) flags: &'a DoctorFlags,
    /// Of all doctors.
    pub(super) root: &'a Path,
    pub(super) work: Result<&'a Workplace, &'a WorkError>,
    pub(super) drivers: &'a DriverConfig,
    pub(super) image: &'a Result<GuestImage, String>,
}

pub(super) async fn examine(site: Site<'_>) -> anyhow::Result<(Vec<Guest>, Driver)> {
    let guests = match (site.image, site.work) {
        (Ok(image), Ok(work)) => booted(&site, image, work).await?,
        (Err(reason), _) => untried(&format!("there is no guest image to boot: {reason}")),
        (_, Err(error)) => untried(&described(error)),
    };
    let driver = match site.drivers.check() {
        Err(error) => Driver::Refused { reason: described(&error) },
        Ok(()) => choose(site.drivers, &mut Known(&guests)).await.into(),
    };
    Ok((guests, driver))
}

async fn booted(
    site: &Site<'_>,
    image: &GuestImage,
    work: &Workplace,
) -> anyhow::Result<Vec<Guest>> {
    let home = work.home();
    let users = VmUsers::from_base(site.flags.daemon.uid_base).ok();
    let place = choose::Site {
        vms: home.vms_directory(),
        instance: home.instance().to_owned(),
        user: users.filter(|_| geteuid().is_root()).map(VmUsers::of_probe),
    };
    // Ours, and those that a daemon of this home has found; only the first is written to.
    let files = [site.root.join(VERDICTS), site.flags.daemon.home.join(VERDICTS)];
    let mut trials = Trials::new(site.drivers, image, place, &files)?;
    if site.flags.again {
        trials.forget();
    }
    let mut guests = Vec::new();
    for pair in Pair::ALL {
        say(&format!("{pair}: booting a guest, {:?} at most", probe_limit(pair.accelerator())));
        if let Some(tried) = out_of_reach(site, pair) {
            guests.push(Guest { pair, trial: Ok(tried) });
            continue;
        }
        let tried = trials.try_out(pair).await;
        let trial = tried.map_err(|error| NotTried { reason: format!("{error:#}") });
        guests.push(Guest { pair, trial });
    }
    Ok(guests)
}

/// We try as root what kilnd will not have as root.
fn out_of_reach(site: &Site<'_>, pair: Pair) -> Option<Tried> {
    let DriverConfig { cloud_hypervisor, qemu, vhost_device_vsock, .. } = site.drivers;
    let programs = match pair {
        Pair::CloudHypervisorKvm => vec![cloud_hypervisor],
        Pair::QemuKvm | Pair::QemuTcg => vec![qemu, vhost_device_vsock],
    };
    if !geteuid().is_root() {
        return None;
    }
    let name = &site.flags.daemon.user;
    // One who is not there is told of elsewhere.
    let keeper = user::find(name).ok()?;
    let (program, error) = programs.into_iter().find_map(|one| may_run(one, keeper).err())?;
    let reason = format!(
        "kilnd becomes {name}, who cannot run {}, or not pass the directories above it: {error}",
        program.display()
    );
    let verdict = ProbeVerdict::No(Hindrance::Program { reason });
    Some(Tried { version: None, verdict, kept: false })
}

fn untried(reason: &str) -> Vec<Guest> {
    let guest = |pair| Guest { pair, trial: Err(NotTried { reason: reason.to_owned() }) };
    Pair::ALL.into_iter().map(guest).collect()
}

/// For who waits at a terminal.
fn say(words: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _nobody_listens = writeln!(stderr, "{words}");
    }
}

/// What was found, for the choice.
#[derive(Debug)]
struct Known<'a>(&'a [Guest]);

#[async_trait]
impl Trial for Known<'_> {
    /// A daemon takes emulation without a trial: that its guest does not come up does not keep it.
    async fn is_there(&mut self, pair: Pair) -> Result<(), Hindrance> {
        match self.verdict(pair).await {
            Ok(ProbeVerdict::No(hindrance @ Hindrance::Program { .. })) => Err(hindrance),
            Ok(_) => Ok(()),
            Err(error) => Err(Hindrance::Start { reason: format!("{error:#}") }),
        }
    }

    async fn verdict(&mut self, pair: Pair) -> anyhow::Result<ProbeVerdict> {
        let guest = self.0.iter().find(|guest| guest.pair == pair);
        match guest.map(|guest| &guest.trial) {
            Some(Ok(tried)) => Ok(tried.verdict.clone()),
            Some(Err(NotTried { reason })) => anyhow::bail!("{reason}"),
            None => anyhow::bail!("it was not tried"),
        }
    }
}

/// Why a choice could not be made of what is known.
impl From<Result<choose::Choice, ChooseError>> for Driver {
    fn from(chosen: Result<choose::Choice, ChooseError>) -> Self {
        match chosen {
            Ok(choice) => Self::Picked(choice),
            Err(error) => Self::Refused { reason: described(&error) },
        }
    }
}
