//! `-i`, and its absence.

use std::{process::Stdio, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    command::{ended, finish, kiln},
    fake::{Fake, Step, completed, exited, pattern},
};

#[tokio::test]
async fn stdin_arrives_intact_and_its_end_too() {
    let fake = Fake::running(vec![Step::Echo], completed);
    let mut child = kiln(&fake, &["run", "-i", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let sent = pattern(1, 3 << 20);
    let mut stdin = child.stdin.take().unwrap();
    let bytes = sent.clone();
    tokio::spawn(async move {
        stdin.write_all(&bytes).await.unwrap();
    });
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout == sent, "stdin came back different");
    assert!(*fake.state.stdin.lock().unwrap() == sent, "stdin arrived different");
    assert!(*fake.state.stdin_closed.borrow());
    assert!(fake.exec().stdin);
}

#[tokio::test]
async fn a_conversation_does_not_wait_for_the_end() {
    let fake = Fake::running(vec![Step::Echo], completed);
    let mut child = kiln(&fake, &["run", "-i", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answer = [0; 3];
    for line in [b"one", b"two"] {
        stdin.write_all(line).await.unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, line);
    }
    drop(stdin);
    assert_eq!(ended(&mut child).await, 0);
}

#[tokio::test]
async fn an_empty_stdin_is_closed_at_once() {
    let fake = Fake::running(vec![Step::Echo], completed);
    let (code, stdout, _) = crate::command::run(&fake, &["run", "-i", "cat"]).await;
    assert_eq!((code, stdout.len()), (0, 0));
}

#[tokio::test]
async fn a_stdin_that_says_nothing_does_not_hold_up_the_exit() {
    let fake = Fake::running(vec![Step::Sleep(Duration::from_millis(100))], exited::<7>);
    let mut child = kiln(&fake, &["run", "-i", "true"]).stdin(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    assert_eq!(ended(&mut child).await, 7);
}

#[tokio::test]
async fn a_command_that_reads_nothing_takes_little_stdin() {
    let fake = Fake::running(vec![Step::Sleep(Duration::from_secs(1))], completed);
    let mut child = kiln(&fake, &["run", "-i", "true"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut taken = 0_usize;
    // Ends with EPIPE when kiln does.
    while let Ok(written) = stdin.write(&[0; 16 << 10]).await {
        taken += written;
    }
    assert_eq!(ended(&mut child).await, 0);
    assert!(taken < 4 << 20, "{taken} bytes of stdin piled up");
}

#[tokio::test]
async fn without_the_option_stdin_is_not_touched() {
    let fake = Fake::running(Vec::new(), completed);
    let (mut reader, writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut &writer, b"mine").unwrap();
    let child = kiln(&fake, &["run", "true"]).stdin(reader.try_clone().unwrap()).spawn().unwrap();
    assert_eq!(finish(child).await.0, 0);
    drop(writer);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut reader, &mut rest).unwrap();
    assert_eq!(rest, "mine");
    assert!(!fake.exec().stdin);
}

#[tokio::test]
async fn stdin_in_drips_does_not_break_the_connection() {
    const DRIPS: usize = 6000;
    let fake = Fake::running(vec![Step::Sleep(Duration::from_secs(1)), Step::Echo], completed);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = kiln(&fake, &["run", "-i", "cat"]);
    let child = command.stdin(reader).spawn().unwrap();
    drop(command);
    let sent = pattern(1, DRIPS);
    let bytes = sent.clone();
    std::thread::spawn(move || {
        for byte in bytes.chunks(1) {
            std::io::Write::write_all(&mut &writer, byte).unwrap();
            std::thread::sleep(Duration::from_micros(20));
        }
    });
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout == sent, "stdin came back different");
}
