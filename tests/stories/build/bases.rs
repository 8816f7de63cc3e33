//! Base images that registries outside do not give: who refused what with which status is told, as the
//! host saw it, on the whole way from the registry to the command line.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{FailureClass, JobState, RegistryRefusal};
use kiln_tests::{
    Finished, Stage, Story, details, stories,
    world::upstream::{
        ADDRESS, PORT, REFUSING_ADDRESS, REFUSING_NAME, RETRY_AFTER_SECONDS, Refusing,
    },
};

use super::scene::Scene;

/// All three names.
const POLICY: &str = "allow=registry.test:5443,closed.test:5443,refusing.test:5443";

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_base_that_is_not_given_is_told_with_its_registrys_status.limit(Duration::from_secs(900))
    ]
}

struct Refused {
    host: &'static str,
    repository: &'static str,
    status: u16,
    code: &'static str,
    says: &'static str,
    /// Told always.
    is_short: bool,
}

/// The last one wants to be left alone: whatever else is asked of it is not asked any more.
const TABLE: [Refused; 4] = [
    Refused {
        host: "closed.test:5443",
        repository: "team/base",
        status: 401,
        code: "DENIED",
        says: "wants credentials",
        is_short: true,
    },
    Refused {
        host: REFUSING_NAME,
        repository: "answers/403",
        status: 403,
        code: "DENIED",
        says: "lets this tenant not have answers/403:1",
        is_short: false,
    },
    Refused {
        host: "registry.test:5443",
        repository: "team/none",
        status: 404,
        code: "MANIFEST_UNKNOWN",
        says: "has no team/none:1",
        is_short: false,
    },
    Refused {
        host: REFUSING_NAME,
        repository: "answers/429",
        status: 429,
        code: "TOOMANYREQUESTS",
        says: "limits requests",
        is_short: true,
    },
];

async fn a_base_that_is_not_given_is_told_with_its_registrys_status(
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    let refusing = scene.world.refusing(&scene.upstream)?;
    let mut wrong = Vec::new();
    for case in TABLE.iter().filter(|case| case.is_short || stage.settings().full) {
        let dockerfile = format!("FROM {}/{}:1\nRUN true\n", case.host, case.repository);
        let name = format!("base-{}", case.status);
        let context = scene.context(&name, &[("Dockerfile", &dockerfile)])?;
        let words = ["-t", &format!("local/{name}:1")];
        let ended = scene.build_under(POLICY, &context, &words).run().await?;
        if let Err(error) = is_told(&scene, case, &ended).await {
            wrong.push(format!("{}: {error:#}", case.status));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    is_left_alone(&refusing)?;
    let listed = scene.host.kiln(["image", "ls"]).run().await?;
    ensure!(!listed.stdout_text().contains("local/"), "an image has a name: {listed}");
    scene.host.vms_are_gone().await?;
    let strays = scene.world.strays(&[(ADDRESS.into(), PORT), (REFUSING_ADDRESS.into(), PORT)]);
    ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
    scene.upstream.stop().await?;
    scene.host.stop().await
}

async fn is_told(scene: &Scene, case: &Refused, ended: &Finished) -> anyhow::Result<()> {
    let job = scene.host.job(&scene.host.newest_job().await?.id).await?;
    ensure!(ended.code == Some(1) && job.state() == JobState::Failed, "{job:?}: {ended}");
    // As the host wrote it down.
    let record = job.registry.as_ref().context("nothing of the registry")?;
    let of_it = |seen: &&RegistryRefusal| seen.repository == case.repository;
    let seen = record.refusals.iter().find(of_it).with_context(|| format!("{record:?}"))?;
    let told = (seen.registry.as_str(), seen.code.as_str(), seen.upstream_status);
    ensure!(told == (case.host, case.code, u32::from(case.status)), "{seen:?}");
    let is_limited = case.status == 429;
    let wait = 1..=RETRY_AFTER_SECONDS;
    ensure!(wait.contains(&seen.retry_after_seconds) == is_limited, "{seen:?}");
    // As it was judged.
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::Registry, "{failure:?}");
    let status = case.status.to_string();
    let expected = [("status", &*status), ("host", case.host), ("repository", case.repository)];
    let told = details(&job);
    for (name, value) in expected.into_iter().chain([("code", case.code)]) {
        let found = told.get(name).map(String::as_str);
        ensure!(found == Some(value), "{name} is {found:?}, not {value}: {failure:?}");
    }
    ensure!(told.contains_key("retry_after_seconds") == is_limited, "{told:?}");
    // And as it is said.
    let said = ended.stdout_text() + &ended.stderr_text();
    ensure!(said.contains(case.says), "{:?} is not said: {ended}", case.says);
    Ok(())
}

/// However often the engine tried, who asked for an hour was asked once.
fn is_left_alone(refusing: &Refusing) -> anyhow::Result<()> {
    let asked = refusing.asked();
    let limited = asked.iter().filter(|asked| asked.contains("/answers/429/")).count();
    ensure!(limited == 1, "{asked:?}");
    Ok(())
}
