//! The one image that a reference means.

use serde_json::Value;

use super::CommandsError;
use crate::record::ImageDetails;

/// What the commands are run in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// By its digest.
    pub(super) name: String,
    /// Empty: root.
    pub(super) user: String,
}

/// Of an index the manifest for the platform; the only one, where none is named.
pub(super) fn part(
    reference: &str,
    platform: Option<&str>,
    details: &ImageDetails,
) -> Result<String, CommandsError> {
    // What is stored was brought for this host, where nothing else was asked for.
    let stored = details.parts.iter().filter(|part| part.stored);
    let parts: Vec<_> = stored
        .filter_map(|part| Some((part.platform.as_deref()?, &part.digest)))
        .filter(|(platform, _)| platform.starts_with("linux/"))
        .collect();
    let reference = reference.to_owned();
    let known = || parts.iter().map(|(platform, _)| (*platform).to_owned()).collect();
    let wanted: Vec<_> = match platform {
        Some(wanted) => parts.iter().filter(|(platform, _)| is_same(platform, wanted)).collect(),
        None => parts.iter().collect(),
    };
    match (&wanted[..], platform) {
        ([(_, digest)], _) => Ok((*digest).clone()),
        ([], Some(platform)) => {
            let platform = platform.to_owned();
            Err(CommandsError::NoPlatform { reference, platform, known: known() })
        }
        ([], None) => Err(CommandsError::NoConfig { reference }),
        (_, _) => Err(CommandsError::Platforms { reference, known: known() }),
    }
}

/// `arm64` has one variant that nobody has to write.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches("/v8") == other.trim_end_matches("/v8")
}

pub(super) fn base(reference: &str, details: &ImageDetails) -> Result<Base, CommandsError> {
    let Some(config) = &details.config else {
        return Err(CommandsError::NoConfig { reference: reference.to_owned() });
    };
    let user = config.pointer("/config/User").and_then(Value::as_str).unwrap_or_default();
    // It is a line of the Dockerfile, and the image is anybody's: more than a word may be more lines.
    if user.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
        let (reference, user) = (reference.to_owned(), user.to_owned());
        return Err(CommandsError::User { reference, user });
    }
    Ok(Base { name: details.image.pinned(), user: user.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{Image, ImagePart};

    fn index(platforms: &[&str]) -> ImageDetails {
        let part = |platform: &&str| ImagePart {
            digest: format!("sha256:{platform}"),
            platform: Some((*platform).to_owned()),
            stored: true,
            ..ImagePart::default()
        };
        ImageDetails { parts: platforms.iter().map(part).collect(), ..ImageDetails::default() }
    }

    #[test]
    fn of_several_platforms_one_is_meant() {
        let check = |platforms: &[&str], wanted: Option<&str>, expected: &str| {
            let found = part("app", wanted, &index(platforms));
            let found = found.unwrap_or_else(|error| error.to_string());
            assert!(found.contains(expected), "{platforms:?}: {found}");
        };
        let both = ["linux/amd64", "linux/arm64"];
        check(&["linux/amd64", "unknown/unknown"], None, "sha256:linux/amd64");
        check(&both, Some("linux/arm64/v8"), "sha256:linux/arm64");
        check(&both, None, "add --platform");
        check(&both, Some("linux/s390x"), "no image for linux/s390x: it has linux/amd64");
        check(&[], None, "no configuration");
    }

    #[test]
    fn users_are_the_configurations() {
        let image = Image {
            name: "local/app".to_owned(),
            tag: Some("1".to_owned()),
            digest: "sha256:d".to_owned(),
            ..Image::default()
        };
        let config = Some(json!({ "config": { "User": "1000:1000" } }));
        let details = ImageDetails { image, config, ..ImageDetails::default() };
        let name = "local/app:1@sha256:d".to_owned();
        let found = base("app", &details).unwrap();
        assert_eq!(found, Base { name: name.clone(), user: "1000:1000".to_owned() });
        for user in ["0\nFROM other", "a b", "a\t", "\u{2028}", "\u{85}x", "a\0", "\r"] {
            let config = Some(json!({ "config": { "User": user } }));
            let refused = base("app", &ImageDetails { config, ..details.clone() }).unwrap_err();
            assert!(matches!(refused, CommandsError::User { .. }), "{user:?}: {refused}");
        }
        let bare = ImageDetails { config: Some(json!({})), ..details };
        assert_eq!(base("app", &bare).unwrap(), Base { name, user: String::new() });
    }
}
