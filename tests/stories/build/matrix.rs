//! A matrix of Dockerfiles, each built by Kiln and by plain `docker-buildx`: the same config, the same
//! files. Archives are read by a program of Python's, which knows nothing of either.

mod case;
mod plain;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Stage, Story, stories, world::git};
use serde_json::Value;

use self::case::Case;
use super::scene::{Scene, went_well};

/// Of all cases, for some are of what is in the network.
const POLICY: &str = "allow=registry.test:5443,one.test:80,git.test:9418/tcp";
/// Told always; they have what most Dockerfiles have.
const DOZEN: [&str; 12] = [
    "add-git",
    "add-tar",
    "arg-predefined",
    "copy-chown",
    "copy-from",
    "copy-link",
    "heredoc-copy",
    "ignore-exceptions",
    "metadata",
    "mounts",
    "odd-names",
    "xattrs",
];
const BUILD_LIMIT: Duration = Duration::from_secs(300);
/// How many differences are shown.
const SHOWN: usize = 12;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_matrix_of_dockerfiles_is_built_as_buildx_builds_it
            .limit(Duration::from_secs(5400))
            .virtual_cpus(2)
    ]
}

async fn a_matrix_of_dockerfiles_is_built_as_buildx_builds_it(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    let git = scene.world.git(stage).await?;
    let mut cases = Case::all()?;
    ensure!(cases.len() >= 40, "only {} cases", cases.len());
    if !stage.settings().full {
        cases.retain(|case| DOZEN.contains(&&*case.name));
        assert_eq!(cases.len(), DOZEN.len());
    }
    let plain = scene.path("plain-images");
    let own = scene.path("own");
    std::fs::create_dir(&own)?;
    // Two guests at once, as there are two processors; one of them begins with all that is plain.
    let rest = RefCell::new(cases.iter());
    let lane = async || {
        let mut built = Vec::new();
        loop {
            let next = rest.borrow_mut().next();
            let Some(case) = next else { return built };
            built.push((case, build(&scene, case, &own).await));
        }
    };
    let first = async { (plain::build(&scene, &cases, &plain).await, lane().await) };
    let ((plainly, first), second) = tokio::join!(first, lane());
    plainly?;
    let built = first.into_iter().chain(second);
    let wrong: Vec<_> = built
        .filter_map(|(case, built)| {
            let error = compared(case, &plain, built).err()?;
            Some(format!("{}: {error:#}", case.name))
        })
        .collect();
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    git.stop().await?;
    scene.host.vms_are_gone().await?;
    let expected = [
        (git::ADDRESS.into(), git::PORT),
        (kiln_tests::world::SHARED.into(), 80),
        (kiln_tests::world::upstream::ADDRESS.into(), kiln_tests::world::upstream::PORT),
    ];
    let strays = scene.world.strays(&expected);
    ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
    scene.upstream.stop().await?;
    scene.host.stop().await
}

/// The archive that Kiln makes of one.
async fn build(scene: &Scene, case: &Case, own: &Path) -> anyhow::Result<PathBuf> {
    let context = case.prepare(own)?;
    let archive = own.join(format!("{}.tar", case.name));
    let output = format!("type=oci,dest={}", archive.display());
    let arguments = case.arguments(&context);
    let mut words = vec!["--output", &output];
    words.extend(arguments.iter().map(String::as_str));
    let ended = scene.build_under(POLICY, &context, &words).limit(BUILD_LIMIT).run().await?;
    went_well(&ended)?;
    Ok(archive)
}

/// Says how one differs.
fn compared(case: &Case, plain: &Path, built: anyhow::Result<PathBuf>) -> anyhow::Result<()> {
    let [theirs, ours] = read([&plain.join(format!("{}.tar", case.name)), &built?])?;
    let mut differences = Vec::new();
    differ("", &theirs, &ours, &mut differences);
    let count = differences.len();
    differences.truncate(SHOWN);
    ensure!(count == 0, "{count} differences:\n  {}", differences.join("\n  "));
    Ok(())
}

fn read(archives: [&PathBuf; 2]) -> anyhow::Result<[Value; 2]> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/build/matrix/read.py");
    let read = Command::new("python3").arg(script).args(archives).output()?;
    ensure!(read.status.success(), "reading: {}", String::from_utf8_lossy(&read.stderr));
    let lines = String::from_utf8(read.stdout)?;
    let mut values = lines.lines().map(serde_json::from_str);
    let mut next = || anyhow::Ok(values.next().context("a line is missing")??);
    Ok([next()?, next()?])
}

/// Where two values are not the same, and what is there.
fn differ(place: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let of = |map: &serde_json::Map<_, Value>| map.get(name).cloned();
                let (one, other) = (of(one).unwrap_or_default(), of(other).unwrap_or_default());
                differ(&format!("{place}/{name}"), &one, &other, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place}/{index}"), one, other, found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{place}: buildx has {theirs}, kiln has {ours}")),
    }
}
