//! What steps write, in the pieces in which it came, but for secrets.

use std::collections::BTreeMap;

use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES,
    v1::{BuildLog, build_event::Event},
};

use super::{
    frames::Frames,
    mask::{Masked, Secrets},
};

#[derive(Debug, Default)]
pub(super) struct Logs {
    /// By step and stream; those that hold something back.
    rows: BTreeMap<(u32, u32), Row>,
}

#[derive(Debug, Default)]
struct Row {
    masked: Masked,
    /// Of what came last.
    unix_nanos: u64,
}

impl Logs {
    pub(super) fn push(
        &mut self,
        (step, stream): (u32, u32),
        unix_nanos: u64,
        data: &[u8],
        secrets: &Secrets,
        frames: &mut Frames,
    ) {
        if secrets.is_empty() {
            return tell((step, stream), unix_nanos, data, frames);
        }
        let row = self.rows.entry((step, stream)).or_default();
        row.unix_nanos = unix_nanos;
        let mut plain = Vec::with_capacity(data.len());
        row.masked.push(secrets, data, &mut plain);
        tell((step, stream), unix_nanos, &plain, frames);
    }

    /// The step writes no more.
    pub(super) fn end(&mut self, step: u32, secrets: &Secrets, frames: &mut Frames) {
        for stream in [1, 2] {
            if let Some(mut row) = self.rows.remove(&(step, stream)) {
                let mut plain = Vec::new();
                row.masked.flush(secrets, &mut plain);
                tell((step, stream), row.unix_nanos, &plain, frames);
            }
        }
    }

    pub(super) fn end_all(&mut self, secrets: &Secrets, frames: &mut Frames) {
        while let Some(((step, _), _)) = self.rows.first_key_value() {
            self.end(*step, secrets, frames);
        }
    }
}

fn tell((step, stream): (u32, u32), unix_nanos: u64, data: &[u8], frames: &mut Frames) {
    for piece in data.chunks(MAX_BUILD_LOG_BYTES) {
        let data = piece.to_vec().into();
        frames.add(Event::Log(BuildLog { step, stream, unix_nanos, data }));
    }
}
