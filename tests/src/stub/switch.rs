//! What a stub guest can be told to do wrong: a file of that name in a directory of the story's.

use std::{fs, path::Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Ends with an error where a guest would boot.
    DieAtBoot,
    /// Nobody answers at the agent's port.
    NeverListen,
    /// Goes on, and says and does nothing more.
    Silence,
    /// Takes memory until somebody ends it.
    Eat,
    /// Neither the power button nor the agent ends it.
    IgnorePowerOff,
}

impl Switch {
    pub fn name(self) -> &'static str {
        match self {
            Self::DieAtBoot => "die-at-boot",
            Self::NeverListen => "never-listen",
            Self::Silence => "silence",
            Self::Eat => "eat",
            Self::IgnorePowerOff => "ignore-power-off",
        }
    }

    pub fn turn_on(self, switches: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(switches)?;
        Ok(fs::write(switches.join(self.name()), "")?)
    }

    pub fn turn_off(self, switches: &Path) -> anyhow::Result<()> {
        Ok(fs::remove_file(switches.join(self.name()))?)
    }

    pub(super) fn is_on(self, switches: &Path) -> bool {
        switches.join(self.name()).exists()
    }
}
