//! Images for tests: made by hand or of Debian's packages, and laid down in any of the forms that images
//! come in. The converter is compared on them with other readers, and machines boot what comes of them.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod catalogue;
pub mod contents;
pub mod debian;
pub mod layout;
pub mod picture;
pub mod stacks;

pub use self::{
    catalogue::all,
    layout::Layout,
    picture::{Form, Hung, Picture},
};
