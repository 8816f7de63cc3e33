//! `kiln image inspect`.

use std::fmt::Write;

use crate::{
    args::InspectArguments,
    daemon::Daemon,
    display::{age, printable, size},
    output,
    record::{ImageDetails, Time},
    report,
};

pub(super) async fn run(daemon: &Daemon, arguments: InspectArguments) -> anyhow::Result<u8> {
    let InspectArguments { names, json, raw } = arguments;
    let mut code = 0;
    for name in &names {
        let details = match daemon.image(name).await {
            Ok(details) => details,
            Err(error) => {
                report::error(&format!("{name}: {error}"));
                code = crate::exit_code::KILN;
                continue;
            }
        };
        if raw {
            output::print(&details.raw)?;
        } else if json {
            output::print_json(&details)?;
        } else {
            output::print(story(&details, Time::now()).as_bytes())?;
        }
    }
    Ok(code)
}

fn story(details: &ImageDetails, now: Time) -> String {
    let ImageDetails { image, parts, manifest: _, config, raw: _ } = details;
    let mut story = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(story, "{name:<13}{}", printable(value).replace('\n', "\\n"));
    };
    line("Name", &image.reference());
    line("Digest", &image.digest);
    line("Type", &image.media_type);
    let lack = if image.incomplete { ", and not all of it is stored" } else { "" };
    line("Size", &format!("{}{lack}", size(image.size_bytes)));
    for (name, time) in [("Created", image.created_at), ("Confirmed", image.confirmed_at)] {
        if let Some(time) = time {
            line(name, &format!("{time} ({} ago)", age(now.since(time))));
        }
    }
    if !image.platforms.is_empty() {
        line("Platforms", &image.platforms.join(" "));
    }
    if let Some(config) = config {
        for (name, field) in [
            ("Entrypoint", "Entrypoint"),
            ("Command", "Cmd"),
            ("User", "User"),
            ("Directory", "WorkingDir"),
        ] {
            match &config["config"][field] {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) if text.is_empty() => {}
                serde_json::Value::String(text) => line(name, text),
                other => line(name, &other.to_string()),
            }
        }
    }
    for (index, part) in parts.iter().enumerate() {
        let name = if index == 0 { "Parts" } else { "" };
        let stored = if part.stored { "" } else { ", not stored" };
        let platform = part.platform.as_ref().map(|platform| format!(" {platform}"));
        let platform = platform.unwrap_or_default();
        line(name, &format!("{}{platform} {}{stored}", part.digest, size(part.size_bytes)));
    }
    story
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{Image, ImagePart};

    #[test]
    fn an_image_is_told() {
        let image = Image {
            name: "local/app".to_owned(),
            tag: Some("1".to_owned()),
            digest: "sha256:ab".to_owned(),
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            size_bytes: 2048,
            platforms: vec!["linux/amd64".to_owned()],
            incomplete: true,
            ..Image::default()
        };
        let part =
            ImagePart { digest: "sha256:cd".to_owned(), size_bytes: 1, ..ImagePart::default() };
        let config =
            json!({"config": {"Cmd": ["sh", "\u{1b}[2J"], "User": "", "WorkingDir": "/w\nx"}});
        let details = ImageDetails {
            image,
            parts: vec![part],
            config: Some(config),
            ..ImageDetails::default()
        };
        let expected = "\
Name         local/app:1
Digest       sha256:ab
Type         application/vnd.oci.image.manifest.v1+json
Size         2 KiB, and not all of it is stored
Platforms    linux/amd64
Command      [\"sh\",\"\\u001b[2J\"]
Directory    /w\\nx
Parts        sha256:cd 1 B, not stored
";
        assert_eq!(story(&details, Time::now()), expected);
    }
}
