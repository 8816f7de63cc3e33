//! The greeting: who we are, who answers, and randomness for a guest that has none.

use std::{
    fmt, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kiln_proto::agent::{PROTOCOL_VERSION, v1};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{GuestError, GuestNetwork, text};

/// As much as the kernel's generator holds.
const ENTROPY_BYTES: usize = 64;
const SECRET_BYTES: usize = 32;
const MAX_BOOT_STEPS: usize = 64;
const MAX_WORD_BYTES: usize = 128;

/// What we tell an agent, and how long we wait for it to answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    pub hostname: String,
    /// The first that an agent hears is its own for life: whoever comes back shows the same, and an
    /// agent that answers [`AgentCode::PermissionDenied`] is of another guest.
    ///
    /// [`AgentCode::PermissionDenied`]: super::AgentCode::PermissionDenied
    pub secret: [u8; SECRET_BYTES],
    /// Without one the guest has its loopback alone. What the first hello says counts.
    pub network: Option<GuestNetwork>,
    pub limit: Duration,
}

impl fmt::Debug for Hello {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hostname, secret: _never_shown, network, limit } = self;
        formatter
            .debug_struct("Hello")
            .field("hostname", hostname)
            .field("network", network)
            .field("limit", limit)
            .finish_non_exhaustive()
    }
}

/// A secret for a guest that is new.
pub fn draw_secret() -> Result<[u8; SECRET_BYTES], GuestError> {
    random().map_err(|source| GuestError::Entropy { source })
}

/// What an agent says of itself: claims of the guest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestHello {
    pub agent_version: String,
    pub kernel_release: String,
    /// In order of their time.
    pub boot_steps: Vec<BootStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootStep {
    pub name: String,
    pub since_kernel_start: Duration,
}

impl Hello {
    pub(super) fn request(self) -> Result<v1::HelloRequest, GuestError> {
        let Self { hostname, secret, network, limit: _kept_by_the_host } = self;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(v1::HelloRequest {
            protocol_version: PROTOCOL_VERSION,
            unix_nanos: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            entropy: random::<ENTROPY_BYTES>()
                .map_err(|source| GuestError::Entropy { source })?
                .to_vec()
                .into(),
            hostname,
            secret: secret.to_vec().into(),
            network: network.map(v1::Network::from),
        })
    }
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    // Up to 256 bytes come whole or not at all, once the pool is initialised.
    let length = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if length == BYTES { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl TryFrom<v1::HelloResponse> for GuestHello {
    type Error = GuestError;

    fn try_from(response: v1::HelloResponse) -> Result<Self, GuestError> {
        let v1::HelloResponse { protocol_version, agent_version, kernel_release, boot_steps } =
            response;
        if protocol_version != PROTOCOL_VERSION {
            return Err(GuestError::Version {
                ours: PROTOCOL_VERSION,
                theirs: protocol_version.to_string(),
            });
        }
        let broken = |what: &str| GuestError::Protocol { what: what.to_owned() };
        if !text::is_word(&agent_version, MAX_WORD_BYTES) {
            return Err(broken("an agent version that is no plain word"));
        }
        if !text::is_word(&kernel_release, MAX_WORD_BYTES) {
            return Err(broken("a kernel release that is no plain word"));
        }
        Ok(Self { agent_version, kernel_release, boot_steps: steps(boot_steps)? })
    }
}

/// Bounded, and in order.
pub(super) fn steps(steps: Vec<v1::BootStep>) -> Result<Vec<BootStep>, GuestError> {
    let broken = |what: &str| Err(GuestError::Protocol { what: what.to_owned() });
    if steps.len() > MAX_BOOT_STEPS {
        return broken("more than 64 boot steps");
    }
    if !steps.is_sorted_by_key(|step| step.monotonic_nanos) {
        return broken("boot steps out of order");
    }
    let step = |v1::BootStep { name, monotonic_nanos }| BootStep {
        name: text::bounded(&name, MAX_WORD_BYTES),
        since_kernel_start: Duration::from_nanos(monotonic_nanos),
    };
    Ok(steps.into_iter().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::{GuestError, GuestHello, PROTOCOL_VERSION, v1};

    fn check(change: impl FnOnce(&mut v1::HelloResponse), expected: &str) {
        let mut response = v1::HelloResponse {
            protocol_version: PROTOCOL_VERSION,
            agent_version: "0.1.0".into(),
            kernel_release: "6.12".into(),
            boot_steps: Vec::new(),
        };
        change(&mut response);
        match GuestHello::try_from(response) {
            Ok(_) => assert_eq!(expected, ""),
            Err(error) => {
                assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn what_an_agent_says_of_itself_is_bounded() {
        check(|_| {}, "");
        check(|hello| hello.agent_version.clear(), "agent version");
        check(|hello| hello.agent_version = "x".repeat(129), "agent version");
        check(|hello| hello.kernel_release = "6.12\n".into(), "kernel release");
        check(|hello| hello.boot_steps = vec![v1::BootStep::default(); 64], "");
        check(|hello| hello.boot_steps = vec![v1::BootStep::default(); 65], "boot steps");
        let step = |monotonic_nanos| v1::BootStep { name: "init".into(), monotonic_nanos };
        check(|hello| hello.boot_steps = vec![step(2), step(1)], "out of order");
    }

    #[test]
    fn another_protocol_version_names_both() {
        check(|hello| hello.protocol_version = 1, "this kilnd, which speaks 2: 1;");
        let response = v1::HelloResponse { protocol_version: 7, ..Default::default() };
        let error = GuestHello::try_from(response).unwrap_err();
        assert!(matches!(error, GuestError::Version { ours: 2, theirs } if theirs == "7"));
    }
}
