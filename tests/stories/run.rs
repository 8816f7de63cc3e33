//! `kiln run`, as the README shows it.

use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Stage, Story, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        the_exit_code_is_the_commands.nested(),
        the_environment_never_passes_through_a_shell.nested(),
        a_command_runs_where_and_as_whom_it_is_told.nested(),
        a_command_that_cannot_start_says_why,
        the_record_names_what_ran_it.nested(),
        six_jobs_run_at_once.virtual_cpus(6),
    ]
}

/// The guest is another machine than ours, its root is root, and the command's exit is ours.
async fn the_exit_code_is_the_commands(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "uname -r; id -u; cat /proc/sys/kernel/random/boot_id; exit 7";
    let ended = host.kiln(["run", "--", "sh", "-c", script]).run().await?;
    assert_eq!(ended.code, Some(7), "{ended}");
    let job = host.newest_job().await?;
    let kernel = job.machine.expect("a machine").kernel_release;
    let said = ended.stdout_text();
    let boot = said.strip_prefix(&format!("{kernel}\n0\n")).expect("its kernel, and root");
    let ours = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    assert!(boot.len() == ours.len() && boot != ours, "it is this host: {said}");
    assert_eq!(job.exit.expect("an exit").code, 7);
    host.vms_are_gone().await?;
    host.stop().await
}

async fn the_environment_never_passes_through_a_shell(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let value = "a \"b\" 'c' $HOME ${PATH} $(reboot) `reboot` \\n\n;&|<>*?~# é \t.";
    let argument = "one $two \"three\"\n`four`";
    let ended = host
        .kiln(["run", "--env", &format!("VALUE={value}"), "--env", "MINE", "--env", "EMPTY="])
        .own_variable("MINE", value)
        .argument("--")
        .argument("sh")
        .argument("-c")
        .argument(r#"printf '%s|' "$VALUE" "$MINE" "${EMPTY-unset}" "${KILN_SOCKET-unset}" "$1""#)
        .argument("sh")
        .argument(argument)
        .run()
        .await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.stdout_text(), format!("{value}|{value}||unset|{argument}|"));
    host.stop().await
}

async fn a_command_runs_where_and_as_whom_it_is_told(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let options = ["run", "--user", "nobody", "--workdir", "/usr/share", "--cpus", "1"];
    let ended = host
        .kiln(options)
        .arguments(["--", "sh", "-c", "pwd; id -un; nproc; hostname; ls -A /proc/self/ns | wc -l"])
        .run()
        .await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    let said = ended.stdout_text();
    assert!(said.starts_with("/usr/share\nnobody\n1\nkiln-"), "{said}");
    host.stop().await
}

/// 127 and 126, as docker has them, with the reason in the job's record.
async fn a_command_that_cannot_start_says_why(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    for (arguments, code, reason) in [
        (["run", "--", "no-such-command"].as_slice(), 127, "not_found"),
        (&["run", "--", "/etc/passwd"], 126, "not_executable"),
        (&["run", "--workdir", "/nowhere", "--", "true"], 126, "bad_workdir"),
        (&["run", "--user", "nobody-at-all", "--", "true"], 126, "unknown_user"),
    ] {
        let ended = host.kiln(arguments).run().await?;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}: not a word");
        let failure = host.newest_job().await?.failure.expect("a failure");
        assert_eq!(failure.class(), FailureClass::User, "{failure:?}");
        assert_eq!(failure.details.get("reason").map(String::as_str), Some(reason), "{failure:?}");
    }
    host.stop().await
}

async fn the_record_names_what_ran_it(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let ended = host.kiln(["run", "--json", "--", "true"]).run().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    let shown = ended.json()?;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert_eq!(shown["machine"]["vmm"], *stage.settings().vmm, "{shown}");
    let job = host.newest_job().await?;
    assert_eq!(job.state(), JobState::Completed);
    assert_eq!((job.tenant.as_str(), job.project.as_str()), ("local", "default"));
    let names: Vec<&str> = job.phases.iter().map(|phase| phase.name.as_str()).collect();
    for phase in ["queue", "disks", "vmm", "boot", "hello", "work"] {
        assert!(names.contains(&phase), "no {phase} in {names:?}");
    }
    assert!(job.phases.iter().all(|phase| phase.duration.is_some()), "{:?}", job.phases);
    let machine = job.machine.expect("a machine");
    assert!(["kvm", "tcg"].contains(&machine.accelerator.as_str()), "{machine:?}");
    for digest in [&machine.kernel_digest, &machine.initramfs_digest, &machine.root_digest] {
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{machine:?}");
    }
    assert!(job.memory_peak_bytes > 0, "no memory peak");
    host.stop().await
}

/// None ends before all six have begun.
async fn six_jobs_run_at_once(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "cat /proc/sys/kernel/random/boot_id; cat";
    let mut jobs = Vec::new();
    for _ in 0..6 {
        let job = host.kiln(["run", "-i", "--memory", "128M", "--", "sh", "-c", script]);
        jobs.push(job.held_stdin().start()?);
    }
    let mut boots = std::collections::BTreeSet::new();
    for job in &mut jobs {
        boots.insert(job.said("\n").await?);
    }
    assert_eq!(boots.len(), 6, "they are not six guests: {boots:?}");
    for mut job in jobs {
        job.close_stdin();
        let ended = job.finish().await?;
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    host.vms_are_gone().await?;
    host.stop().await
}
