//! Credential helpers: programs that lie, hang, flood, or keep nothing. They are found in `PATH`, so
//! each case is this program once more with another one.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use kiln_registry::{
    name::Host,
    upstream::{Failure, Session},
};
use serde_json::json;

use crate::{
    client::{client, repository, session, target},
    real::private,
    script::{Server, answer},
};

/// What the helper does; what comes of it.
const CASES: &[(&str, &str)] = &[
    (r#"cat >"$0.asked"; echo '{"ServerURL": "x", "Username": "u", "Secret": "p"}'"#, "granted"),
    (r#"echo '{"Username": "<token>", "Secret": "identity"}'"#, "identity"),
    ("echo 'credentials not found in native keychain'; exit 1", "none"),
    ("echo '{\"Username\": \"\", \"Secret\": \"\"}'", "none"),
    ("echo 'planted secret'; exit 1", "failed"),
    ("echo planted", "says something else"),
    ("echo '{\"Username\": \"u\"}'", "says something else"),
    ("exec sleep 60", "was not done within 2 s"),
    ("exec cat /dev/zero", "says more than"),
    ("exec cat", "says something else"),
    ("kill -9 $$", "failed"),
];

#[test]
fn helpers_are_asked_within_bounds() {
    for (script, expected) in CASES {
        let directory = tempfile::tempdir().unwrap();
        let helper = directory.path().join("docker-credential-kiln");
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = format!("{}:/usr/bin:/bin", directory.path().display());
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "credentials::with_a_helper", "--ignored", "--nocapture"])
            .env("PATH", path)
            .env("KILN_TEST_PLANTED", "planted")
            .env("KILN_TEST_HELPER", directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{script}: {said}");
        assert!(said.contains(&format!("came of it: {expected}")), "{script}: {said}");
        assert!(!said.contains("planted"), "{script}: {said}");
    }
}

#[tokio::test]
#[ignore = "run by helpers_are_asked_within_bounds, with a helper in PATH"]
async fn with_a_helper() {
    let directory = std::env::var("KILN_TEST_HELPER").unwrap();
    let server = Server::start(|seen, _| match seen.header("authorization") {
        // u:p
        Some("Basic dTpw") => answer("200 OK", &["content-type: application/json"], "{}"),
        _ => answer("401 Unauthorized", &["www-authenticate: Basic realm=\"r\""], "{}"),
    });
    let server = server.await;
    let config = json!({"credHelpers": {server.host.as_str(): "kiln"}});
    let file = private(Path::new(&directory).join("config.json"), &config.to_string());
    let registries = json!({"registries": {server.host.as_str(): {"http": true, "private": true}},
        "credentials": [{"tenants": ["local"], "docker_config": file}]});
    let upstream = client(&registries, &[]);
    let found = upstream
        .manifest(&session(&server.host), &repository("a/b"), &target("v1"), false)
        .await
        .map_err(|error| error.failure);
    let came = match found {
        Ok(found) => {
            assert!(!found.anonymous);
            let asked = Path::new(&directory).join("docker-credential-kiln.asked");
            assert_eq!(std::fs::read_to_string(asked).unwrap(), server.host.as_str());
            "granted".to_owned()
        }
        Err(Failure::Unauthorized { credentials: false, withheld: None }) => {
            // An identity token is no password, whatever the registry would like.
            assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
            let helper = Path::new(&directory).join("docker-credential-kiln");
            let is_identity = std::fs::read_to_string(helper).unwrap().contains("identity");
            if is_identity { "identity".to_owned() } else { "none".to_owned() }
        }
        Err(Failure::Credential { reason }) => {
            reason.strip_prefix("the credential helper docker-credential-kiln ").unwrap().to_owned()
        }
        Err(other) => panic!("{other}"),
    };
    #[expect(clippy::print_stdout, reason = "it is read by the test that started this")]
    {
        println!("came of it: {came}");
    }
}

/// Whose they are is asked for each tenant, each registry, and each change of the file.
#[tokio::test]
async fn credentials_are_a_tenants() {
    let server = Server::start(|seen, _| match seen.header("authorization") {
        Some(shown) if shown.starts_with("Basic") => {
            answer("200 OK", &["content-type: application/json"], "{}")
        }
        _ => answer("401 Unauthorized", &["www-authenticate: Basic realm=\"r\""], "{}"),
    });
    let server = server.await;
    let directory = tempfile::tempdir().unwrap();
    let password = private(directory.path().join("password"), "p");
    let other: Host = format!("localhost:{}", server.port).parse().unwrap();
    let registries = json!({"registries": {
            server.host.as_str(): {"http": true, "private": true},
            other.as_str(): {"http": true, "private": true}},
        "credentials": [{"registry": server.host.as_str(), "tenants": ["a", "b"], "username": "u",
            "password_file": password}]});
    let upstream = client(&registries, &["localhost"]);
    let ask = async |tenant: &str, host: &Host| {
        let session = Session::new(tenant, host.clone());
        let found = upstream.manifest(&session, &repository("a/b"), &target("v1"), true).await;
        found.map(drop).map_err(|error| error.failure)
    };
    let none = Err(Failure::Unauthorized { credentials: false, withheld: None });
    // HEAD says no digest: what counts is that it was let in.
    for (tenant, host, is_let_in) in [
        ("a", &server.host, true),
        ("b", &server.host, true),
        ("c", &server.host, false),
        ("", &server.host, false),
        ("*", &server.host, false),
        ("a", &other, false),
        ("a", &server.host, true),
    ] {
        let found = ask(tenant, host).await;
        assert_eq!(found, if is_let_in { Ok(()) } else { none.clone() }, "{tenant} {host}");
    }
    // A file that others can read is not used any more, once it has to be read again.
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
    let fresh = client(&registries, &["localhost"]);
    let session = Session::new("a", server.host.clone());
    let told = fresh.manifest(&session, &repository("a/b"), &target("v1"), true).await.unwrap_err();
    let Failure::Credential { reason } = &told.failure else { panic!("{told}") };
    assert!(reason.contains("chmod 600"), "{reason}");
    let path = password.display().to_string();
    assert!(!told.to_string().contains(&path), "where it lies is not for guests: {told}");
}
