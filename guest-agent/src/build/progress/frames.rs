//! Events on their way out: each within the bounds that the host holds it to.

use kiln_proto::agent::{
    MAX_BUILD_METADATA_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_TEXT_BYTES, event,
    v1::{self, build_event::Event},
};

const CUT: &str = "…";

/// Whole frames, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<u8>);

impl Frames {
    pub(super) fn add(&mut self, event: Event) {
        event::append(&v1::BuildEvent { event: Some(event) }, &mut self.0);
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

pub(super) fn name(name: String) -> String {
    cut(name, MAX_BUILD_NAME_BYTES)
}

pub(super) fn text(text: String) -> String {
    cut(text, MAX_BUILD_TEXT_BYTES)
}

/// What is cut is no JSON any more.
pub(super) fn metadata(json: String) -> String {
    if json.len() <= MAX_BUILD_METADATA_BYTES { json } else { String::new() }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most - CUT.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}
