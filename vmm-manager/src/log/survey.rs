//! What the files of a log say, before anything is done about it.

use std::{
    cmp::Ordering,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    OpenError,
    segment::{self, Begin, Segment, SegmentHeader},
};

/// The head and two tails.
pub(super) const MOST_SEGMENTS: usize = 3;

/// The log that there is, and the files that are no part of it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) segments: Vec<Segment>,
    pub(super) spare: Vec<u64>,
}

/// Looks at a log whose writer may have been killed at any moment, or whose host lost power, upon
/// which output that was not synced may be gone: what is taken is the longest beginning without a
/// tear. Blocks.
pub(super) fn survey(directory: &Path) -> Result<Survey, OpenError> {
    let damaged = |what| OpenError::Damaged { directory: directory.to_owned(), what };
    let numbers = numbers(directory)?;
    let mut segments = Vec::<Segment>::new();
    let mut joined = 0;
    for number in numbers.iter().copied() {
        let begun = read(directory, number, |file, header| segment::scan(file, header).map(Some))?;
        let joins = match (segments.last(), begun) {
            (None, _) if number != 0 => Err("its first segment is missing"),
            // The head is on the disk for good before there is a tail.
            (None, None) if numbers.len() > 1 => Err("its first segment is not one"),
            // Whoever made it did not come to write into it.
            (_, None) => Ok(false),
            (None, Some(_)) => Ok(true),
            (Some(last), Some((header, _))) => joins(last, header),
        };
        if !joins.map_err(damaged)? {
            break;
        }
        segments.extend(begun.map(|(_, segment)| segment));
        joined += 1;
    }
    let mut spare = numbers[joined..].to_vec();
    // Its writer was killed between a new segment and the end of the oldest.
    while segments.len() > MOST_SEGMENTS {
        spare.push(segments.remove(1).number);
    }
    Ok(Survey { segments, spare })
}

/// Whether a segment goes on where `last` ends; an error where neither a kill nor a loss of power
/// can have brought that about.
fn joins(last: &Segment, next: SegmentHeader) -> Result<bool, &'static str> {
    let is_head = last.number == 0;
    if next.number == last.number + 1 {
        return match next.start.cmp(&last.end) {
            Ordering::Equal => Ok(true),
            Ordering::Less => Err("two of its segments overlap"),
            Ordering::Greater if is_head => Err("the end of its first segment is missing"),
            Ordering::Greater => Ok(false),
        };
    }
    match is_head {
        // The hole that the quota made.
        true if next.head_end == last.end && next.start >= last.end => Ok(true),
        true => Err("the end of its first segment is missing"),
        // One between them is missing.
        false => Ok(false),
    }
}

/// The segments of the log of a job that has ended.
pub(super) async fn closed(directory: PathBuf) -> Result<Vec<Segment>, OpenError> {
    let look = move || match sealed(&directory)? {
        Some(segments) => Ok(segments),
        // Its writer was killed, and nobody came after it.
        None => survey(&directory).map(|survey| survey.segments),
    };
    super::blocking(look).await
}

/// A sealed log, of which only the ends of its files are looked at.
fn sealed(directory: &Path) -> Result<Option<Vec<Segment>>, OpenError> {
    let mut segments = Vec::<Segment>::new();
    let mut last_is_sealed = true;
    for number in numbers(directory)? {
        let ends = read(directory, number, |file, header| {
            let begun = || {
                let SegmentHeader { number, start, head_end: _, salt } = header;
                let file_bytes = file.metadata()?.len();
                Ok(Segment { number, start, end: start, file_bytes, salt })
            };
            let sealed = segment::sealed(file, header)?;
            last_is_sealed = sealed.is_some();
            sealed.map_or_else(begun, Ok).map(Some)
        })?;
        let Some((header, segment)) = ends else { return Ok(None) };
        if let Some(last) = segments.last_mut() {
            last.end = match last.number {
                0 => header.head_end,
                _ if last.number + 1 == number => header.start,
                _ => return Ok(None),
            };
        }
        segments.push(segment);
    }
    let orderly = segments.first().is_none_or(|head| head.number == 0)
        && segments.len() <= MOST_SEGMENTS
        && segments.iter().all(|segment| segment.start <= segment.end)
        && segments.is_sorted_by(|one, next| one.end <= next.start);
    Ok((last_is_sealed && orderly).then_some(segments))
}

fn numbers(directory: &Path) -> Result<Vec<u64>, OpenError> {
    segment::numbers(directory)
        .map_err(|source| OpenError::Io { path: directory.to_owned(), source })
}

/// One segment's header, and what `more` makes of the file behind it.
fn read(
    directory: &Path,
    number: u64,
    more: impl FnOnce(&File, SegmentHeader) -> io::Result<Option<Segment>>,
) -> Result<Option<(SegmentHeader, Segment)>, OpenError> {
    let path = segment::path(directory, number);
    let read = || {
        let file = File::open(&path)?;
        let begin = segment::begin(&file)?;
        let more = match begin {
            Begin::Whole(header) => more(&file, header)?,
            Begin::Torn | Begin::Foreign => None,
        };
        Ok((begin, more))
    };
    let (begin, segment) = read().map_err(|source| OpenError::Io { path: path.clone(), source })?;
    let damaged = |what| Err(OpenError::Damaged { directory: directory.to_owned(), what });
    match begin {
        Begin::Foreign => damaged("it is of another kilnd's format"),
        Begin::Whole(header) if header.number != number => damaged("a segment has another's name"),
        Begin::Whole(header) => Ok(segment.map(|segment| (header, segment))),
        Begin::Torn => Ok(None),
    }
}
