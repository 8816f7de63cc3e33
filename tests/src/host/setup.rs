//! How a kilnd is started.

use std::{
    ffi::OsString,
    fmt::Display,
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use kiln_faults::Plan;

use super::{Daemon, FAULT_NOTE, Host, USER, believed::believed, mortal};
use crate::{
    Namespace, Stage, Tier, digest,
    fault::{VICTIMS, Victims},
    stub, until,
    world::{GUEST_LINK, RESOLVER},
};

/// Where kilnd keeps what it has changed of its host's network.
const NETWORK_RUN: &str = "/run/kiln/net";

/// A tebibyte.
const DISK_MEBIBYTES: &str = "1048576";

/// `--accelerator auto` boots a guest before the daemon listens.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Whose VMs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Real,
    Stub,
}

#[derive(Debug)]
pub struct HostSetup<'a> {
    stage: &'a Stage,
    kind: Kind,
    /// Of its home, its socket and its log.
    name: &'static str,
    guest_image: PathBuf,
    socket: Option<PathBuf>,
    user: Option<&'static str>,
    emulation_allowed: bool,
    accelerator: Option<&'static str>,
    vmm: Option<&'static str>,
    /// Whether its guests have networks.
    network: bool,
    /// What is `nft` for it.
    nft: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, OsString)>,
}

/// What daemons write down of a host's network is written down for one host, so each of ours has its
/// own place for it: the words before a command that is to have that.
fn network_run(directory: &Path) -> anyhow::Result<Vec<String>> {
    let own = directory.join("network");
    if !own.exists() {
        std::fs::create_dir(&own)?;
        std::fs::set_permissions(&own, Permissions::from_mode(0o755))?;
    }
    std::fs::create_dir_all(NETWORK_RUN)?;
    let script = format!("mount --bind \"$0\" {NETWORK_RUN} && exec \"$@\"");
    let words = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", &script];
    Ok(words.map(str::to_owned).into_iter().chain([own.display().to_string()]).collect())
}

impl<'a> HostSetup<'a> {
    pub(crate) fn new(stage: &'a Stage, kind: Kind) -> Self {
        Self {
            stage,
            kind,
            name: "kilnd",
            guest_image: match kind {
                Kind::Real => stage.settings().guest_image.clone(),
                Kind::Stub => stage.directory().join("image"),
            },
            socket: None,
            user: None,
            emulation_allowed: true,
            accelerator: None,
            vmm: None,
            network: kind == Kind::Real,
            nft: None,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Another daemon than the story's first, with a home of its own.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    #[must_use]
    pub fn guest_image(self, directory: &Path) -> Self {
        Self { guest_image: directory.to_owned(), ..self }
    }

    #[must_use]
    pub fn socket(self, path: &Path) -> Self {
        Self { socket: Some(path.to_owned()), ..self }
    }

    #[must_use]
    pub fn forbid_emulation(self) -> Self {
        Self { emulation_allowed: false, ..self }
    }

    /// Its guests have no network device at all, as stub guests have not where nothing is said.
    #[must_use]
    pub fn without_networks(self) -> Self {
        Self { network: false, ..self }
    }

    /// Stub guests that have networks, of which they make what they are told to.
    #[must_use]
    pub fn with_networks(self) -> Self {
        Self { network: true, ..self }
    }

    /// Its stub guests send whatever they should not, from the moment that they are made.
    #[must_use]
    pub fn flooding(mut self) -> Self {
        self.environment.push((stub::FLOOD.to_owned(), "1".into()));
        self
    }

    /// The `nft` of this daemon's dies when it is called for the `call`th time: when it has done
    /// its work, or before it does anything.
    pub fn nft_dies_at(mut self, call: usize, after: bool) -> anyhow::Result<Self> {
        self.nft = Some(mortal::nft(self.stage.directory(), call, after)?);
        Ok(self)
    }

    /// Not as root.
    #[must_use]
    pub fn user(self, name: &'static str) -> Self {
        Self { user: Some(name), ..self }
    }

    /// Another one than what this run goes with.
    #[must_use]
    pub fn accelerator(self, name: &'static str) -> Self {
        Self { accelerator: Some(name), ..self }
    }

    /// Another VMM than this run's.
    #[must_use]
    pub fn vmm(self, name: &'static str) -> Self {
        Self { vmm: Some(name), ..self }
    }

    /// A flag of kilnd's and its value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl Display) -> Self {
        self.arguments.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// A stub host's budget of memory, in MiB, where that of the machine would let too few of them
    /// run: their guests have none.
    #[must_use]
    pub fn stub_memory(mut self, mebibytes: u64) -> Self {
        self.environment.push((stub::MEMORY.to_owned(), mebibytes.to_string().into()));
        self
    }

    /// It kills itself when it comes to this point for the `count`th time. Of a stub host alone,
    /// or of one with [`faulty`](Self::faulty).
    #[must_use]
    pub fn dies_at(mut self, point: &str, count: usize) -> Self {
        self.environment.push(("KILN_FAULT".to_owned(), format!("{point}#{count}").into()));
        self
    }

    /// Who dies there: the daemon where this is not said.
    #[must_use]
    pub fn victims(mut self, victims: Victims) -> Self {
        self.environment.push((VICTIMS.to_owned(), victims.name().into()));
        self
    }

    /// Tries what it must not be able to do, and writes down what it was not denied.
    #[must_use]
    pub fn trespassing(mut self, report: &Path) -> Self {
        self.environment.push((stub::TRESPASS.to_owned(), report.into()));
        self
    }

    /// Real guests, run by the daemon that can be told to die.
    #[must_use]
    pub fn faulty(self) -> Self {
        self.flag("--driver", "qemu")
    }

    /// With faults in the way of what it writes.
    pub fn plan(mut self, plan: &Plan) -> anyhow::Result<Self> {
        let file = self.stage.directory().join(format!("{}.plan", self.name));
        for (name, value) in plan.arm(&self.stage.settings().faults, &file)? {
            self.environment.push((name.to_owned(), value));
        }
        Ok(self)
    }

    /// Where its daemon lives.
    pub fn home(&self) -> PathBuf {
        self.stage.directory().join(if self.name == "kilnd" { "home" } else { self.name })
    }

    /// Comes back when it answers.
    pub async fn start(self) -> anyhow::Result<Host> {
        self.believe().await?;
        let mut host = self.launch()?;
        until("kilnd answers", START_LIMIT, async || {
            if let Some(status) = host.daemon.has_ended()? {
                bail!("kilnd ended with {status}");
            }
            Ok(host.list_jobs().await.ok().map(drop))
        })
        .await?;
        self.mark()?;
        Ok(host)
    }

    /// A new home is told what this run has found out already: a daemon that tries a VMM under KVM
    /// gives its guest the time of a host that people use, and does so once for each home.
    async fn believe(&self) -> anyhow::Result<()> {
        let home = self.home();
        if self.stage.settings().tier != Tier::Nested || self.kind == Kind::Stub || home.exists() {
            return Ok(());
        }
        let verdicts = believed(self.stage).await?;
        std::fs::create_dir(&home)?;
        std::fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        // Whose home it is stands in it from the first moment. No other directory has its name.
        let instance = digest(home.as_os_str().as_encoded_bytes());
        std::fs::write(home.join("instance"), &instance[..8])?;
        Ok(std::fs::write(home.join("probes.json"), verdicts)?)
    }

    /// For a kilnd that is about to die: comes back at once.
    pub fn doomed(self) -> anyhow::Result<Host> {
        self.launch()
    }

    /// What bears its instance's name belongs to the story.
    fn mark(&self) -> anyhow::Result<()> {
        let instance = std::fs::read_to_string(self.home().join("instance"))?;
        self.stage.mark(instance.trim());
        Ok(())
    }

    /// For a kilnd that must not start: what it says. It must leave no socket behind.
    pub async fn is_refused(self) -> anyhow::Result<String> {
        let mut host = self.launch()?;
        let status = host.daemon.ended(START_LIMIT).await?;
        ensure!(!status.success(), "kilnd ended as if all were well");
        ensure!(status.code().is_some(), "kilnd was ended by a signal: {status}");
        ensure!(!host.socket.exists(), "kilnd left its socket behind");
        std::fs::read_to_string(self.log()).context("reading what kilnd said")
    }

    fn log(&self) -> PathBuf {
        self.stage.directory().join(format!("{}.log", self.name))
    }

    fn launch(&self) -> anyhow::Result<Host> {
        let settings = self.stage.settings();
        let directory = self.stage.directory();
        let home = self.home();
        let socket = directory.join(format!("{}.sock", self.name));
        let socket = self.socket.clone().unwrap_or(socket);
        let is_real = self.kind == Kind::Real;
        let mut arguments = Vec::new();
        let mut flag = |name: &str, value: &Path| {
            arguments.extend([name.to_owned(), value.display().to_string()]);
        };
        flag("--user", Path::new(&USER.to_string()));
        flag("--home", &home);
        flag("--socket", &socket);
        flag("--guest-image", &self.guest_image);
        if is_real {
            let accelerator = self.accelerator.unwrap_or_else(|| settings.accelerator());
            flag("--vhost-device-vsock", &settings.vhost_device_vsock);
            flag("--accelerator", Path::new(accelerator));
            flag("--vmm", Path::new(self.vmm.unwrap_or(&settings.vmm)));
            if let Some(program) = &settings.cloud_hypervisor {
                flag("--cloud-hypervisor", program);
            }
        } else {
            if !self.guest_image.exists() {
                stub::make_image(&self.guest_image)?;
            }
            flag("--switches", &self.stage.switches());
        }
        let limits = ["create=300", "boot=900", "hello=300", "attach=300", "exec=300"];
        if is_real && settings.tier == Tier::Nested {
            arguments
                .extend(limits.into_iter().flat_map(|limit| ["--limit", limit].map(str::to_owned)));
        }
        if is_real && self.emulation_allowed {
            arguments.push("--allow-emulation".to_owned());
        }
        arguments.extend(self.network_flags()?);
        arguments.extend(self.arguments.iter().cloned());
        if !self.arguments.iter().any(|argument| argument == "--disk") {
            // Sparse disks, hardly written: how many run at once is not to hang on what the
            // machine has free.
            arguments.extend(["--disk", DISK_MEBIBYTES].map(str::to_owned));
        }
        let copy = directory.join("kilnd");
        let own = if is_real && !self.is_faulty() { &settings.kilnd } else { &settings.kilnd_stub };
        let mut program = Vec::new();
        let inside = self.stage.namespace().map(Namespace::entry);
        for word in inside.iter().flatten() {
            program.push(Path::new(word));
        }
        let place = self.stage.namespace().map(|_| network_run(directory)).transpose()?;
        program.extend(place.iter().flatten().map(Path::new));
        let mortal = self.nft.as_deref().map(mortal::entry);
        program.extend(mortal.iter().flatten().map(Path::new));
        if let Some(user) = self.user {
            // Where the build lies may be closed to others.
            std::fs::copy(own, &copy)?;
            std::fs::set_permissions(directory, Permissions::from_mode(0o711))?;
            program.extend(["setpriv", "--reuid", user, "--clear-groups"].map(Path::new));
            program.push(&copy);
        } else {
            program.push(own);
        }
        let note = home.with_extension(FAULT_NOTE);
        if note.exists() {
            std::fs::remove_file(note)?;
        }
        let daemon =
            Daemon::start(&program, &arguments, &self.environment, directory, &self.log())?;
        let namespace = self.stage.namespace().cloned();
        Ok(Host { settings: settings.clone(), daemon, home, socket, namespace })
    }

    /// Of the documentation's addresses, which lead nowhere but where the story has them lead.
    fn network_flags(&self) -> anyhow::Result<Vec<String>> {
        if !self.network {
            return Ok(vec!["--no-network".to_owned()]);
        }
        let given = |name: &str| self.arguments.iter().any(|argument| argument == name);
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: String| {
            if !given(name) {
                flags.extend([name.to_owned(), value]);
            }
        };
        flag("--guest-pool", self.stage.pool_of(self.name)?);
        flag("--guest-link", GUEST_LINK.to_owned());
        flag("--dns", RESOLVER.to_string());
        Ok(flags)
    }

    fn is_faulty(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "--driver")
    }
}
