//! `--output type=rootfs,…`: the keys are the flags of `kiln rootfs`.

use std::{num::NonZeroU16, path::PathBuf, str::FromStr};

use clap::ValueEnum;

use super::{InvalidExport, boolean, take};
use crate::args::{Destination, Probe, RootfsOptions, build::Platform, duration, rootfs, size};

/// A root filesystem of the build's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootfsExport {
    pub(crate) options: RootfsOptions,
    /// Of a build for several.
    pub(crate) platform: Option<Platform>,
    pub(crate) metadata: Option<PathBuf>,
}

pub(super) const KEYS: [&str; 22] = [
    "dest",
    "metadata",
    "platform",
    "format",
    "compression",
    "init",
    "optimize",
    "keep-locale",
    "harden",
    "keep-secret",
    "setuid",
    "capabilities",
    "world-writable",
    "devices",
    "size",
    "size-limit",
    "free",
    "label",
    "boot-check",
    "probe-command",
    "probe-port",
    "boot-timeout",
];

type Pairs = Vec<(String, String)>;

impl RootfsExport {
    pub(super) fn of(mut pairs: Pairs) -> Result<(Self, Destination), InvalidExport> {
        let pairs = &mut pairs;
        let destination = match take(pairs, "dest").as_deref() {
            None => return Err(InvalidExport::NoFile { kind: "rootfs" }),
            Some("") => return Err(InvalidExport::EmptyDestination),
            Some(file) => Destination::of_file(file),
        };
        let options = RootfsOptions {
            format: choice(pairs, "format")?,
            compress: choice(pairs, "compression")?,
            init: parsed(pairs, "init")?,
            optimize: optimize(pairs),
            keep_locale: list(pairs, "keep-locale"),
            no_harden: is_off(pairs, "harden")?,
            keep_secret: list(pairs, "keep-secret"),
            setuid: choice(pairs, "setuid")?,
            capabilities: choice(pairs, "capabilities")?,
            world_writable: choice(pairs, "world-writable")?,
            devices: choice(pairs, "devices")?,
            size: with(pairs, "size", size::parse)?,
            size_limit: with(pairs, "size-limit", size::parse)?,
            free: parsed(pairs, "free")?,
            label: take(pairs, "label"),
            no_boot_check: is_off(pairs, "boot-check")?,
            probe: Probe {
                probe_command: with(pairs, "probe-command", rootfs::probe_command)?,
                probe_port: parsed::<NonZeroU16>(pairs, "probe-port")?,
            },
            boot_timeout: with(pairs, "boot-timeout", duration::parse)?,
        };
        options.check()?;
        let platform = parsed(pairs, "platform")?;
        let metadata = take(pairs, "metadata").map(PathBuf::from);
        Ok((Self { options, platform, metadata }, destination))
    }
}

/// `off`, or what is false.
fn is_off(pairs: &mut Pairs, key: &'static str) -> Result<bool, InvalidExport> {
    match take(pairs, key).as_deref() {
        None | Some("on") => Ok(false),
        Some("off") => Ok(true),
        Some(other) => boolean(key, other).map(|is_on| !is_on),
    }
}

/// `true` is all that is known, as the flag alone is.
fn optimize(pairs: &mut Pairs) -> Vec<String> {
    match take(pairs, "optimize").as_deref() {
        None | Some("false") => Vec::new(),
        Some("true") => vec!["all".to_owned()],
        Some(words) => words.split(',').map(str::to_owned).collect(),
    }
}

fn list(pairs: &mut Pairs, key: &str) -> Vec<String> {
    let words = take(pairs, key);
    words.iter().flat_map(|words| words.split(',')).map(str::to_owned).collect()
}

fn choice<T: ValueEnum>(pairs: &mut Pairs, key: &'static str) -> Result<Option<T>, InvalidExport> {
    with(pairs, key, |text| {
        T::from_str(text, false).map_err(|_| {
            let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<_> = values.map(|value| value.get_name().to_owned()).collect();
            format!("write {}", names.join(", "))
        })
    })
}

fn parsed<T: FromStr<Err: ToString>>(
    pairs: &mut Pairs,
    key: &'static str,
) -> Result<Option<T>, InvalidExport> {
    with(pairs, key, str::parse)
}

fn with<T, E: ToString>(
    pairs: &mut Pairs,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, InvalidExport> {
    let Some(value) = take(pairs, key) else { return Ok(None) };
    match parse(&value) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(InvalidExport::Value { key, value, reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{
        build::{Export, ImageOptions},
        rootfs::options::{Deal, RootfsFormat},
    };

    #[test]
    fn keys_are_the_flags() {
        let text = "type=rootfs,dest=app.ext4,platform=arm64,metadata=app.json,format=ext4,\
                    \"optimize=apt,manuals\",\"keep-locale=de,fr\",setuid=strip,init=systemd,\
                    size-limit=1G,free=20%,label=root,harden=on,boot-check=on,probe-port=80,\
                    boot-timeout=1m";
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let options = RootfsOptions {
            format: Some(RootfsFormat::Ext4),
            init: Some("systemd".parse().unwrap()),
            optimize: owned(&["apt", "manuals"]),
            keep_locale: owned(&["de", "fr"]),
            setuid: Some(Deal::Strip),
            size_limit: Some(1 << 30),
            free: Some("20%".parse().unwrap()),
            label: Some("root".to_owned()),
            probe: Probe { probe_command: None, probe_port: NonZeroU16::new(80) },
            boot_timeout: Some(std::time::Duration::from_secs(60)),
            ..RootfsOptions::default()
        };
        let rootfs = RootfsExport {
            options,
            platform: Some(Platform("linux/arm64".to_owned())),
            metadata: Some("app.json".into()),
        };
        let (image, destination) = (ImageOptions::default(), Destination::File("app.ext4".into()));
        let rootfs = Box::new(rootfs);
        assert_eq!(text.parse(), Ok(Export::Rootfs { image, rootfs, destination }));
    }

    #[test]
    fn all_else_is_refused() {
        let check = |text: &str, words: &str| {
            let told = format!("type=rootfs,{text}").parse::<Export>().unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        check("init=direct", "needs a file");
        check("dest=", "dest= is empty");
        check("dest=a,compress=zstd", "type=rootfs has no compress: it takes dest");
        check("dest=a,format=ext3", "format=\"ext3\": write ext4, tar");
        check("dest=a,init=sysv", "write direct, systemd, none");
        check("dest=a,free=200%", "0% to 95%");
        check("dest=a,probe-port=0", "probe-port=\"0\"");
        check("dest=a,probe-port=80,probe-command=true", "probe-command or probe-port");
        check("dest=a,boot-check=off,probe-port=80", "it is off");
        check("dest=a,boot-check=perhaps", "neither true nor false");
        check("dest=a,format=tar,label=x", "label is of an ext4");
    }
}
