use kiln_init::{Memory, Settings};

use super::stage::{Image, MADE_AT, elf, strings};
use crate::init::{Direct, Strategy};

fn direct() -> Direct {
    let program = elf(62, None);
    Direct { program, hostname: None, memory: Vec::new(), stop_seconds: None }
}

fn strategy() -> Strategy {
    Strategy::Direct(direct())
}

#[test]
fn an_image_of_one_program_boots() {
    let mut image = Image::new(&["/bin/app", "-v"]);
    let installed = image.install(&strategy()).unwrap();
    assert_eq!((&*installed.program, installed.found_by_default), ("/.kiln/init", true));
    assert_eq!(installed.unit, None);
    let made = ["/dev", "/proc", "/sys", "/etc", "/etc/hosts", "/.kiln", "/.kiln/init"];
    assert_eq!(installed.made[..7], made);
    assert_eq!(installed.made[7..], ["/.kiln/init.json", "/sbin", "/sbin/init"]);
    assert_eq!(image.target("/sbin/init"), "/.kiln/init");
    for (path, mode) in [
        ("/.kiln", 0o755),
        ("/.kiln/init", 0o555),
        ("/.kiln/init.json", 0o400),
        ("/proc", 0o755),
        ("/etc/hosts", 0o644),
    ] {
        let metadata = image.metadata(path);
        assert_eq!((metadata.mode, metadata.user, metadata.group), (mode, 0, 0), "{path}");
        assert_eq!(metadata.modified, MADE_AT, "{path}");
    }
    assert!(image.text("/etc/hosts").starts_with("127.0.0.1\tlocalhost\n"));
    let settings = Settings::parse(image.text("/.kiln/init.json").as_bytes()).unwrap();
    assert_eq!(settings, Settings::new(strings(&["/bin/app", "-v"])));
}

#[test]
fn the_init_is_told_what_the_image_says() {
    let mut image = Image::new(&["b", "c"]).users().with(|config| {
        config.entrypoint = strings(&["app", "a"]);
        config.environment = strings(&["A=1", "PATH=/bin"]);
        "app:adm".clone_into(&mut config.user);
        "/srv/work".clone_into(&mut config.working_directory);
        "3".clone_into(&mut config.stop_signal);
        config.stop_seconds = Some(30);
        config.volumes = strings(&["/data", "relative"]);
    });
    let memory = vec![Memory { path: "/run".to_owned(), bytes: None }];
    let direct = Direct { hostname: Some("one".to_owned()), memory, ..direct() };
    let installed = image.install(&Strategy::Direct(direct.clone())).unwrap();
    let settings = Settings::parse(image.text("/.kiln/init.json").as_bytes()).unwrap();
    assert_eq!(settings.command, ["app", "a", "b", "c"]);
    assert_eq!(settings.environment, ["A=1", "PATH=/bin"]);
    assert_eq!((&*settings.user, &*settings.working_directory), ("app:adm", "/srv/work"));
    assert_eq!((&*settings.stop_signal, settings.stop_seconds), ("SIGQUIT", 30));
    assert_eq!((settings.hostname.as_deref(), settings.memory), (Some("one"), direct.memory));
    for made in ["/srv/work", "/data", "/run"] {
        assert!(installed.made.contains(&made.to_owned()), "{made}");
        assert_eq!(image.metadata(made).mode, 0o755);
    }
}

#[test]
fn the_callers_limit_comes_before_the_images() {
    let mut image = Image::new(&["/bin/app"]).with(|config| config.stop_seconds = Some(30));
    image.install(&Strategy::Direct(Direct { stop_seconds: Some(2), ..direct() })).unwrap();
    assert!(image.text("/.kiln/init.json").contains("\"stop_seconds\": 2\n"));
}

#[test]
fn the_same_image_is_the_same_tree() {
    let made = || {
        let mut image = Image::new(&["/bin/app"]).users();
        let installed = image.install(&strategy()).unwrap();
        (installed, image.tree, format!("{:?}", image.store))
    };
    assert_eq!(made(), made());
}

#[test]
fn what_the_image_has_stays() {
    let mut image = Image::new(&["/bin/app"])
        .file("/usr/sbin/init", 0o755, elf(62, None))
        .link("/sbin", "usr/sbin")
        .file("/etc/hosts", 0o600, "10.0.0.1 db\n")
        .directory("/proc");
    let installed = image.install(&strategy()).unwrap();
    assert!(!installed.found_by_default);
    assert_eq!(image.text("/sbin/init").as_bytes(), elf(62, None));
    assert_eq!(image.text("/etc/hosts"), "10.0.0.1 db\n");
    assert_eq!((image.metadata("/etc/hosts").mode, image.metadata("/proc").mode), (0o600, 0o700));

    // An empty one is what docker leaves of its own.
    let mut image = Image::new(&["/bin/app"]).file("/etc/hosts", 0o600, "");
    image.install(&strategy()).unwrap();
    assert!(image.text("/etc/hosts").contains("localhost"));
    assert_eq!(image.metadata("/etc/hosts").mode, 0o600);

    // And a link is followed by the kernel first, wherever it leads.
    let mut image = Image::new(&["/bin/app"]).link("/sbin/init", "/nowhere");
    assert!(!image.install(&strategy()).unwrap().found_by_default);
    assert_eq!(image.target("/sbin/init"), "/nowhere");
}

#[test]
fn links_are_followed_inside_the_root_alone() {
    let mut image =
        Image::new(&["/bin/app"]).link("/sbin", "../../../../usr/sbin").directory("/usr/sbin");
    assert!(image.install(&strategy()).unwrap().found_by_default);
    assert_eq!(image.target("/usr/sbin/init"), "/.kiln/init");
    let mut image = Image::new(&["app"]).link("/data", "/bin").with(|config| {
        "/data/deep".clone_into(&mut config.working_directory);
    });
    image.install(&strategy()).unwrap();
    assert_eq!(image.metadata("/bin/deep").mode, 0o755);
}

#[test]
fn what_cannot_boot_is_refused_with_its_reason() {
    let check = |image: Image, reason: &str| {
        let refused = image.refused(&strategy());
        assert!(refused.contains(reason), "{refused}");
    };
    let app = || Image::new(&["/bin/app"]);
    check(Image::new(&[]), "the image has no command");
    check(Image::new(&["/bin/app", "a\0"]), "contains a zero byte");
    check(
        Image::new(&["missing"]),
        "\"missing\" is in none of the directories of PATH (/usr/local",
    );
    check(app().with(|it| it.working_directory = "srv".into()), "\"srv\" is not absolute");
    check(app().with(|it| it.working_directory = "/bin/app".into()), "is no directory");
    check(app().with(|it| it.working_directory = "/bin/app/x".into()), "is no directory");
    let dangling = app().link("/gone", "/away/../x");
    check(dangling.with(|it| it.working_directory = "/gone".into()), "links lead nowhere");
    let round = app().link("/loop", "loop");
    check(round.with(|it| it.working_directory = "/loop/x".into()), "links lead nowhere");
    check(app().with(|it| it.user = "ghost".into()), "no user \"ghost\" in /etc/passwd");
    check(app().users().with(|it| it.user = "app:ghosts".into()), "no group \"ghosts\"");
    check(app().with(|it| it.stop_signal = "SIGNOPE".into()), "\"SIGNOPE\" is no signal");
    check(app().with(|it| it.environment = strings(&["=x"])), "has no name");
    check(app().file("/.kiln/other", 0o644, ""), "/.kiln cannot be made: the image has something");
    check(app().link("/.kiln", "/gone"), "/.kiln cannot be made: the image has something");
    check(app().file("/proc", 0o644, ""), "/proc cannot be made");
    check(app().directory("/etc/passwd"), "/etc/passwd cannot be read: not a file");
    let large = app().file("/etc/passwd", 0o644, vec![b'x'; (1 << 20) + 1]);
    check(large, "/etc/passwd cannot be read: larger than 1048576 bytes");
}

#[test]
fn a_wish_that_is_none_is_refused() {
    let check = |direct: Direct, reason: &str| {
        let refused = Image::new(&["/bin/app"]).refused(&Strategy::Direct(direct));
        assert!(refused.contains(reason), "{refused}");
    };
    for name in ["", "a b", "a\n", "ä", &"x".repeat(65)] {
        check(Direct { hostname: Some(name.to_owned()), ..direct() }, "is none: letters");
    }
    let memory = vec![Memory { path: "run".to_owned(), bytes: None }];
    check(Direct { memory, ..direct() }, "\"run\", which is not absolute");
    check(Direct { program: b"#!/bin/sh\n".to_vec(), ..direct() }, "of no use: not a binary");
    check(Direct { program: elf(62, Some("/lib/ld")), ..direct() }, "of no use: not static");
    check(Direct { program: elf(183, None), ..direct() }, "a binary for arm64, and the image is");
}
