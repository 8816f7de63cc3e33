//! An image as a tar of an OCI layout, which `docker load` reads as well. The same image gives the
//! same bytes.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{
    Images, OperateError, Place, Plan, Platforms, Reference, Stored, Tree, plan::File, pull,
};
use crate::{
    content::Chunks,
    digest::Digest,
    layout::{INDEX, LAYOUT, docker, names},
    manifest::{Annotations, Content, Descriptor, Manifest, Platform, media},
    repository::Repository,
    store::Store,
};

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
        let names = std::slice::from_ref(reference);
        let saved = saved(&tree, names);
        let platform = self.only_platform(&repository, &tree).await?;
        let files = files(&tree, names, platform, Some(saved.as_slice()));
        Ok(Plan::new(self.store.clone(), repository, files).read(None))
    }

    /// Of what is one image and no index, which would say it itself.
    pub(super) async fn only_platform(
        &self,
        repository: &Repository,
        tree: &Tree,
    ) -> Result<Option<Platform>, OperateError> {
        match tree.top() {
            Some(top) if !top.manifest.is_index() => {
                Ok(self.platforms(repository, tree).await?.pop())
            }
            _ => Ok(None),
        }
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

/// Of a tree that is not empty. With `saved` also for dockers that know nothing else.
pub(super) fn files(
    tree: &Tree,
    names: &[Reference],
    platform: Option<Platform>,
    saved: Option<&[docker::Saved]>,
) -> Vec<File> {
    let index = Manifest {
        media_type: media::OCI_INDEX.to_owned(),
        content: Content::Index { manifests: entries(tree, names, platform) },
        subject: None,
        artifact_type: None,
        annotations: Annotations::new(),
    };
    let marker = Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut files = vec![
        File::Bytes(LAYOUT.to_owned(), marker),
        File::Bytes(INDEX.to_owned(), index.to_json().into()),
    ];
    if let Some(saved) = saved {
        files.push(File::Bytes(docker::PATH.to_owned(), docker::write(saved).into()));
    }
    files.extend([File::Directory("blobs/"), File::Directory("blobs/sha256/")]);
    let manifests = tree
        .nodes
        .iter()
        .map(|node| (node.digest, File::Bytes(path(node.digest), node.bytes.clone())));
    let blobs = tree
        .blobs
        .iter()
        .map(|blob| (blob.digest, File::Blob(path(blob.digest), blob.digest, blob.size)));
    let content: BTreeMap<_, _> = manifests.chain(blobs).collect();
    files.extend(content.into_values());
    files
}

/// Of the index: what the tree is of, once for each of its tags.
fn entries(tree: &Tree, names: &[Reference], platform: Option<Platform>) -> Vec<Descriptor> {
    let Some(top) = tree.top() else { return Vec::new() };
    let mut plain = Descriptor::new(&top.manifest.media_type, top.digest, top.bytes.len() as u64);
    plain.platform = platform;
    let tagged = names.iter().filter_map(|name| {
        let mut entry = plain.clone();
        entry.annotations.insert(names::REF_NAME.into(), name.tag.as_ref()?.to_string());
        entry.annotations.insert(names::IMAGE_NAME.into(), whole_name(name));
        Some(entry)
    });
    let tagged: Vec<_> = tagged.collect();
    if tagged.is_empty() { vec![plain] } else { tagged }
}

/// The image itself, or the host's of an index, or its only one.
pub(super) fn saved(tree: &Tree, names: &[Reference]) -> Vec<docker::Saved> {
    let Some(top) = tree.top() else { return Vec::new() };
    let entries = top.manifest.manifests();
    let digest = match Platforms::host().choose(entries)[..] {
        [entry, ..] => entry.digest,
        [] => only(entries).unwrap_or(top.digest),
    };
    let image = tree.nodes.iter().find(|node| node.digest == digest);
    let Some(Content::Image { config, layers }) = image.map(|image| &image.manifest.content) else {
        return Vec::new();
    };
    let is_stored = |layer: &&Descriptor| !media::is_foreign(&layer.media_type);
    let layers = layers.iter().filter(is_stored).map(|layer| path(layer.digest)).collect();
    let name = |name: &Reference| Some(format!("{}:{}", name.name(), name.tag.as_ref()?));
    let names = names.iter().filter_map(name).collect();
    vec![docker::Saved { config: path(config.digest), layers, names }]
}

/// What is of no platform is no image: builders add it.
fn only(entries: &[Descriptor]) -> Option<Digest> {
    let is_image = |entry: &&Descriptor| {
        entry.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
    };
    let mut images = entries.iter().filter(is_image);
    match (images.next(), images.next()) {
        (Some(image), None) => Some(image.digest),
        _ => None,
    }
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
