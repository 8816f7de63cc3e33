//! Things as people read them. What comes from elsewhere is made harmless first: a job's command,
//! or a message with a guest's words in it, must not steer the terminal.

mod command;
mod duration;
mod size;
mod text;

pub(crate) use self::{
    command::command_line,
    duration::{age, duration, seconds},
    size::size,
    text::{fit, printable},
};
