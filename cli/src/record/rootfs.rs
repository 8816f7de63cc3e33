//! Root filesystems, and machines that boot them: what was asked, and what came of it.

use serde::Serialize;

use super::Exit;
use crate::display::{duration, seconds};

/// What a root filesystem was to be like. Of what was left out kilnd's choice, once it has made one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct RootfsOptions {
    pub(crate) source: Origin,
    pub(crate) platform: String,
    pub(crate) format: String,
    pub(crate) compression: String,
    pub(crate) init: String,
    pub(crate) optimize: Vec<String>,
    pub(crate) keep_locales: Vec<String>,
    pub(crate) harden: Option<HardenOptions>,
    /// `None`: as small as it can be.
    pub(crate) size_bytes: Option<u64>,
    pub(crate) size_limit_bytes: Option<u64>,
    pub(crate) free: String,
    pub(crate) label: String,
    /// `None`: it is off.
    pub(crate) boot_check: Option<BootCheck>,
    pub(crate) commands: Vec<String>,
}

/// Where an image, or a root filesystem, is from: one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Origin {
    pub(crate) reference: Option<String>,
    /// A build's id, and `export` of it, or a root filesystem's, and the `artifact`.
    pub(crate) job_id: Option<String>,
    pub(crate) export: Option<String>,
    pub(crate) artifact: Option<String>,
    pub(crate) source_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct HardenOptions {
    pub(crate) off: bool,
    pub(crate) keep_secrets: Vec<String>,
    pub(crate) setuid: String,
    pub(crate) capabilities: String,
    pub(crate) world_writable: String,
    pub(crate) devices: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct BootCheck {
    pub(crate) probe: Option<Probe>,
    pub(crate) timeout_seconds: Option<f64>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Probe {
    pub(crate) command: Option<Vec<String>>,
    pub(crate) port: Option<u32>,
}

/// What a machine was to boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BootOptions {
    pub(crate) source: Origin,
    pub(crate) init: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) probe: Option<Probe>,
}

/// Digests and sizes are what the host saw; the rest is what the converter says, in the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rootfs {
    pub(crate) digest: String,
    pub(crate) size_bytes: u64,
    pub(crate) artifact: String,
    pub(crate) metadata: String,
    pub(crate) image: Option<String>,
    pub(crate) image_digest: Option<String>,
    /// It is what was stored: its registry was not asked, or did not answer.
    pub(crate) image_stale: bool,
    pub(crate) manifest_digest: String,
    pub(crate) config_digest: String,
    pub(crate) platform: String,
    /// Of an ext4, as are the next two.
    pub(crate) uuid: Option<String>,
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
    pub(crate) init: String,
    pub(crate) kernel_arguments: Vec<String>,
    pub(crate) freed_bytes: u64,
    pub(crate) secrets_removed: u32,
}

impl Rootfs {
    /// Behind the words that tell of its image.
    pub(crate) fn staleness(&self) -> &'static str {
        if self.image_stale {
            ", which was stored: its registry was not asked or did not answer"
        } else {
            ""
        }
    }
}

/// What became of a machine's own init.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Boot {
    /// `None`: it was booted.
    pub(crate) skipped: Option<String>,
    /// `up` or `degraded`; `None`: it never was.
    pub(crate) state: Option<String>,
    pub(crate) by: Option<String>,
    pub(crate) up_after_seconds: Option<f64>,
    pub(crate) exit: Option<Exit>,
    pub(crate) console_tail: String,
}

impl Boot {
    pub(crate) fn is_up(&self) -> bool {
        self.state.is_some()
    }

    /// In one line.
    pub(crate) fn described(&self) -> String {
        if let Some(why) = &self.skipped {
            return format!("not booted ({why})");
        }
        let Some(state) = &self.state else { return "it did not come up".to_owned() };
        let after = self
            .up_after_seconds
            .map_or_else(String::new, |after| format!(" after {}", duration(seconds(after))));
        let by = match self.by.as_deref() {
            Some("init") => ", as its init said",
            Some("systemd") => ", as systemd said",
            Some("started") => ": its first process runs",
            Some("command") => ", by the command",
            Some("port") => ", by the port",
            Some(_) | None => "",
        };
        let degraded = if state == "degraded" { "; units of systemd have failed" } else { "" };
        format!("up{after}{by}{degraded}")
    }
}

impl Origin {
    /// For people.
    pub(crate) fn described(&self) -> String {
        let Self { reference, job_id, export, artifact, source_id } = self;
        match (reference, job_id, source_id) {
            (Some(reference), _, _) => reference.clone(),
            (None, Some(id), _) => match export.as_ref().or(artifact.as_ref()) {
                Some(part) => format!("{id}:{part}"),
                None => id.clone(),
            },
            (None, None, Some(_)) => "a file that was sent".to_owned(),
            (None, None, None) => "unknown".to_owned(),
        }
    }
}
