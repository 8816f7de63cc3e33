//! Root filesystems, and machines that boot them.

use std::collections::BTreeMap;

use kiln_proto::agent::v1::{self, disk_response, exec_request};

use super::{
    AgentBoot, Arc, Bench, Bytes, Duration, FailureClass, Fault, Job, JobHandle, Ordering, Outcome,
    Script, Shared, Step, Turn, bench, bench_with, class, finish, job, nothing_left,
    restart::{adopted, restarted},
};
use crate::{
    digest::Hasher,
    job::{
        Boot, BootCheck, BootRecord, BootSource, ExitStatus, Owner, Probe, Rootfs, SourceId, UpBy,
        Work,
        rootfs::{RootfsImage, Skipped},
    },
    network::fake::{Fails, FakeKernel, networks},
    rootfs::samples,
    vmm::VmExit,
};

const DISK: u64 = 1 << 20;
const MADE: &[u8] = b"an ext4, as far as anybody here knows";

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

fn owner() -> Owner {
    Owner { tenant: "local".to_owned(), project: "default".to_owned() }
}

/// What the converter of a guest says of what it made.
fn said(change: impl FnOnce(&mut serde_json::Value)) -> Bytes {
    let none = format!("sha256:{}", "a".repeat(64));
    let mut said = serde_json::json!({
        "version": 1, "digest": digest(MADE), "size": MADE.len(),
        "source": {"config": none, "platform": "linux/amd64"},
        "kernel": {"arguments": ["init=/.kiln/init"]}
    });
    change(&mut said);
    Bytes::from(said.to_string())
}

/// A guest that makes a root filesystem, and those that boot it then.
fn makes(said: Bytes, boots: &[AgentBoot]) -> Script {
    let script = Script::exits(0);
    let length_bytes = said.len() as u64;
    *script.boots.lock().unwrap() = boots.to_vec();
    *script.disks.lock().unwrap() =
        vec![("kiln-out-0", Bytes::from_static(MADE)), ("kiln-out-1", said)];
    Script { pack: disk_response::Event::Done(v1::DiskDone { length_bytes }), ..script }
}

async fn upload(bench: &Bench) -> SourceId {
    let mut upload = bench.host.sources.begin(owner(), None).await.unwrap();
    upload.write(Bytes::from_static(b"an image")).await.unwrap();
    upload.finish().await.unwrap().id
}

fn booted(timeout: Duration) -> BootCheck {
    BootCheck { probe: Some(Probe::Port(80)), timeout }
}

const LONG: Duration = Duration::from_secs(600);

/// Of an upload.
async fn rootfs(bench: &Bench, change: impl FnOnce(&mut Rootfs)) -> Arc<JobHandle> {
    let source = RootfsImage::Upload(upload(bench).await);
    let mut rootfs = Rootfs { source, ..samples::rootfs() };
    change(&mut rootfs);
    job(bench, |spec| {
        spec.outputs = Rootfs::outputs(DISK);
        spec.work = Work::Rootfs(Box::new(rootfs));
    })
    .await
}

fn failure(outcome: &Outcome) -> BTreeMap<String, String> {
    let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?} is no failure") };
    let details = failure.details.iter();
    let mut told: BTreeMap<_, _> =
        details.map(|(name, value)| (name.to_string(), value.clone())).collect();
    told.insert("message".to_owned(), failure.message.clone());
    told
}

fn steps(job: &JobHandle) -> Vec<Step> {
    job.snapshot().phases.iter().map(|phase| phase.step).collect()
}

#[tokio::test]
async fn what_is_made_is_booted_and_told_of() {
    let script = makes(said(|_| {}), &[AgentBoot::Up]);
    let bench = bench(Fault::None, script.clone());
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    let made = bench.rack.made.lock().unwrap().clone();
    let disks = |disks: &[&str]| disks.iter().map(|&disk| disk.to_owned()).collect::<Vec<_>>();
    let converter =
        ["kiln-root", "kiln-scratch", "kiln-image", "kiln-tools", "kiln-out-0", "kiln-out-1"];
    let expected = [
        (String::new(), disks(&converter)),
        (
            "kiln.boot systemd.getty_auto=0".to_owned(),
            disks(&["kiln-root", "kiln-scratch", "kiln-boot"]),
        ),
    ];
    assert_eq!(made, expected);
    assert_eq!(*script.unpacked.lock().unwrap(), ["kiln-tools to /run/kiln-tools"]);
    let heard = script.heard.lock().unwrap().clone();
    let [exec_request::Event::Start(start), exec_request::Event::Boot(boot), ..] = &heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_eq!(start.argv[0], "/run/kiln-tools/kiln-rootfs");
    assert_eq!((boot.init.as_str(), boot.output_offset), ("/.kiln/init", 0));
    assert_eq!(boot.probe.as_ref().unwrap().kind, Some(v1::boot_probe::Kind::Port(80)));
    let record = job.snapshot();
    let up = record.boot.as_ref().unwrap().up.unwrap();
    assert_eq!((up.by, up.degraded), (UpBy::Init, false));
    let told = record.rootfs.as_ref().unwrap().made.clone().unwrap();
    assert_eq!((told.digest, told.size_bytes), (digest(MADE), MADE.len() as u64));
    assert_eq!(told.converted.platform, "linux/amd64");
    let names: Vec<_> = record.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["rootfs", "metadata"]);
    let directory = bench.host.outputs.directory(job.id());
    assert_eq!(std::fs::read(directory.join("rootfs")).unwrap(), MADE);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2, "nothing else is kept");
    let json = std::fs::read(directory.join("metadata")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["converter"]["digest"], digest(MADE));
    assert_eq!(json["boot_check"]["state"], "up");
    assert_eq!(steps(&job).iter().filter(|step| **step == Step::Check).count(), 1);
    let log = super::restart::stored(&job).await;
    assert_eq!(log, b"hello from init\n", "its console is in the log");
}

#[tokio::test]
async fn neither_the_converter_nor_the_check_has_a_network() {
    let kernel = Arc::new(FakeKernel::default());
    let networks = networks(&kernel).await;
    let shared = Shared { networks: Some(networks), registry: None };
    let bench = bench_with(Fault::None, makes(said(|_| {}), &[AgentBoot::Up]), shared);
    // Who asks it for one is told so.
    kernel.fails.lock().unwrap().push(Fails::Make);
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert_eq!(bench.rack.made.lock().unwrap().len(), 2);
    assert_eq!(job.snapshot().egress, None);
    let job = boot(&bench).await;
    let outcome = finish(&bench, job).await;
    assert_eq!(failure(&outcome)["step"], "network", "what it boots has one");
}

#[tokio::test]
async fn what_is_not_to_be_booted_is_not_and_says_so() {
    let bench = bench(Fault::None, makes(said(|_| {}), &[]));
    let job = rootfs(&bench, |_| {}).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert_eq!(bench.rack.made.lock().unwrap().len(), 1);
    let record = job.snapshot().boot.unwrap();
    assert_eq!((record.skipped, record.up), (Some(Skipped::Off), None));
}

async fn refused(boot: AgentBoot, timeout: Duration, why: &str, words: &str) {
    let bench = bench(Fault::None, makes(said(|_| {}), &[boot]));
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(timeout))).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(class(&outcome), FailureClass::User, "{outcome:?}");
    let told = failure(&outcome);
    assert_eq!((told["reason"].as_str(), told["why"].as_str()), ("boot_check", why));
    assert!(told["message"].contains(words), "{told:?}");
    let record = job.snapshot();
    assert!(record.outputs.is_empty());
    assert!(!bench.host.outputs.directory(job.id()).exists(), "nothing of it is kept");
    let boot_record = record.boot.unwrap();
    assert_eq!(boot_record.up, None);
    if boot != AgentBoot::Refuses {
        assert_eq!(boot_record.console_tail, "hello from init");
    }
}

#[tokio::test]
async fn what_does_not_come_up_is_not_given_out() {
    refused(AgentBoot::Hangs, Duration::from_millis(300), "timeout", "300ms").await;
    refused(AgentBoot::Exits(3), LONG, "exited", "code 3").await;
    refused(AgentBoot::Refuses, LONG, "refused", "no /sbin/init").await;
}

#[tokio::test]
async fn a_disk_that_no_machine_boots_from_is_at_fault_itself() {
    let check = |outcome: &Outcome, step: &str| {
        assert_eq!(class(outcome), FailureClass::Source, "{outcome:?}");
        let told = failure(outcome);
        assert_eq!((told["reason"].as_str(), told["step"].as_str()), ("not_bootable", step));
        assert_eq!(told["message"], "the disk has no ext4");
    };
    let bench = bench(Fault::None, makes(said(|_| {}), &[AgentBoot::RefusesDisk; 2]));
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    check(&finish(&bench, job).await, "check");
    let job = boot(&bench).await;
    check(&finish(&bench, job).await, "work");
}

#[tokio::test]
async fn a_machine_that_says_what_can_not_be_is_policy() {
    let bench = bench(Fault::None, makes(said(|_| {}), &[AgentBoot::UpBy("luck")]));
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    assert_eq!(class(&finish(&bench, job).await), FailureClass::Policy);
}

async fn lies(said: Bytes, reason: &str) {
    let bench = bench(Fault::None, makes(said, &[]));
    let job = rootfs(&bench, |_| {}).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(class(&outcome), FailureClass::Policy, "{outcome:?}");
    assert_eq!(failure(&outcome)["reason"], reason);
    assert!(!bench.host.outputs.directory(job.id()).exists(), "nothing of it is kept");
}

#[tokio::test]
async fn a_guest_that_lies_of_what_it_made_is_found_out() {
    lies(said(|said| said["digest"] = digest(b"other").into()), "digest").await;
    lies(said(|said| said["size"] = (MADE.len() + 1).into()), "digest").await;
    lies(said(|said| said["size"] = (DISK + 1).into()), "metadata").await;
    lies(said(|said| said["kernel"] = 1.into()), "metadata").await;
    lies(Bytes::from_static(b"\xff"), "metadata").await;
}

#[tokio::test]
async fn what_the_converter_says_last_is_why_it_made_nothing() {
    // The scripted agent writes to stdout alone, so nothing is said.
    for (code, class_of, reason) in
        [(1, FailureClass::User, "not_converted"), (2, FailureClass::Infrastructure, "converter")]
    {
        let bench = bench(Fault::None, Script::exits(code));
        let job = rootfs(&bench, |_| {}).await;
        let outcome = finish(&bench, job).await;
        assert_eq!(class(&outcome), class_of);
        assert_eq!(failure(&outcome)["reason"], reason);
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_before_there_is_a_machine() {
    let bench = bench(Fault::None, Script::exits(0));
    let source = RootfsImage::Reference("local/app:1".to_owned());
    let job = rootfs(&bench, |rootfs| rootfs.source = source).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(failure(&outcome)["reason"], "no_registry");
    let build = RootfsImage::Build { build: job.id().clone(), export: String::new() };
    let job = rootfs(&bench, |rootfs| rootfs.source = build).await;
    let outcome = finish(&bench, job).await;
    assert_eq!(class(&outcome), FailureClass::Source, "{outcome:?}");
    assert!(bench.rack.made.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_check_whose_machine_stands_still_is_not_the_images_fault() {
    let bench = bench(Fault::Stalls, makes(said(|_| {}), &[AgentBoot::Hangs]));
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(class(&outcome), FailureClass::Infrastructure, "{outcome:?}");
    let told = failure(&outcome);
    assert_eq!((told["reason"].as_str(), told["step"].as_str()), ("stalled", "check"));
}

fn is_checking(job: &Job) -> bool {
    job.phases.last().is_some_and(|phase| phase.step == Step::Check)
}

#[tokio::test]
async fn a_check_that_was_cut_off_is_done_again_and_nothing_is_converted_twice() {
    let script = makes(said(|_| {}), &[AgentBoot::Hangs, AgentBoot::Up]);
    let bench = bench(Fault::None, script.clone());
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    let hangs = Arc::clone(&script.boots);
    let far = move |job: &Job| is_checking(job) && hangs.lock().unwrap().len() == 1;
    let (bench, job) = restarted(bench, job, &script, far).await;
    // The fake has no processes that could be found and ended.
    bench.rack.end_all(&VmExit::Stopped);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert_eq!(script.begun.load(Ordering::SeqCst), 1, "converted once");
    assert_eq!(bench.rack.made.lock().unwrap().len(), 3);
    assert_eq!(job.snapshot().outputs.len(), 2);
    assert!(job.snapshot().boot.unwrap().up.is_some());
}

#[tokio::test]
async fn a_check_is_cancelled_with_its_job() {
    let bench = bench(Fault::None, makes(said(|_| {}), &[AgentBoot::Hangs]));
    let job = rootfs(&bench, |rootfs| rootfs.check = Some(booted(LONG))).await;
    let canceller = tokio::spawn({
        let job = Arc::clone(&job);
        async move {
            job.watch().wait_for(is_checking).await.unwrap();
            job.cancel(crate::store::CancelReason::Asked);
        }
    });
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Cancelled);
    canceller.await.unwrap();
    assert!(!bench.host.outputs.directory(job.id()).exists());
}

/// Boots an upload.
async fn boot(bench: &Bench) -> Arc<JobHandle> {
    boots_upload(bench, |_| {}).await
}

async fn boots_upload(bench: &Bench, change: impl FnOnce(&mut Boot)) -> Arc<JobHandle> {
    let source = BootSource::Upload(upload(bench).await);
    let arguments = vec!["quiet".to_owned()];
    let mut boot = Boot { source, init: "/init".to_owned(), arguments, probe: None };
    change(&mut boot);
    job(bench, |spec| spec.work = Work::Boot(Box::new(boot))).await
}

fn boots(boot: AgentBoot) -> Script {
    makes(Bytes::new(), &[boot])
}

#[tokio::test]
async fn a_machine_ends_with_the_status_of_its_command() {
    let script = boots(AgentBoot::Ends(0));
    let bench = bench(Fault::None, script.clone());
    let job = boot(&bench).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    let record = job.snapshot();
    assert_eq!(record.exit(), Some(ExitStatus::SUCCESS));
    assert_eq!(record.boot.unwrap().up.unwrap().by, UpBy::Init);
    let (words, disks) = bench.rack.made.lock().unwrap()[0].clone();
    assert_eq!(words, "kiln.boot systemd.getty_auto=0");
    assert_eq!(disks, ["kiln-root", "kiln-scratch", "kiln-boot"]);
    let heard = script.heard.lock().unwrap().clone();
    let [exec_request::Event::Boot(start), ..] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((start.disk.as_str(), start.init.as_str()), ("kiln-boot", "/init"));
    assert_eq!(start.arguments, ["quiet"]);
}

#[tokio::test]
async fn a_command_that_failed_fails_its_job() {
    let bench = bench(Fault::None, boots(AgentBoot::Ends(3)));
    let job = boot(&bench).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(class(&outcome), FailureClass::User);
    assert_eq!(job.snapshot().exit(), Some(ExitStatus::code(3)));
    assert_eq!(job.snapshot().boot.unwrap().exit, Some(ExitStatus::code(3)));
}

async fn ended(up: AgentBoot, change: impl FnOnce(&mut Boot), exit: VmExit) -> (Outcome, Job) {
    let bench = bench(Fault::None, boots(up));
    let job = boots_upload(&bench, change).await;
    let rack = Arc::clone(&bench.rack);
    let up = Arc::clone(&job);
    let ends = tokio::spawn(async move {
        let is_up = |job: &Job| job.boot.as_ref().is_some_and(|boot| boot.up.is_some());
        up.watch().wait_for(is_up).await.unwrap();
        rack.end_all(&exit);
    });
    let outcome = finish(&bench, Arc::clone(&job)).await;
    ends.await.unwrap();
    (outcome, job.snapshot())
}

#[tokio::test]
async fn a_machine_that_ends_by_itself_has_ended_well_only_when_it_powers_off() {
    for up in [AgentBoot::UpBy("systemd"), AgentBoot::UpBy("started"), AgentBoot::UpBy("port")] {
        let (outcome, record) = ended(up, |_| {}, VmExit::PoweredOff).await;
        assert_eq!((outcome, record.exit()), (Outcome::Completed, None), "{up:?}");
    }
    let (outcome, _) = ended(AgentBoot::Up, |_| {}, VmExit::Reset).await;
    assert_eq!(class(&outcome), FailureClass::User);
    assert_eq!(failure(&outcome)["reason"], "reset");
    let (outcome, _) = ended(AgentBoot::Up, |_| {}, VmExit::SupervisorLost).await;
    assert_eq!(class(&outcome), FailureClass::Infrastructure);
}

fn is_lost(outcome: &Outcome) {
    assert_eq!(class(outcome), FailureClass::Infrastructure);
    assert_eq!(failure(outcome)["reason"], "status_lost");
}

#[tokio::test]
async fn an_init_of_ours_that_powers_off_without_a_word_has_lost_its_status() {
    let (outcome, record) = ended(AgentBoot::Up, |_| {}, VmExit::PoweredOff).await;
    is_lost(&outcome);
    assert_eq!(record.exit(), None);
    // A probe hides what it is, and that it was asked for does not.
    let own = |boot: &mut Boot| {
        boot.init = "/.kiln/init".to_owned();
        boot.probe = Some(Probe::Port(80));
    };
    is_lost(&ended(AgentBoot::UpBy("port"), own, VmExit::PoweredOff).await.0);
}

/// Up, and powered off while there is no kilnd.
async fn unseen(up: AgentBoot) -> (Outcome, Job) {
    let script = boots(up);
    let bench = bench(Fault::None, script.clone());
    let job = boot(&bench).await;
    let is_up = |job: &Job| job.boot.as_ref().is_some_and(|boot| boot.up.is_some());
    let (bench, job) = restarted(bench, job, &script, is_up).await;
    bench.rack.end_all(&VmExit::PoweredOff);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    (nothing_left(&bench, &job).await, job.snapshot())
}

#[tokio::test]
async fn a_machine_that_powered_off_while_nobody_looked_has_completed_if_it_has_no_word_for_it() {
    let (outcome, job) = unseen(AgentBoot::UpBy("systemd")).await;
    assert_eq!((outcome, job.exit()), (Outcome::Completed, None));
    is_lost(&unseen(AgentBoot::Up).await.0);
}

#[tokio::test]
async fn a_status_that_was_told_before_nobody_looked_counts() {
    for (code, is_well) in [(0, true), (3, false)] {
        let script = boots(AgentBoot::Up);
        let bench = bench(Fault::None, script.clone());
        let job = boot(&bench).await;
        let told = Arc::clone(&job);
        let (bench, job) = restarted(bench, job, &script, move |job| {
            let Some(boot) = job.boot.as_ref().filter(|boot| boot.up.is_some()) else {
                return false;
            };
            let exit = Some(ExitStatus::code(code));
            told.record_boot(Arc::new(BootRecord { exit, ..BootRecord::clone(boot) })).detach();
            true
        })
        .await;
        bench.rack.end_all(&VmExit::PoweredOff);
        assert_eq!(adopted(&bench, &job).await, Turn::Over);
        let outcome = nothing_left(&bench, &job).await;
        assert_eq!(outcome == Outcome::Completed, is_well, "{outcome:?}");
        if !is_well {
            assert_eq!(class(&outcome), FailureClass::User);
            assert_eq!(job.snapshot().exit(), Some(ExitStatus::code(code)));
        }
    }
}

#[tokio::test]
async fn a_machine_that_comes_up_twice_breaks_the_protocol() {
    let bench = bench(Fault::None, boots(AgentBoot::UpTwice));
    let job = boot(&bench).await;
    assert_eq!(class(&finish(&bench, job).await), FailureClass::Policy);
}

#[tokio::test]
async fn what_another_job_made_is_booted_by_what_it_says() {
    let script = makes(said(|_| {}), &[AgentBoot::Ends(0)]);
    let bench = bench(Fault::None, script.clone());
    let made = rootfs(&bench, |_| {}).await;
    assert_eq!(finish(&bench, Arc::clone(&made)).await, Outcome::Completed);
    let of = |artifact: &str| BootSource::Artifact {
        job: made.id().clone(),
        artifact: artifact.to_owned(),
    };
    let boot = |source| Boot { source, init: String::new(), arguments: Vec::new(), probe: None };
    let boots = boot(of("rootfs.ext4"));
    let booted = job(&bench, |spec| spec.work = Work::Boot(Box::new(boots))).await;
    assert_eq!(finish(&bench, booted).await, Outcome::Completed);
    let heard = script.heard.lock().unwrap().clone();
    let Some(exec_request::Event::Boot(start)) =
        heard.iter().find(|event| matches!(event, exec_request::Event::Boot(_)))
    else {
        panic!("{heard:?}")
    };
    assert_eq!(start.init, "/.kiln/init");
    made.expire_outputs().await.unwrap();
    let late = boot(of("rootfs.ext4"));
    let late = job(&bench, |spec| spec.work = Work::Boot(Box::new(late))).await;
    let outcome = finish(&bench, late).await;
    assert_eq!(class(&outcome), FailureClass::Source);
    assert!(failure(&outcome)["message"].contains("expired"), "{outcome:?}");
}

#[tokio::test]
async fn the_init_of_what_another_job_made_is_looked_up_once() {
    let script = makes(said(|_| {}), &[AgentBoot::UpBy("port"), AgentBoot::Ends(0)]);
    let bench = bench(Fault::None, script.clone());
    let made = rootfs(&bench, |_| {}).await;
    assert_eq!(finish(&bench, Arc::clone(&made)).await, Outcome::Completed);
    let source =
        BootSource::Artifact { job: made.id().clone(), artifact: "rootfs.ext4".to_owned() };
    let boots = Boot { source, init: String::new(), arguments: Vec::new(), probe: None };
    let job = job(&bench, |spec| spec.work = Work::Boot(Box::new(boots))).await;
    let is_up = |job: &Job| job.boot.as_ref().is_some_and(|boot| boot.up.is_some());
    let origin = made.id().clone();
    drop(made);
    let (bench, job) = restarted(bench, job, &script, is_up).await;
    bench.store.forget(&origin).await.unwrap();
    let host = Arc::clone(&bench.host);
    let reads = async {
        let mut steps = job.watch();
        steps.wait_for(|_| host.outputs.is_read(&origin)).await.map(drop).unwrap();
    };
    let (turn, ()) = tokio::join!(adopted(&bench, &job), reads);
    assert_eq!(turn, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    let heard = script.heard.lock().unwrap().clone();
    let boots = heard.iter().filter_map(|event| match event {
        exec_request::Event::Boot(start) => Some(start.init.as_str()),
        _ => None,
    });
    assert_eq!(boots.collect::<Vec<_>>(), ["/.kiln/init", "/.kiln/init"]);
    assert!(!bench.host.outputs.is_read(&origin));
}
