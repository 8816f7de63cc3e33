//! A guest and a resolver of the host's that both are the attacker's, by the thousand: `seeded`
//! mutates what honest ones say, `corpus` replays what the fuzz target `dns` of `net/fuzz` starts
//! from and what it found. What has to hold is in `play`. `KILN_FULL=1` asks for the large counts.

#![cfg(test)]

mod corpus;
mod honest;
mod play;
mod random;
mod seeded;
