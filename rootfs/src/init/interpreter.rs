//! The first line of a script.

/// What the kernel reads of a program to tell what it is.
pub(super) const LINE_BYTES: u64 = 256;

/// The interpreter's path as the kernel takes it from `#!`; `None` is no script that it would run.
pub(super) fn of(start: &[u8]) -> Option<Vec<u8>> {
    let rest = start.strip_prefix(b"#!")?;
    let whole = rest.iter().position(|byte| *byte == b'\n');
    let line = rest.get(..whole.unwrap_or(rest.len()))?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = line.iter().position(|byte| !blank(byte))?;
    let line = line.get(begin..)?;
    let end = line.iter().position(|byte| blank(byte) || *byte == 0);
    // A path that is cut off would name something else.
    if end.is_none() && whole.is_none() && start.len() as u64 >= LINE_BYTES {
        return None;
    }
    line.get(..end.unwrap_or(line.len())).filter(|path| !path.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &[u8], expected: Option<&str>) {
        assert_eq!(of(start).as_deref(), expected.map(str::as_bytes));
    }

    #[test]
    fn the_interpreter_is_the_kernels() {
        check(b"#!/bin/sh\nrm", Some("/bin/sh"));
        check(b"#! \t/usr/bin/env  python3 -u\n", Some("/usr/bin/env"));
        check(b"#!/bin/sh", Some("/bin/sh"));
        check(b"#!/bin/sh\r\n", Some("/bin/sh\r"));
        check(b"#!sh\n", Some("sh"));
    }

    #[test]
    fn what_has_none_has_none() {
        for start in [&b""[..], b"#", b"#!", b"#!\n/bin/sh", b"#!  \t\n", b"echo", b" #!/bin/sh\n"]
        {
            check(start, None);
        }
        let long = |length: usize| [&b"#!/"[..], &vec![b'x'; length]].concat();
        check(&long(253), None);
        assert!(of(&long(252)).is_some());
        assert!(of(&[&long(200), &b" -x"[..], &[b'y'; 53]].concat()).is_some());
    }
}
