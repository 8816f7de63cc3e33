//! Images on their way in and out: tars, names, and registries outside, over real sockets and with
//! other people's programs.

#![cfg(test)]

mod built;
mod carried;
mod hostile;
mod named;
mod program;
mod pushed;
mod stage;
mod tars;
