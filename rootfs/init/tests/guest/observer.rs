//! Who stands outside of the root and hears how it ends: a child of process 1's, as an agent is that made
//! the machine.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::stage::Guest;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("observer::the_end_is_heard_and_what_is_left_is_killed", the_end_is_heard),
    ("observer::a_socket_may_have_a_path", a_socket_may_have_a_path),
    ("observer::nobody_needs_to_listen", nobody_needs_to_listen),
    ("observer::a_table_that_is_hidden_hides_nobody", a_table_that_is_hidden_hides_nobody),
    ("observer::who_is_spared_holds_nothing_up", who_is_spared_holds_nothing_up),
];

/// Of the command line that makes this program the observer.
pub(crate) const WORD: &str = "--observe";

/// Until the init says that it has nothing more to say. It is given a while, which only an init that
/// waits gives.
pub(crate) fn watch(address: &str, directory: &Path) {
    let root = directory.join("mounted");
    let listener = match address.strip_prefix('@') {
        Some(name) => {
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
        }
        None => UnixListener::bind(root.join(address.trim_start_matches('/'))).unwrap(),
    };
    fs::write(directory.join("listens"), "").unwrap();
    let (mut init, _) = listener.accept().unwrap();
    let mut told = String::new();
    init.read_to_string(&mut told).unwrap();
    thread::sleep(Duration::from_millis(300));
    told.extend(processes(&root.join("proc")).iter().map(|name| format!("{name} is there\n")));
    let mut report = fs::File::options().write(true).open(directory.join("report")).unwrap();
    report.write_all(told.as_bytes()).unwrap();
    drop(init);
    thread::sleep(Duration::from_secs(600));
}

/// By their first arguments.
fn processes(table: &Path) -> Vec<String> {
    let entries = fs::read_dir(table).unwrap().map(|entry| entry.unwrap().path());
    let is_number = |entry: &PathBuf| {
        entry.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit))
    };
    let entries = entries.filter(is_number);
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.join("cmdline")).ok());
    let first = lines.filter_map(|line| Some(line.split_once('\0')?.0.to_owned()));
    let mut first: Vec<_> = first.collect();
    first.sort();
    first
}

const READY: &str = "{\"event\":\"ready\"}\n";
const EXIT: &str = "{\"event\":\"exit\",\"status\":3,\"started\":true}\n";
const THERE: &str = "/.kiln/init is there\n@observer is there\n";

/// Says which processes there are of those that sleep, when there are as many as are waited for.
const LIST: &str = r"
    sleepers() {
        for one in /proc/[0-9]*/cmdline; do tr '\0' ' ' <$one 2>/dev/null; echo; done |
            grep -o '^[@a-z]*/busybox sleep'
    }
    until [ $(sleepers | grep -c .) = $left ]; do sleep 0.05; done
    sleepers | busybox sort; ";

/// Processes that stay, by their first arguments; of root, and of somebody else.
const LEFT: &str = "
    for name in @spared plain; do (exec -a $name/busybox busybox sleep 600) & done
    busybox su -s /bin/sh app -c 'exec -a @apps/busybox busybox sleep 600' &
    left=3";

fn the_end_is_heard() {
    let outcome = Guest::script(&format!("{LEFT}{LIST} exit 3")).observed("@kiln-report").run();
    outcome.check(3, "@apps/busybox sleep\n@spared/busybox sleep\nplain/busybox sleep\n");
    let expected = format!("{READY}{EXIT}{THERE}@spared/busybox is there\n");
    assert_eq!(outcome.report, expected);
    // That they are there keeps no machine from its end.
    assert_eq!(outcome.signal, Some(2));
}

fn a_socket_may_have_a_path() {
    let outcome = Guest::script("exit 3").directory("a").observed("/a/socket").run();
    outcome.check(3, "");
    assert_eq!(outcome.report, format!("{READY}{EXIT}{THERE}"));
}

fn nobody_needs_to_listen() {
    for (target, name) in [("@kiln-none", "@kiln-none"), ("/none", "/none")] {
        let outcome = Guest::script("echo ran").word(&format!("kiln.report=unix:{target}")).run();
        outcome.check(0, "ran\n");
        let said = format!("the socket {name} cannot be reported to: ");
        assert!(outcome.console.contains(&said), "{}", outcome.console);
    }
}

fn a_table_that_is_hidden_hides_nobody() {
    let script = "(exec -a plain/busybox busybox sleep 600) &\nleft=1";
    let script = &format!("{script}{LIST} mount -t tmpfs none /proc; exit 3");
    let listed = "plain/busybox sleep\n";
    // The observer looks where the other table was, and finds nobody.
    let outcome = Guest::script(script).observed("@kiln-report").run();
    outcome.check(3, listed);
    assert_eq!(outcome.report, format!("{READY}{EXIT}"));
    // Without anybody to be spared all are waited for as well.
    Guest::script(script).run().check(3, listed);
}

/// It has the command's output open, and is as silent as who is dead.
fn who_is_spared_holds_nothing_up() {
    let script = "(exec -a @spared/busybox busybox sleep 600) &\nleft=1";
    let outcome = Guest::script(&format!("{script}{LIST} seq 20000; exit 3")).run();
    assert_eq!(outcome.status(), 3);
    assert!(outcome.output().ends_with("19999\n20000\n"));
    assert!(!outcome.console.contains("is lost"), "{}", outcome.console);
}
