//! Programs of other architectures than the guest's own: the kernel's `binfmt_misc` hands them to an
//! emulator, which the guest image may have.
//!
//! Nothing of it is there until somebody asks. The kernel opens the emulator when it is registered, so
//! that it is found from every root: a build step sees none of the guest's files.

mod elf;

use std::{
    fs, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rustix::io::Errno;

use self::elf::Machine;
use crate::{
    boot::{self, ModuleError, MountError},
    offload::offload,
};

const MODULE: &str = "binfmt_misc";
const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";
const PROGRAMS: &str = "/usr/bin";

/// `P`: the program is told its own first argument; `O`: the emulator gets it as an open file, which
/// it may not be allowed to read; `C`: set-user-ID counts as it would without an emulator; `F`: the
/// emulator is opened now.
const FLAGS: &str = "POCF";

/// What this kernel runs by itself. Names of architectures are those of images.
const NATIVE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// What can be emulated where the image has the program.
const EMULATORS: [Emulator; 2] = [
    Emulator { architecture: "amd64", program: "qemu-x86_64", machine: Machine::X86_64 },
    Emulator { architecture: "arm64", program: "qemu-aarch64", machine: Machine::Aarch64 },
];

/// One at a time: a mount that is there twice is an error.
static REGISTERING: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Emulator {
    architecture: &'static str,
    /// Also what the kernel knows it by.
    program: &'static str,
    machine: Machine,
}

/// Why programs of an architecture cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmulationError {
    #[error("this guest image has no emulator for {architecture}; it has: {}", listed(.available))]
    Missing { architecture: String, available: Vec<&'static str> },
    #[error("the kernel cannot be given emulators")]
    Module(#[from] ModuleError),
    #[error("the kernel cannot be given emulators")]
    Mount(#[from] MountError),
    #[error("the kernel did not take the emulator {program}")]
    Refused { program: &'static str, source: io::Error },
    #[error("no thread for it can be had")]
    Thread(#[source] io::Error),
}

/// Makes programs of `architecture`, named as in `linux/arm64`, run in this guest. What is so already
/// stays so.
///
/// # Cancel safety
/// The registration goes on; nobody hears how it ended.
pub(crate) async fn register(architecture: &str) -> Result<(), EmulationError> {
    if architecture == NATIVE {
        return Ok(());
    }
    let architecture = architecture.to_owned();
    let registered =
        offload("emulation", move || find(&architecture, Path::new(PROGRAMS))?.register());
    registered.await.map_err(EmulationError::Thread)?
}

/// The architectures whose programs run here, or would once registered: this guest's own first.
pub(crate) fn runnable() -> Vec<&'static str> {
    let emulated = available(Path::new(PROGRAMS)).map(|emulator| emulator.architecture);
    std::iter::once(NATIVE).chain(emulated).collect()
}

fn available(programs: &Path) -> impl Iterator<Item = Emulator> {
    let foreign = EMULATORS.into_iter().filter(|emulator| emulator.architecture != NATIVE);
    foreign.filter(|emulator| programs.join(emulator.program).is_file())
}

fn find(architecture: &str, programs: &Path) -> Result<Emulator, EmulationError> {
    let found = available(programs).find(|emulator| emulator.architecture == architecture);
    found.ok_or_else(|| EmulationError::Missing {
        architecture: architecture.to_owned(),
        available: available(programs).map(|emulator| emulator.architecture).collect(),
    })
}

impl Emulator {
    fn register(self) -> Result<(), EmulationError> {
        let _one = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = Path::new(DIRECTORY);
        if directory.join(self.program).exists() {
            return Ok(());
        }
        let register = directory.join("register");
        if !register.exists() {
            boot::load_on_demand(MODULE)?;
            boot::attach(MODULE, MODULE, DIRECTORY, boot::NO_PROGRAMS, c"")?;
        }
        match fs::write(&register, self.line()) {
            // Somebody else's, since we looked.
            Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => Ok(()),
            written => {
                written.map_err(|source| EmulationError::Refused { program: self.program, source })
            }
        }
    }

    /// As the kernel's `register` takes it.
    fn line(self) -> String {
        let Self { architecture: _, program, machine } = self;
        let (magic, mask) = (escaped(&machine.magic()), escaped(&machine.mask()));
        format!(":{program}:M::{magic}:{mask}:{PROGRAMS}/{program}:{FLAGS}")
    }
}

fn escaped(bytes: &[u8]) -> String {
    let escape = |byte: &u8| ['\\', 'x', digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(escape).collect()
}

fn digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or_default()
}

fn listed(architectures: &[&str]) -> String {
    if architectures.is_empty() { "none".to_owned() } else { architectures.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREIGN: Emulator =
        if cfg!(target_arch = "aarch64") { EMULATORS[0] } else { EMULATORS[1] };

    #[test]
    fn a_line_is_what_the_kernel_takes() {
        let lines = EMULATORS.map(Emulator::line);
        assert_eq!(
            lines,
            [
                ":qemu-x86_64:M::\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\
                 \\x02\\x00\\x3e\\x00:\\xff\\xff\\xff\\xff\\xff\\xfe\\xfe\\xfc\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\
                 \\xfe\\xff\\xff\\xff:/usr/bin/qemu-x86_64:POCF",
                ":qemu-aarch64:M::\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\
                 \\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\
                 \\xfe\\xff\\xff\\xff:/usr/bin/qemu-aarch64:POCF",
            ]
        );
        // The kernel's limit.
        assert!(lines.iter().all(|line| line.len() < 1920));
    }

    #[test]
    fn what_the_image_lacks_is_named_with_what_it_has() {
        let programs = tempfile::tempdir().unwrap();
        let missing = |architecture| find(architecture, programs.path()).unwrap_err().to_string();
        let told = missing("riscv64");
        assert_eq!(told, "this guest image has no emulator for riscv64; it has: none");
        fs::write(programs.path().join(FOREIGN.program), "").unwrap();
        let told = missing("riscv64");
        let has = FOREIGN.architecture;
        assert_eq!(told, format!("this guest image has no emulator for riscv64; it has: {has}"));
        assert_eq!(find(has, programs.path()).unwrap(), FOREIGN);
        // An emulator of what needs none is none.
        assert!(find(NATIVE, programs.path()).is_err());
    }

    #[tokio::test]
    async fn the_guests_own_programs_run_as_they_are() {
        register(NATIVE).await.unwrap();
        assert_eq!(runnable()[0], NATIVE);
    }
}
