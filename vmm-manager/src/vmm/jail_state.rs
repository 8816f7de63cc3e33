//! How well the programs of a machine are shut in, as its record tells it.

use kiln_jail::{Confinement, Profile};
use kiln_shim::Child;

use crate::host::{core_scheduling, landlock};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JailState {
    /// Everything that a jail can be.
    Full,
    /// What is missing, in words; at least one.
    Reduced { missing: Vec<String> },
}

impl JailState {
    /// Of programs as they met their jails. `None` where there is no program to be held.
    pub fn of(programs: &[Child]) -> Option<Self> {
        let mut missing = Vec::new();
        for Child { name, process: _, confinement } in programs {
            match confinement {
                Some(confinement) => missing.extend(lacks(confinement)),
                None => missing.push(format!("{name} has no jail")),
            }
        }
        (!programs.is_empty()).then(|| Self::lacking(missing))
    }

    /// What a machine would have that is started now; with users for VMs, or without.
    pub fn expected(has_users: bool) -> Self {
        Self::lacking(lacks(&Confinement {
            user: has_users.then_some(0),
            // Any, for each program has one.
            profile: Profile::Qemu,
            landlock: landlock(),
            core_scheduling: core_scheduling(),
            network: false,
        }))
    }

    /// From what is missing; nothing makes it full.
    pub fn lacking(mut missing: Vec<String>) -> Self {
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() { Self::Full } else { Self::Reduced { missing } }
    }

    pub fn missing(&self) -> &[String] {
        match self {
            Self::Full => &[],
            Self::Reduced { missing } => missing,
        }
    }
}

fn lacks(confinement: &Confinement) -> Vec<String> {
    confinement.shortfalls().iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use kiln_jail::CoreScheduling;
    use kiln_shim::ProcessIdentity;

    use super::*;

    fn program(name: &str, confinement: Option<Confinement>) -> Child {
        let process = ProcessIdentity::of(std::process::id()).unwrap();
        Child { name: name.to_owned(), process, confinement }
    }

    fn full() -> Confinement {
        Confinement {
            user: Some(7),
            profile: Profile::Qemu,
            landlock: Some(4),
            core_scheduling: CoreScheduling::NotNeeded,
            network: false,
        }
    }

    #[test]
    fn a_machine_is_held_as_well_as_its_worst_program() {
        let vmm = || program("vmm", Some(full()));
        assert_eq!(JailState::of(&[]), None);
        assert_eq!(JailState::of(&[vmm(), vmm()]), Some(JailState::Full));
        let open = JailState::of(&[vmm(), program("bridge", None)]).unwrap();
        assert_eq!(open.missing(), ["bridge has no jail"]);
        let poor = || program("bridge", Some(Confinement { landlock: None, ..full() }));
        let poor = JailState::of(&[vmm(), poor(), poor()]).unwrap();
        assert_eq!(poor.missing(), ["the kernel has no Landlock"]);
    }

    #[test]
    fn without_users_no_jail_is_full() {
        assert_ne!(JailState::expected(false), JailState::Full);
    }
}
