//! The machine that the init makes of a root.

use kiln_init::Memory;

use crate::stage::Guest;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("machine::file_systems_are_mounted", file_systems_are_mounted),
    ("machine::what_the_image_has_stays_to_be_seen", what_the_image_has_stays_to_be_seen),
    ("machine::memory_is_mounted_where_wanted", memory_is_mounted_where_wanted),
    ("machine::it_has_its_name", it_has_its_name),
    ("machine::loopback_is_up", loopback_is_up),
    (
        "machine::a_root_that_is_read_only_is_made_writable",
        a_root_that_is_read_only_is_made_writable,
    ),
    (
        "machine::streams_are_made_where_the_kernel_gave_none",
        streams_are_made_where_the_kernel_gave_none,
    ),
    ("machine::settings_that_are_none_are_125", settings_that_are_none_are_125),
];

fn file_systems_are_mounted() {
    let expected = "\
        /proc proc rw,nosuid,nodev,noexec,relatime\n\
        /sys sysfs rw,nosuid,nodev,noexec,relatime\n\
        /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime\n\
        /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime\n\
        /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime\n";
    let list = "cut -d' ' -f2-4 /proc/mounts | grep -vE '^(/|/dev|/dev/pts|/dev/report) ' | \
        while read point kind flags; do echo $point $kind ${flags%%,size=*}; done; \
        grep -q ' /dev/pts devpts .*ptmxmode=666' /proc/mounts && ls -l /dev/fd /dev/ptmx | \
        grep -oE '/dev/(fd|ptmx) -> .*'";
    let links = "/dev/fd -> /proc/self/fd\n/dev/ptmx -> pts/ptmx\n";
    Guest::script(list).run().check(0, &format!("{expected}{links}"));
}

fn what_the_image_has_stays_to_be_seen() {
    Guest::script("cat /run/app/one /tmp/two")
        .file("run/app/one", "1\n", 0o644)
        .file("tmp/two", "2\n", 0o644)
        .run()
        .check(0, "1\n2\n");
}

fn memory_is_mounted_where_wanted() {
    let memory = |path: &str, bytes| Memory { path: path.to_owned(), bytes };
    Guest::script(
        "ls /run /tmp; grep -E ' /(run|tmp) ' /proc/mounts | cut -d' ' -f2-4; stat -c %a /run; grep ' /dev/shm ' /proc/mounts | grep -o size=.*k",
    )
    .file("run/hidden", "", 0o644)
    .set(|settings| {
        settings.memory = vec![memory("/run", Some(1 << 20)), memory("/tmp", None), memory("/dev/shm", Some(1 << 16))];
    })
    .run()
    .check(
        0,
        "/run:\n\n/tmp:\n/run tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k\n\
             /tmp tmpfs rw,nosuid,nodev,noexec,relatime\n1777\nsize=64k\n",
    );
}

fn it_has_its_name() {
    let script = || Guest::script("hostname; echo $HOSTNAME");
    script().run().check(0, "localhost\nlocalhost\n");
    script().file("etc/hostname", "# x\nimage\n", 0o644).run().check(0, "image\nimage\n");
    let wished = script().file("etc/hostname", "image\n", 0o644);
    let wished = wished.set(|settings| settings.hostname = Some("wished.example".to_owned()));
    wished.run().check(0, "wished.example\nwished.example\n");
}

fn loopback_is_up() {
    Guest::script("ifconfig lo | grep -oE 'inet addr:[0-9.]+|UP'")
        .run()
        .check(0, "inet addr:127.0.0.1\nUP\n");
}

fn a_root_that_is_read_only_is_made_writable() {
    Guest::script("touch /new && ls /new")
        .file("read-only", "", 0o644)
        .directory("proc")
        .run()
        .check(0, "/new\n");
}

fn streams_are_made_where_the_kernel_gave_none() {
    let outcome =
        Guest::script("echo said; ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0")
            .file("no-streams", "", 0o644)
            .run();
    outcome.check(0, "said\n0 1 2 3 /dev/null\n");
    assert!(outcome.console.contains("kiln-init: ready\nsaid\n"), "{}", outcome.console);
}

fn settings_that_are_none_are_125() {
    for text in ["", "{}", "not json", r#"{"version":2,"command":["a"]}"#] {
        let outcome = Guest::new(&[]).file(".kiln/init.json", text, 0o644).boot_as_it_is().end();
        outcome.check(125, "");
        assert!(outcome.console.contains("not settings of an init"), "{}", outcome.console);
    }
    let outcome = Guest::new(&[]).boot_as_it_is().end();
    outcome.check(125, "");
    assert!(outcome.console.contains("/.kiln/init.json cannot be read"), "{}", outcome.console);
}
