//! Every option has its effect.

pub(crate) mod content;
pub(crate) mod file;
pub(crate) mod output;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    picture::Hung,
    program::{converted, run},
    reading::Reading,
};

pub(crate) const TESTS: &[(&str, fn())] =
    &[("options::every_option_is_tried", every_option_is_tried)];

/// What is tried in here, and in the other modules.
const TRIED: [&str; 21] = [
    "--output",
    "--name",
    "--platform",
    "--format",
    "--compress",
    "--init",
    "--init-program",
    "--optimize",
    "--keep-locale",
    "--no-harden",
    "--keep-secret",
    "--setuid",
    "--capabilities",
    "--world-writable",
    "--devices",
    "--size-limit",
    "--size",
    "--free",
    "--label",
    "--metadata",
    "--spool",
];
const OTHERS: [&str; 3] = ["--quiet", "--help", "--version"];

/// The tree that comes of it, and its metadata.
fn made(hung: &Hung, options: &[&str]) -> (Reading, Value) {
    let (tar, metadata) = (hung.at("out.tar"), hung.at("metadata"));
    let told = ["--metadata", metadata.to_str().unwrap(), "--format", "tar"];
    converted(&hung.image(), &tar, &[&told, options].concat());
    let metadata = std::fs::read(metadata).unwrap();
    (Reading::of_tar(&tar), serde_json::from_slice(&metadata).unwrap())
}

fn every_option_is_tried() {
    let help = run(["--help"]);
    assert_eq!((help.code, &*help.error), (Some(0), ""));
    let words = help.out.lines().filter_map(|line| {
        let option = line.trim_start();
        option.strip_prefix("-").filter(|_| line.starts_with("  "))?;
        option.split([' ', '[']).find(|word| word.starts_with("--"))
    });
    let words: BTreeSet<_> = words.collect();
    assert_eq!(words, TRIED.into_iter().chain(OTHERS).collect());
}
