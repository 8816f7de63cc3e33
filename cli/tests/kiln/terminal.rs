//! On a terminal: progress while the VM boots, gone before the command's first byte.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    time::Duration,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{
    command::{ended, kiln},
    fake::{Fake, Plan, Step},
};

/// Both ends of a new terminal.
pub(crate) fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (ours.into(), theirs)
}

/// Everything that a run writes to its terminal.
async fn screen(options: &[&str]) -> String {
    let boot_delay = Duration::from_secs(1);
    let steps = vec![Step::Stdout("HELLO".into()), Step::Sleep(Duration::from_millis(500))];
    let fake = Fake::start(Plan { steps, boot_delay, ..Plan::default() });
    let (mut ours, theirs) = terminal();
    let mut command = kiln(&fake, &["run"]);
    command.args(options).args(["--", "cmd"]).env("TERM", "xterm");
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let reader = tokio::task::spawn_blocking(move || {
        let mut screen = Vec::new();
        // Ends with EIO once nobody has the other end open.
        let _ = ours.read_to_end(&mut screen);
        String::from_utf8_lossy(&screen).into_owned()
    });
    assert_eq!(ended(&mut child).await, 0);
    reader.await.unwrap()
}

#[tokio::test]
async fn progress_is_shown_and_cleared_before_the_first_byte() {
    let screen = screen(&[]).await;
    let (before, after) = screen.split_once("HELLO").expect("no output");
    assert!(before.contains("booting"), "{screen:?}");
    assert!(before.ends_with("\x1b[2K") || before.ends_with("\r\x1b[2K"), "{screen:?}");
    assert_eq!(after, "", "{screen:?}");
}

#[tokio::test]
async fn quiet_shows_none() {
    assert_eq!(screen(&["--quiet"]).await, "HELLO");
}
