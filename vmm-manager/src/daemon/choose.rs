//! Which VMM, and what executes the guests' instructions.
//!
//! ```text
//! flags ──▶ candidates, the best first ──▶ does it run the real guest? ── yes ──▶ it
//!                                            │ no: why, and how to mend it
//!                                            └──▶ the next one; after the last: refused
//! ```
//!
//! Cloud Hypervisor under KVM comes before QEMU under KVM, and emulation last: it is taken without a
//! trial, since nothing comes after it, and only where it is allowed. The choice is the same function
//! for the daemon, which tries one candidate after the other, and for the doctor, which tries them
//! all and says what the daemon would do.

mod mend;
mod trial;

use std::fmt;

use async_trait::async_trait;
use kiln_images::GuestImage;

pub(crate) use self::{
    mend::mend,
    trial::{Site, Trials, Tried},
};
use crate::{
    config::{AcceleratorChoice, Config, DriverConfig, VmmChoice},
    home::Home,
    host::gives_users,
    vmm::{Accelerator, Hindrance, Pair, ProbeVerdict, Vmm},
};

/// Of the home, in which the verdicts are kept.
pub(crate) const VERDICTS: &str = "probes.json";

/// Who finds out.
#[async_trait]
pub(crate) trait Trial: Send {
    /// Whether its programs are there and can be used.
    async fn is_there(&mut self, pair: Pair) -> Result<(), Hindrance>;

    /// Whether it runs the real guest.
    async fn verdict(&mut self, pair: Pair) -> anyhow::Result<ProbeVerdict>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) pair: Pair,
    /// What would have been better.
    pub(crate) passed_over: Vec<PassedOver>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassedOver {
    pub(crate) pair: Pair,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Verdict(ProbeVerdict),
    EmulationNotAllowed,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error("no VMM runs guests here: {}", listed(.0))]
    Nothing(Vec<PassedOver>),
    #[error("whether {pair} runs guests here could not be tried")]
    Trial { pair: Pair, source: anyhow::Error },
}

/// What may be chosen, the best first.
fn candidates(vmm: VmmChoice, accelerator: AcceleratorChoice) -> Vec<Pair> {
    let is_asked = |pair: &Pair| {
        let vmm = match vmm {
            VmmChoice::Auto => true,
            VmmChoice::CloudHypervisor => *pair == Pair::CloudHypervisorKvm,
            VmmChoice::Qemu => *pair != Pair::CloudHypervisorKvm,
        };
        let accelerator = match accelerator {
            AcceleratorChoice::Auto => true,
            AcceleratorChoice::Kvm => pair.accelerator() == Accelerator::Kvm,
            AcceleratorChoice::Tcg => pair.accelerator() == Accelerator::Tcg,
        };
        vmm && accelerator
    };
    Pair::ALL.into_iter().filter(is_asked).collect()
}

pub(crate) async fn choose(
    asked: &DriverConfig,
    trial: &mut dyn Trial,
) -> Result<Choice, ChooseError> {
    let mut passed_over = Vec::new();
    for pair in candidates(asked.vmm, asked.accelerator) {
        let why = if pair.accelerator() == Accelerator::Tcg {
            if asked.allow_emulation {
                match trial.is_there(pair).await {
                    Ok(()) => return Ok(Choice { pair, passed_over }),
                    Err(hindrance) => Why::Verdict(ProbeVerdict::No(hindrance)),
                }
            } else {
                Why::EmulationNotAllowed
            }
        } else {
            let verdict = trial.verdict(pair).await;
            match verdict.map_err(|source| ChooseError::Trial { pair, source })? {
                ProbeVerdict::Works { .. } => return Ok(Choice { pair, passed_over }),
                verdict => Why::Verdict(verdict),
            }
        };
        passed_over.push(PassedOver { pair, why });
    }
    Err(ChooseError::Nothing(passed_over))
}

/// The driver that the configuration and the host lead to.
pub(super) async fn vmm(
    config: &Config,
    home: &Home,
    image: &GuestImage,
) -> anyhow::Result<Box<dyn Vmm>> {
    let drivers = &config.drivers;
    let site = Site {
        vms: home.vms_directory(),
        instance: home.instance().to_owned(),
        user: gives_users().then(|| config.vm_users.of_probe()),
    };
    let mut trials = Trials::new(drivers, image, site, &[home.path().join(VERDICTS)])?;
    let Choice { pair, passed_over } = choose(drivers, &mut trials).await?;
    for PassedOver { pair, why } in passed_over {
        tracing::warn!(reason = %why, "{pair} runs no guests here");
    }
    if pair.accelerator() == Accelerator::Tcg {
        tracing::warn!("jobs run under slow emulation");
    }
    Ok(trial::driver(drivers, pair).await?)
}

fn listed(passed_over: &[PassedOver]) -> String {
    let each = passed_over.iter().map(|PassedOver { pair, why }| match mend(*pair, why) {
        Some(mend) => format!("{pair}: {why}: {mend}"),
        None => format!("{pair}: {why}"),
    });
    each.collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => write!(formatter, "{verdict}"),
            Self::EmulationNotAllowed => formatter.write_str("emulation is not allowed"),
        }
    }
}

#[cfg(test)]
mod tests;
