//! What has become of a job. What stands in columns of its own (id, owner, key, the time of its
//! making, its release, the guest's secret) is not here.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiln_net::record::EgressRecord;
use serde::{Deserialize, Serialize};

use super::{
    DocumentError,
    boot::Booted,
    built::Built,
    egress::Egress,
    made::Made,
    outcome::OutcomeDocument,
    registry::Registry,
    time::{duration_nanos, nanos_of, time_of},
};
use crate::{
    job::{
        CommandEnd, Job, JobId, JobSpec, MachineRecord, OutputRecord, Owner, Phase, PhaseTime,
        State, Usage,
    },
    log::LogSummary,
    store::{
        CancelReason,
        change::Record,
        recovery::{GuestSecret, Recovery},
    },
    vmm::JailState,
};

const VERSION: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    state: StateDocument,
    phases: Vec<PhaseDocument>,
    machine: Option<Machine>,
    memory_peak_bytes: Option<u64>,
    log_end_offset: u64,
    log_dropped_bytes: u64,
    attempt: u32,
    outputs: Vec<Output>,
    vm_memory_peak_bytes: u64,
    vm_cpu_nanos: u64,
    disk_peak_bytes: u64,
    started: bool,
    number: Option<u32>,
    exit: Option<OutcomeDocument>,
    cancel: Option<Cancel>,
    /// Records of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    egress: Option<Egress>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registry: Option<Registry>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build: Option<Built>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rootfs: Option<Made>,
    /// Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<Booted>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StateDocument {
    Queued,
    Running { phase: PhaseName, started_at: i64 },
    Ended { outcome: OutcomeDocument, started_at: Option<i64>, ended_at: i64 },
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum PhaseName {
    Preparing,
    Downloading,
    Building,
    Optimizing,
    Packaging,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PhaseDocument {
    step: String,
    started_at: i64,
    duration_nanos: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    vmm: String,
    vmm_version: String,
    accelerator: String,
    /// Records of earlier versions do not have it.
    #[serde(default)]
    jail: Option<Jail>,
    kernel_digest: String,
    initramfs_digest: String,
    root_digest: String,
    kernel_release: String,
    agent_version: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Jail {
    /// Nothing of a full one.
    missing: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Output {
    name: String,
    size_bytes: u64,
    digest: String,
    expired: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Cancel {
    Asked,
    Shutdown,
}

/// What a row holds in columns of its own.
#[derive(Debug)]
pub(in crate::store) struct Columns {
    pub(in crate::store) order: u64,
    pub(in crate::store) id: JobId,
    pub(in crate::store) owner: Owner,
    pub(in crate::store) idempotency_key: Option<String>,
    pub(in crate::store) created_at: SystemTime,
    pub(in crate::store) released: bool,
    pub(in crate::store) guest_secret: GuestSecret,
}

pub(in crate::store) fn encode_record(record: &Record) -> Result<String, DocumentError> {
    Ok(serde_json::to_string(&Document::from(record))?)
}

pub(in crate::store) fn decode_record(
    columns: Columns,
    spec: JobSpec,
    text: &str,
) -> Result<Record, DocumentError> {
    let document: Document = serde_json::from_str(text)?;
    document.into_record(columns, spec)
}

impl From<&Record> for Document {
    fn from(record: &Record) -> Self {
        let Record { job, recovery, order: _ } = record;
        let Job {
            id: _,
            owner: _,
            spec: _,
            state,
            created_at: _,
            phases,
            machine,
            memory_peak_bytes,
            log: LogSummary { end_offset, dropped_bytes },
            place: _,
            attempt,
            outputs,
            usage: Usage { vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes },
            idempotency_key: _,
            egress,
            registry,
            build,
            rootfs,
            boot,
        } = job;
        let Recovery { started, guest_secret: _, number, exit, cancel, released: _ } = recovery;
        Self {
            version: VERSION,
            state: state.into(),
            phases: phases.iter().map(PhaseDocument::from).collect(),
            machine: machine.as_ref().map(Machine::from),
            memory_peak_bytes: *memory_peak_bytes,
            log_end_offset: *end_offset,
            log_dropped_bytes: *dropped_bytes,
            attempt: *attempt,
            outputs: outputs.iter().map(Output::from).collect(),
            vm_memory_peak_bytes: *vm_memory_peak_bytes,
            vm_cpu_nanos: duration_nanos(*vm_cpu_time),
            disk_peak_bytes: *disk_peak_bytes,
            started: *started,
            number: *number,
            exit: exit.as_ref().map(|CommandEnd { outcome }| outcome.into()),
            cancel: cancel.map(Cancel::from),
            egress: egress.as_deref().map(Egress::from),
            registry: registry.as_deref().map(Registry::from),
            build: build.as_deref().map(Built::from),
            rootfs: rootfs.as_deref().map(Made::from),
            boot: boot.as_deref().map(Booted::from),
        }
    }
}

impl Document {
    fn into_record(self, columns: Columns, spec: JobSpec) -> Result<Record, DocumentError> {
        let Self {
            version,
            state,
            phases,
            machine,
            memory_peak_bytes,
            log_end_offset,
            log_dropped_bytes,
            attempt,
            outputs,
            vm_memory_peak_bytes,
            vm_cpu_nanos,
            disk_peak_bytes,
            started,
            number,
            exit,
            cancel,
            egress,
            registry,
            build,
            rootfs,
            boot,
        } = self;
        if version != VERSION {
            return Err(DocumentError::Version { theirs: version, ours: VERSION });
        }
        let Columns { order, id, owner, idempotency_key, created_at, released, guest_secret } =
            columns;
        let vm_cpu_time = Duration::from_nanos(vm_cpu_nanos);
        let job = Job {
            id,
            owner,
            spec: Arc::new(spec),
            state: state.into(),
            created_at,
            phases: phases.into_iter().map(PhaseTime::try_from).collect::<Result<_, _>>()?,
            machine: machine.map(MachineRecord::from),
            memory_peak_bytes,
            log: LogSummary { end_offset: log_end_offset, dropped_bytes: log_dropped_bytes },
            place: None,
            attempt,
            outputs: outputs.into_iter().map(OutputRecord::from).collect(),
            usage: Usage { vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes },
            idempotency_key,
            egress: egress.map(Arc::<EgressRecord>::try_from).transpose()?,
            registry: registry.map(Arc::from),
            build: build.map(Arc::from),
            rootfs: rootfs.map(Arc::from),
            boot: boot.map(TryInto::try_into).transpose()?,
        };
        let exit = exit.map(|outcome| CommandEnd { outcome: outcome.into() });
        let cancel = cancel.map(CancelReason::from);
        let recovery = Recovery { started, guest_secret, number, exit, cancel, released };
        Ok(Record { job, recovery, order })
    }
}

impl From<&State> for StateDocument {
    fn from(state: &State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running { phase, started_at } => {
                Self::Running { phase: (*phase).into(), started_at: nanos_of(*started_at) }
            }
            State::Ended { outcome, started_at, ended_at } => Self::Ended {
                outcome: outcome.into(),
                started_at: started_at.map(nanos_of),
                ended_at: nanos_of(*ended_at),
            },
        }
    }
}

impl From<StateDocument> for State {
    fn from(state: StateDocument) -> Self {
        match state {
            StateDocument::Queued => Self::Queued,
            StateDocument::Running { phase, started_at } => {
                Self::Running { phase: phase.into(), started_at: time_of(started_at) }
            }
            StateDocument::Ended { outcome, started_at, ended_at } => Self::Ended {
                outcome: outcome.into(),
                started_at: started_at.map(time_of),
                ended_at: time_of(ended_at),
            },
        }
    }
}

impl From<&PhaseTime> for PhaseDocument {
    fn from(phase: &PhaseTime) -> Self {
        let PhaseTime { step, started_at, duration } = phase;
        Self {
            step: step.name().to_owned(),
            started_at: nanos_of(*started_at),
            duration_nanos: duration.map(duration_nanos),
        }
    }
}

impl TryFrom<PhaseDocument> for PhaseTime {
    type Error = DocumentError;

    fn try_from(phase: PhaseDocument) -> Result<Self, DocumentError> {
        let PhaseDocument { step, started_at, duration_nanos } = phase;
        let step = step
            .parse()
            .map_err(|_| DocumentError::Field { field: "step", value: step.clone() })?;
        let duration = duration_nanos.map(Duration::from_nanos);
        Ok(Self { step, started_at: time_of(started_at), duration })
    }
}

impl From<&MachineRecord> for Machine {
    fn from(machine: &MachineRecord) -> Self {
        let MachineRecord {
            vmm,
            vmm_version,
            accelerator,
            jail,
            kernel_digest,
            initramfs_digest,
            root_digest,
            kernel_release,
            agent_version,
        } = machine.clone();
        Self {
            vmm,
            vmm_version,
            accelerator,
            jail: jail.map(|jail| Jail { missing: jail.missing().to_vec() }),
            kernel_digest,
            initramfs_digest,
            root_digest,
            kernel_release,
            agent_version,
        }
    }
}

impl From<Machine> for MachineRecord {
    fn from(machine: Machine) -> Self {
        let Machine {
            vmm,
            vmm_version,
            accelerator,
            jail,
            kernel_digest,
            initramfs_digest,
            root_digest,
            kernel_release,
            agent_version,
        } = machine;
        Self {
            vmm,
            vmm_version,
            accelerator,
            jail: jail.map(|Jail { missing }| JailState::lacking(missing)),
            kernel_digest,
            initramfs_digest,
            root_digest,
            kernel_release,
            agent_version,
        }
    }
}

impl From<&OutputRecord> for Output {
    fn from(output: &OutputRecord) -> Self {
        let OutputRecord { name, size_bytes, digest, expired } = output.clone();
        Self { name, size_bytes, digest, expired }
    }
}

impl From<Output> for OutputRecord {
    fn from(output: Output) -> Self {
        let Output { name, size_bytes, digest, expired } = output;
        Self { name, size_bytes, digest, expired }
    }
}

impl From<Phase> for PhaseName {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Preparing => Self::Preparing,
            Phase::Downloading => Self::Downloading,
            Phase::Building => Self::Building,
            Phase::Optimizing => Self::Optimizing,
            Phase::Packaging => Self::Packaging,
        }
    }
}

impl From<PhaseName> for Phase {
    fn from(phase: PhaseName) -> Self {
        match phase {
            PhaseName::Preparing => Self::Preparing,
            PhaseName::Downloading => Self::Downloading,
            PhaseName::Building => Self::Building,
            PhaseName::Optimizing => Self::Optimizing,
            PhaseName::Packaging => Self::Packaging,
        }
    }
}

impl From<CancelReason> for Cancel {
    fn from(reason: CancelReason) -> Self {
        match reason {
            CancelReason::Asked => Self::Asked,
            CancelReason::Shutdown => Self::Shutdown,
        }
    }
}

impl From<Cancel> for CancelReason {
    fn from(reason: Cancel) -> Self {
        match reason {
            Cancel::Asked => Self::Asked,
            Cancel::Shutdown => Self::Shutdown,
        }
    }
}
