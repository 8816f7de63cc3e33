//! Commands with a terminal.

use kiln_proto::agent::v1::{Kill, StdinClosed, Terminal, TerminalSize, exec_refused::Reason};

use super::{exec_request::Event as Request, *};

const SIZE: TerminalSize = TerminalSize { rows: 24, columns: 132 };

fn on_terminal(script: &str) -> ExecStart {
    let terminal = Some(Terminal { size: Some(SIZE) });
    let mut start = ExecStart { stdin: true, terminal, ..shell(script) };
    let (name, value) = ("TERM".to_owned(), "vt100".to_owned());
    start.env.push(EnvironmentVariable { name, value });
    start
}

/// Everything that was shown until it contains `text`.
async fn read_until(host: &mut Host, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        match host.next().await {
            Some(Event::Stdout(chunk)) => shown.push_str(&String::from_utf8_lossy(&chunk.data)),
            Some(Event::Started(_) | Event::StdinTaken(_)) => {}
            other => panic!("{other:?} after {shown:?}"),
        }
    }
    shown
}

async fn enter(host: &Host, text: &'static str) {
    host.send(Request::Stdin(bytes::Bytes::from_static(text.as_bytes()))).await;
}

#[tokio::test]
async fn it_is_a_terminal_of_its_size_and_controls_the_session() {
    if !is_root() {
        return;
    }
    let script = "stty size; tty; ls -l /proc/self/fd/0 /proc/self/fd/2 | \
                  grep -c pts; echo $TERM; echo by name > /dev/tty; echo by fd >&2; \
                  cut -d' ' -f5-8 /proc/$$/stat; test -t 0 && test -t 1 && test -t 2; exit $?";
    let told = Host::start(on_terminal(script)).finish().await;
    assert_eq!((told.code(), &*told.stderr), (0, &b""[..]), "all output is one");
    let shown = told.stdout().replace("\r\n", "\n");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "24 132");
    assert!(lines[1].starts_with("/dev/pts/"), "{shown}");
    assert_eq!(lines[2..6], ["2", "vt100", "by name", "by fd"]);
    // Process group, session, terminal and its foreground: the shell leads them all.
    let ids: Vec<&str> = lines[6].split(' ').collect();
    assert!(ids[0] == ids[1] && ids[0] == ids[3] && ids[2] != "0", "{shown}");
}

#[tokio::test]
async fn a_resize_is_seen_and_told() {
    if !is_root() {
        return;
    }
    let script = "trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.01; done";
    let mut host = Host::start(on_terminal(script));
    read_until(&mut host, "up").await;
    host.send(Request::Resize(TerminalSize { rows: 50, columns: 200 })).await;
    assert_eq!(host.finish().await.stdout(), "50 200\r\n");
}

#[tokio::test]
async fn control_c_interrupts_the_foreground() {
    if !is_root() {
        return;
    }
    let script = "trap 'echo interrupted; exit 9' INT; echo up; while :; do sleep 0.01; done";
    let mut host = Host::start(on_terminal(script));
    read_until(&mut host, "up").await;
    enter(&host, "\x03").await;
    let told = host.finish().await;
    assert_eq!(told.code(), 9);
    assert!(told.stdout().contains("interrupted"), "{:?}", told.stdout());
}

#[tokio::test]
async fn the_end_of_stdin_is_the_terminals_own() {
    if !is_root() {
        return;
    }
    for (typed, shown) in [("", ""), ("line\n", "<line>\r\n"), ("no newline", "<no newline>")] {
        let script = "stty -echo; echo up; sed 's/.*/<&>/'; echo end";
        let mut host = Host::start(on_terminal(script));
        read_until(&mut host, "up\r\n").await;
        host.send(Request::Stdin(bytes::Bytes::from_static(typed.as_bytes()))).await;
        host.send(Request::StdinClosed(StdinClosed {})).await;
        assert_eq!(host.finish().await.stdout(), format!("{shown}end\r\n"), "{typed:?}");
    }
}

#[tokio::test]
async fn the_last_words_of_a_terminal_arrive_whole() {
    if !is_root() {
        return;
    }
    for _ in 0..20 {
        let told = Host::start(on_terminal("stty raw; seq 1 20000")).finish().await;
        assert_eq!(told.stdout().lines().last(), Some("20000"));
        assert_eq!(told.stdout().len(), 108_894);
    }
}

#[tokio::test]
async fn a_terminal_that_every_process_closes_can_be_opened_again() {
    if !is_root() {
        return;
    }
    let script = "exec </dev/null >/dev/null 2>&1; sleep 0.1; echo again > /dev/tty";
    assert_eq!(Host::start(on_terminal(script)).finish().await.stdout(), "again\r\n");
}

#[tokio::test]
async fn a_shell_that_lost_its_host_may_say_good_bye() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let polite = format!("trap 'echo bye > {}; exit' HUP; ", file.display());
    let mut host = Host::start(on_terminal(&(polite + "echo up; while :; do sleep 0.01; done")));
    read_until(&mut host, "up").await;
    drop(host);
    until(|| std::fs::read_to_string(&file).is_ok_and(|text| text == "bye\n")).await;

    // One that does not listen is killed.
    let stubborn = format!("trap '' HUP; echo $$ > {}; echo up; sleep 600", file.display());
    let mut host = Host::start(on_terminal(&stubborn));
    read_until(&mut host, "up").await;
    let pid = std::fs::read_to_string(&file).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    drop(host);
    until(|| !process.exists()).await;
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_terminal_with_an_id_outlives_its_stream() {
    if !is_root() {
        return;
    }
    let engine = engine(Sessions::new().unwrap());
    let script = "stty -echo; echo up; read line; echo got $line";
    let start = ExecStart { id: "shell".to_owned(), ..on_terminal(script) };
    let mut host = Host::start_on(&engine, start.clone());
    read_until(&mut host, "up\r\n").await;
    drop(host);
    let host = Host::start_on(&engine, ExecStart { output_offset: 4, ..start });
    enter(&host, "it\n").await;
    assert_eq!(host.finish().await.stdout(), "got it\r\n");
}

#[tokio::test]
async fn another_user_may_open_its_terminal() {
    if !is_root() {
        return;
    }
    let start = ExecStart { user: "4242:4343".to_owned(), ..on_terminal("echo x > $(tty)") };
    assert_eq!(Host::start(start).finish().await.stdout(), "x\r\n");
}

#[tokio::test]
async fn a_terminal_that_cannot_be_is_refused() {
    if !is_root() {
        return;
    }
    let check = async |start, message| match Host::start(start)
        .finish()
        .await
        .end
        .unwrap()
        .unwrap()
        .event
    {
        Some(Event::Refused(refused)) => {
            assert_eq!(refused.reason(), Reason::Invalid);
            assert!(refused.message.contains(message), "{refused:?}");
        }
        other => panic!("{other:?}"),
    };
    check(ExecStart { stdin: false, ..on_terminal("true") }, "needs stdin").await;
    let sized = |size| ExecStart { terminal: Some(Terminal { size }), ..on_terminal("true") };
    check(sized(None), "0 rows").await;
    check(sized(Some(TerminalSize { rows: 1, columns: 65536 })), "65536 columns").await;
    let host = Host::start(on_terminal("sleep 600"));
    host.send(Request::Resize(TerminalSize { rows: 0, columns: 1 })).await;
    assert!(host.finish().await.end.unwrap().is_err());
    let host = Host::start(on_terminal("sleep 600 & sleep 600"));
    host.send(Request::Kill(Kill {})).await;
    assert_eq!(host.finish().await.signal(), libc::SIGKILL);
}
