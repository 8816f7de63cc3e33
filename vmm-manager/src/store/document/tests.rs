//! What is written reads back the same, and what is not ours is refused.

use proptest::prelude::*;

use super::*;
use crate::store::{change::Record, samples};

fn columns(record: &Record) -> Columns {
    Columns {
        order: record.order,
        id: record.job.id.clone(),
        owner: record.job.owner.clone(),
        idempotency_key: record.job.idempotency_key.clone(),
        created_at: record.job.created_at,
        released: record.recovery.released,
        guest_secret: record.recovery.guest_secret,
    }
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was(record in samples::records()) {
        let request = encode_request(&record.job.spec).unwrap();
        let document = encode_record(&record).unwrap();
        let spec = decode_request(&request).unwrap();
        prop_assert_eq!(decode_record(columns(&record), spec, &document).unwrap(), record);
    }

    #[test]
    fn times_read_back_to_the_nanosecond(nanos in any::<i64>()) {
        prop_assert_eq!(nanos_of(time_of(nanos)), nanos);
    }

    #[test]
    fn no_text_is_a_panic(text in "[{}\\[\\]\":,a-z0-9 ]{0,40}") {
        let record = samples::record();
        prop_assert!(decode_request(&text).is_err());
        prop_assert!(decode_record(columns(&record), samples::spec("x"), &text).is_err());
    }
}

/// Rows of the first kilnd that wrote any: they stay readable for ever.
#[test]
fn documents_of_version_1_are_still_read() {
    let request = r#"{"version":1,"cpus":2,"memory_bytes":536870912,"disk_bytes":1073741824,
        "timeout_nanos":5000000000,"attach":true,"work":{"exec":{"argv":["sh"],"env":[["A","b"]],
        "workdir":"/w","user":"u","stdin":true,"terminal":{"rows":24,"columns":80}}},
        "inputs":[{"source":"01arz3ndektsv4rrffq69g5fav","path":"/in","format":"tar"}],
        "outputs":[{"name":"o","path":"/out","format":"raw","max_bytes":9}]}"#;
    let document = r#"{"version":1,"state":{"ended":{"outcome":{"failed":{"class":"egress_denied",
        "message":"m","details":{"step":"boot"},"exit":{"code":137,"signal":9}}},"started_at":5,
        "ended_at":9}},"phases":[{"step":"queue","started_at":1,"duration_nanos":4}],
        "machine":{"vmm":"qemu","vmm_version":"7.2","accelerator":"tcg","kernel_digest":"k",
        "initramfs_digest":"i","root_digest":"r","kernel_release":"6.12","agent_version":"0.1.0"},
        "memory_peak_bytes":7,"log_end_offset":3,"log_dropped_bytes":1,"attempt":2,
        "outputs":[{"name":"o","size_bytes":1,"digest":"sha256:00","expired":false}],
        "vm_memory_peak_bytes":1,"vm_cpu_nanos":2,"disk_peak_bytes":3,"started":true,"number":4,
        "exit":"completed","cancel":"asked"}"#;
    let record = samples::record();
    let spec = decode_request(request).unwrap();
    assert!(spec.attach && spec.inputs.len() == 1 && spec.outputs[0].max_bytes == 9);
    let read = decode_record(columns(&record), spec, document).unwrap();
    assert_eq!(read.job.machine.as_ref().unwrap().jail, None, "nobody knows any more");
    assert!(read.job.has_ended() && read.recovery.started && read.job.attempt == 2);
}

/// Of version 1 too, and later than the first ones.
#[test]
fn a_policy_stands_in_the_request_as_it_is_written() {
    let closed = samples::spec("x");
    assert!(!encode_request(&closed).unwrap().contains("egress"), "as an earlier kilnd wrote it");
    let policy = "allow=*.two.test:22/tcp,one.test";
    let open = crate::job::JobSpec { egress: policy.parse().unwrap(), ..closed };
    let text = encode_request(&open).unwrap();
    assert!(text.contains("\"egress\":\"allow=one.test:443,*.two.test:22/tcp\""), "{text}");
    let wrong = text.replace("one.test", "1.2.3.4");
    assert!(decode_request(&wrong).unwrap_err().in_words().contains("egress"));
}

#[test]
fn what_is_unknown_is_refused() {
    let record = samples::record();
    let check = |from: &str, to: &str, words: &str| {
        let document = encode_record(&record).unwrap();
        assert!(document.contains(from), "{document}");
        let error =
            decode_record(columns(&record), samples::spec("x"), &document.replace(from, to));
        let told = error.unwrap_err().in_words();
        assert!(told.contains(words), "{told}");
    };
    check("\"version\":1", "\"version\":2", "version 2");
    check("\"state\":\"queued\"", "\"state\":\"paused\"", "paused");
    check("\"attempt\":1", "\"attempt\":1,\"more\":1", "more");
    check(
        "\"phases\":[]",
        "\"phases\":[{\"step\":\"x\",\"started_at\":1,\"duration_nanos\":null}]",
        "step",
    );
}
