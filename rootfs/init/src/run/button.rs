//! The power button: an input device with a power key.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

const CLASS: &str = "/sys/class/input";
const DEVICES: &str = "/dev/input";
/// `KEY_POWER` and `EV_KEY` of the kernel's input interface.
const KEY_POWER: u16 = 116;
const EV_KEY: u16 = 1;
/// `struct input_event` of 64 bits: a time of 16 bytes, the type, the code and the value.
const EVENT_BYTES: usize = 24;

/// Those that there are when the command starts.
#[derive(Debug, Default)]
pub(super) struct Buttons(Vec<File>);

impl Buttons {
    pub(super) fn open() -> Self {
        let open = |device: PathBuf| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::open(device, flags, Mode::empty()).map(File::from)
        };
        // One that cannot be opened cannot be pressed.
        Self(find(Path::new(CLASS)).into_iter().filter_map(|device| open(device).ok()).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(File::as_fd)
    }

    /// Whether one was pressed since it was last asked. One that is gone is dropped.
    pub(super) fn pressed(&mut self) -> bool {
        let mut pressed = false;
        self.0.retain_mut(|button| {
            let mut event = [0; EVENT_BYTES];
            loop {
                match button.read(&mut event) {
                    // The kernel hands out whole events.
                    Ok(EVENT_BYTES) => pressed |= is_press(&event),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    Ok(_) | Err(_) => return false,
                }
            }
        });
        pressed
    }
}

fn is_press(event: &[u8; EVENT_BYTES]) -> bool {
    let [.., kind_low, kind_high, code_low, code_high, a, b, c, d] = *event;
    u16::from_ne_bytes([kind_low, kind_high]) == EV_KEY
        && u16::from_ne_bytes([code_low, code_high]) == KEY_POWER
        && i32::from_ne_bytes([a, b, c, d]) == 1
}

fn find(class: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(class).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let is_button = |name: &std::ffi::OsString| {
        let keys = class.join(name).join("device/capabilities/key");
        name.as_encoded_bytes().starts_with(b"event")
            && has_power_key(&std::fs::read_to_string(keys).unwrap_or_default())
    };
    names.filter(is_button).map(|name| Path::new(DEVICES).join(name)).collect()
}

/// Words of 64 bits in hexadecimal, the lowest one last.
fn has_power_key(bitmap: &str) -> bool {
    let (word, bit) = (usize::from(KEY_POWER / 64), KEY_POWER % 64);
    let word = bitmap.split_whitespace().rev().nth(word);
    let word = word.and_then(|word| u64::from_str_radix(word, 16).ok());
    word.is_some_and(|word| word >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> [u8; EVENT_BYTES] {
        let mut event = [0xff; EVENT_BYTES];
        event[16..18].copy_from_slice(&kind.to_ne_bytes());
        event[18..20].copy_from_slice(&code.to_ne_bytes());
        event[20..24].copy_from_slice(&value.to_ne_bytes());
        event
    }

    #[test]
    fn only_the_press_of_the_power_key_counts() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
        let (mut buttons, mut keys) = (Buttons(vec![read.into()]), File::from(write));
        for (event, expected) in [
            (event(EV_KEY, KEY_POWER, 1), true),
            (event(EV_KEY, KEY_POWER, 0), false),
            (event(EV_KEY, 30, 1), false),
            (event(0, KEY_POWER, 1), false),
        ] {
            keys.write_all(&event).unwrap();
            assert_eq!(buttons.pressed(), expected);
        }
        drop(keys);
        assert!(!buttons.pressed());
        assert_eq!(buttons.iter().count(), 0);
    }

    #[test]
    fn buttons_are_found_by_their_keys() {
        let class = tempfile::tempdir().unwrap();
        for (name, keys) in [
            ("event0", "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\n"),
            ("event1", "10000000000000 0\n"),
            ("event2", "10000000000000\n"),
            ("event3", ""),
            ("mouse0", "10000000000000 0\n"),
        ] {
            let directory = class.path().join(name).join("device/capabilities");
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("key"), keys).unwrap();
        }
        let mut found = find(class.path());
        found.sort();
        assert_eq!(found, [Path::new("/dev/input/event0"), Path::new("/dev/input/event1")]);
        assert!(find(&class.path().join("missing")).is_empty());
    }
}
