//! A job whose every byte is known, and whose completion can be counted from outside.
//!
//! Under a stub guest a command is a process of this host: it adds its name to a file when it is
//! done, so a command that was run twice to its end is seen, whatever the daemon says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{
    DiskFormat, ExecSpec, FailureClass, InputDisk, Job, JobSpec, JobState, OutputDisk,
    job_spec::Work as Kind,
};

use crate::{Client, client::Written, digest, noise};

/// The smallest disk of a job.
const DISK_BYTES: u64 = 64 << 20;
const MEMORY_BYTES: u64 = 64 << 20;
const LINES: u32 = 4000;

/// One job of a story's, before and after it was run.
#[derive(Clone, Debug)]
pub struct Work {
    pub key: String,
    /// Where the command leaves its name.
    done: PathBuf,
    /// Of its own, where disks are unpacked and packed.
    directory: PathBuf,
    input: Option<Vec<u8>>,
    has_output: bool,
    script: String,
    /// Its host is a guest, whose files nobody sees.
    is_hidden: bool,
}

impl Work {
    /// `directory` is the story's; all works of a story leave their names in one file.
    pub fn new(directory: &Path, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            done: directory.join("done"),
            directory: directory.join("guest").join(key),
            input: None,
            has_output: false,
            script: String::new(),
            is_hidden: false,
        }
    }

    /// In a real guest: nothing of it is seen from outside.
    #[must_use]
    pub fn in_a_guest(self) -> Self {
        Self { done: "/root/done".into(), directory: "/root".into(), is_hidden: true, ..self }
    }

    /// Bytes go in, and the command checks them.
    #[must_use]
    pub fn with_input(self) -> Self {
        let bytes = noise(self.key.len() as u64, 100_000);
        Self { input: Some(bytes), ..self }
    }

    /// Bytes come out.
    #[must_use]
    pub fn with_output(self) -> Self {
        Self { has_output: true, ..self }
    }

    /// What it does in the middle of its work.
    #[must_use]
    pub fn meanwhile(self, script: &str) -> Self {
        Self { script: script.to_owned(), ..self }
    }

    /// Brings what is needed to the host.
    pub async fn spec(&self, client: &Client) -> anyhow::Result<Result<JobSpec, tonic::Status>> {
        if !self.is_hidden {
            fs::create_dir_all(&self.directory)?;
        }
        let path = |name: &str| self.directory.join(name).display().to_string();
        let mut inputs = Vec::new();
        if let Some(bytes) = &self.input {
            let source = match client.upload(bytes).await? {
                Ok(source) => source,
                Err(refused) => return Ok(Err(refused)),
            };
            let host_digest = format!("sha256:{}", digest(bytes));
            ensure!(source.digest == host_digest, "{source:?} for {host_digest}");
            inputs.push(InputDisk {
                source_id: source.source_id,
                path: path("in"),
                format: DiskFormat::Raw.into(),
            });
        }
        let output = OutputDisk {
            name: "out".to_owned(),
            path: path("out"),
            format: DiskFormat::Raw.into(),
            max_bytes: 8 << 20,
        };
        let exec = ExecSpec {
            argv: ["sh", "-c", &self.whole_script()].map(str::to_owned).into(),
            ..ExecSpec::default()
        };
        Ok(Ok(JobSpec {
            memory_bytes: MEMORY_BYTES,
            disk_bytes: DISK_BYTES,
            inputs,
            outputs: self.has_output.then_some(output).into_iter().collect(),
            work: Some(Kind::Exec(exec)),
            ..JobSpec::default()
        }))
    }

    fn whole_script(&self) -> String {
        let Self { key, script, .. } = self;
        let half = LINES / 2;
        let path = |name: &str| self.directory.join(name).display().to_string();
        let check = self.input.as_ref().map(|bytes| {
            format!("echo '{}  {}' | sha256sum --quiet -c || exit 9\n", digest(bytes), path("in"))
        });
        let make = format!("seq {LINES} > {}\n", path("out"));
        format!(
            "{}{}seq 1 {half}\necho half >&2\n{script}\nseq {} {LINES}\n\
             printf '%s\\n' {key} >> {}\n",
            check.unwrap_or_default(),
            if self.has_output { &make } else { "" },
            half + 1,
            self.done.display(),
        )
    }

    /// What a command that ran to its end wrote.
    pub fn expected(&self) -> Written {
        let lines = (1..=LINES).flat_map(|number| [number.to_string(), "\n".to_owned()]);
        Written {
            stdout: lines.collect::<String>().into_bytes(),
            stderr: b"half\n".to_vec(),
            dropped: 0,
        }
    }

    /// How often its command ran to its end.
    pub fn times_done(&self) -> anyhow::Result<usize> {
        let text = match fs::read_to_string(&self.done) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        Ok(text.lines().filter(|line| *line == self.key).count())
    }

    /// That what the daemon says of the ended job is what was. `may_fail` when its VM was taken
    /// away: then it may have failed, honestly.
    pub async fn is_true(&self, client: &Client, job: &Job, may_fail: bool) -> anyhow::Result<()> {
        self.judge(client, job, may_fail).await.with_context(|| format!("{}: {job:?}", self.key))
    }

    async fn judge(&self, client: &Client, job: &Job, may_fail: bool) -> anyhow::Result<()> {
        let (written, expected) = (client.written(&job.id).await?, self.expected());
        // In a guest its output has to do: that comes once, or is not as it should be.
        let done = if self.is_hidden { 1 } else { self.times_done()? };
        ensure!(done <= 1, "its command ran to its end {done} times");
        ensure!(job.idempotency_key == self.key, "it has another key");
        match job.state() {
            JobState::Completed => {
                ensure!(done == 1, "it completed and its command did not");
                ensure!(written == expected, "its output is not what the command wrote");
                ensure!(job.exit.as_ref().is_some_and(|exit| exit.code == 0), "no exit code");
                if self.has_output {
                    self.output_is_true(client, job).await?;
                }
            }
            JobState::Failed if may_fail => {
                let failure = job.failure.as_ref().context("failed without a failure")?;
                let class = failure.class();
                ensure!(class == FailureClass::Infrastructure, "it failed as {class:?}");
                ensure!(!failure.message.is_empty(), "it failed without a word");
                let is_start = expected.stdout.starts_with(&written.stdout)
                    && expected.stderr.starts_with(&written.stderr);
                ensure!(is_start, "its output is not the start of what the command wrote");
            }
            state => anyhow::bail!("it ended as {state:?}"),
        }
        Ok(())
    }

    async fn output_is_true(&self, client: &Client, job: &Job) -> anyhow::Result<()> {
        let output = job.outputs.first().context("no output")?;
        let bytes = client.output(&job.id, &output.name).await?;
        ensure!(bytes == self.expected().stdout, "the output is not what the command made");
        ensure!(output.digest == format!("sha256:{}", digest(&bytes)), "another digest");
        ensure!(output.size_bytes == bytes.len() as u64, "another size");
        Ok(())
    }
}
