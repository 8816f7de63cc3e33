//! Where a kernel that is told nothing looks for process 1.

use super::{
    place::{self, PlaceError},
    plant::Plant,
};

const FIRST: &str = "/sbin/init";

/// Lets the first place lead to `program`, if the image has nothing there. Whether it does then is
/// returned.
pub(super) fn link(plant: &mut Plant<'_>, program: &str) -> Result<bool, PlaceError> {
    if !plant.has_name(FIRST) {
        plant.link(FIRST, program)?;
        return Ok(true);
    }
    let found = place::find(plant.tree, FIRST);
    Ok(found.is_ok() && found == place::find(plant.tree, program))
}
