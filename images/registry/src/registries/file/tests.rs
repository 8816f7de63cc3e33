use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

const WHOLE: &str = r#"{"registries": {"registry.example:5443": {"http": false, "private": true,
    "ca": "/path.pem", "token_hosts": ["auth.example"], "address": "optional.dial.host:5000"}},
 "credentials": [
    {"tenants": ["*"], "docker_config": "/root/.docker/config.json"},
    {"registry": "registry.example:5443", "tenants": ["local"], "username": "u",
     "password_file": "/path"}]}"#;

#[test]
fn all_of_it_is_understood() {
    let found = parse(WHOLE.as_bytes()).unwrap();
    let host: Host = "registry.example:5443".parse().unwrap();
    let registry = found.registry(&host).unwrap();
    assert!(registry.private && !registry.http);
    assert_eq!(registry.address.as_ref().unwrap().port(), Some(5000));
    let tried: Vec<_> = found.credentials("local", &host).collect();
    assert!(matches!(tried[0], Credential::Static { .. }), "the one for it alone is first");
    assert!(matches!(tried[1], Credential::DockerConfig { .. }));
    assert_eq!(found.credentials("other", &host).count(), 1);
    assert_eq!(found.credentials("local", &"docker.io".parse().unwrap()).count(), 1);
    assert_eq!(parse(b"{}").unwrap(), Registries::default());
}

#[test]
fn what_is_wrong_is_named() {
    let check = |text: &str, words: &str| {
        let told = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(told.contains(words), "{text}: {told}");
    };
    check("", "line 1");
    check("[]", "line 1");
    check(r#"{"registries": {"a": [true]}}"#, "expected an object");
    check(r#"{"credentials": [[]]}"#, "expected an object");
    check("{\"registry\": {}}", "unknown field `registry`");
    check("{\n\"registries\": {\"r.example\": {\"htp\": true}}}", "unknown field `htp`");
    check("{\n\"registries\": {\"r.example\": {\"htp\": true}}}", "line 2");
    check(r#"{"registries": {"R.example": {}}}"#, "not a registry");
    check(r#"{"registries": {"a": {}, "a": {"http": true}}}"#, "a stands twice");
    check(r#"{"registries": {"a": {"ca": "x.pem"}}}"#, "registries.a.ca: expected an absolute");
    check(r#"{"registries": {"a": {"ca": "/x", "http": true}}}"#, "registries.a.ca: nothing");
    check(r#"{"registries": {"a": {"address": "b"}}}"#, "registries.a.address: expected HOST:PORT");
    check(r#"{"registries": {"a": {"private": "yes"}}}"#, "expected a boolean");
    for (credential, words) in [
        (r#"{"tenants": ["*"]}"#, "credentials[0]: names no source"),
        (r#"{"docker_config": "/a"}"#, "missing field `tenants`"),
        (r#"{"tenants": [], "docker_config": "/a"}"#, "credentials[0].tenants: empty"),
        (r#"{"tenants": ["*", "a"], "docker_config": "/a"}"#, "credentials[0].tenants: `*`"),
        (r#"{"tenants": [""], "docker_config": "/a"}"#, "credentials[0].tenants: not a tenant"),
        (r#"{"tenants": ["a"], "docker_config": "a"}"#, "credentials[0].docker_config: expected"),
        (r#"{"tenants": ["a"], "username": "u"}"#, "credentials[0].password_file: missing"),
        (r#"{"tenants": ["a"], "password_file": "/p"}"#, "credentials[0].username: missing"),
        (
            r#"{"tenants": ["a"], "username": "u", "password_file": "/p"}"#,
            "credentials[0].registry: missing",
        ),
        (
            r#"{"registry": "r", "tenants": ["a"], "username": "a:b", "password_file": "/p"}"#,
            "credentials[0].username: expected a name without `:`",
        ),
        (
            r#"{"tenants": ["a"], "username": "u", "password_file": "/p", "docker_config": "/d"}"#,
            "choose one",
        ),
        (r#"{"tenants": ["a"], "password": "p"}"#, "unknown field `password`"),
    ] {
        check(&format!(r#"{{"credentials": [{credential}]}}"#), words);
    }
}

#[test]
fn files_that_it_names_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    let path = directory.path().join("registries.json");
    let text = serde_json::json!({"credentials": [{"registry": "r.example", "tenants": ["*"],
        "username": "u", "password_file": password}]});
    fs::write(&path, text.to_string()).unwrap();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&path, 0o644);
    let told = read(&path).unwrap_err().to_string();
    assert!(told.contains("password cannot be read"), "{told}");
    fs::write(&password, "secret").unwrap();
    mode(&password, 0o644);
    let told = read(&path).unwrap_err().to_string();
    assert!(told.contains("chmod 600") && !told.contains("secret"), "{told}");
    mode(&password, 0o600);
    read(&path).unwrap();
    mode(&path, 0o666);
    assert!(read(&path).unwrap_err().to_string().contains("chmod go-w"));
}
