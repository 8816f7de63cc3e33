//! Networks of machines, asked for in order and out of it. Each test's helper works in a namespace
//! that the test has made.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    thread,
    time::Duration,
};

use kiln_helper::{Answer, GATEWAY_USERS, Request};
use kiln_net::{
    namespace::Namespace,
    plan::{Admission, GuestLink, HostNetwork, Lease, Limits, Plan, Reach},
    record::Transport,
};
use kiln_shim::ProcessIdentity;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::stage::{FIRST, JOB, Stage, is_refused, status, until};

const LIMITS: Limits = Limits {
    connections: 512,
    new_connections_per_second: 1000,
    packets_per_second: 100_000,
    bytes_per_second: 1 << 20,
};
const PLAN: Plan = Plan { reach: Reach::Admitted, limits: LIMITS };

fn network(instance: &str, ceiling: Reach) -> HostNetwork {
    HostNetwork {
        instance: instance.to_owned(),
        prefix: format!("k{}-", &instance[2..]),
        link: GuestLink { guest: [192, 0, 2, 2].into(), gateway: [192, 0, 2, 1].into(), six: None },
        pools: vec!["203.0.113.0/28".parse().unwrap()],
        never: vec!["198.51.100.64/28".parse().unwrap()],
        ceiling,
        limits: LIMITS,
    }
}

/// On a thread whose network is its own.
fn apart(test: impl FnOnce() + Send + 'static) {
    let run = move || {
        // SAFETY: it changes the network namespace of this thread, which ends with the test.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        test();
    };
    if let Err(panicked) = thread::spawn(run).join() {
        std::panic::resume_unwind(panicked);
    }
}

fn say(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn host() -> [String; 4] {
    ["ip -o link show", "ip route show table all", "ip rule show", "nft list ruleset"].map(say)
}

fn make(job: &str) -> Request {
    Request::MakeNetwork { job: job.to_owned(), plan: PLAN }
}

fn release(job: &str) -> Request {
    Request::ReleaseNetwork { job: job.to_owned() }
}

fn lease(answer: Answer) -> Lease {
    let Answer::Network { lease } = answer else { panic!("{answer:?}") };
    lease
}

fn admission(address: &str) -> Admission {
    let address = address.parse().unwrap();
    Admission { address, transport: Transport::Tcp, port: 443, seconds: 60 }
}

fn admit(job: &str, admissions: Vec<Admission>) -> Request {
    Request::Admit { job: job.to_owned(), admissions }
}

/// Those that a process holds, but for its own.
fn namespaces(pid: u32) -> Vec<Namespace> {
    let directory = format!("/proc/{pid}/fd");
    let is_one = |path: &std::path::Path| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("net:["))
    };
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| is_one(path)).map(|path| fs::File::open(path).unwrap());
    files.map(|file| Namespace::of(std::os::fd::AsFd::as_fd(&file)).unwrap()).collect()
}

/// A process as a gateway's, in a namespace, as somebody.
fn process(namespace: Option<&Namespace>, uid: u32) -> Child {
    let spawn = || Command::new("/bin/sleep").arg("1000").uid(uid).gid(uid).spawn();
    match namespace {
        Some(namespace) => namespace.enter(spawn).unwrap(),
        None => spawn().unwrap(),
    }
}

fn take(job: &str, child: &Child) -> Request {
    let gateway = ProcessIdentity::of(child.id()).unwrap();
    Request::TakeNetwork { job: job.to_owned(), gateway, plan: PLAN }
}

fn end(mut child: Child) {
    child.kill().unwrap();
    until("it has ended", || child.try_wait().unwrap().is_some());
}

pub(crate) fn what_is_asked_in_order_is_done() {
    apart(|| {
        let stage = Stage::with("7e570201", Some(network("7e570201", Reach::Internet)));
        let before = host();
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {}, "it is prepared");
        let (answer, taps) = stage.get(&make(JOB));
        let one = lease(answer);
        assert_eq!(taps.len(), 1);
        let link = say(&format!("ip link show {}", one.interface));
        assert!(link.contains("alias kiln 7e570201 job"), "{link}");
        // Its own is what it was, and what it made is another's.
        let own = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        assert_eq!(own(stage.helper.id()), fs::read_link("/proc/thread-self/ns/net").unwrap());
        assert_eq!(namespaces(stage.helper.id()).len(), 1);
        let again = stage.ask(&make(JOB));
        assert!(matches!(again, Answer::Failed { errno: libc::EEXIST, .. }), "{again:?}");
        let two = lease(stage.ask(&make("other")));
        assert_ne!(one.address, two.address);
        let admissions = vec![admission("198.51.100.2"), admission("198.51.100.3")];
        assert_eq!(stage.ask(&admit(JOB, admissions)), Answer::Done {});
        let seen = stage.ask(&Request::ReadNetwork { job: JOB.to_owned() });
        let Answer::NetworkSeen { seen } = seen else { panic!("{seen:?}") };
        assert_eq!((seen.flows.len(), seen.refused.len()), (0, 0));
        let troubles = stage.ask(&Request::NetworkTroubles {});
        assert_eq!(troubles, Answer::NetworkTroubles { troubles: Vec::new() });
        assert!(matches!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Busy { .. }));
        assert_eq!(
            stage.ask(&Request::SweepNetworks { keep: vec![JOB.to_owned()] }),
            Answer::Done {}
        );
        let links = say("ip link show");
        assert!(links.contains(&one.interface) && !links.contains(&two.interface), "{links}");
        for _ in 0..2 {
            assert_eq!(stage.ask(&release(JOB)), Answer::Done {});
        }
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
        assert_eq!(host(), before);
        // And once more, until there is none left.
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        for n in 0..14 {
            lease(stage.ask(&make(&format!("j{n}"))));
        }
        let full = stage.ask(&make("j14"));
        let Answer::NoAddress { reason } = full else { panic!("{full:?}") };
        assert!(reason.contains("--guest-pool"), "{reason}");
        assert_eq!(stage.ask(&Request::SweepNetworks { keep: Vec::new() }), Answer::Done {});
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
        assert_eq!(host(), before);
    });
}

/// The least that are asked.
const REQUESTS: usize = 120;

pub(crate) fn requests_are_refused() {
    apart(|| {
        let without = Stage::new("7e570202");
        let stage = Stage::with("7e570203", Some(network("7e570203", Reach::Admitted)));
        let mut asked = 0;
        let mut refused = |stage: &Stage, request: &Request| {
            let answer = stage.ask(request);
            assert!(is_refused(&answer), "{request:?}: {answer:?}");
            asked += 1;
        };
        // Where there are none, and before they are prepared.
        let read = |job: &str| Request::ReadNetwork { job: job.to_owned() };
        let stranger = process(None, FIRST + GATEWAY_USERS);
        let all = |job: &str| {
            let admissions = vec![admission("198.51.100.2")];
            [make(job), take(job, &stranger), admit(job, admissions), read(job), release(job)]
        };
        refused(&without, &Request::PrepareNetwork {});
        for stage in [&without, &stage] {
            for request in all(JOB) {
                refused(stage, &request);
            }
            refused(stage, &Request::SweepNetworks { keep: Vec::new() });
            refused(stage, &Request::NetworkTroubles {});
        }
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        lease(stage.ask(&make(JOB)));
        let before = host();
        let names =
            ["", ".", "..", "../other", "a/b", "/etc", "a.b", "a b", "a\n", "ä", "x; y", "\""];
        for name in names.iter().map(|name| (*name).to_owned()).chain(["x".repeat(65)]) {
            for request in all(&name) {
                refused(&stage, &request);
            }
            refused(&stage, &Request::SweepNetworks { keep: vec![JOB.to_owned(), name] });
        }
        // More than root allows.
        let plans = [
            Plan { reach: Reach::Internet, ..PLAN },
            Plan { limits: Limits { connections: 513, ..LIMITS }, ..PLAN },
            Plan { limits: Limits { new_connections_per_second: u32::MAX, ..LIMITS }, ..PLAN },
            Plan { limits: Limits { packets_per_second: 100_001, ..LIMITS }, ..PLAN },
            Plan { limits: Limits { bytes_per_second: u64::MAX, ..LIMITS }, ..PLAN },
            Plan { limits: Limits { connections: 0, ..LIMITS }, ..PLAN },
            Plan { limits: Limits { bytes_per_second: 0, ..LIMITS }, ..PLAN },
        ];
        for plan in plans {
            refused(&stage, &Request::MakeNetwork { job: "other".to_owned(), plan });
        }
        // What no machine reaches, and jobs that have no network.
        let host_address = "203.0.113.200/32";
        say("ip link set lo up");
        say(&format!("ip addr add {host_address} dev lo"));
        let never = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "198.51.100.65",
            "203.0.113.3",
            "192.0.2.2",
            "203.0.113.200",
        ];
        for address in never {
            refused(&stage, &admit(JOB, vec![admission("198.51.100.2"), admission(address)]));
        }
        let good = admission("198.51.100.2");
        // Endpoints are at the gateway, by TCP alone.
        let gateway = admission("192.0.2.1");
        refused(&stage, &admit(JOB, vec![Admission { transport: Transport::Udp, ..gateway }]));
        for transport in [Transport::Icmp, Transport::Other] {
            refused(&stage, &admit(JOB, vec![Admission { transport, ..good }]));
        }
        for seconds in [0, u32::MAX] {
            refused(&stage, &admit(JOB, vec![Admission { seconds, ..good }]));
        }
        refused(&stage, &admit(JOB, vec![good; 1025]));
        refused(&stage, &admit("other", vec![good]));
        refused(&stage, &read("other"));
        lease(stage.ask(&Request::MakeNetwork {
            job: "closed".to_owned(),
            plan: Plan { reach: Reach::Closed, ..PLAN },
        }));
        refused(&stage, &admit("closed", vec![good]));
        assert_eq!(stage.ask(&release("closed")), Answer::Done {});
        assert!(asked >= REQUESTS, "{asked}");
        say(&format!("ip addr del {host_address} dev lo"));
        say("ip link set lo down");
        let settled = |state: [String; 4]| state.map(|text| text.replace("state UNKNOWN", ""));
        assert_eq!(settled(host())[2..], settled(before)[2..]);
        end(stranger);
        assert_eq!(stage.ask(&Request::SweepNetworks { keep: Vec::new() }), Answer::Done {});
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
    });
}

pub(crate) fn another_helper_finds_it() {
    apart(|| {
        let mut stage = Stage::with("7e570204", Some(network("7e570204", Reach::Internet)));
        let before = host();
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        let one = lease(stage.ask(&make(JOB)));
        let [of_job] = <[Namespace; 1]>::try_from(namespaces(stage.helper.id())).unwrap();
        let two = lease(stage.ask(&make("other")));
        let of_other = namespaces(stage.helper.id());
        let number = of_job.number().unwrap();
        let of_other = of_other.into_iter().find(|it| it.number().unwrap() != number).unwrap();
        let elsewhere = Namespace::make().unwrap();
        let gateway = process(Some(&of_job), FIRST + GATEWAY_USERS + 7);
        let others = process(Some(&of_other), FIRST + GATEWAY_USERS + 8);
        // Of the job's network, and no gateway; a gateway, and elsewhere.
        let strangers = [
            process(Some(&of_job), FIRST + 7),
            process(Some(&of_job), 65_000),
            process(Some(&of_job), FIRST + GATEWAY_USERS + 1024),
            process(None, FIRST + GATEWAY_USERS + 9),
            process(Some(&elsewhere), FIRST + GATEWAY_USERS + 10),
        ];
        drop((of_job, of_other));
        stage.again();
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        for stranger in strangers.iter().chain([&others]) {
            let answer = stage.ask(&take(JOB, stranger));
            assert!(is_refused(&answer), "{answer:?}");
        }
        // Somebody else's number by now.
        let real = ProcessIdentity::of(gateway.id()).unwrap();
        let later = ProcessIdentity { start_time: real.start_time + 1, ..real };
        let request = Request::TakeNetwork { job: JOB.to_owned(), gateway: later, plan: PLAN };
        assert!(is_refused(&stage.ask(&request)));
        assert!(is_refused(&stage.ask(&take("other", &gateway))), "it is another job's");
        for _ in 0..2 {
            assert_eq!(lease(stage.ask(&take(JOB, &gateway))), one);
        }
        assert_eq!(lease(stage.ask(&take("other", &others))), two);
        assert_eq!(stage.ask(&admit(JOB, vec![admission("198.51.100.2")])), Answer::Done {});
        let seen = stage.ask(&Request::ReadNetwork { job: JOB.to_owned() });
        assert!(matches!(seen, Answer::NetworkSeen { .. }), "{seen:?}");
        for job in [JOB, "other"] {
            assert_eq!(stage.ask(&release(job)), Answer::Done {});
        }
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
        assert_eq!(host(), before);
        for child in strangers.into_iter().chain([gateway, others]) {
            end(child);
        }
    });
}

pub(crate) fn they_end_with_their_helper() {
    apart(|| {
        let mut stage = Stage::with("7e570205", Some(network("7e570205", Reach::Internet)));
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        let (answer, tap) = stage.get(&make(JOB));
        let one = lease(answer);
        stage.again();
        // Nobody is in it; a TAP's descriptor alone keeps the links, and nothing that could pass on.
        drop(tap);
        until("it is gone", || !say("ip link show").contains(&one.interface));
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        assert_eq!(stage.ask(&release(JOB)), Answer::Done {});
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
        assert_eq!(say("nft list ruleset"), "");
    });
}

/// How often, and how much later each time: from before the first step to after the last.
const KILLS: u32 = 50;
const STEP: Duration = Duration::from_millis(1);

pub(crate) fn whenever_it_is_killed_nothing_is_left() {
    apart(|| {
        let mut stage = Stage::with("7e570208", Some(network("7e570208", Reach::Internet)));
        let before = host();
        for n in 0..KILLS {
            let prepared = n % 3 != 0;
            if prepared {
                assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
                stage.leave(&make(JOB));
            } else {
                stage.leave(&Request::PrepareNetwork {});
            }
            thread::sleep(STEP * n);
            stage.helper.kill().unwrap();
            // What it had started ends by itself, and soon.
            until("nft has ended", || !runs_nft());
            stage.again();
            assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {}, "{n}");
            assert_eq!(stage.ask(&Request::SweepNetworks { keep: Vec::new() }), Answer::Done {});
            assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {}, "{n}");
            until(&format!("all is as before the kill {n}"), || host() == before);
        }
    });
}

/// In this namespace.
fn runs_nft() -> bool {
    let own = fs::read_link("/proc/thread-self/ns/net").unwrap();
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let mut here = entries
        .filter(|path| fs::read_link(path.join("ns/net")).is_ok_and(|namespace| namespace == own));
    here.any(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "nft"))
}

pub(crate) fn a_new_address_of_the_hosts_is_known() {
    apart(|| {
        let stage = Stage::with("7e570206", Some(network("7e570206", Reach::Internet)));
        say("ip link set lo up");
        say("ip addr add 198.51.100.1/32 dev lo");
        assert_eq!(stage.ask(&Request::PrepareNetwork {}), Answer::Done {});
        lease(stage.ask(&make(JOB)));
        let [machine] = <[Namespace; 1]>::try_from(namespaces(stage.helper.id())).unwrap();
        let knows = |address: &str| {
            let listed =
                machine.enter(|| Ok(say("nft list set inet kiln_7e570206 host4"))).unwrap();
            listed.contains(address)
        };
        assert!(knows("198.51.100.1"));
        assert!(!knows("198.51.100.9"));
        // Nobody asks.
        say("ip addr add 198.51.100.9/32 dev lo");
        until("it is known", || knows("198.51.100.9"));
        say("ip addr del 198.51.100.1/32 dev lo");
        until("it is forgotten", || !knows("198.51.100.1"));
        say("ip addr add 203.0.113.5/32 dev lo");
        let troubles = stage.ask(&Request::NetworkTroubles {});
        let Answer::NetworkTroubles { troubles } = troubles else { panic!("{troubles:?}") };
        assert!(troubles.iter().any(|trouble| trouble.contains("203.0.113.5")), "{troubles:?}");
        assert_eq!(stage.ask(&release(JOB)), Answer::Done {});
        assert_eq!(stage.ask(&Request::ReleaseHostNetwork {}), Answer::Done {});
    });
}

pub(crate) fn the_helper_may_make_them_and_no_more() {
    apart(|| {
        let stage = Stage::with("7e570207", Some(network("7e570207", Reach::Internet)));
        assert!(!is_refused(&stage.ask(&Request::Unlisten {})));
        let pid = stage.helper.id();
        let bounded = u64::from_str_radix(&status(pid, "CapBnd"), 16).unwrap();
        // To bind names' port, and to administer networks.
        for needed in [10, 12] {
            assert_ne!(bounded & (1 << needed), 0, "capability {needed}");
        }
        // Raw frames, modules, raw devices, to trace, to reboot, to set the clock, programs of BPF.
        for never in [13, 16, 17, 19, 22, 25, 39] {
            assert_eq!(bounded & (1 << never), 0, "capability {never}");
        }
        assert_eq!(status(pid, "CapEff"), status(pid, "CapBnd"));
        assert_eq!(status(pid, "NoNewPrivs"), "1");
    });
}
