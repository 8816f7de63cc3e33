//! The power button: an input device that says `KEY_POWER`.
//!
//! QEMU's `system_powerdown` and Cloud Hypervisor's `vm.power-button` press the button of ACPI, which
//! the kernel's `button` module turns into a key and `evdev` hands to user space.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{Mode, OFlags},
};

use super::Power;
use crate::kmsg;

/// `KEY_POWER` and `EV_KEY` of the kernel's input interface.
const KEY_POWER: u16 = 116;
const EV_KEY: u16 = 1;
/// `struct input_event`: a time of 16 bytes, the type, the code and the value.
const EVENT_BYTES: usize = 24;

/// Watches the buttons that there are now, on a thread of its own.
pub(crate) fn watch_button(power: Power) -> io::Result<()> {
    let buttons = find_buttons(Path::new("/sys/class/input"))?;
    if buttons.is_empty() {
        return Err(io::Error::other("no input device has a power key"));
    }
    let open = |device: &PathBuf| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(device, flags, Mode::empty())?))
    };
    let mut buttons: Vec<File> = buttons.iter().map(open).collect::<io::Result<_>>()?;
    thread::Builder::new().name("power-button".to_owned()).stack_size(64 * 1024).spawn(
        move || match wait_for_press(&mut buttons) {
            Ok(()) => power.pressed(),
            Err(error) => kmsg::error(format_args!("the power button cannot be read: {error}")),
        },
    )?;
    Ok(())
}

fn wait_for_press(buttons: &mut [File]) -> io::Result<()> {
    loop {
        let mut polled: Vec<PollFd<'_>> =
            buttons.iter().map(|button| PollFd::new(button, PollFlags::IN)).collect();
        poll(&mut polled, None)?;
        for button in &mut *buttons {
            let mut event = [0; EVENT_BYTES];
            // The kernel hands out whole events, or says that there is none.
            match button.read(&mut event) {
                Ok(EVENT_BYTES) if is_press(&event) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_press(event: &[u8; EVENT_BYTES]) -> bool {
    let half = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
    let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
    half(16) == EV_KEY && half(18) == KEY_POWER && value == 1
}

/// The device files of what has a power key.
fn find_buttons(class: &Path) -> io::Result<Vec<PathBuf>> {
    let mut devices = Vec::new();
    for entry in std::fs::read_dir(class)? {
        let name = entry?.file_name();
        let keys = class.join(&name).join("device/capabilities/key");
        let is_event = name.as_encoded_bytes().starts_with(b"event");
        if is_event && has_power_key(&std::fs::read_to_string(keys).unwrap_or_default()) {
            devices.push(Path::new("/dev/input").join(name));
        }
    }
    Ok(devices)
}

/// Words of 64 bits in hexadecimal, the lowest one last.
fn has_power_key(bitmap: &str) -> bool {
    let (word, bit) = (usize::from(KEY_POWER / 64), KEY_POWER % 64);
    let word = bitmap.split_whitespace().rev().nth(word);
    word.and_then(|word| u64::from_str_radix(word, 16).ok())
        .is_some_and(|word| word >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
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
        assert!(is_press(&event(EV_KEY, KEY_POWER, 1)));
        assert!(!is_press(&event(EV_KEY, KEY_POWER, 0)));
        assert!(!is_press(&event(EV_KEY, 30, 1)));
        assert!(!is_press(&event(0, KEY_POWER, 1)));
    }

    #[test]
    fn the_bitmap_is_read_from_its_end() {
        assert!(has_power_key("10000000000000 0\n"));
        assert!(!has_power_key("10000000000000\n"));
        assert!(!has_power_key("0 10000000000000\n"));
        assert!(!has_power_key(""));
        assert!(has_power_key("402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe\n"));
    }
}
