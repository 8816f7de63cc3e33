//! Which images a tar holds, by its documents.

use serde_json::Value;

use super::{
    super::{MAX_CONFIG_BYTES, Node, OperateError, Shelf as _, Tree},
    Staged,
};
use crate::{
    digest::Digest,
    layout::{Contents, INDEX, InvalidLayout, LAYOUT, Packing, docker, names},
    manifest::{Annotations, Content, Descriptor, Manifest, json, media},
};

pub(in crate::operate) struct Root {
    pub descriptor: Descriptor,
    /// As the tar calls it.
    pub names: Vec<String>,
    /// Of an image without a manifest of its own: one made of what `docker save` wrote.
    pub tree: Option<Tree>,
}

/// An OCI layout where there is one: newer dockers write both.
pub(super) async fn of(staged: &Staged<'_>) -> Result<Vec<Root>, OperateError> {
    let contents = staged.contents;
    match (contents.document(INDEX), contents.document(docker::PATH)) {
        (Some(index), _) => Ok(of_layout(contents, index)?),
        (None, Some(saved)) => of_docker(staged, saved).await,
        (None, None) => Err(InvalidLayout::NoImages.into()),
    }
}

pub(in crate::operate) fn of_layout(
    contents: &Contents,
    index: &[u8],
) -> Result<Vec<Root>, InvalidLayout> {
    let marker =
        contents.document(LAYOUT).ok_or(InvalidLayout::MissingFile { path: LAYOUT.into() })?;
    let path = LAYOUT.to_owned();
    let marker = json::parse(marker).map_err(|source| InvalidLayout::Json { path, source })?;
    let version = marker.get("imageLayoutVersion").and_then(Value::as_str);
    if !version.is_some_and(|version| version.starts_with("1.")) {
        let wrong = "expected `\"imageLayoutVersion\": \"1.0.0\"`";
        return Err(InvalidLayout::Document { path: LAYOUT.to_owned(), wrong });
    }
    let index = Manifest::parse(Some(media::OCI_INDEX), index)
        .map_err(|source| InvalidLayout::Manifest { what: INDEX.to_owned(), source })?;
    let mut roots: Vec<Root> = Vec::new();
    for descriptor in index.manifests() {
        let name = names::stated(descriptor).map(str::to_owned);
        match roots.iter_mut().find(|root| root.descriptor.digest == descriptor.digest) {
            Some(root) => root.names.extend(name),
            None => {
                let (descriptor, names) = (descriptor.clone(), name.into_iter().collect());
                roots.push(Root { descriptor, names, tree: None });
            }
        }
    }
    if roots.is_empty() { Err(InvalidLayout::NoImages) } else { Ok(roots) }
}

async fn of_docker(staged: &Staged<'_>, saved: &[u8]) -> Result<Vec<Root>, OperateError> {
    let mut roots = Vec::new();
    for saved in docker::parse(saved)? {
        roots.push(root(staged, saved).await?);
    }
    if roots.is_empty() { Err(InvalidLayout::NoImages.into()) } else { Ok(roots) }
}

async fn root(staged: &Staged<'_>, saved: docker::Saved) -> Result<Root, OperateError> {
    let docker::Saved { config, layers, names } = saved;
    let (digest, held) = staged.contents.file(&config)?;
    if held.size > MAX_CONFIG_BYTES {
        let most = MAX_CONFIG_BYTES;
        return Err(InvalidLayout::TooLarge { path: config, bytes: held.size, most }.into());
    }
    let missing = || InvalidLayout::Missing { digest };
    let bytes = staged.manifest(digest).await?.ok_or_else(missing)?;
    let diffs = diff_ids(&config, &bytes)?;
    if diffs.len() != layers.len() {
        let wrong = "its configuration has another number of layers";
        return Err(InvalidLayout::Document { path: docker::PATH.to_owned(), wrong }.into());
    }
    let mut blobs = vec![Descriptor::new(media::OCI_CONFIG, digest, held.size)];
    for (layer, diff) in layers.iter().zip(diffs) {
        let (layer, held) = staged.contents.file(layer)?;
        // Of a compressed one whoever unpacks it finds out.
        if held.packing == Packing::Plain && layer != diff {
            return Err(InvalidLayout::OtherLayer { layer }.into());
        }
        blobs.push(Descriptor::new(held.packing.layer(), layer, held.size));
    }
    let content =
        Content::Image { config: Box::new(blobs[0].clone()), layers: blobs[1..].to_vec() };
    let manifest = Manifest {
        media_type: media::OCI_MANIFEST.to_owned(),
        content,
        subject: None,
        artifact_type: None,
        annotations: Annotations::new(),
    };
    let bytes = manifest.to_json();
    let digest = Digest::of(&bytes);
    let descriptor = Descriptor::new(media::OCI_MANIFEST, digest, bytes.len() as u64);
    let nodes = vec![Node { digest, bytes: bytes.into(), manifest }];
    Ok(Root { descriptor, names, tree: Some(Tree { nodes, blobs, absent: Vec::new() }) })
}

/// Of an image's layers, uncompressed.
fn diff_ids(path: &str, config: &[u8]) -> Result<Vec<Digest>, InvalidLayout> {
    let document =
        |wrong| InvalidLayout::Document { path: path.chars().take(256).collect(), wrong };
    let config = json::parse(config)
        .map_err(|source| InvalidLayout::Json { path: path.chars().take(256).collect(), source })?;
    let Some(diffs) = config.pointer("/rootfs/diff_ids") else { return Ok(Vec::new()) };
    if diffs.is_null() {
        return Ok(Vec::new());
    }
    let diffs = diffs.as_array().ok_or_else(|| document("its diff_ids are no list"))?;
    let diff = |diff: &Value| diff.as_str().and_then(|diff| diff.parse().ok());
    let diffs: Option<Vec<_>> = diffs.iter().map(diff).collect();
    diffs.ok_or_else(|| document("its diff_ids are no digests"))
}
