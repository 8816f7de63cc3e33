//! What jobs may reach at most on this host, whatever their tenants ask for.

use std::{collections::BTreeSet, fs, io::Read, net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use kiln_net::policy::{Ceiling, Endpoint, EndpointFlag, InvalidPolicy, MAX_TEXT_BYTES, Policy};

/// The raw input.
#[derive(Clone, Debug, Args)]
pub struct EgressFlags {
    /// The widest egress policy that a job may have: `none`, `record`, `internet`,
    /// `allow=NAME[:PORT][/PROTOCOL],…`, or `@FILE` with such a rule a line. What is private,
    /// link-local or the host's own is out of reach under any.
    #[arg(long, env = "KILN_EGRESS_CEILING", value_name = "POLICY", default_value = "internet")]
    pub egress_ceiling: CeilingFlag,

    /// A service on this host or in a private range that jobs may reach over TCP under a name, where
    /// their policy names it. Once for each.
    #[arg(
        long = "endpoint",
        env = "KILN_ENDPOINTS",
        value_name = "NAME:PORT=ADDRESS:PORT",
        value_delimiter = ','
    )]
    pub endpoints: Vec<EndpointFlag>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CeilingFlag {
    Policy(Policy),
    File(PathBuf),
}

/// What nobody checks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressConfig {
    pub ceiling: Ceiling,
    /// Each once, and where it is dialled.
    pub endpoints: Vec<(Endpoint, SocketAddr)>,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidEgress {
    #[error("--egress-ceiling @{} cannot be read", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("--egress-ceiling @{} is no list of rules", path.display())]
    Rules { path: PathBuf, source: InvalidPolicy },
    #[error("--endpoint {0} stands twice")]
    Doubled(Endpoint),
}

impl EgressConfig {
    pub fn resolve(flags: EgressFlags) -> Result<Self, InvalidEgress> {
        let EgressFlags { egress_ceiling, endpoints } = flags;
        let widest = match egress_ceiling {
            CeilingFlag::Policy(policy) => policy,
            CeilingFlag::File(path) => read(path)?,
        };
        let mut names = BTreeSet::new();
        for EndpointFlag { endpoint, .. } in &endpoints {
            if !names.insert(endpoint.clone()) {
                return Err(InvalidEgress::Doubled(endpoint.clone()));
            }
        }
        let endpoints = endpoints.into_iter().map(|flag| (flag.endpoint, flag.target)).collect();
        Ok(Self { ceiling: Ceiling { widest, endpoints: names.into_iter().collect() }, endpoints })
    }
}

fn read(path: PathBuf) -> Result<Policy, InvalidEgress> {
    let mut text = String::new();
    // One byte more than may be, which is refused.
    let most = MAX_TEXT_BYTES as u64 + 1;
    let taken = fs::File::open(&path).and_then(|file| file.take(most).read_to_string(&mut text));
    match taken {
        Ok(_) => Policy::from_lines(&text).map_err(|source| InvalidEgress::Rules { path, source }),
        Err(source) => Err(InvalidEgress::File { path, source }),
    }
}

impl FromStr for CeilingFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some("") => Err("names no file; write @FILE".to_owned()),
            Some(path) => Ok(Self::File(path.into())),
            None => text.parse().map(Self::Policy).map_err(|error: InvalidPolicy| error.in_words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        egress: EgressFlags,
    }

    fn resolved(arguments: &[&str]) -> Result<EgressConfig, String> {
        let flags = Alone::try_parse_from(["kilnd"].iter().chain(arguments));
        let flags = flags.map_err(|error| error.to_string())?;
        EgressConfig::resolve(flags.egress).map_err(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        })
    }

    #[test]
    fn a_ceiling_is_a_policy_or_a_file_of_rules() {
        let widest = |argument: &str| resolved(&["--egress-ceiling", argument]).unwrap().ceiling;
        assert_eq!(resolved(&[]).unwrap().ceiling.widest, Policy::Internet);
        assert_eq!(widest("none").widest, Policy::None);
        let allow: Policy = "allow=*.one.test,two.test:22/tcp".parse().unwrap();
        assert_eq!(widest("allow=*.one.test,two.test:22/tcp").widest, allow);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# ours\n*.one.test\ntwo.test:22/tcp\n").unwrap();
        assert_eq!(widest(&format!("@{}", file.path().display())).widest, allow);
    }

    #[test]
    fn endpoints_have_a_name_and_an_address() {
        let both = "a.kiln:80=127.0.0.1:8080,b.kiln:443=[::1]:8443";
        let config = resolved(&["--endpoint", both]).unwrap();
        assert_eq!(config.endpoints[1].1, "[::1]:8443".parse().unwrap());
        assert_eq!(config.ceiling.endpoints.len(), 2);
        assert!(config.ceiling.covers(&"allow=a.kiln:80".parse().unwrap()).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let check = |arguments: &[&str], words: &str| {
            let told = resolved(arguments).unwrap_err();
            assert!(told.contains(words), "{arguments:?}: {told}");
        };
        check(&["--egress-ceiling", "all"], "no egress policy");
        check(&["--egress-ceiling", "allow=1.2.3.4"], "name the host");
        check(&["--egress-ceiling", "@"], "write @FILE");
        check(&["--egress-ceiling", "@/nowhere/at/all"], "cannot be read");
        check(&["--egress-ceiling", "@/proc/self/status"], "is no list of rules: rule 1");
        check(&["--endpoint", "a.kiln:80"], "NAME:PORT=ADDRESS:PORT");
        let twice = ["--endpoint", "a.kiln:80=127.0.0.1:1", "--endpoint", "A.kiln:80=127.0.0.1:2"];
        check(&twice, "a.kiln:80 stands twice");
    }
}
