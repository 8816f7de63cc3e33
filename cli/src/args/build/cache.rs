//! `--cache-from` and `--cache-to`: `type=registry,ref=…`, `type=inline`, or a bare reference.

use std::str::FromStr;

use super::{
    csv::{self, InvalidCsv},
    export::{Compression, InvalidImage},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheFrom {
    pub(crate) reference: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CacheTo {
    /// Into the image itself.
    Inline,
    Registry {
        reference: String,
        mode: CacheMode,
        compression: Option<Compression>,
        ignore_error: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMode {
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCache {
    #[error(transparent)]
    Csv(#[from] InvalidCsv),
    #[error("it has no type: write type=registry,ref=REFERENCE")]
    NoType,
    #[error("it names no cache: add ref=REFERENCE")]
    NoReference,
    #[error("type={kind} is refused: {reason}; write type=registry,ref=REFERENCE")]
    Refused { kind: String, reason: &'static str },
    #[error("{kind:?} is no type of cache: write type=registry,ref=REFERENCE")]
    UnknownType { kind: String },
    #[error("type={kind} has no {key}: it takes {allowed}")]
    UnknownKey { kind: &'static str, key: String, allowed: &'static str },
    #[error("mode={mode} is none: write min or max")]
    UnknownMode { mode: String },
    #[error("ignore-error={value} is neither true nor false")]
    NoBoolean { value: String },
    #[error("an inline cache comes with its image: --cache-from has its reference")]
    InlineFrom,
    #[error(transparent)]
    Compression(#[from] InvalidImage),
}

impl FromStr for CacheFrom {
    type Err = InvalidCache;

    fn from_str(text: &str) -> Result<Self, InvalidCache> {
        let Parsed { is_inline, pairs } = parse(text)?;
        if is_inline {
            return Err(InvalidCache::InlineFrom);
        }
        let mut reference = None;
        for (key, value) in pairs {
            match key.as_str() {
                "ref" => reference = Some(value),
                _ => {
                    let allowed = "type, ref";
                    return Err(InvalidCache::UnknownKey { kind: "registry", key, allowed });
                }
            }
        }
        Ok(Self { reference: present(reference)? })
    }
}

impl FromStr for CacheTo {
    type Err = InvalidCache;

    fn from_str(text: &str) -> Result<Self, InvalidCache> {
        let Parsed { is_inline, pairs } = parse(text)?;
        if is_inline {
            return match pairs.into_iter().next() {
                None => Ok(Self::Inline),
                Some((key, _)) => {
                    Err(InvalidCache::UnknownKey { kind: "inline", key, allowed: "type alone" })
                }
            };
        }
        let mut found = None;
        let mut mode = CacheMode::Min;
        let mut compression = None;
        let mut ignore_error = false;
        for (key, value) in pairs {
            match key.as_str() {
                "ref" => found = Some(value),
                "mode" => {
                    mode = match value.as_str() {
                        "min" => CacheMode::Min,
                        "max" => CacheMode::Max,
                        _ => return Err(InvalidCache::UnknownMode { mode: value }),
                    }
                }
                "compression" => compression = Some(Compression::named(&value)?),
                "ignore-error" => {
                    ignore_error = match value.as_str() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(InvalidCache::NoBoolean { value }),
                    }
                }
                _ => {
                    let allowed = "type, ref, mode, compression, ignore-error";
                    return Err(InvalidCache::UnknownKey { kind: "registry", key, allowed });
                }
            }
        }
        Ok(Self::Registry { reference: present(found)?, mode, compression, ignore_error })
    }
}

impl CacheMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

struct Parsed {
    is_inline: bool,
    pairs: Vec<(String, String)>,
}

fn parse(text: &str) -> Result<Parsed, InvalidCache> {
    let fields = csv::fields(text)?;
    if let [only] = &fields[..]
        && !only.contains('=')
    {
        let pairs = vec![("ref".to_owned(), only.clone())];
        return Ok(Parsed { is_inline: false, pairs });
    }
    let mut pairs = csv::pairs(fields)?;
    let Some(index) = pairs.iter().position(|(key, _)| key == "type") else {
        return Err(InvalidCache::NoType);
    };
    let kind = pairs.remove(index).1;
    let reason = match kind.as_str() {
        "registry" => return Ok(Parsed { is_inline: false, pairs }),
        "inline" => return Ok(Parsed { is_inline: true, pairs }),
        "local" => "a build's VM has no directory of this machine",
        "gha" | "s3" | "azblob" => {
            "its credentials would have to be in the build's VM, and registries are the host's"
        }
        _ => return Err(InvalidCache::UnknownType { kind }),
    };
    Err(InvalidCache::Refused { kind, reason })
}

fn present(reference: Option<String>) -> Result<String, InvalidCache> {
    reference.filter(|reference| !reference.is_empty()).ok_or(InvalidCache::NoReference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(reference: &str, mode: CacheMode) -> CacheTo {
        let reference = reference.to_owned();
        CacheTo::Registry { reference, mode, compression: None, ignore_error: false }
    }

    #[test]
    fn references() {
        let from = |text: &str, reference: &str| {
            assert_eq!(text.parse(), Ok(CacheFrom { reference: reference.to_owned() }), "{text}");
        };
        from("local/cache:1", "local/cache:1");
        from("type=registry,ref=r.test/a:b", "r.test/a:b");
        let to = |text: &str, expected| assert_eq!(text.parse(), Ok(expected), "{text}");
        to("local/cache", registry("local/cache", CacheMode::Min));
        to("type=registry,ref=a/b,mode=max", registry("a/b", CacheMode::Max));
        to("type=inline", CacheTo::Inline);
        to(
            "type=registry,ref=a,compression=zstd,ignore-error=true",
            CacheTo::Registry {
                reference: "a".to_owned(),
                mode: CacheMode::Min,
                compression: Some(Compression::Zstd),
                ignore_error: true,
            },
        );
    }

    #[test]
    fn all_else_is_refused_by_name() {
        let check = |text: &str, words: &str| {
            let from = text.parse::<CacheFrom>().unwrap_err().to_string();
            let to = text.parse::<CacheTo>().unwrap_err().to_string();
            assert!(from.contains(words), "{text}: {from}");
            assert!(to.contains(words), "{text}: {to}");
        };
        for kind in ["local", "gha", "s3", "azblob"] {
            check(&format!("type={kind},src=x"), &format!("type={kind} is refused"));
        }
        check("type=floppy", "is no type of cache");
        check("type=registry", "add ref=");
        check("", "add ref=");
        check("ref=a,mode=max", "it has no type");
        check("type=registry,ref=a,insecure=true", "has no insecure");
        let check = |text: &str, words: &str| {
            let told = text.parse::<CacheTo>().unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        check("type=registry,ref=a,mode=most", "write min or max");
        check("type=inline,mode=max", "type=inline has no mode");
        assert_eq!("type=inline".parse::<CacheFrom>(), Err(InvalidCache::InlineFrom));
    }
}
