//! What makes a file a secret.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    PrivateKey(KeyFormat),
    /// Of whom it was had.
    Token(&'static str),
    /// For what they are.
    Credentials(&'static str),
    /// Of commands that somebody gave.
    History,
    /// With which a host proves to be itself, or its public half, which is of no use without.
    HostKey,
    /// No secret, but two hosts may not have the same.
    HostIdentity,
    /// `/etc/machine-id`, which systemd fills again where it is empty.
    MachineId,
    /// Of random numbers.
    Seed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    Pem,
    OpenSsh,
    Ssh2,
    Putty,
    Pgp,
    Age,
    /// PKCS #1, PKCS #8 and SEC 1 without any armour.
    Der,
    Pkcs12,
    JavaKeystore,
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivateKey(format) => write!(formatter, "a private key ({format})"),
            Self::Token(issuer) => write!(formatter, "a token of {issuer}"),
            Self::Credentials(what) => write!(formatter, "credentials for {what}"),
            Self::History => formatter.write_str("a history of commands"),
            Self::HostKey => formatter.write_str("a key of an SSH server"),
            Self::HostIdentity => formatter.write_str("an identity of one host"),
            Self::MachineId => formatter.write_str("the identity of a machine"),
            Self::Seed => formatter.write_str("a seed of random numbers"),
        }
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pem => "PEM",
            Self::OpenSsh => "OpenSSH",
            Self::Ssh2 => "SSH2",
            Self::Putty => "PuTTY",
            Self::Pgp => "PGP",
            Self::Age => "age",
            Self::Der => "DER",
            Self::Pkcs12 => "PKCS #12",
            Self::JavaKeystore => "a Java keystore",
        })
    }
}
