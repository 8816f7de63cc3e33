//! Signals to this process: wishes to end, and what is for the command alone.

mod ignored;

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::ignored::Ignored;

/// Whoever sends one wants an end.
const WISHES: [SignalKind; 4] =
    [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit(), SignalKind::hangup()];
/// What docker passes on as well, and what does not mean that anything should end.
const FORWARDED: [SignalKind; 2] = [SignalKind::user_defined1(), SignalKind::user_defined2()];

#[derive(Debug)]
pub(crate) struct Signals {
    arrivals: mpsc::UnboundedReceiver<i32>,
}

impl Signals {
    /// Wishes to end.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { arrivals: arrivals(&WISHES)? })
    }

    /// Those that are the command's alone, by number.
    pub(crate) fn forwarded() -> io::Result<mpsc::UnboundedReceiver<i32>> {
        arrivals(&FORWARDED)
    }

    /// All that a command may want to hear of.
    pub(crate) fn numbered() -> io::Result<Self> {
        Ok(Self { arrivals: arrivals(&[&WISHES[..], &FORWARDED].concat())? })
    }

    pub(crate) fn is_wish_to_end(number: i32) -> bool {
        WISHES.iter().any(|kind| kind.as_raw_value() == number)
    }

    /// # Cancel safety
    /// Safe: a signal is taken only when this returns.
    pub(crate) async fn next(&mut self) {
        self.next_number().await;
    }

    /// # Cancel safety
    /// Safe: a signal is taken only when this returns.
    pub(crate) async fn next_number(&mut self) -> i32 {
        match self.arrivals.recv().await {
            Some(number) => number,
            // Every signal is ignored: none will ever come.
            None => std::future::pending().await,
        }
    }

    /// Resolves at the second signal, with those in `count`.
    ///
    /// # Cancel safety
    /// Safe: what was counted stays in `count`.
    pub(crate) async fn impatience(&mut self, count: &mut u32) {
        while *count < 2 {
            self.next().await;
            *count += 1;
        }
    }
}

/// Catches what is not ignored: `nohup` and a shell's background jobs mean it when they ignore a
/// signal, and catching it would undo that.
fn arrivals(kinds: &[SignalKind]) -> io::Result<mpsc::UnboundedReceiver<i32>> {
    let ignored = Ignored::of_this_process();
    let (sender, arrivals) = mpsc::unbounded_channel();
    for &kind in kinds {
        let number = kind.as_raw_value();
        if ignored.contains(number) {
            continue;
        }
        let mut signal = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() && sender.send(number).is_ok() {}
        });
    }
    Ok(arrivals)
}
