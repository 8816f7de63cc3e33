//! IPv6, where it is configured.

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories, world::SHARED6};

use super::scene::{PROBE, Scene, flow};

pub(crate) fn stories() -> Vec<Story> {
    stories![a_name_of_ipv6_is_reached_and_nothing_beside_it]
}

async fn a_name_of_ipv6_is_reached_and_nothing_beside_it(stage: &Stage) -> anyhow::Result<()> {
    let pools = "198.51.100.0/27,2001:db8:100::/112";
    let scene = Scene::set_with(stage, |setup| setup.flag("--guest-pool", pools)).await?;
    let told = scene
        .told(
            "allow=six.test:443",
            &format!(
                "said reached page six.test\n\
                 said neighbour page one.test [2001:db8:a::80]\n\
                 {PROBE} tcp [2001:db8:a::80]:80 [2001:db8:1::1]:7070 [fd00:ec2::254]:80 \
                     [2001:db8:2::2]:80 [2001:db8:a::81]:443\n\
                 {PROBE} frames six 192.0.2.2 192.0.2.1\n"
            ),
        )
        .await?;
    assert_eq!(told.said("reached")?, "this is six.test", "{told:?}");
    assert_eq!(told.said("neighbour").unwrap_or_default(), "", "{told:?}");
    for tried in told.tried("tcp")? {
        ensure!(!["open", "silent"].contains(&&*tried.outcome), "{tried:?}");
    }
    let record = scene.record().await?;
    ensure!(flow(&record, "six.test", 443)?["address"] == SHARED6.to_string(), "{record}");
    scene.ends(&[(SHARED6.into(), 443)]).await
}
