//! What the host asks for, checked.

use std::path::PathBuf;

use kiln_proto::agent::v1::{DiskFormat, PackRequest, UnpackRequest};

/// As many bytes as virtio gives a serial number.
const MAX_SERIAL_BYTES: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) disk: String,
    pub(crate) task: Task,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Unpack { length: u64, format: Format, path: PathBuf },
    Pack { format: Format, path: PathBuf },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Tar,
    Raw,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOrder {
    #[error("disk {0:?} is not a serial number of 1 to {MAX_SERIAL_BYTES} printable characters")]
    Disk(String),
    #[error("format {0} is none that there is")]
    Format(i32),
    #[error("path {0:?} is not absolute")]
    Path(String),
}

impl TryFrom<UnpackRequest> for Order {
    type Error = InvalidOrder;

    fn try_from(request: UnpackRequest) -> Result<Self, InvalidOrder> {
        let UnpackRequest { disk, length_bytes, format, path } = request;
        let (format, path) = (Format::try_from(format)?, absolute(path)?);
        Ok(Self { disk: serial(disk)?, task: Task::Unpack { length: length_bytes, format, path } })
    }
}

impl TryFrom<PackRequest> for Order {
    type Error = InvalidOrder;

    fn try_from(request: PackRequest) -> Result<Self, InvalidOrder> {
        let PackRequest { disk, format, path } = request;
        let (format, path) = (Format::try_from(format)?, absolute(path)?);
        Ok(Self { disk: serial(disk)?, task: Task::Pack { format, path } })
    }
}

impl TryFrom<i32> for Format {
    type Error = InvalidOrder;

    fn try_from(wire: i32) -> Result<Self, InvalidOrder> {
        match DiskFormat::try_from(wire) {
            Ok(DiskFormat::Tar) => Ok(Self::Tar),
            Ok(DiskFormat::Raw) => Ok(Self::Raw),
            Ok(DiskFormat::Unspecified) | Err(_) => Err(InvalidOrder::Format(wire)),
        }
    }
}

fn serial(disk: String) -> Result<String, InvalidOrder> {
    let printable = disk.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && (1..=MAX_SERIAL_BYTES).contains(&disk.len()) {
        Ok(disk)
    } else {
        Err(InvalidOrder::Disk(disk))
    }
}

fn absolute(path: String) -> Result<PathBuf, InvalidOrder> {
    if path.starts_with('/') && !path.contains('\0') {
        Ok(path.into())
    } else {
        Err(InvalidOrder::Path(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(disk: &str, format: i32, path: &str, expected: Option<&str>) {
        let (disk, path) = (disk.to_owned(), path.to_owned());
        let pack = PackRequest { disk: disk.clone(), format, path: path.clone() };
        let unpack = UnpackRequest { disk, length_bytes: 7, format, path };
        for order in [Order::try_from(pack), Order::try_from(unpack)] {
            let error = order.err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().starts_with(expected.unwrap_or_default()));
        }
    }

    #[test]
    fn orders_are_whole_or_refused() {
        check("kiln-out-0", 1, "/out", None);
        check("kiln-out-0", 2, "/", None);
        check("", 1, "/out", Some("disk \"\" is not"));
        check("a b", 1, "/out", Some("disk \"a b\" is not"));
        check(&"x".repeat(21), 1, "/out", Some("disk"));
        check("a", 0, "/out", Some("format 0"));
        check("a", 9, "/out", Some("format 9"));
        check("a", 1, "out", Some("path \"out\" is not absolute"));
        check("a", 1, "/o\0ut", Some("path"));
    }
}
