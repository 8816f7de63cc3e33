//! `kiln-agent`: `/init` of a guest.

fn main() {
    kiln_agent::init();
}
