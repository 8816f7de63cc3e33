//! What must hold of every conversation, whatever the guest said.

use std::{cell::Cell, panic, sync::Once};

use kiln_vmm_manager::guest::{DiskEnd, End, GuestError, Transcript};

use crate::{
    agent::Guest,
    memory::{Growth, weigh},
    play::{
        self, BYTES, CALM, FRAMES, OUTPUT_BYTES, OUTPUT_DISK_BYTES, Outcome, SOURCE_BYTES,
        STDIN_BYTES, pieces,
    },
};

/// Of one conversation, with the far end that plays it.
const MEMORY: isize = 16 << 20;
/// Of the longest text that is kept, a path in the guest, and the mark that it was cut.
const TEXT_CHARACTERS: usize = 4096 + 1;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Plays `guest` in every cut: `expected` is in what comes of it, as [`told`] tells it.
#[track_caller]
pub(crate) fn check(guest: &Guest, expected: &str) {
    for mode in [FRAMES, CALM, BYTES, pieces(16)] {
        let outcome = judged(|| play::play(&guest.input(mode)));
        let told = told(&outcome.result);
        assert!(told.contains(expected), "cut {mode}: {told}, not {expected}");
    }
}

/// Whatever comes of it, it is within the rules.
#[track_caller]
pub(crate) fn judged(conversation: impl FnOnce() -> Outcome) -> Outcome {
    weighed(conversation).0
}

/// [`judged`], and what it took.
#[track_caller]
pub(crate) fn weighed(conversation: impl FnOnce() -> Outcome) -> (Outcome, Growth) {
    // The client's tasks would hide theirs: the runtime catches them.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            report(info);
        }));
    });
    let panics = PANICS.get();
    let (outcome, growth) = weigh(conversation);

    assert_eq!(PANICS.get(), panics, "a task of the client panicked");
    assert_eq!(outcome.lingering, 0, "tasks left behind: {:?}", outcome.result);
    assert!(growth.peak <= MEMORY, "{growth:?} for {:?}", outcome.result);
    match &outcome.result {
        Ok(transcript) => plain(transcript),
        Err(error) => typed(error),
    }
    (outcome, growth)
}

/// What came of a conversation, in a line that a test can look into.
pub(crate) fn told(result: &Result<Transcript, GuestError>) -> String {
    match result {
        Ok(Transcript { end: End::Exited(exit), packed: None, output_bytes, .. }) => {
            format!("{output_bytes} bytes, then {:?}", exit.status)
        }
        Ok(Transcript { end: End::Exited(exit), packed, output_bytes, stdin_bytes, .. }) => {
            let status = exit.status;
            format!("{output_bytes} bytes, {stdin_bytes} taken, then {status:?}, {packed:?}")
        }
        Ok(Transcript { end: End::Refused { reason, message }, .. }) => {
            format!("refused, {reason:?}: {message}")
        }
        Err(error) => error.to_string(),
    }
}

/// Nothing that a guest said of itself can steer a terminal or fill a disk.
#[track_caller]
fn plain(transcript: &Transcript) {
    let Transcript { hello, unpacked, output_bytes, stdin_bytes, end, packed } = transcript;
    assert!(*output_bytes <= OUTPUT_BYTES);
    assert!(*stdin_bytes <= STDIN_BYTES);
    for (disk, most) in [(unpacked, SOURCE_BYTES), (packed, OUTPUT_DISK_BYTES)] {
        match disk {
            Some(DiskEnd::Done { length }) => assert!(*length <= most),
            Some(DiskEnd::Refused { reason: _, message }) => text(message),
            None => {}
        }
    }
    text(&hello.agent_version);
    text(&hello.kernel_release);
    hello.boot_steps.iter().for_each(|step| text(&step.name));
    match end {
        End::Refused { reason: _, message } => text(message),
        End::Exited(exit) => exit.disk_full.iter().for_each(|disk| text(&disk.mount)),
    }
}

#[track_caller]
fn typed(error: &GuestError) {
    text(&error.to_string());
    match error {
        GuestError::Silent { .. }
        | GuestError::Lost { .. }
        | GuestError::Protocol { .. }
        | GuestError::Version { .. }
        | GuestError::Agent { .. } => {}
        // The host's own, and there is no machine.
        GuestError::MachineExited { .. }
        | GuestError::Socket { .. }
        | GuestError::Entropy { .. } => panic!("{error:?}"),
    }
}

#[track_caller]
fn text(text: &str) {
    let characters = text.chars().count();
    assert!(characters <= TEXT_CHARACTERS, "{characters} characters of text");
    assert!(!text.contains(char::is_control), "{text:?}");
}
