//! Addresses get into the kernel's sets before a guest hears of them.

use std::{net::IpAddr, time::Duration};

use kiln_net::{name::Name, plan::Admission, record::Transport};

use crate::{control::ControlError, gateway::Gateway};

/// Beyond the time that the guest was told: who connects late, or keeps what it heard too long.
const GRACE: Duration = Duration::from_secs(600);
/// Less than this beyond the told time, and it is admitted anew.
const LEAST_GRACE: Duration = Duration::from_secs(300);
/// The gateway's own address, which does not change.
pub(super) const ENDPOINT_TTL: Duration = Duration::from_secs(60);
/// As many as the daemon takes.
const AT_ONCE: usize = 64;

/// Whether `addresses` may be told for `ttl` without asking the kernel first.
pub(super) fn holds(gateway: &Gateway, name: &Name, addresses: &[IpAddr], ttl: Duration) -> bool {
    gateway.admitted.left(name, addresses) >= ttl + LEAST_GRACE
}

/// For whatever the policy opens at `name`; returns when the kernel has it.
pub(super) async fn admit(
    gateway: &Gateway,
    name: &Name,
    addresses: &[IpAddr],
    ttl: Duration,
) -> Result<(), ControlError> {
    let time = ttl + GRACE;
    let openings = gateway.openings(name);
    ask(gateway, addresses, &openings, time).await?;
    if gateway.admitted.admit(name, addresses, time) {
        gateway.recorder.answered(name, addresses);
    }
    Ok(())
}

/// The ports of `name` at the gateway itself.
pub(super) async fn endpoint(
    gateway: &Gateway,
    name: &Name,
    address: IpAddr,
) -> Result<(), ControlError> {
    if holds(gateway, name, &[address], ENDPOINT_TTL) {
        return Ok(());
    }
    let time = ENDPOINT_TTL + GRACE;
    let own = gateway.config.endpoints.iter().filter(|endpoint| endpoint.name == *name);
    let openings: Vec<_> = own.map(|endpoint| (Transport::Tcp, endpoint.port)).collect();
    ask(gateway, &[address], &openings, time).await?;
    gateway.admitted.admit(name, &[address], time);
    Ok(())
}

async fn ask(
    gateway: &Gateway,
    addresses: &[IpAddr],
    openings: &[(Transport, u16)],
    time: Duration,
) -> Result<(), ControlError> {
    let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let admissions: Vec<_> = addresses
        .iter()
        .flat_map(|&address| {
            openings.iter().map(move |&(transport, port)| Admission {
                address,
                transport,
                port,
                seconds,
            })
        })
        .collect();
    for some in admissions.chunks(AT_ONCE) {
        gateway.control.admit(some.to_vec()).await?;
    }
    Ok(())
}
