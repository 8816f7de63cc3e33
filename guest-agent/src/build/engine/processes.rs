//! The engine's processes, while they run: its daemon and containerd.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use super::last_words::LastWords;
use crate::{
    exec::{Daemon, Words},
    reaper::ExitStatus,
};

const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// Who it is of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Daemon,
    /// containerd.
    Store,
}

/// The end of the first that has ended; the other was killed then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) who: Who,
    pub(super) status: ExitStatus,
}

/// Both are heard, and waited for, by tasks that live as long as they do.
pub(super) struct Processes {
    daemon: Arc<LastWords>,
    store: Arc<LastWords>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Processes {
    pub(super) fn watch(store: (Daemon, Words), daemon: (Daemon, Words)) -> Self {
        let ((mut store, store_said), (mut daemon, daemon_said)) = (store, daemon);
        let listen = |said: Words| {
            let words = Arc::new(LastWords::default());
            let heard = Arc::clone(&words);
            (words, tokio::spawn(said.listen(move |data| heard.hear(data))))
        };
        let (store_words, store_listening) = listen(store_said);
        let (daemon_words, daemon_listening) = listen(daemon_said);
        let (told, ended) = watch::channel(None);
        tokio::spawn(async move {
            let (who, status) = tokio::select! {
                status = store.ended() => (Who::Store, status),
                status = daemon.ended() => (Who::Daemon, status),
            };
            // Neither is of use without the other, and what they have started goes with them, before
            // anybody hears of it. The daemon first: it would only complain.
            drop(daemon);
            drop(store);
            let listening = match who {
                Who::Daemon => daemon_listening,
                Who::Store => store_listening,
            };
            // Its last words may still be in the pipe. Who cannot be killed may hold that open.
            let _ = timeout(LAST_WORDS_LIMIT, listening).await;
            told.send_replace(Some(Ended { who, status }));
        });
        Self { daemon: daemon_words, store: store_words, ended }
    }

    /// Behind a message; empty when it said nothing.
    pub(super) fn last_words(&self, who: Who) -> String {
        match who {
            Who::Daemon => self.daemon.tell(),
            Who::Store => self.store.tell(),
        }
    }

    pub(super) fn end(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// # Cancel safety
    /// Safe.
    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let told = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        match told {
            Some(ended) => ended,
            // The task that tells it ends with the agent.
            None => std::future::pending().await,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Daemon => "the engine",
            Self::Store => "the engine's containerd",
        })
    }
}
