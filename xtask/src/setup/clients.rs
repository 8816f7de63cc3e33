//! Clients of registries, and a registry of somebody else's, for tests: Debian's packages, unpacked
//! and not installed, so that nothing of theirs starts or stays on the machine.
//!
//! All lie in one tree, as on a machine of their own: `usr/bin/{containerd,ctr,docker,docker-registry,
//! oras}`, `usr/sbin/{dockerd,runc}`. What images are made of lies beside them, in a tree for each
//! architecture: `busybox/{amd64,arm64}/usr/bin/busybox`. The path of it all is told to tests in `KILN_REGISTRY_CLIENTS`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{
    cache,
    program::{capture, command, run},
    say,
};

/// Packages, and the suites whose versions the tests know.
const PACKAGES: &[(&str, &str)] = &[
    ("docker-registry", "bookworm"),
    ("containerd", "bookworm"),
    ("docker.io", "bookworm"),
    ("runc", "bookworm"),
    ("oras", "trixie"),
];

/// The package that is wanted for these architectures, whatever the machine's own is.
const BUSYBOX: (&str, &str) = ("busybox-static", "trixie");
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// Where Debian is when the machine, not being a Debian, does not say.
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The tree, unpacked once and kept in the cache.
pub(crate) fn registry_clients() -> anyhow::Result<PathBuf> {
    let architecture = capture(&mut command("dpkg", ["--print-architecture"]))?;
    let wanted = wanted();
    let inputs = format!("registry clients {} {}", wanted.join(" "), architecture.trim());
    cache::entry(&inputs, |directory| {
        say!("==> fetching registry clients: {}", wanted.join(", "));
        let apt = directory.join("apt");
        let fetched = Apt::new(&apt)?.fetch(&wanted)?;
        for package in fetched {
            run(command("dpkg", ["--extract"]).arg(&package).arg(place(&package, directory)?))?;
        }
        fs::remove_dir_all(&apt).context("removing what apt needed")
    })
}

fn wanted() -> Vec<String> {
    let clients = PACKAGES.iter().map(|(package, suite)| format!("{package}/{suite}"));
    let (package, suite) = BUSYBOX;
    let of = |architecture| format!("{package}:{architecture}/{suite}");
    clients.chain(ARCHITECTURES.map(of)).collect()
}

/// Where the package goes whose file apt named `NAME_VERSION_ARCHITECTURE.deb`.
fn place(package: &Path, directory: &Path) -> anyhow::Result<PathBuf> {
    let name = package.file_stem().unwrap_or_default().to_string_lossy();
    let mut parts = name.split('_');
    if parts.next() != Some(BUSYBOX.0) {
        return Ok(directory.to_owned());
    }
    let architecture = parts.next_back().context("a package without an architecture")?;
    let place = directory.join("busybox").join(architecture);
    fs::create_dir_all(&place).context("a tree of another architecture")?;
    Ok(place)
}

/// An apt that knows of these suites alone, and touches nothing of the machine's.
struct Apt {
    config: PathBuf,
    downloads: PathBuf,
}

impl Apt {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let (config, downloads) = (directory.join("apt.conf"), directory.join("downloads"));
        for needed in ["lists/partial", "cache/archives/partial", "downloads"] {
            fs::create_dir_all(directory.join(needed)).context("apt's directories")?;
        }
        let mirror = mirror()?;
        let sources =
            SUITES.map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"));
        fs::write(directory.join("sources.list"), sources.concat()).context("apt's sources")?;
        // No package of it is the machine's: its state and its pins say nothing here.
        fs::write(directory.join("status"), "").context("apt's state")?;
        fs::write(&config, configuration(directory)).context("apt's configuration")?;
        Ok(Self { config, downloads })
    }

    fn fetch(&self, packages: &[String]) -> anyhow::Result<Vec<PathBuf>> {
        run(self.get().arg("update")).context("fetching apt's package lists")?;
        run(self.get().arg("download").args(packages).current_dir(&self.downloads))?;
        let files = fs::read_dir(&self.downloads).context("what apt fetched")?;
        let files = files.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>()?;
        let (found, wanted) = (files.len(), packages.len());
        ensure!(found == wanted, "apt fetched {found} packages instead of {wanted}");
        Ok(files)
    }

    fn get(&self) -> Command {
        let mut command = command("apt-get", ["-qq"]);
        command.env("APT_CONFIG", &self.config);
        command
    }
}

fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    let architectures = ARCHITECTURES.map(|architecture| format!("\"{architecture}\";")).join(" ");
    format!(
        "Dir::Etc::sourcelist \"{directory}/sources.list\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\n\
         Dir::Etc::preferencesparts \"/dev/null\";\n\
         Dir::State::lists \"{directory}/lists\";\n\
         Dir::State::status \"{directory}/status\";\n\
         Dir::Cache \"{directory}/cache\";\n\
         APT::Architectures {{ {architectures} }};\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n\
         APT::Sandbox::User \"\";\n"
    )
}

/// The one that the machine itself is configured with.
fn mirror() -> anyhow::Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let targets = capture(
        command("apt-get", ["indextargets", "--no-release-info", "--format"])
            .args(["$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]),
    )?;
    Ok(own_mirror(&release, &targets).unwrap_or_else(|| DEFAULT_MIRROR.to_owned()))
}

fn own_mirror(os_release: &str, index_targets: &str) -> Option<String> {
    let field = |name: &str| {
        let mut lines = os_release.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let codename =
        field("VERSION_CODENAME").filter(|_| field("ID").as_deref() == Some("debian"))?;
    let mut targets = index_targets.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    targets.find_map(|target| match *target {
        [uri, release, "main"] if release == codename => Some(uri.trim_end_matches('/').to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_mirror_is_asked() {
        let debian = "ID=debian\nVERSION_CODENAME=bookworm\n";
        let targets = "http://security.example/ bookworm-security main\n\
                       http://mirror.example/contrib/ bookworm contrib\n\
                       http://mirror.example/debian/ bookworm main\n";
        let mirror = Some("http://mirror.example/debian".to_owned());
        assert_eq!(own_mirror(debian, targets), mirror);
        assert_eq!(own_mirror("ID=ubuntu\nVERSION_CODENAME=bookworm\n", targets), None);
        assert_eq!(own_mirror(debian, "http://u.example/ noble main\n"), None);
        assert_eq!(own_mirror("", ""), None);
    }

    #[test]
    fn each_package_is_of_a_known_suite() {
        assert!(PACKAGES.iter().chain([&BUSYBOX]).all(|(_, suite)| SUITES.contains(suite)));
    }
}
