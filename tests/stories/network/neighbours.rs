//! Two guests of one host.

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories};

use super::scene::{PROBE, Scene, Told};

pub(crate) fn stories() -> Vec<Story> {
    stories![two_guests_do_not_know_of_each_other.virtual_cpus(2)]
}

/// Each listens, looks for the other at the addresses of the pool, and shouts.
async fn two_guests_do_not_know_of_each_other(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let script = format!(
        "socat -u tcp-listen:7070,fork,reuseaddr 'system:cat >> /tmp/heard' &\n\
         socat -u udp-recv:7071 open:/tmp/heard,creat,append &\n\
         {PROBE} hear /tmp/end > /tmp/frames &\n\
         sleep 2; echo ready; read go\n\
         for last in 1 2 3 4 5 6; do places=\"$places 198.51.100.$last:7070\"; done\n\
         {PROBE} tcp $places 192.0.2.3:7070\n\
         {PROBE} udp 198.51.100.2:7071 198.51.100.3:7071\n\
         {PROBE} frames spoof 192.0.2.2 192.0.2.1\n\
         echo done; read end\n\
         touch /tmp/end; sleep 2; cat /tmp/frames\n\
         echo \"heard: $(cat /tmp/heard 2>/dev/null | wc -c)\"\n"
    );
    let mut guests = Vec::new();
    for _ in 0..2 {
        guests.push(scene.talk("internet", &script)?);
    }
    for guest in &mut guests {
        guest.said("ready\n").await?;
    }
    for guest in &mut guests {
        guest.feed(b"go\n").await?;
    }
    let mut said = Vec::new();
    for guest in &mut guests {
        said.push(guest.said("done\n").await?);
    }
    let mut ends = Vec::new();
    for mut guest in guests {
        guest.feed(b"end\n").await?;
        guest.close_stdin();
        ends.push(guest.finish().await?);
    }
    for (said, ended) in said.iter().zip(&ends) {
        ensure!(ended.code == Some(0), "{ended}");
        ensure!(!said.contains(" open "), "{said}");
        let told = Told::of(ended);
        assert_eq!((told.said("heard")?, told.said("others")?), ("0", "0"), "{ended}");
    }
    scene.ends(&[]).await
}
