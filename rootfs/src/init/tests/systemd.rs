use super::stage::{Image, MADE_AT, elf, strings};
use crate::init::Strategy;

const UNIT: &str = "/etc/systemd/system/kiln-command.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/kiln-command.service";

pub(super) fn image(command: &[&str]) -> Image {
    Image::new(command).users().file("/usr/lib/systemd/systemd", 0o755, elf(62, None))
}

fn unit(mut image: Image) -> String {
    image.install(&Strategy::Systemd).unwrap();
    image.text(UNIT)
}

#[test]
fn a_unit_is_made_and_enabled() {
    let mut image = image(&["app", "-g", "a b"]);
    let installed = image.install(&Strategy::Systemd).unwrap();
    assert_eq!(installed.program, "/usr/lib/systemd/systemd");
    assert_eq!(installed.unit.as_deref(), Some("kiln-command.service"));
    assert!(installed.found_by_default);
    assert_eq!(image.target("/sbin/init"), "/usr/lib/systemd/systemd");
    assert_eq!(image.target(WANTED), UNIT);
    assert_eq!((image.metadata(UNIT).mode, image.metadata(UNIT).modified), (0o644, MADE_AT));
    assert_eq!(image.metadata("/tmp").mode, 0o1777);
    let kernel = image.text("/etc/sysctl.d/kiln-command.conf");
    assert!(kernel.contains("ip_unprivileged_port_start = 0\n"));
    let expected = "\
        # Made from the image's configuration.\n\
        [Unit]\n\
        Description=Command of the image\n\
        After=network.target\n\
        \n\
        [Service]\n\
        Type=exec\n\
        ExecStart=@:\"/bin/app\" \"app\" \"-g\" \"a b\"\n\
        WorkingDirectory=/\n\
        SupplementaryGroups=4\n\
        Environment=\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
        Environment=\"HOSTNAME=%H\"\n\
        Environment=\"HOME=/root\"\n\
        UnsetEnvironment=COLORTERM CREDENTIALS_DIRECTORY EXIT_CODE INVOCATION_ID JOURNAL_STREAM LANG \
        LANGUAGE LC_ADDRESS LC_COLLATE LC_CTYPE LC_MEASUREMENT LC_MESSAGES LC_MONETARY LC_NAME LC_NUMERIC \
        LC_TIME LOGNAME MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE NOTIFY_SOCKET NO_COLOR SHELL \
        SYSTEMD_EXEC_PID TERM USER\n\
        KillMode=mixed\n\
        KillSignal=SIGTERM\n\
        SendSIGHUP=no\n\
        TimeoutStopSec=10s\n\
        IgnoreSIGPIPE=no\n\
        UMask=0022\n\
        LimitNOFILE=1024:524288\n\
        StandardInput=null\n\
        StandardOutput=journal+console\n\
        StandardError=journal+console\n\
        \n\
        [Install]\n\
        WantedBy=multi-user.target\n";
    assert_eq!(image.text(UNIT), expected);
}

#[test]
fn the_image_is_followed() {
    let text = unit(image(&["/bin/app"]).with(|config| {
        config.environment = strings(&["LANG=C", "HOSTNAME=x%", "A=\"'\\$%\n"]);
        "app".clone_into(&mut config.user);
        "/srv/100%".clone_into(&mut config.working_directory);
        "RTMIN+3".clone_into(&mut config.stop_signal);
        config.stop_seconds = Some(3);
    }));
    for line in [
        "ExecStart=@:\"/bin/app\" \"/bin/app\"",
        "User=app",
        "WorkingDirectory=/srv/100%%",
        "Environment=\"LANG=C\"",
        "Environment=\"HOSTNAME=x%%\"",
        "Environment=\"A=\\\"'\\\\$%%\\n\"",
        "Environment=\"HOME=/home/app\"",
        "KillSignal=SIGRTMIN+3",
        "TimeoutStopSec=3s",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(!text.contains("Groups=") && !text.contains(" LANG "), "{text}");
}

#[test]
fn users_and_groups_are_dockers() {
    let lines = |user: &str| {
        let text = unit(image(&["/bin/app"]).with(|config| user.clone_into(&mut config.user)));
        let about = ["User=", "Group=", "SupplementaryGroups="];
        let lines = text.lines().filter(|line| about.iter().any(|key| line.starts_with(key)));
        lines.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lines("root"), "SupplementaryGroups=4");
    assert_eq!(lines("1000"), "User=app");
    assert_eq!(lines("many"), "User=many SupplementaryGroups=4");
    assert_eq!(lines("app:adm"), "User=app Group=4");
    assert_eq!(lines("many:adm"), "User=many Group=4");
}

#[test]
fn systemd_itself_needs_no_unit() {
    for command in [&["/sbin/init"][..], &["/usr/lib/systemd/systemd", "--system"], &[]] {
        let mut image =
            image(command).link("/sbin/init", "/lib/systemd/systemd").link("/lib", "usr/lib");
        let installed = image.install(&Strategy::Systemd).unwrap();
        assert_eq!((installed.unit, installed.found_by_default), (None, true));
        assert!(!installed.made.iter().any(|path| path.starts_with("/etc")));
    }
}

#[test]
fn what_systemd_cannot_do_is_refused() {
    let check = |image: Image, reason: &str| {
        let refused = image.refused(&Strategy::Systemd);
        assert!(refused.contains(reason), "{refused}");
    };
    let user = |user: &str| image(&["/bin/app"]).with(|it| user.clone_into(&mut it.user));
    let with =
        |variable: &str| image(&["/bin/app"]).with(|it| it.environment = vec![variable.to_owned()]);
    check(Image::new(&["/bin/app"]), "the image has no systemd: install it there");
    let foreign = Image::new(&["/bin/app"]).file("/lib/systemd/systemd", 0o755, elf(183, None));
    check(foreign, "systemd cannot be run: \"/lib/systemd/systemd\" is a binary for arm64");
    check(image(&["missing"]), "\"missing\" is in none of the directories");
    check(user("5555"), "user \"5555\" has none");
    check(user("5555:4"), "user \"5555:4\" has none");
    check(user("app:77"), "no group without an entry in /etc/group, and 77 has none");
    check(user("many:app"), "asks for one group alone");
    check(user("odd.one"), "no user name such as \"odd.one\"");
    check(with("a.b=1"), "no variable name such as \"a.b\"");
    check(with("1=1"), "no variable name such as \"1\"");
    check(with("A=\x07"), "no control characters in the value of A");
    let directory = |path: &str| image(&["/bin/app"]).with(|it| it.working_directory = path.into());
    check(directory("/srv\\"), "no path such as \"/srv\\\\\"");
    check(directory("/srv "), "no path such as \"/srv \"");
    let odd = image(&["/a\"b"]).file("/a\"b", 0o755, elf(62, None));
    check(odd, "no path such as \"/a\\\"b\"");
    let signal = image(&["/bin/app"]).with(|it| it.stop_signal = "32".into());
    check(signal, "systemd cannot send signal 32");
    check(image(&["/bin/app"]).file(UNIT, 0o644, ""), "the image has something there");
}
