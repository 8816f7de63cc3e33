//! The window: what was drawn, and drawing over it.

use std::time::Duration;

use crate::display::fit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    text: String,
    /// To the right.
    time: Option<Duration>,
    colour: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Screen {
    /// How wide each row is that stands there.
    drawn: Vec<usize>,
}

const BLUE: &str = "\x1b[34m";
const RED: &str = "\x1b[31m";
/// Room for the time.
const TIME: usize = 9;
const NARROWEST: usize = 20;

impl Size {
    pub(super) fn of_terminal() -> Self {
        match rustix::termios::tcgetwinsize(std::io::stderr()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                Self { rows: size.ws_row.into(), columns: size.ws_col.into() }
            }
            _ => Self { rows: 24, columns: 80 },
        }
    }
}

impl Row {
    pub(super) fn plain(text: String) -> Self {
        Self { text, time: None, colour: "" }
    }

    pub(super) fn timed(text: String, time: Option<Duration>) -> Self {
        Self { text, time, colour: "" }
    }

    pub(super) fn done(text: String, time: Option<Duration>) -> Self {
        Self { text, time, colour: BLUE }
    }

    pub(super) fn failed(text: String, time: Option<Duration>) -> Self {
        Self { text, time, colour: RED }
    }

    /// Never so wide that the terminal would break it.
    fn shown(&self, columns: usize) -> String {
        let width = columns.max(NARROWEST) - 1;
        match self.time {
            None => fit(&self.text, width),
            Some(time) => {
                let room = width - TIME;
                let text = fit(&self.text, room);
                format!("{text:<room$}{:>TIME$}", format!("{:.1}s", time.as_secs_f64()))
            }
        }
    }
}

impl Screen {
    pub(super) fn draw(&mut self, rows: Vec<Row>, size: Size) -> Vec<u8> {
        let mut out = Vec::new();
        // Without the cursor, which would jump.
        out.extend_from_slice(b"\x1b[?25l");
        self.over(&mut out, rows, size);
        out.extend_from_slice(b"\x1b[?25h");
        out
    }

    /// What stays.
    pub(super) fn last(&mut self, rows: Vec<Row>, size: Size) -> Vec<u8> {
        let out = self.draw(rows, size);
        self.drawn.clear();
        out
    }

    fn over(&mut self, out: &mut Vec<u8>, rows: Vec<Row>, size: Size) {
        // A terminal that became narrower has broken the rows that stand there.
        let columns = size.columns.max(1);
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        // What has left the screen at its top cannot be drawn over.
        let up = up.min(size.rows.saturating_sub(1));
        if up > 0 {
            out.extend(format!("\x1b[{up}A").into_bytes());
        }
        self.drawn.clear();
        for row in rows {
            let text = row.shown(size.columns);
            self.drawn.push(text.chars().count());
            out.push(b'\r');
            let is_coloured = !row.colour.is_empty() && std::env::var_os("NO_COLOR").is_none();
            if is_coloured {
                out.extend_from_slice(row.colour.as_bytes());
            }
            out.extend_from_slice(text.as_bytes());
            if is_coloured {
                out.extend_from_slice(b"\x1b[0m");
            }
            out.extend_from_slice(b"\x1b[K\n");
        }
        out.extend_from_slice(b"\x1b[J");
    }
}
