//! The kernel's switches for networks, of the namespace that the calling thread is in.

use std::{fs, io, path::PathBuf};

const ROOT: &str = "/proc/sys/net";

/// One that could not be read or set.
#[derive(Debug, thiserror::Error)]
#[error("net.{name} could not be {done}")]
pub struct SysctlError {
    pub name: String,
    pub done: &'static str,
    pub source: io::Error,
}

/// `ipv4/conf/eth0/forwarding`: with slashes, as names of links have dots.
fn path(name: &str) -> PathBuf {
    PathBuf::from(ROOT).join(name)
}

pub fn read(name: &str) -> Result<String, SysctlError> {
    let failed = |source| SysctlError { name: name.to_owned(), done: "read", source };
    Ok(fs::read_to_string(path(name)).map_err(failed)?.trim().to_owned())
}

/// `None` where this kernel, or this link, has no such switch.
pub fn read_if_there(name: &str) -> Result<Option<String>, SysctlError> {
    match read(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// And looks whether it is.
pub fn set(name: &str, value: &str) -> Result<(), SysctlError> {
    let failed = |source| SysctlError { name: name.to_owned(), done: "set", source };
    fs::write(path(name), value).map_err(failed)?;
    if read(name)? == value {
        return Ok(());
    }
    Err(failed(io::Error::other(format!("it does not stay {value}"))))
}

/// Where there is one.
pub fn set_if_there(name: &str, value: &str) -> Result<(), SysctlError> {
    match set(name, value) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
