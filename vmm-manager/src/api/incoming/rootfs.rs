//! A root filesystem: each field as `kiln-rootfs` would take it, or refused where it can be named.

mod ext4;
#[cfg(test)]
mod tests;

use kiln_proto::v1;
use kiln_registry::operate::{Platforms, Reference};

use super::{
    boot::{self, path},
    build::{
        platform::platform,
        text::{at_most, once, shown, value},
    },
    disk::output_name,
    job_id,
    room::Room,
    source_id,
};
use crate::{
    api::field::InvalidField,
    job::{
        OutputDisk, Rootfs,
        rootfs::{
            DeviceRule, Excess, Harden, METADATA_BYTES, Packing, RootfsImage, RootfsInit, Rule,
            Skipped,
        },
    },
};

const MOST_LOCALES: usize = 64;
const MOST_LOCALE_BYTES: usize = 64;
const MOST_SECRETS: usize = 256;
const MOST_COMMANDS: usize = 64;
const MOST_COMMANDS_BYTES: usize = 64 * 1024;
/// Disks have whole blocks.
const BLOCK_BYTES: u64 = 4096;

/// With the outputs that follow from it. `most_output_bytes` is what the host keeps of all jobs.
pub(super) fn rootfs(
    wire: v1::RootfsSpec,
    room: &Room,
    most_output_bytes: u64,
) -> Result<(Rootfs, Vec<OutputDisk>), InvalidField> {
    let v1::RootfsSpec {
        platform,
        format,
        compression,
        init,
        optimize,
        keep_locales,
        harden,
        size_bytes,
        size_limit_bytes,
        free,
        label,
        boot_check,
        commands,
        source,
    } = wire;
    let source = self::source(source)?;
    let platform = match platform.as_str() {
        "" => Platforms::host().to_string(),
        text => self::platform("spec.rootfs.platform", text)?,
    };
    let asked = ext4::Asked { size_bytes, size_limit_bytes, free, label };
    let most = most_output_bytes.saturating_sub(METADATA_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
    let most = room.disk_bytes.min(most);
    let rootfs = Rootfs {
        format: ext4::format(&format, asked, most)?,
        packing: one_of("spec.rootfs.compression", &compression, Packing::ALL, Packing::name)?,
        init: self::init(init)?,
        optimize: self::optimize(&optimize)?,
        keep_locales: self::keep_locales(keep_locales, !optimize.is_empty())?,
        harden: self::harden(harden)?,
        check: boot::check(boot_check)?,
        commands: self::commands(commands, &source)?,
        source,
        platform,
    };
    check_together(&rootfs)?;
    Ok((rootfs, Rootfs::outputs(most)))
}

fn source(wire: Option<v1::rootfs_spec::Source>) -> Result<RootfsImage, InvalidField> {
    use v1::rootfs_spec::Source;
    match wire {
        Some(Source::Reference(text)) => {
            let reference: Reference =
                crate::api::images::reference("spec.rootfs.reference", &text)?;
            Ok(RootfsImage::Reference(reference.to_string()))
        }
        Some(Source::Build(v1::BuiltImageSource { build_id, export })) => {
            if !export.is_empty() {
                output_name("spec.rootfs.build.export", &export)?;
            }
            Ok(RootfsImage::Build {
                build: job_id("spec.rootfs.build.build_id", &build_id)?,
                export,
            })
        }
        Some(Source::SourceId(id)) => {
            Ok(RootfsImage::Upload(source_id("spec.rootfs.source_id", &id)?))
        }
        None => {
            let problem = "is missing; name a reference, a build, or an upload";
            Err(InvalidField::new("spec.rootfs.source", problem))
        }
    }
}

/// Empty means the first.
fn one_of<T: Copy>(
    field: &str,
    text: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, InvalidField> {
    if let (true, Some(usual)) = (text.is_empty(), all.first()) {
        return Ok(*usual);
    }
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let words: Vec<_> = all.iter().map(|one| name(*one)).collect();
        InvalidField::new(field, format!("{} is none of {}", shown(text), words.join(", ")))
    })
}

fn init(text: String) -> Result<RootfsInit, InvalidField> {
    match text.as_str() {
        "" | "direct" => Ok(RootfsInit::Direct),
        "systemd" => Ok(RootfsInit::Systemd),
        "none" => Ok(RootfsInit::None),
        other if other.starts_with('/') => {
            path("spec.rootfs.init", other)?;
            Ok(RootfsInit::Custom(text))
        }
        other => {
            let problem = format!(
                "{} is none of direct, systemd, none, or the absolute path of a program of the image",
                shown(other)
            );
            Err(InvalidField::new("spec.rootfs.init", problem))
        }
    }
}

fn optimize(wire: &[String]) -> Result<Vec<Excess>, InvalidField> {
    let at = "spec.rootfs.optimize";
    at_most(at, wire.len(), Excess::ALL.len())?;
    let mut excesses = Vec::with_capacity(wire.len());
    for (index, text) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        if text.is_empty() {
            return Err(InvalidField::new(field, "is empty"));
        }
        let excess = one_of(&field, text, Excess::ALL, Excess::name)?;
        once(&field, &excess, &excesses)?;
        excesses.push(excess);
    }
    if excesses.len() > 1 && excesses.contains(&Excess::All) {
        return Err(InvalidField::new(at, "names `all`, and more; `all` is all of it"));
    }
    Ok(excesses)
}

fn keep_locales(wire: Vec<String>, optimizes: bool) -> Result<Vec<String>, InvalidField> {
    let at = "spec.rootfs.keep_locales";
    if !optimizes && !wire.is_empty() {
        return Err(InvalidField::new(at, "needs `optimize`: without it all of them stay"));
    }
    at_most(at, wire.len(), MOST_LOCALES)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte);
    for (index, locale) in wire.iter().enumerate() {
        let well_formed = (1..=MOST_LOCALE_BYTES).contains(&locale.len())
            && locale.bytes().all(allowed)
            && locale.as_bytes()[0].is_ascii_alphabetic();
        if !well_formed {
            let problem = format!("{} is no language, such as de or pt_BR", shown(locale));
            return Err(InvalidField::new(format!("{at}[{index}]"), problem));
        }
    }
    // The converter's own, so that it stands in what was asked.
    let usual = optimizes && wire.is_empty();
    Ok(if usual { vec!["en".to_owned()] } else { wire })
}

fn harden(wire: Option<v1::HardenSpec>) -> Result<Option<Harden>, InvalidField> {
    let at = "spec.rootfs.harden";
    let field = |name: &str| format!("{at}.{name}");
    let v1::HardenSpec { off, keep_secrets, setuid, capabilities, world_writable, devices } =
        wire.unwrap_or_default();
    if off {
        let given = [
            ("keep_secrets", !keep_secrets.is_empty()),
            ("setuid", !setuid.is_empty()),
            ("capabilities", !capabilities.is_empty()),
            ("world_writable", !world_writable.is_empty()),
            ("devices", !devices.is_empty()),
        ];
        return match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                Err(InvalidField::new(field(name), "does not go with `off`: nothing is looked for"))
            }
            None => Ok(None),
        };
    }
    at_most(&field("keep_secrets"), keep_secrets.len(), MOST_SECRETS)?;
    for (index, secret) in keep_secrets.iter().enumerate() {
        path(&format!("{at}.keep_secrets[{index}]"), secret)?;
    }
    let rule = |name: &str, text: &str| one_of(&field(name), text, Rule::ALL, Rule::name);
    Ok(Some(Harden {
        keep_secrets,
        setuid: rule("setuid", &setuid)?,
        capabilities: rule("capabilities", &capabilities)?,
        world_writable: rule("world_writable", &world_writable)?,
        devices: one_of(&field("devices"), &devices, DeviceRule::ALL, DeviceRule::name)?,
    }))
}

fn commands(wire: Vec<String>, source: &RootfsImage) -> Result<Vec<String>, InvalidField> {
    let at = "spec.rootfs.commands";
    if !wire.is_empty() && !matches!(source, RootfsImage::Build { .. }) {
        return Err(InvalidField::new(at, "needs `build`, which has run them"));
    }
    at_most(at, wire.len(), MOST_COMMANDS)?;
    for (index, command) in wire.iter().enumerate() {
        value(&format!("{at}[{index}]"), command)?;
    }
    let bytes: usize = wire.iter().map(String::len).sum();
    if bytes > MOST_COMMANDS_BYTES {
        let problem = format!("come to {bytes} bytes, above {MOST_COMMANDS_BYTES}");
        return Err(InvalidField::new(at, problem));
    }
    Ok(wire)
}

/// What is not booted has to be asked for so: nobody is to believe that it was.
fn check_together(rootfs: &Rootfs) -> Result<(), InvalidField> {
    if rootfs.check.is_none() {
        return Ok(());
    }
    let why = match rootfs.unbootable() {
        Some(Skipped::Format) => "a tar can't be booted",
        Some(Skipped::Compression) => "what is compressed can't be booted",
        Some(Skipped::Init | Skipped::Off) => "what has no init can't be booted",
        None if rootfs.platform != Platforms::host().to_string() => {
            "what is for another platform can't be booted on this host"
        }
        None => return Ok(()),
    };
    let problem =
        format!("{why}; turn the check off with `off`, or ask for a plain ext4 with an init");
    Err(InvalidField::new("spec.rootfs.boot_check", problem))
}
