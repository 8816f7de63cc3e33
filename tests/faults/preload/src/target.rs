//! Which path a call is about.

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::{os::unix::ffi::OsStrExt as _, path::Path};

use crate::session::{Session, session};

const LONGEST: usize = 4096;

/// A path that the plan is about.
pub(crate) struct Target {
    pub(crate) session: &'static Session,
    bytes: [u8; LONGEST],
    length: usize,
}

impl Target {
    /// Of what is open; `None` when it is not the plan's.
    pub(crate) fn of(fd: c_int) -> Option<Self> {
        let session = session()?;
        let mut target = Self { session, bytes: [0; LONGEST], length: 0 };
        target.length = link_of(fd, &mut target.bytes)?;
        if target.path_bytes().ends_with(b" (deleted)") {
            target.length -= b" (deleted)".len();
        }
        target.is_ours().then_some(target)
    }

    /// Of a name, looked up in `directory`.
    ///
    /// # Safety
    /// `name` is null or ends with a zero.
    pub(crate) unsafe fn at(directory: c_int, name: *const c_char) -> Option<Self> {
        let session = session()?;
        if name.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let mut target = Self { session, bytes: [0; LONGEST], length: 0 };
        if !name.starts_with(b"/") {
            target.length = match directory {
                libc::AT_FDCWD => working_directory(&mut target.bytes)?,
                directory => link_of(directory, &mut target.bytes)?,
            };
            target.push(b"/")?;
        }
        target.push(name)?;
        while target.length > 1 && target.path_bytes().ends_with(b"/") {
            target.length -= 1;
        }
        target.is_ours().then_some(target)
    }

    pub(crate) fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path_bytes()))
    }

    /// Ends with a zero: the buffer is longer than what is in it.
    pub(crate) fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    fn path_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn is_ours(&mut self) -> bool {
        self.bytes[self.length] = 0;
        let rest = self.path_bytes().strip_prefix(self.session.directory.as_slice());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        // One byte stays for the zero.
        self.bytes.get_mut(self.length..end).filter(|_| end < LONGEST)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }
}

fn link_of(fd: c_int, into: &mut [u8; LONGEST]) -> Option<usize> {
    let mut name = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut digits = [0_u8; 11];
    let mut rest = u32::try_from(fd).ok()?;
    let mut count = 0;
    loop {
        digits[count] = b'0' + u8::try_from(rest % 10).ok()?;
        (count, rest) = (count + 1, rest / 10);
        if rest == 0 {
            break;
        }
    }
    for place in 0..count {
        name[14 + place] = digits[count - 1 - place];
    }
    link(&name, into)
}

fn working_directory(into: &mut [u8; LONGEST]) -> Option<usize> {
    link(b"/proc/self/cwd\0", into)
}

fn link(name: &[u8], into: &mut [u8; LONGEST]) -> Option<usize> {
    // SAFETY: the name ends with a zero, and the buffer is valid for its length.
    let length = unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            name.as_ptr(),
            into.as_mut_ptr(),
            LONGEST - 1,
        )
    };
    usize::try_from(length).ok()
}
