//! Kiln's own init, which runs the image's command as docker would.

use kiln_init::{
    DEFAULT_STOP_SECONDS, DIRECTORY, Database, Environment, Identity, Memory, PROGRAM, SETTINGS,
    Settings, Signal,
};

use super::{
    command::Judge, error::InitError, image::ImageCommand, place::PlaceError, plant::Plant, program,
};

/// A root that stays read-only has to have them.
pub(super) const MOUNT_POINTS: [&str; 3] = ["/dev", "/proc", "/sys"];
/// Ten thousand users and more.
const MAX_DATABASE_BYTES: u64 = 1024 * 1024;
const HOSTS: &str = "/etc/hosts";
/// docker mounts its own over whatever the image has, so most images have nothing.
const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
const MAX_HOSTNAME_BYTES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direct {
    /// The static `kiln-init` of the image's architecture.
    pub program: Vec<u8>,
    pub hostname: Option<String>,
    /// Where file systems in memory are wanted.
    pub memory: Vec<Memory>,
    /// In place of what the image says.
    pub stop_seconds: Option<u32>,
}

/// An image's command that would run.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) words: Vec<String>,
    /// Where its program is.
    pub(super) path: String,
    pub(super) environment: Environment,
    pub(super) identity: Identity,
    pub(super) database: Database,
    pub(super) stop_signal: Signal,
    pub(super) stop_seconds: u32,
}

impl Direct {
    pub(super) fn install(
        &self,
        plant: &mut Plant<'_>,
        image: &ImageCommand,
    ) -> Result<String, InitError> {
        let settings = self.settings(plant, image)?;
        program::check(&self.program, &image.architecture)?;
        let wanted = self.memory.iter().map(|memory| memory.path.as_str());
        for path in MOUNT_POINTS.into_iter().chain(wanted) {
            plant.directory(path, 0o755)?;
        }
        plant.fill(HOSTS, LOCALHOST.into())?;
        if plant.has_name(DIRECTORY) {
            return Err(PlaceError::Taken(DIRECTORY.to_owned()).into());
        }
        plant.directory(DIRECTORY, 0o755)?;
        plant.file(PROGRAM, 0o555, self.program.clone())?;
        // The environment may hold what is nobody's but root's.
        plant.file(SETTINGS, 0o400, settings.to_bytes()?)?;
        Ok(PROGRAM.to_owned())
    }

    fn settings(&self, plant: &mut Plant<'_>, image: &ImageCommand) -> Result<Settings, InitError> {
        if let Some(name) = self.hostname.as_ref().filter(|name| !is_hostname(name)) {
            return Err(InitError::HostName(name.clone()));
        }
        let absolute = |path: &str| path.starts_with('/') && !path.contains('\0');
        if let Some(memory) = self.memory.iter().find(|memory| !absolute(&memory.path)) {
            return Err(InitError::Memory(memory.path.clone()));
        }
        let checked = check(plant, image)?;
        let mut settings = Settings::new(checked.words);
        settings.environment.clone_from(&image.environment);
        settings.user.clone_from(&image.user);
        image.directory().clone_into(&mut settings.working_directory);
        settings.stop_signal = checked.stop_signal.to_string();
        settings.stop_seconds = self.stop_seconds.unwrap_or(checked.stop_seconds);
        settings.hostname.clone_from(&self.hostname);
        settings.memory.clone_from(&self.memory);
        Ok(settings)
    }
}

/// Makes the directories that docker would make, and finds out what would keep the command from running.
pub(super) fn check(plant: &mut Plant<'_>, image: &ImageCommand) -> Result<Checked, InitError> {
    let words = image.words();
    let program = words.first().ok_or(InitError::NoCommand)?;
    if words.iter().any(|word| word.contains('\0')) {
        return Err(InitError::Zero);
    }
    let directory = image.directory();
    if !directory.starts_with('/') || directory.contains('\0') {
        return Err(InitError::RelativeDirectory(directory.to_owned()));
    }
    let stop_signal = Signal::parse(&image.stop_signal)?;
    let database = database(plant)?;
    let identity = Identity::find(&image.user, &database)?;
    let environment = Environment::of(&image.environment, "", &identity.home)?;
    let volumes = image.volumes.iter().filter(|volume| volume.starts_with('/'));
    for path in volumes.map(String::as_str).chain([directory]) {
        plant.directory(path, 0o755)?;
    }
    let judge = Judge {
        tree: plant.tree,
        store: plant.store,
        identity: &identity,
        architecture: &image.architecture,
        directory,
    };
    let path = judge.find(program, environment.value("PATH").unwrap_or_default())?;
    let stop_seconds = image.stop_seconds.unwrap_or(DEFAULT_STOP_SECONDS);
    Ok(Checked { words, path, environment, identity, database, stop_signal, stop_seconds })
}

fn database(plant: &Plant<'_>) -> Result<Database, InitError> {
    let read = |path| plant.read(path, MAX_DATABASE_BYTES);
    Ok(Database::new(&read("/etc/passwd")?, &read("/etc/group")?))
}

fn is_hostname(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (1..=MAX_HOSTNAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}
