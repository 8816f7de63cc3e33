//! Signals to this process: each is a wish to cancel the job.

mod ignored;

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::ignored::Ignored;

#[derive(Debug)]
pub(super) struct Signals {
    arrivals: mpsc::UnboundedReceiver<()>,
}

impl Signals {
    /// Catches what is not ignored: `nohup` and a shell's background jobs mean it when they ignore
    /// a signal, and catching it would undo that.
    pub(super) fn catch() -> io::Result<Self> {
        let ignored = Ignored::of_this_process();
        let (sender, arrivals) = mpsc::unbounded_channel();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::quit(),
            SignalKind::hangup(),
        ] {
            if ignored.contains(kind.as_raw_value()) {
                continue;
            }
            let mut signal = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() && sender.send(()).is_ok() {}
            });
        }
        Ok(Self { arrivals })
    }

    /// # Cancel safety
    /// Safe: a signal is taken only when this returns.
    pub(super) async fn next(&mut self) {
        if self.arrivals.recv().await.is_none() {
            // Every signal is ignored: none will ever come.
            std::future::pending::<()>().await;
        }
    }

    /// Resolves at the second signal, with those in `count`.
    ///
    /// # Cancel safety
    /// Safe: what was counted stays in `count`.
    pub(super) async fn impatience(&mut self, count: &mut u32) {
        while *count < 2 {
            self.next().await;
            *count += 1;
        }
    }
}
