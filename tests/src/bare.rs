//! A bare VMM: QEMU and its vsock bridge started by hand, with the same kernel, initramfs, disks and
//! shape of machine as a job's, and nothing of Kiln on the host but the greeting. What a job costs
//! is measured against it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::scratch::scratch as make_scratch;
use anyhow::Context as _;
use kiln_images::GuestImage;
use kiln_proto::agent::PORT;
use kiln_vmm_manager::{
    disk,
    guest::{Connection, Guest, Hello, draw_secret},
    vmm::{Accelerator, bridge_attached},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(5);

/// Everything that is ready before the clock runs.
#[derive(Debug)]
pub struct Bare {
    image: GuestImage,
    vhost_device_vsock: PathBuf,
    accelerator: Accelerator,
    memory_bytes: u64,
    directory: PathBuf,
}

/// Killed when it is dropped.
#[derive(Debug)]
pub struct BareVm {
    pub guest: Guest,
    /// From the start of the first process to the agent's answer.
    pub took: Duration,
    qemu: Child,
    bridge: Child,
}

impl Bare {
    pub fn new(
        image: &Path,
        vhost_device_vsock: &Path,
        accelerator: Accelerator,
        memory_bytes: u64,
        directory: PathBuf,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(&directory)?;
        let image = GuestImage::open(image)?;
        let vhost_device_vsock = vhost_device_vsock.to_owned();
        Ok(Self { image, vhost_device_vsock, accelerator, memory_bytes, directory })
    }

    pub async fn boot(&self) -> anyhow::Result<BareVm> {
        let scratch = self.directory.join("scratch");
        make_scratch(&scratch, 10 << 30).await?;

        let started = Instant::now();
        let bridge = self.bridge()?;
        let vhost = self.directory.join("vhost.sock");
        wait(|| async { vhost.exists().then_some(()) }).await.context("the bridge's socket")?;
        let qemu = self.qemu()?;
        // A call that comes earlier can silence this bridge for ever.
        timeout(LIMIT, bridge_attached(bridge.id().context("the bridge has ended")?)).await?;
        let stream = wait(|| dial(&self.directory, PORT)).await.context("the agent's port")?;
        let secret = draw_secret()?;
        let hello = Hello { hostname: "bare".to_owned(), secret, network: None, limit: LIMIT };
        let (guest, _) = Connection::over(stream).await?.hello(hello).await?;
        Ok(BareVm { guest, took: started.elapsed(), qemu, bridge })
    }

    fn bridge(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.vhost_device_vsock);
        command.args(["--guest-cid", "3", "--socket", "vhost.sock", "--uds-path", "vsock.sock"]);
        self.spawn(command)
    }

    fn qemu(&self) -> anyhow::Result<Child> {
        let memory = self.memory_bytes >> 20;
        let (accelerator, cpu) = match self.accelerator {
            Accelerator::Kvm => ("kvm", "host,vmx=off,svm=off"),
            Accelerator::Tcg => ("tcg,thread=multi", "max,cx16=off"),
        };
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-nic", "none", "-accel", accelerator, "-cpu", cpu])
            .args(["-machine", "q35,usb=off,sata=off,smbus=off,vmport=off,smm=off,hpet=off,i8042=off,memory-backend=m"])
            .args(["-smp", "1", "-m", &format!("{memory}M")])
            .args(["-object", &format!("memory-backend-memfd,id=m,size={memory}M,share=on")])
            .arg("-kernel")
            .arg(&self.image.kernel.path)
            .arg("-initrd")
            .arg(&self.image.initramfs.path)
            .args(["-append", &self.image.command_line, "-serial", "file:serial"])
            .args(["-chardev", "socket,id=v,path=vhost.sock"])
            .args(["-device", "vhost-user-vsock-pci,chardev=v"]);
        let root = self.image.root.path.display().to_string();
        for (serial, file, options) in [
            (disk::ROOT_SERIAL, root.as_str(), "read-only=on"),
            (disk::SCRATCH_SERIAL, "scratch", "cache.no-flush=on"),
        ] {
            let drive = format!(
                "driver=raw,node-name={serial},file.driver=file,{options},file.filename={file}"
            );
            let device = format!("virtio-blk-pci,drive={serial},serial={serial}");
            command.args(["-blockdev", &drive, "-device", &device]);
        }
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> anyhow::Result<Child> {
        command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command.spawn().with_context(|| format!("starting {command:?}"))
    }

    /// Ends a VM and removes what it left, for the next one.
    pub async fn end(&self, vm: BareVm) -> anyhow::Result<()> {
        let BareVm { guest, took: _, mut qemu, mut bridge } = vm;
        drop(guest);
        qemu.kill().await?;
        bridge.kill().await?;
        std::fs::remove_dir_all(&self.directory)?;
        Ok(std::fs::create_dir(&self.directory)?)
    }
}

async fn wait<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> anyhow::Result<T> {
    let answer = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(LIMIT, answer).await.context("waited in vain")
}

/// One call to a port of the guest in `directory`; `None` when nobody answers it yet.
pub async fn dial(directory: &Path, port: u32) -> Option<UnixStream> {
    let call = async {
        let mut stream = UnixStream::connect(directory.join("vsock.sock")).await.ok()?;
        stream.write_all(format!("CONNECT {port}\n").as_bytes()).await.ok()?;
        while stream.read_u8().await.ok()? != b'\n' {}
        Some(stream)
    };
    // Never given up before its answer: the bridge does not survive a caller who hung up.
    call.await
}
