//! Images that hold what images hold: what comes of each is what its layers say.

mod contents;
mod debian;
mod stacks;
