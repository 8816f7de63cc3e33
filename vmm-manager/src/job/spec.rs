//! What was asked: checked, with every default filled in.

use std::time::Duration;

use kiln_net::policy::Policy;

use super::{Boot, BootSource, Build, ExportKind, Rootfs, SourceId, rootfs::RootfsImage};

/// Whose a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: String,
    pub project: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    pub cpus: u32,
    /// Of the command; the VM gets [`JobSpec::machine_memory_bytes`].
    pub memory_bytes: u64,
    /// Of the scratch disk; of a build, of its engine's.
    pub disk_bytes: u64,
    /// Of the command, from its start.
    pub timeout: Option<Duration>,
    /// The work waits for an attachment.
    pub attach: bool,
    pub work: Work,
    /// Brought into the guest in this order before the work.
    pub inputs: Vec<InputDisk>,
    /// Packed after work that succeeded; each name once.
    pub outputs: Vec<OutputDisk>,
    /// What the guest may reach.
    pub egress: Policy,
}

/// What a disk of bytes stands for in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFormat {
    /// A tar, and a directory.
    Tar,
    /// Bytes, and one regular file.
    Raw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputDisk {
    pub source: SourceId,
    /// Absolute, in the guest.
    pub path: String,
    pub format: DiskFormat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputDisk {
    pub name: String,
    /// Absolute, in the guest.
    pub path: String,
    pub format: DiskFormat,
    /// The disk's size.
    pub max_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Exec(Exec),
    Build(Box<Build>),
    Rootfs(Box<Rootfs>),
    Boot(Box<Boot>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Never empty.
    pub argv: Vec<String>,
    /// Each name once; the whole environment of the command.
    pub env: Vec<(String, String)>,
    pub workdir: String,
    /// Empty means root.
    pub user: String,
    pub stdin: bool,
    /// A terminal instead of pipes; only with `stdin`.
    pub terminal: Option<TerminalSize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

impl JobSpec {
    /// For the guest's kernel, its agent and the page tables: the command's limit is its own.
    pub const RESERVE_BYTES: u64 = 192 << 20;

    /// What the VM is given, in whole MiB.
    pub fn machine_memory_bytes(&self) -> u64 {
        (self.memory_bytes + Self::RESERVE_BYTES).next_multiple_of(1 << 20)
    }

    /// Whether the same was asked for. How large the disks of a root filesystem may be is the host's to
    /// say, which may have said otherwise since.
    pub fn asks_as(&self, other: &Self) -> bool {
        match (&self.work, &other.work) {
            (Work::Rootfs(_), Work::Rootfs(_)) => {
                Self { outputs: other.outputs.clone(), ..self.clone() } == *other
            }
            _ => self == other,
        }
    }

    pub fn is_build(&self) -> bool {
        matches!(self.work, Work::Build(_))
    }

    /// The uploads that its machine reads, in the order in which they are held for it: the inputs', and
    /// what its work itself is made of.
    pub fn sources(&self) -> impl Iterator<Item = &SourceId> {
        let of_work = match &self.work {
            Work::Rootfs(rootfs) => match &rootfs.source {
                RootfsImage::Upload(source) => Some(source),
                RootfsImage::Reference(_) | RootfsImage::Build { .. } => None,
            },
            Work::Boot(boot) => match &boot.source {
                BootSource::Upload(source) => Some(source),
                BootSource::Artifact { .. } => None,
            },
            Work::Exec(_) | Work::Build(_) => None,
        };
        self.inputs.iter().map(|input| &input.source).chain(of_work)
    }

    /// What the host itself brings for it, at most: an image that is no upload.
    pub fn fetched_bytes(&self) -> u64 {
        match &self.work {
            Work::Rootfs(rootfs) if !matches!(rootfs.source, RootfsImage::Upload(_)) => {
                self.disk_bytes
            }
            Work::Exec(_) | Work::Build(_) | Work::Rootfs(_) | Work::Boot(_) => 0,
        }
    }

    /// Whether the output of this name is an image, which the host's registry keeps.
    pub fn is_image(&self, output: &str) -> bool {
        let Work::Build(build) = &self.work else { return false };
        build
            .exports
            .iter()
            .any(|export| export.name == output && matches!(export.kind, ExportKind::Image(_)))
    }

    /// A build's layers are on its engine's disk, and what its contexts have too, as the engine takes
    /// a copy of them: its scratch, where they are unpacked, needs no more than half as much, but for
    /// a small one.
    pub fn scratch_bytes(&self) -> u64 {
        const SMALL: u64 = 1 << 30;
        if self.is_build() {
            self.disk_bytes.min((self.disk_bytes / 2).max(SMALL))
        } else {
            self.disk_bytes
        }
    }

    /// What its disks may take of the host at most: scratch, a build engine's, what is fetched and
    /// outputs, and each output once more where the host keeps it. Its sources are counted when they are uploaded.
    pub fn host_disk_bytes(&self) -> u64 {
        let outputs: u64 = self.outputs.iter().map(|output| output.max_bytes).sum();
        let engine = if self.is_build() { self.disk_bytes } else { 0 };
        let fetched = self.fetched_bytes();
        let work = self.scratch_bytes().saturating_add(engine).saturating_add(fetched);
        work.saturating_add(outputs.saturating_mul(2))
    }
}
