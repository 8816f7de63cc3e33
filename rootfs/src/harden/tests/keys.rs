//! Keys as the programs that make them write them, and what only looks so.

use std::{path::Path, process::Command};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn run(command: &mut Command, package: &str) {
    let program = command.get_program().to_owned();
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("needs {program:?} of {package}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The file that `openssl` writes, and the directory that it may need others in.
fn openssl(directory: &Path, arguments: &str) -> Vec<u8> {
    let file = directory.join("out");
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).arg("-out").arg(&file).current_dir(directory);
    run(&mut command, "openssl");
    std::fs::read(file).unwrap()
}

#[test]
fn openssl_s_keys_are_found() {
    let directory = TempDir::new().unwrap();
    let openssl = |arguments: &str| openssl(directory.path(), arguments);
    let key = |arguments: &str, format| {
        let bytes = openssl(arguments);
        check(&bytes, Some(Secret::PrivateKey(format)));
        bytes
    };
    let rsa = key("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", KeyFormat::Pem);
    std::fs::write(directory.path().join("rsa"), rsa).unwrap();
    let ec = key("ecparam -genkey -noout -name prime256v1", KeyFormat::Pem);
    std::fs::write(directory.path().join("ec"), ec).unwrap();
    key("genpkey -algorithm ed25519", KeyFormat::Pem);
    key("rsa -in rsa -traditional", KeyFormat::Pem);
    key("rsa -in rsa -traditional -aes128 -passout pass:abcd", KeyFormat::Pem);
    key("pkcs8 -topk8 -in rsa -passout pass:abcd", KeyFormat::Pem);
    key("rsa -in rsa -outform DER", KeyFormat::Der);
    key("rsa -in rsa -outform DER -traditional", KeyFormat::Der);
    key("ec -in ec -outform DER", KeyFormat::Der);
    key("pkcs8 -topk8 -nocrypt -in ec -outform DER", KeyFormat::Der);

    let certificate = openssl("req -x509 -key rsa -subj /CN=a -days 9");
    check(&certificate, None);
    std::fs::write(directory.path().join("certificate"), certificate).unwrap();
    check(openssl("rsa -in rsa -pubout"), None);
    check(openssl("rsa -in rsa -pubout -outform DER"), None);
    check(openssl("x509 -in certificate -outform DER"), None);
    check(openssl("req -new -key rsa -subj /CN=a -outform DER"), None);
    let both = "pkcs12 -export -inkey rsa -in certificate -passout pass:abcd";
    key(both, KeyFormat::Pkcs12);
    check(openssl("pkcs12 -export -nokeys -in certificate -passout pass:abcd"), None);
}

#[test]
fn openssh_s_keys_are_found() {
    let directory = TempDir::new().unwrap();
    for (kind, password) in [("ed25519", ""), ("rsa", ""), ("ecdsa", "with a password")] {
        let file = directory.path().join(kind);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", password, "-f"]).arg(&file);
        run(&mut command, "openssh-client");
        let expected = Secret::PrivateKey(KeyFormat::OpenSsh);
        check(std::fs::read(&file).unwrap(), Some(expected));
        check(std::fs::read(file.with_extension("pub")).unwrap(), None);
    }
}

fn lines(start: &str, count: usize) -> String {
    let line = |number| random(BASE64, 64, number) + "\n";
    let first = format!("{start}{}", &line(0)[start.len()..]);
    first + &(1..u32::try_from(count).unwrap()).map(line).collect::<String>()
}

#[test]
fn keys_of_other_programs_are_found() {
    let found = |text: String, format| check(text, Some(Secret::PrivateKey(format)));
    let body = lines("lQOYBF", 20);
    let pgp = |body: &str| {
        let name = "PGP PRIVATE KEY BLOCK";
        format!("-----BEGIN {name}-----\nVersion: GnuPG v2\n\n{body}=abcd\n-----END {name}-----\n")
    };
    found(pgp(&body), KeyFormat::Pgp);
    check(pgp(&body).replace("PRIVATE", "PUBLIC"), None);
    let putty = format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: c\nPublic-Lines: 2\n{}\
         Private-Lines: 1\n{}Private-MAC: 00\n",
        lines("", 2),
        lines("", 1)
    );
    found(putty.clone(), KeyFormat::Putty);
    check(putty.replace("Private-Lines", "Other-Lines"), None);
    let name = "SSH2 ENCRYPTED PRIVATE KEY";
    found(
        format!("---- BEGIN {name} ----\n{}---- END {name} ----\n", lines("", 9)),
        KeyFormat::Ssh2,
    );
    let age = random(b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, 1);
    found(format!("# created: now\nAGE-SECRET-KEY-1{age}\n"), KeyFormat::Age);
    check(format!("AGE-SECRET-KEY-1{}", "Q".repeat(58)), None);
}

#[test]
fn keys_within_programs_and_json_are_found() {
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", lines("MIIE", 25));
    let expected = Some(Secret::PrivateKey(KeyFormat::Pem));
    check(&pem, expected);
    check(pem.replace('\n', "\r\n"), expected);
    check(format!("{{\"private_key\": \"{}\"}}", pem.replace('\n', "\\n")), expected);
    let quoted: Vec<_> = pem.lines().map(|line| format!("    b\"{line}\\n\"\n")).collect();
    check(format!("KEY = (\n{})\n", quoted.concat()), expected);
    check(pem.replace('\n', "\n    "), expected);
    check([b"\x7fELF\0\0".as_slice(), pem.as_bytes()].concat(), expected);
}

#[test]
fn words_about_keys_are_no_keys() {
    let check = |text: &str| check(text, None);
    check("-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----\0%s: no start line");
    check("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n");
    check("if text.startswith('-----BEGIN OPENSSH PRIVATE KEY-----'):\n    load(text)\n");
    check(&format!("-----BEGIN PRIVATE KEY-----\n{}\n", "MIIE".repeat(40)));
    check(&format!("-----BEGIN PRIVATE KEY-----\nMII{}\n", "x".repeat(200)));
    let certificate = lines("MIID", 20);
    check(&format!("-----BEGIN CERTIFICATE-----\n{certificate}-----END CERTIFICATE-----\n"));
    check("PuTTY-User-Key-File-2: is how a key begins, and Private-Lines: how it goes on");
}

#[test]
fn java_s_keystores_are_looked_through() {
    let entry =
        |tag: u8, rest: &[u8]| [&[0, 0, 0, tag, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0], rest].concat();
    let certificate = entry(2, b"\0\x05X.509\0\0\0\x04cert");
    let store = |count: u8, entries: &[u8]| {
        let head = b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0";
        [head, &[count][..], entries, &[7; 20]].concat()
    };
    check(store(1, &certificate), None);
    check(store(2, &certificate.repeat(2)), None);
    let with_key = [certificate, entry(1, b"\0\0\0\x04abcd")].concat();
    check(store(2, &with_key), Some(Secret::PrivateKey(KeyFormat::JavaKeystore)));
}

proptest! {
    /// Whatever a file says, looking at it ends, and ends the same.
    #[test]
    fn any_bytes_can_be_looked_at(
        start in proptest::sample::select(vec![
            &b"\x30\x82\x01"[..], b"\x30\x03\x02\x01\x00", b"\x30\x83\xff\xff\xff\x02\x01\x03",
            b"\xfe\xed\xfe\xed\0\0\0\x02\xff\xff\xff\xff", b"-----BEGIN PRIVATE KEY-----",
            b"-----BEGIN ", b"PuTTY-User-Key-File-2Private-Lines:", b"AGE-SECRET-KEY-1",
            b"AKIA", b"ghp_", b"AccountKey=", b"",
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest].concat();
        let looked = || {
            let mut sample = Sample::new();
            sample.put_file("app/file", &bytes);
            hardened(&mut sample)
        };
        prop_assert_eq!(looked(), looked());
    }
}
