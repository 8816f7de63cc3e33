//! A supervisor and its programs, started and proven before they are let go.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use kiln_shim::{
    COMMITTED, Descriptor, InvalidOrder, MAJOR, Order, ProcessIdentity, Program, Report, SOCKET,
    Source, StartFailure,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    ShimConfig, Supervision,
    client::{Link, LinkError},
    launch::{self, Launch},
    process::Proven,
};
use crate::{
    host::{cgroup::Cgroup, helper::helper},
    vmm::VmmError,
};

/// For programs to be there and the sockets between them; a tenth of a second on an idle host.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the supervisor itself needs beside that.
const SLACK: Duration = Duration::from_secs(20);
/// How long it keeps the end of a machine that nobody asks for; its record stays.
const LINGER: Duration = Duration::from_secs(60);
/// Of `sockaddr_un`, without its final zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;
const MAX_REPORT_BYTES: u64 = 256 * 1024;

/// A machine to be supervised.
#[derive(Clone, Debug)]
pub struct SupervisedSpec {
    /// The home's id.
    pub instance: String,
    /// The machine's, in records.
    pub name: String,
    /// Which driver's it is: no other one adopts it.
    pub driver: &'static str,
    /// Its own 0700 directory.
    pub directory: PathBuf,
    /// In the order of their start.
    pub programs: Vec<Program>,
    /// The one that is the machine.
    pub main: &'static str,
    /// Sockets that programs make in the directory.
    pub sockets: Vec<String>,
    pub cgroup: Option<Cgroup>,
}

impl Supervision {
    /// Starts a supervisor with its programs. When it fails, or is dropped half-way, none of them
    /// is left.
    ///
    /// Must be called within a runtime, on which the machine is overseen.
    pub async fn create(config: &ShimConfig, spec: SupervisedSpec) -> Result<Self, VmmError> {
        let order = order(&spec)?;
        let shim = config.program.display().to_string();
        let io = |source| VmmError::Io { what: "the supervisor", source };
        let Launch { mut leash, report } = match helper() {
            Some(helper) => launch::by_helper(helper, &order).await?,
            None => launch::by_ourselves(&config.program, &order).await?,
        };
        let start = async {
            let mut said = Vec::new();
            report.take(MAX_REPORT_BYTES).read_to_end(&mut said).await?;
            Ok::<_, io::Error>(said)
        };
        // The leash is dropped with this future: what was started by then is ended by that.
        let silent = |stderr: String| VmmError::NotReady {
            program: shim.clone(),
            what: "that its machine is started",
            limit: START_LIMIT,
            stderr,
        };
        let said = match timeout(START_LIMIT + SLACK, start).await {
            Ok(said) => said.map_err(io)?,
            Err(_) => return Err(silent(String::new())),
        };
        let (process, children) = match serde_json::from_slice(&said) {
            Ok(Report::Ready { process, children }) => (process, children),
            Ok(Report::Failed(failure)) => return Err(failed(failure, &shim)),
            Err(_) => return Err(silent(": it ended without a word".to_owned())),
        };
        let proven = (process, prove(&spec, process).await?);
        // A supervisor that is gone by now does not hear it; how its machine ended is told as ever.
        let _gone = leash.write_all(COMMITTED).await;
        let SupervisedSpec { instance, name, directory, cgroup, .. } = spec;
        Ok(Self::over(&directory, &instance, &name, proven, children, cgroup))
    }
}

/// Checks that the process that was started is the one that listens.
async fn prove(spec: &SupervisedSpec, process: ProcessIdentity) -> Result<Proven, VmmError> {
    let io = |source| VmmError::Io { what: "the supervisor", source };
    let gone = || io(io::Error::other("it is gone"));
    let proven = Proven::find(process).map_err(io)?.ok_or_else(gone)?;
    let link = Link::open(&spec.directory, &spec.instance, Some(process)).await;
    link.map(|_| proven).map_err(|error| match error {
        LinkError::Io(source) => io(source),
        other => io(io::Error::other(other)),
    })
}

fn order(spec: &SupervisedSpec) -> Result<Order, VmmError> {
    let SupervisedSpec { instance, name, driver, directory, programs, main, sockets, cgroup } =
        spec;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let order = Order {
        major: MAJOR,
        instance: instance.clone(),
        name: name.clone(),
        driver: (*driver).to_owned(),
        directory: directory.clone(),
        programs: programs.clone(),
        main: (*main).to_owned(),
        cgroups: cgroup.as_ref().map(|cgroup| cgroup.directories().to_vec()).unwrap_or_default(),
        oom_file: cgroup.as_ref().and_then(Cgroup::oom_file),
        memory_limit_bytes: cgroup.as_ref().and_then(Cgroup::memory_limit_bytes),
        sockets: sockets.clone(),
        start_limit_millis: millis(START_LIMIT),
        linger_millis: millis(LINGER),
    };
    order.check().map_err(|error: InvalidOrder| VmmError::Refused {
        command: "the start",
        reason: error.to_string(),
    })?;
    let descriptors = programs.iter().flat_map(|program| &program.descriptors);
    let listening = descriptors.filter_map(|Descriptor { source, .. }| match source {
        Source::Listen { socket } => Some(socket.as_str()),
        _ => None,
    });
    // The programs use names relative to the directory; we cannot.
    for socket in listening.chain(sockets.iter().map(String::as_str)).chain([SOCKET]) {
        fits(directory, socket)?;
    }
    Ok(order)
}

fn fits(directory: &Path, socket: &str) -> Result<(), VmmError> {
    let path = directory.join(socket);
    if path.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH_BYTES {
        return Ok(());
    }
    Err(VmmError::SocketPath { path, limit: MAX_SOCKET_PATH_BYTES })
}

fn failed(failure: StartFailure, shim: &str) -> VmmError {
    let io = io::Error::from_raw_os_error;
    let not_ready = |program: String, stderr: String| VmmError::NotReady {
        program,
        what: "its socket",
        limit: START_LIMIT,
        stderr,
    };
    match failure {
        StartFailure::Spawn { program, errno } => VmmError::Spawn { program, source: io(errno) },
        StartFailure::Jail { program, failure } => {
            let errno = failure.errno().map(|errno| format!(": {}", io(errno)));
            let reason =
                format!("{program} could not be shut in: {failure}{}", errno.unwrap_or_default());
            VmmError::Refused { command: "the start", reason }
        }
        StartFailure::Ended { program, end, stderr, .. } => {
            not_ready(program, format!(": it {end}: {stderr}"))
        }
        StartFailure::Silent { socket, stderr } => not_ready(socket, format!(": {stderr}")),
        StartFailure::Io { what, errno } => VmmError::NotReady {
            program: shim.to_owned(),
            what: "that its machine is started",
            limit: START_LIMIT,
            stderr: format!(": {what} cannot be used: {}", io(errno)),
        },
        StartFailure::Order { .. } | StartFailure::Taken | StartFailure::NotGiven { .. } => {
            VmmError::Refused { command: "the start", reason: failure.to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, VmmError, fits};

    fn check(directory_bytes: usize, expected: bool) {
        let directory = format!("/{}", "d".repeat(directory_bytes - 1));
        match fits(Path::new(&directory), "vsock.sock") {
            Ok(()) => assert!(expected, "{directory_bytes}"),
            Err(VmmError::SocketPath { .. }) => assert!(!expected, "{directory_bytes}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_socket_path_that_the_kernel_would_refuse_is_refused_first() {
        let name = "/vsock.sock".len();
        check(20, true);
        check(107 - name, true);
        check(107 - name + 1, false);
    }
}
