//! A cpio archive in the `newc` format, which is what the kernel unpacks as an initramfs.
//!
//! Each entry is a header of ASCII hex fields, the name with its NUL, and the content; header with
//! name, and content, are padded to four bytes. Everything that could vary is zero or counted.

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

/// The content does not fit into the format's 32 bits.
#[derive(Debug, thiserror::Error)]
#[error("{name} is too large for an initramfs")]
pub struct TooLarge {
    name: String,
}

impl Cpio {
    pub fn directory(&mut self, name: &str) -> Result<(), TooLarge> {
        self.append(name, 0o040_755, &[])
    }

    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), TooLarge> {
        self.append(name, 0o100_000 | mode, content)
    }

    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        self.append("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    fn append(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), TooLarge> {
        let size = |length| u32::try_from(length).map_err(|_| TooLarge { name: name.to_owned() });
        let (inode, links, mtime) = (self.entries, 1, 0);
        let (uid, gid, device, check) = (0, 0, 0, 0);
        self.entries += 1;
        self.bytes.extend(b"070701");
        for field in [
            inode,
            mode,
            uid,
            gid,
            links,
            mtime,
            size(content.len())?,
            device,
            device,
            device,
            device,
            size(name.len() + 1)?,
            check,
        ] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_the_format_says() {
        let mut cpio = Cpio::default();
        cpio.directory("d").unwrap();
        cpio.file("d/f", 0o644, b"kiln!").unwrap();
        let bytes = cpio.finish().unwrap();
        let zero = "00000000";
        let header = |inode: &str, mode: &str, size: &str, name: &str| {
            let ids = format!("{zero}{zero}00000001{zero}");
            format!("070701{inode}{mode}{ids}{size}{zero}{zero}{zero}{zero}{name}{zero}")
        };
        let expected = [
            header("00000000", "000041ed", zero, "00000002"),
            "d\0".into(),
            header("00000001", "000081a4", "00000005", "00000004"),
            "d/f\0\0\0kiln!\0\0\0".into(),
            header("00000002", zero, zero, "0000000b"),
            "TRAILER!!!\0\0\0\0".into(),
        ];
        assert_eq!(String::from_utf8(bytes).unwrap(), expected.concat());
    }
}
