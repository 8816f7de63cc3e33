//! Who can't be proven to be ours is not touched, whatever our files say.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::Path,
    process::{Child as Victim, Command},
};

use kiln_shim::{
    Answer, Body, Child, Greeting, MAJOR, MINOR, ProcessIdentity, SOCKET, ShimRecord, boot_id, line,
};
use kiln_vmm_manager::vmm::{
    AdoptError, Reaped, reap,
    supervisor::{Found, Supervision},
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::stage::{DRIVER, INSTANCE, Stage, gone, runs, within};

/// A process that has nothing to do with us.
struct Stranger {
    child: Victim,
    identity: ProcessIdentity,
}

impl Stranger {
    fn new() -> Self {
        let child = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        Self { child, identity }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap();
    }
}

fn record(process: ProcessIdentity, children: Vec<ProcessIdentity>) -> ShimRecord {
    let child = |process| Child { name: "vmm".to_owned(), process, confinement: None };
    ShimRecord {
        major: MAJOR,
        minor: MINOR,
        boot_id: boot_id().unwrap(),
        instance: INSTANCE.to_owned(),
        name: "job".to_owned(),
        driver: DRIVER.to_owned(),
        process,
        children: children.into_iter().map(child).collect(),
        cgroups: Vec::new(),
    }
}

/// Answers each connection to a supervisor's socket with `said`, and then keeps silent.
fn serve(directory: &Path, said: Option<Body>) {
    let listener = UnixListener::bind(directory.join(SOCKET)).unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            if let Some(body) = &said {
                let _hello = stream.read_line(&mut String::new());
                let _gone =
                    stream.get_mut().write_all(&line(&Answer { id: 0, body: body.clone() }));
            }
            open.push(stream);
        }
    });
}

fn greeting(process: ProcessIdentity) -> Body {
    Body::Greeting(Greeting {
        major: MAJOR,
        minor: MINOR,
        instance: INSTANCE.to_owned(),
        name: "job".to_owned(),
        process,
    })
}

/// What listens at the supervisor's socket: we, if anybody.
#[derive(Clone, Debug)]
enum Served {
    Nobody,
    Saying(Body),
    Silent,
}

async fn check(
    what: &str,
    record: &ShimRecord,
    served: Served,
    strangers: &[&Stranger],
    expected: Reaped,
) {
    let stage = Stage::new();
    record.write(&stage.directory()).unwrap();
    match served {
        Served::Nobody => {}
        Served::Saying(body) => serve(&stage.directory(), Some(body)),
        Served::Silent => serve(&stage.directory(), None),
    }
    let found = within(Supervision::adopt(&stage.directory(), INSTANCE, DRIVER)).await;
    let refused = matches!(
        found,
        Err(AdoptError::Foreign { .. } | AdoptError::Io { .. }) | Ok(Found::Ended(_))
    );
    assert!(refused, "{what}: {found:?}");
    let reaped = within(reap(&stage.directory(), INSTANCE)).await.unwrap();
    assert_eq!(reaped, expected, "{what}");
    for stranger in strangers {
        assert!(runs(stranger.identity), "{what}: a stranger was ended");
    }
}

pub(crate) async fn what_cannot_be_proven_is_left_alone() {
    let (one, two) = (Stranger::new(), Stranger::new());
    let strangers = [&one, &two];
    let us = ProcessIdentity::own().unwrap();
    let nobody = ProcessIdentity { pid: 0x7fff_fff0, start_time: 1 };
    let mut cases = 0;
    // A number that is another's by now, as the supervisor's and as a program's.
    let wrong: [fn(u64) -> u64; 5] =
        [|_| 0, |_| 1, |true_start| true_start - 1, |true_start| true_start + 1, |_| u64::MAX];
    for wrong in wrong {
        let at = |process: ProcessIdentity| ProcessIdentity {
            start_time: wrong(process.start_time),
            ..process
        };
        let (recycled, other) = (at(one.identity), at(two.identity));
        let init = at(ProcessIdentity { pid: 1, start_time: 1 << 40 });
        for (process, children) in [
            (recycled, vec![other]),
            (nobody, vec![recycled, other]),
            (nobody, vec![init, ProcessIdentity { pid: 0, ..recycled }]),
        ] {
            let what = format!("{process:?}, {children:?}");
            check(&what, &record(process, children), Served::Nobody, &strangers, Reaped::Nothing)
                .await;
            cases += 1;
        }
    }
    // Numbers that are right, of another boot or another home.
    let right = || record(one.identity, vec![two.identity]);
    let elsewhere = ShimRecord { instance: "deadbeef".to_owned(), ..right() };
    check("another home", &elsewhere, Served::Nobody, &strangers, Reaped::NotOurs).await;
    let earlier = ShimRecord { boot_id: "an earlier one".to_owned(), ..right() };
    check("another boot", &earlier, Served::Nobody, &strangers, Reaped::Nothing).await;
    // Numbers that are right, but it is we who listen at the socket.
    let version = Body::Version { major: 9, minor: 0 };
    let refusal = Body::Refused { reason: "no".to_owned() };
    let bodies = [greeting(one.identity), greeting(us), version, refusal, Body::Noted];
    for served in bodies.map(Served::Saying).into_iter().chain([Served::Silent]) {
        let what = format!("served by another one: {served:?}");
        check(&what, &right(), served, &strangers, Reaped::NotOurs).await;
        cases += 1;
    }
    assert!(cases + 2 >= 20);
}

pub(crate) async fn programs_without_a_supervisor_are_ended_by_proof() {
    let stage = Stage::new();
    let orphan = Stranger::new();
    let nobody = ProcessIdentity { pid: 0x7fff_fff0, start_time: 1 };
    record(nobody, vec![orphan.identity]).write(&stage.directory()).unwrap();
    assert_eq!(within(reap(&stage.directory(), INSTANCE)).await.unwrap(), Reaped::Ended);
    gone(&[orphan.identity]).await;
    drop(orphan);
    assert_eq!(within(reap(&stage.directory(), INSTANCE)).await.unwrap(), Reaped::Nothing);
}
