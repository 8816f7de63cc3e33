//! Whatever comes: no panic, whole frames within their bounds, and no secret.

use kiln_proto::agent::{MAX_BUILD_STEPS, v1::build_event::Event};

use super::{Random, events, failed};

const CASES: u64 = 20_000;
const SECRET: &str = "s3cr3t!";
const SEEDS: [&str; 6] = [
    "{\n  \"vertexes\": [\n    {\n      \"digest\": \"sha256:d9ad\",\n      \"inputs\": [\"sha256:d9ad\", \"b\"],\n      \
     \"name\": \"[1/2] RUN s3cr3t!\",\n      \"started\": \"2026-11-21T23:09:03.083457031Z\",\n      \
     \"completed\": \"2026-11-21T23:09:03.1Z\",\n      \"cached\": true\n    }\n  ]\n}\n",
    "{\n \"statuses\": [{\"id\": \"transferring s3cr3t!\", \"vertex\": \"b\", \"current\": 29, \"total\": -1,\n \
     \"timestamp\": \"2026-11-21T23:09:03Z\", \"started\": \"2026-11-21T23:09:03Z\"}]\n}\n",
    "{\"logs\":[{\"vertex\":\"b\",\"stream\":1,\"data\":\"c20zY3IzdCEgczNjcjN0IQ==\",\"timestamp\":\"\"}]}\n",
    "{\"logs\":[{\"vertex\":\"c\",\"stream\":2,\"data\":\"czNjcjN0IQ==\"},{\"vertex\":\"c\",\"data\":\"czM=\"}]}\n",
    "{\"warnings\":[{\"vertex\":\"c\",\"short\":\"czNjcjN0IQ==\",\"detail\":[\"YQ==\"],\"range\":[{}]}]}\n",
    "Dockerfile:2\n--------------------\n   1 |     FROM x\n   2 | >>> RUN s3cr3t!\n\
     --------------------\nERROR: failed to solve: \"s3cr3t!\"\n",
];

#[test]
fn whatever_the_client_says() {
    for seed in 0..CASES {
        check(seed);
    }
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let mut said = Vec::new();
    for _ in 0..=random.below(8) {
        said.extend_from_slice(SEEDS[random.below(SEEDS.len())].as_bytes());
    }
    for _ in 0..random.below(12) {
        mutate(&mut said, &mut random);
    }
    let size = 1 + random.below(300);
    let all = events(&said, size, &[SECRET], failed());
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

fn mutate(said: &mut Vec<u8>, random: &mut Random) {
    let place = random.below(said.len());
    match random.below(6) {
        0 if !said.is_empty() => said[place] ^= 1 << random.below(8),
        1 => said.truncate(place),
        2 => said.insert(place, b"{}[]\"\\,:\n\0\xff"[random.below(11)]),
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
