//! Builds with scripts for the engine and its client. They need root, as commands do.

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use kiln_buildkit::Report;
use kiln_proto::agent::v1::{
    BuildDone, BuildError, BuildOptions, BuildOutput, BuildSsh, BuildStart, DiskFormat, ExecExited,
    ExecRefused, ExecRequest, OutputTaken, PackRequest, Signal, build_event, build_output::Kind,
    exec_exited::Status as WireStatus, exec_refused::Reason, exec_request, exec_response::Event,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    engine::tests::{Machine, request},
    progress::tests::{decoded, failure, said, success, vertex, vertexes},
    *,
};
use crate::{
    exec::{Answer, Answers, Start},
    transfer::Order,
};

const LIMIT: Duration = Duration::from_secs(20);
const ENGINE: &str = "exec sleep 600";

struct Guest {
    machine: Machine,
    exec: exec::Engine,
    builds: Arc<Builds>,
}

/// What the host was told.
#[derive(Debug)]
struct Told {
    events: Vec<build_event::Event>,
    bytes: u64,
    end: Event,
}

struct Host {
    requests: mpsc::Sender<Result<ExecRequest, Status>>,
    answers: mpsc::Receiver<Answer>,
}

impl Guest {
    /// A client that says `reports` where its script has `report NUMBER`.
    async fn with(client: &str, reports: impl IntoIterator<Item = Report>) -> Self {
        let machine = Machine::new(ENGINE, "exit 1");
        let place = machine.path("report").display().to_string();
        for (number, report) in reports.into_iter().enumerate() {
            fs::write(format!("{place}-{number}"), said([report])).unwrap();
        }
        machine.program("client", &format!("report() {{ cat {place}-$1; }}\n{ORDER}\n{client}"));
        machine.answer();
        let exec = Machine::exec();
        let transfers = Arc::new(Transfers::new(machine.disks()));
        let builds = Builds::new(Some(machine.layout()), machine.disks(), transfers, exec.clone());
        builds.start_engine(request()).await.unwrap();
        Self { machine, exec, builds: Arc::new(builds) }
    }

    fn disk(&self, name: &str, bytes: u64) {
        File::create(self.machine.path(name)).unwrap().set_len(bytes).unwrap();
    }

    /// With a tar to a disk.
    fn start(&self) -> BuildStart {
        BuildStart {
            id: "build".into(),
            outputs: vec![BuildOutput {
                disk: "kiln-out-0".into(),
                path: self.machine.path("out/tar").display().to_string(),
                kind: Kind::Tar.into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn ask(&self, start: BuildStart, parts: Parts) -> Host {
        let start = Start::build(Asked { start, parts }, Arc::clone(&self.builds)).unwrap();
        let (requests, incoming) = mpsc::channel(1);
        let (answers, told) = Answers::channel();
        let exec = self.exec.clone();
        tokio::spawn(async move {
            exec.attend(start, ReceiverStream::new(incoming), answers).await;
        });
        Host { requests, answers: told }
    }

    /// As the host asks for it when the build has ended.
    async fn packed(&self) -> Result<u64, String> {
        let path = self.machine.path("out/tar").display().to_string();
        let disk = "kiln-out-0".to_owned();
        let request = PackRequest { disk, format: DiskFormat::Raw.into(), path };
        let order = Order::try_from(request).unwrap();
        let end = self.builds.transfers.follow(order).unwrap().end().await;
        end.map_err(|refused| refused.message().to_owned())
    }

    fn files(&self) -> Vec<String> {
        let found = fs::read_dir(self.machine.path("memory")).unwrap();
        found.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

fn parts() -> Parts {
    Parts { dockerfile: Some(b"FROM scratch".to_vec()), ..Default::default() }
}

impl Host {
    async fn signal(&self, number: i32) {
        let event = Some(exec_request::Event::Signal(Signal { number }));
        self.requests.send(Ok(ExecRequest { event })).await.unwrap();
    }

    async fn finish(mut self) -> Told {
        let (mut stdout, mut end) = (Vec::new(), None);
        while let Some(answer) =
            tokio::time::timeout(LIMIT, self.answers.recv()).await.expect("an answer")
        {
            match answer.unwrap().event.unwrap() {
                Event::Started(_) => {}
                Event::Stdout(chunk) => {
                    stdout.extend_from_slice(&chunk.data);
                    let offset = chunk.offset + chunk.data.len() as u64;
                    let event = Some(exec_request::Event::Taken(OutputTaken { offset }));
                    // A build that has ended takes nothing more.
                    let _ = self.requests.send(Ok(ExecRequest { event })).await;
                }
                other => assert!(end.replace(other).is_none(), "one end"),
            }
        }
        let events = decoded(&stdout);
        Told { events, bytes: stdout.len() as u64, end: end.unwrap() }
    }
}

impl Told {
    fn exited(&self) -> &ExecExited {
        match &self.end {
            Event::Exited(exited) => exited,
            other => panic!("{other:?} instead of an exit"),
        }
    }

    fn refused(&self) -> &ExecRefused {
        match &self.end {
            Event::Refused(refused) => refused,
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    fn error(&self) -> &BuildError {
        match self.events.last() {
            Some(build_event::Event::Error(error)) => error,
            other => panic!("{other:?} instead of an error"),
        }
    }

    fn done(&self) -> &BuildDone {
        match self.events.last() {
            Some(build_event::Event::Done(done)) => done,
            other => panic!("{other:?} instead of an end"),
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What stands in an order, which is all in one line, with nothing in it that would have to be quoted.
const ORDER: &str = r#"
test "$#" = 2 && test "$1" = build || exit 99
list() { sed -n "s/.*\"$1\":\\[{\([^]]*\).*/\1/p" "$2"; }
path() { list "$1" "$2" | sed -n "s/.*\"$3\":\"\([^\"]*\)\".*/\1/p"; }
dest=$(path exports "$2" path); secret=$(path secrets "$2" path); socket=$(path ssh "$2" socket)
"#;

#[tokio::test]
async fn what_a_build_exports_is_on_its_disk_when_it_ends() {
    if !is_root() {
        return;
    }
    let client = r#"
        printf 'a whole tar' >"$dest"
        test "$(cat "$secret")" = it-is-hidden || exit 8
        cat "$secret" >&2
        tr '\0' ' ' </proc/$$/environ >&2; tr '\0' ' ' </proc/$$/cmdline >&2; cat "$2" >&2
        report 0; report 1
    "#;
    let metadata = r#"{"containerimage.digest":"sha256:abc"}"#;
    let reports = [vertexes([vertex("1", "say it-is-hidden")]), success(metadata)];
    let guest = Guest::with(client, reports).await;
    guest.disk("kiln-out-0", 4096);
    let mut parts = parts();
    parts.secrets.insert("token".into(), b"it-is-hidden".to_vec());
    let start = BuildStart { secrets: vec!["token".into()], ..guest.start() };
    let told = guest.ask(start.clone(), parts).finish().await;
    assert_eq!(told.exited().status, Some(WireStatus::Code(0)), "{told:?}");
    assert_eq!(told.done().digest, "sha256:abc");
    assert!(!format!("{told:?}").contains("it-is-hidden"), "{told:?}");
    assert_eq!(guest.packed().await, Ok(11));
    let disk = fs::read(guest.machine.path("kiln-out-0")).unwrap();
    assert_eq!(&disk[..12], b"a whole tar\0");
    assert_eq!(guest.files(), ["engine.json"]);
    // Who comes again is told the same, and needs to bring nothing along.
    let again = BuildStart { resumed: true, output_offset: told.bytes, ..start };
    let again = guest.ask(again, Parts::default()).finish().await;
    assert_eq!(again.end, told.end);
}

#[tokio::test]
async fn a_client_that_goes_without_a_word_has_failed() {
    if !is_root() {
        return;
    }
    let client = r#"printf 'a tar' >"$dest"; echo 'an odd remark' >&2; exit 0"#;
    let guest = Guest::with(client, []).await;
    guest.disk("kiln-out-0", 4096);
    let told = guest.ask(guest.start(), parts()).finish().await;
    assert_eq!(told.exited().status, Some(WireStatus::Code(1)));
    assert_eq!(told.error().message, "an odd remark");
    assert!(guest.packed().await.unwrap_err().contains("not written all of it"));
}

#[tokio::test]
async fn a_build_that_fails_exports_nothing() {
    if !is_root() {
        return;
    }
    let client = r#"printf 'half a tar' >"$dest"; report 0; exit 1"#;
    let guest = Guest::with(client, [failure("it is broken")]).await;
    guest.disk("kiln-out-0", 4096);
    let told = guest.ask(guest.start(), parts()).finish().await;
    assert_eq!(told.exited().status, Some(WireStatus::Code(1)));
    assert_eq!(told.error().message, "it is broken");
    assert_eq!(told.error().full_disk, "");
    assert!(guest.packed().await.unwrap_err().contains("not written all of it"));
    assert_eq!(guest.files(), ["engine.json"]);
}

#[tokio::test]
async fn a_disk_that_is_full_ends_the_build() {
    if !is_root() {
        return;
    }
    // It could read what it writes, and would wait for itself.
    let client = r#"exec 3<>"$dest"; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxx >&3; done"#;
    let guest = Guest::with(client, []).await;
    guest.disk("kiln-out-0", 64 * 1024);
    let began = Instant::now();
    let told = guest.ask(guest.start(), parts()).finish().await;
    assert!(began.elapsed() < LIMIT / 2);
    assert_eq!(told.error().full_disk, "kiln-out-0", "{told:?}");
    assert!(guest.packed().await.unwrap_err().contains("more than the disk's 65536 bytes"));
}

#[tokio::test]
async fn a_client_that_does_not_go_is_killed() {
    if !is_root() {
        return;
    }
    let client = "
        trap '' TERM INT
        report 0
        while :; do sleep 0.05; done
    ";
    let guest = Guest::with(client, [vertexes([vertex("1", "wait")])]).await;
    guest.disk("kiln-out-0", 4096);
    let mut host = guest.ask(guest.start(), parts());
    // It has said a whole event, and has its traps.
    while !matches!(host.answers.recv().await.unwrap().unwrap().event, Some(Event::Stdout(_))) {}
    let began = Instant::now();
    host.signal(libc::SIGTERM).await;
    let told = host.finish().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(told.exited().status, Some(WireStatus::Signal(libc::SIGKILL)));
    assert!(!told.exited().out_of_memory && !told.exited().timed_out);
    told.error();
}

#[tokio::test]
async fn what_is_lost_or_cannot_be_is_refused() {
    if !is_root() {
        return;
    }
    let guest = Guest::with("exit 0", []).await;
    guest.disk("kiln-out-0", 4096);
    let refused = async |id: &str, change: &dyn Fn(&mut BuildStart)| {
        let mut start = BuildStart { id: id.to_owned(), ..guest.start() };
        change(&mut start);
        let parts = if start.resumed { Parts::default() } else { parts() };
        guest.ask(start, parts).finish().await.refused().clone()
    };
    let lost = refused("lost", &|start| start.resumed = true).await;
    assert_eq!(lost.reason(), Reason::PartsLost, "{lost:?}");
    let allow = |start: &mut BuildStart, what: &str| {
        start.options = Some(BuildOptions { allow: vec![what.to_owned()], ..Default::default() });
    };
    let invalid = refused("a", &|start| allow(start, "device")).await;
    assert_eq!(invalid.reason(), Reason::Invalid, "{invalid:?}");
    let foreign = refused("b", &|start| start.platforms.push("linux/riscv64".into())).await;
    assert_eq!(foreign.reason(), Reason::Unsupported, "{foreign:?}");
    assert!(foreign.message.contains("riscv64"), "{foreign:?}");
    let insecure = refused("c", &|start| allow(start, INSECURE)).await;
    assert_eq!(insecure.reason(), Reason::Unsupported, "{insecure:?}");
    assert_eq!(guest.files(), ["engine.json"]);
}

#[tokio::test]
async fn without_an_engine_nothing_is_built() {
    let machine = Machine::new(ENGINE, "exit 0");
    let exec = Machine::exec();
    let transfers = Arc::new(Transfers::new(machine.disks()));
    let builds = Builds::new(Some(machine.layout()), machine.disks(), transfers, exec.clone());
    let guest = Guest { machine, exec, builds: Arc::new(builds) };
    let told = guest.ask(guest.start(), parts()).finish().await;
    assert!(told.refused().message.contains("StartEngine comes first"), "{told:?}");
}

#[tokio::test]
async fn a_relayed_agent_is_reached_while_the_build_runs() {
    if !is_root() {
        return;
    }
    let client = r#"
        test -S "$socket" || exit 9
        mode=$(stat -c %a "$(dirname "$socket")"); test "$mode" = 700 || exit 8
        report 0
    "#;
    let guest = Guest::with(client, [success("{}")]).await;
    let ssh = vec![BuildSsh { id: "default".into(), relayed: true }];
    let start = BuildStart { ssh, outputs: Vec::new(), ..guest.start() };
    let told = guest.ask(start, parts()).finish().await;
    assert_eq!(told.exited().status, Some(WireStatus::Code(0)), "{told:?}");
}
