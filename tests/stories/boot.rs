//! Boots, many of them: what happens once in a hundred happens to somebody every day.

use std::time::Duration;

use kiln_tests::{Stage, Story, Vm, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![a_hundred_guests_come_up.only_full().limit(Duration::from_secs(3600)),]
}

async fn a_hundred_guests_come_up(stage: &Stage) -> anyhow::Result<()> {
    for number in 1..=100 {
        let vm = Vm::boot(stage.settings())
            .await
            .map_err(|error| error.context(format!("boot {number} of 100")))?;
        vm.sh("true").await?.printed()?;
        vm.end().await?;
    }
    Ok(())
}
