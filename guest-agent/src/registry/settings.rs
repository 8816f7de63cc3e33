//! What docker's engine is told, by the files that it and whoever starts it read.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use super::{PROXY_PORT, RegistryError};

const CERTIFICATE: &str = "run/kiln/ca.pem";
/// The engine's environment, and nobody else's: `env $(cat /run/kiln/docker.env) dockerd`.
const ENVIRONMENT: &str = "run/kiln/docker.env";
const ENGINE: &str = "etc/docker/daemon.json";

/// Below `root`, which is `/` in a guest. An engine's file that the image has is the image's.
pub(super) fn write(root: &Path, certificate: &str) -> Result<(), RegistryError> {
    let put = |path: &str, text: &str| {
        let written = place(&root.join(path), text);
        written.map_err(|source| RegistryError::Write { path: format!("/{path}"), source })
    };
    put(CERTIFICATE, certificate)?;
    put(ENVIRONMENT, &format!("SSL_CERT_FILE=/{CERTIFICATE}\n"))?;
    if root.join(ENGINE).symlink_metadata().is_ok() {
        return Ok(());
    }
    put(ENGINE, &engine())
}

fn place(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    File::create(path)?.write_all(text.as_bytes())
}

/// Its own store of images asks a registry for nothing that the proxy can't carry; containerd's is
/// the one that resumes a blob that was cut off.
fn engine() -> String {
    format!(
        "{{\"features\":{{\"containerd-snapshotter\":true}},\
         \"proxies\":{{\"https-proxy\":\"http://127.0.0.1:{PROXY_PORT}\"}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_the_image_has_configured_stays_so() {
        let root = tempfile::tempdir().unwrap();
        let read = |path| fs::read_to_string(root.path().join(path)).unwrap();
        write(root.path(), "one").unwrap();
        assert_eq!(read(CERTIFICATE), "one");
        assert_eq!(read(ENVIRONMENT), "SSL_CERT_FILE=/run/kiln/ca.pem\n");
        assert_eq!(read(ENGINE), engine());
        fs::write(root.path().join(ENGINE), "{}").unwrap();
        write(root.path(), "two").unwrap();
        assert_eq!((read(CERTIFICATE), read(ENGINE)), ("two".to_owned(), "{}".to_owned()));
        fs::remove_file(root.path().join(ENGINE)).unwrap();
        std::os::unix::fs::symlink("/nonexistent", root.path().join(ENGINE)).unwrap();
        write(root.path(), "three").unwrap();
        fs::remove_file(root.path().join(CERTIFICATE)).unwrap();
        fs::create_dir(root.path().join(CERTIFICATE)).unwrap();
        let error = write(root.path(), "four").unwrap_err();
        assert_eq!(error.to_string(), "/run/kiln/ca.pem cannot be written");
    }
}
