//! Twenty secrets that steps see, and that are nowhere afterwards: not on the guest's disks, in logs,
//! layers, caches, the registry's store, kilnd's home, process lists or core files.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{HostSetup, Running, Stage, Story, digest, noise, stories, until};
use rustix::process::Signal;

use super::scene::{Scene, setup, went_well};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        planted_secrets_are_found_nowhere.limit(Duration::from_secs(1200)),
        a_vm_that_aborts_leaves_no_core.limit(Duration::from_secs(1200)).only_full()
    ]
}

const FILES: usize = 10;
const VARIABLES: usize = 8;
const KEYS: usize = 2;
const LIMIT: Duration = Duration::from_secs(300);
/// What a step wrote, as nothing but its file has it.
const CONTROL: &str = "42-is-no-secret";

async fn planted_secrets_are_found_nowhere(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::set_with(stage, HostSetup::faulty).await?;
    let planted = Planted::new(&scene.path("planted"))?;
    let context = scene.context("context", &[("Dockerfile", &dockerfile())])?;
    let oci = format!("type=oci,dest={}", scene.path("image.tar").display());
    let words = planted.words();
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.extend(["-t", "local/secrets:1", "--output", &oci]);
    arguments.extend(["--cache-to", "type=registry,ref=local/secrets-cache:1,mode=max"]);
    let building = planted.build(&scene, &context, &arguments)?;

    // While its steps run, and have them.
    until("the step with secrets runs", LIMIT, async || scene.steps_see_them().await).await?;
    planted.is_in_no_process()?;
    cores_are_off(&scene)?;
    // It knew them all, and so does its VM, in which the build goes on under another.
    scene.host.signal(Signal::ABORT)?;
    left_no_core(scene.host.ended(LIMIT).await?)?;
    let doomed = setup(stage, &scene.upstream).faulty().dies_at("exited", 1);
    scene.host = doomed.start().await?;

    // Its daemon has died after the last step: the VM is there with all its disks.
    scene.host.ended(LIMIT).await?;
    let vms = scene.host.home().join("vms");
    planted.is_nowhere_in(&vms)?;
    // What is no secret is found there.
    let control = found_in(&vms, &[CONTROL.to_owned()])?;
    ensure!(control.contains("engine"), "the search finds nothing: {control:?}");
    scene.host = setup(stage, &scene.upstream).faulty().start().await?;
    let ended = building.finish().await?;
    went_well(&ended)?;
    let said = [&ended.stdout[..], &ended.stderr].concat();
    planted.is_not_in("what kiln said", &said)?;
    let job = scene.host.newest_job().await?;
    let log = scene.host.kiln(["job", "logs", &job.id]).run().await?;
    let log = [log.stdout, log.stderr].concat();
    planted.is_not_in("the log", &log)?;
    let shown = String::from_utf8_lossy(&log).into_owned();
    ensure!(shown.contains("value 1: ") && shown.contains("half"), "{shown}");

    scene.host.vms_are_gone().await?;
    planted.is_nowhere_in(scene.host.home())?;
    planted.is_nowhere_in(&scene.path("image.tar"))?;
    for (from, into) in [(scene.path("image.tar"), "layers"), (registry_of(&scene), "blobs")] {
        unpack_layers(&from, &scene.path(into))?;
        planted.is_nowhere_in(&scene.path(into))?;
    }
    for log in fs::read_dir(stage.directory())?.flatten() {
        if log.path().extension().is_some_and(|extension| extension == "log") {
            planted.is_nowhere_in(&log.path())?;
        }
    }
    scene.ends().await
}

/// QEMU has a guest's whole memory in its own.
async fn a_vm_that_aborts_leaves_no_core(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let planted = Planted::new(&scene.path("planted"))?;
    let context = scene.context("context", &[("Dockerfile", &dockerfile())])?;
    let words = planted.words();
    let arguments: Vec<_> = words.iter().map(String::as_str).collect();
    let building = planted.build(&scene, &context, &arguments)?;
    until("the step with secrets runs", LIMIT, async || scene.steps_see_them().await).await?;
    let processes = scene.host.vm_processes()?;
    let directories =
        processes.iter().map(|process| File::open(format!("/proc/{}/cwd", process.id)));
    let directories = directories.collect::<Result<Vec<_>, _>>()?;
    for process in &processes {
        process.signal(Signal::ABORT)?;
    }
    let ended = building.finish().await?;
    ensure!(ended.code == Some(125), "{ended}");
    for directory in directories {
        let names = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
        for name in names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
            ensure!(!name.starts_with("core"), "a core is left: {name}");
        }
    }
    scene.host.vms_are_gone().await?;
    planted.is_nowhere_in(scene.host.home())?;
    scene.ends().await
}

impl Scene {
    /// `Some` when they have been told.
    async fn steps_see_them(&self) -> anyhow::Result<Option<()>> {
        let Ok(job) = self.host.newest_job().await else { return Ok(None) };
        ensure!(job.failure.is_none(), "{:?}", job.failure);
        let log = self.host.kiln(["job", "logs", &job.id]).run().await?;
        Ok((log.stdout_text() + &log.stderr_text()).contains("all are seen\n").then_some(()))
    }
}

struct Planted {
    directory: PathBuf,
    values: Vec<String>,
}

impl Planted {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir(directory)?;
        let value = |number: usize| digest(&noise(1000 + number as u64, 24))[..48].to_owned();
        let mut values: Vec<_> = (0..FILES + VARIABLES).map(value).collect();
        for (number, value) in values.iter().take(FILES).enumerate() {
            fs::write(directory.join(format!("file-{number}")), value)?;
        }
        for number in 0..KEYS {
            let key = directory.join(format!("key-{number}"));
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "kiln", "-f"]).arg(&key);
            ensure!(keygen.status()?.success(), "ssh-keygen failed");
            // Where the private half stands in it.
            let text = fs::read_to_string(&key)?;
            values.push(text.lines().nth(3).context("a short key")?.to_owned());
        }
        Ok(Self { directory: directory.to_owned(), values })
    }

    fn words(&self) -> Vec<String> {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let files = (0..FILES).map(|n| format!("id=s{n},src={}", at(&format!("file-{n}"))));
        let variables = (FILES..FILES + VARIABLES).map(|n| format!("id=s{n},env=PLANTED_{n}"));
        let secrets = files.chain(variables).flat_map(|secret| ["--secret".to_owned(), secret]);
        let keys = (0..KEYS).map(|n| format!("k{n}={}", at(&format!("key-{n}"))));
        secrets.chain(keys.flat_map(|key| ["--ssh".to_owned(), key])).collect()
    }

    /// `kiln build` with all of them and these words.
    fn build(&self, scene: &Scene, context: &Path, words: &[&str]) -> anyhow::Result<Running> {
        let kiln = scene.build(context, words).limit(LIMIT);
        let variables = self.variables();
        variables.fold(kiln, |kiln, (name, value)| kiln.own_variable(&name, value)).start()
    }

    fn variables(&self) -> impl Iterator<Item = (String, &String)> {
        let all = (FILES..FILES + VARIABLES).map(|n| (format!("PLANTED_{n}"), n));
        all.map(|(name, number)| (name, &self.values[number]))
    }

    fn is_not_in(&self, place: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let found: BTreeSet<_> = (0..self.values.len())
            .filter(|number| contains(bytes, self.values[*number].as_bytes()))
            .collect();
        ensure!(found.is_empty(), "of the values, {found:?} are in {place}");
        Ok(())
    }

    /// A file, or all files below a directory; holes of disks are not read.
    fn is_nowhere_in(&self, path: &Path) -> anyhow::Result<()> {
        let found = found_in(path, &self.values)?;
        ensure!(found.is_empty(), "values are in {found}");
        Ok(())
    }

    /// But for the caller's own, which was given some in its environment.
    fn is_in_no_process(&self) -> anyhow::Result<()> {
        let own = self.directory.parent().context("a directory")?.join("context");
        let own = own.display().to_string();
        for process in fs::read_dir("/proc")?.flatten() {
            let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
            let command = read("cmdline");
            self.is_not_in("a process list", &command)?;
            if !contains(&command, own.as_bytes()) {
                self.is_not_in("a process's environment", &read("environ"))?;
            }
        }
        Ok(())
    }
}

/// Every value is seen by a step, which says it in whole, and in two halves.
fn dockerfile() -> String {
    let mounts =
        (0..FILES + VARIABLES).map(|number| format!("--mount=type=secret,id=s{number},required "));
    let mounts: String = mounts.collect();
    let script = "for i in $(seq 0 17); do v=$(cat /run/secrets/s$i); echo \"value $i: $v\"; \
                  printf 'half '; printf %s \"${v%${v#????????????????????????}}\"; sleep 0.2; \
                  echo \"${v#????????????????????????}\"; done; echo all are seen; sleep 20; \
                  echo $((40 + 2))-is-no-secret >/control; /bin/busybox sync";
    format!(
        "FROM BASE\nRUN {mounts} {script}\n\
         RUN --mount=type=ssh,id=k0,required --mount=type=ssh,id=k1,required test -S $SSH_AUTH_SOCK\n\
         RUN ls -A /run/secrets >/left 2>&1 || true\n"
    )
}

/// Neither kilnd nor a VM's processes leave one, however they end. With a limit of 1 a core is neither
/// written nor piped to a program; what is started with a limit of 0 stays there.
fn cores_are_off(scene: &Scene) -> anyhow::Result<()> {
    let mut processes = vec![scene.host.process()];
    processes.extend(scene.host.vm_processes()?.iter().map(|process| process.id));
    processes.extend(scene.host.supervisors()?);
    ensure!(processes.len() > 2, "{processes:?}");
    let [_, own] = core_limits("self")?;
    let most = if own == "0" { "0" } else { "1" };
    for id in processes {
        let limits = core_limits(&id.to_string())?;
        let command = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        ensure!(limits == [most, most], "{} has {limits:?}", command.trim());
    }
    Ok(())
}

fn left_no_core(status: ExitStatus) -> anyhow::Result<()> {
    ensure!(status.signal() == Some(Signal::ABORT.as_raw()), "kilnd ended with {status}");
    ensure!(!status.core_dumped(), "kilnd has left a core");
    Ok(())
}

/// The one in force, and the one that it can be raised to.
fn core_limits(process: &str) -> anyhow::Result<[String; 2]> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let mut words = line.unwrap_or_default().split_whitespace().map(str::to_owned);
    let [soft, hard] = [words.next(), words.next()].map(|word| word.context("no limit of cores"));
    Ok([soft?, hard?])
}

fn contains(bytes: &[u8], value: &[u8]) -> bool {
    let first = value[0];
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|byte| *byte == first) {
        if rest[place..].starts_with(value) {
            return true;
        }
        rest = &rest[place + 1..];
    }
    false
}

/// All that is compressed in an archive or a store, plain.
fn unpack_layers(from: &Path, into: &Path) -> anyhow::Result<()> {
    let script = "set -e; mkdir \"$1\"
        if [ -d \"$0\" ]; then cp -r \"$0/.\" \"$1\"; else tar -xf \"$0\" -C \"$1\"; fi
        find \"$1\" -type f | while read -r blob; do
            gzip -dc <\"$blob\" >\"$blob.plain\" 2>/dev/null || rm -f \"$blob.plain\"
        done
        find \"$1\" -name '*.plain' -size +0 | grep -q plain";
    let output = Command::new("sh").args(["-c", script]).arg(from).arg(into).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no layer in {}: {told}", from.display());
    Ok(())
}

fn registry_of(scene: &Scene) -> PathBuf {
    scene.host.home().join("registry")
}

/// The names of files that have one of these in them, one a line.
fn found_in(path: &Path, values: &[String]) -> anyhow::Result<String> {
    let mut grep = Command::new("grep");
    grep.args(["-r", "-l", "-F", "-D", "skip"]).env("LC_ALL", "C");
    for value in values {
        grep.args(["-e", value]);
    }
    let output = grep.arg("--").arg(path).output().context("running grep")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() != Some(2), "grep: {told}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
