//! Guests that take what they can get: one job that hogs one thing after the other, each for as
//! long as somebody looks.

use std::pin::pin;

use anyhow::{Context as _, ensure};

use crate::{Host, Running, host::BOOT_LIMIT};

/// What is hogged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hog {
    ForkBomb,
    Cpu,
    Memory,
    Disk,
    Output,
}

/// What a hog is known to have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hogged {
    /// How many processes the guest began, by its kernel's count.
    pub forks: u64,
    /// What arrived at the client of what it wrote.
    pub output_bytes: u64,
}

/// The job. Dropped, its client is killed; the job is its daemon's to end.
#[derive(Debug)]
pub struct Hogs {
    running: Running,
}

/// Reads a hog's script, runs it in a session of its own, and ends it at the next line: until
/// nobody of that session is left, whoever they are whose parent they were. It forks for nothing
/// else, so that a bomb can't keep it from its work.
const KEEPER: &str = r#"
while read -r script; do
    setsid sh -c "echo begun; $script" < /dev/null 2> /dev/null &
    hog=$!
    read -r over
    while kill -KILL -- -$hog 2> /dev/null; do :; done
    wait $hog 2> /dev/null
    while read -r name forks rest; do
        if [ "$name" = processes ]; then echo "over $forks ."; fi
    done < /proc/stat
done
"#;

const BEGUN: &[u8] = b"begun\n";
/// Before the count of processes, at the start of a line of its own.
const OVER: &[u8] = b"over ";
const FULL_STOP: &[u8] = b" .\n";

impl Hog {
    pub const ALL: [Self; 5] = [Self::ForkBomb, Self::Cpu, Self::Memory, Self::Disk, Self::Output];

    pub fn name(self) -> &'static str {
        match self {
            Self::ForkBomb => "fork bomb",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Output => "output",
        }
    }

    /// One line of shell that goes on until it is killed.
    fn script(self) -> &'static str {
        match self {
            // As many as stay below the command's own limit of memory, which would end the job;
            // a bomb that has burst is set off again.
            Self::ForkBomb => {
                "while :; do sh -c 'ulimit -u 600; exec setpriv --reuid 65534 --clear-groups \
                 sh -c \"b() { while :; do b & done; }; b\"'; done"
            }
            Self::Cpu => "for cpu in $(seq $(nproc)); do (while :; do :; done) & done; wait",
            // `tail` keeps in memory what it may have to print.
            Self::Memory => "while :; do head -c 320M /dev/zero | tail -c 320M > /dev/null; done",
            Self::Disk => {
                "while :; do dd if=/dev/urandom of=/root/hog bs=1M count=96 conv=fsync; done"
            }
            Self::Output => "exec yes 'a line of a flood that goes on for as long as it may'",
        }
    }
}

impl Hogs {
    /// Boots it, with so many virtual CPUs and a scratch disk of `disk_mebibytes`.
    pub async fn start(host: &Host, cpus: usize, disk_mebibytes: u32) -> anyhow::Result<Self> {
        let (cpus, disk) = (cpus.to_string(), format!("{disk_mebibytes}M"));
        let options = ["run", "-q", "-i", "--cpus", &cpus, "--disk", &disk];
        let keeper = format!("echo ready; {KEEPER}");
        let kiln = host.kiln(options).arguments(["--", "bash", "-c", &keeper]);
        let mut running = kiln.held_stdin().limit(BOOT_LIMIT).start()?;
        running.said("ready\n").await?;
        Ok(Self { running })
    }

    /// Looks while it hogs, reading what it writes. It is over when this comes back.
    pub async fn during<T>(
        &mut self,
        hog: Hog,
        look: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, Hogged)> {
        self.hogging(hog, look).await.with_context(|| format!("while the {} hog ran", hog.name()))
    }

    async fn hogging<T>(
        &mut self,
        hog: Hog,
        look: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, Hogged)> {
        let before = self.turn("true", async { anyhow::Ok(()) }).await?.1;
        let (seen, after) = self.turn(hog.script(), look).await?;
        let forks = after.forks.saturating_sub(before.forks);
        Ok((seen, Hogged { forks, ..after }))
    }

    async fn turn<T>(
        &mut self,
        script: &str,
        look: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(T, Hogged)> {
        self.running.feed(format!("{script}\n").as_bytes()).await?;
        let mut heard = Vec::new();
        while !contains(&heard, BEGUN) {
            heard.extend(self.heard().await?);
        }
        let mut output_bytes = (heard.len() - BEGUN.len()) as u64;
        let mut look = pin!(look);
        let seen = loop {
            tokio::select! {
                seen = &mut look => break seen?,
                bytes = self.heard() => output_bytes += bytes?.len() as u64,
            }
        };
        self.running.feed(b"over\n").await?;
        // What was on its way comes first; only the end of it is of interest.
        let mut end = Vec::new();
        let forks = loop {
            end.extend(self.heard().await?);
            if end.ends_with(FULL_STOP)
                && let Some(forks) = count(&end)
            {
                break forks;
            }
            end.drain(..end.len().saturating_sub(64));
        };
        Ok((seen, Hogged { forks, output_bytes }))
    }

    async fn heard(&mut self) -> anyhow::Result<Vec<u8>> {
        let bytes = self.running.read().await?;
        ensure!(!bytes.is_empty(), "the job has ended");
        Ok(bytes)
    }

    /// The end of its input is its end.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.running.close_stdin();
        let ended = self.running.finish().await?;
        ensure!(ended.code == Some(0), "{ended}");
        Ok(())
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// `…over 1234 .` → 1234. The flood before it may have been cut in the middle of a line.
fn count(end: &[u8]) -> Option<u64> {
    let at = end.windows(OVER.len()).rposition(|window| window == OVER)?;
    let number = end[at + OVER.len()..].strip_suffix(FULL_STOP)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_flood_is_found() {
        assert_eq!(count(b"a line of a flo\nover 1234 .\n"), Some(1234));
        assert_eq!(count(b"a line of a floover 7 .\n"), Some(7));
        assert_eq!(count(b"over 12"), None);
        assert_eq!(count(b"a line .\n"), None);
    }
}
