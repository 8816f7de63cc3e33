//! What exec reads.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt as _, path::Path, ptr};

use crate::LaunchFailure;

/// A program, its arguments, and no environment.
#[derive(Debug)]
pub(crate) struct Image {
    /// Into `_strings`, which stay where they are; ends in null.
    arguments: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Image {
    pub(crate) fn new(program: &Path, arguments: &[String]) -> Result<Self, LaunchFailure> {
        let arguments = arguments.iter().map(|argument| CString::new(argument.as_str()));
        let all = std::iter::once(CString::new(program.as_os_str().as_bytes())).chain(arguments);
        let strings: Vec<CString> = all.collect::<Result<_, _>>().map_err(|_| {
            // As it answers to a string that it cannot take.
            LaunchFailure::Exec { program: program.to_owned(), errno: libc::EINVAL }
        })?;
        let arguments = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { arguments, _strings: strings })
    }

    /// Comes back only when it failed. Neither allocates nor locks.
    pub(crate) fn execute(&self) -> io::Error {
        let environment = [ptr::null()];
        let Some(program) = self.arguments.first() else { return io::ErrorKind::NotFound.into() };
        // SAFETY: lists of strings that end in zero, which themselves end in null.
        unsafe { libc::execve(*program, self.arguments.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}
