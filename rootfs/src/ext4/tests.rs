//! Every file system that is written here must satisfy `e2fsck`, and be read as what it was made from.

mod directories;
mod image;
mod kernel;
mod kinds;
mod limits;
mod plot;
mod random;
mod second_reader;
mod size;
mod target;
mod yardstick;
