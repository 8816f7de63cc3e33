//! The image service of the fake: it keeps images, knows registries outside that have some, refuse
//! or are down, and remembers what it was asked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use kiln_proto::v1::{
    self, image_service_server::ImageService, import_image_request::Event as Import,
    pull_image_response::Event as Pulled, push_image_response::Event as Pushed,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};

use super::{Death, State, service::Service, transfer};

/// So small that a handful of images makes several pages.
const PAGE: usize = 2;
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub(crate) struct ImagePlan {
    /// That are there at the beginning, by reference.
    pub(crate) images: Vec<v1::Image>,
    pub(crate) outside: HashMap<String, Outside>,
    /// What every export carries.
    pub(crate) export: Bytes,
    /// It fails when so many bytes of it are out.
    pub(crate) break_export: Option<usize>,
    /// The longest tar that there is room for.
    pub(crate) room: Option<usize>,
    /// Of every image.
    pub(crate) user: &'static str,
    pub(crate) registry: v1::GetRegistryResponse,
}

/// An image of a registry outside, or where one may be pushed to.
#[derive(Clone, Debug)]
pub(crate) enum Outside {
    Layers(Vec<(String, u64)>),
    /// It does not answer, and what is stored is given.
    Stale,
    Answers(u16, &'static str),
    Down,
}

/// What it keeps, and was asked.
#[derive(Debug, Default)]
pub(crate) struct Images {
    pub(crate) kept: Mutex<BTreeMap<String, v1::Image>>,
    pub(crate) pulls: Mutex<Vec<v1::PullImageRequest>>,
    pub(crate) pushes: Mutex<Vec<v1::PushImageRequest>>,
    pub(crate) exports: Mutex<Vec<v1::ExportImageRequest>>,
    pub(crate) imports: Mutex<Vec<(String, Vec<u8>)>>,
    pub(crate) prunes: Mutex<Vec<bool>>,
}

pub(crate) fn image(reference: &str) -> v1::Image {
    let (name, tag) = match reference.split_once('@') {
        Some((name, _)) => (name, ""),
        None => reference.rsplit_once(':').unwrap_or((reference, "latest")),
    };
    v1::Image {
        name: name.to_owned(),
        tag: tag.to_owned(),
        digest: transfer::digest(reference.as_bytes()),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        size_bytes: 3 << 20,
        platforms: vec!["linux/amd64".to_owned()],
        ..v1::Image::default()
    }
}

impl Images {
    pub(super) fn new(plan: &ImagePlan) -> Self {
        let kept = plan.images.iter().map(|image| (reference(image), image.clone())).collect();
        Self { kept: Mutex::new(kept), ..Self::default() }
    }

    fn find(&self, reference: &str) -> Result<v1::Image, Status> {
        let kept = self.kept.lock().unwrap();
        let named = reference.split_once('@').map_or(reference, |(name, _)| name);
        let has_digest = |image: &&v1::Image| reference.ends_with(&image.digest);
        let found = kept.get(reference).or_else(|| kept.get(named).filter(has_digest));
        found.cloned().ok_or_else(|| missing(reference))
    }

    fn keep(&self, image: &v1::Image) {
        self.kept.lock().unwrap().insert(reference(image), image.clone());
    }
}

fn reference(image: &v1::Image) -> String {
    let v1::Image { name, tag, digest, .. } = image;
    if tag.is_empty() { format!("{name}@{digest}") } else { format!("{name}:{tag}") }
}

fn config(user: &str) -> String {
    let user = if user.is_empty() { String::new() } else { format!(r#","User":"{user}""#) };
    format!(r#"{{"architecture":"amd64","config":{{"Cmd":["sh"]{user}}}}}"#)
}

fn missing(reference: &str) -> Status {
    Status::not_found(format!("there is no image {reference}"))
}

/// As kilnd tells of a registry outside.
fn failed(reference: &str, status: Option<u16>, words: &str) -> Status {
    let (host, repository) = reference.split_once('/').unwrap();
    let mut failure = match status {
        Some(401 | 403) => Status::permission_denied(words),
        Some(404) => Status::not_found(words),
        _ => Status::unavailable(words),
    };
    let value = |text: &str| MetadataValue::try_from(text).unwrap();
    let metadata = failure.metadata_mut();
    metadata.insert("kiln-registry-host", value(host));
    metadata.insert("kiln-registry-repository", value(repository));
    if let Some(status) = status {
        metadata.insert("kiln-registry-status", value(&status.to_string()));
    }
    failure
}

fn layers(state: &State, reference: &str) -> Result<Vec<(String, u64)>, Status> {
    match state.plan.images.outside.get(reference) {
        Some(Outside::Layers(layers)) => Ok(layers.clone()),
        Some(Outside::Stale) => Ok(Vec::new()),
        Some(Outside::Answers(status, words)) => Err(failed(reference, Some(*status), words)),
        Some(Outside::Down) => Err(failed(reference, None, "the registry does not answer")),
        None => Err(failed(reference, Some(404), "the registry has no such image")),
    }
}

/// The parts of an image, half-way and whole; dies where that was planned.
async fn transfers<T>(
    state: &Arc<State>,
    layers: &[(String, u64)],
    answers: &mpsc::Sender<Result<T, Status>>,
    answer: fn(v1::Transfer) -> T,
) {
    let mut moved = 0;
    for (digest, total_bytes) in layers {
        for done_bytes in [total_bytes / 2, *total_bytes] {
            moved += total_bytes / 2;
            state.die_if(|death| matches!(death, Death::InTransfer(at, _) if moved >= *at)).await;
            let (digest, total_bytes) = (digest.clone(), *total_bytes);
            let transfer = v1::Transfer { digest, done_bytes, total_bytes, present: false };
            if answers.send(Ok(answer(transfer))).await.is_err() {
                return;
            }
        }
    }
}

#[tonic::async_trait]
impl ImageService for Service {
    type PullImageStream = ReceiverStream<Result<v1::PullImageResponse, Status>>;
    type PushImageStream = ReceiverStream<Result<v1::PushImageResponse, Status>>;
    type ExportImageStream = ReceiverStream<Result<v1::ExportImageResponse, Status>>;

    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> Result<Response<v1::ListImagesResponse>, Status> {
        let v1::ListImagesRequest { name, untagged, page_size: _, page_token } =
            request.into_inner();
        let kept = self.0.images.kept.lock().unwrap();
        let mut matching = kept
            .iter()
            .filter(|(reference, _)| **reference > page_token)
            .filter(|(_, image)| image.name.contains(&name))
            .filter(|(_, image)| untagged || !image.tag.is_empty());
        let page: Vec<_> = matching.by_ref().take(PAGE).collect();
        let last = page.last().filter(|_| matching.next().is_some());
        let next_page_token = last.map(|(reference, _)| (*reference).clone()).unwrap_or_default();
        let images = page.into_iter().map(|(_, image)| image.clone()).collect();
        Ok(Response::new(v1::ListImagesResponse { images, next_page_token }))
    }

    async fn get_image(
        &self,
        request: Request<v1::GetImageRequest>,
    ) -> Result<Response<v1::GetImageResponse>, Status> {
        let image = self.0.images.find(&request.into_inner().reference)?;
        let part = v1::ImagePart {
            digest: transfer::digest(b"layer"),
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            size_bytes: 2 << 20,
            platform: String::new(),
            stored: true,
        };
        Ok(Response::new(v1::GetImageResponse {
            image: Some(image),
            manifest: r#"{"schemaVersion": 2}"#.into(),
            config: config(self.0.plan.images.user).into(),
            parts: vec![part],
        }))
    }

    async fn tag_image(
        &self,
        request: Request<v1::TagImageRequest>,
    ) -> Result<Response<v1::TagImageResponse>, Status> {
        let v1::TagImageRequest { source, target } = request.into_inner();
        let source = self.0.images.find(&source)?;
        if !target.starts_with("local/") {
            return Err(Status::invalid_argument("target: only local/… can be tagged"));
        }
        let v1::Image { name, tag, .. } = image(&target);
        let tagged = v1::Image { name, tag, ..source };
        self.0.images.keep(&tagged);
        Ok(Response::new(v1::TagImageResponse { image: Some(tagged) }))
    }

    async fn remove_image(
        &self,
        request: Request<v1::RemoveImageRequest>,
    ) -> Result<Response<v1::RemoveImageResponse>, Status> {
        let v1::RemoveImageRequest { reference } = request.into_inner();
        let gone = self.0.images.kept.lock().unwrap().remove(&reference);
        gone.ok_or_else(|| missing(&reference))?;
        Ok(Response::new(v1::RemoveImageResponse { removed: vec![reference] }))
    }

    async fn prune_images(
        &self,
        request: Request<v1::PruneImagesRequest>,
    ) -> Result<Response<v1::PruneImagesResponse>, Status> {
        let v1::PruneImagesRequest { mirrored } = request.into_inner();
        self.0.images.prunes.lock().unwrap().push(mirrored);
        let mut kept = self.0.images.kept.lock().unwrap();
        let before = kept.len();
        kept.retain(|_, image| {
            let is_local = image.name.starts_with("local/");
            !image.tag.is_empty() && (is_local || !mirrored)
        });
        let images = (before - kept.len()) as u64;
        let (blobs, bytes) = (images * 3, images * (3 << 20));
        Ok(Response::new(v1::PruneImagesResponse { images, blobs, bytes }))
    }

    async fn pull_image(
        &self,
        request: Request<v1::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        let request = request.into_inner();
        self.0.images.pulls.lock().unwrap().push(request.clone());
        let layers = layers(&self.0, &request.reference)?;
        let stale =
            matches!(self.0.plan.images.outside.get(&request.reference), Some(Outside::Stale));
        let (answers, stream) = mpsc::channel(1);
        let state = self.0.clone();
        tokio::spawn(async move {
            let transfer =
                |transfer| v1::PullImageResponse { event: Some(Pulled::Transfer(transfer)) };
            transfers(&state, &layers, &answers, transfer).await;
            let image = image(&request.reference);
            state.images.keep(&image);
            let fetched_bytes = layers.iter().map(|(_, size)| size).sum();
            let result = v1::PullResult { image: Some(image), fetched_bytes, stale };
            let event = Some(Pulled::Result(result));
            let _ = answers.send(Ok(v1::PullImageResponse { event })).await;
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn push_image(
        &self,
        request: Request<v1::PushImageRequest>,
    ) -> Result<Response<Self::PushImageStream>, Status> {
        let request = request.into_inner();
        self.0.images.pushes.lock().unwrap().push(request.clone());
        let v1::PushImageRequest { source, target } = request;
        let image = self.0.images.find(&source)?;
        if target.is_empty() && source.starts_with("local/") {
            return Err(Status::invalid_argument("target: is missing, and local/… says none"));
        }
        let target = if target.is_empty() { source } else { target };
        let layers = layers(&self.0, &target)?;
        let (answers, stream) = mpsc::channel(1);
        let state = self.0.clone();
        tokio::spawn(async move {
            let transfer =
                |transfer| v1::PushImageResponse { event: Some(Pushed::Transfer(transfer)) };
            transfers(&state, &layers, &answers, transfer).await;
            let sent_bytes = layers.iter().map(|(_, size)| size).sum();
            let result = v1::PushResult { target, digest: image.digest, sent_bytes };
            let event = Some(Pushed::Result(result));
            let _ = answers.send(Ok(v1::PushImageResponse { event })).await;
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn import_image(
        &self,
        request: Request<Streaming<v1::ImportImageRequest>>,
    ) -> Result<Response<v1::ImportImageResponse>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.event);
        let Some(Import::Start(v1::ImportStart { target })) = first else {
            return Err(Status::invalid_argument("start: comes first"));
        };
        let mut bytes = Vec::new();
        while let Some(request) = requests.message().await? {
            let Some(Import::Data(data)) = request.event else {
                return Err(Status::invalid_argument("only data comes after start"));
            };
            bytes.extend_from_slice(&data);
            let arrived = bytes.len() as u64;
            self.0
                .die_if(|death| matches!(death, Death::InTransfer(at, _) if arrived >= *at))
                .await;
            if self.0.plan.images.room.is_some_and(|room| bytes.len() > room) {
                return Err(Status::resource_exhausted("no room for this image"));
            }
        }
        let target = if target.is_empty() { "local/named:1".to_owned() } else { target };
        let image = image(&target);
        self.0.images.imports.lock().unwrap().push((target, bytes));
        self.0.images.keep(&image);
        Ok(Response::new(v1::ImportImageResponse { images: vec![image] }))
    }

    async fn export_image(
        &self,
        request: Request<v1::ExportImageRequest>,
    ) -> Result<Response<Self::ExportImageStream>, Status> {
        let request = request.into_inner();
        self.0.images.find(&request.reference)?;
        self.0.images.exports.lock().unwrap().push(request);
        let (answers, stream) = mpsc::channel(1);
        let plan = self.0.plan.images.clone();
        tokio::spawn(async move {
            let mut sent = 0;
            for chunk in plan.export.chunks(CHUNK) {
                if plan.break_export.is_some_and(|at| sent >= at) {
                    let _ = answers.send(Err(Status::data_loss("a blob is damaged"))).await;
                    return;
                }
                sent += chunk.len();
                let data = Bytes::copy_from_slice(chunk);
                if answers.send(Ok(v1::ExportImageResponse { data })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_registry(
        &self,
        _request: Request<v1::GetRegistryRequest>,
    ) -> Result<Response<v1::GetRegistryResponse>, Status> {
        Ok(Response::new(self.0.plan.images.registry.clone()))
    }
}
