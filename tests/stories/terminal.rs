//! A terminal in a guest, and a shell into a job that runs.

use kiln_tests::{Host, Stage, Story, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_terminal_is_one_in_a_guest,
        a_terminal_is_one_in_a_stub,
        a_shell_sees_the_running_job_and_leaves_it_alone.nested(),
        a_shell_into_a_stub,
    ]
}

async fn a_terminal_is_one_in_a_guest(stage: &Stage) -> anyhow::Result<()> {
    is_a_terminal(stage.host().start().await?).await
}

async fn a_terminal_is_one_in_a_stub(stage: &Stage) -> anyhow::Result<()> {
    is_a_terminal(stage.stub_host().start().await?).await
}

async fn is_a_terminal(host: Host) -> anyhow::Result<()> {
    let run = "run -it --disk 64M -- sh -c 'tty; stty size; read line; echo \"<$line>\"; exit 6'";
    let mut job = host.kiln_in_a_terminal(run).held_stdin().start()?;
    let said = job.said("33 77").await?;
    assert!(said.contains("/dev/pts/"), "{said:?}");
    job.feed(b"typed\r").await?;
    let said = job.said("<typed>").await?;
    assert!(said.contains("typed"), "no echo: {said:?}");
    job.close_stdin();
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(6), "{ended}");

    // Ctrl-C is the command's business, not kiln's.
    let run = "run -it --disk 64M -- sh -c 'trap \"echo caught; exit 9\" INT; echo ready; \
               while :; do sleep 0.1; done'";
    let mut job = host.kiln_in_a_terminal(run).held_stdin().start()?;
    job.said("ready").await?;
    job.feed(&[3]).await?;
    job.said("caught").await?;
    job.close_stdin();
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(9), "{ended}");
    host.stop().await
}

async fn a_shell_sees_the_running_job_and_leaves_it_alone(stage: &Stage) -> anyhow::Result<()> {
    shell(stage.host().start().await?, "/root/flag").await
}

async fn a_shell_into_a_stub(stage: &Stage) -> anyhow::Result<()> {
    let flag = stage.directory().join("flag").display().to_string();
    shell(stage.stub_host().start().await?, &flag).await
}

async fn shell(host: Host, flag: &str) -> anyhow::Result<()> {
    let script = format!("echo up; while ! [ -e {flag} ]; do sleep 0.1; done; echo released");
    let mut job = host.kiln(["run", "--disk", "64M", "--", "sh", "-c", &script]).start()?;
    job.said("up\n").await?;
    let id = host.newest_job().await?.id;
    let looked = host.kiln(["shell", &id, "--", "sh", "-c", "echo seen; exit 4"]).run().await?;
    assert_eq!((looked.code, looked.stdout_text().as_str()), (Some(4), "seen\n"), "{looked}");
    let fed = host.kiln(["shell", &id, "--", "cat"]).stdin("through it\n").run().await?;
    assert_eq!(fed.stdout_text(), "through it\n", "{fed}");
    let touched = host.kiln(["shell", &id, "--", "touch", flag]).run().await?;
    assert_eq!(touched.code, Some(0), "{touched}");
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.stdout_text(), "released\n", "{ended}");
    let logs = host.kiln(["job", "logs", &id]).run().await?;
    assert_eq!(logs.stdout_text(), "up\nreleased\n", "a shell's words stand in the log: {logs}");
    let late = host.kiln(["shell", &id, "--", "true"]).run().await?;
    assert_eq!(late.code, Some(125), "{late}");
    host.stop().await
}
