//! Images in and out as tars.

use std::{
    io::{self, ErrorKind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use kiln_proto::v1::{self, import_image_request::Event};
use kiln_registry::{
    content::Chunks,
    operate::{Image, Images, OperateError},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Status, Streaming};

use super::{
    incoming::{self, Export},
    status,
};
use crate::api::{
    field::InvalidField,
    jobs::{Answers, answers},
};

/// Between two parts: whoever says nothing gives up its place.
const SILENCE: Duration = Duration::from_secs(60);
/// Between the client and the store.
const DEPTH: usize = 4;
/// Of an answer.
const PIECE: usize = 256 << 10;

/// All of what arrived is taken, or nothing: a client that goes away in the middle has sent no tar.
pub(super) async fn import(
    images: &Images,
    tenant: String,
    mut requests: Streaming<v1::ImportImageRequest>,
) -> Result<Vec<Image>, Status> {
    let target = incoming::import(next(&mut requests).await?)?;
    let (sender, receiver) = mpsc::channel(DEPTH);
    let images = images.clone();
    // A task of its own, so that it clears up after itself when the call is dropped.
    let importing = tokio::spawn(async move {
        let tar = Box::pin(Arriving { parts: receiver, is_over: false });
        images.import(&tenant, target.as_ref(), tar).await
    });
    let mut importing = pin!(importing);
    let finished = |imported: Result<Result<Vec<Image>, OperateError>, _>| match imported {
        Ok(imported) => imported.map_err(|error| status::operate(&error)),
        Err(_) => Err(Status::internal("the import ended without a word")),
    };
    let passed = tokio::select! {
        biased;
        // It needs no more, or can do with none of it.
        imported = &mut importing => return finished(imported),
        passed = pass(&mut requests, sender) => passed,
    };
    let imported = importing.await;
    passed?;
    finished(imported)
}

/// The end is sent as well: a sender that is dropped without it says that something is missing.
async fn pass(
    requests: &mut Streaming<v1::ImportImageRequest>,
    sender: mpsc::Sender<Option<Bytes>>,
) -> Result<(), Status> {
    while let Some(request) = next(requests).await? {
        let data = match request.event {
            Some(Event::Data(data)) => data,
            Some(Event::Start(_)) => {
                return Err(InvalidField::new("start", "comes first, and only first").into());
            }
            None => return Err(InvalidField::new("event", "is missing").into()),
        };
        if sender.send(Some(data)).await.is_err() {
            break;
        }
    }
    // Whoever does not take it has ended, and says why.
    let _ = sender.send(None).await;
    Ok(())
}

async fn next(
    requests: &mut Streaming<v1::ImportImageRequest>,
) -> Result<Option<v1::ImportImageRequest>, Status> {
    let silent = || Status::deadline_exceeded(format!("nothing came for {SILENCE:?}; begin anew"));
    timeout(SILENCE, requests.message()).await.map_err(|_| silent())?
}

/// A tar on its way.
struct Arriving {
    /// `None` is the end.
    parts: mpsc::Receiver<Option<Bytes>>,
    is_over: bool,
}

impl Stream for Arriving {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.parts.poll_recv(context).map(|part| {
            self.is_over = !matches!(part, Some(Some(_)));
            match part {
                Some(Some(bytes)) => Some(Ok(bytes)),
                Some(None) => None,
                None => Some(Err(ErrorKind::UnexpectedEof.into())),
            }
        })
    }
}

pub(super) async fn export(
    images: &Images,
    tenant: &str,
    export: Export,
) -> Result<Answers<v1::ExportImageResponse>, Status> {
    let Export { reference, platforms } = export;
    let tar = images.export(tenant, &reference, platforms.as_ref()).await;
    let tar = tar.map_err(|error| status::operate(&error))?;
    let (answers, stream) = answers();
    tokio::spawn(send(tar, reference.to_string(), answers));
    Ok(stream)
}

async fn send(
    mut tar: Chunks,
    name: String,
    answers: mpsc::Sender<Result<v1::ExportImageResponse, Status>>,
) {
    while let Some(chunk) = tar.next().await {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                let lost = Status::data_loss(format!("{name} cannot be read to its end: {error}"));
                let _ = answers.send(Err(lost)).await;
                return;
            }
        };
        while !chunk.is_empty() {
            let data = chunk.split_to(chunk.len().min(PIECE));
            if answers.send(Ok(v1::ExportImageResponse { data })).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn arrived(parts: Vec<Option<Bytes>>) -> Vec<io::Result<Bytes>> {
        let (sender, receiver) = mpsc::channel(parts.len() + 1);
        for part in parts {
            sender.send(part).await.unwrap();
        }
        drop(sender);
        Arriving { parts: receiver, is_over: false }.collect().await
    }

    #[tokio::test]
    async fn a_tar_without_its_end_is_none() {
        let (first, second) = (Bytes::from("a"), Bytes::from("b"));
        let whole = arrived(vec![Some(first.clone()), Some(second), None]).await;
        assert_eq!(whole.into_iter().collect::<io::Result<Vec<_>>>().unwrap(), ["a", "b"]);
        let broken = arrived(vec![Some(first)]).await;
        assert_eq!(broken.len(), 2);
        assert_eq!(broken[1].as_ref().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
