//! What a build was asked for, and its record.

use super::{Story, plural};
use crate::{
    display::{duration, size},
    record::{BuildOptions, BuildRecord, BuildResult, BuiltImage, Step},
};

pub(super) fn options(story: &mut Story, options: &BuildOptions) {
    let BuildOptions { dockerfile, target, build_args, platforms, names, exports } = options;
    story.line("Build", dockerfile.as_deref().unwrap_or("a Dockerfile that came with it"));
    if !target.is_empty() {
        story.line("Target", target);
    }
    // Values may be secrets, and this is read over shoulders; --json has them.
    let arguments: Vec<_> = build_args.keys().map(String::as_str).collect();
    for (name, words) in [
        ("Arguments", arguments),
        ("Platforms", platforms.iter().map(String::as_str).collect()),
        ("Names", names.iter().map(String::as_str).collect()),
        ("Exports", exports.keys().map(String::as_str).collect()),
    ] {
        if !words.is_empty() {
            story.line(name, &words.join(" "));
        }
    }
}

pub(super) fn record(story: &mut Story, record: &BuildRecord) {
    let BuildRecord { steps, more_steps, warnings, more_warnings, executed, cached, result } =
        record;
    let all = u64::from(executed + cached);
    if all > 0 || !steps.is_empty() {
        story.line("Steps", &format!("{}, {cached} of them cached", plural(all, "step")));
    }
    let lines = steps.iter().map(step);
    story.list("", lines, steps.len(), u64::from(*more_steps));
    let lines = warnings.iter().map(|warning| match warning.line {
        0 => warning.text.clone(),
        line => format!("{} ({}:{line})", warning.text, warning.file),
    });
    story.list("Warnings", lines, warnings.len(), u64::from(*more_warnings));
    if let Some(BuildResult { images, cache_key, context_bytes, context_digests, exported_bytes }) =
        result
    {
        for image in images {
            self::image(story, image);
        }
        let (context, exported) = (size(*context_bytes), size(*exported_bytes));
        story.line("Bytes", &format!("{context} of context in, {exported} out"));
        story.list("Contexts", context_digests.iter().cloned(), context_digests.len(), 0);
        if !cache_key.is_empty() {
            story.line("Cache key", cache_key);
        }
    }
}

fn step(step: &Step) -> String {
    let name = step.name.replace('\n', " ");
    let took = match (step.started_at, step.completed_at) {
        (Some(started_at), Some(completed_at)) => duration(completed_at.since(started_at)),
        (Some(_), None) => "goes on".to_owned(),
        (None, _) => "not begun".to_owned(),
    };
    let end = match (step.error.as_str(), step.cached) {
        ("", true) => "cached".to_owned(),
        ("", false) => took,
        (error, _) => format!("failed after {took}: {error}"),
    };
    format!("#{} {name}: {end}", step.number)
}

fn image(story: &mut Story, image: &BuiltImage) {
    let BuiltImage { export, digest, media_type, size_bytes, platforms, names } = image;
    story.line("Image", &format!("{export}: {digest} ({}, {media_type})", size(*size_bytes)));
    for name in names {
        story.line("", &format!("named {name}"));
    }
    for platform in platforms {
        let layers = plural(platform.layers.len() as u64, "layer");
        let manifest = platform.manifest.as_ref().map_or("-", |manifest| &manifest.digest);
        story.line("", &format!("{}: {manifest} ({layers})", platform.platform));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BuildWarning, BuiltPlatform};

    #[test]
    fn steps_images_and_warnings_are_told() {
        let step = |number, cached, error: &str| Step {
            number,
            name: format!("[{number}/2] RUN\nmake"),
            cached,
            error: error.to_owned(),
            ..Step::default()
        };
        let image = BuiltImage {
            export: "image".to_owned(),
            digest: "sha256:i".to_owned(),
            media_type: "m".to_owned(),
            size_bytes: 2048,
            platforms: vec![BuiltPlatform {
                platform: "linux/amd64".to_owned(),
                ..Default::default()
            }],
            names: vec!["local/a:1".to_owned()],
        };
        let warning = BuildWarning {
            text: "old".to_owned(),
            file: "Dockerfile".to_owned(),
            line: 3,
            ..BuildWarning::default()
        };
        let mut story = Story::default();
        record(
            &mut story,
            &BuildRecord {
                steps: vec![step(1, true, ""), step(2, false, "exit code: 3")],
                more_steps: 0,
                warnings: vec![warning],
                more_warnings: 1,
                executed: 1,
                cached: 1,
                result: Some(BuildResult {
                    images: vec![image],
                    cache_key: "k".to_owned(),
                    context_bytes: 1024,
                    context_digests: vec!["sha256:x".to_owned()],
                    exported_bytes: 2048,
                }),
            },
        );
        let expected = "\
Steps        2 steps, 1 of them cached
             #1 [1/2] RUN make: cached
             #2 [2/2] RUN make: failed after not begun: exit code: 3
Warnings     old (Dockerfile:3)
             and 1 more, which were counted and not listed
Image        image: sha256:i (2 KiB, m)
             named local/a:1
             linux/amd64: - (0 layers)
Bytes        1 KiB of context in, 2 KiB out
Contexts     sha256:x
Cache key    k
";
        assert_eq!(story.0, expected);
    }
}
