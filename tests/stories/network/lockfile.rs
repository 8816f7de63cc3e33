//! What was seen is written down, and held to.

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories, world::SHARED};

use super::scene::Scene;

const LOCKFILE: &str = "kiln-egress.lock";

pub(crate) fn stories() -> Vec<Story> {
    stories![what_was_recorded_is_what_is_allowed]
}

async fn what_was_recorded_is_what_is_allowed(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let place = stage.directory().join("project");
    std::fs::create_dir(&place)?;
    let both = "said tls page one.test; said plain plain plain.test";
    let recorded = scene.job("record", both).directory(&place).run().await?;
    ensure!(recorded.code == Some(0), "{recorded}");
    ensure!(recorded.stdout_text().contains("tls: this is one.test"), "{recorded}");
    let lockfile = std::fs::read_to_string(place.join(LOCKFILE))?;
    for name in ["one.test", "plain.test"] {
        ensure!(lockfile.contains(name), "{name} is not in {lockfile}");
    }
    ensure!(!lockfile.contains("203.0.113"), "an address is in {lockfile}");

    let held = scene.job("locked", both).directory(&place).run().await?;
    ensure!(held.code == Some(0), "{held}");
    assert_eq!(held.stdout, recorded.stdout, "{held}");
    assert_eq!(std::fs::read_to_string(place.join(LOCKFILE))?, lockfile);

    let more = format!("{both}; said more page two.test; exit 3");
    let differs = scene.job("locked", &more).directory(&place).run().await?;
    ensure!(differs.code == Some(3), "{differs}");
    ensure!(differs.stderr_text().contains("two.test"), "no difference is shown: {differs}");
    assert_eq!(scene.world.served().to("two.test"), 0);
    assert_eq!(std::fs::read_to_string(place.join(LOCKFILE))?, lockfile);
    scene.ends(&[(SHARED.into(), 443), (SHARED.into(), 80)]).await
}
