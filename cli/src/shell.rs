//! `kiln shell`: one more command in the guest of a running job, which dies with its stream.

use bytes::Bytes;
use kiln_proto::v1::{
    self, exec_in_job_request::Event as Request, exec_in_job_response::Event as Response,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{
    args::ShellArguments,
    daemon::Daemon,
    display::printable,
    exit_code,
    output::{Output, Stream},
    report,
    run::{environment, signals::Signals, stdin},
    terminal::{self, Raw},
};

/// Of what goes to kilnd.
const QUEUE: usize = 4;
const LOGIN: &str =
    "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec /bin/sh -l; fi";

#[derive(Debug, thiserror::Error)]
#[error("kilnd ended the command's stream without its exit code; the command is gone with it")]
struct CutShort;

pub(crate) async fn run(daemon: &Daemon, arguments: ShellArguments) -> anyhow::Result<u8> {
    let is_terminal = terminal::is_there() && !arguments.no_tty;
    let exec = exec(&arguments, is_terminal)?;
    let id = daemon.resolve(&arguments.id).await?;
    let start = Request::Start(v1::ExecInJob { id, exec: Some(exec) });

    let mut signals = Signals::numbered()?;
    let (to_kilnd, requests) = mpsc::channel(QUEUE);
    let first = tokio_stream::once(request(start));
    let mut responses = daemon.exec(first.chain(ReceiverStream::new(requests))).await?;
    let raw = is_terminal.then(Raw::enter).transpose()?;
    let resized = is_terminal.then(|| signal(SignalKind::window_change())).transpose()?;
    let (forwarded, interrupts) = mpsc::unbounded_channel();
    tokio::spawn(feed(to_kilnd, stdin::read(), resized, interrupts));

    let mut output = Output::start()?;
    let mut wishes = 0;
    let ended = loop {
        tokio::select! {
            response = responses.message() => {
                let Some(response) = response.map_err(|status| daemon.error(&status))? else {
                    return Err(CutShort.into());
                };
                match response.event {
                    Some(Response::Stdout(bytes)) => output.write(Stream::Stdout, bytes).await?,
                    Some(Response::Stderr(bytes)) => output.write(Stream::Stderr, bytes).await?,
                    Some(Response::Exit(exit)) => break Ok(exit),
                    Some(Response::Failure(failure)) => break Err(failure),
                    // Of a newer kilnd.
                    None => {}
                }
            }
            number = signals.next_number() => {
                wishes += u32::from(Signals::is_wish_to_end(number));
                if wishes > 1 {
                    return Ok(exit_code::CANCELLED);
                }
                // Nobody takes it when the stream has ended, which the other arm tells.
                let _ = forwarded.send(number);
            }
        }
    };
    output.finish().await?;
    drop(raw);
    Ok(match ended {
        Ok(v1::ExitStatus { code, signal: _ }) => exit_code::shown(code),
        Err(failure) => {
            report::error(&printable(&failure.message));
            match failure.details.get("reason").map(String::as_str) {
                Some("not_found") => 127,
                Some(_) => 126,
                None => exit_code::KILN,
            }
        }
    })
}

fn exec(arguments: &ShellArguments, is_terminal: bool) -> anyhow::Result<v1::ExecSpec> {
    let mut env = environment::gather(&[], &arguments.env, |name| std::env::var_os(name))?;
    if let (true, Ok(kind)) = (is_terminal, std::env::var("TERM")) {
        env.entry("TERM".to_owned()).or_insert(kind);
    }
    let argv = if arguments.command.is_empty() {
        ["/bin/sh", "-c", LOGIN].map(str::to_owned).to_vec()
    } else {
        arguments.command.clone()
    };
    Ok(v1::ExecSpec {
        argv,
        env: env.into_iter().map(|(name, value)| v1::EnvironmentVariable { name, value }).collect(),
        workdir: arguments.workdir.clone().unwrap_or_default(),
        user: arguments.user.clone().unwrap_or_default(),
        stdin: true,
        terminal: is_terminal.then(terminal::size),
    })
}

/// Until the stream ends.
async fn feed(
    requests: mpsc::Sender<v1::ExecInJobRequest>,
    mut stdin: mpsc::Receiver<Bytes>,
    mut resized: Option<Signal>,
    mut signals: mpsc::UnboundedReceiver<i32>,
) {
    let mut is_open = true;
    loop {
        let event = tokio::select! {
            chunk = stdin.recv(), if is_open => match chunk {
                Some(bytes) => Request::Stdin(bytes),
                None => {
                    is_open = false;
                    Request::StdinClosed(v1::StdinClosed {})
                }
            },
            Some(()) = changed(&mut resized) => Request::Resize(terminal::size()),
            Some(number) = signals.recv() => Request::Signal(number),
            () = requests.closed() => return,
        };
        if requests.send(request(event)).await.is_err() {
            return;
        }
    }
}

async fn changed(resized: &mut Option<Signal>) -> Option<()> {
    match resized {
        Some(resized) => resized.recv().await,
        None => std::future::pending().await,
    }
}

fn request(event: Request) -> v1::ExecInJobRequest {
    v1::ExecInJobRequest { event: Some(event) }
}
