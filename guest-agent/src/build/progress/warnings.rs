//! What the engine, or the translation, has to remark.

use kiln_proto::agent::{
    MAX_BUILD_TEXT_BYTES,
    v1::{BuildWarning, build_event::Event},
};

use super::{
    frames::{self, Frames},
    mask::Secrets,
    status::{Base64, Warning},
};

/// Of our own.
const MOST_LOST: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Warnings {
    lost: usize,
}

impl Warnings {
    #[expect(clippy::unused_self, reason = "they are this one's to tell")]
    pub(super) fn tell(&self, step: u32, warning: Warning, secrets: &Secrets, frames: &mut Frames) {
        let Warning { vertex: _, short, detail, url, source, range } = warning;
        let plain = |bytes: Base64| secrets.text(&String::from_utf8_lossy(&bytes.0));
        let mut room = MAX_BUILD_TEXT_BYTES;
        let details = detail.unwrap_or_default().into_iter().map(plain);
        let details = details
            .take_while(|detail| {
                let size = detail.len() + 1;
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits
            })
            .collect();
        let first = range.and_then(|ranges| ranges.into_iter().next()?.start);
        frames.add(Event::Warning(BuildWarning {
            step,
            text: frames::text(short.map(plain).unwrap_or_default()),
            details,
            url: frames::name(secrets.text(&url)),
            file: frames::name(secrets.text(&source.unwrap_or_default().filename)),
            line: first.map_or(0, |position| position.line),
        }));
    }

    /// A part of what the client said is not told, and why.
    pub(super) fn lost(&mut self, why: &str, frames: &mut Frames) {
        self.lost += 1;
        if self.lost <= MOST_LOST {
            let text = format!("a part of the engine's progress was {why}, and is not told");
            frames.add(Event::Warning(BuildWarning { text, ..BuildWarning::default() }));
        }
    }
}
