//! Each field of a root filesystem's request, and of a machine's that boots one.

use kiln_proto::v1;

use super::super::job_spec;
use crate::{
    api::{field::InvalidField, outgoing},
    job::{
        BootSource, JobId, JobSpec, Probe, Rootfs, SourceId, Work,
        rootfs::{Excess, Packing, RootfsFormat, RootfsInit, Skipped},
    },
};

const MOST: u64 = 100 << 30;
const GIB: u64 = 1 << 30;

fn wire() -> v1::RootfsSpec {
    let source = v1::rootfs_spec::Source::SourceId(SourceId::generate().to_string());
    v1::RootfsSpec { source: Some(source), ..v1::RootfsSpec::default() }
}

fn job_of(rootfs: v1::RootfsSpec) -> v1::JobSpec {
    let work = v1::job_spec::Work::Rootfs(rootfs);
    v1::JobSpec { work: Some(work), ..v1::JobSpec::default() }
}

fn off() -> v1::BootCheck {
    v1::BootCheck { off: true, ..v1::BootCheck::default() }
}

fn read(change: impl FnOnce(&mut v1::RootfsSpec)) -> Result<JobSpec, InvalidField> {
    let mut rootfs = wire();
    change(&mut rootfs);
    job_spec(Some(job_of(rootfs)), MOST)
}

fn accepted(change: impl FnOnce(&mut v1::RootfsSpec)) -> Rootfs {
    let spec = read(change).unwrap();
    let told = outgoing::spec::job_spec(&spec);
    assert_eq!(job_spec(Some(told), MOST).as_ref(), Ok(&spec), "what is told reads back the same");
    match spec.work {
        Work::Rootfs(rootfs) => *rootfs,
        other => panic!("{other:?}"),
    }
}

fn refused(change: impl FnOnce(&mut v1::RootfsSpec), field: &str) {
    match read(change) {
        Err(InvalidField { field: named, .. }) => assert_eq!(named, format!("spec.rootfs.{field}")),
        Ok(spec) => panic!("{field}: {spec:?}"),
    }
}

#[test]
fn what_is_left_out_is_filled_in() {
    let spec = read(|_| {}).unwrap();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (1, GIB, 10 * GIB));
    let outputs: Vec<_> =
        spec.outputs.iter().map(|output| (output.name.as_str(), output.max_bytes)).collect();
    assert_eq!(outputs, [("rootfs", 10 * GIB), ("metadata", 16 << 20)]);
    let rootfs = accepted(|_| {});
    assert!(rootfs.platform.starts_with("linux/"));
    assert_eq!((rootfs.packing, rootfs.init), (Packing::None, RootfsInit::Direct));
    assert_eq!(rootfs.check.unwrap().timeout.as_secs(), 120);
    assert!(rootfs.harden.is_some() && rootfs.optimize.is_empty());
    // No more than the host keeps.
    let spec = job_spec(Some(job_of(wire())), GIB).unwrap();
    assert_eq!(spec.outputs[0].max_bytes, GIB - (16 << 20));
}

#[test]
fn what_is_chosen_is_kept() {
    let rootfs = accepted(|rootfs| {
        rootfs.optimize = vec!["apt".to_owned(), "logs".to_owned()];
        rootfs.init = "/sbin/init".to_owned();
        rootfs.free = "20%".to_owned();
        rootfs.label = "sixteen-bytes-16".to_owned();
    });
    assert_eq!(rootfs.optimize, [Excess::Apt, Excess::Logs]);
    assert_eq!(rootfs.keep_locales, ["en"]);
    assert_eq!(rootfs.init, RootfsInit::Custom("/sbin/init".to_owned()));
    let RootfsFormat::Ext4(ext4) = rootfs.format else { panic!() };
    assert_eq!((ext4.free.as_deref(), ext4.label.as_str()), (Some("20%"), "sixteen-bytes-16"));
    let rootfs = accepted(|rootfs| {
        (rootfs.format, rootfs.compression) = ("tar".to_owned(), "zstd".to_owned());
        rootfs.boot_check = Some(off());
    });
    assert_eq!(rootfs.artifact(), "rootfs.tar.zst");
    assert_eq!(rootfs.unbootable(), Some(Skipped::Format));
    let rootfs = accepted(|rootfs| {
        let build_id = JobId::generate().to_string();
        let build = v1::BuiltImageSource { build_id, export: String::new() };
        rootfs.source = Some(v1::rootfs_spec::Source::Build(build));
        rootfs.commands = vec!["apk add curl".to_owned()];
        rootfs.harden = Some(v1::HardenSpec { off: true, ..v1::HardenSpec::default() });
    });
    assert!(rootfs.harden.is_none() && rootfs.commands.len() == 1);
    let name = |name: &str| Some(v1::rootfs_spec::Source::Reference(name.to_owned()));
    let rootfs = accepted(|rootfs| rootfs.source = name("alpine"));
    assert_eq!(
        rootfs.source,
        crate::job::rootfs::RootfsImage::Reference("docker.io/library/alpine:latest".to_owned())
    );
}

#[test]
fn each_wrong_field_is_named() {
    use v1::rootfs_spec::Source;
    let build = |build_id: &str, export: &str| {
        let (build_id, export) = (build_id.to_owned(), export.to_owned());
        Some(Source::Build(v1::BuiltImageSource { build_id, export }))
    };
    let known = JobId::generate().to_string();
    refused(|rootfs| rootfs.source = None, "source");
    refused(|rootfs| rootfs.source = Some(Source::Reference("A B".to_owned())), "reference");
    refused(|rootfs| rootfs.source = Some(Source::SourceId("x".to_owned())), "source_id");
    refused(|rootfs| rootfs.source = build("x", ""), "build.build_id");
    refused(|rootfs| rootfs.source = build(&known, "A/B"), "build.export");
    refused(|rootfs| rootfs.platform = "plan9/amd64".to_owned(), "platform");
    refused(|rootfs| rootfs.format = "xfs".to_owned(), "format");
    refused(|rootfs| rootfs.compression = "xz".to_owned(), "compression");
    refused(|rootfs| rootfs.init = "sbin/init".to_owned(), "init");
    refused(|rootfs| rootfs.init = "/a\0".to_owned(), "init");
    refused(|rootfs| rootfs.init = "/../x".to_owned(), "init");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    refused(|rootfs| rootfs.optimize = words(&["apt", "yum"]), "optimize[1]");
    refused(|rootfs| rootfs.optimize = words(&[""]), "optimize[0]");
    refused(|rootfs| rootfs.optimize = words(&["apt", "apt"]), "optimize[1]");
    refused(|rootfs| rootfs.optimize = words(&["all", "apt"]), "optimize");
    refused(|rootfs| rootfs.optimize = words(&["apt"; 12]), "optimize");
    refused(|rootfs| rootfs.keep_locales = words(&["de"]), "keep_locales");
    let locales = |rootfs: &mut v1::RootfsSpec, locale: &str| {
        (rootfs.optimize, rootfs.keep_locales) = (words(&["all"]), words(&["de", locale]));
    };
    for wrong in ["", "a,b", "-x", "a b", "ä"] {
        refused(|rootfs| locales(rootfs, wrong), "keep_locales[1]");
    }
    refused(|rootfs| rootfs.free = "96%".to_owned(), "free");
    refused(|rootfs| rootfs.free = "1.5G".to_owned(), "free");
    refused(|rootfs| (rootfs.free, rootfs.size_bytes) = ("1G".to_owned(), GIB), "free");
    refused(|rootfs| rootfs.size_bytes = 11 * GIB, "size_bytes");
    refused(|rootfs| rootfs.size_limit_bytes = 11 * GIB, "size_limit_bytes");
    refused(|rootfs| (rootfs.size_bytes, rootfs.size_limit_bytes) = (2, 1), "size_bytes");
    refused(|rootfs| rootfs.label = "seventeen-bytes-x".to_owned(), "label");
    refused(|rootfs| rootfs.label = "a\n".to_owned(), "label");
    for (name, change) in [
        ("size_bytes", (|rootfs| rootfs.size_bytes = 1) as fn(&mut v1::RootfsSpec)),
        ("size_limit_bytes", |rootfs| rootfs.size_limit_bytes = 1),
        ("free", |rootfs| rootfs.free = "1%".to_owned()),
        ("label", |rootfs| rootfs.label = "a".to_owned()),
    ] {
        let of_a_tar = |rootfs: &mut v1::RootfsSpec| {
            (rootfs.format, rootfs.boot_check) = ("tar".to_owned(), Some(off()));
            change(rootfs);
        };
        refused(of_a_tar, name);
    }
    refused(|rootfs| rootfs.commands = words(&["true"]), "commands");
    let commands = |rootfs: &mut v1::RootfsSpec, command: &str| {
        (rootfs.source, rootfs.commands) = (build(&known, ""), words(&[command]));
    };
    refused(|rootfs| commands(rootfs, "a\0"), "commands[0]");
    refused(|rootfs| commands(rootfs, &"x".repeat(65 << 10)), "commands");
}

#[test]
fn each_wrong_policy_is_named() {
    let check = |change: fn(&mut v1::HardenSpec), field: &str| {
        let mut harden = v1::HardenSpec::default();
        change(&mut harden);
        refused(|rootfs| rootfs.harden = Some(harden), &format!("harden.{field}"));
    };
    check(|harden| harden.setuid = "keep".to_owned(), "setuid");
    check(|harden| harden.capabilities = "STRIP".to_owned(), "capabilities");
    check(|harden| harden.world_writable = "no".to_owned(), "world_writable");
    check(|harden| harden.devices = "strip".to_owned(), "devices");
    check(|harden| harden.keep_secrets = vec!["a".to_owned()], "keep_secrets[0]");
    check(|harden| harden.keep_secrets = vec!["/a".to_owned(); 257], "keep_secrets");
    check(|harden| (harden.off, harden.devices) = (true, "keep".to_owned()), "devices");
    check(
        |harden| (harden.off, harden.keep_secrets) = (true, vec!["/a".to_owned()]),
        "keep_secrets",
    );
}

#[test]
fn what_can_not_be_booted_is_not_checked_silently() {
    let at = "boot_check";
    refused(|rootfs| rootfs.format = "tar".to_owned(), at);
    refused(|rootfs| rootfs.compression = "gzip".to_owned(), at);
    refused(|rootfs| rootfs.init = "none".to_owned(), at);
    refused(|rootfs| rootfs.platform = "linux/s390x".to_owned(), at);
    for (compression, why) in [("gzip", Skipped::Compression), ("zstd", Skipped::Compression)] {
        let rootfs = accepted(|rootfs| {
            (rootfs.compression, rootfs.boot_check) = (compression.to_owned(), Some(off()));
        });
        assert_eq!(rootfs.unbootable(), Some(why));
    }
    let check = |change: fn(&mut v1::BootCheck), field: &str| {
        let mut asked = v1::BootCheck::default();
        change(&mut asked);
        refused(|rootfs| rootfs.boot_check = Some(asked), &format!("boot_check.{field}"));
    };
    check(|check| check.timeout = Some(prost_types::Duration { seconds: 0, nanos: 1 }), "timeout");
    check(|check| check.timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 }), "timeout");
    check(
        |check| check.timeout = Some(prost_types::Duration { seconds: 90_000, nanos: 0 }),
        "timeout",
    );
    check(
        |check| {
            check.off = true;
            check.timeout = Some(prost_types::Duration { seconds: 9, nanos: 0 });
        },
        "timeout",
    );
    check(|check| (check.off, check.probe) = (true, Some(v1::BootProbe::default())), "probe");
    check(|check| check.probe = Some(v1::BootProbe::default()), "probe");
}

fn boot(change: impl FnOnce(&mut v1::BootSpec)) -> Result<JobSpec, InvalidField> {
    let source = v1::boot_spec::Source::SourceId(SourceId::generate().to_string());
    let mut boot = v1::BootSpec { source: Some(source), ..v1::BootSpec::default() };
    change(&mut boot);
    let work = Some(v1::job_spec::Work::Boot(boot));
    let spec = job_spec(Some(v1::JobSpec { work, ..v1::JobSpec::default() }), MOST)?;
    let told = outgoing::spec::job_spec(&spec);
    assert_eq!(job_spec(Some(told), MOST).as_ref(), Ok(&spec), "what is told reads back the same");
    Ok(spec)
}

fn port(port: u32) -> v1::BootProbe {
    v1::BootProbe { kind: Some(v1::boot_probe::Kind::Port(port)) }
}

fn probed(argv: &[&str]) -> v1::BootProbe {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    let kind = v1::boot_probe::Kind::Command(v1::BootCommand { argv });
    v1::BootProbe { kind: Some(kind) }
}

#[test]
fn a_machine_boots_an_upload_or_what_a_job_has_left() {
    let spec = boot(|boot| boot.probe = Some(port(65_535))).unwrap();
    assert_eq!((spec.memory_bytes, spec.disk_bytes), (512 << 20, 10 * GIB));
    let Work::Boot(of) = &spec.work else { panic!() };
    assert_eq!(of.probe, Some(Probe::Port(65_535)));
    assert_eq!(spec.sources().count(), 1);
    let id = JobId::generate();
    let left = v1::RootfsSource { job_id: id.to_string(), artifact: String::new() };
    let spec = boot(|boot| {
        boot.source = Some(v1::boot_spec::Source::Rootfs(left));
        boot.probe = Some(probed(&["true"]));
    });
    let spec = spec.unwrap();
    let Work::Boot(of) = &spec.work else { panic!() };
    let artifact = "rootfs.ext4".to_owned();
    assert_eq!(of.source, BootSource::Artifact { job: id, artifact });
    assert_eq!(spec.sources().count(), 0);
}

#[test]
fn each_wrong_field_of_a_machine_is_named() {
    use v1::boot_spec::Source;
    let check = |change: &dyn Fn(&mut v1::BootSpec), field: &str| match boot(change) {
        Err(InvalidField { field: named, .. }) => assert_eq!(named, format!("spec.boot.{field}")),
        Ok(spec) => panic!("{field}: {spec:?}"),
    };
    let rootfs = |job_id: &str, artifact: String| {
        Some(Source::Rootfs(v1::RootfsSource { job_id: job_id.to_owned(), artifact }))
    };
    let known = JobId::generate().to_string();
    check(&|boot| boot.source = None, "source");
    check(&|boot| boot.source = Some(Source::SourceId(String::new())), "source_id");
    check(&|boot| boot.source = rootfs("x", String::new()), "rootfs.job_id");
    check(&|boot| boot.source = rootfs(&known, "x".repeat(256)), "rootfs.artifact");
    check(&|boot| boot.init = "init".to_owned(), "init");
    check(&|boot| boot.arguments = vec!["a".to_owned(), "\0".to_owned()], "arguments[1]");
    check(&|boot| boot.arguments = vec![String::new(); 1025], "arguments");
    check(&|boot| boot.arguments = vec!["x".repeat(100 << 10); 2], "arguments");
    check(&|boot| boot.probe = Some(port(0)), "probe.port");
    check(&|boot| boot.probe = Some(port(65_536)), "probe.port");
    check(&|boot| boot.probe = Some(probed(&[])), "probe.command.argv");
    check(&|boot| boot.probe = Some(probed(&[""])), "probe.command.argv");
    check(&|boot| boot.probe = Some(probed(&["a", "\0"])), "probe.command.argv[1]");
}

#[test]
fn what_follows_from_the_work_is_left_out() {
    let works = [
        ("spec.rootfs", v1::job_spec::Work::Rootfs(wire())),
        ("spec.boot", {
            let source = v1::boot_spec::Source::SourceId(SourceId::generate().to_string());
            let boot = v1::BootSpec { source: Some(source), ..v1::BootSpec::default() };
            v1::job_spec::Work::Boot(boot)
        }),
    ];
    for (name, work) in works {
        let check = |change: &dyn Fn(&mut v1::JobSpec), field: Option<&str>| {
            let mut spec = v1::JobSpec { work: Some(work.clone()), ..v1::JobSpec::default() };
            change(&mut spec);
            let named = job_spec(Some(spec), MOST).err().map(|invalid| invalid.field);
            assert_eq!(named.as_deref(), field, "{name}");
        };
        check(&|spec| spec.attach = true, Some("spec.attach"));
        check(&|spec| spec.inputs = vec![v1::InputDisk::default()], Some("spec.inputs"));
        check(&|spec| spec.outputs = vec![v1::OutputDisk::default()], Some("spec.outputs"));
        let internet = |spec: &mut v1::JobSpec| {
            let mode = v1::EgressMode::Internet.into();
            spec.egress = Some(v1::Egress { mode, rules: Vec::new() });
        };
        check(&internet, (name == "spec.rootfs").then_some("spec.egress.mode"));
    }
}
