//! Archives byte by byte, right or wrong: what tests of readers read.

mod dice;
mod forge;

pub use self::{
    dice::Dice,
    forge::{Forge, TIME, header, record, sign},
};
