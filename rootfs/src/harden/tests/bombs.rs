//! Trees and files made to take long: each is done in a time that has nothing to do with how often its
//! trick is repeated.

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Of a processor's time, which no other work counts in: less than one is taken, and minutes by a trick
/// that works.
const SECONDS: i64 = 60;

#[track_caller]
fn check(sample: &mut Sample) -> Report {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    let report = hardened(sample);
    let taken = clock_gettime(ClockId::ThreadCPUTime).tv_sec - start.tv_sec;
    assert!(taken < SECONDS, "{taken} s");
    report
}

#[test]
fn words_of_secrets_over_and_over() {
    let words = [
        "-----BEGIN PRIVATE KEY-----",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        "PuTTY-User-Key-File-2: ",
        "AGE-SECRET-KEY-1",
        "AccountKey=",
        "glpat-",
        "github_pat_",
        " AKIAQWERTYUIOPASDFGH",
        "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ ",
    ];
    let mut sample = Sample::new();
    for (number, word) in words.iter().enumerate() {
        sample.put_file(&format!("app/{number}"), word.repeat((256 << 10) / word.len()));
    }
    assert_eq!(check(&mut sample).removed, []);
}

#[test]
fn lists_that_name_one_file_over_and_over() {
    let mut sample = Sample::new();
    sample.put_file("app/.netrc", "a".repeat(1 << 20));
    let line = format!("{}  app/.netrc\n", "0".repeat(32));
    sample.put_file("var/lib/dpkg/info/a.md5sums", line.repeat(100_000));
    assert_eq!(check(&mut sample).removed.len(), 1);
}

#[test]
fn links_to_winding_links() {
    let mut sample = Sample::new();
    sample.put_file("a/file", "anything");
    for number in 0..39 {
        let target = "../a/".repeat(800) + &format!("{}", number + 1);
        sample.put_link(&format!("a/{number}"), &target);
    }
    for number in 0..4000 {
        sample.put_link(&format!("b/{number}/.aws"), "/a/0");
    }
    let report = check(&mut sample);
    assert_eq!(report.removed, []);
    // Nobody can say of those that lead to others.
    assert_eq!(report.escapes.len(), 4000 + 38);
}

#[test]
fn links_to_a_full_directory() {
    let mut sample = Sample::new();
    for number in 0..3000 {
        sample.put_file(&format!("a/sso/cache/{number}"), "anything");
        sample.put_link(&format!("b/{number}/.aws"), "/a");
    }
    assert_eq!(check(&mut sample).removed, []);
}
