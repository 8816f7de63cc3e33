//! No router for neighbours: what comes in by a link on which forwarding was off before us goes on
//! as an answer to a machine, or not at all.
//!
//! The host's table drops the rest. Should somebody flush it, nothing has our mark any more, and
//! what has none finds no way from those links: the rules of routing that say so are not in the
//! table. Somebody who makes the host a router for all links while we run means it, and lifts both.

use super::{
    HostError,
    blocks::{self, BlockError},
    run::{Run, State, WayRules},
};
use crate::{
    netlink::{Action, Netlink, NetlinkError, Rule, unless},
    plan::{MARK, MARK_MASK},
    ruleset::Guard,
    sysctl,
};

const ALL: &str = "ipv4/conf/all/forwarding";
const ALL6: &str = "ipv6/conf/all/forwarding";
const ON: &str = "1";

/// By what this daemon and the others of this host have switched on. Under the lock.
pub(super) fn of(run: &Run, state: &State) -> Result<Guard, HostError> {
    let mut states = run.others()?;
    states.push(state.clone());
    let mut guard = Guard::default();
    let switches = states.iter().flat_map(|state| &state.switches);
    for switch in switches.filter(|switch| switch.before != ON) {
        let mut parts = switch.name.split('/');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        match parts {
            (Some("ipv4"), _, Some(link), Some("forwarding")) => {
                guard.four.insert(link.to_owned());
            }
            (Some("ipv6"), _, Some("all"), Some("forwarding")) => guard.whole_six = true,
            (Some("ipv6"), _, Some(link), Some("force_forwarding")) => {
                guard.six.insert(link.to_owned());
            }
            _ => {}
        }
    }
    let is_on =
        |name| Ok::<_, HostError>(sysctl::read_if_there(name)?.is_some_and(|now| now == ON));
    let was_none = states.iter().any(|state| state.forwards.as_deref() != Some(ON));
    if was_none && is_on(ALL)? {
        guard.four.clear();
    }
    if !guard.whole_six && is_on(ALL6)? {
        guard.six.clear();
    }
    Ok(guard)
}

/// Priorities for those links that have none yet. What is lifted stays in `state` and is returned.
/// Under the lock.
pub(super) fn choose(
    netlink: &mut Netlink,
    guard: &Guard,
    state: &mut State,
) -> Result<Vec<WayRules>, BlockError> {
    let four = guard.four.iter().map(|link| (link.clone(), false));
    let wanted: Vec<_> = four.chain(guard.six.iter().map(|link| (link.clone(), true))).collect();
    let is_of = |ways: &WayRules, (link, is_six): &(String, bool)| {
        ways.link == *link && ways.is_six == *is_six
    };
    let new: Vec<_> = wanted
        .iter()
        .filter(|one| !state.ways.iter().any(|ways| is_of(ways, one)))
        .cloned()
        .collect();
    if !new.is_empty() {
        let mut taken = blocks::taken(netlink, state)?;
        for (link, is_six) in new {
            let priority = blocks::take(&mut taken)?;
            state.ways.push(WayRules { link, is_six, priority });
        }
    }
    let is_lifted = |ways: &&WayRules| !wanted.iter().any(|one| is_of(ways, one));
    Ok(state.ways.iter().filter(is_lifted).cloned().collect())
}

pub(super) fn add(netlink: &mut Netlink, ways: &[WayRules]) -> Result<(), NetlinkError> {
    for rule in ways.iter().flat_map(rules) {
        // An earlier daemon of this home made it.
        unless(libc::EEXIST, netlink.add_rule(&rule))?;
    }
    Ok(())
}

pub(super) fn remove(netlink: &mut Netlink, ways: &[WayRules]) -> Result<(), NetlinkError> {
    let mut failed = Ok(());
    for rule in ways.iter().flat_map(rules).rev() {
        // Somebody else may have removed it, and then it is done.
        failed = failed.and(unless(libc::ENOENT, netlink.delete_rule(&rule)));
    }
    failed
}

/// The one that opens comes first, so that there is no moment in which answers are lost: forwarding
/// is off still.
fn rules(of: &WayRules) -> [Rule; 2] {
    let WayRules { link, is_six, priority } = of;
    let rule = |priority, mark, action| Rule {
        priority,
        is_six: *is_six,
        from: None,
        input: Some(link.clone()),
        mark,
        action,
    };
    [
        rule(*priority, Some((MARK, MARK_MASK)), Action::MAIN),
        // Says nothing to who asks, as a host that does not forward.
        rule(priority + 1, None, Action::Blackhole),
    ]
}
