//! From an order to a machine, or to nothing.

use std::{fs, os::unix::net::UnixStream};

use kiln_shim::{Ask, Body, End, Program, Report, Source, StartFailure, line};
use rustix::process::Signal;

use crate::{
    client::Client,
    shim::{INSTANCE, Shim, console, descriptor, launch, order, runs, shell, signal, until},
};

#[test]
fn it_stands_alone() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let read =
        |name: &str| fs::read_to_string(format!("/proc/{}/{name}", shim.process.pid)).unwrap();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Its parent, group, session and terminal.
    assert_ne!(fields[1], std::process::id().to_string());
    let own = shim.process.pid.to_string();
    assert_eq!([fields[2], fields[3]], [own.as_str(); 2]);
    assert_eq!(fields[4], "0");
    assert_eq!(read("comm").trim(), "kiln-shim");
    let status = read("status");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().to_owned()
    };
    assert_eq!(value("Umask"), "0077");
    let ignored = u64::from_str_radix(&value("SigIgn"), 16).unwrap();
    for ignored_signal in [Signal::HUP, Signal::INT, Signal::PIPE] {
        assert_ne!(ignored & 1 << (ignored_signal.as_raw() - 1), 0, "{ignored_signal:?}");
    }
    let link = |fd: &str| fs::read_link(format!("/proc/{}/fd/{fd}", shim.process.pid)).unwrap();
    assert_eq!(link("0").to_str(), Some("/dev/null"));
    assert_eq!(link("1").to_str(), Some("/dev/null"));
    assert_eq!(link("2"), shim.file("shim.log"));
    assert_eq!(fs::read_to_string(shim.file("shim.log")).unwrap(), "");
    let record = shim.record();
    assert_eq!((record.instance.as_str(), record.name.as_str()), (INSTANCE, "job"));
    assert_eq!(record.boot_id, kiln_shim::boot_id().unwrap());
    assert_eq!((record.process, &record.children), (shim.process, &shim.children));
    for child in &shim.children {
        assert!(child.process.prove().unwrap().is_some());
    }
    for hush in [Signal::HUP, Signal::INT, Signal::PIPE] {
        signal(shim.process.pid, hush);
    }
    assert!(matches!(Client::connect(&shim).ask(Ask::Status), Body::Status(_)));
}

/// What a child sees of its own descriptors, by number; listing the directory would open one.
const LIST: &str = "i=0; while [ $i -lt 300 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; \
                    i=$((i+1)); done; echo; env | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL=; \
                    grep SigIgn /proc/$$/status; grep SigBlk /proc/self/status; \
                    ps -o sid= -p $$; echo $$; cat /proc/$$/oom_score_adj; ulimit -c; exec sleep 1000";

#[test]
fn a_child_is_given_nothing_but_what_was_ordered() {
    let listen = Source::Listen { socket: "l.sock".to_owned() };
    let pair = || Source::Pair { name: "p".to_owned() };
    let vmm = Program {
        descriptors: vec![descriptor(100, pair()), descriptor(163, listen)],
        network: false,
        parting_millis: 0,
        jail: None,
        ..console("vmm", LIST)
    };
    let bridge =
        Program { descriptors: vec![descriptor(100, pair())], ..shell("b", "exec sleep 1000") };
    let shim = Shim::of(vec![vmm, bridge]);
    let mut client = Client::connect(&shim);
    let said = until(|| {
        let said = String::from_utf8(client.serial().0).unwrap();
        (said.lines().count() >= 7).then_some(said)
    });
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    assert_eq!(lines[0], "0 1 2 100 163", "{said}");
    // But for the two that the C library keeps to itself, and leaves as it finds them.
    let ignored = u64::from_str_radix(lines[1].trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(ignored & !(3 << 31), 0, "{said}");
    assert_eq!(lines[2], "SigBlk:\t0000000000000000", "{said}");
    assert_eq!(lines[3], lines[4], "it leads a session: {said}");
    assert_eq!(lines[5..], ["500", "0"], "{said}");
}

fn python(name: &str, script: &str, source: Source) -> Program {
    Program {
        path: "/usr/bin/python3".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        descriptors: vec![descriptor(100, source)],
        network: false,
        parting_millis: 0,
        jail: None,
        ..console(name, "")
    }
}

#[test]
fn programs_are_connected_as_ordered() {
    let server = "import socket,time; time.sleep(0.2); s=socket.socket(socket.AF_UNIX); \
                  s.bind('b.sock'); s.listen(1); c,_=s.accept(); c.send(b'from the bridge'); \
                  time.sleep(1000)";
    let mut bridge = python("bridge", server, Source::Listen { socket: "other.sock".to_owned() });
    bridge.stdout = kiln_shim::Stdout::Null;
    let client = "import socket; s=socket.socket(fileno=100); print(s.recv(100).decode(), flush=True); \
                  l=socket.socket(fileno=101); c,_=l.accept(); w=socket.socket(fileno=102); \
                  print(w.recv(100).decode(), flush=True); w.send(b'x'*5000+b'the end'); \
                  c.send(b'served'); c.recv(1)";
    let mut vmm = python("vmm", client, Source::Connect { socket: "b.sock".to_owned() });
    vmm.descriptors.push(descriptor(101, Source::Listen { socket: "q.sock".to_owned() }));
    let heard = Source::Heard { say: "say on".to_owned(), keep_bytes: 100, ends: Vec::new() };
    vmm.descriptors.push(descriptor(102, heard));
    let shim = Shim::with(vec![bridge, vmm], |order| order.main = "vmm".to_owned());
    let mut stream = UnixStream::connect(shim.file("q.sock")).unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(&mut stream, &mut said).unwrap();
    assert_eq!(&said, b"served");
    let mut client = Client::connect(&shim);
    until(|| (client.serial().0 == b"from the bridge\nsay on\n").then_some(()));
    drop(stream);
    let exit = client.end(Ask::Wait);
    let heard = &exit.child("vmm").unwrap().heard;
    assert_eq!((heard.len(), heard.ends_with("xthe end")), (100, true));
}

#[test]
fn a_program_may_say_that_the_machine_is_at_its_end() {
    let ends = vec!["the end".to_owned()];
    let heard = || Source::Heard { say: String::new(), keep_bytes: 100, ends: ends.clone() };
    let says = |what: &str| {
        format!("import socket,time; w=socket.socket(fileno=100); {what}; time.sleep(1000)")
    };
    let bridge = || shell("bridge", "exec sleep 1000");
    let vmm = |what: &str| Program {
        stdout: kiln_shim::Stdout::Null,
        ..python("vmm", &says(what), heard())
    };
    let of = |vmm| Shim::with(vec![bridge(), vmm], |order| order.main = "vmm".to_owned());
    // Whole, in pieces, and after more than is kept.
    for what in [
        "w.send(b'the end')",
        "w.send(b'the '); time.sleep(0.2); w.send(b'end')",
        "w.send(b'x'*5000+b'the end')",
    ] {
        let exit = of(vmm(what)).exit();
        assert_eq!((exit.first.as_str(), exit.stopping), ("vmm", false));
        assert_eq!(exit.child("vmm").unwrap().end, End::Signal(9));
        assert_eq!(exit.child("bridge").unwrap().end, End::Signal(9));
        assert!(exit.child("vmm").unwrap().heard.ends_with("the end"));
    }
    let shim = of(vmm("w.send(b'the en')"));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(runs(shim.pid("vmm")));
    Client::connect(&shim).end(Ask::Kill);
}

fn fails(programs: Vec<Program>, expected: &str) {
    let failure = Shim::leashed(programs, |order| order.start_limit_millis = 300).err().unwrap();
    assert!(failure.to_string().contains(expected), "{failure}: {failure:?}");
}

#[test]
fn a_start_that_fails_says_why() {
    let absent = Program { path: "/nonexistent/vmm".into(), ..shell("vmm", "") };
    fails(vec![absent.clone()], "/nonexistent/vmm could not be started");
    let marker = format!("sleep 1000.{}", std::process::id());
    fails(vec![shell("bridge", &format!("exec {marker}")), absent], "/nonexistent/vmm could not");
    let connect = Source::Connect { socket: "never.sock".to_owned() };
    let vmm =
        Program { descriptors: vec![descriptor(100, connect)], ..shell("vmm", "exec sleep 1000") };
    fails(vec![shell("b", "echo why >&2; exit 3"), vmm.clone()], "b ended before never.sock");
    fails(vec![shell("b", &format!("exec {marker}")), vmm], "never.sock was not there in time");
    // What was started before the failure is gone with it.
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.trim() == marker && runs(pid)).then_some(pid)
    });
    assert_eq!(pids.collect::<Vec<_>>(), Vec::<u32>::new());
}

#[test]
fn an_order_that_is_not_understood_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut newer = order(directory.path(), vec![shell("vmm", "exec sleep 1000")]);
    newer.major += 1;
    for (order, expected) in [
        (line(&newer), "it is of protocol 2"),
        (b"{}\n".to_vec(), "it is not understood"),
        (vec![b'x'; 2 << 20], "it is longer than"),
    ] {
        // The supervisor stops listening to an order that never ends.
        let report = std::panic::catch_unwind(|| launch(&order).0);
        let Ok(Report::Failed(StartFailure::Order { reason })) = report else { continue };
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_starter_that_dies_leaves_no_machine() {
    let mut shim = Shim::leashed(vec![shell("vmm", "exec sleep 1000")], |_| {}).unwrap();
    assert!(runs(shim.pid("vmm")));
    drop(shim.leash.take());
    shim.gone();
    // Nor one that says something else than that it is content.
    let mut shim = Shim::leashed(vec![shell("vmm", "exec sleep 1000")], |_| {}).unwrap();
    let mut leash = shim.leash.take().unwrap();
    std::io::Write::write_all(&mut leash, b"committee").unwrap();
    shim.gone();
}

#[test]
fn a_directory_has_one_supervisor() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let again = order(shim.directory(), vec![shell("vmm", "exec sleep 1000")]);
    let (report, _leash) = launch(&line(&again));
    assert_eq!(report, Report::Failed(StartFailure::Taken));
    assert_eq!(shim.record().process, shim.process);
    assert!(matches!(Client::connect(&shim).ask(Ask::Status), Body::Status(_)));
}
