//! What the converter has made, on its way from its disks to the host; and why it made nothing.

use std::{io, path::Path, sync::Arc};

use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    fault::{Point, at},
    guest::text,
    job::{
        ExitStatus, Failure, FailureClass, Outcome, Phase, Rootfs, RootfsRecord, Step,
        rootfs::{METADATA_BYTES, MadeRootfs},
    },
    lifecycle::{
        Host,
        durable::durable,
        greeted::Greeted,
        interrupt::{Interrupted, unless_cancelled},
        outputs,
    },
    log::{Log, LogEvent},
    output,
    rootfs::converter::{self, Claim},
    store::JobHandle,
    stream::Stream,
};

/// Behind it there is what the converter says last.
const TAIL_BYTES: u64 = 64 << 10;
const WORDS_CHARACTERS: usize = 2048;
const PREFIX: &str = "kiln-rootfs: ";
/// The places of its outputs.
const ROOT: usize = 0;
const SAID: usize = 1;

/// Metadata first: it tells how much of the disk is the root filesystem. Once this has returned, the
/// machine is not needed any more.
pub(in crate::lifecycle) async fn take_over(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
) -> Result<(), Interrupted> {
    job.begin_phase(Phase::Packaging).detach();
    job.begin_step(Step::Pack).detach();
    let said = &job.spec().outputs[SAID];
    let packed = outputs::pack(host, greeted, SAID, said);
    let length = unless_cancelled(job.cancellation(), packed).await?;
    at(Point::Packed);
    job.begin_step(Step::Ingest).detach();
    let made = unless_cancelled(job.cancellation(), ingest(host, job, greeted, length)).await?;
    at(Point::Ingested);
    let record = job.snapshot().rootfs.map(Arc::unwrap_or_clone).unwrap_or_default();
    let record = RootfsRecord { made: Some(made), ..record };
    durable(job.record_rootfs(Arc::new(record)), &host.limits).await?;
    Ok(())
}

async fn ingest(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    length: u64,
) -> Result<MadeRootfs, Failure> {
    let disks = &greeted.disks().outputs;
    // Kept until `rootfs.json` is made of it.
    let words = host.outputs.path(job.id(), super::finish::SAID);
    let taken = timeout(host.limits.ingest, output::ingest(&disks[SAID], length, &words)).await;
    taken
        .map_err(|elapsed| Failure::infrastructure(Step::Ingest, &elapsed))?
        .map_err(|error| Failure::infrastructure(Step::Ingest, &error))?;
    let disk_bytes = job.spec().outputs[ROOT].max_bytes;
    let read = spawn_blocking(move || read(&words, disk_bytes)).await;
    let Claim { digest, size, converted } =
        read.map_err(|error| Failure::infrastructure(Step::Ingest, &error))??;
    let root = &job.spec().outputs[ROOT];
    let record = outputs::ingest(host, job, greeted, ROOT, root, size).await?;
    if record.digest != digest.to_string() {
        let message = format!(
            "the guest says that it made {digest}, and what is on its disk is {}",
            record.digest
        );
        return Err(lie(message).with("reason", "digest"));
    }
    Ok(MadeRootfs { digest: record.digest, size_bytes: record.size_bytes, converted })
}

fn read(path: &Path, disk_bytes: u64) -> Result<Claim, Failure> {
    let bytes = within(path).map_err(|error| Failure::infrastructure(Step::Ingest, &error))?;
    converter::read(&bytes, disk_bytes).map_err(|error| {
        lie(format!("what the guest says of what it made can't be right: {error}"))
            .with("reason", "metadata")
    })
}

fn within(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    if bytes.len() as u64 > METADATA_BYTES {
        return Err(io::Error::other("it is longer than its disk"));
    }
    Ok(bytes)
}

fn lie(message: String) -> Failure {
    Failure::new(FailureClass::Policy, message).with("step", Step::Ingest)
}

/// Of a converter that ended: 1 is what it says of the image, 2 is that it did not understand us.
pub(in crate::lifecycle) async fn explained(
    rootfs: &Rootfs,
    outcome: Outcome,
    log: &Log,
) -> Outcome {
    let Outcome::Failed { failure, exit: Some(exit) } = outcome else { return outcome };
    if failure.class != FailureClass::User || exit.signal.is_some() {
        return Outcome::Failed { failure, exit: Some(exit) };
    }
    let words = last_words(log).await;
    let failure = match exit {
        ExitStatus { code: 1, .. } => {
            let message = words.unwrap_or(failure.message);
            Failure::new(FailureClass::User, message).with("reason", "not_converted")
        }
        ExitStatus { code, .. } => {
            let words = words.map(|words| format!(": {words}")).unwrap_or_default();
            let artifact = rootfs.artifact();
            let message =
                format!("the converter could not be asked for {artifact}, code {code}{words}");
            Failure::new(FailureClass::Infrastructure, message).with("reason", "converter")
        }
    };
    Outcome::Failed { failure: failure.with("step", Step::Work), exit: Some(exit) }
}

/// The last line of its errors.
async fn last_words(log: &Log) -> Option<String> {
    let start = log.summary().end_offset.saturating_sub(TAIL_BYTES);
    let mut reader = log.read_from(start);
    let mut tail = Vec::new();
    while let Ok(Some(event)) = reader.next_stored().await {
        if let LogEvent::Chunk { stream: Stream::Stderr, data, .. } = event {
            tail.extend_from_slice(&data);
        }
    }
    said_last(&tail)
}

fn said_last(tail: &[u8]) -> Option<String> {
    let tail = String::from_utf8_lossy(tail);
    let line = tail.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let words = line.strip_prefix(PREFIX).unwrap_or(line);
    Some(text::bounded(words, WORDS_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::said_last;

    #[test]
    fn the_last_line_says_why() {
        let check = |tail: &str, expected: Option<&str>| {
            assert_eq!(said_last(tail.as_bytes()).as_deref(), expected);
        };
        check("", None);
        check("\n \n", None);
        check("warning\nkiln-rootfs: no image\n\n", Some("no image"));
        check("killed\u{1b}[2J", Some("killed\u{fffd}[2J"));
        let long = said_last("x".repeat(5000).as_bytes()).unwrap();
        assert_eq!(long.chars().count(), 2049);
    }
}
