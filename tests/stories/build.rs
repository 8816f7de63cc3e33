//! Dockerfiles that become images: `kiln build` from its words to what others make of the result.
//!
//! Outside there is a registry with one base image, a static busybox for two platforms; nothing else
//! is there. What is built is read by programs of other hands: skopeo, umoci, docker's engine and
//! Python's tar.

mod bases;
mod engine;
mod fetched;
mod first;
mod foreign;
mod kills;
mod matrix;
mod nested;
mod rich;
pub(crate) mod scene;
mod secrets;
mod spent;
mod wrong;

use kiln_tests::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        // It waits for all processors, and nothing that takes long is told before it.
        matrix::stories(),
        first::stories(),
        nested::stories(),
        rich::stories(),
        secrets::stories(),
        kills::stories(),
        wrong::stories(),
        bases::stories(),
        fetched::stories(),
        spent::stories(),
    ]
    .concat()
}
