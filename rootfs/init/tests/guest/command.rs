//! Commands, and those that are none, with docker's exit statuses.

use crate::stage::Guest;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("command::its_status_is_told", its_status_is_told),
    ("command::its_arguments_are_exact", its_arguments_are_exact),
    ("command::it_is_looked_for_in_the_images_path", it_is_looked_for_in_the_images_path),
    ("command::it_is_looked_for_in_dockers_path", it_is_looked_for_in_dockers_path),
    ("command::what_cannot_be_executed_is_passed_over", what_cannot_be_executed_is_passed_over),
    ("command::a_path_starts_at_the_working_directory", a_path_starts_at_the_working_directory),
    ("command::one_that_is_missing_is_127", one_that_is_missing_is_127),
    ("command::one_that_cannot_run_is_126", one_that_cannot_run_is_126),
    ("command::without_one_it_is_125", without_one_it_is_125),
    ("command::a_script_runs_by_its_interpreter", a_script_runs_by_its_interpreter),
];

fn its_status_is_told() {
    Guest::new(&["/bin/true"]).run().check(0, "");
    Guest::new(&["/bin/false"]).run().check(1, "");
    Guest::script("exit 3").run().check(3, "");
    Guest::script("exit 255").run().check(255, "");
    Guest::script("kill -9 $$").run().check(137, "");
    Guest::script("kill -TERM $$").run().check(143, "");
}

fn its_arguments_are_exact() {
    let arguments = ["", " ", "a b", "\"'$HOME`\\", "ä\u{1f980}", "-n", "*", "line\nline"];
    let command: Vec<&str> = ["/bin/printf", "[%s]"].into_iter().chain(arguments).collect();
    let expected = format!("[{}]", arguments.join("]["));
    Guest::new(&command).run().check(0, &format!("{expected}\n"));
}

fn it_is_looked_for_in_the_images_path() {
    Guest::new(&["tool"])
        .file("one/tool", "#!/bin/sh\necho one\n", 0o755)
        .file("two/tool", "#!/bin/sh\necho two $0\n", 0o755)
        .set(|settings| settings.environment = vec!["PATH=/none:/two:/one".to_owned()])
        .run()
        .check(0, "two /two/tool\n");
}

fn it_is_looked_for_in_dockers_path() {
    Guest::new(&["tool"])
        .file("bin/tool", "#!/bin/sh\necho bin\n", 0o755)
        .file("usr/local/bin/tool", "#!/bin/sh\necho local\n", 0o755)
        .run()
        .check(0, "local\n");
}

fn what_cannot_be_executed_is_passed_over() {
    Guest::new(&["tool"])
        .directory("usr/local/sbin/tool")
        .file("usr/local/bin/tool", "#!/bin/sh\necho plain\n", 0o644)
        .file("usr/sbin/tool", "#!/bin/sh\necho roots\n", 0o700)
        .file("usr/bin/tool", "#!/bin/sh\necho users\n", 0o755)
        .user("app")
        .run()
        .check(0, "users\n");
}

fn a_path_starts_at_the_working_directory() {
    let guest = |command: &str| {
        Guest::new(&[command])
            .file("srv/here/tool", "#!/bin/sh\necho $0\n", 0o755)
            .working_in("/srv")
    };
    guest("here/tool").run().check(0, "here/tool\n");
    guest("./here/tool").run().check(0, "./here/tool\n");
    guest("tool").run().check(127, "");
    // And a search path that leads there does not count.
    let relative = |settings: &mut kiln_init::Settings| {
        settings.environment = vec!["PATH=here::.".to_owned()];
    };
    guest("tool").set(relative).run().check(127, "");
}

fn one_that_is_missing_is_127() {
    let missing = |guest: Guest, why: &str| {
        let outcome = guest.run();
        outcome.check(127, "");
        assert!(outcome.console.contains(why), "{}", outcome.console);
        assert!(!outcome.console.contains("ready"), "{}", outcome.console);
    };
    missing(Guest::new(&["foo"]), "exec: \"foo\": executable file not found in $PATH");
    missing(Guest::new(&["/bin/foo"]), "exec: \"/bin/foo\": No such file");
    missing(Guest::new(&["/etc/passwd/foo"]), "exec: \"/etc/passwd/foo\": Not a directory");
    missing(Guest::new(&["/l"]).link("l", "nowhere"), "exec: \"/l\": No such file");
    let script = Guest::new(&["/script"]).file("script", "#!/bin/bash\n", 0o755);
    missing(script, "exec: \"/script\": No such file");
    missing(Guest::new(&["a"]).set(|it| it.environment = vec!["PATH=".to_owned()]), "$PATH");
    missing(Guest::new(&["sh"]).set(|it| it.environment = vec!["PATH".to_owned()]), "$PATH");
    missing(Guest::new(&[""]), "exec: \"\": executable file not found");
}

fn one_that_cannot_run_is_126() {
    let cannot = |guest: Guest, why: &str| {
        let outcome = guest.run();
        outcome.check(126, "");
        assert!(outcome.console.contains(why), "{}", outcome.console);
    };
    cannot(Guest::new(&["/etc"]), "exec: \"/etc\": Is a directory");
    cannot(Guest::new(&["/etc/passwd"]), "exec: \"/etc/passwd\": Permission denied");
    let text = Guest::new(&["/text"]).file("text", "echo no interpreter\n", 0o755);
    cannot(text, "exec: \"/text\": Exec format error");
    cannot(Guest::new(&["/empty"]).file("empty", "", 0o755), "Exec format error");
    // Of a machine that nobody has built for decades.
    let mut foreign = std::fs::read("/usr/bin/busybox").unwrap();
    foreign[18..20].copy_from_slice(&[1, 0]);
    cannot(Guest::new(&["/foreign"]).file("foreign", foreign, 0o755), "Exec format error");
    let roots = Guest::new(&["/roots"]).file("roots", "#!/bin/sh\n", 0o700);
    cannot(roots.user("app"), "Permission denied");
    cannot(Guest::new(&["/loop"]).link("loop", "loop"), "exec: \"/loop\": Too many levels");
}

fn without_one_it_is_125() {
    let outcome = Guest::new(&[]).run();
    outcome.check(125, "");
    assert!(outcome.console.contains("there is no command to run"), "{}", outcome.console);
}

fn a_script_runs_by_its_interpreter() {
    Guest::new(&["/script", "x"])
        .file("script", "#!/bin/sh -u\necho $0 $1 $#\n", 0o555)
        .run()
        .check(0, "/script x 1\n");
}
