//! What the converter says of what it made. It says it in a guest, so it is what a guest claims: only
//! known fields are looked at, and nothing of it is larger in memory than it was as text.

use kiln_registry::digest::Digest;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{guest::text, job::rootfs::Converted};

/// Of the document, as this kilnd knows it.
const VERSION: u32 = 1;
/// Of what stands in each other, also where nobody looks: all of it is handed on.
const MOST_DEPTH: usize = 64;
const MOST_ARGUMENTS: usize = 16;
const MOST_ARGUMENTS_BYTES: usize = 16 << 10;
const MOST_ARGUMENT_BYTES: usize = 1024;
const MOST_WORD_BYTES: usize = 128;

/// Checked as far as the host can without the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub digest: Digest,
    pub size: u64,
    pub converted: Converted,
}

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("it is not what the converter writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is no text")]
    Text,
    #[error("more than {MOST_DEPTH} things stand in each other in it")]
    Depth,
    #[error("it is of version {0}, and this kilnd knows {VERSION}")]
    Version(u32),
    #[error("its {0} is none")]
    Field(&'static str),
    #[error("it says that {size} bytes were made, of which {disk_bytes} have room")]
    Size { size: u64, disk_bytes: u64 },
}

#[derive(Debug, Deserialize)]
struct Document<'a> {
    version: u32,
    digest: String,
    size: u64,
    ext4: Option<Ext4>,
    source: Source,
    optimised: Option<Vec<Part>>,
    hardened: Option<Hardened>,
    #[serde(borrow)]
    kernel: Kernel<'a>,
}

#[derive(Debug, Deserialize)]
struct Ext4 {
    uuid: String,
    used: u64,
    free: u64,
}

#[derive(Debug, Deserialize)]
struct Source {
    manifest: Option<String>,
    config: String,
    platform: String,
}

#[derive(Debug, Deserialize)]
struct Part {
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Hardened {
    /// Counted, and nothing more: they take no room.
    removed: Vec<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Kernel<'a> {
    #[serde(borrow)]
    arguments: &'a RawValue,
}

/// `disk_bytes` is what the disk holds that was written to.
pub fn read(bytes: &[u8], disk_bytes: u64) -> Result<Claim, ClaimError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ClaimError::Text)?;
    if is_deep(text) {
        return Err(ClaimError::Depth);
    }
    let document: Document<'_> = serde_json::from_str(text)?;
    let Document { version, digest, size, ext4, source, optimised, hardened, kernel } = document;
    if version != VERSION {
        return Err(ClaimError::Version(version));
    }
    if size == 0 || size > disk_bytes {
        return Err(ClaimError::Size { size, disk_bytes });
    }
    let Source { manifest, config, platform } = source;
    let ext4 = ext4
        .map(|Ext4 { uuid, used, free }| word("ext4.uuid", uuid).map(|uuid| (uuid, used, free)));
    let (uuid, used_bytes, free_bytes) = ext4.transpose()?.unwrap_or_default();
    let freed = optimised.iter().flatten();
    let removed = hardened.map_or(0, |hardened| hardened.removed.len());
    Ok(Claim {
        digest: digest.parse().map_err(|_| ClaimError::Field("digest"))?,
        size,
        converted: Converted {
            manifest_digest: match manifest {
                Some(text) => self::digest("source.manifest", &text)?,
                None => String::new(),
            },
            config_digest: self::digest("source.config", &config)?,
            platform: word("source.platform", platform)?,
            uuid,
            used_bytes,
            free_bytes,
            kernel_arguments: arguments(kernel.arguments)?,
            freed_bytes: freed.fold(0, |sum: u64, part| sum.saturating_add(part.bytes)),
            secrets_removed: u32::try_from(removed).unwrap_or(u32::MAX),
        },
    })
}

/// Of what is no JSON any answer will do: whoever reads it next refuses it.
fn is_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return true;
        }
    }
    false
}

fn digest(field: &'static str, text: &str) -> Result<String, ClaimError> {
    let digest: Digest = text.parse().map_err(|_| ClaimError::Field(field))?;
    Ok(digest.to_string())
}

fn word(field: &'static str, word: String) -> Result<String, ClaimError> {
    if text::is_word(&word, MOST_WORD_BYTES) { Ok(word) } else { Err(ClaimError::Field(field)) }
}

fn arguments(raw: &RawValue) -> Result<Vec<String>, ClaimError> {
    let wrong = ClaimError::Field("kernel.arguments");
    if raw.get().len() > MOST_ARGUMENTS_BYTES {
        return Err(wrong);
    }
    let words: Vec<String> = serde_json::from_str(raw.get())?;
    let is_one =
        |word: &String| word.len() <= MOST_ARGUMENT_BYTES && !word.chars().any(text::steers);
    if words.len() > MOST_ARGUMENTS || !words.iter().all(is_one) {
        return Err(wrong);
    }
    Ok(words)
}

impl Converted {
    /// What the kernel, or who stands in for it, has to be told to be process 1.
    pub fn init(&self) -> &str {
        self.kernel_arguments
            .iter()
            .find_map(|word| word.strip_prefix("init="))
            .filter(|path| path.starts_with('/'))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
