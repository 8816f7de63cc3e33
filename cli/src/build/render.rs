//! How a build's progress is shown: all of it on stderr, so that stdout is the result's.

mod bytes;
mod plain;
mod raw;
mod terminal;

use std::io::{self, IsTerminal};

use tokio::time::{Duration, Instant};

pub(crate) use self::plain::Plain;
use self::{raw::Raw, terminal::Terminal};
use crate::{args::ProgressMode, record::BuildEvent};

#[derive(Debug)]
pub(super) enum Renderer {
    Plain(Plain),
    Terminal(Box<Terminal>),
    Raw(Raw),
    Quiet,
}

impl Renderer {
    pub(super) fn new(mode: ProgressMode, is_quiet: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        match mode {
            _ if is_quiet => Self::Quiet,
            ProgressMode::Quiet => Self::Quiet,
            ProgressMode::Rawjson => Self::Raw(Raw::default()),
            ProgressMode::Auto if io::stderr().is_terminal() && !is_dumb => {
                Self::Terminal(Box::new(Terminal::new(Instant::now())))
            }
            ProgressMode::Tty => Self::Terminal(Box::new(Terminal::new(Instant::now()))),
            ProgressMode::Auto | ProgressMode::Plain => Self::Plain(Plain::default()),
        }
    }

    /// Draws on its own, so that nobody else may.
    pub(super) fn owns_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// What is to be written for it.
    pub(super) fn event(&mut self, event: &BuildEvent, now: Instant) -> Vec<u8> {
        match self {
            Self::Plain(plain) => plain.event(event, now),
            Self::Terminal(terminal) => {
                terminal.event(event, now);
                Vec::new()
            }
            Self::Raw(raw) => raw.event(event),
            Self::Quiet => Vec::new(),
        }
    }

    /// What happens beside the steps.
    pub(super) fn doing(&mut self, doing: Option<&'static str>) {
        if let Self::Terminal(terminal) = self {
            terminal.doing(doing);
        }
    }

    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Terminal(_) => Duration::from_millis(100),
            Self::Plain(_) | Self::Raw(_) | Self::Quiet => Duration::from_secs(1),
        }
    }

    /// After each pause.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<u8> {
        match self {
            Self::Plain(plain) => plain.turn(),
            Self::Terminal(terminal) => terminal.draw(now),
            Self::Raw(_) | Self::Quiet => Vec::new(),
        }
    }

    /// No more will come.
    pub(super) fn finish(&mut self, is_error: bool, now: Instant) -> Vec<u8> {
        match self {
            Self::Plain(plain) => plain.finish(),
            Self::Terminal(terminal) => terminal.finish(is_error, now),
            Self::Raw(_) | Self::Quiet => Vec::new(),
        }
    }
}
