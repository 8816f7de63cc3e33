//! A machine without a daemon whose guest is told to boot a root filesystem, spoken to in the words of
//! the agent's protocol.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use hyper_util::rt::TokioIo;
use kiln_proto::agent::{
    PORT, PROTOCOL_VERSION,
    v1::{
        BootProbe, BootStart, BootUp, EnvironmentVariable, ExecRefused, ExecRequest, ExecResponse,
        ExecStart, HelloRequest, ShutdownRequest, Signal, agent_client::AgentClient,
        exec_exited::Status as ExitStatus, exec_request::Event as Request, exec_response::Event,
    },
};
use kiln_vmm_manager::vmm::{Disk, Machine, VmExit};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use super::driver;
use crate::{Settings, Stage, bare::dial, patience::patient, until};

const LIMIT: Duration = Duration::from_secs(180);
const SERIAL: &str = "kiln-boot";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Dropped, its processes are killed.
#[derive(Debug)]
pub struct BootingVm {
    client: AgentClient<Channel>,
    machine: Box<dyn Machine>,
    stage: Stage,
}

/// The stream of a boot.
#[derive(Debug)]
pub struct Boot {
    requests: mpsc::Sender<ExecRequest>,
    answers: Streaming<ExecResponse>,
    /// All that has come from the console.
    pub console: String,
    pub up: Option<BootUp>,
}

/// What a boot came to.
#[derive(Debug)]
pub enum BootEnd {
    Exited(i32),
    TimedOut,
    Refused(ExecRefused),
    /// The machine went off without a word of its init.
    Lost,
}

impl BootingVm {
    /// Whose disk `ext4` is.
    pub async fn start(settings: &Arc<Settings>, ext4: &Path) -> anyhow::Result<Self> {
        let stage = Stage::set_up(Arc::clone(settings))?;
        let driver = driver::of(&stage).await?;
        let directory = stage.directory().join("vm");
        let mut spec = driver::spec(settings, directory.clone()).await?;
        // The second word keeps systemd from waiting for the serial console, which nobody logs in at.
        spec.command_line.push_str(" kiln.boot systemd.getty_auto=0");
        let disk = directory.join("boot");
        std::fs::copy(ext4, &disk)?;
        spec.disks.push(Disk { serial: SERIAL.into(), path: disk, read_only: true });
        let machine = driver.create(spec).await?;
        machine.boot().await?;
        timeout(patient(LIMIT), machine.vsock_attached()).await.context("no vsock")?;
        let sockets = machine.vsock_socket().parent().context("a socket in no directory")?;
        let call = async || Ok(dial(sockets, PORT).await);
        let mut stream = Some(until("the agent answers", LIMIT, call).await?);
        let connector = tower::service_fn(move |_| {
            let stream = stream.take().map(TokioIo::new);
            async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
        });
        let endpoint = Endpoint::from_static("http://guest");
        let mut client = AgentClient::new(endpoint.connect_with_connector(connector).await?);
        let hello = HelloRequest {
            protocol_version: PROTOCOL_VERSION,
            unix_nanos: 1_700_000_000_000_000_000,
            entropy: vec![0; 32].into(),
            hostname: "kiln-story".to_owned(),
            secret: vec![1; 32].into(),
            network: None,
        };
        timeout(patient(LIMIT), client.hello(hello)).await.context("no hello")??;
        Ok(Self { client, machine, stage })
    }

    pub async fn boot(&self, init: &str, probe: Option<BootProbe>) -> anyhow::Result<Boot> {
        self.boot_from(0, init, probe).await
    }

    /// The same boot once more, with its console's output from that offset on.
    pub async fn boot_from(
        &self,
        output_offset: u64,
        init: &str,
        probe: Option<BootProbe>,
    ) -> anyhow::Result<Boot> {
        let start = BootStart {
            id: "boot".to_owned(),
            output_offset,
            timeout_millis: 0,
            disk: SERIAL.to_owned(),
            init: init.to_owned(),
            arguments: Vec::new(),
            probe,
        };
        let (requests, answers) = self.exec(Request::Boot(start)).await?;
        Ok(Boot { requests, answers, console: String::new(), up: None })
    }

    async fn exec(
        &self,
        first: Request,
    ) -> anyhow::Result<(mpsc::Sender<ExecRequest>, Streaming<ExecResponse>)> {
        let (requests, sent) = mpsc::channel(4);
        requests.send(ExecRequest { event: Some(first) }).await?;
        let mut client = self.client.clone();
        let answers = client.exec(ReceiverStream::new(sent)).await?.into_inner();
        Ok((requests, answers))
    }

    /// What a script prints that runs where commands run now; it has to end well.
    pub async fn sh(&self, script: &str) -> anyhow::Result<String> {
        let (name, value) = PATH.split_once('=').context("no variable")?;
        let start = ExecStart {
            argv: ["sh", "-c", script].map(str::to_owned).into(),
            env: vec![EnvironmentVariable { name: name.to_owned(), value: value.to_owned() }],
            ..ExecStart::default()
        };
        let (_requests, mut answers) = self.exec(Request::Start(start)).await?;
        let mut printed = Vec::new();
        let ended = async {
            while let Some(answer) = answers.message().await? {
                match answer.event {
                    Some(Event::Stdout(chunk) | Event::Stderr(chunk)) => printed.extend(chunk.data),
                    Some(Event::Exited(exited)) => return Ok(exited.status),
                    Some(Event::Refused(refused)) => bail!("{refused:?}"),
                    _ => {}
                }
            }
            bail!("the stream ended")
        };
        let status = timeout(patient(LIMIT), ended).await.context(script.to_owned())??;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        ensure!(status == Some(ExitStatus::Code(0)), "{script}: {status:?}: {printed}");
        Ok(printed)
    }

    /// Presses the power button.
    pub async fn press_power_button(&self) -> anyhow::Result<()> {
        Ok(self.machine.press_power_button().await?)
    }

    /// Checks that it ends by itself and in order.
    pub async fn has_powered_off(self) -> anyhow::Result<()> {
        let exit = timeout(patient(LIMIT), self.machine.wait()).await;
        let serial = self.machine.serial().await;
        let exit: VmExit = exit.with_context(|| format!("the VM goes on{serial}"))?;
        ensure!(exit.is_power_off(), "{exit}{serial}");
        self.strike().await
    }

    /// Asks the agent to end the guest.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        // The answer may be lost with the VM.
        let _ = timeout(patient(LIMIT), self.client.clone().shutdown(ShutdownRequest {})).await;
        self.has_powered_off().await
    }

    /// Ends it, whatever state it is in.
    pub async fn end(self) -> anyhow::Result<()> {
        self.machine.kill().await;
        self.strike().await
    }

    async fn strike(self) -> anyhow::Result<()> {
        let Self { client, machine, stage } = self;
        drop((client, machine));
        std::fs::remove_dir_all(stage.directory().join("vm"))?;
        stage.strike().await
    }
}

impl Boot {
    /// Until it is up.
    pub async fn is_up(&mut self) -> anyhow::Result<BootUp> {
        match self.listen(|boot| boot.up.is_some()).await? {
            None => self.up.clone().context("it is not up"),
            Some(end) => bail!("it ended before it was up: {end:?}: {}", self.console),
        }
    }

    /// Until its console has said so.
    pub async fn has_said(&mut self, words: &str) -> anyhow::Result<()> {
        match self.listen(|boot| boot.console.contains(words)).await? {
            None => Ok(()),
            Some(end) => bail!("it ended before it said {words:?}: {end:?}: {}", self.console),
        }
    }

    pub async fn ended(&mut self) -> anyhow::Result<BootEnd> {
        self.listen(|_| false).await?.context("it goes on")
    }

    pub async fn signal(&self, number: i32) -> anyhow::Result<()> {
        let signal = Request::Signal(Signal { number });
        Ok(self.requests.send(ExecRequest { event: Some(signal) }).await?)
    }

    async fn listen(&mut self, enough: impl Fn(&Self) -> bool) -> anyhow::Result<Option<BootEnd>> {
        while !enough(self) {
            let answer = timeout(patient(LIMIT), self.answers.message()).await;
            let answer = answer.with_context(|| format!("silence after {:?}", self.console))?;
            let Ok(Some(answer)) = answer else { return Ok(Some(BootEnd::Lost)) };
            match answer.event.context("an answer without an event")? {
                Event::Started(started) => ensure!(started.pid == 1, "{started:?}"),
                Event::Stdout(chunk) => {
                    self.console.push_str(&String::from_utf8_lossy(&chunk.data));
                }
                Event::Up(up) => ensure!(self.up.replace(up).is_none(), "it is up twice"),
                Event::Exited(exited) if exited.timed_out => return Ok(Some(BootEnd::TimedOut)),
                Event::Exited(exited) => match exited.status {
                    Some(ExitStatus::Code(code)) => return Ok(Some(BootEnd::Exited(code))),
                    other => bail!("{other:?}"),
                },
                Event::Refused(refused) => return Ok(Some(BootEnd::Refused(refused))),
                other => bail!("{other:?}"),
            }
        }
        Ok(None)
    }
}
