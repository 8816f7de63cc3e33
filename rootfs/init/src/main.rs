//! `/.kiln/init` of a root filesystem that was an image.
//!
//! Its `main` is the one that the C library calls: Rust's own ends the process when a standard stream
//! is closed and there is no `/dev/null` yet, and a process 1 that ends is a panic of the kernel.

#![no_main]

use std::ffi::{CStr, c_char, c_int};

/// # Safety
/// As the C library calls it: `arguments` has `count` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    let words = (1..count).map(|index| {
        // SAFETY: `index` is below `count`, and each of them is a string that ends in a zero.
        unsafe { CStr::from_ptr(*arguments.add(index)) }.to_string_lossy().into_owned()
    });
    kiln_init::main(&words.collect::<Vec<_>>())
}
