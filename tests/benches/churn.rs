//! What Kiln adds to a VMM, with guests of a few hundred bytes on the real Cloud Hypervisor.
//!
//! A bare life cycle is a Cloud Hypervisor that is started by hand and told over its API, in three
//! requests, to create and boot the same guest, which switches itself off. Kiln's is the same with
//! all that a driver does: the supervisor, the jail, the read-back, and nothing left afterwards. In
//! pairs whose order is drawn, so that whatever else the machine does weighs on both.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use kiln_jail::JailUser;
use kiln_tests::{Bench, Dice, Estimate, bench, median_seconds};
use kiln_vmm_manager::vmm::{
    CloudHypervisor, CloudHypervisorConfig, Machine, ShimConfig, VmExit, VmSpec, Vmm as _,
    VmmError,
    null_guest::{Errand, image},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Command,
    time::{sleep, timeout},
};

const GOAL: f64 = 1.10;
const FASTEST: &str = "the most VMs per second ÷ the best bare loop's (goal: at least 0.85)";
const JAIL: &str = "a start with the jail ÷ one without (goal: under 1.05)";
const MANAGER: &str = "the manager's memory for an idle VM ÷ its VMM's (goal: at most 0.01)";
const SUPERVISOR: &str = "the supervisor's memory ÷ the VMM's (goal: at most 0.1)";
const MEMORY_BYTES: u64 = 64 << 20;
/// The first of the users that are a machine's alone.
const FIRST_USER: u32 = 1_900_002_000;
const LIMIT: Duration = Duration::from_secs(20);
const IDLE: usize = 20;
const SIDE_BY_SIDE: [usize; 3] = [1, 2, 4];

fn main() -> anyhow::Result<()> {
    bench("churn", GOAL, |bench| Box::pin(churn(bench)))
}

async fn churn(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let ground = Ground::new(bench).await?;
    let rounds = bench.rounds(60);
    let mut dice = Dice::new(7);
    // One of each that does not count: it fills the page cache.
    ground.bare().await?;
    ground.managed().await?;
    let (mut ratios, mut bare, mut managed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (one, other) = if dice.below(2) == 0 {
            let one = ground.bare().await?;
            (one, ground.managed().await?)
        } else {
            let other = ground.managed().await?;
            (ground.bare().await?, other)
        };
        ratios.push(other.as_secs_f64() / one.as_secs_f64());
        bare.push(one);
        managed.push(other);
    }
    bench.say(&format!(
        "{rounds} pairs; medians: Kiln's {:.1} ms, bare {:.1} ms",
        1e3 * median_seconds(&managed),
        1e3 * median_seconds(&bare),
    ));
    let (manager, supervisor) = ground.memory(bench).await?;
    Ok(vec![
        ("churn", Estimate::of(&ratios)),
        (FASTEST, ground.fastest(rounds, bench).await?),
        (JAIL, ground.jail(rounds, &mut dice, bench).await?),
        (MANAGER, manager),
        (SUPERVISOR, supervisor),
    ])
}

struct Ground {
    program: PathBuf,
    driver: CloudHypervisor,
    directory: PathBuf,
    machines: AtomicU32,
}

impl Ground {
    async fn new(bench: &Bench) -> anyhow::Result<Self> {
        let settings = bench.stage.settings();
        let program =
            settings.cloud_hypervisor.clone().context("cloud-hypervisor is not on PATH")?;
        let shim = ShimConfig { program: settings.kilnd.with_file_name("kiln-shim") };
        let config = CloudHypervisorConfig { cloud_hypervisor: program.clone(), shim };
        let driver = CloudHypervisor::probe(config).await?;
        let directory = bench.stage.directory().join("churn");
        std::fs::create_dir(&directory)?;
        std::fs::write(directory.join("null"), image())?;
        std::fs::write(directory.join("initramfs"), [0; 512])?;
        Ok(Self { program, driver, directory, machines: AtomicU32::new(0) })
    }

    fn spec(&self, errand: Errand) -> anyhow::Result<VmSpec> {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.join(number.to_string());
        std::fs::create_dir(&directory)?;
        let is_root = rustix::process::geteuid().is_root();
        Ok(VmSpec {
            name: format!("job{number}"),
            instance: "0badcafe".to_owned(),
            cid: 3,
            user: is_root.then_some(JailUser { id: FIRST_USER + number, keeper: 0 }),
            cgroup: None,
            directory,
            cpus: 1,
            memory_bytes: MEMORY_BYTES,
            kernel: self.directory.join("null"),
            initramfs: self.directory.join("initramfs"),
            command_line: errand.word().to_owned(),
            disks: Vec::new(),
            network: None,
        })
    }

    /// From nothing to nothing.
    async fn managed(&self) -> anyhow::Result<Duration> {
        let spec = self.spec(Errand::PowerOff)?;
        let directory = spec.directory.clone();
        let started = Instant::now();
        let machine = self.driver.create(spec).await?;
        match machine.boot().await {
            Ok(()) | Err(VmmError::Gone(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let exit = machine.wait().await;
        let took = started.elapsed();
        ensure!(exit == VmExit::PoweredOff, "{exit}");
        std::fs::remove_dir_all(directory)?;
        Ok(took)
    }

    async fn bare(&self) -> anyhow::Result<Duration> {
        let spec = self.spec(Errand::PowerOff)?;
        let socket = spec.directory.join("api.sock");
        let started = Instant::now();
        let mut vmm = Command::new(&self.program)
            .arg("--api-socket")
            .arg(format!("path={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let config = serde_json::json!({
            "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
            "memory": {"size": MEMORY_BYTES},
            "payload": {
                "kernel": spec.kernel,
                "initramfs": spec.initramfs,
                "cmdline": spec.command_line,
            },
            "serial": {"mode": "Null"},
            "console": {"mode": "Off"},
            "vsock": {"cid": 3, "socket": spec.directory.join("vsock.sock")},
        });
        while UnixStream::connect(&socket).await.is_err() {
            ensure!(started.elapsed() < LIMIT, "the bare VMM does not listen");
            sleep(Duration::from_micros(200)).await;
        }
        put(&socket, "vm.create", &config.to_string()).await?;
        // It may be gone before it has answered.
        let _ = put(&socket, "vm.boot", "").await;
        let exit = timeout(LIMIT, vmm.wait()).await??;
        let took = started.elapsed();
        ensure!(exit.success(), "{exit}");
        std::fs::remove_dir_all(spec.directory)?;
        Ok(took)
    }

    /// So many side by side as is best for each.
    async fn fastest(&self, rounds: usize, bench: &Bench) -> anyhow::Result<Estimate> {
        let mut ratios = Vec::new();
        let count = rounds.div_ceil(4).max(4);
        for _ in 0..5 {
            let (mut bare, mut managed) = (0_f64, 0_f64);
            for lanes in SIDE_BY_SIDE {
                bare = bare.max(per_second(lanes, count, || self.bare()).await?);
                managed = managed.max(per_second(lanes, count, || self.managed()).await?);
            }
            bench.say(&format!("VMs per second: Kiln's {managed:.1}, bare {bare:.1}"));
            ratios.push(managed / bare);
        }
        Ok(Estimate::of(&ratios))
    }

    /// Until the VMM has answered, under a supervisor both times.
    async fn jail(
        &self,
        rounds: usize,
        dice: &mut Dice,
        bench: &Bench,
    ) -> anyhow::Result<Estimate> {
        let bare_user = async |jailed: bool| {
            let spec = self.spec(Errand::Halt)?;
            let spec = VmSpec { user: spec.user.filter(|_| jailed), ..spec };
            let directory = spec.directory.clone();
            let started = Instant::now();
            let machine = self.driver.create(spec).await?;
            let took = started.elapsed();
            machine.kill().await;
            std::fs::remove_dir_all(directory)?;
            anyhow::Ok(took)
        };
        let (mut ratios, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let first = dice.below(2) == 0;
            let one = bare_user(first).await?;
            let other = bare_user(!first).await?;
            let (jailed, free) = if first { (one, other) } else { (other, one) };
            ratios.push(jailed.as_secs_f64() / free.as_secs_f64());
            with.push(jailed);
            without.push(free);
        }
        bench.say(&format!(
            "a start to the read-back: {:.1} ms with a user, namespaces and a root of its own, \
             {:.1} ms without",
            1e3 * median_seconds(&with),
            1e3 * median_seconds(&without),
        ));
        Ok(Estimate::of(&ratios))
    }

    /// What the manager and the supervisor take for each, by the VMM.
    async fn memory(&self, bench: &Bench) -> anyhow::Result<(Estimate, Estimate)> {
        let before = private_bytes(std::process::id())?;
        let mut machines: Vec<(PathBuf, Box<dyn Machine>)> = Vec::new();
        for _ in 0..IDLE {
            let spec = self.spec(Errand::Halt)?;
            let directory = spec.directory.clone();
            let machine = self.driver.create(spec).await?;
            machine.boot().await?;
            machines.push((directory, machine));
        }
        sleep(Duration::from_millis(500)).await;
        let grown = private_bytes(std::process::id())?.saturating_sub(before);
        let each = ratio(grown, u64::try_from(IDLE)?);
        let (mut manager, mut supervisor, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for (directory, machine) in &machines {
            let vmm = *machine.processes().first().context("a VMM without a process")?;
            let vmm = private_bytes(vmm)?;
            let shim = kiln_shim::ShimRecord::read(directory)?.process.pid;
            let shim = private_bytes(shim)?;
            manager.push(each / ratio(vmm, 1));
            supervisor.push(ratio(shim, vmm));
            sizes.push((vmm, shim));
        }
        let (vmm, shim) = sizes[sizes.len() / 2];
        bench.say(&format!(
            "{IDLE} idle VMs, each {} KiB in its VMM, {} KiB in its supervisor, {:.0} KiB in the \
             manager",
            vmm >> 10,
            shim >> 10,
            each / 1024.0,
        ));
        for (directory, machine) in machines {
            machine.kill().await;
            std::fs::remove_dir_all(directory)?;
        }
        Ok((Estimate::of(&manager), Estimate::of(&supervisor)))
    }
}

async fn per_second<F: Future<Output = anyhow::Result<Duration>>>(
    lanes: usize,
    each: usize,
    cycle: impl Fn() -> F,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let lane = async || {
        for _ in 0..each.div_ceil(lanes) {
            cycle().await?;
        }
        anyhow::Ok(())
    };
    match lanes {
        1 => lane().await?,
        2 => drop(tokio::try_join!(lane(), lane())?),
        4 => drop(tokio::try_join!(lane(), lane(), lane(), lane())?),
        _ => bail!("{lanes} lanes"),
    }
    let done = u32::try_from(each.div_ceil(lanes) * lanes)?;
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// The least that one who speaks HTTP must say.
async fn put(socket: &Path, endpoint: &str, body: &str) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let request = format!("PUT /api/v1/{endpoint} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = [0; 1024];
    let length = timeout(LIMIT, stream.read(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer[..length]);
    ensure!(answer.starts_with("HTTP/1.1 20"), "{endpoint}: {answer}");
    Ok(())
}

/// What is a process's alone, and its share of what it shares.
fn private_bytes(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

#[expect(clippy::cast_precision_loss, reason = "no size is as large as that")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}
