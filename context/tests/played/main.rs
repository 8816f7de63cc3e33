//! Ignore files, directories and tars by the thousand: `seeded` mutates honest ones, `corpus` replays
//! what the fuzz targets of `fuzz` start from and what they found. What has to hold is in `play`.
//! `KILN_FULL=1` asks for the large counts.

#![cfg(test)]

mod corpus;
mod honest;
mod play;
mod seeded;
