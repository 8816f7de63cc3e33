//! `registry.log` of a machine's directory: one line of JSON for each thing that has changed in its
//! record, the newest of one thing counts. It is read by the next kilnd, should this one go first.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use kiln_registry::record::{Material, Refusal};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::record::{Refused, RegistryRecord, Served};

const NAME: &str = "registry.log";
/// Beyond it the file is written anew, without what no longer counts.
const ROOM_BYTES: u64 = 4 << 20;
/// More than a record can be, in lines that are full of escapes.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Served {
        /// The last time.
        material: Material,
        times: u64,
        first: SystemTime,
    },
    Refused {
        /// The last time.
        refusal: Refusal,
        times: u64,
        first: SystemTime,
    },
    Over {
        materials: u64,
        refusals: u64,
    },
}

/// What has changed of a record since it was written last.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) materials: Vec<Served>,
    pub(super) refusals: Vec<Refused>,
    /// Of both, what is not listed.
    pub(super) over: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// `None`: to be written anew, whole.
    file: Option<(File, u64)>,
}

impl Journal {
    /// Of a machine that is new, or whose journal has been read.
    pub(super) fn new(directory: &Path) -> Self {
        Self { path: path(directory), file: None }
    }

    /// Whether only all of a record makes sense to it.
    pub(super) fn wants_all(&self) -> bool {
        self.file.as_ref().is_none_or(|(_, bytes)| *bytes > ROOM_BYTES)
    }

    /// Adds `changes`, which are all of a record where that is wanted. After an error all is wanted.
    pub(super) fn write(&mut self, changes: &Changes) -> io::Result<()> {
        let text = changes.lines()?;
        let length = text.len() as u64;
        if self.wants_all() {
            self.file = None;
            self.file = Some((anew(&self.path, &text)?, length));
            return Ok(());
        }
        if let Some((mut file, bytes)) = self.file.take() {
            // Not put back after an error: half a line would swallow the next one.
            file.write_all(&text)?;
            self.file = Some((file, bytes + length));
        }
        Ok(())
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// In place of what is there, or not at all.
fn anew(path: &Path, text: &[u8]) -> io::Result<File> {
    let partial = path.with_extension("partial");
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600).custom_flags(flags);
    let mut file = options.open(&partial)?;
    file.write_all(text)?;
    fs::rename(&partial, path)?;
    Ok(file)
}

impl Changes {
    pub(super) fn all(record: &RegistryRecord) -> Self {
        let RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete: _ } =
            record;
        Self {
            materials: materials.clone(),
            refusals: refusals.clone(),
            over: Some((*more_materials, *more_refusals)),
        }
    }

    fn lines(&self) -> io::Result<Vec<u8>> {
        let Self { materials, refusals, over } = self;
        let materials = materials.iter().cloned().map(Line::from);
        let refusals = refusals.iter().cloned().map(Line::from);
        let over = over.map(|(materials, refusals)| Line::Over { materials, refusals });
        let mut text = Vec::new();
        for line in materials.chain(refusals).chain(over) {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        Ok(text)
    }
}

/// What is known of a machine's registry from its directory; `None` where nothing was written.
/// `incomplete` tells why a part may be missing.
pub(super) fn read(directory: &Path) -> Option<RegistryRecord> {
    let path = path(directory);
    path.symlink_metadata().ok()?;
    let mut record = RegistryRecord::default();
    if let Err(error) = read_into(&path, &mut record) {
        record.lack(&format!("what the registry wrote down could not be read: {error}"));
    }
    Some(record)
}

fn read_into(path: &Path, record: &mut RegistryRecord) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let mut text = Vec::new();
    loop {
        text.clear();
        reader.read_until(b'\n', &mut text)?;
        // Half a line is the last one of a kilnd that was killed.
        let Some(line) = text.strip_suffix(b"\n") else { return Ok(()) };
        match serde_json::from_slice(line)? {
            Line::Served { material, times, first } => {
                record.put_served(Served { times, first, ..Served::from(material) });
            }
            Line::Refused { refusal, times, first } => {
                record.put_refused(Refused { times, first, ..Refused::from(refusal) });
            }
            Line::Over { materials, refusals } => {
                record.more_materials = materials;
                record.more_refusals = refusals;
            }
        }
    }
}

impl From<Served> for Line {
    fn from(served: Served) -> Self {
        let Served {
            kind,
            registry,
            repository,
            tag,
            digest,
            media_type,
            bytes,
            origin,
            times,
            first,
            last,
        } = served;
        let material = Material {
            kind,
            registry,
            repository,
            tag,
            digest,
            media_type,
            bytes,
            origin,
            at: last,
        };
        Self::Served { material, times, first }
    }
}

impl From<Refused> for Line {
    fn from(refused: Refused) -> Self {
        let Refused {
            registry,
            repository,
            target,
            code,
            reason,
            upstream_status,
            retry_after_seconds,
            times,
            first,
            last,
        } = refused;
        let refusal = Refusal {
            registry,
            repository,
            target,
            code,
            reason,
            upstream_status,
            retry_after_seconds,
            at: last,
        };
        Self::Refused { refusal, times, first }
    }
}
