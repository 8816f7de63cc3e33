//! `kiln job ls`: a line per job, printed page by page.

use std::fmt::Write;

use crate::{
    args::ListArguments,
    daemon::Daemon,
    display::{age, command_line, duration, fit, printable},
    output,
    record::{FailureClass, Job, State, Time},
};

const HEADER: &str = "ID                          STATE               AGE   DURATION  COMMAND\n";
/// Where the command begins.
const INDENT: usize = 64;

pub(super) async fn run(daemon: &Daemon, arguments: ListArguments) -> anyhow::Result<u8> {
    let project = arguments.project.unwrap_or_default();
    let width = output::terminal_width();
    let mut token = String::new();
    if !arguments.json {
        output::print(HEADER.as_bytes())?;
    }
    loop {
        let page = daemon.list(&project, &token).await?;
        if arguments.json {
            for job in &page.jobs {
                output::print_json(job)?;
            }
        } else {
            let now = Time::now();
            let lines: String = page.jobs.iter().map(|job| line(job, now, width)).collect();
            output::print(lines.as_bytes())?;
        }
        if page.next.is_empty() {
            return Ok(0);
        }
        token = page.next;
    }
}

fn line(job: &Job, now: Time, width: Option<usize>) -> String {
    let mut command = work(job);
    if let Some(width) = width {
        command = fit(&command, width.saturating_sub(INDENT).max(10));
    }
    let age = job.created_at.map_or_else(dash, |created| age(now.since(created)));
    let took = job
        .started_at
        .map_or_else(dash, |started| duration(job.ended_at.unwrap_or(now).since(started)));
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{:<26}  {:<18}  {age:<4}  {took:<8}  {command}", job.id, state(job));
    line
}

/// The command, or what is built, made or booted.
fn work(job: &Job) -> String {
    if let Some(build) = &job.spec.build {
        let what = match &build.names[..] {
            [] => build.dockerfile.as_deref().unwrap_or("Dockerfile").to_owned(),
            names => names.join(" "),
        };
        return format!("build {}", printable(&what));
    }
    if let Some(rootfs) = &job.spec.rootfs {
        return format!("rootfs {}", printable(&rootfs.source.described()));
    }
    if let Some(boot) = &job.spec.boot {
        let argv = [&boot.init].into_iter().filter(|init| !init.is_empty()).chain(&boot.arguments);
        let argv: Vec<_> = argv.cloned().collect();
        let words = format!("boot {} {}", printable(&boot.source.described()), command_line(&argv));
        return words.trim_end().to_owned();
    }
    let argv = job.spec.exec.as_ref().map_or(&[][..], |exec| &exec.argv);
    command_line(argv)
}

fn dash() -> String {
    "-".to_owned()
}

/// With why a failed job failed, and where a queued one stands.
fn state(job: &Job) -> String {
    match (job.state, &job.failure, &job.exit) {
        (State::Failed, Some(failure), Some(exit)) if failure.class == FailureClass::User => {
            format!("failed (exit {})", exit.code)
        }
        (State::Failed, Some(failure), _) if failure.class == FailureClass::Infrastructure => {
            "failed (Kiln)".to_owned()
        }
        (State::Failed, Some(failure), _) => format!("failed ({})", failure.class.name()),
        (State::Queued, _, _) => match job.queue_position {
            Some(position) => format!("queued (#{position})"),
            None => "queued".to_owned(),
        },
        _ => job.state.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::record::{Exec, Exit, Failure, Spec};

    fn time(seconds: u64) -> Time {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        prost_types::Timestamp::from(time).into()
    }

    fn job() -> Job {
        let argv = ["sh", "-c", "make -j2 && make install"].map(str::to_owned).to_vec();
        Job {
            id: "01jd0000000000000000000000".to_owned(),
            state: State::Failed,
            failure: Some(Failure { class: FailureClass::User, ..Failure::default() }),
            exit: Some(Exit { code: 7, signal: None }),
            created_at: Some(time(100)),
            started_at: Some(time(110)),
            ended_at: Some(time(200)),
            spec: Spec { exec: Some(Exec { argv, ..Exec::default() }), ..Spec::default() },
            ..Job::default()
        }
    }

    #[test]
    fn columns_stand_below_their_names() {
        let line = line(&job(), time(500), None);
        assert_eq!(
            line,
            "01jd0000000000000000000000  failed (exit 7)     6m    1m30s     \
             sh -c 'make -j2 && make install'\n"
        );
        for (name, content) in
            [("STATE", "failed"), ("AGE", "6m"), ("DURATION", "1m30s"), ("COMMAND", "sh")]
        {
            assert_eq!(HEADER.find(name), line.find(content), "{name}");
        }
        assert_eq!(HEADER.find("COMMAND"), Some(INDENT));
    }

    #[test]
    fn commands_are_cut_at_the_terminals_edge() {
        let line = line(&job(), time(500), Some(80));
        assert_eq!(line.trim_end().chars().count(), 80);
        assert!(line.ends_with("…\n"));
    }

    #[test]
    fn a_job_in_the_queue_has_no_duration() {
        let job = Job { state: State::Queued, created_at: Some(time(100)), ..Job::default() };
        assert!(line(&job, time(101), None).contains("queued              1s    -         \n"));
    }

    #[test]
    fn states_say_why() {
        let check = |class, expected: &str| {
            let failure = Some(Failure { class, ..Failure::default() });
            assert_eq!(state(&Job { failure, ..job() }), expected);
        };
        check(FailureClass::User, "failed (exit 7)");
        check(FailureClass::Oom, "failed (oom)");
        check(FailureClass::DiskFull, "failed (disk_full)");
        check(FailureClass::EgressDenied, "failed (egress_denied)");
        check(FailureClass::Infrastructure, "failed (Kiln)");
        let queued = Job { state: State::Queued, queue_position: Some(3), ..Job::default() };
        assert_eq!(state(&queued), "queued (#3)");
    }
}
