//! Whom kilnd becomes.

use std::{ffi::CString, io, mem::MaybeUninit, ptr};

use kiln_shim::privileges::Keeper;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error(
        "there is no user {name:?} for kilnd to become: make one with `useradd --system --user-group \
         --no-create-home --shell /usr/sbin/nologin {name}`, or name another with --user"
    )]
    Unknown { name: String },
    #[error("kilnd does not go on as root: name a user without privileges with --user")]
    Root,
    #[error("the user {uid} is among those of VMs: choose another --user or --uid-base")]
    Vm { uid: u32 },
    #[error("the user {name:?} could not be looked up")]
    Lookup { name: String, source: io::Error },
}

/// By its name, or by its number, which need not have a name; then its group has the same number.
pub(crate) fn find(name: &str) -> Result<Keeper, UserError> {
    let known =
        known(name).map_err(|source| UserError::Lookup { name: name.to_owned(), source })?;
    let numbered = name.parse().ok().map(|number| Keeper { uid: number, gid: number });
    match known.or(numbered) {
        Some(Keeper { uid: 0, .. } | Keeper { gid: 0, .. }) => Err(UserError::Root),
        Some(Keeper { uid: u32::MAX, .. }) | None => {
            Err(UserError::Unknown { name: name.to_owned() })
        }
        Some(keeper) => Ok(keeper),
    }
}

/// In the system's list.
fn known(name: &str) -> io::Result<Option<Keeper>> {
    let Ok(text) = CString::new(name) else { return Ok(None) };
    let mut buffer: Vec<libc::c_char> = vec![0; 16 << 10];
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: the name ends in zero, the buffer has the length that is told, and all of them live
    // across the call.
    let failed = unsafe {
        match name.parse() {
            Ok(number) => libc::getpwuid_r(
                number,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
            Err(_) => libc::getpwnam_r(
                text.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
        }
    };
    if found.is_null() {
        // Systems differ in what they say of a user that they do not know.
        return match failed {
            0 | libc::ENOENT | libc::ESRCH => Ok(None),
            failed => Err(io::Error::from_raw_os_error(failed)),
        };
    }
    // SAFETY: it was found, so the entry was filled in.
    let entry = unsafe { entry.assume_init() };
    Ok(Some(Keeper { uid: entry.pw_uid, gid: entry.pw_gid }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let nobody = find("nobody").unwrap();
        assert_eq!(find(&nobody.uid.to_string()).unwrap(), nobody);
        assert_eq!(find("64999").unwrap(), Keeper { uid: 64_999, gid: 64_999 });
        for root in ["root", "0"] {
            assert!(matches!(find(root), Err(UserError::Root)), "{root}");
        }
        for unknown in ["no-such-user", "", "-1", "4294967295", "a\0b"] {
            assert!(matches!(find(unknown), Err(UserError::Unknown { .. })), "{unknown:?}");
        }
        let said = find("kiln-nobody").unwrap_err().to_string();
        assert!(said.contains("useradd") && said.contains("--user"), "{said}");
    }
}
