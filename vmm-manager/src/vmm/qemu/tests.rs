use super::*;

fn check(said: &str, expected: Option<&str>) {
    assert_eq!(number(said), expected);
}

#[test]
fn a_version_is_found_in_what_is_printed() {
    check("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", Some("7.2.22"));
    check("vhost-device-vsock 0.3.0", Some("0.3.0"));
    check("", None);
}

fn config(qemu: &str) -> QemuConfig {
    QemuConfig {
        qemu: qemu.into(),
        vhost_device_vsock: "/bin/true".into(),
        shim: ShimConfig { program: "/bin/false".into() },
        accelerator: Accelerator::Tcg,
    }
}

#[tokio::test]
async fn programs_that_do_not_run_are_named() {
    let error = Qemu::probe(config("/nonexistent/qemu")).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/qemu cannot be read"), "{error}");
    let error = Qemu::probe(config("/bin/false")).await.unwrap_err();
    assert!(error.to_string().contains("/bin/false did not show its version"), "{error}");
    assert!(error.to_string().contains("exit status: 1"), "{error}");
}
