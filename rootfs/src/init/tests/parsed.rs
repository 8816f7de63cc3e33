//! Units as systemd's own parser reads them (`systemd-analyze verify` shows what it made of one).

use std::process::{Command, Output};

use super::{stage::strings, systemd::image};
use crate::init::Strategy;

const WORDS: [&str; 22] = [
    "",
    " ",
    "plain",
    "two words",
    "\"",
    "'",
    "\\",
    "\\\\n",
    "$HOME",
    "${HOME}",
    "$$",
    "%n",
    "%%",
    "50%",
    ";",
    "\\;",
    "#",
    "line\nline",
    "tab\there\r",
    "\u{1}\u{1b}\u{7f}",
    "ä\u{1f980}",
    "-@:+!",
];

/// Each character alone and within a word.
fn all_words() -> Vec<String> {
    let each =
        (1..=127_u8).map(char::from).flat_map(|one| [one.to_string(), format!("x{one}0{one}")]);
    WORDS.iter().map(|&word| word.to_owned()).chain(each).collect()
}

fn analyze(arguments: &[&str]) -> Output {
    let analyzed = Command::new("systemd-analyze")
        .args(arguments)
        .env("SYSTEMD_LOG_LEVEL", "debug")
        .env("SYSTEMD_LOG_TARGET", "console")
        .env("LC_ALL", "C.UTF-8")
        .output();
    analyzed.unwrap_or_else(|error| panic!("systemd-analyze is needed (Debian: systemd): {error}"))
}

#[test]
fn systemd_reads_what_was_meant() {
    let all = all_words();
    let mut image = image(&["/bin/app"]);
    image.config.arguments.extend_from_slice(&all);
    let allowed = |value: &&String| {
        !value.chars().any(|one| one.is_ascii_control() && !matches!(one, '\t' | '\n'))
    };
    let variables: Vec<String> = all
        .iter()
        .filter(allowed)
        .enumerate()
        .map(|(index, value)| format!("V{index}={value}"))
        .collect();
    image.config.environment.clone_from(&variables);
    image.config.working_directory = "/srv/a b/100%/\"q\"".to_owned();
    image.config.user = "many".to_owned();
    image.config.stop_signal = "SIGRTMIN+3".to_owned();
    image.install(&Strategy::Systemd).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kiln-command.service");
    std::fs::write(&path, image.text("/etc/systemd/system/kiln-command.service")).unwrap();
    let output = analyze(&["--man=no", "verify", path.to_str().unwrap()]);
    let text =
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();

    for complaint in ["Unknown key", "Failed to parse", "Invalid", "ignoring", "Failed to resolve"]
    {
        let ours = |line: &&str| line.contains("kiln-command.service:") && line.contains(complaint);
        assert_eq!(text.lines().find(ours), None);
    }
    let line = |key: &str| {
        let mut lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(key));
        lines.next().unwrap_or_else(|| panic!("no {key} in {text}")).to_owned()
    };
    let expected = [strings(&["/bin/app"]), all].concat();
    assert_eq!(words(&line("Command Line: ")), expected);
    for variable in &variables {
        assert!(text.contains(&format!("Environment: {variable}\n")), "{variable:?} in {text}");
    }
    assert_eq!(line("WorkingDirectory: "), "/srv/a b/100%/\"q\"");
    assert_eq!(line("User: "), "many");
    assert_eq!(line("KillMode: "), "mixed");
    assert_eq!(line("KillSignal: "), "SIGRTMIN+3");
    assert_eq!(line("UMask: "), "0022");
}

/// systemd shows a command line as a shell would take it, with C's escapes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = after;
            continue;
        };
        let mut word = Vec::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            let (at, character) = characters.next().unwrap();
            match character {
                '"' => break at + 1,
                '\\' => match characters.next().unwrap().1 {
                    'a' => word.push(7),
                    'b' => word.push(8),
                    't' => word.push(b'\t'),
                    'n' => word.push(b'\n'),
                    'v' => word.push(11),
                    'f' => word.push(12),
                    'r' => word.push(b'\r'),
                    digit if digit.is_ascii_digit() => {
                        let next = || characters.next().unwrap().1;
                        let digits: String = [digit]
                            .into_iter()
                            .chain(std::iter::repeat_with(next).take(2))
                            .collect();
                        word.push(u8::from_str_radix(&digits, 8).unwrap());
                    }
                    other => word.extend_from_slice(other.to_string().as_bytes()),
                },
                other => word.extend_from_slice(other.to_string().as_bytes()),
            }
        };
        words.push(String::from_utf8(word).unwrap());
        rest = quoted[end..].trim_start_matches(' ');
    }
    words
}
