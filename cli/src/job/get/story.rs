//! A record as people read it.

mod build;
mod egress;
mod registry;
mod rootfs;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::{
    display::{age, command_line, duration, printable, seconds, size},
    reason,
    record::{Build, DiskFormat, Exec, Jail, Job, Machine, Output, PhaseTime, Spec, Time},
};

/// More than a screen of them helps nobody; `--json` has them all.
const MOST_LINES: usize = 40;

/// Names to the left, as wide as the widest; a name that is empty goes on with the one before.
#[derive(Debug, Default)]
struct Story(String);

impl Story {
    fn line(&mut self, name: &str, value: &str) {
        for (index, part) in printable(value).lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(self.0, "{name:<13}{part}");
        }
    }

    /// The first `MOST_LINES` of `count`, and words for the others.
    fn list(
        &mut self,
        name: &str,
        lines: impl Iterator<Item = String>,
        count: usize,
        unlisted: u64,
    ) {
        for (index, line) in lines.take(MOST_LINES).enumerate() {
            self.line(if index == 0 { name } else { "" }, &line);
        }
        let name = if count == 0 { name } else { "" };
        if count > MOST_LINES {
            self.line(name, &format!("and {} more, which --json lists", count - MOST_LINES));
        }
        if unlisted > 0 {
            self.line(name, &format!("and {unlisted} more, which were counted and not listed"));
        }
    }
}

fn plural(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

pub(super) fn of(job: &Job, now: Time) -> String {
    let mut story = Story::default();
    tell(&mut story, job, now);
    story.0
}

/// With its steps, and what came of them.
pub(super) fn of_build(record: &Build, now: Time) -> String {
    let mut story = Story::default();
    tell(&mut story, &record.job, now);
    build::record(&mut story, &record.build);
    story.0
}

fn tell(story: &mut Story, job: &Job, now: Time) {
    story.line("Id", &job.id);
    story.line("Project", &format!("{}/{}", job.tenant, job.project));
    if let Some(exec) = &job.spec.exec {
        work(story, exec);
    }
    if let Some(options) = &job.spec.build {
        build::options(story, options);
    }
    if let Some(options) = &job.spec.rootfs {
        rootfs::options(story, options);
    }
    if let Some(options) = &job.spec.boot {
        rootfs::boot_options(story, options);
    }
    disks(story, &job.spec);
    if let Some(key) = &job.idempotency_key {
        story.line("Key", key);
    }
    state(story, job);
    for (name, time) in
        [("Created", job.created_at), ("Started", job.started_at), ("Ended", job.ended_at)]
    {
        if let Some(time) = time {
            story.line(name, &format!("{time} ({} ago)", age(now.since(time))));
        }
    }
    phases(story, &job.phases);
    if let Some(machine) = &job.machine {
        self::machine(story, machine);
    }
    limits(story, &job.spec);
    egress::policy(story, &job.spec.egress);
    peaks(story, job);
    outputs(story, &job.outputs);
    if let Some(made) = &job.rootfs {
        rootfs::record(story, made);
    }
    if let Some(boot) = &job.boot {
        rootfs::boot(story, boot);
    }
    if let Some(record) = &job.egress {
        egress::record(story, record);
    }
    if let Some(record) = &job.registry {
        registry::record(story, record);
    }
    let dropped = match job.log.dropped_bytes {
        0 => String::new(),
        dropped => format!(", {} of it dropped in the middle", size(dropped)),
    };
    story.line("Log", &format!("{}{dropped}", size(job.log.end_offset)));
}

fn work(story: &mut Story, exec: &Exec) {
    story.line("Command", &command_line(&exec.argv));
    for (name, value) in [("Directory", &exec.workdir), ("User", &exec.user)] {
        if !value.is_empty() {
            story.line(name, value);
        }
    }
    // Values may be secrets, and this is read over shoulders; --json has them.
    let names: Vec<_> = exec.env.keys().map(String::as_str).collect();
    if !names.is_empty() {
        story.line("Environment", &names.join(" "));
    }
}

fn disks(story: &mut Story, spec: &Spec) {
    let raw = |format| if format == DiskFormat::Raw { " (a file)" } else { "" };
    for (index, input) in spec.inputs.iter().enumerate() {
        let name = if index == 0 { "Inputs" } else { "" };
        story.line(name, &format!("{}{}", input.path, raw(input.format)));
    }
}

fn state(story: &mut Story, job: &Job) {
    let phase = job.phase.and(job.phases.last()).map(|phase| format!(" ({})", phase.name));
    story.line("State", &format!("{}{}", job.state.name(), phase.unwrap_or_default()));
    if let Some(position) = job.queue_position {
        let waits_for = match job.waits_for.as_deref() {
            Some("turn") => ", waits for its turn".to_owned(),
            Some("vms") => ", waits for another VM to end".to_owned(),
            Some(resource) => format!(", waits for {resource}"),
            None => String::new(),
        };
        story.line("Queue", &format!("place {position}{waits_for}"));
    }
    if job.attempt > 1 {
        story.line("Attempt", &format!("{} (kilnd was restarted before it began)", job.attempt));
    }
    if let Some(exit) = &job.exit {
        let signal = exit.signal.map(|signal| format!(" (signal {signal})"));
        story.line("Exit", &format!("{}{}", exit.code, signal.unwrap_or_default()));
    }
    if let Some(reason) = reason::of(job) {
        story.line("Reason", &reason);
    }
    if let Some(failure) = &job.failure {
        story.line("Failure", &format!("{}: {}", failure.class.name(), failure.message));
        for (name, value) in &failure.details {
            story.line("", &format!("{name}: {value}"));
        }
    }
}

fn phases(story: &mut Story, phases: &[PhaseTime]) {
    for (index, phase) in phases.iter().enumerate() {
        let name = if index == 0 { "Phases" } else { "" };
        let took = phase.duration_seconds.map(|took| duration(seconds(took)));
        let took = took.unwrap_or_else(|| "goes on".to_owned());
        story.line(name, &format!("{:<7} {took}", phase.name));
    }
}

fn machine(story: &mut Story, machine: &Machine) {
    let Machine {
        vmm,
        vmm_version,
        accelerator,
        jail,
        kernel_release,
        kernel_digest,
        initramfs_digest,
        root_digest,
        agent_version,
    } = machine;
    story.line("Machine", &format!("{vmm} {vmm_version}, {accelerator}"));
    story.line("Jail", &Jail::described(jail.as_ref()));
    story.line("Kernel", &format!("{kernel_release} {kernel_digest}"));
    story.line("Initramfs", initramfs_digest);
    story.line("Root", root_digest);
    story.line("Agent", agent_version);
}

fn peaks(story: &mut Story, job: &Job) {
    if let Some(peak) = job.memory_peak_bytes {
        story.line("Memory peak", &size(peak));
    }
    let Some(usage) = &job.usage else { return };
    let memory = usage.vm_memory_peak_bytes.map(|peak| format!("memory peak {}", size(peak)));
    let cpu = usage.vm_cpu_seconds.map(|time| format!("CPU time {}", duration(seconds(time))));
    let disk = usage.disk_peak_bytes.map(|peak| format!("disk peak {}", size(peak)));
    let parts: Vec<_> = [memory, cpu, disk].into_iter().flatten().collect();
    if !parts.is_empty() {
        story.line("Host usage", &parts.join(", "));
    }
}

fn outputs(story: &mut Story, outputs: &[Output]) {
    for (index, output) in outputs.iter().enumerate() {
        let name = if index == 0 { "Outputs" } else { "" };
        let Output { name: output_name, size_bytes, digest, expired } = output;
        let expired = if *expired { ", its bytes have been removed" } else { "" };
        story.line(name, &format!("{output_name}: {}, {digest}{expired}", size(*size_bytes)));
    }
}

fn limits(story: &mut Story, spec: &Spec) {
    let cpus = if spec.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", spec.cpus) };
    let timeout = spec.timeout_seconds.map_or_else(
        || "no timeout".to_owned(),
        |timeout| format!("timeout {}", duration(seconds(timeout))),
    );
    let (memory, disk) = (size(spec.memory_bytes), size(spec.disk_bytes));
    story.line("Limits", &format!("{cpus}, memory {memory}, disk {disk}, {timeout}"));
}
