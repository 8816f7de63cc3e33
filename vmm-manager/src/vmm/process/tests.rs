use std::{fs, path::Path, time::Duration};

use tokio::time::{sleep, timeout};

use super::*;

/// Far more than any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Program {
    Program::new("/bin/sh").arguments(["-c", script]).stdout(Stdout::Tail(1024))
}

fn stdout(child: &Supervised) -> String {
    let (bytes, _) = child.stdout().unwrap().snapshot();
    String::from_utf8(bytes).unwrap().trim().to_owned()
}

async fn ended(child: &Supervised) -> ProcessExit {
    timeout(PATIENCE, child.wait()).await.unwrap()
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn gone(pid: u32) {
    let vanished = async {
        while alive(pid) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, vanished).await.unwrap();
}

async fn check(script: &str, expected: ProcessExit) {
    let child = Supervised::spawn(shell(script)).await.unwrap();
    assert_eq!(ended(&child).await, expected, "{script}");
    assert_eq!(child.exited(), Some(expected));
    assert!(!alive(child.pid()), "{script} was not reaped");
}

#[tokio::test]
async fn how_a_child_ended_is_what_the_kernel_says() {
    check("exit 0", ProcessExit::Code(0)).await;
    check("exit 7", ProcessExit::Code(7)).await;
    check("kill -9 $$", ProcessExit::Signal(9)).await;
    check("kill -15 $$", ProcessExit::Signal(15)).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let error = Supervised::spawn(Program::new("/nonexistent")).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_child_is_killed_when_asked() {
    let child = Supervised::spawn(Program::new("/bin/sleep").argument("1000")).await.unwrap();
    assert_eq!(child.exited(), None);
    child.kill();
    assert_eq!(ended(&child).await, ProcessExit::Signal(9));
    child.kill();
}

#[tokio::test]
async fn a_dropped_child_is_killed_and_reaped_with_its_group() {
    let child = Supervised::spawn(shell("sleep 1000 & echo pid $!; wait")).await.unwrap();
    let grandchild = heard(&child, "pid ").await;
    let pid = child.pid();
    assert!(alive(pid) && alive(grandchild));
    drop(child);
    gone(pid).await;
    // Its parent is gone, so whoever adopts orphans reaps it; that it runs no more is ours.
    let stopped = async {
        let status = || fs::read_to_string(format!("/proc/{grandchild}/status"));
        while status().is_ok_and(|status| !status.contains("State:\tZ")) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, stopped).await.unwrap();
}

#[test]
fn a_child_outlives_no_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let child = runtime.block_on(Supervised::spawn(Program::new("/bin/sleep").argument("1000")));
    let child = child.unwrap();
    let pid = child.pid();
    drop(runtime);
    assert!(alive(pid));
    drop(child);
    tokio::runtime::Runtime::new().unwrap().block_on(gone(pid));
}

#[tokio::test]
async fn the_end_of_stderr_is_kept_whatever_is_written() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3";
    let child = Supervised::spawn(shell(script)).await.unwrap();
    assert_eq!(ended(&child).await, ProcessExit::Code(3));
    assert!(child.stderr().ends_with("line 2998\nline 2999"));
    assert!(child.stderr().len() <= STDERR_BYTES);
}

#[tokio::test]
async fn a_flood_on_stdout_never_makes_a_child_wait() {
    let child = Supervised::spawn(shell("head -c 50000000 /dev/zero; echo end")).await.unwrap();
    assert_eq!(ended(&child).await, ProcessExit::Code(0));
    let (bytes, dropped) = child.stdout().unwrap().snapshot();
    assert_eq!((bytes.len(), dropped), (1024, 50_000_004 - 1024));
    assert!(bytes.ends_with(b"end\n"));
}

#[tokio::test]
async fn a_child_is_given_nothing_of_ours() {
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // An open descriptor that any careless fork would hand on.
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::empty()).unwrap();
    let program = Program::new("/bin/sh").directory("/tmp").stdout(Stdout::Tail(4096));
    // By name, since listing the directory would open it.
    let list = "i=0; while [ $i -lt 256 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; \
                i=$((i+1)); done; echo; pwd; cat; env | grep -v ^PWD=; ps -o sid= -p $$; echo $$";
    let child = Supervised::spawn(program.arguments(["-c", list])).await.unwrap();
    ended(&child).await;
    let said = stdout(&child);
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    assert_eq!(lines[0], "0 1 2", "{said}");
    assert_eq!(lines[1], "/tmp");
    let [session, pid] = lines[lines.len() - 2..] else { panic!("{said}") };
    assert_eq!(session, pid, "it leads a session");
    // What the shell itself sets, and nothing of ours.
    assert!(lines[2..lines.len() - 2].iter().all(|line| !line.starts_with("PATH=")), "{said}");
}

/// What a child was told to print, once it has.
async fn heard(child: &Supervised, prefix: &str) -> u32 {
    let number = || stdout(child).lines().find_map(|line| line.strip_prefix(prefix)?.parse().ok());
    let said = async {
        loop {
            if let Some(number) = number() {
                return number;
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, said).await.unwrap()
}

/// This test runs itself once more, as the parent that is killed.
#[tokio::test]
async fn children_die_with_kilnd_however_it_dies() {
    const PARENT: &str = "KILN_TEST_IS_THE_PARENT";
    if std::env::var_os(PARENT).is_some() {
        let child = Supervised::spawn(Program::new("/bin/sleep").argument("1000")).await.unwrap();
        let line = format!("child {}\n", child.pid());
        io::Write::write_all(&mut io::stdout(), line.as_bytes()).unwrap();
        return std::future::pending().await;
    }
    let (_, tests) = module_path!().split_once("::").unwrap();
    let parent = Program::new("/usr/bin/env")
        .argument(format!("{PARENT}=1"))
        .argument(std::env::current_exe().unwrap())
        .argument(format!("{tests}::children_die_with_kilnd_however_it_dies"))
        .arguments(["--exact", "--nocapture"])
        .stdout(Stdout::Tail(4096));
    let parent = Supervised::spawn(parent).await.unwrap();
    let child = heard(&parent, "child ").await;
    // It leads a session of its own, so only the kernel's promise reaches it.
    assert!(alive(child));
    parent.kill();
    assert_eq!(ended(&parent).await, ProcessExit::Signal(9));
    let vanished = async {
        let status = || fs::read_to_string(format!("/proc/{child}/status"));
        while status().is_ok_and(|status| !status.contains("State:\tZ")) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, vanished).await.unwrap();
}

#[tokio::test]
async fn a_child_dumps_no_core_and_is_killed_for_memory_before_us() {
    let child = Supervised::spawn(Program::new("/bin/sleep").argument("1000")).await.unwrap();
    let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.pid())).unwrap();
    let limits = read("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    assert_eq!(read("oom_score_adj").trim(), "500");
}
