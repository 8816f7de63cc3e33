//! How much of what tar can say a user of this crate has a meaning for.

/// Where a dialect takes more than another, all readers still agree on what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// What a job leaves behind: bytes, modes and times. Extended attributes are passed over.
    Output,
    /// What whoever builds images writes into a layer. Besides: extended attributes, files with holes in
    /// PAX's formats, names from the root on (`/etc/motd`), and an archive that just ends where a member
    /// could begin.
    Layer,
}

impl Dialect {
    pub(crate) fn takes_attributes(self) -> bool {
        self == Self::Layer
    }

    pub(crate) fn takes_pax_holes(self) -> bool {
        self == Self::Layer
    }

    pub(crate) fn takes_absolute_names(self) -> bool {
        self == Self::Layer
    }

    pub(crate) fn takes_missing_end(self) -> bool {
        self == Self::Layer
    }
}
