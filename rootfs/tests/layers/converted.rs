//! An image's tree, or why there is none.

use std::path::Path;

use kiln_rootfs::{
    Applied, ApplyError, Compression, Image, Layer, LayersError, Limits, OpenError, Store, Tree,
    Wanted, apply, read_layers,
};

use crate::{layout::Layout, reading::Reading};

#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) applied: Applied,
    pub(crate) store: Store,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Layers(#[from] LayersError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

pub(crate) fn wanted() -> Wanted {
    Wanted { platform: "linux/amd64".parse().unwrap(), name: None }
}

pub(crate) fn image(path: &Path, limits: &Limits) -> Result<Converted, Refused> {
    let image = Image::open(path, &wanted())?;
    let mut store = Store::default();
    let layers = read_layers(&image.layers, limits, &std::env::temp_dir(), &mut store)?;
    Ok(Converted { applied: apply(layers, limits)?, store })
}

/// Of layers that are compressed so, in a layout of their own.
pub(crate) fn layers_with(
    layers: &[Vec<u8>],
    compression: Compression,
    limits: &Limits,
) -> Result<Converted, Refused> {
    let directory = tempfile::tempdir().unwrap();
    Layout::of(layers, compression).write(directory.path());
    image(directory.path(), limits)
}

pub(crate) fn layers(layers: &[Vec<u8>]) -> Result<Converted, Refused> {
    layers_with(layers, Compression::Gzip, &Limits::default())
}

impl Converted {
    pub(crate) fn tree(&self) -> &Tree {
        &self.applied.tree
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading::of_tree(self.tree(), &self.store)
    }

    /// Every path but the root's, a directory's with a slash behind it.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.reading().paths()
    }
}

/// As [`Layer`] says, nothing of it is kept.
pub(crate) fn sizes(layers: &[Layer]) -> Vec<u64> {
    layers.iter().map(|layer| layer.size).collect()
}
