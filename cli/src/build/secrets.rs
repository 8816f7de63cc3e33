//! Values of `--secret`, and keys of `--ssh`: read here, once.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::unix::{ffi::OsStringExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use kiln_proto::v1;

use crate::args::{Secret, SecretFrom, Ssh};

/// As buildx and kilnd have it.
const LONGEST: u64 = 500 << 10;

#[derive(Debug, thiserror::Error)]
pub(super) enum SecretsError {
    #[error("--secret id={id}: cannot read {}", path.display())]
    File { id: String, path: PathBuf, source: io::Error },
    #[error("--secret id={id}: your environment has no {name}")]
    NoVariable { id: String, name: String },
    #[error(
        "--secret id={id}: your environment has no {id}, and there is no file {id}; write \
         id={id},src=FILE or id={id},env=NAME"
    )]
    Nowhere { id: String },
    #[error("--secret id={id}: it is longer than {} KiB", LONGEST >> 10)]
    TooLong { id: String },
    #[error("{flag} {id} stands twice")]
    Twice { flag: &'static str, id: String },
    #[error(
        "--ssh {id}: there is no agent, for SSH_AUTH_SOCK is not set; start one, or write {id}=KEY"
    )]
    NoAgent { id: String },
    #[error("--ssh {id}: cannot read {}", path.display())]
    Key { id: String, path: PathBuf, source: io::Error },
    #[error("--ssh {id}: {} is neither the socket of an agent nor a private key", path.display())]
    NoKey { id: String, path: PathBuf },
    #[error("--ssh {id}: one socket or one key; an agent holds several (ssh-add)")]
    Several { id: String },
}

#[derive(Debug, thiserror::Error)]
#[error(
    "--ssh of an agent: nobody would serve it to a build of --detach; name a key, or leave --detach out"
)]
pub(super) struct Detached;

/// What goes beside the spec, and what the spec says of it.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) values: Vec<v1::SecretValue>,
    pub(super) names: Vec<String>,
    pub(super) ssh: Vec<v1::SshSource>,
    /// Sockets of agents, by id.
    pub(super) agents: Vec<(String, PathBuf)>,
}

impl Secrets {
    /// `own` looks a name up in the caller's environment.
    pub(super) fn read(
        secrets: &[Secret],
        ssh: &[Ssh],
        own: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SecretsError> {
        let mut read = Self::default();
        for secret in secrets {
            let id = secret.id.clone();
            if read.names.contains(&id) {
                return Err(SecretsError::Twice { flag: "--secret", id });
            }
            let value = value(secret, &own)?;
            if value.len() as u64 > LONGEST {
                return Err(SecretsError::TooLong { id });
            }
            read.names.push(id.clone());
            read.values.push(v1::SecretValue { id, value: value.into(), ssh_key: false });
        }
        for source in ssh {
            read.ssh(source, &own)?;
        }
        Ok(read)
    }

    fn ssh(
        &mut self,
        Ssh { id, paths }: &Ssh,
        own: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(), SecretsError> {
        let id = id.clone();
        if self.ssh.iter().any(|known| known.id == id) {
            return Err(SecretsError::Twice { flag: "--ssh", id });
        }
        let path = match &paths[..] {
            [] => match own("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) {
                Some(path) => path.into(),
                None => return Err(SecretsError::NoAgent { id }),
            },
            [only] => only.clone(),
            _ => return Err(SecretsError::Several { id }),
        };
        let key = |source| SecretsError::Key { id: id.clone(), path: path.clone(), source };
        let is_agent = path.metadata().map_err(key)?.file_type().is_socket();
        self.ssh.push(v1::SshSource { id: id.clone(), key: !is_agent });
        if is_agent {
            self.agents.push((id, path));
            return Ok(());
        }
        let value = read_some(&path).map_err(|source| SecretsError::Key {
            id: id.clone(),
            path: path.clone(),
            source,
        })?;
        let is_key = value.starts_with(b"-----BEGIN ") && value.len() as u64 <= LONGEST;
        if !is_key {
            return Err(SecretsError::NoKey { id, path });
        }
        self.values.push(v1::SecretValue { id, value: value.into(), ssh_key: true });
        Ok(())
    }
}

fn value(
    Secret { id, from }: &Secret,
    own: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<u8>, SecretsError> {
    let id = id.clone();
    match from {
        SecretFrom::File(path) => {
            read_some(path).map_err(|source| SecretsError::File { id, path: path.clone(), source })
        }
        SecretFrom::Variable(name) => match own(name) {
            Some(value) => Ok(value.into_vec()),
            None => Err(SecretsError::NoVariable { id, name: name.clone() }),
        },
        SecretFrom::Own => match own(&id) {
            Some(value) => Ok(value.into_vec()),
            None => match read_some(Path::new(&id)) {
                Ok(value) => Ok(value),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(SecretsError::Nowhere { id })
                }
                Err(source) => Err(SecretsError::File { path: id.clone().into(), id, source }),
            },
        },
    }
}

/// One byte more than may be, which is refused where it is looked at.
fn read_some(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secrets: &[&str], ssh: &[&str]) -> Result<Secrets, SecretsError> {
        let secrets: Vec<_> = secrets.iter().map(|text| text.parse().unwrap()).collect();
        let ssh: Vec<_> = ssh.iter().map(|text| text.parse().unwrap()).collect();
        Secrets::read(&secrets, &ssh, |name| (name == "HERE").then(|| "value".into()))
    }

    #[test]
    fn files_and_variables() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"\xff\n").unwrap();
        let source = format!("id=a,src={}", file.display());
        let read = read(&[&source, "id=b,env=HERE", "id=HERE"], &[]).unwrap();
        assert_eq!(read.names, ["a", "b", "HERE"]);
        let values: Vec<_> = read.values.iter().map(|secret| &secret.value[..]).collect();
        assert_eq!(values, [&b"\xff\n"[..], b"value", b"value"]);
    }

    #[test]
    fn keys_and_agents() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let _agent = std::os::unix::net::UnixListener::bind(at("agent")).unwrap();
        std::fs::write(at("key"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        std::fs::write(at("text"), "hello").unwrap();
        let (agent, key) = (at("agent").display().to_string(), at("key").display().to_string());
        let found = read(&[], &[&format!("default={agent}"), &format!("git={key}")]).unwrap();
        assert_eq!(found.agents, [("default".to_owned(), at("agent"))]);
        let keys: Vec<_> = found.ssh.iter().map(|ssh| (ssh.id.as_str(), ssh.key)).collect();
        assert_eq!(keys, [("default", false), ("git", true)]);
        assert!(found.values[0].ssh_key);
        let refuse = |text: &str, words: &str| {
            let told = read(&[], &[text]).err().unwrap().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        refuse("default", "SSH_AUTH_SOCK is not set");
        refuse(&format!("a={}", at("text").display()), "neither the socket");
        refuse(&format!("a={}", at("none").display()), "cannot read");
        refuse(&format!("a={key},{key}"), "one key");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let check = |secret: &str, words: &str| {
            let told = read(&[secret], &[]).err().unwrap().to_string();
            assert!(told.contains(words), "{secret}: {told}");
        };
        check("id=a,env=GONE", "your environment has no GONE");
        check("id=nowhere-to-be-found", "there is no file nowhere-to-be-found");
        check("id=a,src=/nowhere", "cannot read /nowhere");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("large");
        std::fs::write(&file, vec![0; 500 << 10]).unwrap();
        let source = format!("id=a,src={}", file.display());
        assert!(read(&[&source], &[]).is_ok());
        std::fs::write(&file, vec![0; (500 << 10) + 1]).unwrap();
        check(&source, "longer than 500 KiB");
        let told = read(&["id=HERE", "id=HERE"], &[]).err().unwrap().to_string();
        assert!(told.contains("stands twice"), "{told}");
    }
}
