//! `OS/ARCH[/VARIANT]`, with one name for each platform, as containerd has them.

use super::text::{at_most, once, shown};
use crate::api::field::InvalidField;

const MOST: usize = 16;

pub(super) fn platforms(wire: &[String]) -> Result<Vec<String>, InvalidField> {
    let at = "spec.build.platforms";
    at_most(at, wire.len(), MOST)?;
    let mut platforms = Vec::with_capacity(wire.len());
    for (index, text) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        let platform = platform(&field, text)?;
        once(&field, &platform, &platforms)?;
        platforms.push(platform);
    }
    Ok(platforms)
}

/// `linux/amd64` for `linux/x86_64`, `linux/arm64` for `linux/arm64/v8` and `arm64`.
pub(in crate::api::incoming) fn platform(field: &str, text: &str) -> Result<String, InvalidField> {
    let wrong = |problem: &str| Err(InvalidField::new(field, format!("{} {problem}", shown(text))));
    if text.contains(',') {
        return wrong("is more than one platform; give each an entry of its own");
    }
    let lower = text.to_ascii_lowercase();
    let mut parts = lower.split('/');
    let (first, second, variant) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if parts.next().is_some() {
        return wrong("is no platform: expected OS/ARCH[/VARIANT], as in linux/arm64");
    }
    let (os, architecture) = match second {
        Some(architecture) => (first, architecture),
        // An architecture alone is linux's.
        None => ("linux", first),
    };
    if os != "linux" {
        return wrong("is not built here: guests run linux");
    }
    match normal(architecture, variant.unwrap_or("")) {
        Some((architecture, "")) => Ok(format!("linux/{architecture}")),
        Some((architecture, variant)) => Ok(format!("linux/{architecture}/{variant}")),
        None => wrong("is no platform: expected OS/ARCH[/VARIANT], as in linux/arm64"),
    }
}

/// Architecture and variant by the names that images have; `None` when there is no such thing.
fn normal(architecture: &str, variant: &str) -> Option<(&'static str, &'static str)> {
    Some(match (architecture, variant) {
        ("amd64" | "x86_64" | "x86-64", "" | "v1") => ("amd64", ""),
        ("amd64" | "x86_64" | "x86-64", "v2") => ("amd64", "v2"),
        ("amd64" | "x86_64" | "x86-64", "v3") => ("amd64", "v3"),
        ("amd64" | "x86_64" | "x86-64", "v4") => ("amd64", "v4"),
        ("386" | "i386", "") => ("386", ""),
        ("arm64" | "aarch64", "" | "8" | "v8") => ("arm64", ""),
        ("arm", "" | "7" | "v7") | ("armhf", "") => ("arm", "v7"),
        ("arm", "6" | "v6") | ("armel", "") => ("arm", "v6"),
        ("arm", "5" | "v5") => ("arm", "v5"),
        ("arm", "8" | "v8") => ("arm", "v8"),
        ("riscv64", "") => ("riscv64", ""),
        ("ppc64le", "") => ("ppc64le", ""),
        ("s390x", "") => ("s390x", ""),
        ("mips64le", "") => ("mips64le", ""),
        ("mips64", "") => ("mips64", ""),
        ("loong64", "") => ("loong64", ""),
        _ => return None,
    })
}
