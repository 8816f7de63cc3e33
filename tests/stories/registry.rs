//! What guests pull from registries and push to their host, none of them with a credential.
//!
//! Outside there is docker's registry behind a password, which the operator has. Docker's engine is the
//! guest image's own; what talks to it are buildx and its API.

mod build;
mod guest;
mod refused;

use kiln_tests::Story;

pub(crate) fn stories() -> Vec<Story> {
    [build::stories(), refused::stories()].concat()
}
