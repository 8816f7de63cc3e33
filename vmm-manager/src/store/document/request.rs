//! What was asked. Written once: the request of a job is also what a second one under the same
//! idempotency key is compared with.

use kiln_net::policy::Policy;
use serde::{Deserialize, Serialize};

use super::{
    DocumentError, boot::BootDocument, build::BuildDocument, rootfs::RootfsDocument,
    time::duration_nanos,
};
use crate::job::{DiskFormat, Exec, InputDisk, JobSpec, OutputDisk, TerminalSize, Work};

const VERSION: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: u32,
    cpus: u32,
    memory_bytes: u64,
    disk_bytes: u64,
    timeout_nanos: Option<u64>,
    attach: bool,
    work: WorkDocument,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// As it is written. Not of a closed network, so that requests of earlier versions read the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    egress: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WorkDocument {
    Exec {
        argv: Vec<String>,
        env: Vec<(String, String)>,
        workdir: String,
        user: String,
        stdin: bool,
        terminal: Option<Terminal>,
    },
    Build(Box<BuildDocument>),
    Rootfs(Box<RootfsDocument>),
    Boot(Box<BootDocument>),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Terminal {
    rows: u16,
    columns: u16,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Input {
    source: String,
    path: String,
    format: Format,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    path: String,
    format: Format,
    max_bytes: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Tar,
    Raw,
}

pub(in crate::store) fn encode_request(spec: &JobSpec) -> Result<String, DocumentError> {
    Ok(serde_json::to_string(&Request::from(spec))?)
}

pub(in crate::store) fn decode_request(text: &str) -> Result<JobSpec, DocumentError> {
    let request: Request = serde_json::from_str(text)?;
    request.try_into()
}

impl From<&JobSpec> for Request {
    fn from(spec: &JobSpec) -> Self {
        let JobSpec {
            cpus,
            memory_bytes,
            disk_bytes,
            timeout,
            attach,
            work,
            inputs,
            outputs,
            egress,
        } = spec;
        Self {
            version: VERSION,
            cpus: *cpus,
            memory_bytes: *memory_bytes,
            disk_bytes: *disk_bytes,
            timeout_nanos: timeout.map(duration_nanos),
            attach: *attach,
            work: work.into(),
            inputs: inputs.iter().map(Input::from).collect(),
            outputs: outputs.iter().map(Output::from).collect(),
            egress: (*egress != Policy::None).then(|| egress.to_string()),
        }
    }
}

impl TryFrom<Request> for JobSpec {
    type Error = DocumentError;

    fn try_from(request: Request) -> Result<Self, DocumentError> {
        let Request {
            version,
            cpus,
            memory_bytes,
            disk_bytes,
            timeout_nanos,
            attach,
            work,
            inputs,
            outputs,
            egress,
        } = request;
        if version != VERSION {
            return Err(DocumentError::Version { theirs: version, ours: VERSION });
        }
        Ok(Self {
            cpus,
            memory_bytes,
            disk_bytes,
            timeout: timeout_nanos.map(std::time::Duration::from_nanos),
            attach,
            work: work.try_into()?,
            inputs: inputs.into_iter().map(InputDisk::try_from).collect::<Result<_, _>>()?,
            outputs: outputs.into_iter().map(OutputDisk::from).collect(),
            egress: egress.map_or(Ok(Policy::None), self::egress)?,
        })
    }
}

fn egress(text: String) -> Result<Policy, DocumentError> {
    text.parse().map_err(|_| DocumentError::Field { field: "egress", value: text })
}

impl From<&Work> for WorkDocument {
    fn from(work: &Work) -> Self {
        let exec = match work {
            Work::Exec(exec) => exec,
            Work::Build(build) => return Self::Build(Box::new(build.as_ref().into())),
            Work::Rootfs(rootfs) => return Self::Rootfs(Box::new(rootfs.as_ref().into())),
            Work::Boot(boot) => return Self::Boot(Box::new(boot.as_ref().into())),
        };
        let Exec { argv, env, workdir, user, stdin, terminal } = exec.clone();
        let terminal = terminal.map(|TerminalSize { rows, columns }| Terminal { rows, columns });
        Self::Exec { argv, env, workdir, user, stdin, terminal }
    }
}

impl TryFrom<WorkDocument> for Work {
    type Error = DocumentError;

    fn try_from(work: WorkDocument) -> Result<Self, DocumentError> {
        match work {
            WorkDocument::Exec { argv, env, workdir, user, stdin, terminal } => {
                let terminal =
                    terminal.map(|Terminal { rows, columns }| TerminalSize { rows, columns });
                Ok(Self::Exec(Exec { argv, env, workdir, user, stdin, terminal }))
            }
            WorkDocument::Build(build) => Ok(Self::Build(Box::new((*build).try_into()?))),
            WorkDocument::Rootfs(rootfs) => Ok(Self::Rootfs(Box::new((*rootfs).try_into()?))),
            WorkDocument::Boot(boot) => Ok(Self::Boot(Box::new((*boot).try_into()?))),
        }
    }
}

impl From<&InputDisk> for Input {
    fn from(input: &InputDisk) -> Self {
        let InputDisk { source, path, format } = input;
        Self { source: source.to_string(), path: path.clone(), format: (*format).into() }
    }
}

impl TryFrom<Input> for InputDisk {
    type Error = DocumentError;

    fn try_from(input: Input) -> Result<Self, DocumentError> {
        let Input { source, path, format } = input;
        let source = source
            .parse()
            .map_err(|_| DocumentError::Field { field: "source", value: source.clone() })?;
        Ok(Self { source, path, format: format.into() })
    }
}

impl From<&OutputDisk> for Output {
    fn from(output: &OutputDisk) -> Self {
        let OutputDisk { name, path, format, max_bytes } = output.clone();
        Self { name, path, format: format.into(), max_bytes }
    }
}

impl From<Output> for OutputDisk {
    fn from(output: Output) -> Self {
        let Output { name, path, format, max_bytes } = output;
        Self { name, path, format: format.into(), max_bytes }
    }
}

impl From<DiskFormat> for Format {
    fn from(format: DiskFormat) -> Self {
        match format {
            DiskFormat::Tar => Self::Tar,
            DiskFormat::Raw => Self::Raw,
        }
    }
}

impl From<Format> for DiskFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Tar => Self::Tar,
            Format::Raw => Self::Raw,
        }
    }
}
