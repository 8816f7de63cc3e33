//! A machine without a machine: a root in memory, and the init as the process that everything ends with.

use std::{
    fs,
    io::Read as _,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kiln_init::Settings;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process},
};
use tempfile::TempDir;

/// Nothing here takes a second on a quiet machine.
const LIMIT: Duration = Duration::from_secs(60);

const APPLETS: [&str; 25] = [
    "cat", "chmod", "cut", "env", "false", "grep", "head", "hostname", "id", "ifconfig", "kill",
    "ls", "mount", "nc", "printf", "pwd", "readlink", "seq", "sh", "sleep", "stat", "touch", "tr",
    "true", "tty",
];

/// `/` is a file system of this test's own before the init sees it: it remounts its root.
const SCRIPT: &str = r#"
set -e
source=$1 root=$2; shift 2
mount -t tmpfs -o mode=0755 kiln "$root"
cp -a "$source/." "$root"
mkdir -p "$root/dev"
mount -t tmpfs -o mode=0755 dev "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
touch "$root/dev/report"
mount --bind "$source/../report" "$root/dev/report"
[ ! -e "$root/read-only" ] || mount -o remount,ro "$root"
if [ -n "$OBSERVED" ]; then
    PATH=$source/..:$PATH
    @observer --observe "$OBSERVED" "$source/.." </dev/null >/dev/null &
    while ! [ -e "$source/../listens" ]; do sleep 0.01; done
fi
cd "$root"
if [ -e no-streams ]; then
    touch dev/console
    mount --bind "$source/../console" dev/console
    exec chroot . /.kiln/init "$@" <&- >&- 2>&-
fi
exec chroot . /.kiln/init "$@"
"#;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
const GROUP: &str = "root:x:0:\nadm:x:4:app\napp:x:1000:\nextra:x:50:app\n";

/// What is missing on this host, if anything is.
pub(crate) fn missing(busybox: &Path) -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    (!busybox.exists()).then_some("needs busybox-static")
}

/// A root that is not booted yet.
pub(crate) struct Guest {
    directory: TempDir,
    pub(crate) settings: Settings,
    words: Vec<String>,
    /// Where somebody outside of the root listens.
    observed: &'static str,
}

impl Guest {
    /// With the command's words.
    pub(crate) fn new(command: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::new(command.iter().map(|&word| word.to_owned()).collect());
        fs::create_dir(directory.path().join("mounted")).unwrap();
        for outside in ["report", "console"] {
            fs::write(directory.path().join(outside), "").unwrap();
        }
        let guest = Self { directory, settings, words: Vec::new(), observed: "" }
            .file("etc/passwd", PASSWD, 0o644)
            .file("etc/group", GROUP, 0o644)
            .directory("home/app")
            .directory("root");
        guest.copy(Path::new("/usr/bin/busybox"), "bin/busybox");
        for applet in APPLETS {
            symlink("busybox", guest.at("bin").join(applet)).unwrap();
        }
        guest.copy(Path::new(env!("CARGO_BIN_EXE_kiln-init")), ".kiln/init");
        guest.copy_libraries();
        guest
    }

    /// A shell's script.
    pub(crate) fn script(text: &str) -> Self {
        Self::new(&["/bin/sh", "-c", text])
    }

    pub(crate) fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn user(self, user: &str) -> Self {
        self.set(|settings| user.clone_into(&mut settings.user))
    }

    pub(crate) fn working_in(self, directory: &str) -> Self {
        self.set(|settings| directory.clone_into(&mut settings.working_directory))
    }

    pub(crate) fn word(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// By [`crate::observer`], who is told what the init reports.
    pub(crate) fn observed(mut self, address: &'static str) -> Self {
        let program = std::env::current_exe().unwrap();
        symlink(program, self.directory.path().join("@observer")).unwrap();
        self.observed = address;
        self.word(&format!("kiln.report=unix:{address}"))
    }

    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.at(path)).unwrap();
        self
    }

    pub(crate) fn without(self, path: &str) -> Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path)
    }

    fn copy(&self, from: &Path, to: &str) {
        fs::create_dir_all(self.at(to).parent().unwrap()).unwrap();
        fs::copy(from, self.at(to)).unwrap();
    }

    /// An init that was built for tests is no static program.
    fn copy_libraries(&self) {
        let listed = Command::new("ldd").arg(self.at(".kiln/init")).output().unwrap();
        for word in String::from_utf8(listed.stdout).unwrap().split_whitespace() {
            if let Some(path) = word.strip_prefix('/') {
                self.copy(Path::new(word), path);
            }
        }
    }

    /// Boots it with its settings beside its init.
    pub(crate) fn boot(self) -> Machine {
        let settings = self.settings.to_bytes().unwrap();
        self.file(".kiln/init.json", settings, 0o400).boot_as_it_is()
    }

    pub(crate) fn boot_as_it_is(self) -> Machine {
        let mut child = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount", "--propagation", "private"])
            .args(["--uts", "--ipc", "--net", "--cgroup", "/bin/sh", "-c", SCRIPT, "sh"])
            .arg(self.directory.path().join("root"))
            .arg(self.directory.path().join("mounted"))
            .args(&self.words)
            .env("OBSERVED", self.observed)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let console = child.stdout.take().unwrap();
        Machine { child, console, said: Vec::new(), directory: self.directory }
    }

    pub(crate) fn run(self) -> Outcome {
        self.boot().end()
    }
}

/// One that runs.
pub(crate) struct Machine {
    child: Child,
    console: ChildStdout,
    said: Vec<u8>,
    directory: TempDir,
}

impl Machine {
    /// Reads the console until it has a text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.said).contains(text) {
            assert!(self.listen(), "no {text:?} in {}", String::from_utf8_lossy(&self.said));
        }
    }

    /// Whether there is more to come.
    fn listen(&mut self) -> bool {
        let limit = Timespec::try_from(LIMIT).unwrap();
        let heard = poll(&mut [PollFd::new(&self.console, PollFlags::IN)], Some(&limit)).unwrap();
        assert_ne!(heard, 0, "silence after {}", String::from_utf8_lossy(&self.said));
        let mut buffer = [0; 4096];
        let length = self.console.read(&mut buffer).unwrap();
        self.said.extend_from_slice(&buffer[..length]);
        length > 0
    }

    /// To the init, from outside.
    pub(crate) fn signal(&self, signal: Signal) {
        let parent = self.child.id();
        let children =
            fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        let init = children.trim().parse().ok().and_then(Pid::from_raw).unwrap();
        kill_process(init, signal).unwrap();
    }

    pub(crate) fn end(mut self) -> Outcome {
        while self.listen() {}
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < LIMIT, "the machine does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let outside = |name| fs::read_to_string(self.directory.path().join(name)).unwrap();
        let report = outside("report");
        Outcome {
            console: String::from_utf8_lossy(&self.said).into_owned() + &outside("console"),
            report,
            signal: status.signal(),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What it has started ends with it (`--kill-child`). It may have ended already.
        let _ = self.child.kill();
        while let Ok(None) = self.child.try_wait() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) console: String,
    pub(crate) report: String,
    /// How the kernel tells the outside of an end: `SIGINT` of power-off, `SIGHUP` of a restart.
    pub(crate) signal: Option<i32>,
}

impl Outcome {
    /// What the command wrote.
    pub(crate) fn output(&self) -> String {
        let lines = self.console.lines().filter(|line| !line.starts_with("kiln-init: "));
        lines.fold(String::new(), |output, line| output + line + "\n")
    }

    /// The last line, and nothing of it left out.
    pub(crate) fn status(&self) -> u8 {
        let last = self.console.lines().last().unwrap_or_default();
        let status = last.strip_prefix("kiln-init: exit ").and_then(|text| text.parse().ok());
        assert!(self.console.ends_with('\n'), "{}", self.console);
        status.unwrap_or_else(|| panic!("no status at the end of {:?}", self.console))
    }

    pub(crate) fn check(&self, status: u8, output: &str) {
        assert_eq!((self.status(), &*self.output()), (status, output), "{}", self.console);
    }
}
