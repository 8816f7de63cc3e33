//! A job's disks: what is sent before it, and what is brought here after it. All of it is looked at
//! before anything is begun.

use kiln_proto::v1;

use crate::{
    args::{Destination, Input, Output, RawInput, RunArguments, Source},
    daemon::Daemon,
    download::{DownloadError, Place, PlaceError, download},
    progress::Progress,
    record::Job,
    source::{Content, ContentError, UploadError, upload},
};

#[derive(Debug)]
pub(super) struct Disks {
    inputs: Vec<(Content, v1::InputDisk)>,
    outputs: Vec<(v1::OutputDisk, Option<Place>)>,
    workdir: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DisksError {
    #[error("--input {name}")]
    Input { name: String, source: ContentError },
    #[error("two inputs go to {path}: write SOURCE:/PATH, with a path for each")]
    DoubledPath { path: String },
    #[error("stdin can be one thing: the input `-`, or the command's with -i or -t")]
    Stdin,
    #[error(
        "stdout can be one thing: one output `-`, the record of --json, or a terminal's with -t"
    )]
    Stdout,
    #[error("--output {path}")]
    Output { path: String, source: PlaceError },
    #[error(
        "--output {path} has no destination: write {path}:DEST; only a job of --detach has none"
    )]
    NoDestination { path: String },
    #[error(
        "--output {path}: nobody waits for a job of --detach, so it has no destination: \
         `kiln job download` brings its outputs"
    )]
    Detached { path: String },
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("the job's record has no output {name}")]
    Missing { name: String },
}

impl Disks {
    pub(super) fn of(arguments: &RunArguments) -> Result<Self, DisksError> {
        let inputs = inputs(arguments)?;
        let outputs = outputs(arguments)?;
        let stdins = inputs.iter().filter(|(content, _)| *content == Content::Stdin).count();
        if stdins + usize::from(arguments.interactive || arguments.tty) > 1 && stdins > 0 {
            return Err(DisksError::Stdin);
        }
        let to_stdout = |place: &Option<Place>| *place == Some(Place::Stdout);
        let stdouts = outputs.iter().filter(|(_, place)| to_stdout(place)).count();
        if stdouts > 0 && stdouts + usize::from(arguments.json || arguments.tty) > 1 {
            return Err(DisksError::Stdout);
        }
        let workdir = match (&arguments.workdir, &arguments.input[..]) {
            (None, [only]) => Some(only.path.clone()),
            _ => None,
        };
        Ok(Self { inputs, outputs, workdir })
    }

    /// One of them takes our stdout.
    pub(super) fn take_stdout(&self) -> bool {
        self.outputs.iter().any(|(_, place)| *place == Some(Place::Stdout))
    }

    pub(super) fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Sends the inputs and writes all disks into the request.
    pub(super) async fn send(
        &self,
        daemon: &Daemon,
        mut request: v1::CreateJobRequest,
        progress: &Progress,
    ) -> Result<v1::CreateJobRequest, UploadError> {
        let spec = request.spec.get_or_insert_default();
        for (content, disk) in &self.inputs {
            let source_id = upload(daemon, &request.project, content, progress).await?;
            spec.inputs.push(v1::InputDisk { source_id, ..disk.clone() });
        }
        spec.outputs = self.outputs.iter().map(|(disk, _)| disk.clone()).collect();
        if let (Some(workdir), Some(v1::job_spec::Work::Exec(exec))) =
            (&self.workdir, &mut spec.work)
        {
            exec.workdir.clone_from(workdir);
        }
        Ok(request)
    }

    /// Brings the outputs of a completed job here.
    ///
    /// # Cancel safety
    /// Safe: each output is where it should be, or not at all.
    pub(super) async fn fetch(
        &self,
        daemon: &Daemon,
        job: &Job,
        progress: &Progress,
    ) -> Result<(), FetchError> {
        for (disk, place) in &self.outputs {
            let Some(place) = place else { continue };
            let output = job.outputs.iter().find(|output| output.name == disk.name);
            let output = output.ok_or_else(|| FetchError::Missing { name: disk.name.clone() })?;
            download(daemon, &job.id, output, place, progress).await?;
        }
        Ok(())
    }
}

fn inputs(arguments: &RunArguments) -> Result<Vec<(Content, v1::InputDisk)>, DisksError> {
    let mut inputs = Vec::new();
    let mut unnamed = 0;
    for Input { source, path, is_named } in &arguments.input {
        unnamed += usize::from(!is_named);
        if unnamed > 1 {
            return Err(DisksError::DoubledPath { path: path.clone() });
        }
        let content = match source {
            Source::Stdin => Content::Stdin,
            Source::Path(source) => Content::archive(source).map_err(|error| {
                DisksError::Input { name: source.display().to_string(), source: error }
            })?,
        };
        inputs.push((content, input_disk(path, v1::DiskFormat::Tar)));
    }
    for RawInput { file, path } in &arguments.input_raw {
        let content = Content::file(file)
            .map_err(|source| DisksError::Input { name: file.display().to_string(), source })?;
        inputs.push((content, input_disk(path, v1::DiskFormat::Raw)));
    }
    Ok(inputs)
}

fn input_disk(path: &str, format: v1::DiskFormat) -> v1::InputDisk {
    v1::InputDisk { source_id: String::new(), path: path.to_owned(), format: format.into() }
}

fn outputs(arguments: &RunArguments) -> Result<Vec<(v1::OutputDisk, Option<Place>)>, DisksError> {
    let tars = arguments.output.iter().map(|output| (output, v1::DiskFormat::Tar));
    let files = arguments.output_raw.iter().map(|output| (&output.0, v1::DiskFormat::Raw));
    let mut outputs = Vec::new();
    for (index, (Output { path, destination }, format)) in tars.chain(files).enumerate() {
        let path = path.clone();
        let place = match destination {
            Some(_) if arguments.detach => return Err(DisksError::Detached { path }),
            None if !arguments.detach => return Err(DisksError::NoDestination { path }),
            None => None,
            Some(destination) => Some(check(&path, destination)?),
        };
        let disk = v1::OutputDisk {
            name: format!("output-{}", index + 1),
            path,
            format: format.into(),
            max_bytes: arguments.output_size.unwrap_or_default(),
        };
        outputs.push((disk, place));
    }
    Ok(outputs)
}

fn check(path: &str, destination: &Destination) -> Result<Place, DisksError> {
    Place::check(destination).map_err(|source| DisksError::Output { path: path.to_owned(), source })
}
