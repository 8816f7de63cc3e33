//! Images that builds made: brought in from the disks that their guests wrote, kept without a name,
//! named, pushed, handed out as tars, and forgotten.

mod given;
mod handed;
mod hostile;
mod kept;
mod named;
mod seeded;
