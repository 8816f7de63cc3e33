//! Each disk is carried once.

use super::*;

#[tokio::test]
async fn whoever_asks_again_is_told_the_same() {
    let machine = Machine::new();
    fs::write(machine.path("file"), b"first").unwrap();
    machine.disk("out", 100);
    assert_eq!(machine.carry(machine.pack("out", Format::Raw, "file")).await, Ok(5));
    fs::write(machine.path("file"), b"much longer").unwrap();
    assert_eq!(machine.carry(machine.pack("out", Format::Raw, "file")).await, Ok(5));
    assert!(fs::read(machine.path("disks/out")).unwrap().starts_with(b"first\0"));

    // A refusal too, though it would do now.
    let refused = machine.carry(machine.pack("late", Format::Raw, "file")).await;
    machine.disk("late", 100);
    assert_eq!(machine.carry(machine.pack("late", Format::Raw, "file")).await, refused);
    check_refused(&refused, Reason::Agent, "late");

    for other in [
        machine.pack("out", Format::Tar, "file"),
        machine.pack("out", Format::Raw, "another"),
        machine.unpack("out", 5, Format::Raw, "file"),
    ] {
        let not_begun = machine.transfers.follow(other).unwrap_err();
        assert!(matches!(not_begun, NotBegun::Different(_)), "{not_begun:?}");
    }
}

#[tokio::test]
async fn all_who_ask_meanwhile_wait_for_the_one() {
    let machine = Machine::new();
    // A disk that opens only when somebody writes to it: the first transfer waits for that.
    let pipe = machine.path("disks/slow");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let order = machine.unpack("slow", 5, Format::Raw, "made");
    let mut following: Vec<Following> =
        (0..10).map(|_| machine.transfers.follow(order.clone()).unwrap()).collect();
    // Some go away again.
    following.truncate(7);
    let silent = tokio::time::timeout(std::time::Duration::from_millis(100), following[0].end());
    assert!(silent.await.is_err());
    let writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let first = following[0].end().await;
    // A pipe has no size.
    check_refused(&first, Reason::Agent, "open the disk");
    for mut one in following {
        assert_eq!(one.end().await, first);
    }
    drop(writer);
}

#[tokio::test]
async fn disks_are_carried_beside_each_other_and_no_more_than_there_are() {
    let machine = Machine::new();
    fs::write(machine.path("file"), b"some").unwrap();
    let mut following = Vec::new();
    for number in 0..MAX_DISKS {
        let serial = format!("disk-{number}");
        machine.disk(&serial, 100);
        following
            .push(machine.transfers.follow(machine.pack(&serial, Format::Raw, "file")).unwrap());
    }
    let one_more = machine.transfers.follow(machine.pack("more", Format::Raw, "file"));
    assert!(matches!(one_more, Err(NotBegun::TooMany)));
    for mut one in following {
        assert_eq!(one.end().await, Ok(4));
        assert_eq!(one.bytes(), 4);
    }
}
