//! A careless server.

/// The hosts that it finds: it takes LF for a line's end and the last of two headers, prefers chunks,
/// and goes on with what is left.
pub(crate) fn hosts(bytes: &[u8]) -> Vec<String> {
    let mut hosts = Vec::new();
    let mut rest = bytes;
    while let Some((head, after)) = head(rest) {
        hosts.extend(head.host);
        let body = if head.chunked { chunks(after) } else { after.get(head.length..) };
        let Some(after) = body else { break };
        rest = after;
    }
    hosts
}

#[derive(Default)]
struct Head {
    host: Option<String>,
    length: usize,
    chunked: bool,
}

fn head(mut bytes: &[u8]) -> Option<(Head, &[u8])> {
    let mut head = Head::default();
    loop {
        let (line, after) = line(bytes)?;
        bytes = after;
        if line.is_empty() {
            return Some((head, bytes));
        }
        let text = String::from_utf8_lossy(line);
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.trim().to_ascii_lowercase();
        match name.trim().to_ascii_lowercase().as_str() {
            "host" => head.host = Some(value),
            "content-length" => head.length = value.parse().unwrap_or(0),
            "transfer-encoding" => head.chunked = value.contains("chunked"),
            _ => {}
        }
    }
}

fn chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (size, after) = line(bytes)?;
        let size = String::from_utf8_lossy(size);
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (_, after) = line(after.get(size..)?)?;
        bytes = after;
        if size == 0 {
            return Some(bytes);
        }
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes[..end].trim_ascii_end(), &bytes[end + 1..]))
}
