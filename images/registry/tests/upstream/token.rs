//! A token server as registries have it: it signs who may do what.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use kiln_registry::name::Host;
use rcgen::{CertificateParams, KeyPair};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

use crate::script::{Seen, Server, answer};

pub(crate) struct TokenServer {
    server: Server,
    public: Arc<Mutex<BTreeSet<String>>>,
    directory: tempfile::TempDir,
}

impl TokenServer {
    /// Who shows this name and password may do what it asks for; the others may pull what is public.
    pub(crate) async fn start(username: &str, password: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bundle.pem"), certificate.pem()).unwrap();
        let header = json!({"typ": "JWT", "alg": "ES256",
            "x5c": [BASE64_STANDARD.encode(certificate.der())]});
        let signer = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.serialize_der(),
            &SystemRandom::new(),
        );
        let signer = signer.unwrap();
        let known = format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")));
        let public: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let admitted = public.clone();
        let server = Server::start(move |seen, _| {
            let is_known = match seen.header("authorization") {
                None => false,
                Some(shown) if shown == known => true,
                Some(_) => return answer("401 Unauthorized", &[], "{}"),
            };
            let access = access(seen, is_known, &admitted.lock().unwrap());
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let claims = json!({"iss": "tests", "aud": "tests", "sub": "", "exp": now + 300,
                "nbf": now - 5, "iat": now, "jti": "1", "access": access});
            let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(&header), part(&claims));
            let signature = signer.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
            answer("200 OK", &[], json!({"token": token, "expires_in": 300}).to_string())
        });
        Self { server: server.await, public, directory }
    }

    pub(crate) fn host(&self) -> Host {
        self.server.host.clone()
    }

    pub(crate) fn bundle(&self) -> String {
        self.directory.path().join("bundle.pem").display().to_string()
    }

    pub(crate) fn publish(&self, repository: &str) {
        self.public.lock().unwrap().insert(repository.to_owned());
    }

    pub(crate) fn count(&self) -> usize {
        self.server.seen().len()
    }
}

fn access(seen: &Seen, is_known: bool, public: &BTreeSet<String>) -> Vec<serde_json::Value> {
    let query = seen.line().split(' ').nth(1).unwrap().split_once('?').unwrap().1;
    let scopes = query.split('&').filter_map(|field| field.strip_prefix("scope="));
    let granted = scopes.filter_map(|scope| {
        let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let [kind, name, actions] = scope.split(':').collect::<Vec<_>>().try_into().ok()?;
        let actions: Vec<_> = actions
            .split(',')
            .filter(|action| is_known || (*action == "pull" && public.contains(name)))
            .collect();
        Some(json!({"type": kind, "name": name, "actions": actions}))
    });
    granted.collect()
}
