//! What the engine, or the translation, has to remark.

use kiln_buildkit::VertexWarning;
use kiln_proto::agent::{
    MAX_BUILD_TEXT_BYTES,
    v1::{BuildWarning, build_event::Event},
};

use super::{
    frames::{self, Frames},
    mask::Secrets,
};

const LOST: &str = "what the engine's client said next was not understood, and is not told";

pub(super) fn tell(step: u32, warning: VertexWarning, secrets: &Secrets, frames: &mut Frames) {
    let VertexWarning { vertex: _, level: _, short, detail, url, info, ranges } = warning;
    let plain = |bytes: &[u8]| secrets.text(&String::from_utf8_lossy(bytes));
    let mut room = MAX_BUILD_TEXT_BYTES;
    let details = detail.iter().map(|detail| plain(detail));
    let details = details
        .take_while(|detail| {
            let size = detail.len() + 1;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .collect();
    let first = ranges.into_iter().next().and_then(|range| range.start);
    frames.add(Event::Warning(BuildWarning {
        step,
        text: frames::text(plain(&short)),
        details,
        url: frames::name(secrets.text(&url)),
        file: frames::name(secrets.text(&info.unwrap_or_default().filename)),
        line: first.map_or(0, |position| u32::try_from(position.line).unwrap_or(0)),
    }));
}

/// Of our own.
pub(super) fn lost(frames: &mut Frames) {
    let text = LOST.to_owned();
    frames.add(Event::Warning(BuildWarning { text, ..BuildWarning::default() }));
}
