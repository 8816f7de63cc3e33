//! Whatever a guest tells of a build, in whatever pieces: events within their bounds or a typed error,
//! the same ones however it is cut, and a graph that stays within its bounds.
#![no_main]

use bytes::Bytes;
use kiln_vmm_manager::build::{
    event::Event,
    frame::{self, Cutter, MAX_FRAME_BYTES},
    graph::Graph,
};
use libfuzzer_sys::fuzz_target;

/// The first byte says how long a piece is.
fuzz_target!(|input: &[u8]| {
    let Some((size, row)) = input.split_first() else { return };
    let (pieces, whole) = (read(row, usize::from(*size) + 1), read(row, row.len().max(1)));
    assert_eq!(pieces, whole);
    let mut graph = Graph::new();
    for event in &pieces {
        graph.apply(event);
    }
    let record = graph.snapshot();
    for event in &pieces {
        if let Event::Step(step) = event {
            assert!(record.steps.iter().any(|known| known.number == step.number));
        }
    }
});

fn read(row: &[u8], size: usize) -> Vec<Event> {
    let mut cutter = Cutter::new();
    let mut events = Vec::new();
    for piece in row.chunks(size) {
        let pushed = cutter.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = cutter.next() {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            let Ok(event) = frame::decode(&frame) else { return events };
            events.push(event);
        }
        if pushed.is_err() {
            return events;
        }
        assert!(cutter.partial_bytes() < MAX_FRAME_BYTES);
    }
    events
}
