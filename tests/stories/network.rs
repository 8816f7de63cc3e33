//! What guests reach, what they do not, and what is known of it afterwards.
//!
//! Each story has a [`World`](kiln_tests::World) around its kilnd: an internet in which every address
//! answers, and the operator's own networks beside it. Whatever a guest finds a way to, arrives
//! there; so each story ends with the list of what did.

mod allow;
mod closed;
mod endpoints;
mod hostile;
mod kills;
mod leaks;
mod lockfile;
mod neighbours;
mod scan;
mod scene;
mod six;
mod survival;
mod traces;

use kiln_tests::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        closed::stories(),
        allow::stories(),
        lockfile::stories(),
        endpoints::stories(),
        six::stories(),
        hostile::stories(),
        leaks::stories(),
        scan::stories(),
        neighbours::stories(),
        survival::stories(),
        kills::stories(),
        traces::stories(),
    ]
    .concat()
}
