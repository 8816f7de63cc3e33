//! Certificates: the system's authorities, and beside them those that the operator names for a registry.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Mutex;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use crate::registries::Reader;

const MAX_CA_BYTES: u64 = 1 << 20;

/// By the file of authorities beside the system's.
#[derive(Default)]
pub(super) struct Tls(Mutex<HashMap<Option<PathBuf>, Arc<ClientConfig>>>);

impl Tls {
    pub(super) async fn connector(&self, ca: Option<&Path>) -> Result<TlsConnector, String> {
        let mut made = self.0.lock().await;
        let key = ca.map(Path::to_owned);
        if let Some(config) = made.get(&key) {
            return Ok(config.clone().into());
        }
        let reading = tokio::task::spawn_blocking({
            let ca = key.clone();
            move || configure(ca.as_deref())
        });
        let config = Arc::new(reading.await.map_err(|error| error.to_string())??);
        made.insert(key, config.clone());
        Ok(config.into())
    }
}

fn configure(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is left out, as everybody's does: what it signed is not trusted then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let pem = Reader::Anybody.read(path, MAX_CA_BYTES).map_err(|error| error.to_string())?;
        let mut own = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let unusable = |reason: String| format!("{}: {reason}", path.display());
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            own += 1;
        }
        if own == 0 {
            return Err(format!("{} has no certificate in PEM", path.display()));
        }
    }
    if roots.is_empty() {
        return Err("this host has no certificate authorities: install ca-certificates, or name \
                    a `ca` for the registry"
            .to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
