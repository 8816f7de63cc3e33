//! Whatever comes: no panic, whole frames within their bounds, and no secret.

use kiln_buildkit::{
    Failure, Place, Report, SourceInfo, StatusResponse, Timestamp, Vertex, VertexLog, VertexStatus,
    VertexWarning,
};
use kiln_proto::agent::{MAX_BUILD_STEPS, v1::build_event::Event};

use super::{End, Random, events, said, success};

const CASES: u64 = 20_000;
const SECRET: &str = "s3cr3t!";

#[test]
fn whatever_the_client_says() {
    for seed in 0..CASES {
        check(seed);
    }
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let reports: Vec<Report> = (0..=random.below(8)).map(|_| report(&mut random)).collect();
    let mut said = said(reports);
    // Half of them are what a client may say, whatever that is; the rest is none at all.
    if random.below(2) == 0 {
        for _ in 0..random.below(12) {
            mutate(&mut said, &mut random);
        }
    }
    let size = 1 + random.below(300);
    let end = || End { code: [None, Some(0), Some(1)][(seed % 3) as usize], ..End::default() };
    let all = events(&said, size, &[SECRET], end());
    assert_eq!(all, events(&said, usize::MAX, &[SECRET], end()), "seed {seed}");
    let last = all.len() - 1;
    for (place, event) in all.iter().enumerate() {
        let step = match event {
            Event::Step(step) => step.number,
            Event::Log(log) => log.step,
            Event::Progress(progress) => progress.step,
            Event::Summary(_) | Event::Warning(_) => 1,
            Event::Error(_) | Event::Done(_) => {
                assert_eq!(place, last, "seed {seed}");
                1
            }
        };
        assert!((1..=MAX_BUILD_STEPS).contains(&(step as usize)), "seed {seed}");
    }
    assert!(!format!("{all:?}").contains(SECRET), "seed {seed}");
}

fn report(random: &mut Random) -> Report {
    match random.below(8) {
        0 => success(&text(random)),
        1 => Report::Failed(Failure {
            message: text(random),
            vertex: digest(random),
            place: Some(Place {
                file: text(random),
                first_line: 9,
                last_line: 8,
                excerpt: text(random),
            }),
        }),
        _ => Report::Progress(StatusResponse {
            vertexes: some(random, vertex),
            statuses: some(random, |random| VertexStatus {
                id: text(random),
                vertex: digest(random),
                current: -1,
                total: i64::MAX,
                timestamp: time(random),
                started: time(random),
                ..VertexStatus::default()
            }),
            logs: some(random, |random| VertexLog {
                vertex: digest(random),
                stream: [-1, 0, 1, 2, 3][random.below(5)],
                msg: text(random).into_bytes(),
                timestamp: time(random),
            }),
            warnings: some(random, |random| VertexWarning {
                vertex: digest(random),
                short: text(random).into_bytes(),
                detail: some(random, |random| text(random).into_bytes()),
                url: text(random),
                info: Some(SourceInfo { filename: text(random), ..SourceInfo::default() }),
                ..VertexWarning::default()
            }),
        }),
    }
}

fn some<T>(random: &mut Random, one: impl Fn(&mut Random) -> T) -> Vec<T> {
    (0..random.below(3)).map(|_| one(random)).collect()
}

fn vertex(random: &mut Random) -> Vertex {
    Vertex {
        digest: digest(random),
        inputs: some(random, digest),
        name: text(random),
        started: time(random),
        completed: time(random),
        cached: random.below(2) == 0,
        error: text(random),
        progress_group: None,
    }
}

fn digest(random: &mut Random) -> String {
    ["sha256:a", "sha256:b", "sha256:c0", "", "s3cr3t!", "sha256:s3cr3t!"][random.below(6)].into()
}

/// Secrets, and parts of them that the next text may go on with.
fn text(random: &mut Random) -> String {
    ["", "s3cr3t!", "RUN s3cr3t! é", "s3cr", "3t! s3c", "context canceled", "a\u{1b}[0m\n"]
        [random.below(7)]
    .into()
}

fn time(random: &mut Random) -> Option<Timestamp> {
    let seconds = [-62_135_596_800, 0, 1_795_302_543, i64::MAX][random.below(4)];
    (random.below(3) > 0)
        .then_some(Timestamp { seconds, nanos: [0, -1, i32::MAX][random.below(3)] })
}

fn mutate(said: &mut Vec<u8>, random: &mut Random) {
    let place = random.below(said.len());
    match random.below(6) {
        0 if !said.is_empty() => said[place] ^= 1 << random.below(8),
        1 => said.truncate(place),
        2 => said.insert(place, b"\x00\x01\x0a\x12\x1a\x7f\x80\xff"[random.below(8)]),
        3 if !said.is_empty() => drop(said.remove(place)),
        4 => {
            let part: Vec<u8> = said[place..].iter().take(random.below(60)).copied().collect();
            let to = random.below(said.len() + 1);
            said.splice(to..to, part);
        }
        _ => {
            let end = (place + random.below(40)).min(said.len());
            said.drain(place..end);
        }
    }
}
