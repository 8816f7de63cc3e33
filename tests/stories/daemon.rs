//! The daemon's own life: what it takes with it, what it finds, what it refuses.

use kiln_tests::{Stage, Story, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_daemon_that_ends_takes_its_vms_along.nested(),
        one_home_has_one_daemon.virtual_cpus(0),
        a_daemon_without_root_says_so.virtual_cpus(0),
        emulation_is_never_chosen_silently.virtual_cpus(0),
        its_socket_is_the_operators_alone.virtual_cpus(0),
        kiln_without_a_daemon_says_so.virtual_cpus(0),
    ]
}

async fn a_daemon_that_ends_takes_its_vms_along(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let mut attached = host.kiln(["run", "--", "sh", "-c", "echo up; sleep 86400"]).start()?;
    attached.said("up\n").await?;
    host.stop().await?;
    let ended = attached.finish().await?;
    assert_eq!(ended.code, Some(125), "{ended}");
    Ok(())
}

async fn one_home_has_one_daemon(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let second = stage.directory().join("second.sock");
    let said = stage.host().socket(&second).is_refused().await?;
    assert!(said.contains("in use by another kilnd"), "{said}");
    host.list_jobs().await?;
    host.stop().await
}

async fn a_daemon_without_root_says_so(stage: &Stage) -> anyhow::Result<()> {
    let said = stage.host().user("nobody").is_refused().await?;
    assert!(said.contains("root"), "{said}");
    Ok(())
}

async fn emulation_is_never_chosen_silently(stage: &Stage) -> anyhow::Result<()> {
    let said = stage.host().forbid_emulation().accelerator("tcg").is_refused().await?;
    assert!(said.contains("--allow-emulation"), "{said}");
    Ok(())
}

async fn its_socket_is_the_operators_alone(stage: &Stage) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let host = stage.host().start().await?;
    let mode = std::fs::metadata(host.socket())?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the socket's mode is {mode:o}");
    let mode = std::fs::metadata(host.home())?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "the home's mode is {mode:o}");
    host.stop().await
}

async fn kiln_without_a_daemon_says_so(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let (list, run) = (host.kiln(["job", "ls"]), host.kiln(["run", "--", "true"]));
    host.stop().await?;
    for kiln in [list, run] {
        let ended = kiln.run().await?;
        assert_eq!(ended.code, Some(125), "{ended}");
        assert!(ended.stderr_text().contains("kilnd"), "{ended}");
    }
    Ok(())
}
