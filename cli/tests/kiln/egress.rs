//! `--egress`: what is asked for, the lockfile, and the record.

use std::{fs, path::Path, time::Duration};

use kiln_proto::v1;
use tempfile::TempDir;

use crate::{
    command::{bare, finish, kiln, run},
    fake::{Fake, Plan, completed, exited},
};

const LOCK: &str = "kiln-egress.lock";

/// In a directory of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path().join(name)).ok()
    }

    async fn run(&self, fake: &Fake, egress: &[&str]) -> (i32, String) {
        let mut command = kiln(fake, &["run"]);
        command.args(egress).arg("cmd").current_dir(self.path());
        let (code, _, stderr) = finish(command.spawn().unwrap()).await;
        (code, stderr)
    }
}

fn flow(name: &str, port: u32, protocol: &str) -> v1::EgressFlow {
    v1::EgressFlow {
        name: name.to_owned(),
        address: "203.0.113.1".to_owned(),
        port,
        transport: if protocol == "udp" { "udp" } else { "tcp" }.to_owned(),
        protocol: if protocol == "udp" { "" } else { protocol }.to_owned(),
        connections: 1,
        ..v1::EgressFlow::default()
    }
}

fn refused(name: &str, query_kind: &str, port: u32) -> v1::EgressRefusal {
    let is_query = !query_kind.is_empty();
    v1::EgressRefusal {
        name: name.to_owned(),
        query_kind: query_kind.to_owned(),
        address: if is_query { "" } else { "203.0.113.9" }.to_owned(),
        port,
        transport: if is_query { "" } else { "tcp" }.to_owned(),
        reason: "not_allowed".to_owned(),
        times: 1,
        ..v1::EgressRefusal::default()
    }
}

fn record(flows: &[v1::EgressFlow], refusals: &[v1::EgressRefusal]) -> v1::EgressRecord {
    let (flows, refusals) = (flows.to_vec(), refusals.to_vec());
    v1::EgressRecord { flows, refusals, ..v1::EgressRecord::default() }
}

fn reaching(record: v1::EgressRecord) -> Fake {
    reaching_with(record, completed)
}

fn reaching_with(record: v1::EgressRecord, end: fn(&mut v1::Job)) -> Fake {
    // A while after the job's end.
    let egress = Some((Duration::from_millis(300), record));
    Fake::start(Plan { end, egress, ..Plan::default() })
}

fn asked(fake: &Fake) -> (v1::EgressMode, Vec<String>) {
    let egress = fake.spec().egress.unwrap();
    (egress.mode(), egress.rules)
}

#[tokio::test]
async fn what_is_typed_is_what_is_asked_for() {
    let place = Place::new();
    place.write("rules", "# ours\ntwo.test:22/tcp # git\n\n*.one.test\n");
    let check = async |arguments: &[&str], mode, rules: &[&str]| {
        let fake = Fake::running(Vec::new(), completed);
        let (code, stderr) = place.run(&fake, arguments).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        let rules = rules.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(asked(&fake), (mode, rules), "{arguments:?}");
    };
    check(&[], v1::EgressMode::None, &[]).await;
    check(&["--egress", "none"], v1::EgressMode::None, &[]).await;
    check(&["--egress", "internet"], v1::EgressMode::Internet, &[]).await;
    let rules = &["one.test:80", "two.test:22/tcp"];
    let typed = "--egress=allow=two.test:22/tcp,ONE.test:80";
    check(&[typed], v1::EgressMode::Allow, rules).await;
    let rules = &["two.test:22/tcp", "*.one.test:443"];
    check(&["--egress", "@rules"], v1::EgressMode::Allow, rules).await;
    check(&["-d", "-q", "--egress", "internet"], v1::EgressMode::Internet, &[]).await;
    assert_eq!(place.read(LOCK), None);
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_begun() {
    let place = Place::new();
    place.write("bad", "one.test\n1.2.3.4\n");
    place.write("none", "# nothing\n");
    place.write("foreign", "[package]\n");
    place.write("merged", "# kiln-egress.lock version 1\n<<<<<<< HEAD\none.test:443/tls\n");
    place.write("newer", "# kiln-egress.lock version 9\n");
    let fake = Fake::running(Vec::new(), completed);
    let check = async |arguments: &[&str], words: &str| {
        let (code, stderr) = place.run(&fake, arguments).await;
        assert_eq!(code, 125, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    };
    check(&["--egress", "all"], "write none, internet, record, locked").await;
    check(&["--egress", "allow=1.2.3.4"], "name the host").await;
    check(&["--egress", "allow=one.test:0"], "1 to 65535").await;
    check(&["--egress", "allow=*"], "`internet`").await;
    check(&["--egress", "@nowhere"], "@nowhere cannot be read").await;
    check(&["--egress", "@bad"], "rule 2, \"1.2.3.4\"").await;
    check(&["--egress", "@none"], "names nothing").await;
    check(&["--egress", "@/dev/zero"], "is no list of rules").await;
    check(&["--egress", "locked"], "`kiln run --egress record` writes it").await;
    check(&["--egress", "locked", "--egress-lock", "foreign"], "no egress lockfile").await;
    check(&["--egress", "locked", "--egress-lock", "merged"], "line 2, \"<<<<<<< HEAD\"").await;
    check(&["--egress", "locked", "--egress-lock", "newer"], "newer kiln").await;
    // What is no lockfile is not overwritten.
    check(&["--egress", "record", "--egress-lock", "foreign"], "no egress lockfile").await;
    check(&["--egress", "record", "-d"], "leave --detach out").await;
    check(&["--egress", "internet", "--egress-lock", "x"], "--egress record or").await;
    check(&["--egress-lock", "x"], "--egress record or").await;
    assert!(fake.state.created.lock().unwrap().is_empty());
    assert_eq!(place.read("foreign").unwrap(), "[package]\n");
}

#[tokio::test]
async fn a_lockfile_goes_round() {
    let place = Place::new();
    let flows =
        [flow("two.test", 22, "tcp"), flow("one.test", 443, "tls"), flow("ntp.test", 123, "udp")];
    let fake = reaching(record(&flows, &[]));
    let (code, stderr) = place.run(&fake, &["--egress", "record"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(asked(&fake).0, v1::EgressMode::Record);
    let expected = "\
kiln: kiln-egress.lock was written
+ntp.test:123/udp
+one.test:443/tls
+two.test:22/tcp
";
    assert_eq!(stderr, expected);
    let written = place.read(LOCK).unwrap();
    assert!(written.starts_with("# kiln-egress.lock version 1\n"), "{written}");
    assert!(
        written.ends_with("\nntp.test:123/udp\none.test:443/tls\ntwo.test:22/tcp\n"),
        "{written}"
    );

    let fake = reaching(record(&flows, &[]));
    let (code, stderr) = place.run(&fake, &["--egress", "record"]).await;
    assert_eq!((code, stderr.as_str()), (0, "kiln: kiln-egress.lock has not changed\n"));
    assert_eq!(place.read(LOCK).unwrap(), written);

    let fake = reaching(record(&flows, &[]));
    let (code, stderr) = place.run(&fake, &["--egress", "locked"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rules = ["ntp.test:123/udp", "one.test:443", "two.test:22/tcp"].map(str::to_owned);
    assert_eq!(asked(&fake), (v1::EgressMode::Allow, rules.to_vec()));

    let fake = reaching(record(&[flow("one.test", 443, "tls"), flow("new.test", 80, "http")], &[]));
    let (_, stderr) = place.run(&fake, &["--egress", "record"]).await;
    let expected = "\
kiln: kiln-egress.lock was changed
+new.test:80/http
-ntp.test:123/udp
-two.test:22/tcp
";
    assert_eq!(stderr, expected);
    assert!(place.read(LOCK).unwrap().contains("\nnew.test:80/http\none.test:443/tls\n"));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_run_that_differs_from_its_lockfile_says_how() {
    let place = Place::new();
    let lock = "# kiln-egress.lock version 1\none.test:443/tls\nunused.test:443/tls\n";
    place.write("my.lock", lock);
    let refusals = [
        refused("asked.test", "A", 0),
        refused("one.test", "", 22),
        refused("", "", 25),
        // Not for want of a rule.
        v1::EgressRefusal { reason: "query_kind".to_owned(), ..refused("one.test", "TXT", 0) },
    ];
    let fake = reaching_with(record(&[flow("one.test", 443, "tls")], &refusals), exited::<6>);
    let arguments = ["--egress", "locked", "--egress-lock", "my.lock"];
    let (code, stderr) = place.run(&fake, &arguments).await;
    assert_eq!(code, 6, "the command's own");
    let expected = "\
kiln: the job differs from my.lock (+ was refused, - was not used, more was refused that no rule \
can name; `kiln job get 01jd0000000000000000000000` tells more)
+asked.test
+one.test:22/tls
-unused.test:443/tls
";
    assert_eq!(stderr, expected);
    assert_eq!(place.read("my.lock").unwrap(), lock, "nothing but record writes it");
    let fake = reaching(record(&[], &refusals));
    let quiet = ["-q", "--egress", "locked", "--egress-lock", "my.lock"];
    assert_eq!(place.run(&fake, &quiet).await, (0, String::new()));
}

fn material(registry: &str) -> v1::Material {
    v1::Material {
        kind: "blob".to_owned(),
        registry: registry.to_owned(),
        repository: "library/debian".to_owned(),
        digest: "sha256:b".to_owned(),
        origin: "confirmed".to_owned(),
        ..v1::Material::default()
    }
}

fn pulling(flows: &[v1::EgressFlow], registries: &[&str]) -> Fake {
    let materials = registries.iter().map(|registry| material(registry)).collect();
    let registry = v1::RegistryRecord { materials, ..v1::RegistryRecord::default() };
    let egress = Some((Duration::from_millis(300), record(flows, &[])));
    Fake::start(Plan { egress, registry: Some(registry), ..Plan::default() })
}

#[tokio::test]
async fn registries_that_the_host_asked_for_a_job_are_in_its_lockfile() {
    let place = Place::new();
    let registries = ["docker.io", "docker.io", "", "registry.example:5443", "192.0.2.1:5000"];
    let fake = pulling(&[flow("one.test", 443, "tls")], &registries);
    let (code, stderr) = place.run(&fake, &["--egress", "record"]).await;
    let expected = "\
kiln: kiln-egress.lock was written
+docker.io:443/tls
+one.test:443/tls
+registry.example:5443/tls
kiln: kiln-egress.lock cannot allow what was reached without a name: 192.0.2.1:5000 tcp
";
    assert_eq!((code, stderr.as_str()), (0, expected));
    // The registry is asked again, the other two are not.
    let (code, stderr) = place.run(&pulling(&[], &["docker.io"]), &["--egress", "locked"]).await;
    let expected = "\
kiln: the job differs from kiln-egress.lock (- was not used; `kiln job get \
01jd0000000000000000000000` tells more)
-one.test:443/tls
-registry.example:5443/tls
";
    assert_eq!((code, stderr.as_str()), (0, expected));
}

#[tokio::test]
async fn a_lockfile_that_allows_nothing_closes_the_network() {
    let place = Place::new();
    place.write(LOCK, "# kiln-egress.lock version 1\n");
    let fake = reaching(record(&[], &[]));
    assert_eq!(place.run(&fake, &["--egress", "locked"]).await, (0, String::new()));
    assert_eq!(asked(&fake), (v1::EgressMode::None, Vec::new()));
}

#[tokio::test]
async fn only_a_job_that_completed_writes_a_lockfile() {
    let place = Place::new();
    let fake = reaching_with(record(&[flow("one.test", 443, "tls")], &[]), exited::<1>);
    let (code, stderr) = place.run(&fake, &["--egress", "record"]).await;
    assert_eq!(code, 1);
    assert!(stderr.contains("kiln-egress.lock is left as it is"), "{stderr}");
    assert_eq!(place.read(LOCK), None);
}

#[tokio::test]
async fn what_a_lockfile_cannot_hold_is_told() {
    let place = Place::new();
    let told = v1::EgressRecord {
        incomplete: "the gateway was killed".to_owned(),
        ..record(&[flow("", 443, "tls"), flow("one.test", 443, "tls")], &[])
    };
    let (code, stderr) = place.run(&reaching(told), &["--egress", "record"]).await;
    assert_eq!(code, 0);
    let words = "cannot allow what was reached without a name: 203.0.113.1:443 tcp";
    assert!(stderr.contains(words), "{stderr}");
    assert!(stderr.contains("may lack something, as the record does: the gateway"), "{stderr}");
    let many = (0..1001).map(|number| flow(&format!("h{number}.test"), 443, "tls"));
    let before = place.read(LOCK);
    let many = reaching(record(&many.collect::<Vec<_>>(), &[]));
    let (code, stderr) = place.run(&many, &["--egress", "record"]).await;
    assert_eq!((code, place.read(LOCK)), (125, before));
    assert!(stderr.contains("kiln-egress.lock is left as it is"), "{stderr}");
    assert!(stderr.contains("more than 1000 places"), "{stderr}");
}

#[tokio::test]
async fn json_has_the_record() {
    let place = Place::new();
    let fake = reaching(record(&[flow("one.test", 443, "tls")], &[]));
    let mut command = kiln(&fake, &["run", "-q", "--json", "--egress", "record", "cmd"]);
    let (code, stdout, stderr) = finish(command.current_dir(place.path()).spawn().unwrap()).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let job: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(job["spec"]["egress"]["mode"], "record");
    assert_eq!(job["egress"]["flows"][0]["name"], "one.test");
    let (code, stdout, _) = run(&fake, &["job", "get", "01jd"]).await;
    let story = String::from_utf8(stdout).unwrap();
    assert_eq!(code, 0);
    let line =
        "Reached      one.test (203.0.113.1:443) tls: 1 connection, 0 B sent, 0 B received\n";
    assert!(story.contains(line), "{story}");
}

#[tokio::test]
async fn an_older_kilnd_gives_no_network_and_that_is_told() {
    let check = async |policy: &str, is_told: bool| {
        let fake = Fake::start(Plan { is_old: true, ..Plan::default() });
        let (code, _, stderr) = run(&fake, &["run", "--egress", policy, "cmd"]).await;
        assert_eq!((code, stderr.contains("the command has no network")), (0, is_told), "{stderr}");
    };
    check("allow=one.test", true).await;
    check("none", false).await;
}

#[tokio::test]
async fn shells_complete_the_words() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = bare();
        let (code, stdout, _) = finish(command.args(["completions", shell]).spawn().unwrap()).await;
        let script = String::from_utf8(stdout).unwrap();
        assert_eq!(code, 0);
        for word in ["internet", "record", "locked"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
