//! A repository in the internet, served by git's own daemon: `git://git.test/repository.git`.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command as Spawn};

use super::{Data, World};
use crate::{Namespace, Stage, until};

/// Where it is, alone.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 110);
pub const PORT: u16 = 9418;
const HOST: &str = "git.test";
const START: Duration = Duration::from_secs(30);
/// Of two commits: the first is `v1`, the second `main`.
const SCRIPT: &str = "\
git init --quiet --initial-branch=main work && cd work
mkdir sub && echo one >sub/file && echo top >top && ln -s top link && chmod 755 top
git add . && git commit --quiet --message=one && git tag v1
echo two >sub/file && echo more >more
git add . && git commit --quiet --message=two
cd .. && git clone --quiet --bare work repository.git
";

/// Killed with the story.
#[derive(Debug)]
pub struct Git {
    child: Child,
}

impl Git {
    async fn serve(directory: &Path, namespace: &Namespace) -> anyhow::Result<Self> {
        std::fs::create_dir(directory)?;
        let mut shell = Command::new("sh");
        let made = alone(shell.args(["-e", "-c", SCRIPT]).current_dir(directory)).output()?;
        ensure!(made.status.success(), "git: {}", String::from_utf8_lossy(&made.stderr));
        let place = Command::new("git").arg("--exec-path").output().context("running git")?;
        let place = String::from_utf8(place.stdout)?;
        let [program, arguments @ ..] = namespace.entry();
        let child = Spawn::new(program)
            .args(arguments)
            .arg(Path::new(place.trim()).join("git-daemon"))
            .args(["--export-all", "--reuseaddr", "--base-path=."])
            .args([format!("--listen={ADDRESS}"), format!("--port={PORT}")])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting git-daemon")?;
        until("a repository is served", START, async || {
            let dialled = namespace.within(|| std::net::TcpStream::connect((ADDRESS, PORT)))?;
            Ok(dialled.is_ok().then_some(()))
        })
        .await?;
        Ok(Self { child })
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

impl World {
    /// A repository, one a story.
    pub async fn git(&mut self, stage: &Stage) -> anyhow::Result<Git> {
        self.internet.answer_as(ADDRESS.into())?;
        self.zone.say(HOST, [Data::Address(ADDRESS.into())]);
        Git::serve(&stage.directory().join("git"), self.internet.namespace()).await
    }
}

/// The same commits each time, whoever makes them.
fn alone(command: &mut Command) -> &mut Command {
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Somebody")
            .env(format!("GIT_{who}_EMAIL"), "somebody@git.test")
            .env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null")
}
