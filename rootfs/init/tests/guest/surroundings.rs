//! What a command finds around it: environment, directory, streams, limits.

use crate::stage::Guest;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("surroundings::the_environment_is_exact", the_environment_is_exact),
    ("surroundings::the_images_environment_wins", the_images_environment_wins),
    ("surroundings::variables_of_any_name_and_value", variables_of_any_name_and_value),
    ("surroundings::a_working_directory_is_made", a_working_directory_is_made),
    ("surroundings::one_that_is_there_is_left_alone", one_that_is_there_is_left_alone),
    ("surroundings::one_that_is_a_file_is_125", one_that_is_a_file_is_125),
    ("surroundings::one_that_may_not_be_entered", one_that_may_not_be_entered),
    ("surroundings::streams_are_dockers", streams_are_dockers),
    ("surroundings::nothing_of_the_inits_is_left", nothing_of_the_inits_is_left),
];

const DEFAULT: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";

fn the_environment_is_exact() {
    let expected = format!("{DEFAULT}HOSTNAME=localhost\nHOME=/root\n");
    Guest::new(&["env"]).run().check(0, &expected);
}

fn the_images_environment_wins() {
    let set = |variables: &[&str]| -> Vec<String> {
        variables.iter().map(|&variable| variable.to_owned()).collect()
    };
    Guest::new(&["/bin/env"])
        .set(|settings| {
            settings.environment = set(&["A=1", "PATH=/x", "HOME=/y", "A=2", "HOSTNAME=z"]);
        })
        .run()
        .check(0, "PATH=/x\nHOSTNAME=z\nA=2\nHOME=/y\n");
    Guest::new(&["/bin/env"])
        .set(|settings| settings.environment = set(&["PATH", "HOSTNAME", "HOME="]))
        .run()
        .check(0, "HOME=/root\n");
}

fn variables_of_any_name_and_value() {
    let variables = ["a.b-c=1", "1=2", "E=", "Q=\"'\\$(x)`%n", "U=ä\u{1f980}", "S= s ", "L=a\nb"];
    let expected = variables.join("\n") + "\n";
    Guest::new(&["env"])
        .set(|settings| {
            settings.environment = variables.iter().map(|&variable| variable.to_owned()).collect();
        })
        .run()
        .check(0, &format!("{DEFAULT}HOSTNAME=localhost\n{expected}HOME=/root\n"));
}

fn a_working_directory_is_made() {
    Guest::script("pwd; stat -c '%a %u %g' . ..")
        .working_in("/srv/deep/here")
        .user("app")
        .run()
        .check(0, "/srv/deep/here\n755 0 0\n755 0 0\n");
}

fn one_that_is_there_is_left_alone() {
    Guest::script("pwd -P")
        .directory("real/work")
        .link("link", "real")
        .working_in("/link/work")
        .run()
        .check(0, "/real/work\n");
}

fn one_that_is_a_file_is_125() {
    let guest = |path: &str| Guest::script("pwd").working_in(path);
    for path in ["/etc/passwd", "/etc/passwd/below", "/dangling"] {
        let outcome = guest(path).link("dangling", "/nowhere/at/all").run();
        outcome.check(125, "");
        assert!(outcome.console.contains("cannot be made"), "{}", outcome.console);
    }
}

fn one_that_may_not_be_entered() {
    // docker enters it as root, so that a user may stand where it could not have gone.
    Guest::script("echo in")
        .file("closed/file", "", 0o600)
        .working_in("/closed")
        .user("app")
        .run()
        .check(0, "in\n");
}

fn streams_are_dockers() {
    let outcome = Guest::script("cat; tty; tty <&1; umask; ulimit -n; ulimit -Hn").run();
    // Where the test itself has fewer, it says so.
    let fewer = outcome.console.lines().find_map(|line| {
        line.strip_prefix("kiln-init: no process may open more than ")?.split(' ').next()
    });
    let most = fewer.unwrap_or("524288");
    outcome.check(0, &format!("not a tty\nnot a tty\n0022\n1024\n{most}\n"));
}

fn nothing_of_the_inits_is_left() {
    // `ls` itself has the fourth descriptor open.
    // Two signals are the C library's, and whoever ignores them ignores them for ever.
    let ignored = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    Guest::script(
        "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr 18 00; ls /proc/self/fd | tr '\\n' ' '",
    )
    .run()
    .check(0, &format!("{ignored}0 1 2 3 \n"));
    // Its own session and process group.
    Guest::script("set -- $$ $(cut -d' ' -f5-6 /proc/$$/stat); [ $1 = $2 ] && [ $1 = $3 ]")
        .run()
        .check(0, "");
}
