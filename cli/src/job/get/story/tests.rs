use kiln_proto::v1;

use super::*;

fn time(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

fn took(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 500_000_000 }
}

fn job() -> v1::Job {
    let variable = |name: &str, value: &str| v1::EnvironmentVariable {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let phase = |name: &str, duration| v1::PhaseTime {
        name: name.to_owned(),
        started_at: Some(time(100)),
        duration,
    };
    v1::Job {
        id: "01jd".to_owned(),
        tenant: "local".to_owned(),
        project: "default".to_owned(),
        spec: Some(v1::JobSpec {
            cpus: 1,
            memory_bytes: 256 << 20,
            disk_bytes: 10 << 30,
            timeout: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            attach: true,
            work: Some(v1::job_spec::Work::Exec(v1::ExecSpec {
                argv: vec!["sh".to_owned(), "-c".to_owned(), "exit 7".to_owned()],
                env: vec![variable("TOKEN", "hush"), variable("CI", "1")],
                workdir: "/tmp".to_owned(),
                user: "nobody".to_owned(),
                stdin: false,
                terminal: Some(v1::TerminalSize { rows: 24, columns: 80 }),
            })),
            inputs: vec![v1::InputDisk {
                source_id: "01src".to_owned(),
                path: "/input".to_owned(),
                format: 0,
            }],
            outputs: vec![v1::OutputDisk {
                name: "output-1".to_owned(),
                path: "/out".to_owned(),
                format: v1::DiskFormat::Raw.into(),
                max_bytes: 1 << 30,
            }],
            egress: Some(v1::Egress {
                mode: v1::EgressMode::Allow.into(),
                rules: vec!["one.test:443".to_owned(), "*.two.test:22/tcp".to_owned()],
            }),
        }),
        state: v1::JobState::Failed.into(),
        phase: 0,
        created_at: Some(time(100)),
        started_at: Some(time(101)),
        ended_at: Some(time(103)),
        phases: vec![
            phase("queue", Some(took(0))),
            phase("boot", Some(took(2))),
            phase("work", None),
        ],
        exit: Some(v1::ExitStatus { code: 137, signal: 9 }),
        failure: Some(v1::Failure {
            class: v1::FailureClass::User.into(),
            message: "killed by\nsignal 9\x1b[2J".to_owned(),
            details: [("step".to_owned(), "work".to_owned())].into(),
        }),
        machine: Some(v1::Machine {
            vmm: "qemu".to_owned(),
            vmm_version: "10.0".to_owned(),
            accelerator: "tcg".to_owned(),
            jail: Some(v1::Jail {
                full: false,
                missing: vec!["the kernel has no Landlock".to_owned()],
            }),
            kernel_release: "6.12".to_owned(),
            kernel_digest: "sha256:k".to_owned(),
            initramfs_digest: "sha256:i".to_owned(),
            root_digest: "sha256:r".to_owned(),
            agent_version: "0.1.0".to_owned(),
        }),
        memory_peak_bytes: 3 << 20,
        log: Some(v1::LogSummary { end_offset: 4096, dropped_bytes: 1024 }),
        queue_position: 2,
        attempt: 2,
        outputs: vec![v1::Output {
            name: "output-1".to_owned(),
            size_bytes: 1 << 20,
            digest: "sha256:o".to_owned(),
            expired: true,
        }],
        usage: Some(v1::Usage {
            vm_memory_peak_bytes: 300 << 20,
            vm_cpu_time: Some(took(3)),
            disk_peak_bytes: 1 << 30,
        }),
        idempotency_key: "mine".to_owned(),
        waits_for: "memory".to_owned(),
        egress: Some(egress()),
        registry: Some(registry()),
        rootfs: None,
        boot: None,
    }
}

fn registry() -> v1::RegistryRecord {
    let manifest = v1::Material {
        kind: "manifest".to_owned(),
        registry: "docker.io".to_owned(),
        repository: "library/debian".to_owned(),
        tag: "12".to_owned(),
        digest: "sha256:m".to_owned(),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: 512,
        origin: "stale".to_owned(),
        times: 2,
        first_at: Some(time(101)),
        last_at: Some(time(102)),
    };
    let blob = v1::Material {
        kind: "blob".to_owned(),
        digest: "sha256:b".to_owned(),
        bytes: 3 << 20,
        tag: String::new(),
        origin: "fetched".to_owned(),
        ..manifest.clone()
    };
    let own = v1::Material {
        registry: String::new(),
        repository: "local/app".to_owned(),
        tag: String::new(),
        origin: "local".to_owned(),
        ..manifest.clone()
    };
    let refusal = v1::RegistryRefusal {
        registry: "registry.example".to_owned(),
        repository: "team/app".to_owned(),
        target: "1\n".to_owned(),
        code: "DENIED".to_owned(),
        reason: "the registry wants a credential".to_owned(),
        upstream_status: 401,
        retry_after_seconds: 0,
        times: 3,
        first_at: Some(time(101)),
        last_at: Some(time(102)),
    };
    v1::RegistryRecord {
        materials: vec![manifest, blob, own],
        refusals: vec![refusal],
        more_materials: 2,
        more_refusals: 0,
        incomplete: "kilnd was killed".to_owned(),
    }
}

fn egress() -> v1::EgressRecord {
    let flow = v1::EgressFlow {
        name: "one.test".to_owned(),
        address: "203.0.113.7".to_owned(),
        port: 443,
        transport: "tcp".to_owned(),
        protocol: "tls".to_owned(),
        connections: 2,
        sent_bytes: 1 << 10,
        received_bytes: 3 << 20,
        first_at: Some(time(101)),
        last_at: Some(time(102)),
    };
    let query = v1::EgressRefusal {
        name: "evil.test\n".to_owned(),
        query_kind: "A".to_owned(),
        reason: "not_allowed".to_owned(),
        times: 3,
        first_at: Some(time(101)),
        last_at: Some(time(102)),
        ..v1::EgressRefusal::default()
    };
    let connection = v1::EgressRefusal {
        address: "2001:db8::1".to_owned(),
        port: 22,
        transport: "tcp".to_owned(),
        reason: "later".to_owned(),
        times: 1,
        ..v1::EgressRefusal::default()
    };
    v1::EgressRecord {
        flows: vec![flow],
        refusals: vec![query, connection],
        more_flows: 0,
        more_refusals: 9,
        incomplete: "the gateway was killed".to_owned(),
        forged_frames: 5,
        limited_packets: 0,
    }
}

#[test]
fn the_whole_story_is_told() {
    let now = Time::from(prost_types::Timestamp { seconds: 160, nanos: 0 });
    let expected = "\
Id           01jd
Project      local/default
Command      sh -c 'exit 7'
Directory    /tmp
User         nobody
Environment  CI TOKEN
Inputs       /input
Key          mine
State        failed
Queue        place 2, waits for memory
Attempt      2 (kilnd was restarted before it began)
Exit         137 (signal 9)
Reason       the command was ended by signal 9 (SIGKILL)
Failure      user: killed by
             signal 9\\u{1b}[2J
             step: work
Created      1970-01-01T00:01:40.000000Z (1m ago)
Started      1970-01-01T00:01:41.000000Z (59s ago)
Ended        1970-01-01T00:01:43.000000Z (57s ago)
Phases       queue   500ms
             boot    2.5s
             work    goes on
Machine      qemu 10.0, tcg
Jail         reduced: the kernel has no Landlock
Kernel       6.12 sha256:k
Initramfs    sha256:i
Root         sha256:r
Agent        0.1.0
Limits       1 CPU, memory 256 MiB, disk 10 GiB, timeout 1m30s
Egress       allow one.test:443 *.two.test:22/tcp
Memory peak  3 MiB
Host usage   memory peak 300 MiB, CPU time 3.5s, disk peak 1 GiB
Outputs      output-1: 1 MiB, sha256:o, its bytes have been removed
Reached      one.test (203.0.113.7:443) tls: 2 connections, 1 KiB sent, 3 MiB received
Refused      query evil.test\\n A: no rule names it, 3 times
             [2001:db8::1]:22 tcp: later, 1 time
             and 9 more, which were counted and not listed
Dropped      5 packets forged
Not recorded the gateway was killed
Images       docker.io/library/debian:12@sha256:m, stored here, and its registry was not asked or did \
             not answer
             local/app@sha256:m, of this host
             and 2 more, which were counted and not listed
Blobs        1, 3 MiB
Not served   registry.example/team/app:1\\n: the registry wants a credential (DENIED, status 401), 3 times
Not recorded kilnd was killed
Log          4 KiB, 1 KiB of it dropped in the middle
";
    assert_eq!(of(&job().into(), now), expected);
}

#[test]
fn json_keeps_its_shape() {
    let json = serde_json::to_value(Job::from(job())).unwrap();
    let spec = serde_json::json!({
        "cpus": 1,
        "memory_bytes": 268_435_456,
        "disk_bytes": 10_737_418_240_u64,
        "timeout_seconds": 90.0,
        "attach": true,
        "build": null,
        "rootfs": null,
        "boot": null,
        "exec": {
            "argv": ["sh", "-c", "exit 7"],
            "env": {"CI": "1", "TOKEN": "hush"},
            "workdir": "/tmp",
            "user": "nobody",
            "stdin": false,
            "terminal": {"rows": 24, "columns": 80},
        },
        "inputs": [{"source_id": "01src", "path": "/input", "format": "tar"}],
        "outputs": [
            {"name": "output-1", "path": "/out", "format": "raw", "max_bytes": 1_073_741_824},
        ],
        "egress": {"mode": "allow", "rules": ["one.test:443", "*.two.test:22/tcp"]},
    });
    let registry = serde_json::json!({
        "materials": [
            {
                "kind": "manifest",
                "registry": "docker.io",
                "repository": "library/debian",
                "tag": "12",
                "digest": "sha256:m",
                "media_type": "application/vnd.oci.image.manifest.v1+json",
                "bytes": 512,
                "origin": "stale",
                "times": 2,
                "first_at": "1970-01-01T00:01:41.000000Z",
                "last_at": "1970-01-01T00:01:42.000000Z",
            },
            {
                "kind": "blob",
                "registry": "docker.io",
                "repository": "library/debian",
                "tag": null,
                "digest": "sha256:b",
                "media_type": "application/vnd.oci.image.manifest.v1+json",
                "bytes": 3_145_728,
                "origin": "fetched",
                "times": 2,
                "first_at": "1970-01-01T00:01:41.000000Z",
                "last_at": "1970-01-01T00:01:42.000000Z",
            },
            {
                "kind": "manifest",
                "registry": null,
                "repository": "local/app",
                "tag": null,
                "digest": "sha256:m",
                "media_type": "application/vnd.oci.image.manifest.v1+json",
                "bytes": 512,
                "origin": "local",
                "times": 2,
                "first_at": "1970-01-01T00:01:41.000000Z",
                "last_at": "1970-01-01T00:01:42.000000Z",
            },
        ],
        "refusals": [
            {
                "registry": "registry.example",
                "repository": "team/app",
                "target": "1\n",
                "code": "DENIED",
                "reason": "the registry wants a credential",
                "upstream_status": 401,
                "retry_after_seconds": null,
                "times": 3,
                "first_at": "1970-01-01T00:01:41.000000Z",
                "last_at": "1970-01-01T00:01:42.000000Z",
            },
        ],
        "more_materials": 2,
        "more_refusals": 0,
        "incomplete": "kilnd was killed",
    });
    let expected = serde_json::json!({
        "id": "01jd",
        "tenant": "local",
        "project": "default",
        "state": "failed",
        "phase": null,
        "exit_code": 137,
        "exit": {"code": 137, "signal": 9},
        "failure": {
            "class": "user",
            "message": "killed by\nsignal 9\u{1b}[2J",
            "details": {"step": "work"},
        },
        "created_at": "1970-01-01T00:01:40.000000Z",
        "started_at": "1970-01-01T00:01:41.000000Z",
        "ended_at": "1970-01-01T00:01:43.000000Z",
        "phases": [
            {"name": "queue", "started_at": "1970-01-01T00:01:40.000000Z", "duration_seconds": 0.5},
            {"name": "boot", "started_at": "1970-01-01T00:01:40.000000Z", "duration_seconds": 2.5},
            {"name": "work", "started_at": "1970-01-01T00:01:40.000000Z", "duration_seconds": null},
        ],
        "spec": spec,
        "machine": {
            "vmm": "qemu",
            "vmm_version": "10.0",
            "accelerator": "tcg",
            "jail": {"full": false, "missing": ["the kernel has no Landlock"]},
            "kernel_release": "6.12",
            "kernel_digest": "sha256:k",
            "initramfs_digest": "sha256:i",
            "root_digest": "sha256:r",
            "agent_version": "0.1.0",
        },
        "memory_peak_bytes": 3_145_728,
        "usage": {
            "vm_memory_peak_bytes": 314_572_800,
            "vm_cpu_seconds": 3.5,
            "disk_peak_bytes": 1_073_741_824,
        },
        "outputs": [
            {
                "name": "output-1",
                "size_bytes": 1_048_576,
                "digest": "sha256:o",
                "expired": true,
            },
        ],
        "log": {"end_offset": 4096, "dropped_bytes": 1024},
        "queue_position": 2,
        "waits_for": "memory",
        "attempt": 2,
        "rootfs": null,
        "boot": null,
        "idempotency_key": "mine",
        "egress": {
            "flows": [
                {
                    "name": "one.test",
                    "address": "203.0.113.7",
                    "port": 443,
                    "transport": "tcp",
                    "protocol": "tls",
                    "connections": 2,
                    "sent_bytes": 1024,
                    "received_bytes": 3_145_728,
                    "first_at": "1970-01-01T00:01:41.000000Z",
                    "last_at": "1970-01-01T00:01:42.000000Z",
                },
            ],
            "refusals": [
                {
                    "name": "evil.test\n",
                    "query_kind": "A",
                    "address": null,
                    "port": null,
                    "transport": null,
                    "reason": "not_allowed",
                    "times": 3,
                    "first_at": "1970-01-01T00:01:41.000000Z",
                    "last_at": "1970-01-01T00:01:42.000000Z",
                },
                {
                    "name": null,
                    "query_kind": null,
                    "address": "2001:db8::1",
                    "port": 22,
                    "transport": "tcp",
                    "reason": "later",
                    "times": 1,
                    "first_at": null,
                    "last_at": null,
                },
            ],
            "more_flows": 0,
            "more_refusals": 9,
            "forged_frames": 5,
            "limited_packets": 0,
            "incomplete": "the gateway was killed",
        },
        "registry": registry,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_bare_record_is_told_too() {
    let queued = v1::Job { state: v1::JobState::Queued.into(), ..v1::Job::default() };
    let job = Job::from(queued);
    assert!(of(&job, Time::now()).contains("State        queued\n"));
    let newer = v1::Job { state: 99, phase: 99, ..v1::Job::default() };
    let json = serde_json::to_value(Job::from(newer)).unwrap();
    assert_eq!(json["state"], "unknown");
    assert_eq!(json["phase"], "unknown");
}
