//! Root filesystems and machines: what was asked, and what came of it.

use super::Story;
use crate::{
    display::{command_line, size},
    record::{Boot, BootOptions, Probe, Rootfs, RootfsOptions},
};

pub(super) fn options(story: &mut Story, options: &RootfsOptions) {
    story.line("Image", &options.source.described());
    for (name, value) in [
        ("Platform", &options.platform),
        ("Format", &options.format),
        ("Compression", &options.compression),
        ("Init", &options.init),
        ("Label", &options.label),
        ("Free", &options.free),
    ] {
        if !value.is_empty() {
            story.line(name, value);
        }
    }
    for (name, words) in [("Optimize", &options.optimize), ("Locales", &options.keep_locales)] {
        if !words.is_empty() {
            story.line(name, &words.join(" "));
        }
    }
    if options.harden.as_ref().is_some_and(|harden| harden.off) {
        story.line("Harden", "off");
    }
    for (name, bytes) in [("Size", options.size_bytes), ("Size limit", options.size_limit_bytes)] {
        if let Some(bytes) = bytes {
            story.line(name, &size(bytes));
        }
    }
    for (index, command) in options.commands.iter().enumerate() {
        story.line(if index == 0 { "Commands" } else { "" }, command);
    }
    if let Some(probe) = options.boot_check.as_ref().and_then(|check| check.probe.as_ref()) {
        self::probe(story, probe);
    }
}

pub(super) fn boot_options(story: &mut Story, options: &BootOptions) {
    let BootOptions { source, init, arguments, probe } = options;
    story.line("Boots", &source.described());
    if !init.is_empty() {
        story.line("Init", init);
    }
    if !arguments.is_empty() {
        story.line("Arguments", &command_line(arguments));
    }
    if let Some(probe) = probe {
        self::probe(story, probe);
    }
}

fn probe(story: &mut Story, probe: &Probe) {
    match (&probe.command, probe.port) {
        (Some(argv), _) => story.line("Up when", &command_line(argv)),
        (None, Some(port)) => story.line("Up when", &format!("port {port} takes a connection")),
        (None, None) => {}
    }
}

pub(super) fn record(story: &mut Story, made: &Rootfs) {
    story.line("Rootfs", &format!("{}: {}, {}", made.artifact, size(made.size_bytes), made.digest));
    if let Some(uuid) = &made.uuid {
        let (used, free) = (size(made.used_bytes), size(made.free_bytes));
        story.line("", &format!("uuid {uuid}, {used} used, {free} free"));
    }
    let digest = made.image_digest.as_deref().unwrap_or(&made.manifest_digest);
    let image = made.image.as_deref().unwrap_or("an image");
    story.line("", &format!("of {image} {digest} ({}){}", made.platform, made.staleness()));
    let kernel = match &made.kernel_arguments[..] {
        [] => String::new(),
        words => format!(", kernel: {}", words.join(" ")),
    };
    story.line("", &format!("init {}{kernel}", made.init));
    if made.freed_bytes > 0 || made.secrets_removed > 0 {
        let (freed, secrets) = (size(made.freed_bytes), made.secrets_removed);
        story.line("", &format!("{freed} taken out, {secrets} secrets removed"));
    }
}

pub(super) fn boot(story: &mut Story, boot: &Boot) {
    story.line("Boot", &boot.described());
    if let Some(exit) = &boot.exit {
        story.line("", &format!("its command exited with {}", exit.code));
    }
    if !boot.is_up() && !boot.console_tail.is_empty() {
        story.line("Console", &boot.console_tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Origin;

    #[test]
    fn what_was_asked_and_made_is_told() {
        let mut story = Story::default();
        let source = Origin { reference: Some("local/app".to_owned()), ..Origin::default() };
        let commands = vec!["apt-get update".to_owned()];
        let optimize = vec!["apt".to_owned()];
        let asked = RootfsOptions { source, optimize, commands, ..RootfsOptions::default() };
        options(&mut story, &asked);
        let made = Rootfs {
            digest: "sha256:d".to_owned(),
            size_bytes: 4 << 20,
            artifact: "rootfs.ext4".to_owned(),
            image: Some("local/app".to_owned()),
            manifest_digest: "sha256:m".to_owned(),
            platform: "linux/amd64".to_owned(),
            uuid: Some("u".to_owned()),
            used_bytes: 3 << 20,
            free_bytes: 1 << 20,
            init: "direct".to_owned(),
            kernel_arguments: vec!["init=/.kiln/init".to_owned()],
            freed_bytes: 1024,
            ..Rootfs::default()
        };
        record(&mut story, &made);
        let up = Boot {
            state: Some("degraded".to_owned()),
            by: Some("systemd".to_owned()),
            up_after_seconds: Some(2.5),
            ..Boot::default()
        };
        boot(&mut story, &up);
        boot(&mut story, &Boot { console_tail: "one\ntwo".to_owned(), ..Boot::default() });
        boot(&mut story, &Boot { skipped: Some("off".to_owned()), ..Boot::default() });
        let expected = "\
Image        local/app
Optimize     apt
Commands     apt-get update
Rootfs       rootfs.ext4: 4 MiB, sha256:d
             uuid u, 3 MiB used, 1 MiB free
             of local/app sha256:m (linux/amd64)
             init direct, kernel: init=/.kiln/init
             1 KiB taken out, 0 secrets removed
Boot         up after 2.5s, as systemd said; units of systemd have failed
Boot         it did not come up
Console      one
             two
Boot         not booted (off)
";
        assert_eq!(story.0, expected);
    }
}
