//! Certificates of the names of a story's servers, made for it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

/// Each has a certificate that it signed itself.
const NAMES: [&str; 6] =
    ["one.test", "two.test", "three.test", "both.test", "six.test", "alias.test"];

/// One name's.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) name: &'static str,
    /// In which the certificate, the key and the one page of its server lie.
    pub(super) directory: PathBuf,
}

impl Certificate {
    pub(super) const CERTIFICATE: &'static str = "certificate.pem";
    pub(super) const KEY: &'static str = "key.pem";
    /// The page's name, and what is on it is the host's.
    pub(super) const PAGE: &'static str = "who";
}

pub(super) fn authority(directory: &Path) -> anyhow::Result<Vec<Certificate>> {
    NAMES.into_iter().map(|name| make(name, &directory.join("servers").join(name))).collect()
}

fn make(name: &'static str, directory: &Path) -> anyhow::Result<Certificate> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join(Certificate::PAGE), format!("this is {name}\n"))?;
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"])
        .args(["-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .args(["-out", Certificate::CERTIFICATE, "-keyout", Certificate::KEY])
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .context("running openssl")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Certificate { name, directory: directory.to_owned() })
}
