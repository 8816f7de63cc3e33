//! The program that becomes `/.kiln/init`.

use super::elf;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    #[error("not a binary")]
    Format,
    #[error("a binary for {found}, and the image is for {wanted}")]
    Architecture { found: String, wanted: String },
    #[error("not static: it would need a loader that the image may not have")]
    Dynamic,
}

/// It has to run in an image that has nothing else.
pub(super) fn check(program: &[u8], architecture: &str) -> Result<(), ProgramError> {
    let header = elf::Header::parse(program).ok_or(ProgramError::Format)?;
    if !header.machine.runs_on(architecture) {
        let found = header.machine.name();
        return Err(ProgramError::Architecture { found, wanted: architecture.to_owned() });
    }
    let start = usize::try_from(header.table).unwrap_or(usize::MAX);
    let length = usize::try_from(header.table_bytes()).unwrap_or(usize::MAX);
    let table = program.get(start..start.saturating_add(length)).ok_or(ProgramError::Format)?;
    match header.interpreter(table) {
        Some(_) => Err(ProgramError::Dynamic),
        None => Ok(()),
    }
}
