//! What a machine is to boot of its own, and when that counts as up.

use std::time::Duration;

use kiln_proto::v1;

use super::{
    build::text::{at_most, shown, value},
    job_id, source_id,
};
use crate::{
    api::field::InvalidField,
    job::{Boot, BootCheck, BootSource, Probe, USUAL_CHECK},
};

/// They travel in one frame to the agent, with room for what they are wrapped in.
const MOST_WORDS_BYTES: usize = 128 * 1024;
const MOST_WORDS: usize = 1024;
const MOST_PATH_BYTES: usize = 4095;
const MOST_NAME_BYTES: usize = 255;
/// Of a root filesystem of ours.
const USUAL_ARTIFACT: &str = "rootfs.ext4";
const LONGEST_CHECK: Duration = Duration::from_secs(24 * 3600);

pub(super) fn boot(wire: v1::BootSpec) -> Result<Boot, InvalidField> {
    use v1::boot_spec::Source;
    let v1::BootSpec { init, arguments, probe, source } = wire;
    let source = match source {
        Some(Source::SourceId(id)) => BootSource::Upload(source_id("spec.boot.source_id", &id)?),
        Some(Source::Rootfs(v1::RootfsSource { job_id: id, artifact })) => {
            let job = job_id("spec.boot.rootfs.job_id", &id)?;
            let artifact = if artifact.is_empty() { USUAL_ARTIFACT.to_owned() } else { artifact };
            if artifact.len() > MOST_NAME_BYTES {
                let problem = "is longer than any artifact's name";
                return Err(InvalidField::new("spec.boot.rootfs.artifact", problem));
            }
            BootSource::Artifact { job, artifact }
        }
        None => {
            let problem = "is missing; name an upload, or the job that left the root filesystem";
            return Err(InvalidField::new("spec.boot.source", problem));
        }
    };
    if !init.is_empty() {
        path("spec.boot.init", &init)?;
    }
    words("spec.boot.arguments", &arguments)?;
    let probe = probe.map(|wire| self::probe("spec.boot.probe", wire)).transpose()?;
    Ok(Boot { source, init, arguments, probe })
}

/// `None`: it is off.
pub(super) fn check(wire: Option<v1::BootCheck>) -> Result<Option<BootCheck>, InvalidField> {
    let at = "spec.rootfs.boot_check";
    let v1::BootCheck { off, probe, timeout } = wire.unwrap_or_default();
    if off {
        if probe.is_some() {
            return Err(InvalidField::new(format!("{at}.probe"), "needs a check that is not off"));
        }
        if timeout.is_some() {
            let problem = "needs a check that is not off";
            return Err(InvalidField::new(format!("{at}.timeout"), problem));
        }
        return Ok(None);
    }
    let probe = probe.map(|wire| self::probe(&format!("{at}.probe"), wire)).transpose()?;
    let timeout = timeout.map(|wire| limit(&format!("{at}.timeout"), wire)).transpose()?;
    Ok(Some(BootCheck { probe, timeout: timeout.unwrap_or(USUAL_CHECK) }))
}

fn limit(field: &str, wire: prost_types::Duration) -> Result<Duration, InvalidField> {
    let wrong = |problem: &str| InvalidField::new(field, problem);
    if wire.seconds < 0 || !(0..1_000_000_000).contains(&wire.nanos) {
        return Err(wrong("is negative, or its nanoseconds are no part of a second"));
    }
    let limit = Duration::try_from(wire).map_err(|_| wrong("is negative"))?;
    match limit {
        _ if limit < Duration::from_secs(1) => {
            Err(wrong("is below a second, in which nothing boots"))
        }
        _ if limit > LONGEST_CHECK => Err(wrong("is above a day")),
        limit => Ok(limit),
    }
}

fn probe(at: &str, wire: v1::BootProbe) -> Result<Probe, InvalidField> {
    use v1::boot_probe::Kind;
    match wire.kind {
        Some(Kind::Command(v1::BootCommand { argv })) => {
            let field = format!("{at}.command.argv");
            if argv.first().is_none_or(String::is_empty) {
                return Err(InvalidField::new(field, "names no command"));
            }
            words(&field, &argv)?;
            Ok(Probe::Command(argv))
        }
        Some(Kind::Port(port)) => match u16::try_from(port) {
            Ok(port @ 1..) => Ok(Probe::Port(port)),
            Ok(0) | Err(_) => {
                let problem = format!("{port} is no port: 1 to {}", u16::MAX);
                Err(InvalidField::new(format!("{at}.port"), problem))
            }
        },
        None => Err(InvalidField::new(at, "is neither a command nor a port")),
    }
}

fn words(field: &str, words: &[String]) -> Result<(), InvalidField> {
    at_most(field, words.len(), MOST_WORDS)?;
    for (index, word) in words.iter().enumerate() {
        value(&format!("{field}[{index}]"), word)?;
    }
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    if bytes > MOST_WORDS_BYTES {
        let problem = format!("come to {bytes} bytes, above {MOST_WORDS_BYTES}");
        return Err(InvalidField::new(field, problem));
    }
    Ok(())
}

/// A place in an image, that nobody could mean differently.
pub(super) fn path(field: &str, path: &str) -> Result<(), InvalidField> {
    let wrong = |problem: &str| Err(InvalidField::new(field, format!("{} {problem}", shown(path))));
    if !path.starts_with('/') {
        return wrong("is not an absolute path");
    }
    if path.contains('\0') {
        return wrong("contains a NUL byte");
    }
    if path.len() > MOST_PATH_BYTES {
        return wrong("is longer than a path can be");
    }
    if path.split('/').any(|component| component == "..") {
        return wrong("contains `..`; name the place itself");
    }
    Ok(())
}
