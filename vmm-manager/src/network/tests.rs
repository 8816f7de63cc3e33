//! A network's way from its lease to its release, in a kernel that is told to fail.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kiln_net::{
    control::{Ask, Event, GatewayConfig, Opening, SOCKET},
    plan::{Admission, Plan, Reach},
    policy::Policy,
    record::{Reason, Refusal, Refused, Transport},
};
use kiln_shim::ProcessIdentity;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixListener,
    time::timeout,
};

use super::{
    NetworkLease, Networks,
    begin::{config_path, record_path},
    fake::{Fails, FakeKernel, networks},
};
use crate::host::network::NetworkError;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    kernel: Arc<FakeKernel>,
    networks: Arc<Networks>,
    directory: TempDir,
}

async fn bench() -> Bench {
    let kernel = Arc::new(FakeKernel::default());
    let networks = networks(&kernel).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("run")).unwrap();
    Bench { kernel, networks, directory }
}

impl Bench {
    fn begin(&self, policy: &str) -> NetworkLease {
        let policy: Policy = policy.parse().unwrap();
        NetworkLease::begin(&self.networks, "job", self.directory.path(), &policy)
    }
}

#[tokio::test]
async fn a_machine_is_started_with_what_its_policy_says() {
    for (policy, reach, endpoints) in [
        ("none", Reach::Closed, 0),
        ("allow=one.test", Reach::Admitted, 0),
        ("allow=one.test,mirror.kiln", Reach::Admitted, 1),
        ("record", Reach::Admitted, 1),
        ("internet", Reach::Internet, 1),
    ] {
        let bench = bench().await;
        let mut lease = bench.begin(policy);
        let made = lease.made(5).await.unwrap();
        assert_eq!(bench.kernel.network("job").unwrap().plan.reach, reach, "{policy}");
        assert_eq!(made.user.id, 1_900_065_541);
        let text = std::fs::read(&made.config).unwrap();
        let config: GatewayConfig = serde_json::from_slice(&text).unwrap();
        assert_eq!(config.policy, policy.parse().unwrap());
        assert_eq!(config.endpoints.len(), endpoints, "{policy}");
        assert_eq!(config.never, ["203.0.113.0/24".parse().unwrap()]);
        assert_eq!((&config.record, config.record_bytes), (&made.record, made.record_bytes));
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&made.config), mode(&made.record)), (0o644, 0o600));
        lease.release().await;
        assert!(bench.kernel.names().is_empty());
    }
}

#[tokio::test]
async fn a_network_that_is_being_made_is_waited_for_and_given_back() {
    let bench = bench().await;
    *bench.kernel.slowness.lock().unwrap() = Duration::from_millis(200);
    let mut lease = bench.begin("none");
    assert!(timeout(Duration::from_millis(50), lease.made(0)).await.is_err());
    let began = Instant::now();
    lease.release().await;
    assert!(began.elapsed() > Duration::from_millis(200), "it went before it had come");
    assert!(bench.kernel.names().is_empty());
}

#[tokio::test]
async fn what_cannot_be_made_is_told_and_leaves_nothing() {
    let bench = bench().await;
    bench.kernel.fails.lock().unwrap().push(Fails::Make);
    let mut lease = bench.begin("none");
    let error = lease.made(0).await.unwrap_err();
    assert!(matches!(error, NetworkError::Refused { .. }), "{error}");
    lease.release().await;
    // A directory in which nothing can be written.
    bench.kernel.fails.lock().unwrap().clear();
    std::fs::remove_file(config_path(bench.directory.path())).unwrap();
    let mut lease = bench.begin("none");
    let error = lease.made(0).await.unwrap_err();
    assert!(error.in_words().contains("files of a gateway"), "{}", error.in_words());
    lease.release().await;
    assert!(bench.kernel.names().is_empty());
}

#[tokio::test]
async fn a_gateway_is_served_for_its_own_machine_until_it_is_gone() {
    let bench = bench().await;
    let mut lease = bench.begin("allow=one.test");
    lease.made(0).await.unwrap();
    let socket = bench.directory.path().join(SOCKET);
    let listener = UnixListener::bind(socket).unwrap();
    lease.serve(None);
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut peer = BufReader::new(stream);
    let mut line = String::new();
    peer.read_line(&mut line).await.unwrap();
    assert_eq!(serde_json::from_str::<Opening>(&line).unwrap(), Opening::Hello {});
    let admission = Admission {
        address: "198.51.100.1".parse().unwrap(),
        transport: Transport::Tcp,
        port: 443,
        seconds: 60,
    };
    let ask = Ask::Admit { id: 1, admissions: vec![admission] };
    let ask = format!("{}\n", serde_json::to_string(&ask).unwrap());
    peer.write_all(ask.as_bytes()).await.unwrap();
    line.clear();
    timeout(PATIENCE, peer.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(bench.kernel.network("job").unwrap().admitted, [admission]);
    lease.release().await;
    line.clear();
    assert_eq!(peer.read_line(&mut line).await.unwrap_or(0), 0);
    assert!(bench.kernel.names().is_empty());
}

#[tokio::test]
async fn a_network_is_taken_up_again_or_that_is_told() {
    let bench = bench().await;
    let policy: Policy = "allow=one.test".parse().unwrap();
    let again = || async {
        let process = ProcessIdentity { pid: 1, start_time: 1 };
        bench
            .networks
            .again("job", bench.directory.path(), &policy, SystemTime::now(), process)
            .await
    };
    assert!(again().await.is_err(), "there is none");
    bench.kernel.plant("job", bench.networks.plan(&policy));
    bench.kernel.fails.lock().unwrap().push(Fails::Take);
    assert!(again().await.is_err());
    bench.kernel.fails.lock().unwrap().clear();
    let lease = again().await.unwrap();
    assert_eq!(bench.kernel.network("job").unwrap().taken, 1);
    drop(lease);
    assert_eq!(bench.kernel.names(), ["job"], "a machine may be in it");
}

#[tokio::test]
async fn what_has_no_job_is_removed_and_what_is_being_made_is_not() {
    let bench = bench().await;
    let plan = Plan { reach: Reach::Closed, limits: bench.networks.config.limits };
    bench.kernel.plant("orphan", plan);
    bench.kernel.plant("mine", plan);
    bench.networks.sweep(|| vec!["mine".to_owned()]).await.unwrap();
    assert_eq!(bench.kernel.names(), ["mine"]);
    *bench.kernel.slowness.lock().unwrap() = Duration::from_millis(100);
    let mut lease = bench.begin("none");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let kernel = Arc::clone(&bench.kernel);
    // By the time that it is asked, whatever was begun before is there.
    bench.networks.sweep(move || kernel.names()).await.unwrap();
    lease.made(0).await.unwrap();
    assert_eq!(bench.kernel.names(), ["job", "mine"]);
}

#[tokio::test]
async fn what_happened_is_told_with_what_is_missing_of_it() {
    let bench = bench().await;
    let mut lease = bench.begin("none");
    lease.made(0).await.unwrap();
    assert_eq!(*lease.view().look().await, kiln_net::record::EgressRecord::default());
    bench.kernel.refuses("198.51.100.9", 25);
    assert!(lease.view().recent().await.refusals.is_empty(), "it was looked at just now");
    let record = lease.view().look().await;
    assert_eq!(record.refusals.len(), 1);
    assert_eq!(record.incomplete, None);
    assert_eq!(lease.view().recent().await, record);
    bench.kernel.fails.lock().unwrap().push(Fails::Read);
    let incomplete = lease.view().look().await.incomplete.clone().unwrap();
    assert!(incomplete.contains("what the kernel saw"), "{incomplete}");
    std::fs::remove_file(record_path(bench.directory.path())).unwrap();
    let incomplete = lease.view().look().await.incomplete.clone().unwrap();
    assert!(incomplete.contains("what the kernel saw") && incomplete.contains("the gateway's"));
}

#[tokio::test]
async fn a_network_is_in_use_from_when_it_is_made_until_it_is_gone() {
    let bench = bench().await;
    let leases = async || bench.networks.state().await.leases;
    assert_eq!(leases().await, 0);
    bench.kernel.fails.lock().unwrap().push(Fails::Make);
    let mut lease = bench.begin("none");
    lease.made(0).await.unwrap_err();
    lease.release().await;
    assert_eq!(leases().await, 0);
    bench.kernel.fails.lock().unwrap().clear();
    std::fs::remove_file(config_path(bench.directory.path())).unwrap();
    std::fs::remove_file(record_path(bench.directory.path())).unwrap();
    let mut lease = bench.begin("none");
    lease.made(0).await.unwrap();
    assert_eq!(leases().await, 1);
    // What could not be given back is there still, until the reconciler comes.
    bench.kernel.fails.lock().unwrap().push(Fails::Release);
    lease.release().await;
    bench.networks.sweep(|| vec!["job".to_owned()]).await.unwrap();
    assert_eq!(leases().await, 1);
    bench.networks.sweep(Vec::new).await.unwrap();
    assert_eq!(leases().await, 0);
    // An earlier daemon's.
    let policy = Policy::None;
    bench.kernel.plant("job", bench.networks.plan(&policy));
    let directory = bench.directory.path();
    let gateway = ProcessIdentity { pid: 1, start_time: 1 };
    let again = bench.networks.again("job", directory, &policy, SystemTime::now(), gateway);
    let again = again.await.unwrap();
    assert_eq!(leases().await, 1);
    bench.kernel.fails.lock().unwrap().clear();
    again.release().await;
    assert_eq!(leases().await, 0);
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_and_not_looked_for_all_the_time() {
    let bench = bench().await;
    let troubles = async || bench.networks.state().await.troubles;
    let no_resolver = "the host has no resolver: name one with --dns";
    assert_eq!(troubles().await, [no_resolver]);
    bench.kernel.troubles.lock().unwrap().0.push("a route".to_owned());
    assert_eq!(troubles().await, [no_resolver]);
    assert_eq!(bench.kernel.troubles.lock().unwrap().1, 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(troubles().await, ["a route", no_resolver]);
    bench.kernel.fails.lock().unwrap().push(Fails::Look);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let [unknown, _] = &troubles().await[..] else { panic!("there are two") };
    assert!(unknown.starts_with("the host's networks are not looked at: "), "{unknown}");
}

#[tokio::test]
async fn a_gateway_writes_down_what_it_knows_before_it_is_read() {
    let bench = bench().await;
    let mut lease = bench.begin("none");
    let made = lease.made(0).await.unwrap();
    let listener = UnixListener::bind(bench.directory.path().join(SOCKET)).unwrap();
    let gateway = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = BufReader::new(stream);
        let mut line = String::new();
        peer.read_line(&mut line).await.unwrap();
        assert_eq!(serde_json::from_str::<Opening>(&line).unwrap(), Opening::Flush {});
        let what = Refused::Query { name: "one.test".to_owned(), kind: "A".to_owned() };
        let reason = Reason::NotAllowed;
        let refusal = Refusal { what, reason, times: 1, first: None, last: None };
        let event = serde_json::to_string(&Event::Refused(refusal)).unwrap();
        std::fs::write(&made.record, format!("{event}\n")).unwrap();
    };
    let (record, ()) = tokio::join!(lease.view().look(), gateway);
    assert_eq!(record.refusals.len(), 1);
    // One that takes the question and never answers.
    let began = Instant::now();
    let (record, _open) = tokio::join!(lease.view().look(), listener.accept());
    assert_eq!(record.refusals.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5));
}
