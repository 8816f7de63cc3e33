//! What honest clients and registries say.

fn all(lines: &[&str]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}

pub(crate) fn ranges() -> Vec<Vec<u8>> {
    all(&[
        "2048\nbytes=500-1499",
        "2048\nbytes=500-",
        "2048\nbytes=-500",
        "2048\nbytes=2000-5000",
        "0\nbytes=0-0",
        "18446744073709551615\nbytes=0-18446744073709551615",
        "10\n0-511",
        "10\nbytes 512-1023/4096",
        "10\nbytes 512-1023/*",
        "2048\nbytes=0-1, 4-5",
    ])
}

pub(crate) fn headers() -> Vec<Vec<u8>> {
    all(&[
        "Bearer realm=\"https://auth.example/token\",service=\"registry.example\"",
        "Bearer realm=\"https://auth.example/token\",service=\"a\",scope=\"repository:b/c:pull,push\"",
        "bearer realm=https://auth.example/t , service = x",
        "Basic realm=\"Registry Realm\"",
        "Basic realm=\"a\", Bearer realm=\"https://auth.example/\\\"quoted\\\"\"",
        "Negotiate, Basic realm=\"a\"",
        "120",
        "Wed, 21 Oct 2026 07:28:00 GMT",
    ])
}

pub(crate) fn references() -> Vec<Vec<u8>> {
    let digest = "a".repeat(64);
    let by_digest = format!("/v2/docker.io/library/debian/manifests/sha256:{digest}");
    let typed = format!("registry.example:5443/app:v1@sha256:{digest}");
    all(&[
        "/v2/local/app/manifests/v1",
        "/v2/library/debian/manifests/12?ns=docker.io",
        "/v2/debian/blobs/uploads/\nregistry-1.docker.io",
        "/v2/registry.example_5443/a/b/tags/list?n=10&last=v1",
        "/v2/local/a/blobs/uploads/?mount=sha256%3Aab&from=local%2Fb",
        &by_digest,
        "local/app:1",
        "debian",
        "127.0.0.1:5000/a.b/c_d/e__f/g---h:V1.0",
        "[2001:db8::1]:5000/app",
        &typed,
        "app\nregistry.kiln:5000",
    ])
}
