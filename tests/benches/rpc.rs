//! What a call of the agent costs beyond its way: round trips of the agent ÷ those of a raw echo over
//! vsock, in turns over one VM. `rpc` is the cheapest call there is, one that the agent refuses;
//! `stream` is a line through the stdin and stdout of a command, against the same through `socat`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper_util::rt::TokioIo;
use kiln_proto::agent::{
    PORT,
    v1::{HelloRequest, agent_client::AgentClient},
};
use kiln_tests::{Bench, Estimate, Vm, bare, bench, median_seconds, until};
use kiln_vmm_manager::guest::{ExecEvent, ExecInput, ExecOutput};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tonic::{
    Code,
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

const GOAL: f64 = 1.3;
/// Round trips of each kind in a turn.
const TRIPS: usize = 40;
/// Close to what the cheapest call sends.
const PAYLOAD: &[u8; 64] = b"------------------------ 64 bytes, there and back --------------";
const ECHO_PORT: u32 = 2000;
const CAT_PORT: u32 = 2001;

fn main() -> anyhow::Result<()> {
    bench("rpc", GOAL, |bench| Box::pin(rpc(bench)))
}

async fn rpc(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let vm = Vm::boot(bench.stage.settings()).await?;
    let script = format!(
        "socat VSOCK-LISTEN:{ECHO_PORT},fork PIPE & socat VSOCK-LISTEN:{CAT_PORT},fork EXEC:cat & wait"
    );
    let _listeners = vm.command(["sh", "-c", &script]).start().await?;
    let mut echo = dial(&vm, ECHO_PORT).await?;
    let mut cat = dial(&vm, CAT_PORT).await?;
    let mut client = client(dial(&vm, PORT).await?).await?;
    let (input, mut output) = vm.command(["cat"]).stdin("").start().await?;
    let started = output.next().await?;
    ensure!(matches!(started, ExecEvent::Started { .. }), "{started:?}");

    let turns = bench.rounds(30);
    let (mut calls, mut streams, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=turns {
        let echoed = median_seconds(&echo_trips(&mut echo).await?);
        let called = median_seconds(&call_trips(&mut client).await?);
        let streamed = median_seconds(&stream_trips(&input, &mut output).await?);
        let catted = median_seconds(&echo_trips(&mut cat).await?);
        // The first turn warms up.
        if turn > 0 {
            calls.push(called / echoed);
            streams.push(streamed / catted);
            raw.push(Duration::from_secs_f64(echoed));
        }
    }
    drop((input, output));
    vm.shut_down().await?;
    let raw = median_seconds(&raw) * 1e6;
    bench.say(&format!("{turns} turns of {TRIPS}; a raw round trip takes {raw:.0} µs"));
    Ok(vec![("rpc", Estimate::of(&calls)), ("stream", Estimate::of(&streams))])
}

async fn dial(vm: &Vm, port: u32) -> anyhow::Result<UnixStream> {
    let directory = vm.machine().vsock_socket().parent().context("no directory")?;
    until("the guest listens", Duration::from_secs(60), async || {
        Ok(bare::dial(directory, port).await)
    })
    .await
}

async fn client(stream: UnixStream) -> anyhow::Result<AgentClient<Channel>> {
    let mut stream = Some(TokioIo::new(stream));
    let connect = service_fn(move |_: Uri| {
        let stream = stream.take().context("one connection only");
        async move { stream.map_err(std::io::Error::other) }
    });
    let channel = Endpoint::from_static("http://guest").connect_with_connector(connect).await?;
    Ok(AgentClient::new(channel))
}

async fn echo_trips(stream: &mut UnixStream) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(TRIPS);
    let mut back = [0; PAYLOAD.len()];
    for _ in 0..TRIPS {
        let started = Instant::now();
        stream.write_all(PAYLOAD).await?;
        stream.read_exact(&mut back).await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

async fn call_trips(client: &mut AgentClient<Channel>) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let started = Instant::now();
        // Without a version: refused before anything is done.
        let refused = client.hello(HelloRequest::default()).await.err().context("welcome")?;
        took.push(started.elapsed());
        ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
    }
    Ok(took)
}

async fn stream_trips(input: &ExecInput, output: &mut ExecOutput) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let started = Instant::now();
        input.stdin(PAYLOAD.as_slice().into()).await?;
        let mut back = 0;
        while back < PAYLOAD.len() {
            match output.next().await? {
                ExecEvent::Stdout(bytes) => back += bytes.len(),
                other => anyhow::bail!("{other:?}"),
            }
        }
        took.push(started.elapsed());
    }
    Ok(took)
}
