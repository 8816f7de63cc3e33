//! How the daemon is told to stop.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How urgently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Wait for running jobs as long as the limit allows.
    Drain,
    /// Wait for nothing; what runs is left for the next kilnd.
    Leave,
    /// End what runs, and give everything back.
    End,
}

/// Told once or more; it only ever becomes more urgent.
#[derive(Clone, Debug)]
pub struct Shutdown {
    stop: watch::Receiver<Option<Stop>>,
}

impl Shutdown {
    /// SIGTERM drains, a second one leaves at once, SIGINT ends. Must be called within a runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, shutdown) = Self::channel();
        tokio::spawn(async move {
            loop {
                let told = tokio::select! {
                    Some(()) = terminate.recv() => match *sender.borrow() {
                        None => Stop::Drain,
                        Some(_) => Stop::Leave,
                    },
                    Some(()) = interrupt.recv() => Stop::End,
                    else => return,
                };
                tell(&sender, told);
            }
        });
        Ok(shutdown)
    }

    /// For who stops the daemon from within the process.
    pub fn channel() -> (watch::Sender<Option<Stop>>, Self) {
        let (sender, stop) = watch::channel(None);
        (sender, Self { stop })
    }

    /// Resolves when the daemon is to stop at least so urgently; never if it never is.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    pub async fn at_least(&self, least: Stop) -> Stop {
        let mut stop = self.stop.clone();
        let told = stop.wait_for(|stop| *stop >= Some(least)).await.map(|stop| *stop);
        match told {
            Ok(Some(stop)) => stop,
            // Nobody is left to tell us.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

fn tell(sender: &watch::Sender<Option<Stop>>, told: Stop) {
    sender.send_if_modified(|stop| {
        let more = *stop < Some(told);
        if more {
            *stop = Some(told);
        }
        more
    });
}

#[cfg(test)]
mod tests {
    use super::{Shutdown, Stop, tell};

    #[tokio::test]
    async fn a_stop_only_becomes_more_urgent() {
        let (sender, shutdown) = Shutdown::channel();
        tell(&sender, Stop::Leave);
        tell(&sender, Stop::Drain);
        assert_eq!(shutdown.at_least(Stop::Drain).await, Stop::Leave);
        tell(&sender, Stop::End);
        assert_eq!(shutdown.at_least(Stop::End).await, Stop::End);
    }
}
