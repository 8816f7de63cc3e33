//! A registry that the job's policy does not name.

use std::time::Duration;

use anyhow::ensure;
use kiln_proto::v1::FailureClass;
use kiln_tests::{
    Stage, Story, stories,
    world::upstream::{NAME, image::Layout},
};

use super::guest::Scene;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_registry_that_the_policy_does_not_name_is_refused_in_words
            .limit(Duration::from_secs(600))
    ]
}

async fn a_registry_that_the_policy_does_not_name_is_refused_in_words(
    stage: &Stage,
) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let files = [vec![("base", b"base\n".to_vec())]];
    let layout = Layout::make(&stage.directory().join("image"), &files)?;
    scene.upstream.publish(&layout, "team/base:1")?;
    let script = format!(
        "engine\n\
         pull {NAME}/team/base 1 >/tmp/said; cat /tmp/said; \
         grep -q '^HTTP/1.. 200' /tmp/said && ! grep -q error /tmp/said"
    );
    let ended = scene.run("allow=one.test:443", &script).await?;
    ensure!(ended.code.is_some_and(|code| code != 0), "{ended}");
    let told = ended.stdout_text();
    // The engine shows what the host says.
    ensure!(told.contains("403") && told.contains("polic"), "{ended}");
    let job = scene.host.newest_job().await?;
    let failure = job.failure.clone().unwrap_or_default();
    assert_eq!(failure.class(), FailureClass::Registry, "{failure:?}");
    let detail = |name: &str| failure.details.get(name).map(String::as_str);
    assert_eq!(detail("host"), Some(NAME), "{failure:?}");
    assert_eq!(detail("repository"), Some("team/base"), "{failure:?}");
    // The registry itself was not asked: the status is this host's.
    assert_eq!((detail("code"), detail("status")), (Some("DENIED"), Some("403")), "{failure:?}");
    let record = scene.record().await?;
    let refusals = record["registry"]["refusals"].as_array().cloned().unwrap_or_default();
    ensure!(
        refusals.iter().any(|one| one["registry"] == NAME && one["repository"] == "team/base"),
        "{record}"
    );
    let arrived = scene.world.strays(&[]);
    ensure!(arrived.is_empty(), "{arrived:?}");
    scene.ends().await
}
