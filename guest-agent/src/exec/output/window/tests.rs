use super::*;

/// The same by the book: every byte with its stream.
#[derive(Default)]
struct Model {
    all: Vec<(Output, u8)>,
    start: usize,
    cursor: usize,
}

/// Small numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn it_does_what_a_list_of_bytes_does() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut window = Window::new(100);
        let mut model = Model::default();
        for step in 0..400 {
            match dice.roll(5) {
                0 | 1 => {
                    let output = if dice.roll(2) == 0 { Output::Stdout } else { Output::Stderr };
                    let length = dice.roll(1 + window.room().min(20));
                    let data: Vec<u8> =
                        (0..length).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
                    window.push(output, &data);
                    model.all.extend(data.iter().map(|byte| (output, *byte)));
                }
                2 => {
                    let sent = window.send();
                    assert_eq!(sent.is_none(), model.cursor == model.all.len());
                    if let Some(Chunk { output, offset, data }) = sent {
                        assert_eq!(offset, model.cursor as u64, "seed {seed}, step {step}");
                        for byte in data {
                            assert_eq!((output, byte), model.all[model.cursor]);
                            model.cursor += 1;
                        }
                    }
                }
                3 => {
                    let offset = dice.roll(model.cursor + 3);
                    let forgotten = window.forget(offset as u64);
                    assert_eq!(forgotten.is_ok(), offset <= model.cursor);
                    if forgotten.is_ok() {
                        model.start = model.start.max(offset);
                    }
                }
                _ => {
                    let offset = dice.roll(model.all.len() + 3);
                    let sought = window.seek(offset as u64);
                    let there = (model.start..=model.all.len()).contains(&offset);
                    assert_eq!(sought.is_ok(), there, "seed {seed}, step {step}: {sought:?}");
                    if there {
                        model.cursor = offset;
                    }
                }
            }
            assert_eq!(window.room(), 100 - (model.all.len() - model.start));
            assert_eq!(window.has_more(), model.cursor < model.all.len());
        }
    }
}

#[test]
fn neighbours_of_one_stream_are_one_chunk_and_none_is_too_large() {
    let mut window = Window::new(1 << 20);
    for _ in 0..3 {
        window.push(Output::Stdout, &vec![7; 30_000]);
    }
    window.push(Output::Stderr, b"x");
    let mut lengths = Vec::new();
    while let Some(chunk) = window.send() {
        lengths.push((chunk.output, chunk.data.len()));
    }
    let rest = 90_000 - MAX_CHUNK_BYTES;
    assert_eq!(
        lengths,
        [(Output::Stdout, MAX_CHUNK_BYTES), (Output::Stdout, rest), (Output::Stderr, 1)]
    );
}

#[test]
fn what_is_gone_and_what_is_not_there_yet_are_told_apart() {
    let mut window = Window::new(100);
    window.push(Output::Stdout, b"0123456789");
    assert_eq!(window.forget(1), Err(NotSent { sent: 0, offset: 1 }));
    window.send();
    window.forget(4).unwrap();
    assert_eq!(window.seek(3), Err(NoSuchOffset::Forgotten { start: 4, offset: 3 }));
    assert_eq!(window.seek(11), Err(NoSuchOffset::Beyond { end: 10, offset: 11 }));
    window.seek(10).unwrap();
    assert_eq!(window.send(), None);
    window.seek(4).unwrap();
    assert_eq!(window.send().unwrap().data, "456789");
}
