//! One row of bytes that comes in pieces, on its way out without secrets.

use super::{MASK, Secrets};

/// What is held back of a row: an end that may be the beginning of a secret.
#[derive(Debug, Default)]
pub(in crate::build::progress) struct Masked {
    held: Vec<u8>,
    /// How much of it is a secret's already.
    covered: usize,
    /// The last thing that went out was a mask: what is a secret's right behind it needs no other.
    is_masking: bool,
}

impl Masked {
    /// What is behind `data` may yet be a part of a secret that begins in it.
    pub(in crate::build::progress) fn push(
        &mut self,
        secrets: &Secrets,
        data: &[u8],
        out: &mut Vec<u8>,
    ) {
        self.go_on(secrets, data, false, out);
    }

    /// There is nothing behind what was held back.
    pub(in crate::build::progress) fn flush(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.go_on(secrets, &[], true, out);
        *self = Self::default();
    }

    fn go_on(&mut self, secrets: &Secrets, data: &[u8], is_end: bool, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let text = if held.is_empty() {
            data
        } else {
            held.extend_from_slice(data);
            &held
        };
        let mut place = 0;
        while place < text.len() {
            if secrets.may_begin_with(text[place]) {
                let found = secrets.found_in(&text[place..]);
                if found.open && !is_end {
                    break;
                }
                self.covered = self.covered.max(place + found.length);
            }
            if place >= self.covered {
                out.push(text[place]);
                self.is_masking = false;
            } else if !self.is_masking {
                out.extend_from_slice(MASK);
                self.is_masking = true;
            }
            place += 1;
        }
        self.covered = self.covered.saturating_sub(place);
        self.held = text[place..].to_vec();
    }
}
