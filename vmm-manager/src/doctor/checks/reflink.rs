//! Whether a file below the home can be copied without its bytes.

use std::{fs::File, io::Write as _};

use rustix::{
    fs::{Mode, OFlags, ioctl_ficlone, open},
    io::Errno,
};

use super::home::nearest;
use crate::{
    config::Flags,
    doctor::report::{Area, Check},
};

const NAME: &str = "reflink";

pub(super) fn check(flags: &Flags) -> Check {
    let (area, place) = (Area::Storage, nearest(&flags.home));
    // Without names: nothing is left, whatever happens.
    let unnamed = || {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        open(place, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    };
    let cloned = unnamed().and_then(|mut from| {
        let to = unnamed()?;
        from.write_all(&[1; 4096]).map_err(|_| Errno::IO)?;
        ioctl_ficlone(&to, &from)
    });
    match cloned {
        Ok(()) => Check::ok(area, NAME, format!("a file below {} was cloned", place.display())),
        Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL) => Check::note(
            area,
            NAME,
            format!("the file system of {} has none; no job needs it", place.display()),
        )
        .mend("put the home on XFS or btrfs"),
        Err(error) => Check::note(
            area,
            NAME,
            format!("could not be tried below {}: {error}", place.display()),
        ),
    }
}
