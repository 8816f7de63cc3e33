//! Jobs for tests.

mod build;
mod egress;
mod registry;
mod rootfs;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiln_net::policy::Policy;
use proptest::{collection::vec, option, prelude::*};

pub(super) use self::{build::built, egress::egress, registry::registry};
use super::{
    CancelReason,
    change::Record,
    document::time_of,
    recovery::{GuestSecret, Recovery},
};
use crate::{
    job::{
        CommandEnd, DiskFormat, Exec, ExitStatus, Failure, FailureClass, InputDisk, Job, JobSpec,
        MachineRecord, Outcome, OutputDisk, OutputRecord, Owner, Phase, PhaseTime, SourceId, State,
        Step, TerminalSize, Usage, Work,
    },
    log::LogSummary,
    vmm::JailState,
};

pub(crate) fn owner(tenant: &str) -> Owner {
    Owner { tenant: tenant.to_owned(), project: "default".to_owned() }
}

pub(crate) fn spec(command: &str) -> JobSpec {
    let exec = Exec {
        argv: vec![command.to_owned()],
        env: Vec::new(),
        workdir: String::new(),
        user: String::new(),
        stdin: false,
        terminal: None,
    };
    JobSpec {
        cpus: 1,
        memory_bytes: 1 << 28,
        disk_bytes: 1 << 28,
        timeout: None,
        attach: false,
        work: Work::Exec(exec),
        inputs: Vec::new(),
        outputs: Vec::new(),
        egress: Policy::None,
    }
}

pub(super) fn record() -> Record {
    let recovery = Recovery::of_new(GuestSecret::of([7; 32]));
    Record { job: Job::new(owner("a"), spec("true")), recovery, order: 1 }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß\"\\\\\n]{0,12}"
}

pub(super) fn times() -> impl Strategy<Value = SystemTime> {
    prop_oneof![Just(0), Just(-1), Just(i64::MAX), any::<i64>()].prop_map(time_of)
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()].prop_map(Duration::from_nanos)
}

pub(super) fn outcomes() -> impl Strategy<Value = Outcome> {
    let class = prop_oneof![
        Just(FailureClass::User),
        Just(FailureClass::Source),
        Just(FailureClass::Registry),
        Just(FailureClass::EgressDenied),
        Just(FailureClass::Oom),
        Just(FailureClass::DiskFull),
        Just(FailureClass::Policy),
        Just(FailureClass::Infrastructure),
    ];
    let exit = option::of(prop_oneof![
        (0..256_i32).prop_map(ExitStatus::code),
        (1..65_i32).prop_map(ExitStatus::signal),
    ]);
    let failed = (class, text(), text(), exit).prop_map(|(class, message, detail, exit)| {
        let failure = Failure::new(class, message).with("step", Step::Boot).with("reason", detail);
        Outcome::Failed { failure, exit }
    });
    prop_oneof![Just(Outcome::Completed), failed, Just(Outcome::Cancelled), Just(Outcome::Timeout)]
}

fn formats() -> impl Strategy<Value = DiskFormat> {
    prop_oneof![Just(DiskFormat::Tar), Just(DiskFormat::Raw)]
}

fn specs() -> impl Strategy<Value = JobSpec> {
    let terminal = option::of((1..=u16::MAX, 1..=u16::MAX))
        .prop_map(|size| size.map(|(rows, columns)| TerminalSize { rows, columns }));
    let env = vec((text(), text()), 0..4);
    let exec = (vec(text(), 1..4), env, text(), text(), any::<bool>(), terminal).prop_map(
        |(argv, env, workdir, user, stdin, terminal)| Exec {
            argv,
            env,
            workdir,
            user,
            stdin,
            terminal,
        },
    );
    let work = prop_oneof![
        exec.prop_map(Work::Exec),
        build::builds().prop_map(|build| Work::Build(Box::new(build))),
        rootfs::asked().prop_map(|rootfs| Work::Rootfs(Box::new(rootfs))),
        rootfs::boots().prop_map(|boot| Work::Boot(Box::new(boot))),
    ];
    let input = (text(), formats()).prop_map(|(path, format)| InputDisk {
        source: SourceId::generate(),
        path,
        format,
    });
    let output = (text(), text(), formats(), any::<u64>())
        .prop_map(|(name, path, format, max_bytes)| OutputDisk { name, path, format, max_bytes });
    let numbers =
        (any::<u32>(), any::<u64>(), any::<u64>(), option::of(durations()), any::<bool>());
    (numbers, work, vec(input, 0..3), vec(output, 0..3), egress::policies()).prop_map(
        |((cpus, memory_bytes, disk_bytes, timeout, attach), work, inputs, outputs, egress)| {
            JobSpec {
                cpus,
                memory_bytes,
                disk_bytes,
                timeout,
                attach,
                work,
                inputs,
                outputs,
                egress,
            }
        },
    )
}

pub(super) fn phases() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Preparing),
        Just(Phase::Downloading),
        Just(Phase::Building),
        Just(Phase::Optimizing),
        Just(Phase::Packaging),
    ]
}

fn states() -> impl Strategy<Value = State> {
    let running =
        (phases(), times()).prop_map(|(phase, started_at)| State::Running { phase, started_at });
    let ended = (outcomes(), option::of(times()), times())
        .prop_map(|(outcome, started_at, ended_at)| State::Ended { outcome, started_at, ended_at });
    prop_oneof![Just(State::Queued), running, ended]
}

pub(super) fn machines() -> impl Strategy<Value = MachineRecord> {
    let jails = option::of(vec(text(), 0..3).prop_map(JailState::lacking));
    (vec(text(), 8), jails).prop_map(|(texts, jail)| {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        MachineRecord {
            vmm: next(),
            vmm_version: next(),
            accelerator: next(),
            jail,
            kernel_digest: next(),
            initramfs_digest: next(),
            root_digest: next(),
            kernel_release: next(),
            agent_version: next(),
        }
    })
}

pub(super) fn outputs() -> impl Strategy<Value = Vec<OutputRecord>> {
    let output = (text(), any::<u64>(), text(), any::<bool>()).prop_map(
        |(name, size_bytes, digest, expired)| OutputRecord { name, size_bytes, digest, expired },
    );
    vec(output, 0..3)
}

pub(super) fn usages() -> impl Strategy<Value = Usage> {
    (any::<u64>(), durations(), any::<u64>()).prop_map(
        |(vm_memory_peak_bytes, vm_cpu_time, disk_peak_bytes)| Usage {
            vm_memory_peak_bytes,
            vm_cpu_time,
            disk_peak_bytes,
        },
    )
}

/// Any record, whether or not a job could come to it.
pub(super) fn records() -> impl Strategy<Value = Record> {
    let phase = (prop::sample::select(&Step::ALL[..]), times(), option::of(durations()))
        .prop_map(|(step, started_at, duration)| PhaseTime { step, started_at, duration });
    let told = (
        states(),
        times(),
        vec(phase, 0..12),
        option::of(machines()),
        option::of(any::<u64>()),
        (any::<u64>(), any::<u64>()),
        (
            any::<u32>(),
            outputs(),
            usages(),
            option::of(text()),
            option::of(egress()),
            option::of(registry()),
            option::of(built()),
            (option::of(rootfs::made()), option::of(rootfs::booted())),
        ),
    );
    let cancel = prop_oneof![
        Just(None),
        Just(Some(CancelReason::Asked)),
        Just(Some(CancelReason::Shutdown))
    ];
    let recovery = (
        any::<bool>(),
        any::<[u8; 32]>(),
        option::of(any::<u32>()),
        option::of(outcomes()),
        cancel,
        any::<bool>(),
    )
        .prop_map(|(started, secret, number, exit, cancel, released)| Recovery {
            started,
            guest_secret: GuestSecret::of(secret),
            number,
            exit: exit.map(|outcome| CommandEnd { outcome }),
            cancel,
            released,
        });
    (specs(), told, recovery, 0..i64::MAX.unsigned_abs()).prop_map(
        |(spec, told, recovery, order)| {
            let (state, created_at, phases, machine, memory_peak_bytes, log, rest) = told;
            let (attempt, outputs, usage, idempotency_key, egress, registry, build, last) = rest;
            let (rootfs, boot) = last;
            let log = LogSummary { end_offset: log.0, dropped_bytes: log.1 };
            let job = Job {
                state,
                created_at,
                phases,
                machine,
                memory_peak_bytes,
                log,
                attempt,
                outputs,
                usage,
                idempotency_key,
                egress: egress.map(Arc::new),
                registry: registry.map(Arc::new),
                build: build.map(Arc::new),
                rootfs: rootfs.map(Arc::new),
                boot: boot.map(Arc::new),
                ..Job::new(owner("a"), spec)
            };
            Record { job, recovery, order }
        },
    )
}
