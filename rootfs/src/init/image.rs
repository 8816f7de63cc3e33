//! What an image's configuration says of its command.

use serde::{Deserialize, Deserializer};

/// As docker and OCI write it; the rest of the configuration is nobody's here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageCommand {
    /// In Go's names: `amd64`, `arm64`.
    pub architecture: String,
    pub entrypoint: Vec<String>,
    pub arguments: Vec<String>,
    pub environment: Vec<String>,
    pub user: String,
    /// Empty is `/`.
    pub working_directory: String,
    /// Empty is `SIGTERM`.
    pub stop_signal: String,
    pub stop_seconds: Option<u32>,
    /// Directories that docker would mount something on.
    pub volumes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("the image's configuration is not what OCI describes")]
pub struct InvalidConfig(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    architecture: String,
    #[serde(default, deserialize_with = "or_default")]
    config: Section,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Section {
    #[serde(deserialize_with = "or_default")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    working_dir: String,
    #[serde(deserialize_with = "or_default")]
    stop_signal: String,
    stop_timeout: Option<u32>,
    #[serde(deserialize_with = "or_default")]
    volumes: serde_json::Map<String, serde_json::Value>,
}

/// Go writes what is empty as `null`.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ImageCommand {
    /// Of the whole document.
    pub fn parse(config: &[u8]) -> Result<Self, InvalidConfig> {
        let Document { architecture, config } = serde_json::from_slice(config)?;
        let Section { entrypoint, cmd, env, user, working_dir, stop_signal, stop_timeout, volumes } =
            config;
        Ok(Self {
            architecture,
            entrypoint,
            arguments: cmd,
            environment: env,
            user,
            working_directory: working_dir,
            stop_signal,
            stop_seconds: stop_timeout,
            volumes: volumes.into_iter().map(|(path, _)| path).collect(),
        })
    }

    /// The whole command.
    pub(super) fn words(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.arguments).cloned().collect()
    }

    pub(super) fn directory(&self) -> &str {
        if self.working_directory.is_empty() { "/" } else { &self.working_directory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_configuration_is_read() {
        let text = r#"{"architecture":"arm64","os":"linux","rootfs":{"type":"layers"},"config":{
            "Entrypoint":["/entry"],"Cmd":["a","b"],"Env":["A=1"],"User":"app:adm",
            "WorkingDir":"/srv","StopSignal":"SIGQUIT","StopTimeout":3,"Labels":{"x":"y"},
            "Volumes":{"/data":{}},"ExposedPorts":{"80/tcp":{}},"Hostname":"x"}}"#;
        let image = ImageCommand::parse(text.as_bytes()).unwrap();
        assert_eq!(image.words(), ["/entry", "a", "b"]);
        assert_eq!((&*image.architecture, &*image.user), ("arm64", "app:adm"));
        assert_eq!((image.directory(), &*image.stop_signal), ("/srv", "SIGQUIT"));
        assert_eq!((image.stop_seconds, &*image.environment), (Some(3), &["A=1".to_owned()][..]));
        assert_eq!(image.volumes, ["/data"]);
    }

    #[test]
    fn what_is_missing_or_null_is_empty() {
        let null = r#"{"config":{"Entrypoint":null,"Cmd":null,"Env":null,"User":null,
            "WorkingDir":null,"StopSignal":null,"StopTimeout":null,"Volumes":null}}"#;
        for text in ["{}", r#"{"config":null}"#, r#"{"config":{}}"#, null] {
            let image = ImageCommand::parse(text.as_bytes()).unwrap();
            assert_eq!(image, ImageCommand::default(), "{text}");
            assert_eq!(image.directory(), "/");
        }
    }

    #[test]
    fn what_is_something_else_is_refused() {
        for text in ["", "3", r#"{"config":{"Cmd":"sh"}}"#, r#"{"config":{"User":0}}"#] {
            assert!(ImageCommand::parse(text.as_bytes()).is_err(), "{text}");
        }
        let twice = r#"{"config":{"User":"a","User":"b"}}"#;
        assert!(ImageCommand::parse(twice.as_bytes()).is_err());
    }
}
