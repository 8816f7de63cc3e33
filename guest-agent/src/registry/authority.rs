//! The authority of this boot, and what it says of hosts.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::{CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SigningKey, SingleCertAndKey},
    version::TLS13,
};

/// Hosts whose certificates are kept; the oldest makes room.
const KEPT: usize = 64;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("no certificate can be made")]
    Certificate(#[from] rcgen::Error),
    #[error("a certificate can't be used")]
    Use(#[from] rustls::Error),
}

/// Its certificates hold for centuries, since nobody knows what the guest's clock will say; they end
/// with the boot, when the key is gone.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    certificate: String,
    /// Of all hosts.
    key: KeyPair,
    provider: Arc<CryptoProvider>,
    /// Oldest first.
    hosts: Mutex<VecDeque<(String, Arc<ServerConfig>)>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    pub(crate) fn new() -> Result<Self, AuthorityError> {
        let mut own = CertificateParams::default();
        own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        own.distinguished_name.push(DnType::CommonName, "registries of this guest's docker engine");
        let issuer = CertifiedIssuer::self_signed(own, KeyPair::generate()?)?;
        let certificate = pem(issuer.der());
        let (key, hosts) = (KeyPair::generate()?, Mutex::default());
        Ok(Self { issuer, certificate, key, provider: Arc::new(provider()), hosts })
    }

    /// What the engine has to trust.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// As `host`, a name or an address.
    pub(crate) fn speak_as(&self, host: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        // Nothing that holds it panics.
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = hosts.iter().find(|(known, _)| known == host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.config(host)?);
        if hosts.len() == KEPT {
            hosts.pop_front();
        }
        hosts.push_back((host.to_owned(), Arc::clone(&config)));
        Ok(config)
    }

    fn config(&self, host: &str) -> Result<ServerConfig, AuthorityError> {
        let mut leaf = CertificateParams::new([host.to_owned()])?;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.distinguished_name.push(DnType::CommonName, "a registry, by way of this guest's host");
        let leaf = leaf.signed_by(&self.key, &self.issuer)?;
        let chain = vec![CertificateDer::from(leaf)];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let own = CertifiedKey::new(chain, ring::sign::any_ecdsa_type(&key)?);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// As files have it (RFC 7468); readers mind no long line.
fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// What every engine speaks, and no more of it than that: the rest would be in every guest's memory.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![ring::kx_group::X25519, ring::kx_group::SECP256R1],
        // No client shows a certificate.
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        key_provider: &Keyless,
        secure_random: ring::default_provider().secure_random,
    }
}

/// The one key there is is made here.
#[derive(Debug)]
struct Keyless;

impl KeyProvider for Keyless {
    fn load_private_key(
        &self,
        _key: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no key is loaded from elsewhere".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_one_certificate_for_as_long_as_there_is_room() {
        let authority = Authority::new().unwrap();
        let first = authority.speak_as("registry.test").unwrap();
        assert!(Arc::ptr_eq(&first, &authority.speak_as("registry.test").unwrap()));
        for number in 0..KEPT {
            authority.speak_as(&format!("192.0.2.{number}")).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &authority.speak_as("registry.test").unwrap()));
        assert_eq!(authority.hosts.lock().unwrap().len(), KEPT);
        assert!(!format!("{authority:?}").contains("key"));
    }
}
