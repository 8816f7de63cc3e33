//! One name, and nothing beside it.

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::{
    Stage, Story, stories,
    world::{ALONE, Data, GAMES, SHARED},
};

use super::scene::{PROBE, Scene, flow, refusals};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        one_name_is_reached_and_nothing_beside_it.limit(Duration::from_secs(900)).nested(),
        what_a_rule_says_of_protocols_holds,
        names_that_stand_for_what_is_never_reached_are_not_answered,
        the_certificate_is_the_servers_own,
    ]
}

async fn one_name_is_reached_and_nothing_beside_it(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let told = scene
        .told(
            "allow=one.test:443",
            &format!(
                "{PROBE} tcp 203.0.113.80:443\n\
                 said reached page one.test\n\
                 said neighbour page two.test 203.0.113.80\n\
                 said 'another name' page two.test\n\
                 said bare bare 203.0.113.80\n\
                 said below page deep.one.test\n\
                 said 'another port' plain one.test\n\
                 said 'no TLS' bash -c 'exec 3<>/dev/tcp/203.0.113.80/443; \
                     printf \"GET /who HTTP/1.0\\r\\n\\r\\n\" >&3; timeout 20 cat <&3' 2>/dev/null\n\
                 said alone page three.test 203.0.113.90\n\
                 said again page one.test\n"
            ),
        )
        .await?;
    // Before its name was asked for, its address is like any other.
    let first = told.tried("tcp")?;
    ensure!(first.len() == 1 && first[0].outcome == "refused", "{first:?}");
    for (what, expected) in [
        ("reached", "this is one.test"),
        ("neighbour", ""),
        ("another name", ""),
        ("bare", ""),
        ("below", ""),
        ("another port", ""),
        ("no TLS", ""),
        ("alone", ""),
        ("again", "this is one.test"),
    ] {
        assert_eq!(told.said(what).unwrap_or_default(), expected, "{what}: {told:?}");
    }
    let served = scene.world.served().all();
    ensure!(served.iter().all(|said| said.host == "one.test"), "{served:?}");
    assert_eq!(served.len(), 2, "{served:?}");
    let asked = scene.world.zone().asked();
    ensure!(asked.iter().all(|asked| asked.name == "one.test"), "{asked:?}");

    let record = scene.record().await?;
    let reached = flow(&record, "one.test", 443)?;
    ensure!(reached["address"] == SHARED.to_string(), "{reached}");
    ensure!(reached["sent_bytes"].as_u64() > Some(100), "{reached}");
    ensure!(reached["received_bytes"].as_u64() > Some(100), "{reached}");
    for (of, reason) in [
        ("two.test", "not_allowed"),
        ("deep.one.test", "not_allowed"),
        ("two.test", "other_server_name"),
    ] {
        let reasons = refusals(&record, of);
        ensure!(reasons.iter().any(|known| known == reason), "{of}: {reason} in {record}");
    }
    let all = refusals(&record, &SHARED.to_string());
    for reason in ["no_server_name", "not_the_protocol"] {
        ensure!(all.iter().any(|known| known == reason), "{reason} in {record}");
    }
    scene.ends(&[(SHARED.into(), 443)]).await
}

/// The plain protocols by what they say, TCP and UDP by the address alone.
async fn what_a_rule_says_of_protocols_holds(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    scene.world.zone().say("mail.test", [Data::Address(ALONE.into())]);
    let told = scene
        .told(
            "allow=plain.test:80,mail.test:25/tcp,game.test:9999/udp",
            &format!(
                "said plain plain plain.test\n\
                 said 'another host' busybox wget -q -O - --header 'Host: one.test' http://plain.test/\n\
                 getent hosts mail.test game.test >/dev/null\n\
                 said talk bash -c 'exec 3<>/dev/tcp/203.0.113.90/25; timeout 20 head -n 1 <&3'\n\
                 {PROBE} udp 203.0.113.91:9999 203.0.113.91:443\n\
                 {PROBE} tcp 203.0.113.90:80\n"
            ),
        )
        .await?;
    assert_eq!(told.said("plain")?, "this is plain.test");
    assert_eq!(told.said("another host").unwrap_or_default(), "");
    ensure!(told.said("talk")?.contains("speaks first"), "{told:?}");
    let udp = told.tried("udp")?;
    let arrived = scene.world.arrivals().all();
    let outcomes = (&*udp[0].outcome, &*udp[1].outcome);
    assert_eq!(outcomes, ("open", "prohibited"), "{udp:?}, arrived: {arrived:?}");
    assert_eq!(told.tried("tcp")?[0].outcome, "refused");
    assert_eq!(scene.world.served().to("one.test"), 0);
    let record = scene.record().await?;
    for (name, port) in [("plain.test", 80), ("mail.test", 25), ("game.test", 9999)] {
        flow(&record, name, port)?;
    }
    scene.ends(&[(SHARED.into(), 80), (ALONE.into(), 25), (GAMES.into(), 9999)]).await
}

async fn names_that_stand_for_what_is_never_reached_are_not_answered(
    stage: &Stage,
) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let names = ["private.test", "metadata.test", "loopback.test"];
    let script = "for name in private metadata loopback; do\n\
                  said $name.test getent ahosts $name.test; done\n\
                  said hints page alias.test\n";
    let told = scene.told("allow=*.test:443", script).await?;
    for name in names {
        assert_eq!(told.said(name).unwrap_or_default(), "", "{told:?}");
    }
    let record = scene.record().await?;
    for name in names {
        let reasons = refusals(&record, name);
        ensure!(reasons.iter().any(|reason| reason == "private_answer"), "{name} in {record}");
    }
    scene.ends(&[(SHARED.into(), 443)]).await
}

/// Nobody between the two reads what they say.
async fn the_certificate_is_the_servers_own(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let certificate = scene.world.certificate("one.test")?;
    let script = format!(
        "cat > /tmp/one.pem <<'END'\n{certificate}END\n\
         openssl s_client -connect one.test:443 -servername one.test -CAfile /tmp/one.pem \
             -verify_return_error -verify_hostname one.test </dev/null 2>/dev/null | \
             grep -m 1 'Verify return code' | sed 's/^ */verified: /'\n"
    );
    let told = scene.told("allow=one.test", &script).await?;
    assert_eq!(told.said("verified")?, "Verify return code: 0 (ok)");
    scene.ends(&[(SHARED.into(), 443)]).await
}
