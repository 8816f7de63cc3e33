//! A program beside the commands: it has no host that listens, and runs until it is dropped.

use std::sync::Arc;

use super::{
    agent,
    born::Born,
    end,
    pipe::Pipe,
    program::{Program, became_program},
    refusal::Refusal,
};
use crate::{
    group::OwnedGroup,
    process::Ends,
    reaper::{Exit, ExitStatus},
};

/// Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    _group: OwnedGroup,
    exit: Exit,
}

/// What it says, on both of its streams.
#[derive(Debug)]
pub(crate) struct Words([Arc<Pipe>; 2]);

impl Daemon {
    /// Returns when it is its program.
    pub(super) async fn new(born: Born) -> Result<(Self, Words), Refusal> {
        let Born { group, child: _, exit, report, ends, at: _, subject } = born;
        let report = tokio::net::unix::pipe::Receiver::from_owned_fd(report);
        match became_program(report.map_err(agent("watch a process"))?).await {
            Program::Running => {}
            Program::Missing(failure) => return Err(Refusal::from_failure(failure, &subject)),
        }
        let words = match ends {
            Ends::Pipes { stdin: _, stdout, stderr } => [stdout, stderr],
            Ends::Terminal { master, slave } => [master, slave],
        };
        let [stdout, stderr] = words.map(Pipe::reader);
        let reader =
            |pipe: std::io::Result<Pipe>| pipe.map(Arc::new).map_err(agent("watch a pipe"));
        Ok((Self { _group: group, exit }, Words([reader(stdout)?, reader(stderr)?])))
    }

    /// Resolves when its main process has ended; once.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        end::status((&mut self.exit).await)
    }
}

impl Words {
    /// Hands everything on until both streams have ended.
    pub(crate) async fn listen(self, mut hear: impl FnMut(&[u8])) {
        let Self([stdout, stderr]) = self;
        let (mut near, mut far) = (vec![0; 4096], vec![0; 4096]);
        let (mut out, mut err) = (true, true);
        while out || err {
            tokio::select! {
                read = stdout.read(&mut near), if out => match read {
                    Ok(length) if length > 0 => hear(&near[..length]),
                    _ => out = false,
                },
                read = stderr.read(&mut far), if err => match read {
                    Ok(length) if length > 0 => hear(&far[..length]),
                    _ => err = false,
                },
            }
        }
    }
}
