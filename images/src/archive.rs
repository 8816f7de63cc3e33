//! Debian's archive, asked by the host's apt in a world of its own: the host's configuration of
//! mirrors and proxies is read, its package database is neither read nor written.

mod mirrors;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::mirrors::Source;
use crate::{
    architecture::HOST,
    manifest::Package,
    program::{Program, ProgramError},
    recipe::SUITE,
};

/// Where apt looks for the keys that Debian signs with: `.pgp` on Debian 13, `.gpg` on 12.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// Which of the host's settings count here as well.
const INHERITED: [&str; 7] = [
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
    "Acquire::ForceIPv",
    "Acquire::Max-ValidTime",
    "Acquire::Retries",
    "Acquire::http",
    "Acquire::https",
];

/// The suite's indexes, fetched.
#[derive(Debug)]
pub(crate) struct Archive {
    /// apt's own world.
    directory: PathBuf,
    sources: Vec<String>,
    options: Vec<String>,
}

/// Why the archive could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("none of {KEYRINGS:?} exists: install the package debian-archive-keyring")]
    Keyring,
    #[error(
        "the indexes of {SUITE} could not be fetched from {}; with NO_PUBKEY among the reasons, \
         upgrade the package debian-archive-keyring", mirrors.join(", ")
    )]
    Indexes { mirrors: Vec<String>, source: ProgramError },
    #[error("{SUITE} has no solution for the packages of the image")]
    Unsolvable(#[source] ProgramError),
    #[error("apt did not say which versions it would install: {line:?}")]
    Simulation { line: String },
    #[error("{package} did not arrive in {directory}")]
    Download { package: String, directory: PathBuf },
    #[error("{path} could not be written")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Program(#[from] ProgramError),
}

impl Archive {
    /// Makes apt's world in `directory`, which must not exist yet, and fetches the indexes.
    pub(crate) fn fetch(directory: PathBuf) -> Result<Self, ArchiveError> {
        let keyring = KEYRINGS.into_iter().find(|path| Path::new(path).exists());
        let keyring = keyring.ok_or(ArchiveError::Keyring)?;
        let sources = mirrors::discover()?;
        let lines = sources
            .iter()
            .map(|Source { uri, suite }| format!("deb [signed-by={keyring}] {uri} {suite} main"));
        let archive = Self { directory, sources: lines.collect(), options: inherited_options()? };
        archive.furnish()?;
        archive.apt_get(["update"]).arg("-qq").output().map_err(|source| {
            ArchiveError::Indexes {
                mirrors: sources.into_iter().map(|source| source.uri).collect(),
                source,
            }
        })?;
        Ok(archive)
    }

    /// One-line entries for `sources.list`.
    pub(crate) fn sources(&self) -> &[String] {
        &self.sources
    }

    /// Settings for every apt that speaks to the archive.
    pub(crate) fn options(&self) -> &[String] {
        &self.options
    }

    /// The packages that installing these into an empty root would install, sorted.
    pub(crate) fn resolve(&self, packages: &[&str]) -> Result<Vec<Package>, ArchiveError> {
        let output = self
            .apt_get(["install", "--simulate", "-qq"])
            .args(packages)
            .output()
            .map_err(ArchiveError::Unsolvable)?;
        let text = String::from_utf8_lossy(&output);
        let installed = text.lines().filter_map(|line| Some((line, line.strip_prefix("Inst ")?)));
        let mut packages = installed
            .map(|(line, rest)| {
                let malformed = || ArchiveError::Simulation { line: line.to_owned() };
                let (name, rest) = rest.split_once(" (").ok_or_else(malformed)?;
                let (version, _) = rest.split_once(' ').ok_or_else(malformed)?;
                Ok(Package { name: name.to_owned(), version: version.to_owned() })
            })
            .collect::<Result<Vec<_>, ArchiveError>>()?;
        packages.sort();
        Ok(packages)
    }

    /// Fetches one package's file into a directory that is empty.
    pub(crate) fn download(
        &self,
        package: &Package,
        directory: &Path,
    ) -> Result<PathBuf, ArchiveError> {
        let Package { name, version } = package;
        let name = format!("{name}={version}");
        self.apt_get(["download", "-qq"]).arg(&name).directory(directory).output()?;
        let arrived = fs::read_dir(directory).ok().and_then(|mut entries| entries.next()?.ok());
        arrived.map(|entry| entry.path()).ok_or_else(|| {
            let directory = directory.to_path_buf();
            ArchiveError::Download { package: name, directory }
        })
    }

    fn apt_get<const N: usize>(&self, arguments: [&str; N]) -> Program {
        Program::new("apt-get").args(arguments).env("APT_CONFIG", self.directory.join("apt.conf"))
    }

    fn furnish(&self) -> Result<(), ArchiveError> {
        let directory = &self.directory;
        let write = |path: PathBuf, content: &str| {
            let parent = path.parent().unwrap_or(directory);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, content))
                .map_err(|source| ArchiveError::Write { path, source })
        };
        for empty in ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d"] {
            write(directory.join(empty).join(".keep"), "")?;
        }
        for partial in ["var/lib/apt/lists/partial", "var/cache/apt/archives/partial"] {
            write(directory.join(partial).join(".keep"), "")?;
        }
        write(directory.join("var/lib/dpkg/status"), "")?;
        write(directory.join("etc/apt/sources.list"), &(self.sources.join("\n") + "\n"))?;
        let debian = HOST.debian;
        let path = directory.display();
        let own = [
            format!("Dir \"{path}\";"),
            format!("Dir::State::status \"{path}/var/lib/dpkg/status\";"),
            format!("APT::Architecture \"{debian}\";"),
            format!("APT::Architectures {{ \"{debian}\"; }};"),
        ];
        let lines: Vec<String> = own.into_iter().chain(self.options.iter().cloned()).collect();
        write(directory.join("apt.conf"), &(lines.join("\n") + "\n"))
    }
}

/// What every apt here is told, and what the host's is.
fn inherited_options() -> Result<Vec<String>, ProgramError> {
    let dump = Program::new("apt-config").arg("dump").output()?;
    let own = [
        "Acquire::Languages \"none\";",
        "APT::Install-Recommends \"false\";",
        // The user _apt could not reach a cache below somebody's home.
        "APT::Sandbox::User \"root\";",
        "Dir::Etc::netrc \"/etc/apt/auth.conf\";",
        "Dir::Etc::netrcparts \"/etc/apt/auth.conf.d\";",
    ];
    let dump = String::from_utf8_lossy(&dump);
    let inherited = dump.lines().filter(|line| INHERITED.iter().any(|name| line.starts_with(name)));
    Ok(own.into_iter().chain(inherited).map(str::to_owned).collect())
}
