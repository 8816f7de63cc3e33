//! How much memory lives, thread by thread: a conversation is played on one thread, with its far
//! end, so that tests side by side do not count each other's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    // Plain numbers without a destructor: touching them allocates nothing, at any time.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the system's allocator hands out.
#[derive(Debug)]
pub(crate) struct Counting;

fn count(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose promises are ours.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps `dealloc`'s contract, and `memory` came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new live side by side while the one is copied to the other.
        count(size.cast_signed());
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps `realloc`'s contract, and `memory` came from the same allocator.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// What a piece of work took on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The most that lived at any one time, beyond what lived before.
    pub(crate) peak: isize,
    /// What still lives.
    pub(crate) left: isize,
}

/// Does `work` and weighs it.
pub(crate) fn weigh<T>(work: impl FnOnce() -> T) -> (T, Growth) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, Growth { peak: PEAK.get() - before, left: LIVE.get() - before })
}
