//! A record in a few lines, for people.

use super::Record;

/// As many of a kind are named; the rest is counted.
const NAMED: usize = 10;

impl Record {
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![format!("{}, {}", self.digest, self.shape())];
        let layers = match self.source.layers.len() {
            1 => "1 layer".to_owned(),
            layers => format!("{layers} layers"),
        };
        // As others name the image; an archive of docker has no such name.
        let image = self.source.manifest.as_ref().unwrap_or(&self.source.config);
        lines.push(format!("of {image} ({}, {layers})", self.source.platform));
        if let Some(optimised) = &self.optimised {
            let parts = optimised.iter().filter(|part| part.bytes > 0);
            let parts: Vec<_> =
                parts.map(|part| format!("{} {}", part.name, size(part.bytes))).collect();
            let bytes = optimised.iter().map(|part| part.bytes).sum();
            let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
            lines.push(format!("freed {}: {parts}", size(bytes)));
        }
        if let Some(hardened) = &self.hardened {
            let removed = hardened.removed.iter();
            several(
                &mut lines,
                removed
                    .map(|one| format!("{} {} ({})", one.action, one.paths.join(", "), one.secret)),
            );
            let privileged = hardened.privileged.iter();
            several(
                &mut lines,
                privileged.map(|one| {
                    let what = if one.stripped { "no longer" } else { "still" };
                    format!("{} is {what} {} ({})", one.path, one.what, one.mode)
                }),
            );
        }
        if let Some(init) = &self.init {
            let found = if init.found_by_default { ", which the kernel finds" } else { "" };
            lines.push(format!("boots {}{found}", init.program));
        }
        lines.extend(self.kernel.arguments.iter().map(|word| format!("kernel needs: {word}")));
        lines
    }

    fn shape(&self) -> String {
        let packed = match self.compression.as_str() {
            "none" => String::new(),
            packing => format!(", packed with {packing}"),
        };
        match &self.ext4 {
            Some(ext4) => format!(
                "{} {} of {} with {} free{packed}, uuid {}",
                size(self.size),
                self.format,
                size(ext4.size),
                size(ext4.free),
                ext4.uuid
            ),
            None => format!("{} {}{packed}", size(self.size), self.format),
        }
    }
}

fn several(lines: &mut Vec<String>, all: impl ExactSizeIterator<Item = String>) {
    let more = all.len().saturating_sub(NAMED);
    lines.extend(all.take(NAMED));
    if more > 0 {
        lines.push(format!("and {more} more of that, in the metadata"));
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = "bytes";
    let (mut whole, mut tenths) = (bytes, 0);
    for next in UNITS {
        if whole < 1024 {
            break;
        }
        (tenths, whole, unit) = (whole % 1024 * 10 / 1024, whole / 1024, next);
    }
    if unit == "bytes" { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}
