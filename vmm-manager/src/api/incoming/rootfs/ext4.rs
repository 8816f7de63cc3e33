//! What can be chosen of a root filesystem's ext4.

use super::shown;
use crate::{
    api::field::InvalidField,
    job::rootfs::{Ext4, RootfsFormat},
};

/// ext4 has no more room for it.
const MOST_LABEL_BYTES: usize = 16;
const MOST_FREE_BYTES: usize = 32;
/// Its own tables are in the rest.
const MOST_PERCENT: u8 = 95;

pub(super) struct Asked {
    pub(super) size_bytes: u64,
    pub(super) size_limit_bytes: u64,
    pub(super) free: String,
    pub(super) label: String,
}

/// `most` is what its disk holds.
pub(super) fn format(text: &str, asked: Asked, most: u64) -> Result<RootfsFormat, InvalidField> {
    let Asked { size_bytes, size_limit_bytes, free, label } = asked;
    match text {
        "" | "ext4" => {}
        "tar" => {
            let given = [
                ("size_bytes", size_bytes > 0),
                ("size_limit_bytes", size_limit_bytes > 0),
                ("free", !free.is_empty()),
                ("label", !label.is_empty()),
            ];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(InvalidField::new(
                    format!("spec.rootfs.{name}"),
                    "is for an ext4: a tar has neither a size of its own nor a label",
                )),
                None => Ok(RootfsFormat::Tar),
            };
        }
        other => {
            let problem = format!("{} is none of ext4, tar", shown(other));
            return Err(InvalidField::new("spec.rootfs.format", problem));
        }
    }
    for (name, bytes) in [("size_bytes", size_bytes), ("size_limit_bytes", size_limit_bytes)] {
        if bytes > most {
            let problem =
                format!("{bytes} is above {most}, which is all that the job's output disk holds");
            return Err(InvalidField::new(format!("spec.rootfs.{name}"), problem));
        }
    }
    if size_bytes > 0 && !free.is_empty() {
        let problem = "does not go with `size_bytes`, which says how large all of it is";
        return Err(InvalidField::new("spec.rootfs.free", problem));
    }
    if size_limit_bytes > 0 && size_bytes > size_limit_bytes {
        let problem = format!("{size_bytes} is above `size_limit_bytes`, {size_limit_bytes}");
        return Err(InvalidField::new("spec.rootfs.size_bytes", problem));
    }
    if label.len() > MOST_LABEL_BYTES || label.chars().any(char::is_control) {
        let problem = format!("must be at most {MOST_LABEL_BYTES} bytes of printable text");
        return Err(InvalidField::new("spec.rootfs.label", problem));
    }
    let some = |bytes: u64| (bytes > 0).then_some(bytes);
    Ok(RootfsFormat::Ext4(Ext4 {
        size_bytes: some(size_bytes),
        limit_bytes: some(size_limit_bytes),
        free: self::free(free)?,
        label,
    }))
}

/// A size or a part, as the converter reads them.
fn free(text: String) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_one = match text.strip_suffix('%') {
        Some(percent) => percent.trim_end().parse().is_ok_and(|part: u8| part <= MOST_PERCENT),
        None => is_size(&text),
    };
    if !is_one || text.len() > MOST_FREE_BYTES {
        let problem = format!(
            "{} is no size such as 64M or 2GiB, and no part from 0% to {MOST_PERCENT}%",
            shown(&text)
        );
        return Err(InvalidField::new("spec.rootfs.free", problem));
    }
    Ok(Some(text))
}

fn is_size(text: &str) -> bool {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return false,
    };
    digits.parse::<u64>().is_ok_and(|number| number.checked_mul(1 << shift).is_some())
}
