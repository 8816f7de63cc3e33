//! The build engine in a guest: what is asked for, and what it says of itself.

use std::time::Duration;

use kiln_proto::agent::v1;

use super::{BootStep, GuestError, hello, text};

const MAX_WORD_BYTES: usize = 128;
const MAX_PLATFORMS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartEngine {
    /// The virtio serial of the disk for its state, with an empty file system.
    pub disk: String,
    /// Of the engine, its client and all steps together; 0 means no limit.
    pub memory_bytes: u64,
    /// Until it is ready.
    pub limit: Duration,
}

/// Claims of the guest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub version: String,
    /// In order of their time.
    pub steps: Vec<BootStep>,
    /// What its steps can run for; what is emulated comes last.
    pub platforms: Vec<String>,
}

impl From<StartEngine> for v1::StartEngineRequest {
    fn from(start: StartEngine) -> Self {
        let StartEngine { disk, memory_bytes, limit: _kept_by_the_host } = start;
        Self { disk, memory_bytes }
    }
}

impl TryFrom<v1::StartEngineResponse> for Engine {
    type Error = GuestError;

    fn try_from(response: v1::StartEngineResponse) -> Result<Self, GuestError> {
        let v1::StartEngineResponse { engine_version: version, steps, platforms } = response;
        let broken = |what: &str| GuestError::Protocol { what: what.to_owned() };
        if !text::is_word(&version, MAX_WORD_BYTES) {
            return Err(broken("a version of the engine that is no plain word"));
        }
        if platforms.len() > MAX_PLATFORMS
            || platforms.iter().any(|platform| !text::is_word(platform, MAX_WORD_BYTES))
        {
            return Err(broken("platforms of the engine that are none"));
        }
        Ok(Self { version, steps: hello::steps(steps)?, platforms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut v1::StartEngineResponse), expected: &str) {
        let mut response = v1::StartEngineResponse {
            engine_version: "26.1.5+dfsg1".into(),
            steps: Vec::new(),
            platforms: vec!["linux/amd64".into()],
        };
        change(&mut response);
        match Engine::try_from(response) {
            Ok(_) => assert_eq!(expected, ""),
            Err(error) => {
                assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn what_an_engine_says_of_itself_is_bounded() {
        check(|_| {}, "");
        check(|said| said.engine_version.clear(), "version");
        check(|said| said.engine_version = "1 2".into(), "version");
        check(|said| said.platforms = vec!["linux/amd64".into(); 65], "platforms");
        check(|said| said.platforms = vec!["linux amd64".into()], "platforms");
        check(|said| said.steps = vec![v1::BootStep::default(); 65], "boot steps");
    }
}
