//! A guest whose agent is the attacker's, against the host's own client: whatever it sends, the
//! conversation ends in a transcript or in a typed error, within its time and within 16 MiB.
//!
//! By hand: the agent's protocol (`events`), a guest that is come back to (`resumed`), HTTP/2 below it (`transport`), time (`slow`), the
//! bridge (`bridge`), what stands in its place (`hijack`), floods (`flood`), and floods that go all the way into a
//! log (`logged`), and a build that is told of in lies (`told`). By the thousand: `seeded` mutates recordings of an honest
//! agent; `corpus` replays what the fuzz target of `fuzz/` knows. `KILN_FULL=1` asks for the large
//! counts.

mod agent;
mod bridge;
mod corpus;
mod events;
mod flood;
mod frame;
mod hijack;
mod judge;
mod logged;
mod memory;
mod mutate;
mod play;
mod random;
mod recording;
mod resumed;
mod seeded;
mod slow;
mod told;
mod transport;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Whether the large counts are asked for.
fn full() -> bool {
    std::env::var_os("KILN_FULL").is_some_and(|value| value == "1")
}
