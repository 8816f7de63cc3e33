//! Commands that cannot be started, and why.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use kiln_proto::agent::v1::exec_refused::Reason;

use super::*;

async fn check(start: ExecStart, reason: Reason, message: &str) {
    let told = Host::start(start).finish().await;
    match told.end.unwrap().unwrap().event {
        Some(Event::Refused(refused)) => {
            assert_eq!(refused.reason(), reason, "{refused:?}");
            assert!(refused.message.contains(message), "{refused:?}");
        }
        other => panic!("{other:?} instead of {reason:?}"),
    }
    assert!(told.stdout.is_empty() && told.stderr.is_empty());
}

fn write(path: &Path, text: &str, mode: u32) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_found() {
    if !is_root() {
        return;
    }
    check(command(&["no-such-program"]), Reason::NotFound, "in PATH").await;
    check(command(&["/no/such/program"]), Reason::NotFound, "/no/such/program").await;
    check(command(&[&"x".repeat(300)]), Reason::NotFound, "in PATH").await;
    check(command(&["/etc/passwd/x"]), Reason::NotFound, "/etc/passwd/x").await;
}

#[tokio::test]
async fn a_file_that_is_no_program_cannot_be_executed() {
    if !is_root() {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let path = |name| files.path().join(name);
    let plain = write(&path("plain"), "echo", 0o644);
    let nothing = write(&path("nothing"), "gibberish", 0o755);
    let lost = write(&path("lost"), "#!/no/such/interpreter\n", 0o755);
    let directory = files.path().to_str().unwrap();
    check(command(&[&plain]), Reason::NotExecutable, "not executable for this user").await;
    check(command(&[directory]), Reason::NotExecutable, "a directory").await;
    check(command(&[&nothing]), Reason::NotExecutable, "nor a script").await;
    check(command(&[&lost]), Reason::NotExecutable, "interpreter").await;
    // Found through PATH, behind a directory without it.
    let mut start = command(&["plain"]);
    start.env[0].value = format!("/no/such:{directory}");
    check(start, Reason::NotExecutable, "plain").await;
}

#[tokio::test]
async fn a_later_directory_may_have_what_an_earlier_one_may_not_execute() {
    if !is_root() {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    write(&files.path().join("true"), "not this one", 0o644);
    let mut start = command(&["true"]);
    start.env[0].value = format!("{}:/usr/bin:/bin", files.path().display());
    assert_eq!(Host::start(start).finish().await.code(), 0);
}

#[tokio::test]
async fn surroundings_that_are_not_there_are_named() {
    if !is_root() {
        return;
    }
    let workdir = |path: &str| ExecStart { workdir: path.to_owned(), ..command(&["true"]) };
    check(workdir("/no/such"), Reason::BadWorkdir, "/no/such").await;
    check(workdir("/etc/passwd"), Reason::BadWorkdir, "Not a directory").await;
    check(workdir("here"), Reason::Invalid, "not absolute").await;
    let user = |name: &str| ExecStart { user: name.to_owned(), ..command(&["true"]) };
    check(user("no-such-user"), Reason::UnknownUser, "no-such-user").await;
    check(user("0:no-such-group"), Reason::UnknownUser, "no-such-group").await;
}

#[tokio::test]
async fn what_the_kernel_does_not_take_is_invalid() {
    if !is_root() {
        return;
    }
    check(command(&[]), Reason::Invalid, "argv is empty").await;
    check(command(&["true", &"x".repeat(200_000)]), Reason::Invalid, "larger than").await;
}

#[tokio::test]
async fn another_user_is_another_user_and_may_open_its_streams() {
    if !is_root() {
        return;
    }
    let script = "id -u; id -g; id -G; echo $HOME; echo hello > /dev/stdout; cat < /dev/stdin";
    let start = ExecStart { user: "4242:4343".to_owned(), ..shell(script) };
    let told = Host::start(start).finish().await;
    assert_eq!((told.code(), told.stdout()), (0, "4242\n4343\n4343\n/\nhello\n"));
}
