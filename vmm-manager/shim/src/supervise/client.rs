//! One connection: bounded both ways, whoever is at its other end.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::io::{Errno, read, write};
use serde::Serialize;

use super::machine::Machine;
use crate::{Answer, Ask, Body, Greeting, Hello, MAJOR, MAX_REQUEST_BYTES, MINOR, Request, line};

/// Questions that wait for the machine's end, on one connection.
const MAX_WAITS: usize = 8;

#[derive(Debug)]
pub(super) struct Client {
    stream: OwnedFd,
    since: Instant,
    greeted: bool,
    inbox: Vec<u8>,
    /// What it has not yet taken. Nothing more is heard from it until it has: so this is one
    /// answer, and those to its waits.
    outbox: Vec<u8>,
    waits: Vec<u64>,
    /// Ended by us as soon as it has taken what we said.
    last_words: bool,
}

/// What a client wants of the process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    /// That it exits, now that the machine has ended.
    Done,
}

/// The connection is of no use any more.
#[derive(Debug)]
pub(super) struct Gone;

impl Client {
    pub(super) fn new(stream: OwnedFd) -> Self {
        Self {
            stream,
            since: Instant::now(),
            greeted: false,
            inbox: Vec::new(),
            outbox: Vec::new(),
            waits: Vec::new(),
            last_words: false,
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Since when it has not said who it is.
    pub(super) fn stranger_since(&self) -> Option<Instant> {
        (!self.greeted).then_some(self.since)
    }

    pub(super) fn has_words(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Hears what is there and answers it.
    pub(super) fn hear(&mut self, machine: &mut Machine) -> Result<Wish, Gone> {
        let mut buffer = [0; 1024];
        match read(&self.stream, &mut buffer) {
            Ok(0) => return Err(Gone),
            Ok(length) => self.inbox.extend_from_slice(&buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Wish::None),
            Err(_) => return Err(Gone),
        }
        self.answer(machine)
    }

    /// Answers what was heard, one question at a time.
    fn answer(&mut self, machine: &mut Machine) -> Result<Wish, Gone> {
        let mut wish = Wish::None;
        while self.outbox.is_empty() && !self.last_words {
            let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') else {
                if self.inbox.len() > MAX_REQUEST_BYTES {
                    return Err(Gone);
                }
                break;
            };
            let said: Vec<u8> = self.inbox.drain(..=end).collect();
            if self.greeted {
                let request: Request = serde_json::from_slice(&said).map_err(|_| Gone)?;
                wish = self.ask(&request, machine)?;
            } else {
                let hello: Hello = serde_json::from_slice(&said).map_err(|_| Gone)?;
                self.greet(&hello, machine);
            }
            self.speak()?;
        }
        Ok(wish)
    }

    fn greet(&mut self, hello: &Hello, machine: &Machine) {
        let record = &machine.record;
        let body = if hello.major != MAJOR {
            Body::Version { major: MAJOR, minor: MINOR }
        } else if hello.instance == record.instance {
            self.greeted = true;
            Body::Greeting(Greeting {
                major: MAJOR,
                minor: MINOR,
                instance: record.instance.clone(),
                name: record.name.clone(),
                process: record.process,
            })
        } else {
            Body::Refused { reason: "the machine is of another home".to_owned() }
        };
        self.last_words = !self.greeted;
        self.say(&Answer { id: 0, body });
    }

    fn ask(&mut self, request: &Request, machine: &mut Machine) -> Result<Wish, Gone> {
        let id = request.id;
        let refused = |reason: &str| Body::Refused { reason: reason.to_owned() };
        let body = match Ask::parse(&request.ask) {
            Some(Ask::Status) => Body::Status(machine.status()),
            Some(Ask::Serial) => Body::Serial(machine.serial()),
            Some(ask @ (Ask::Wait | Ask::Kill)) => {
                if ask == Ask::Kill {
                    machine.kill();
                }
                match machine.ended() {
                    Some(record) => Body::Ended(record.clone()),
                    None if self.waits.len() < MAX_WAITS => {
                        self.waits.push(id);
                        return Ok(Wish::None);
                    }
                    None => return Err(Gone),
                }
            }
            Some(Ask::Stopping) => {
                machine.mark_stopping();
                Body::Noted
            }
            Some(Ask::Done) if machine.ended().is_some() => {
                self.say(&Answer { id, body: Body::Noted });
                return Ok(Wish::Done);
            }
            Some(Ask::Done) => refused("the machine runs"),
            None => refused("it is not known what that asks"),
        };
        self.say(&Answer { id, body });
        Ok(Wish::None)
    }

    /// Answers those who waited for the machine's end.
    pub(super) fn tell_end(&mut self, machine: &Machine) {
        if let Some(record) = machine.ended() {
            for id in std::mem::take(&mut self.waits) {
                self.say(&Answer { id, body: Body::Ended(record.clone()) });
            }
        }
    }

    fn say<T: Serialize>(&mut self, message: &T) {
        self.outbox.extend_from_slice(&line(message));
    }

    /// Writes what the client has room for, and goes on with what it said meanwhile.
    pub(super) fn write(&mut self, machine: &mut Machine) -> Result<Wish, Gone> {
        self.speak()?;
        self.answer(machine)
    }

    fn speak(&mut self) -> Result<(), Gone> {
        while !self.outbox.is_empty() {
            match write(&self.stream, &self.outbox) {
                Ok(length) => drop(self.outbox.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return Err(Gone),
            }
        }
        // Answers can be large and are rare.
        self.outbox.shrink_to(4096);
        if self.last_words { Err(Gone) } else { Ok(()) }
    }
}
