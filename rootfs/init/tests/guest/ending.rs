//! Ends: of the command, of what it leaves behind, of the machine.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::stage::{Guest, Machine};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("ending::a_stop_is_the_images_signal", a_stop_is_the_images_signal),
    ("ending::every_way_of_stopping_stops", every_way_of_stopping_stops),
    ("ending::who_does_not_stop_is_killed", who_does_not_stop_is_killed),
    ("ending::other_signals_are_the_commands", other_signals_are_the_commands),
    ("ending::orphans_are_reaped", orphans_are_reaped),
    ("ending::what_is_left_is_killed", what_is_left_is_killed),
    ("ending::all_output_comes_before_the_status", all_output_comes_before_the_status),
    ("ending::a_line_without_an_end_gets_one", a_line_without_an_end_gets_one),
    (
        "ending::a_console_that_stops_stops_the_command_alone",
        a_console_that_stops_stops_the_command_alone,
    ),
    ("ending::the_machine_ends_as_it_is_told", the_machine_ends_as_it_is_told),
    ("ending::the_host_is_told", the_host_is_told),
    ("ending::a_host_that_does_not_listen_is_no_end", a_host_that_does_not_listen_is_no_end),
    ("ending::a_word_that_is_not_known_is_an_end", a_word_that_is_not_known_is_an_end),
    ("ending::elsewhere_than_process_1_it_does_nothing", elsewhere_than_process_1_it_does_nothing),
];

const TRAPS: &str = "
for one in HUP INT QUIT USR1 USR2 TERM; do trap \"echo got $one; exit 7\" $one; done
echo set; while :; do sleep 0.05; done";

fn boot(script: &str, stop_signal: &str) -> Machine {
    let guest = Guest::script(script).set(|settings| {
        stop_signal.clone_into(&mut settings.stop_signal);
        settings.stop_seconds = 1;
    });
    let mut machine = guest.boot();
    machine.wait_for("set\n");
    machine
}

fn a_stop_is_the_images_signal() {
    for (stop_signal, got) in [("SIGTERM", "TERM"), ("3", "QUIT"), ("usr2", "USR2")] {
        let machine = boot(TRAPS, stop_signal);
        machine.signal(Signal::TERM);
        machine.end().check(7, &format!("set\ngot {got}\n"));
    }
}

fn every_way_of_stopping_stops() {
    for signal in [Signal::TERM, Signal::INT, Signal::POWER] {
        let machine = boot(TRAPS, "SIGQUIT");
        machine.signal(signal);
        machine.end().check(7, "set\ngot QUIT\n");
    }
    let inside = Guest::script(&TRAPS.replace("echo set;", "echo set; kill 1;")).run();
    inside.check(7, "set\ngot TERM\n");
}

fn who_does_not_stop_is_killed() {
    let start = Instant::now();
    let machine = boot("trap '' TERM; echo set; while :; do sleep 0.05; done", "SIGTERM");
    machine.signal(Signal::TERM);
    machine.signal(Signal::TERM);
    machine.end().check(137, "set\n");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

fn other_signals_are_the_commands() {
    for (signal, got) in [(Signal::HUP, "HUP"), (Signal::USR1, "USR1"), (Signal::QUIT, "QUIT")] {
        let machine = boot(TRAPS, "SIGTERM");
        machine.signal(signal);
        machine.end().check(7, &format!("set\ngot {got}\n"));
    }
}

fn orphans_are_reaped() {
    let script = "for one in $(seq 50); do (sleep 0.01 &); done
        for i in $(seq 100); do
            [ $(grep -l '^PPid:.1$' /proc/[0-9]*/status 2>/dev/null | grep -c .) = 1 ] && echo alone && exit
            sleep 0.1
        done";
    Guest::script(script).run().check(0, "alone\n");
}

fn what_is_left_is_killed() {
    let start = Instant::now();
    let left = "(trap '' TERM HUP; echo left; touch /left; sleep 600; echo never) &
        while ! [ -e /left ]; do sleep 0.05; done";
    Guest::script(left).run().check(0, "left\n");
    assert!(start.elapsed() < Duration::from_secs(600));
}

fn all_output_comes_before_the_status() {
    let outcome = Guest::script("seq 200000; echo wrong >&2; exit 4").run();
    let numbers: Vec<String> = (1..=200_000).map(|number: u32| number.to_string()).collect();
    let expected = numbers.join("\n") + "\n";
    assert_eq!(outcome.status(), 4);
    assert!(outcome.output() == format!("{expected}wrong\n"));
}

fn a_line_without_an_end_gets_one() {
    let outcome = Guest::script("printf 'no end'").run();
    let end = "kiln-init: ready\nno end\nkiln-init: exit 0\n";
    assert!(outcome.console.ends_with(end), "{}", outcome.console);
}

fn a_console_that_stops_stops_the_command_alone() {
    // Nobody reads, so that the command waits; the init still hears.
    let machine = boot("echo set; while :; do echo 0123456789; done", "SIGKILL");
    std::thread::sleep(Duration::from_millis(300));
    machine.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let outcome = machine.end();
    assert_eq!(outcome.status(), 137);
    assert!(outcome.console.len() < 1024 * 1024);
}

fn the_machine_ends_as_it_is_told() {
    const HANG_UP: Option<i32> = Some(1);
    const INTERRUPT: Option<i32> = Some(2);
    assert_eq!(Guest::new(&["/bin/true"]).run().signal, INTERRUPT);
    for (word, signal) in [
        ("kiln.end=poweroff", INTERRUPT),
        ("kiln.end=halt", INTERRUPT),
        ("kiln.end=reboot", HANG_UP),
    ] {
        let outcome = Guest::script("exit 5").word("splash").word(word).run();
        outcome.check(5, "");
        assert_eq!(outcome.signal, signal, "{word}");
    }
}

fn the_host_is_told() {
    let check = |guest: Guest, expected: &str| {
        assert_eq!(guest.word("kiln.report=/dev/report").run().report, expected);
    };
    let ready = r#"{"event":"ready"}"#;
    let exit = |rest: &str| format!("{ready}\n{{\"event\":\"exit\",{rest}}}\n");
    check(Guest::script("exit 9"), &exit(r#""status":9,"started":true"#));
    check(Guest::script("kill -9 $$"), &exit(r#""status":137,"signal":9,"started":true"#));
    let never = "{\"event\":\"exit\",\"status\":127,\"started\":false}\n";
    check(Guest::new(&["/none"]), never);
    // Before the machine was set up, too.
    let outcome = Guest::new(&[])
        .file(".kiln/init.json", "{}", 0o400)
        .word("kiln.report=/dev/report")
        .boot_as_it_is()
        .end();
    assert_eq!(outcome.report, never.replace("127", "125"));
}

fn a_host_that_does_not_listen_is_no_end() {
    for (target, name) in [("port:org.kiln.nobody", "org.kiln.nobody"), ("/dev/none", "/dev/none")]
    {
        let outcome = Guest::script("echo ran").word(&format!("kiln.report={target}")).run();
        outcome.check(0, "ran\n");
        let said = format!("{name} cannot be reported to: ");
        assert!(outcome.console.contains(&said), "{}", outcome.console);
    }
}

fn a_word_that_is_not_known_is_an_end() {
    let outcome = Guest::script("echo ran").word("kiln.reprot=vsock:1").run();
    outcome.check(125, "");
    assert!(outcome.console.contains("\"kiln.reprot=vsock:1\""), "{}", outcome.console);
}

fn elsewhere_than_process_1_it_does_nothing() {
    let outcome = Guest::script("/.kiln/init; echo $?").run();
    assert!(outcome.console.contains("this is process 1 of a machine"), "{}", outcome.console);
    outcome.check(0, "125\n");
}
