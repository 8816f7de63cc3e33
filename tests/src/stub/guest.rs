//! A stub guest: the process that stands for VMM, bridge and guest.
//!
//! ```text
//! created ──boot──▶ running ──power, end, the agent's shutdown──▶ exit 0
//!              └─ die-at-boot ─▶ exit 3
//! ```

use std::{
    cell::Cell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use kiln_agent::{Disks, NoDisk, Settings};
use rustix::{fs::Mode, process::umask};
use tokio::{
    net::UnixListener,
    sync::mpsc,
    task::{LocalSet, spawn_local},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Switch,
    bridge::bridge,
    flood,
    machine::VSOCK,
    switchboard::{self, Order},
};

/// How often it looks at its switches.
const LOOK: Duration = Duration::from_millis(10);
/// The same where there is not even a directory for them: a thousand guests that look as often as
/// one leave the host no time for anything else.
const RARE_LOOK: Duration = Duration::from_millis(250);
const BITE: usize = 16 << 20;

/// Runs in the machine's directory.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Its number, as a VMM would give it to the guest; seen in process lists.
    #[arg(long)]
    cid: u32,

    /// Where switches are turned on.
    #[arg(long, value_name = "DIR")]
    switches: PathBuf,

    /// The guest's end of its network, over which it is to send what it should not.
    #[arg(long, value_name = "DESCRIPTOR")]
    flood: Option<i32>,

    /// A disk of the guest, by its serial number.
    #[arg(long = "disk", value_name = "SERIAL=FILE")]
    disks: Vec<String>,
}

/// To its end: it exits by itself.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    // One thread: what falls silent falls silent as a whole.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(LocalSet::new().block_on(&runtime, exist(arguments))?)
}

async fn exist(arguments: Arguments) -> io::Result<()> {
    let Arguments { cid: _seen_from_outside, switches, flood, disks } = arguments;
    if let Some(tap) = flood {
        flood::begin(tap)?;
    }
    // kilnd is another user, and the directory is closed to all others.
    let previous = umask(Mode::empty());
    let orders = UnixListener::bind(switchboard::SOCKET)?;
    let calls = UnixListener::bind(VSOCK)?;
    umask(previous);
    let listens = Rc::new(Cell::new(false));
    let (agent, connections) = mpsc::channel(16);
    spawn_local(bridge(calls, Rc::clone(&listens), agent));
    spawn_local(watch(switches.clone()));
    let disks = Arc::new(PlainFiles::of(&disks)?);
    let never = switches.clone();
    let power_off: Box<dyn FnOnce() + Send> = Box::new(move || switch_off(&never));
    let settings = Settings { disks, cgroup: None, engine: None, power_off };
    spawn_local(
        async move { kiln_agent::serve_on(ReceiverStream::new(connections), settings).await },
    );
    loop {
        let (stream, _) = orders.accept().await?;
        let obey = |order| match order {
            Order::Boot if Switch::DieAtBoot.is_on(&switches) => process::exit(3),
            Order::Boot => {
                listens.set(!Switch::NeverListen.is_on(&switches));
                say("the stub guest has booted\n");
                "booted"
            }
            Order::Status if listens.get() => "running",
            Order::Status => "created",
            Order::Power => {
                switch_off(&switches);
                "ignored"
            }
            Order::End => process::exit(0),
        };
        // Whoever hung up early does not want to know.
        let _ = switchboard::take_order(stream, obey).await;
    }
}

fn switch_off(switches: &Path) {
    if !Switch::IgnorePowerOff.is_on(switches) {
        process::exit(0);
    }
}

/// Its serial console is its stdout.
fn say(words: &str) {
    use std::io::Write as _;
    // Nobody may be listening.
    let _ = io::stdout().write_all(words.as_bytes());
}

async fn watch(switches: PathBuf) {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        sleep(if switches.exists() { LOOK } else { RARE_LOOK }).await;
        if Switch::Silence.is_on(&switches) {
            loop {
                std::thread::park();
            }
        }
        while Switch::Eat.is_on(&switches) {
            eaten.push(std::hint::black_box(vec![1; BITE]));
        }
    }
}

/// The disks of a stub guest.
struct PlainFiles(BTreeMap<String, PathBuf>);

impl PlainFiles {
    fn of(arguments: &[String]) -> io::Result<Self> {
        let pair = |argument: &String| {
            let (serial, path) = argument.split_once('=').ok_or(io::ErrorKind::InvalidInput)?;
            Ok((serial.to_owned(), PathBuf::from(path)))
        };
        arguments.iter().map(pair).collect::<io::Result<_>>().map(Self)
    }
}

impl Disks for PlainFiles {
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
        self.0.get(serial).cloned().ok_or_else(|| NoDisk::Missing {
            serial: serial.to_owned(),
            found: self.0.keys().cloned().collect(),
        })
    }
}
