//! The one way between a guest and its host: from the host to the agent's port, and nowhere else.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_proto::agent::PORT;
use kiln_tests::{Stage, Story, Vm, bare, stories, until};
use kiln_vmm_manager::guest::{self, AgentCode, ExecStatus, GuestError, Hello};
use tokio::{io::AsyncReadExt as _, net::UnixListener, time::timeout};

const LIMIT: Duration = Duration::from_secs(60);
/// At which nobody listens in a guest.
const PORTS: [u32; 10] = [0, 1, 22, 80, 1023, 1025, 2375, 65_535, 1 << 31, u32::MAX];
/// The hypervisor, the guest itself from outside, its host, another guest's.
const HOSTS: [u32; 4] = [0, 2, 4, 0x7fff_ffff];
/// At which the guest has somebody listen, to show that it could.
const OPEN_PORT: u32 = 2000;
/// The host's port 1024, as the kernel has it after the family: `socat` can't say in words from
/// which address it is called.
const HOST: &str = "x0000000400000200000000000000";
/// What `timeout` exits with.
const TIMED_OUT: i32 = 124;

pub(crate) fn stories() -> Vec<Story> {
    stories![a_guest_and_its_host_meet_at_one_port]
}

async fn a_guest_and_its_host_meet_at_one_port(stage: &Stage) -> anyhow::Result<()> {
    let vm = Vm::boot(stage.settings()).await?;
    let socket = vm.machine().vsock_socket().to_owned();
    let run = socket.parent().context("no directory")?;
    for port in PORTS.into_iter().filter(|port| *port != PORT) {
        let called = timeout(LIMIT, bare::dial(run, port)).await.context("no answer")?;
        ensure!(called.is_none(), "somebody listens at port {port} of the guest");
    }
    another_secret_is_refused(&vm, &socket).await?;
    its_socat_speaks_vsock(&vm, run).await?;
    the_guest_reaches_nobody(&vm, run).await?;
    vm.sh("true").await?.printed()?;
    vm.shut_down().await
}

/// The agent is whoever's who called it first: neither a drawn secret nor a blank one opens it again.
async fn another_secret_is_refused(vm: &Vm, socket: &Path) -> anyhow::Result<()> {
    for number in 0..6 {
        let connection = guest::connect(socket, LIMIT, vm.machine()).await?;
        let secret = guest::draw_secret()?;
        let hello =
            Hello { hostname: format!("other-{number}"), secret, network: None, limit: LIMIT };
        match connection.hello(hello).await {
            Err(GuestError::Agent { code: AgentCode::PermissionDenied, .. }) => {}
            other => anyhow::bail!("a stranger's hello gives {other:?}"),
        }
    }
    let hostname = vm.sh("cat /proc/sys/kernel/hostname").await?.printed()?;
    ensure!(hostname.trim() == "kiln-story", "a stranger has named the guest {hostname}");
    Ok(())
}

/// With the program that then reaches nobody, and the same kind of address: it is not for want of
/// them. There is no way back into a guest from itself to show it with.
async fn its_socat_speaks_vsock(vm: &Vm, run: &Path) -> anyhow::Result<()> {
    let listens = format!("VSOCK-LISTEN:{OPEN_PORT}");
    let said = "/proc/sys/kernel/hostname";
    let _listener = vm.command(["socat", "-u", &format!("OPEN:{said}"), &listens]).start().await?;
    let mut stream = until("socat listens in the guest", LIMIT, async || {
        timeout(LIMIT, bare::dial(run, OPEN_PORT)).await.context("no answer")
    })
    .await?;
    let mut heard = String::new();
    timeout(LIMIT, stream.read_to_string(&mut heard)).await.context("socat says nothing")??;
    ensure!(heard == "kiln-story\n", "the guest's socat said {heard:?}");
    Ok(())
}

/// Whatever address it gives itself or calls. The bridge's only ways out would be sockets beside its
/// own, which the host does not make; one that stands elsewhere is out of its reach.
async fn the_guest_reaches_nobody(vm: &Vm, run: &Path) -> anyhow::Result<()> {
    let outside = run.with_file_name(format!("vsock.sock_{PORT}"));
    let decoy = UnixListener::bind(&outside)?;
    for host in HOSTS {
        for port in [22, PORT, 2375] {
            let dial = format!("timeout 20 socat -u OPEN:/dev/null VSOCK-CONNECT:{host}:{port}");
            is_refused(vm, &dial, "connect(").await?;
        }
    }
    // From any address that is the guest's own it is the call that fails; from another's, the bind.
    for (own, call) in [("ffffffff", "connect("), ("09000000", "bind(")] {
        let from = format!("x00004d000000{own}00000000");
        let dial = "timeout 20 socat -u OPEN:/dev/null SOCKET-CONNECT:40:0";
        is_refused(vm, &format!("{dial}:{HOST},bind={from}"), call).await?;
    }
    let called = timeout(Duration::from_millis(100), decoy.accept()).await;
    ensure!(called.is_err(), "the guest reached a socket outside of its directory");
    drop(decoy);
    Ok(std::fs::remove_file(outside)?)
}

/// By the kernel, when this system call was made, or by a silence: a program that is missing or does
/// not know such an address has not tried.
async fn is_refused(vm: &Vm, dial: &str, call: &str) -> anyhow::Result<()> {
    let ran = vm.sh(dial).await?;
    let said = String::from_utf8_lossy(&ran.stderr);
    let refused = match ran.exit.status {
        ExecStatus::Code(1) => said.contains(call),
        ExecStatus::Code(code) => code == TIMED_OUT,
        ExecStatus::Signal(_) => false,
    };
    ensure!(refused, "{dial} gives {:?}: {said}", ran.exit.status);
    Ok(())
}
