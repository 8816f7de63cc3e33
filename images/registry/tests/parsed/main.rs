//! What clients and registries outside say, read by the thousand: `seeded` mutates what honest ones
//! say, `corpus` replays what the fuzz targets `range`, `headers` and `reference` of `fuzz` start from
//! and what they found. What has to hold is in `play`. `KILN_FULL=1` asks for the large counts.

#![cfg(test)]

mod corpus;
mod honest;
mod play;
mod seeded;
