//! The host's rules for guests' addresses: what has our mark finds its way, and nothing else does,
//! whatever becomes of the table that gives the mark.

use std::{collections::BTreeSet, net::IpAddr};

use super::run::{BlockRules, State};
use crate::{
    netlink::{Action, Netlink, NetlinkError, Rule, unless},
    plan::{Cidr, HostNetwork, MARK, MARK_MASK},
};

/// Before those of others, who may know ways out.
const PRIORITIES: std::ops::Range<u32> = 100..1000;
/// The guests' link, as a block.
const LINK_PREFIX: u8 = 30;
const LINK6_PREFIX: u8 = 126;

#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    #[error("no two priorities from {} to {} are free for rules of routing", PRIORITIES.start, PRIORITIES.end)]
    Priorities,
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// Priorities for those blocks that have none yet. Under the lock, as others choose too.
pub(super) fn choose(
    netlink: &mut Netlink,
    network: &HostNetwork,
    state: &mut State,
) -> Result<(), BlockError> {
    let mut taken = taken(netlink, state)?;
    let pools = network.pools.iter().map(|block| (*block, true));
    for (block, is_pool) in pools.chain(links(network).map(|block| (block, false))) {
        if state.blocks.iter().any(|rules| rules.block == block && rules.is_pool == is_pool) {
            continue;
        }
        let priority = take(&mut taken)?;
        state.blocks.push(BlockRules { block, is_pool, priority });
    }
    Ok(())
}

/// By anybody's rules, and by ours that are to come.
pub(super) fn taken(netlink: &mut Netlink, state: &State) -> Result<BTreeSet<u32>, NetlinkError> {
    let mut taken: BTreeSet<u32> =
        netlink.rules()?.into_iter().map(|(rule, _)| rule.priority).collect();
    let blocks = state.blocks.iter().map(|rules| rules.priority);
    let ways = state.ways.iter().map(|rules| rules.priority);
    taken.extend(blocks.chain(ways).flat_map(|first| [first, first + 1]));
    Ok(taken)
}

/// The first of two.
pub(super) fn take(taken: &mut BTreeSet<u32>) -> Result<u32, BlockError> {
    let priority = PRIORITIES
        .step_by(2)
        .find(|first| !taken.contains(first) && !taken.contains(&(first + 1)))
        .ok_or(BlockError::Priorities)?;
    taken.extend([priority, priority + 1]);
    Ok(priority)
}

/// What comes untranslated from a guest.
fn links(network: &HostNetwork) -> impl Iterator<Item = Cidr> {
    let around = |address: IpAddr, prefix: u8| {
        let masked = match address {
            IpAddr::V4(four) => IpAddr::from((four.to_bits() & !3).to_be_bytes()),
            IpAddr::V6(six) => IpAddr::from((six.to_bits() & !3).to_be_bytes()),
        };
        Cidr::new(masked, prefix).ok()
    };
    let four = around(network.link.gateway.into(), LINK_PREFIX);
    let six = network.link.six.and_then(|six| around(six.gateway.into(), LINK6_PREFIX));
    four.into_iter().chain(six)
}

pub(super) fn add(netlink: &mut Netlink, state: &State) -> Result<(), NetlinkError> {
    for rule in state.blocks.iter().flat_map(rules) {
        // An earlier daemon of this home made it.
        unless(libc::EEXIST, netlink.add_rule(&rule))?;
    }
    Ok(())
}

pub(super) fn remove(netlink: &mut Netlink, state: &State) -> Result<(), NetlinkError> {
    let mut failed = Ok(());
    for rule in state.blocks.iter().flat_map(rules) {
        // Somebody else may have removed it, and then it is done.
        failed = failed.and(unless(libc::ENOENT, netlink.delete_rule(&rule)));
    }
    failed
}

/// The one that shuts comes first, so that there is no moment without it.
fn rules(of: &BlockRules) -> Vec<Rule> {
    let BlockRules { block, is_pool, priority } = *of;
    let rule = |priority, mark, action| Rule {
        priority,
        is_six: block.address().is_ipv6(),
        from: Some(block),
        input: None,
        mark,
        action,
    };
    let mut rules = vec![rule(priority + 1, None, Action::Unreachable)];
    if is_pool {
        rules.push(rule(priority, Some((MARK, MARK_MASK)), Action::MAIN));
    }
    rules
}
