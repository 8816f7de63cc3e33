use super::*;

fn frame(kind: u8, length: usize) -> Vec<u8> {
    let mut frame = u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, 0, 0, 0, 0, 1]);
    frame.extend(vec![0xff; length]);
    frame
}

/// `expected` is the complaint, whether the bytes come at once, one by one or in odd pieces.
fn check(bytes: &[u8], expected: &str) {
    for size in [bytes.len().max(1), 1, 7] {
        let mut frames = Frames::new();
        let result = bytes.chunks(size).try_for_each(|piece| frames.take(piece));
        match result {
            Ok(()) => assert_eq!(expected, "", "in pieces of {size}"),
            Err(what) => {
                assert!(!expected.is_empty() && what.contains(expected), "{what} in {size}");
            }
        }
    }
}

#[test]
fn what_an_honest_agent_sends_passes() {
    check(&[], "");
    check(&[4, 5], "");
    let exchange =
        [(4, 36), (4, 0), (1, 120), (0, 16384), (0, 1), (8, 4), (6, 8), (1, 30), (9, 30)];
    check(&exchange.map(|(kind, length)| frame(kind, length)).concat(), "");
    check(&[frame(3, 4), frame(7, 8)].concat(), "");
    check(&frame(0, 16384).repeat(1000), "");
}

#[test]
fn frames_that_no_agent_sends_are_refused() {
    check(&frame(0, 16385)[..9], "too large");
    check(&[0xff; 9], "too large");
    for kind in [2, 5, 10, 255] {
        check(&frame(kind, 0), "of a kind");
    }
}

#[test]
fn a_flood_of_empty_frames_runs_out_of_credit() {
    for (kind, length) in [(1, 0), (3, 4), (4, 0), (6, 8), (8, 4), (9, 0)] {
        check(&frame(kind, length).repeat(4096), "");
        check(&frame(kind, length).repeat(4097), "flood");
    }
    check(&frame(1, 16384).repeat(3), "");
    check(&frame(1, 16384).repeat(4), "flood");
}

#[test]
fn answers_are_paid_for_by_what_they_answer() {
    let mut frames = Frames::new();
    for _ in 0..1_000_000 {
        frames.earn_by_sending(17);
        frames.take(&frame(6, 8)).unwrap();
    }
}
