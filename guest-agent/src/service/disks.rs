//! The streams of what goes to and from disks.

use std::time::Duration;

use kiln_proto::agent::v1::{
    DiskDone, DiskProgress, DiskRefused, DiskResponse, disk_response::Event,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Service;
use crate::transfer::{Following, InvalidOrder, NotBegun, Order};

/// How often the host hears of work that goes on; it is promised a word in five seconds.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

pub(super) type DiskStream = ReceiverStream<Result<DiskResponse, Status>>;

impl Service {
    /// Answers at once; all else goes through the stream. The work goes on without it.
    pub(super) fn transfer<T>(&self, request: T) -> Result<DiskStream, Status>
    where
        Order: TryFrom<T, Error = InvalidOrder>,
    {
        if self.power.is_going_off() {
            return Err(Status::unavailable("the guest is shutting down"));
        }
        let order = Order::try_from(request)
            .map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
        let following = self.transfers.follow(order).map_err(|not_begun| match not_begun {
            NotBegun::Different(_) => Status::invalid_argument(not_begun.to_string()),
            NotBegun::TooMany => Status::resource_exhausted(not_begun.to_string()),
        })?;
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(tell(following, answers));
        Ok(ReceiverStream::new(stream))
    }
}

async fn tell(mut following: Following, answers: mpsc::Sender<Result<DiskResponse, Status>>) {
    loop {
        let ended = timeout(PROGRESS_INTERVAL, following.end()).await;
        let event = match &ended {
            Err(_elapsed) => Event::Progress(DiskProgress { bytes: following.bytes() }),
            Ok(Ok(length_bytes)) => Event::Done(DiskDone { length_bytes: *length_bytes }),
            Ok(Err(refused)) => Event::Refused(DiskRefused::from(refused.clone())),
        };
        let told = answers.send(Ok(DiskResponse { event: Some(event) })).await;
        if ended.is_ok() || told.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::{
            Arc, Mutex,
            mpsc::{Receiver, channel},
        },
    };

    use kiln_proto::agent::v1::PackRequest;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        disks::{Disks, NoDisk},
        transfer::Transfers,
    };

    /// Finds nothing, as late as it is told to.
    struct Slow(Mutex<Receiver<()>>);

    impl Disks for Slow {
        fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
            let _ = self.0.lock().unwrap().recv();
            Err(NoDisk::Missing { serial: serial.to_owned(), found: Vec::new() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_long_is_told_of_in_time() {
        let (go_on, told) = channel();
        let transfers = Transfers::new(Arc::new(Slow(Mutex::new(told))));
        let request = PackRequest { disk: "slow".into(), format: 1, path: "/".into() };
        let following = transfers.follow(Order::try_from(request).unwrap()).unwrap();
        let (answers, mut stream) = mpsc::channel(1);
        let mut last = Instant::now();
        tokio::spawn(tell(following, answers));
        for _ in 0..5 {
            let answer = stream.recv().await.unwrap().unwrap();
            assert!(matches!(answer.event, Some(Event::Progress(DiskProgress { bytes: 0 }))));
            assert!(last.elapsed() <= Duration::from_secs(5));
            last = Instant::now();
        }
        go_on.send(()).unwrap();
        loop {
            match stream.recv().await.unwrap().unwrap().event {
                Some(Event::Progress(_)) => {}
                Some(Event::Refused(refused)) => {
                    assert!(refused.message.contains("slow"), "{refused:?}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(stream.recv().await.is_none(), "that was the end");
    }
}
