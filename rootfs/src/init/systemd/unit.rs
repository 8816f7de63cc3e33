//! The unit of an image's command.

use std::fmt::Write as _;

use kiln_init::Identity;

use super::{SystemdError, quote};
use crate::init::{direct::Checked, image::ImageCommand};

/// What systemd adds to an environment, and docker does not.
const ADDED: [&str; 25] = [
    "COLORTERM",
    "CREDENTIALS_DIRECTORY",
    "EXIT_CODE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LANG",
    "LANGUAGE",
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_TIME",
    "LOGNAME",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "SHELL",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "USER",
];
const HOSTNAME: &str = "HOSTNAME";

#[derive(Debug)]
pub(super) struct Unit {
    /// Keys and values, as they are written.
    service: Vec<(&'static str, String)>,
}

impl Unit {
    pub(super) fn new(image: &ImageCommand, checked: &Checked) -> Result<Self, SystemdError> {
        let mut unit = Self { service: Vec::new() };
        // Started when the program has taken over, not when it was forked.
        unit.set("Type", "exec");
        unit.set("ExecStart", command(checked)?);
        let directory = image.directory();
        let written = quote::bare_path(directory);
        unit.set(
            "WorkingDirectory",
            written.ok_or_else(|| SystemdError::Path(directory.to_owned()))?,
        );
        unit.set_user(image, checked)?;
        unit.set_environment(image, checked)?;
        // docker signals process 1 alone, and then kills everything.
        unit.set("KillMode", "mixed");
        unit.set("KillSignal", signal(checked)?);
        unit.set("SendSIGHUP", "no");
        unit.set("TimeoutStopSec", format!("{}s", checked.stop_seconds));
        unit.set("IgnoreSIGPIPE", "no");
        unit.set("UMask", "0022");
        unit.set("LimitNOFILE", "1024:524288");
        unit.set("StandardInput", "null");
        unit.set("StandardOutput", "journal+console");
        unit.set("StandardError", "journal+console");
        Ok(unit)
    }

    pub(super) fn text(&self) -> String {
        let mut text = "\
            # Made from the image's configuration.\n\
            [Unit]\n\
            Description=Command of the image\n\
            After=network.target\n\
            \n\
            [Service]\n"
            .to_owned();
        for (key, value) in &self.service {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{key}={value}");
        }
        text.push_str("\n[Install]\nWantedBy=multi-user.target\n");
        text
    }

    fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.service.push((key, value.into()));
    }

    /// systemd looks users and groups up by itself, so they need entries.
    fn set_user(&mut self, image: &ImageCommand, checked: &Checked) -> Result<(), SystemdError> {
        let Identity { user, group, groups, name, .. } = &checked.identity;
        let named_group = image.user.split(':').nth(1).filter(|group| !group.is_empty());
        if *user != 0 || named_group.is_some() {
            let name = name.as_ref();
            let name = name.ok_or_else(|| SystemdError::NoEntry(image.user.clone()))?;
            if !is_user_name(name) {
                return Err(SystemdError::UserName(name.clone()));
            }
            self.set("User", name);
            if named_group.is_some() {
                let implied = Identity::find(name, &checked.database);
                let implied = implied.map(|implied| implied.groups).unwrap_or_default();
                // The first one is its own, which the named one replaces.
                if implied.iter().skip(1).any(|implied| implied != group) {
                    return Err(SystemdError::Groups(image.user.clone()));
                }
                if !checked.database.has_group(*group) {
                    return Err(SystemdError::NoGroup(*group));
                }
                self.set("Group", group.to_string());
            }
        }
        let others: Vec<String> =
            groups.iter().filter(|other| *other != group).map(u32::to_string).collect();
        if !others.is_empty() {
            self.set("SupplementaryGroups", others.join(" "));
        }
        Ok(())
    }

    fn set_environment(
        &mut self,
        image: &ImageCommand,
        checked: &Checked,
    ) -> Result<(), SystemdError> {
        let says_hostname = image.environment.iter().any(|said| said.starts_with("HOSTNAME="));
        for (name, value) in checked.environment.iter() {
            if !is_variable_name(name) {
                return Err(SystemdError::Variable(name.to_owned()));
            }
            if value.chars().any(|one| one.is_ascii_control() && !matches!(one, '\t' | '\n')) {
                return Err(SystemdError::Value(name.to_owned()));
            }
            let written = if name == HOSTNAME && !says_hostname {
                // systemd's own word for it: here it is not known yet.
                "\"HOSTNAME=%H\"".to_owned()
            } else {
                quote::word(&format!("{name}={value}"))
            };
            self.set("Environment", written);
        }
        let added = ADDED.iter().filter(|added| checked.environment.value(added).is_none());
        self.set("UnsetEnvironment", added.copied().collect::<Vec<_>>().join(" "));
        Ok(())
    }
}

/// `@` lets the program's own name be another than its path, and `:` leaves every `$` alone.
fn command(checked: &Checked) -> Result<String, SystemdError> {
    if !quote::is_program_path(&checked.path) {
        return Err(SystemdError::Path(checked.path.clone()));
    }
    let mut command = format!("@:{}", quote::word(&checked.path));
    for word in &checked.words {
        command.push(' ');
        command.push_str(&quote::word(word));
    }
    Ok(command)
}

fn signal(checked: &Checked) -> Result<String, SystemdError> {
    let name = checked.stop_signal.to_string();
    // The C library's own have no name.
    if name.starts_with("SIG") { Ok(name) } else { Err(SystemdError::Signal(name)) }
}

fn is_variable_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(allowed) && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn is_user_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() <= 31
        && name.bytes().all(allowed)
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}
