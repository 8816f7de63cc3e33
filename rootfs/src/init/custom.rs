//! A program of the image's own as process 1.

use kiln_init::{Database, Identity};

use super::{
    command::Judge, direct::MOUNT_POINTS, error::InitError, image::ImageCommand, plant::Plant,
};

/// By its absolute path in the image. All that an init does is up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub program: String,
}

impl Custom {
    pub(super) fn install(
        &self,
        plant: &mut Plant<'_>,
        image: &ImageCommand,
    ) -> Result<String, InitError> {
        if !self.program.starts_with('/') {
            return Err(InitError::RelativeCustom(self.program.clone()));
        }
        // The kernel starts it, as root.
        let root = Identity::find("", &Database::default())?;
        let judge = Judge {
            tree: plant.tree,
            store: plant.store,
            identity: &root,
            architecture: &image.architecture,
            directory: "/",
        };
        judge
            .check(&self.program)
            .map_err(|source| InitError::Custom { path: self.program.clone(), source })?;
        for point in MOUNT_POINTS {
            plant.directory(point, 0o755)?;
        }
        Ok(self.program.clone())
    }
}
