//! An image as a tar of an OCI layout, which `docker load` reads as well. The same image gives the
//! same bytes.

use std::{
    collections::{BTreeMap, HashSet},
    io,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::{Images, OperateError, Place, Platforms, Reference, Stored, Tree, pull};
use crate::{
    content::Chunks,
    digest::Digest,
    layout::{self, INDEX, LAYOUT, docker, names},
    manifest::{Annotations, Content, Descriptor, Manifest, media},
    repository::Repository,
    store::Store,
};

/// Pieces between the disk and whoever takes them.
const AHEAD: usize = 4;

/// A file of the layout.
enum Part {
    Document(&'static str, Bytes),
    Manifest(Digest, Bytes),
    Blob(Descriptor),
}

impl Images {
    /// None for the platforms is all that is stored.
    pub async fn export(
        &self,
        tenant: &str,
        reference: &Reference,
        platforms: Option<&Platforms>,
    ) -> Result<Chunks, OperateError> {
        let (repository, tree) = self.tree(tenant, reference).await?;
        let tree = match platforms {
            None => self.kept(&repository, tree, reference).await?,
            Some(platforms) => {
                let tree = chosen(&self.store, &repository, tree, reference, platforms).await?;
                self.check_whole(&repository, &tree, reference).await?;
                tree
            }
        };
        let parts = parts(&tree, reference)?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let writer = Writer { store: self.store.clone(), repository, sender };
        // Ends when it is done, or nobody takes what it writes.
        tokio::spawn(writer.write(parts));
        let receiving = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        Ok(Box::pin(receiving))
    }

    /// Of an index that was brought in part: the images that are here, each of them whole.
    async fn kept(
        &self,
        repository: &Repository,
        tree: Tree,
        reference: &Reference,
    ) -> Result<Tree, OperateError> {
        let mut missing = tree.absent.first().map(|absent| absent.digest);
        let mut has_image = false;
        let (mut nodes, mut blobs) = (Vec::new(), BTreeMap::new());
        let named: HashSet<_> = tree.blobs.iter().map(|blob| blob.digest).collect();
        let here = self.stored_blobs(repository, &tree.blobs).await?;
        for node in tree.nodes {
            let references = node.manifest.references().map(|reference| reference.descriptor);
            let own = references.filter(|blob| named.contains(&blob.digest)).cloned();
            let (stored, absent): (Vec<_>, Vec<_>) =
                own.partition(|blob| here.contains_key(&blob.digest));
            missing = absent.first().map(|absent| absent.digest).or(missing);
            if absent.is_empty() || node.manifest.is_index() {
                has_image |= !node.manifest.is_index();
                blobs.extend(stored.into_iter().map(|blob| (blob.digest, blob)));
                nodes.push(node);
            }
        }
        match missing {
            Some(missing) if !has_image => {
                Err(OperateError::Incomplete { reference: reference.to_string(), missing })
            }
            _ => Ok(Tree { nodes, blobs: blobs.into_values().collect(), absent: Vec::new() }),
        }
    }
}

/// One image of an index, or all of it.
async fn chosen(
    store: &Store,
    repository: &Repository,
    tree: Tree,
    reference: &Reference,
    platforms: &Platforms,
) -> Result<Tree, OperateError> {
    let Some(top) = tree.top().filter(|top| top.manifest.is_index()) else { return Ok(tree) };
    if *platforms == Platforms::All {
        return Ok(tree);
    }
    let entry = platforms.choose(top.manifest.manifests());
    let no_platform = || pull::no_platform(reference, platforms, &top.manifest);
    let entry = entry.first().ok_or_else(no_platform)?;
    let incomplete =
        || OperateError::Incomplete { reference: reference.to_string(), missing: entry.digest };
    Tree::grow(&Stored { store, repository }, entry).await?.ok_or_else(incomplete)
}

fn parts(tree: &Tree, reference: &Reference) -> Result<Vec<Part>, OperateError> {
    let top =
        tree.top().ok_or_else(|| OperateError::NotFound { reference: reference.to_string() })?;
    let size = top.bytes.len() as u64;
    let mut entry = Descriptor::new(&top.manifest.media_type, top.digest, size);
    if let Some(tag) = &reference.tag {
        entry.annotations.insert(names::REF_NAME.into(), tag.to_string());
        entry.annotations.insert(names::IMAGE_NAME.into(), whole_name(reference));
    }
    let index = Manifest {
        media_type: media::OCI_INDEX.to_owned(),
        content: Content::Index { manifests: vec![entry] },
        subject: None,
        artifact_type: None,
        annotations: Annotations::new(),
    };
    let mut parts = vec![
        Part::Document(LAYOUT, Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#)),
        Part::Document(INDEX, index.to_json().into()),
        Part::Document(docker::PATH, docker::write(&saved(tree, reference)).into()),
    ];
    let manifests = tree.nodes.iter().map(|node| Part::Manifest(node.digest, node.bytes.clone()));
    let mut content: Vec<_> = manifests.chain(tree.blobs.iter().cloned().map(Part::Blob)).collect();
    content.sort_by_key(|part| match part {
        Part::Document(..) => None,
        Part::Manifest(digest, _) => Some(*digest),
        Part::Blob(blob) => Some(blob.digest),
    });
    parts.extend(content);
    Ok(parts)
}

/// For dockers that know nothing else: the image itself, or the host's of an index.
fn saved(tree: &Tree, reference: &Reference) -> Vec<docker::Saved> {
    let Some(top) = tree.top() else { return Vec::new() };
    let host = Platforms::host();
    let entries = host.choose(top.manifest.manifests());
    let digest = entries.first().map_or(top.digest, |entry| entry.digest);
    let image = tree.nodes.iter().find(|node| node.digest == digest);
    let Some(Content::Image { config, layers }) = image.map(|image| &image.manifest.content) else {
        return Vec::new();
    };
    let is_stored = |layer: &&Descriptor| !media::is_foreign(&layer.media_type);
    let layers = layers.iter().filter(is_stored).map(|layer| path(layer.digest)).collect();
    let name = |tag| format!("{}:{tag}", reference.name());
    let names = reference.tag.as_ref().map(name).into_iter().collect();
    vec![docker::Saved { config: path(config.digest), layers, names }]
}

/// As docker completes it.
fn whole_name(reference: &Reference) -> String {
    let plain = Reference { digest: None, ..reference.clone() };
    match reference.place {
        Place::Local => format!("docker.io/{plain}"),
        Place::Registry(_) => plain.to_string(),
    }
}

fn path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

struct Writer {
    store: Store,
    repository: Repository,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// Nobody takes it any more.
struct Dropped;

impl Writer {
    async fn write(self, parts: Vec<Part>) {
        // Whoever has dropped it knows.
        let _ = self.all(parts).await;
    }

    async fn all(&self, parts: Vec<Part>) -> Result<(), Dropped> {
        let mut is_before_blobs = true;
        for part in parts {
            if is_before_blobs && !matches!(part, Part::Document(..)) {
                is_before_blobs = false;
                self.send(layout::directory("blobs/")).await?;
                self.send(layout::directory("blobs/sha256/")).await?;
            }
            match part {
                Part::Document(name, bytes) => self.file(name, bytes).await?,
                Part::Manifest(digest, bytes) => self.file(&path(digest), bytes).await?,
                Part::Blob(blob) => self.blob(&blob).await?,
            }
        }
        self.send(layout::END).await
    }

    async fn file(&self, path: &str, bytes: Bytes) -> Result<(), Dropped> {
        let size = bytes.len() as u64;
        self.send(layout::file(path, size)).await?;
        self.send(bytes).await?;
        self.send(layout::padding(size)).await
    }

    async fn blob(&self, blob: &Descriptor) -> Result<(), Dropped> {
        let stored = match self.store.blob(&self.repository, blob.digest).await {
            Ok(Some(stored)) if stored.size == blob.size => stored,
            Ok(_) => return self.fail(format!("{} was removed meanwhile", blob.digest)).await,
            Err(error) => return self.fail(error.to_string()).await,
        };
        self.send(layout::file(&path(blob.digest), stored.size)).await?;
        let mut chunks = stored.chunks(None);
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => self.send(chunk).await?,
                Err(error) => return self.fail(error.to_string()).await,
            }
        }
        self.send(layout::padding(stored.size)).await
    }

    async fn fail(&self, reason: String) -> Result<(), Dropped> {
        let _ = self.sender.send(Err(io::Error::other(reason))).await;
        Err(Dropped)
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Dropped> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sender.send(Ok(bytes)).await.map_err(|_| Dropped)
    }
}
