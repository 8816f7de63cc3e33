//! What stands before a member and speaks of it.

use super::{ReadError, pax::Pax};

#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) pax: Option<Pax>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

impl Extensions {
    pub(super) fn is_empty(&self) -> bool {
        let Self { pax, name, link } = self;
        pax.is_none() && name.is_none() && link.is_none()
    }

    pub(super) fn set_long(
        &mut self,
        place: impl FnOnce(&mut Self) -> &mut Option<Vec<u8>>,
        name: Vec<u8>,
        offset: u64,
    ) -> Result<(), ReadError> {
        // A PAX header beside it may say other things; not what this name is.
        let named = self.pax.as_ref().is_some_and(|pax| pax.path.is_some() || pax.link.is_some());
        if named || place(self).replace(name).is_some() {
            return Err(ReadError::DoubledExtension { what: "long name", offset });
        }
        Ok(())
    }

    /// Nothing may stand before what is no member.
    pub(super) fn belong(&self, offset: u64) -> Result<(), ReadError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(ReadError::LooseExtension { what: "PAX header or long name", offset })
        }
    }
}
