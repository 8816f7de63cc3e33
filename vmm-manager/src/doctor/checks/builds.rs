//! Whether a kilnd with these flags would take builds.

use super::Patient;
use crate::{
    admission,
    doctor::report::{Area, Check},
};

const NAME: &str = "builds";

/// Whether the image has an engine shows when the first build starts it.
pub(super) fn check(patient: &Patient) -> Check {
    let flags = &patient.flags;
    let has_network = patient.is_root && !flags.network.no_network;
    match admission::builds(!flags.registry.no_registry, has_network) {
        Ok(()) => Check::ok(Area::Kilnd, NAME, "images come and go through the host's registry"),
        Err(reason) => Check::note(Area::Kilnd, NAME, format!("are refused: {reason}")),
    }
}
