//! Jobs that are left to themselves.

use kiln_tests::{Stage, Story, stories};
use serde_json::Value;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_detached_job_is_waited_for_and_read_later.nested(),
        logs_are_followed_to_the_end.nested(),
    ]
}

async fn a_detached_job_is_waited_for_and_read_later(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "echo out; echo err >&2; exit 3";
    let accepted = host.kiln(["run", "--detach", "--", "sh", "-c", script]).run().await?;
    assert_eq!(accepted.code, Some(0), "{accepted}");
    let id = accepted.stdout_text().trim().to_owned();
    assert_eq!(id.len(), 26, "{accepted}");

    let waited = host.kiln(["job", "wait", &id]).run().await?;
    assert_eq!(waited.code, Some(3), "{waited}");
    let logs = host.kiln(["job", "logs", &id]).run().await?;
    assert_eq!((logs.code, logs.stdout_text().as_str()), (Some(0), "out\n"), "{logs}");
    assert_eq!(logs.stderr_text(), "err\n", "{logs}");
    let got = host.kiln(["job", "get", &id, "--json"]).run().await?.json()?;
    assert_eq!((&got["state"], &got["exit_code"]), (&"failed".into(), &3.into()), "{got}");
    assert_eq!(got["failure"]["class"], "user", "{got}");

    let listed = host.kiln(["job", "ls", "--json"]).run().await?;
    let lines: Vec<Value> =
        listed.stdout_text().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 1, "{listed}");
    assert_eq!(lines[0]["id"], id.as_str(), "{listed}");
    // It has ended, so there is nothing left to cancel.
    let cancel = host.kiln(["job", "cancel", &id, "--json"]).run().await?;
    assert_eq!(cancel.json()?["state"], "failed", "{cancel}");
    host.stop().await
}

async fn logs_are_followed_to_the_end(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "echo one; sleep 2; echo two; sleep 2; echo three";
    let accepted = host.kiln(["run", "--detach", "--", "sh", "-c", script]).run().await?;
    let id = accepted.stdout_text().trim().to_owned();
    let followed = host.kiln(["job", "logs", "--follow", &id]).run().await?;
    assert_eq!(followed.stdout_text(), "one\ntwo\nthree\n", "{followed}");
    let rest = host.kiln(["job", "logs", "--offset", "4", &id]).run().await?;
    assert_eq!(rest.stdout_text(), "two\nthree\n", "{rest}");
    host.stop().await
}
