//! When a machine counts as up.

use std::{pin::pin, time::Duration};

use kiln_proto::agent::v1::{
    BootCommand, BootProbe, BootUp, EnvironmentVariable, ExecStart, boot_probe::Kind as WireKind,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{chosen::Kind, report::Told};
use crate::{command::Command, exec::Engine, reaper::ExitStatus};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Of one try, which is then given up for the next.
const TRY_LIMIT: Duration = Duration::from_secs(30);
/// What has been said by then is all that is read.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(100);
const MAX_SAID_BYTES: usize = 4096;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the host wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// What the init says, or what is known of it.
    Init,
    Command(Vec<String>),
    Port(u16),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidProbe {
    #[error("a probe that is neither a command nor a port")]
    Nothing,
    #[error("the command of the probe has no program, or a NUL byte")]
    Command,
    #[error("{0} is no port")]
    Port(u32),
}

impl TryFrom<Option<BootProbe>> for Probe {
    type Error = InvalidProbe;

    fn try_from(probe: Option<BootProbe>) -> Result<Self, InvalidProbe> {
        let Some(BootProbe { kind }) = probe else { return Ok(Self::Init) };
        match kind {
            None => Err(InvalidProbe::Nothing),
            Some(WireKind::Command(BootCommand { argv })) => match command(argv.clone()) {
                Some(_) => Ok(Self::Command(argv)),
                None => Err(InvalidProbe::Command),
            },
            Some(WireKind::Port(port)) => match u16::try_from(port) {
                Ok(port @ 1..) => Ok(Self::Port(port)),
                _ => Err(InvalidProbe::Port(port)),
            },
        }
    }
}

/// Resolves when it is; perhaps never.
pub(crate) async fn up(
    engine: &Engine,
    kind: Kind,
    probe: &Probe,
    mut told: watch::Receiver<Told>,
) -> BootUp {
    match (probe, kind) {
        (Probe::Command(argv), _) => {
            until(|| async move {
                let tried = timeout(TRY_LIMIT, run(engine, argv.clone())).await.ok().flatten();
                tried.filter(|ran| ran.status == ExitStatus::Code(0)).map(|_| by("command"))
            })
            .await
        }
        (Probe::Port(port), _) => {
            until(|| async move {
                let connected = timeout(TRY_LIMIT, TcpStream::connect(("127.0.0.1", *port))).await;
                matches!(connected, Ok(Ok(_))).then(|| by("port"))
            })
            .await
        }
        (Probe::Init, Kind::Kiln) => {
            // Who can say nothing more has not said it.
            if told.wait_for(|told| told.ready).await.is_err() {
                std::future::pending::<()>().await;
            }
            by("init")
        }
        (Probe::Init, Kind::Systemd) => systemd(engine).await,
        (Probe::Init, Kind::Other) => by("started"),
    }
}

fn by(what: &str) -> BootUp {
    BootUp { degraded: false, by: what.to_owned() }
}

async fn until<F: Future<Output = Option<BootUp>>>(mut attempt: impl FnMut() -> F) -> BootUp {
    loop {
        if let Some(up) = attempt().await {
            return up;
        }
        sleep(PAUSE).await;
    }
}

/// `--wait` answers when there is nothing more to start; before there is anybody to ask it fails, and an
/// old systemd does not know it. So it takes turns with the plain question.
async fn systemd(engine: &Engine) -> BootUp {
    let mut wait = true;
    loop {
        let mut argv = vec!["systemctl".to_owned(), "is-system-running".to_owned()];
        argv.extend(wait.then(|| "--wait".to_owned()));
        let ran = run(engine, argv).await;
        if let Some(degraded) = ran.and_then(|ran| is_degraded(&ran.said)) {
            return BootUp { degraded, ..by("systemd") };
        }
        wait = !wait;
        sleep(PAUSE).await;
    }
}

/// `None` while it is not up.
fn is_degraded(said: &[u8]) -> Option<bool> {
    match said.trim_ascii() {
        b"running" => Some(false),
        b"degraded" => Some(true),
        _ => None,
    }
}

struct TriedCommand {
    status: ExitStatus,
    said: Vec<u8>,
}

/// In the booted root. `None` when it can't be started, which may change.
async fn run(engine: &Engine, argv: Vec<String>) -> Option<TriedCommand> {
    let (mut process, words) = engine.start_beside(command(argv)?).await.ok()?;
    let mut said = Vec::new();
    let listening = words.listen(|bytes| {
        let room = MAX_SAID_BYTES.saturating_sub(said.len());
        said.extend_from_slice(&bytes[..bytes.len().min(room)]);
    });
    let ending = async {
        let status = process.ended().await;
        // With what it has left running, which would keep its output open.
        drop(process);
        status
    };
    let status = {
        let (mut listening, mut ending) = (pin!(listening), pin!(ending));
        tokio::select! {
            status = &mut ending => {
                let _the_rest = timeout(LAST_WORDS_LIMIT, listening).await;
                status
            }
            () = &mut listening => ending.await,
        }
    };
    Some(TriedCommand { status, said })
}

fn command(argv: Vec<String>) -> Option<Command> {
    let env = vec![EnvironmentVariable { name: "PATH".to_owned(), value: PATH.to_owned() }];
    Command::try_from(ExecStart { argv, env, ..ExecStart::default() }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(kind: Option<WireKind>) -> Result<Probe, InvalidProbe> {
        Probe::try_from(Some(BootProbe { kind }))
    }

    #[test]
    fn a_probe_is_what_can_be_tried() {
        let command = |argv: &[&str]| {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            probe(Some(WireKind::Command(BootCommand { argv })))
        };
        assert_eq!(Probe::try_from(None), Ok(Probe::Init));
        assert_eq!(command(&["true"]), Ok(Probe::Command(vec!["true".to_owned()])));
        assert_eq!(probe(Some(WireKind::Port(80))), Ok(Probe::Port(80)));
        assert_eq!(probe(None), Err(InvalidProbe::Nothing));
        for argv in [&[][..], &[""], &["a", "b\0"]] {
            assert_eq!(command(argv), Err(InvalidProbe::Command), "{argv:?}");
        }
        for port in [0, 65536] {
            assert_eq!(probe(Some(WireKind::Port(port))), Err(InvalidProbe::Port(port)));
        }
    }

    #[test]
    fn systemds_words_are_known() {
        assert_eq!(is_degraded(b"running\n"), Some(false));
        assert_eq!(is_degraded(b"degraded\n"), Some(true));
        for word in ["starting", "initializing", "maintenance", "stopping", "offline", ""] {
            assert_eq!(is_degraded(word.as_bytes()), None, "{word}");
        }
    }
}
