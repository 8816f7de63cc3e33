//! The network of a machine, and the one program that is in it.
//!
//! A gateway hears its guest and speaks with the outside; the VMM holds the guest's end of a link and
//! nothing else of the network. So that neither is what the other is, they have two users.

use kiln_jail::{Access, Profile};
use kiln_shim::{Order, Program, Source};

use super::{Policy, Refusal};
use crate::given::{GATEWAY_USERS, Given};

/// The guest's end, which is the VMM's.
const TAP: &str = "tap";

impl Policy {
    /// Whether it is the program that root named for that, by the very name: another one could lead
    /// elsewhere in a moment.
    pub(super) fn is_gateway(&self, program: &Program) -> bool {
        self.gateway.as_ref().is_some_and(|gateway| gateway.as_os_str() == program.path.as_os_str())
    }

    /// Whether it is one of those of gateways.
    pub(crate) fn is_gateways(&self, uid: u32) -> bool {
        uid.checked_sub(GATEWAY_USERS).is_some_and(|vm| self.is_vms(vm))
    }

    /// Whether the `gateways` of an order, whose other programs are `vm`'s, are one at most, and as
    /// it has to be.
    pub(super) fn gateways(
        &self,
        order: &Order,
        gateways: &[&Program],
        vm: Option<u32>,
    ) -> Result<(), Refusal> {
        for (index, program) in gateways.iter().enumerate() {
            let is = |holds: bool, fault: &'static str| {
                let program = program.name.clone();
                if holds { Ok(()) } else { Err(Refusal::Gateway { program, fault }) }
            };
            is(index == 0, "is a second gateway")?;
            is(program.name != order.main, "is the gateway and cannot be the machine")?;
            is(program.network, "is the gateway and is not in the machine's network")?;
            let jail = program
                .jail
                .as_ref()
                .ok_or_else(|| Refusal::Unjailed { program: program.path.clone() })?;
            is(jail.profile == Profile::Gateway, "is the gateway and has the calls of a VMM")?;
            let user = self.user(jail)?;
            let is_own = match vm {
                Some(uid) => uid.checked_add(GATEWAY_USERS) == Some(user),
                // Of a machine whose programs may all go without a jail.
                None => self.is_gateways(user),
            };
            if !is_own {
                return Err(Refusal::User);
            }
            for given in &jail.paths {
                // Root named it; for the rest it is a program like others.
                if given.access != Access::Execute || given.path != program.path {
                    self.path(given, &order.directory)?;
                }
            }
        }
        Ok(())
    }

    /// Whether each has what is its own of the network that was made for the job, and no more.
    pub(super) fn network(
        order: &Order,
        gateways: &[&Program],
        given: Option<&Given<'_>>,
    ) -> Result<(), Refusal> {
        for program in &order.programs {
            let is_gateway = gateways.iter().any(|gateway| gateway.name == program.name);
            let refused = |fault| Refusal::Gateway { program: program.name.clone(), fault };
            let absent = |what: &str| Refusal::NoNetwork {
                program: program.name.clone(),
                what: what.to_owned(),
            };
            if program.network && !is_gateway {
                return Err(refused("is not the gateway and cannot be in the machine's network"));
            }
            let profile = program.jail.as_ref().map(|jail| jail.profile);
            if profile == Some(Profile::Gateway) && !is_gateway {
                return Err(refused("is not the gateway and cannot have its calls"));
            }
            if program.network && given.is_none() {
                return Err(absent("its network"));
            }
            for descriptor in &program.descriptors {
                let Source::Given { name } = &descriptor.source else { continue };
                let theirs = match name.as_str() {
                    // Without a gateway nobody would hold the network open.
                    TAP => program.name == order.main && !gateways.is_empty(),
                    _ => is_gateway,
                };
                if !theirs {
                    return Err(refused("is given what is another program's of the network"));
                }
                if given.and_then(|given| given.find(name)).is_none() {
                    return Err(absent(name));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
