//! Standard output, written to by a thread of its own: while whoever listens is slow, only what is told
//! of the build waits, and the engine is answered as ever.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    thread,
};

use tokio::sync::mpsc;

use crate::Report;

/// Reports that wait to be written.
const WAITING: usize = 16;

#[derive(Debug, thiserror::Error)]
#[error("nobody listens any more")]
pub(crate) struct Deaf;

pub(crate) struct Out {
    to: mpsc::Sender<Report>,
    thread: thread::JoinHandle<io::Result<()>>,
}

/// For those that tell of a build under way.
#[derive(Clone)]
pub(crate) struct Teller(mpsc::Sender<Report>);

impl Out {
    pub(crate) fn begin() -> io::Result<Self> {
        let (to, mut reports) = mpsc::channel::<Report>(WAITING);
        // Past the buffer of `Stdout`, which would cut reports at bytes that look like ends of lines.
        let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let write = move || {
            let (mut several, mut bytes) = (Vec::with_capacity(WAITING), Vec::new());
            while reports.blocking_recv_many(&mut several, WAITING) != 0 {
                for report in several.drain(..) {
                    report.write(&mut bytes)?;
                }
                out.write_all(&bytes)?;
                bytes.clear();
            }
            Ok(())
        };
        let thread = thread::Builder::new().name("reports".into()).spawn(write)?;
        Ok(Self { to, thread })
    }

    pub(crate) fn teller(&self) -> Teller {
        Teller(self.to.clone())
    }

    /// The last one. When this returns, all are written, or nobody listens.
    pub(crate) fn end(self, report: Report) -> Result<(), Deaf> {
        let Self { to, thread } = self;
        to.blocking_send(report).map_err(|_| Deaf)?;
        drop(to);
        match thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Deaf),
        }
    }
}

impl Teller {
    #[cfg(test)]
    pub(crate) fn new(to: mpsc::Sender<Report>) -> Self {
        Self(to)
    }

    pub(crate) async fn tell(&self, report: Report) -> Result<(), Deaf> {
        self.0.send(report).await.map_err(|_| Deaf)
    }
}
