//! Whether guests' addresses are nobody else's, and where their packets and questions go.

use kiln_net::{
    netlink::Netlink,
    plan::Reach,
    watch::{Watch, WatchError},
};

use super::{Area, Check, NetworkConfig};

const ADDRESSES: &str = "guests' addresses";
const WAYS: &str = "ways out";
const RESOLVERS: &str = "resolvers";
/// Of a home that is none: it names no link here.
const NO_HOME: &str = "doctor";

pub(super) fn checks(network: &NetworkConfig) -> Vec<Check> {
    let mut checks = match looked(network) {
        Ok(checks) => checks,
        Err(error) => vec![Check::warning(Area::Network, ADDRESSES, error.to_string())],
    };
    checks.push(resolvers(network));
    checks
}

fn looked(network: &NetworkConfig) -> Result<Vec<Check>, WatchError> {
    let mut netlink = Netlink::open().map_err(WatchError::Events)?;
    let watch = Watch::open(&mut netlink, &network.of_home(NO_HOME, Reach::Internet))?;
    let mut name = |index| netlink.link_of(index).ok().flatten().map(|link| link.name);
    let pools = network.pools.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut checks = Vec::new();
    if let Some((address, block)) = watch.own_address() {
        let found = format!("the host's own address {address} is among them ({block})");
        checks.push(
            Check::missing(Area::Network, ADDRESSES, found)
                .mend("choose another --guest-pool or --guest-link, or --no-network"),
        );
    } else {
        let troubles = watch.troubles(&mut name);
        if troubles.is_empty() {
            checks.push(Check::ok(
                Area::Network,
                ADDRESSES,
                format!("{pools}: nobody else's here"),
            ));
        }
        checks.extend(troubles.into_iter().map(|trouble| {
            Check::warning(Area::Network, ADDRESSES, trouble).mend("name another --guest-pool")
        }));
    }
    let links: Vec<_> = watch.outward().filter_map(&mut name).collect();
    checks.push(if links.is_empty() {
        let found = "the host has no route by which guests could reach anything public";
        Check::note(Area::Network, WAYS, found)
    } else {
        let found = format!("{}: kilnd lets it forward for guests while it runs", links.join(", "));
        Check::ok(Area::Network, WAYS, found)
    });
    Ok(checks)
}

fn resolvers(network: &NetworkConfig) -> Check {
    let mend = "name some with --dns ADDRESS";
    match network.resolvers.now() {
        Ok(some) if !some.is_empty() => {
            let names: Vec<_> = some.iter().map(ToString::to_string).collect();
            Check::ok(Area::Network, RESOLVERS, names.join(", "))
        }
        Ok(_) => {
            let found = "/etc/resolv.conf names none: no guest's question is answered";
            Check::warning(Area::Network, RESOLVERS, found).mend(mend)
        }
        Err(error) => {
            let found = format!("/etc/resolv.conf cannot be read: {error}");
            Check::warning(Area::Network, RESOLVERS, found).mend(mend)
        }
    }
}
