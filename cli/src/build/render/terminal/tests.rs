use prost_types::Timestamp;

use super::*;
use crate::{
    output::Stream,
    record::{StepLog, Time},
};

/// As much of a terminal as the window uses: a cursor, up, clearing, broken rows.
struct Played {
    rows: Vec<String>,
    cursor: usize,
}

impl Played {
    fn new() -> Self {
        Self { rows: vec![String::new()], cursor: 0 }
    }

    fn write(&mut self, bytes: &[u8]) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut rest = text.as_str();
        while let Some(letter) = rest.chars().next() {
            if let Some(escape) = rest.strip_prefix("\x1b[") {
                let end = escape.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
                let (parameters, after) = escape.split_at(end);
                match &after[..1] {
                    "A" => self.cursor -= parameters.parse::<usize>().unwrap(),
                    "J" => self.rows.truncate(self.cursor),
                    "K" | "m" | "l" | "h" => {}
                    other => panic!("{other}"),
                }
                rest = &after[1..];
                continue;
            }
            self.rows.resize(self.rows.len().max(self.cursor + 1), String::new());
            match letter {
                '\r' => self.rows[self.cursor].clear(),
                '\n' => self.cursor += 1,
                letter => self.rows[self.cursor].push(letter),
            }
            rest = &rest[letter.len_utf8()..];
        }
    }

    fn text(&self) -> String {
        self.rows.iter().fold(String::new(), |text, row| text + row.trim_end() + "\n")
    }
}

fn time(seconds: i64) -> Time {
    Time::from(Timestamp { seconds, nanos: 0 })
}

fn step(number: u32, completed: Option<i64>) -> BuildEvent {
    let completed_at = completed.map(time);
    let name = format!("[{number}/9] RUN");
    BuildEvent::Step(Step {
        number,
        name,
        started_at: Some(time(0)),
        completed_at,
        ..Step::default()
    })
}

fn log(step: u32, data: &str) -> BuildEvent {
    let data = data.to_owned().into();
    BuildEvent::Log(StepLog { step, stream: Stream::Stdout, time: None, data })
}

const SIZE: Size = Size { rows: 10, columns: 40 };

#[test]
fn the_window_is_drawn_over_and_leaves_nothing() {
    let now = Instant::now();
    let mut terminal = Terminal::new(now);
    let mut played = Played::new();
    terminal.doing(Some("booting"));
    played.write(&terminal.draw_on(SIZE, now));
    assert_eq!(played.text(), "[+] Building 0.0s (0/0) booting\n");
    terminal.doing(None);
    terminal.event(&step(1, Some(2)), now);
    terminal.event(&step(2, None), now);
    for number in 0..9 {
        terminal.event(&log(2, &format!("line \x1b[31m{number}\n")), now);
    }
    played.write(&terminal.draw_on(SIZE, now + Duration::from_secs(3)));
    let expected = "[+] Building 3.0s (1/2)\n => [1/9] RUN                      2.0s\n \
                    => [2/9] RUN                      3.0s\n => => # line 3\n => => # line 4\n \
                    => => # line 5\n => => # line 6\n => => # line 7\n => => # line 8\n";
    assert_eq!(played.text(), expected);
    terminal.event(&step(2, Some(4)), now);
    played.write(&terminal.finish_on(SIZE, false, now + Duration::from_secs(4)));
    let expected = "[+] Building 4.0s (2/2) FINISHED\n => [1/9] RUN                      2.0s\n \
                    => [2/9] RUN                      4.0s\n";
    assert_eq!(played.text(), expected);
}

#[test]
fn more_steps_than_rows_lose_those_that_are_done_longest() {
    let now = Instant::now();
    let mut terminal = Terminal::new(now);
    let mut played = Played::new();
    for number in 1..=30 {
        terminal.event(&step(number, (number < 30).then_some(1)), now);
        played.write(&terminal.draw_on(SIZE, now));
        assert!(played.rows.len() <= SIZE.rows, "{}", played.text());
    }
    assert!(played.text().contains("[30/9]") && !played.text().contains("[1/9]"));
    played.write(&terminal.finish_on(SIZE, true, now));
    assert_eq!(played.text().lines().count(), 31);
    assert!(played.text().starts_with("[+] Building 0.0s (29/30) ERROR\n"), "{}", played.text());
}

#[test]
fn a_narrower_terminal_breaks_rows_and_they_are_drawn_over() {
    let now = Instant::now();
    let mut terminal = Terminal::new(now);
    terminal.event(&step(1, None), now);
    terminal.draw_on(SIZE, now);
    // Two rows: the heading of 23 letters, and a line of 39.
    let narrow = Size { columns: 20, ..SIZE };
    let out = String::from_utf8(terminal.draw_on(narrow, now)).unwrap();
    assert!(out.contains("\x1b[4A"), "{out:?}");
}

#[test]
fn thousands_of_steps_that_all_do_much_are_kept_within_one_bound() {
    let now = Instant::now();
    let mut terminal = Terminal::new(now);
    for number in 1..=4096 {
        terminal.event(&step(number, None), now);
        for part in 0..MOST_PROGRESS / 10 {
            let id = format!("{part:02048}");
            let progress = StepProgress { step: number, id, ..StepProgress::default() };
            terminal.event(&BuildEvent::Progress(progress), now);
        }
    }
    let parts = terminal.steps.values().flat_map(|line| &line.progress);
    let held: usize = parts.map(|part| part.id.capacity() + size_of::<StepProgress>()).sum();
    assert_eq!(terminal.parts, held);
    assert!(held <= MOST_PARTS && held > MOST_PARTS - (4 << 10), "{held}");
    // What is kept goes on.
    let first =
        StepProgress { step: 1, id: format!("{:02048}", 0), current: 7, ..Default::default() };
    terminal.event(&BuildEvent::Progress(first), now);
    assert_eq!(terminal.steps[&1].progress[0].current, 7);
}
