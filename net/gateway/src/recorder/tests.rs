use std::{net::IpAddr, path::Path, time::SystemTime};

use kiln_net::{
    control::Event,
    name::Name,
    record::{Flow, Reason, Refused, Transport},
};

use super::Recorder;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, last])
}

fn query(name: &str) -> Refused {
    Refused::Query { name: name.to_owned(), kind: "A".to_owned() }
}

fn flow() -> Flow {
    to(443)
}

fn to(port: u16) -> Flow {
    Flow {
        name: Some(name("one.test")),
        address: address(1),
        port,
        transport: Transport::Tcp,
        protocol: None,
        connections: 1,
        sent_bytes: 0,
        received_bytes: 0,
        first: SystemTime::UNIX_EPOCH,
        last: SystemTime::UNIX_EPOCH,
    }
}

/// Each line is an event.
fn read(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).expect("a record");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

struct Recorded {
    recorder: Recorder,
    directory: tempfile::TempDir,
}

impl Recorded {
    fn new(bytes: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("egress.log");
        Self { recorder: Recorder::open(&path, bytes).expect("a recorder"), directory }
    }

    fn events(&self) -> Vec<Event> {
        self.recorder.flush();
        read(&self.directory.path().join("egress.log"))
    }

    fn length(&self) -> u64 {
        let path = self.directory.path().join("egress.log");
        path.metadata().expect("a record").len()
    }
}

/// Of the refusals that are listed, how often; and what is lost.
fn refusals(events: &[Event]) -> (usize, u64, u64) {
    let mut found = (0, 0, 0);
    for event in events {
        match event {
            Event::Refused(refusal) => {
                found.0 += 1;
                found.1 += refusal.times;
            }
            Event::Lost { refusals, .. } => found.2 += refusals,
            _ => {}
        }
    }
    found
}

#[test]
fn what_repeats_itself_has_one_line() {
    let recorded = Recorded::new(1 << 20);
    let mut length = 0;
    let mut lasting = Some(recorded.recorder.began(flow()));
    for round in 1..=20 {
        for _ in 0..500 {
            recorded.recorder.refused(query("one.test"), Reason::NotAllowed);
            recorded.recorder.refused(query("two.test"), Reason::NotAllowed);
            recorded.recorder.refused(query("two.test"), Reason::Limit);
        }
        recorded.recorder.answered(&name("one.test"), &[address(1)]);
        if let Some(flow) = &lasting {
            flow.sent(1_000_000_000);
            flow.received(7);
        }
        if round == 20 {
            lasting = None;
        }
        let events = recorded.events();
        assert_eq!(refusals(&events), (3, round * 1500, 0));
        let flows: Vec<&Event> =
            events.iter().filter(|event| matches!(event, Event::Spliced { .. })).collect();
        assert!(matches!(
            flows[..],
            [Event::Spliced { id: 1, flow }]
                if (flow.sent_bytes, flow.received_bytes) == (round * 1_000_000_000, round * 7)
        ));
        assert_eq!(events.len(), 6);
        if round > 1 {
            assert_eq!(recorded.length(), length);
        }
        length = recorded.length();
    }
}

#[test]
fn what_has_no_room_is_counted_and_leaves_room_for_the_flows() {
    let recorded = Recorded::new(64 << 10);
    for number in 0..2000 {
        recorded.recorder.refused(query(&format!("n{number}.test")), Reason::NotAllowed);
        recorded.recorder.answered(&name(&format!("n{number}.test")), &[address(1)]);
        if number % 500 == 0 {
            recorded.recorder.flush();
        }
    }
    let fifty: Vec<_> = (0..50).map(|port| recorded.recorder.began(to(port))).collect();
    let events = recorded.events();
    let (listed, times, lost) = refusals(&events);
    assert!(listed > 20 && lost > 1000, "{listed} listed, {lost} lost");
    assert_eq!(times + lost, 2000);
    let flows = events.iter().filter(|event| matches!(event, Event::Spliced { .. })).count();
    assert_eq!(flows, 50);

    drop(fifty);
    for port in 100..1000 {
        drop(recorded.recorder.began(to(port)));
    }
    let events = recorded.events();
    let flows = events.iter().filter(|event| matches!(event, Event::Spliced { .. })).count();
    let answers = events.iter().filter(|event| matches!(event, Event::Answered { .. })).count();
    let lost: Vec<u64> = events
        .iter()
        .filter_map(|event| if let Event::Lost { flows, .. } = event { Some(*flows) } else { None })
        .collect();
    assert_eq!(lost, [(950 - flows + 2000 - answers) as u64]);
    assert!(recorded.length() <= 64 << 10);
}

#[test]
fn nothing_fits_and_nobody_waits() {
    for bytes in [0, 1, 50, 150, 4096] {
        let recorded = Recorded::new(bytes);
        for _ in 0..10 {
            recorded.recorder.refused(query("one.test"), Reason::NotAllowed);
            drop(recorded.recorder.began(flow()));
        }
        recorded.recorder.flush();
        assert!(recorded.length() <= bytes);
        recorded.events();
    }
}

#[test]
fn a_flood_that_is_not_written_yet_is_bounded_and_counted() {
    let recorded = Recorded::new(64 << 20);
    for number in 0..100_000 {
        recorded.recorder.refused(query(&format!("n{number}.test")), Reason::NotAllowed);
    }
    let (_, times, lost) = refusals(&recorded.events());
    assert_eq!(times + lost, 100_000);
}

#[test]
fn a_line_lies_in_one_page() {
    let recorded = Recorded::new(4 << 20);
    let mut flows = Vec::new();
    for number in 0..500 {
        flows.push(recorded.recorder.began(to(number)));
        let long = "x".repeat(usize::from(number) * 7 % 900);
        recorded.recorder.refused(query(&format!("{number}.{long}")), Reason::NotAllowed);
        recorded.recorder.flush();
    }
    assert_eq!(refusals(&recorded.events()), (500, 500, 0));
    let text = std::fs::read(recorded.directory.path().join("egress.log")).expect("a record");
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let begins = at + line.iter().take_while(|byte| **byte == b' ').count();
        let last = at + line.len() - 1;
        assert_eq!(begins / 4096, last / 4096, "a line from {begins} to {last}");
        at += line.len();
    }
}

#[test]
fn a_name_is_clipped() {
    let recorded = Recorded::new(1 << 20);
    recorded.recorder.refused(query(&"\u{1}".repeat(100_000)), Reason::Malformed);
    assert_eq!(refusals(&recorded.events()), (1, 1, 0));
}

#[test]
fn another_recorder_goes_on_behind_half_a_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("egress.log");
    std::fs::write(&path, "{\"refused\":").expect("half a line");
    let recorder = Recorder::open(&path, 1 << 20).expect("a recorder");
    recorder.refused(query("one.test"), Reason::NotAllowed);
    recorder.flush();
    let text = std::fs::read_to_string(&path).expect("a record");
    let events: Vec<Event> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!((text.lines().count(), refusals(&events)), (3, (1, 1, 0)));
}

/// `/dev/full` has no room, as a disk that is full.
#[test]
fn a_full_disk_stops_nothing() {
    let recorder = Recorder::open(Path::new("/dev/full"), 1 << 20).expect("a recorder");
    for number in 0..50_000_u16 {
        recorder.refused(query(&format!("n{number}.test")), Reason::NotAllowed);
        drop(recorder.began(to(number)));
    }
    recorder.flush();
}

#[test]
fn a_connection_is_there_while_it_lasts() {
    let recorded = Recorded::new(1 << 20);
    let lasting = recorded.recorder.began(flow());
    let path = recorded.directory.path().join("egress.log");
    let begun = std::time::Instant::now();
    // Without being asked.
    while !read(&path).iter().any(|event| matches!(event, Event::Spliced { id: 1, .. })) {
        assert!(begun.elapsed() < super::writer::TELL, "it is not told");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(lasting);
}

#[test]
fn connections_to_one_host_are_one_line() {
    let recorded = Recorded::new(1 << 20);
    let lasting: Vec<_> = (0..10).map(|_| recorded.recorder.began(flow())).collect();
    for round in 0..100 {
        for _ in 0..100 {
            recorded.recorder.began(flow()).sent(1);
        }
        lasting[round % 10].received(1);
        if round % 20 == 0 {
            recorded.events();
        }
    }
    let sum = |events: Vec<Event>| {
        let flows: Vec<_> = events
            .into_iter()
            .filter_map(
                |event| if let Event::Spliced { flow, .. } = event { Some(flow) } else { None },
            )
            .collect();
        let [flow] = &flows[..] else { panic!("{flows:?}") };
        (flow.connections, flow.sent_bytes, flow.received_bytes)
    };
    assert_eq!(sum(recorded.events()), (10_010, 10_000, 100));
    drop(lasting);
    assert_eq!(sum(recorded.events()), (10_010, 10_000, 100));
}
