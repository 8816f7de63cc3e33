//! What a build costs beyond docker's own: `kiln build` ÷ `docker-buildx build` by hand in a guest of
//! the same image, once the agent is up, and from the request to the result ÷ (a bare boot and the
//! same by hand). In pairs, one after the other, so that whatever else the machine does weighs on both.

mod hand;
mod own;

use std::time::Duration;

use kiln_tests::{Bare, Bench, Estimate, bench, median_seconds};

const GOAL: f64 = 1.10;
/// What the job's VM has: what is asked for and the reserve.
const MEMORY_BYTES: u64 = (1536 + 192) << 20;

/// No network and no registry: the only program is the guest's own.
const DOCKERFILE: &str = r#"FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM base AS work
RUN for i in $(seq 50); do echo line $i; done >/lines
FROM base
COPY --from=work /lines /
RUN wc -l /lines >/count
CMD ["cat", "/count"]
"#;

fn main() -> anyhow::Result<()> {
    bench("build", GOAL, |bench| Box::pin(build(bench)))
}

async fn build(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let accelerator = bench.stage.accelerator().await?;
    let settings = bench.stage.settings();
    let host = bench.stage.host().start().await?;
    let bare = Bare::new(
        &settings.guest_image,
        &settings.vhost_device_vsock,
        accelerator,
        MEMORY_BYTES,
        bench.stage.directory().join("bare"),
    )?;
    let context = own::context(bench, &host).await?;
    let pairs = bench.rounds(5);
    // One of each that does not count: it fills the page cache.
    own::build(&host, &context).await?;
    hand::build(&bare).await?;
    let (mut once_up, mut whole) = (Vec::new(), Vec::new());
    let (mut builds, mut hands): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (own, hand) = if pair % 2 == 0 {
            let own = own::build(&host, &context).await?;
            (own, hand::build(&bare).await?)
        } else {
            let hand = hand::build(&bare).await?;
            (own::build(&host, &context).await?, hand)
        };
        once_up.push(own.once_up.as_secs_f64() / hand.build.as_secs_f64());
        whole.push(own.whole.as_secs_f64() / (hand.boot + hand.build).as_secs_f64());
        builds.push(own.once_up);
        hands.push(hand.build);
    }
    host.stop().await?;
    bench.say(&format!(
        "{pairs} pairs under {}; medians: kiln build once the agent is up {:.1} s, by hand {:.1} s",
        accelerator.name(),
        median_seconds(&builds),
        median_seconds(&hands),
    ));
    Ok(vec![("build", Estimate::of(&once_up)), ("build-whole", Estimate::of(&whole))])
}
