//! Why there is no root filesystem.

use super::OutputError;
use crate::{
    apply::ApplyError,
    harden::HardenError,
    image::OpenError,
    init::{InitError, InvalidConfig},
    layers::LayersError,
};

#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("cannot open the image")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error("cannot read the image's layers")]
    Layers(#[from] LayersError),
    #[error("the image's layers do not fit on each other")]
    Apply(#[from] ApplyError),
    #[error("cannot harden it")]
    Harden(#[from] HardenError),
    #[error("it would not boot")]
    Init(#[from] InitError),
    #[error("cannot make the file system")]
    Output(#[from] OutputError),
}
