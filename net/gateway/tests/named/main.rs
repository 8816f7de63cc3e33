//! What a guest says first, and whom it names by it, by the thousand: `seeded` mutates what honest
//! guests say, `corpus` replays what the fuzz targets `client_hello` and `http_head` of `net/fuzz`
//! start from and what they found. What has to hold is in `play`. `KILN_FULL=1` asks for the large
//! counts.

#![cfg(test)]

mod corpus;
mod honest;
mod lenient;
mod play;
#[path = "../played/random.rs"]
mod random;
mod seeded;
