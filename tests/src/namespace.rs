//! Network namespaces that the harness makes, and their life: a descriptor.

use std::{
    fs::File,
    os::fd::{AsFd as _, AsRawFd as _},
    path::PathBuf,
    process::{self, Command},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Gone with the last clone, and with what entered it. Nothing in the file system names it.
#[derive(Clone, Debug)]
pub struct Namespace {
    descriptor: Arc<File>,
}

impl Namespace {
    /// With its loopback up and nothing else. Needs root.
    pub fn make() -> anyhow::Result<Self> {
        let made = in_a_thread(|| {
            // SAFETY: only what the thread can reach changes, and it shares no file descriptors
            // that are about to.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("making a namespace")?;
            File::open("/proc/thread-self/ns/net").context("opening the namespace")
        })??;
        let made = Self { descriptor: Arc::new(made) };
        made.ip("link set lo up")?;
        Ok(made)
    }

    /// That of a process, which goes on after the process has gone.
    pub fn of_process(id: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{id}/ns/net");
        let file = File::open(&path).with_context(|| format!("opening {path}"))?;
        Ok(Self { descriptor: Arc::new(file) })
    }

    /// Works for other processes of root as long as this one lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.descriptor.as_raw_fd()).into()
    }

    /// What to put before a command that is to run inside.
    pub fn entry(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net={}", self.path().display())]
    }

    /// In a thread of its own that is inside. Sockets and processes that it makes stay there.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        in_a_thread(|| {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(self.descriptor.as_fd(), network)
                .context("entering a namespace")?;
            Ok(act())
        })?
    }

    /// What a program says on its stdout, which must end well.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.within(|| Command::new(program).args(arguments).output())?;
        let output = output.with_context(|| format!("starting {program}"))?;
        ensure!(
            output.status.success(),
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).with_context(|| format!("{program} wrote no text"))
    }

    /// Which as root keeps what it has seen of blobs in /var/lib, where nothing of a story stays: here
    /// it has one of its own.
    pub fn skopeo(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let script = "mount -t tmpfs skopeo /var/lib && exec skopeo \"$@\"";
        self.run("unshare", &[&["--mount", "sh", "-c", script, "skopeo"], arguments].concat())
    }

    /// `ip`, with its words between blanks.
    pub fn ip(&self, arguments: &str) -> anyhow::Result<String> {
        self.run("ip", &arguments.split(' ').collect::<Vec<_>>())
    }

    pub fn sysctl(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.within(|| std::fs::write(&path, value))?.with_context(|| format!("setting {name}"))
    }

    /// The names of its interfaces.
    pub fn interfaces(&self) -> anyhow::Result<Vec<String>> {
        let text = self.within(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
        let lines = text.lines().filter_map(|line| Some(line.split_once(':')?.0));
        Ok(lines.map(|name| name.trim().to_owned()).collect())
    }

    /// The names of its tables of nftables, with their families.
    pub fn tables(&self) -> anyhow::Result<Vec<String>> {
        let listed = self.run("nft", &["list", "tables"])?;
        Ok(listed.lines().map(|line| line.trim_start_matches("table ").to_owned()).collect())
    }
}

/// A thread can leave a namespace and never be where it was, so each does one thing.
fn in_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        scope.spawn(act).join().map_err(|_| anyhow!("what was done in a namespace panicked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_of_its_own_and_goes() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (one, other) = (Namespace::make().unwrap(), Namespace::make().unwrap());
        assert_eq!(one.interfaces().unwrap(), ["lo"]);
        one.ip("link add one type veth peer name other").unwrap();
        one.ip(&format!("link set other netns {}", other.path().display())).unwrap();
        assert_eq!(one.interfaces().unwrap(), ["lo", "one"]);
        assert_eq!(other.interfaces().unwrap(), ["lo", "other"]);
        assert!(one.ip("link set missing up").unwrap_err().to_string().contains("\"missing\""));
        drop(other);
        // The kernel takes a namespace away when it has time.
        let gone = || one.interfaces().unwrap() == ["lo"];
        assert!((0..200).any(|_| {
            thread::sleep(std::time::Duration::from_millis(20));
            gone()
        }));
    }
}
