//! How the engine is told to be.

use std::{fs, io, path::Path};

use serde_json::{Map, Value, json};

use super::{super::layout::Layout, error::EngineError, store};

const MAX_BYTES: u64 = 1 << 20;

/// What builds need, over what the image's file, or the registry's, says. In a file alone: what stands
/// there and in an argument as well is an error to the engine.
pub(super) fn merged(
    text: Option<&str>,
    steps: Option<&str>,
    store: &Path,
) -> Result<String, serde_json::Error> {
    let mut settings: Map<String, Value> = text.map_or(Ok(Map::new()), serde_json::from_str)?;
    let mut features = match settings.remove("features") {
        Some(Value::Object(features)) => features,
        _ => Map::new(),
    };
    features.insert("containerd-snapshotter".into(), true.into());
    let mut set = |name: &str, value: Value| drop(settings.insert(name.into(), value));
    set("features", features.into());
    // The VM is the isolation: steps have its network, and nothing stands between them and it.
    for name in ["iptables", "ip6tables", "ip-forward", "ip-masq", "userland-proxy"] {
        set(name, false.into());
    }
    // Told of it, the engine starts none of its own.
    set("containerd", store.display().to_string().into());
    set("bridge", "none".into());
    // Its state lives no longer than the job.
    set("builder", json!({"gc": {"enabled": false}}));
    set("live-restore", false.into());
    if let Some(steps) = steps {
        set("cgroup-parent", steps.into());
    }
    Ok(Value::Object(settings).to_string())
}

/// Where the image has no settings, there are none.
pub(super) fn write(layout: &Layout, steps: Option<&str>, to: &Path) -> Result<(), EngineError> {
    let text = match fs::metadata(&layout.settings) {
        Ok(found) if found.len() <= MAX_BYTES => fs::read_to_string(&layout.settings).map(Some),
        Ok(_) => Err(io::ErrorKind::FileTooLarge.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let path = || layout.settings.clone();
    let text = text.map_err(|source| EngineError::Write { path: path(), source })?;
    let merged = merged(text.as_deref(), steps, &store::socket(layout))
        .map_err(|source| EngineError::Settings { path: path(), source })?;
    let failed = |source| EngineError::Write { path: to.to_owned(), source };
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    fs::write(to, merged).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_need_comes_over_what_the_image_says() {
        let image = r#"{"features":{"containerd-snapshotter":false,"other":true},"bridge":"br0",
                        "proxies":{"https-proxy":"http://127.0.0.1:1"}}"#;
        let merged: Value =
            serde_json::from_str(&merged(Some(image), Some("/a/b"), Path::new("/c")).unwrap())
                .unwrap();
        assert_eq!(merged["features"], json!({"containerd-snapshotter": true, "other": true}));
        assert_eq!(merged["containerd"], "/c");
        assert_eq!(merged["proxies"]["https-proxy"], "http://127.0.0.1:1");
        assert_eq!((&merged["bridge"], &merged["cgroup-parent"]), (&json!("none"), &json!("/a/b")));
    }

    #[test]
    fn an_image_without_settings_has_those_that_builds_need() {
        let merged: Value =
            serde_json::from_str(&merged(None, None, Path::new("/c")).unwrap()).unwrap();
        assert_eq!((&merged["iptables"], &merged["cgroup-parent"]), (&json!(false), &Value::Null));
        assert!(super::merged(Some("[]"), None, Path::new("/c")).is_err());
        assert!(super::merged(Some("{"), None, Path::new("/c")).is_err());
    }
}
