//! From an image to a file, each thing in its turn.
//!
//! ```text
//! image → layers → tree → optimise → harden → init → file system → its digest
//! ```
//!
//! What is taken away goes before an init is put in, so an init is only installed for a command that is
//! still there. The same image and [`Recipe`] give the same bytes, wherever and whenever.

mod checksum;
mod error;
mod identity;
mod output;
mod packing;
mod record;

use std::path::Path;

pub use self::{
    error::ConvertError,
    identity::Identity,
    output::{Output, OutputError},
    packing::Packing,
    record::Record,
};
use crate::{
    apply::{Applied, apply},
    ext4,
    harden::{self, Policy},
    image::{Image, Wanted},
    init::{self, ImageCommand, Strategy},
    layers::{self, Limits},
    optimise,
    store::Store,
    tree::Time,
};

/// What is to come of an image. Nothing in it is of a host.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub wanted: Wanted,
    pub limits: Limits,
    pub optimise: Option<optimise::Options>,
    pub harden: Option<Policy>,
    pub init: Option<Strategy>,
    pub format: Format,
    pub packing: Packing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    Ext4 {
        label: String,
        size: ext4::Size,
        /// More than this is refused, with what takes the most.
        limit: Option<u64>,
    },
    Tar,
}

/// Layers are inflated below `spool`, and nothing of that is left there. The output has everything, or is
/// not to be used.
pub fn convert(
    path: &Path,
    recipe: &Recipe,
    spool: &Path,
    output: &Output,
) -> Result<Record, ConvertError> {
    let image = Image::open(path, &recipe.wanted)?;
    let identity = Identity::of(&image, recipe);
    let mut store = Store::default();
    let read = layers::read_layers(&image.layers, &recipe.limits, spool, &mut store)?;
    let sizes = read.iter().map(|layer| (layer.compression, layer.size)).collect::<Vec<_>>();
    let Applied { mut tree, notes } = apply(read, &recipe.limits)?;
    let optimised = recipe.optimise.as_ref().map(|options| optimise::optimise(&mut tree, options));
    let harden = |policy| harden::harden(&mut tree, &store, policy);
    let hardened = recipe.harden.as_ref().map(harden).transpose()?;
    let installed = match &recipe.init {
        Some(strategy) => {
            let command = ImageCommand::parse(&image.config.raw)?;
            let made_at = Time { seconds: identity.made.cast_signed(), nanoseconds: 0 };
            Some(init::install(&mut tree, &mut store, &command, strategy, made_at)?)
        }
        None => None,
    };
    let written = output.write(&tree, &store, recipe, &identity, spool)?;
    let parts = record::Parts {
        image: &image,
        recipe,
        identity: &identity,
        sizes: &sizes,
        notes,
        optimised: optimised.as_ref(),
        hardened: hardened.as_ref(),
        installed: installed.as_ref(),
        written: &written,
    };
    Record::of(&parts).map_err(|error| ConvertError::Config(error.into()))
}
