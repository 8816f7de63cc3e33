//! What the init is told, by a file beside it.

use serde::{Deserialize, Serialize};

/// Nobody else's: no distribution has it, no link of an image leads through it, and who wants to be rid
/// of it removes one directory. `/usr/lib` and `/sbin` are links in half of all images.
pub const DIRECTORY: &str = "/.kiln";
pub const PROGRAM: &str = "/.kiln/init";
pub const SETTINGS: &str = "/.kiln/init.json";

/// docker's own.
pub const DEFAULT_STOP_SECONDS: u32 = 10;

/// Another one is refused: a program must not guess what a newer one meant.
const VERSION: u32 = 1;

/// As an image's configuration says it; nothing is looked up yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    version: u32,
    /// The program and its arguments: ENTRYPOINT, then CMD.
    pub command: Vec<String>,
    /// The image's own, which come after the ones that docker gives everyone.
    #[serde(default)]
    pub environment: Vec<String>,
    /// `name`, `uid`, `name:group`, `uid:gid`; empty is root.
    #[serde(default)]
    pub user: String,
    pub working_directory: String,
    pub stop_signal: String,
    /// From the stop signal until everything is killed.
    pub stop_seconds: u32,
    /// Without one it is what `/etc/hostname` says, or `localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// File systems in memory. An image has none: what it has in `/run` and `/tmp` stays to be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<Memory>,
}

/// An empty file system in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub path: String,
    /// Without one half of the machine's memory is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum UnreadableSettings {
    #[error("not settings of an init")]
    Syntax(#[from] serde_json::Error),
    #[error("settings of version {0}, and this init knows version {VERSION}")]
    Version(u32),
}

impl Settings {
    pub fn new(command: Vec<String>) -> Self {
        Self {
            version: VERSION,
            command,
            environment: Vec::new(),
            user: String::new(),
            working_directory: "/".to_owned(),
            stop_signal: "SIGTERM".to_owned(),
            stop_seconds: DEFAULT_STOP_SECONDS,
            hostname: None,
            memory: Vec::new(),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, UnreadableSettings> {
        let settings: Self = serde_json::from_slice(bytes)?;
        match settings.version {
            VERSION => Ok(settings),
            other => Err(UnreadableSettings::Version(other)),
        }
    }

    /// One line for each field, so that people can read it too; the same settings are the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_as_they_were_written() {
        let mut settings = Settings::new(vec!["/bin/app".to_owned(), "a\"\u{1f980}\n".to_owned()]);
        assert_eq!(Settings::parse(&settings.to_bytes().unwrap()).unwrap(), settings);
        settings.hostname = Some("one".to_owned());
        settings.memory = vec![Memory { path: "/run".to_owned(), bytes: Some(1 << 20) }];
        assert_eq!(Settings::parse(&settings.to_bytes().unwrap()).unwrap(), settings);
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let text = r#"{"version":VERSION,"command":["a"],"working_directory":"/",
            "stop_signal":"9","stop_seconds":1MORE}"#;
        let parse = |version: &str, more: &str| {
            let text = text.replace("VERSION", version).replace("MORE", more);
            Settings::parse(text.as_bytes())
        };
        assert!(parse("1", "").is_ok());
        assert!(matches!(parse("2", ""), Err(UnreadableSettings::Version(2))));
        assert!(matches!(parse("1", r#","restart":true"#), Err(UnreadableSettings::Syntax(_))));
        assert!(matches!(parse("1", r#","user":5"#), Err(UnreadableSettings::Syntax(_))));
    }
}
