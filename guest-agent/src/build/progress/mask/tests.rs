use super::{Masked, Secrets};
use crate::build::progress::tests::Random;

fn secrets(values: &[&str]) -> Secrets {
    Secrets::new(values.iter().map(|value| value.as_bytes().to_vec()).collect())
}

fn check(values: &[&str], text: &str, expected: &str) {
    let secrets = secrets(values);
    assert_eq!(secrets.text(text), expected);
    for cut in 0..=text.len() {
        assert_eq!(in_pieces(&secrets, text.as_bytes(), &[cut]), expected.as_bytes(), "at {cut}");
    }
}

/// What goes out, all together, of a text that is cut at some places.
fn in_pieces(secrets: &Secrets, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut masked, mut out, mut from) = (Masked::default(), Vec::new(), 0);
    for cut in cuts {
        masked.push(secrets, &text[from..*cut], &mut out);
        from = *cut;
    }
    masked.push(secrets, &text[from..], &mut out);
    masked.flush(secrets, &mut out);
    out
}

#[test]
fn a_value_is_masked_wherever_it_is_cut() {
    check(&["hunter2"], "", "");
    check(&["hunter2"], "a hunter2 b", "a *** b");
    check(&["hunter2\n"], "hunter2", "***");
    check(&["hunter2"], "hunter", "hunter");
    check(&["hunter2"], "hunter2hunter2hunter2", "***");
    check(&["hunter2"], "hunthunter2", "hunt***");
    check(&["abab-abac"], "abab-abab-abac", "abab-***");
    check(&["päss", "wörd"], "é päss\u{1b}[0m wörd", "é ***\u{1b}[0m ***");
}

#[test]
fn of_several_the_whole_of_each_is_masked() {
    check(&["secret", "secretive"], "secretive secrets", "*** ***s");
    check(&["abcdef", "defghi"], "abcdefghi", "***");
    check(&["abcd", "bc-long-one"], "abcd bc-long-one", "*** ***");
    check(&["aaaa"], "aaaaaaaaa", "***");
}

#[test]
fn lines_of_a_value_are_masked_by_themselves() {
    let key = "-----BEGIN KEY-----\r\n  bXkgc2VjcmV0\r\nshort\r\n-----END KEY-----\r\n";
    check(&[key], "#5 bXkgc2VjcmV0 |", "#5 *** |");
    check(&[key], "short", "short");
    check(&["one line, and\nno\nother"], "one line, and\nno\nother", "***");
    check(&["a\nb\nc\n"], "a\nb\nc", "***");
}

#[test]
fn what_is_quoted_is_masked() {
    check(
        &["p\"a\\ss"],
        r#"process "echo p\"a\\ss": exit code: 1"#,
        r#"process "echo ***": exit code: 1"#,
    );
    check(&["two\nlines"], r"'two\nlines'", "'***'");
}

#[test]
fn what_is_too_short_is_not_masked() {
    check(&["abc", "", "\n\n\n\n", "    "], "abc    \n\n\n\n", "abc    \n\n\n\n");
    check(&["1234"], "1234", "***");
}

#[test]
fn of_a_long_value_a_part_is_masked() {
    let long: String = (0..500_u32)
        .flat_map(|n| [b'a' + (n % 17) as u8, b'0' + (n % 10) as u8])
        .map(char::from)
        .collect();
    check(&[&long], &format!("<{long}>"), "<***>");
    let masked = secrets(&[&long]).text(&long[10..400]);
    assert!(masked.contains("***") && masked.len() < 2 * super::PIECE_BYTES + 3, "{masked}");
    let (mut stream, mut out) = (Masked::default(), Vec::new());
    stream.push(&secrets(&[&long]), &long.as_bytes()[..63], &mut out);
    assert!(out.is_empty());
    stream.push(&secrets(&[&long]), b"x", &mut out);
    assert_eq!(out.len(), 64, "it was none, and is not held back any longer");
}

#[test]
fn only_what_may_be_a_secret_is_held_back() {
    let secrets = secrets(&["hunter2"]);
    let (mut masked, mut out) = (Masked::default(), Vec::new());
    masked.push(&secrets, b"password: hun", &mut out);
    assert_eq!(out, b"password: ");
    masked.push(&secrets, b"gry\n", &mut out);
    assert_eq!(out, b"password: hungry\n");
}

/// Against the plain definition: each byte that lies in an occurrence of a pattern is masked.
#[test]
fn whatever_is_cut_wherever_comes_out_the_same() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let values: Vec<Vec<u8>> = (0..=random.below(3))
            .map(|_| (0..4 + random.below(8)).map(|_| random.letter()).collect())
            .collect();
        let text: Vec<u8> = (0..random.below(120)).map(|_| random.letter()).collect();
        let mut cuts: Vec<usize> =
            (0..random.below(9)).map(|_| random.below(text.len() + 1)).collect();
        cuts.sort_unstable();
        let found = in_pieces(&Secrets::new(values.clone()), &text, &cuts);
        assert_eq!(found, plainly(&values, &text), "seed {seed}");
    }
}

fn plainly(values: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut hidden = vec![false; text.len()];
    for value in values {
        for (place, _) in text.windows(value.len()).enumerate().filter(|(_, part)| part == value) {
            hidden[place..place + value.len()].fill(true);
        }
    }
    let mut out = Vec::new();
    for (place, byte) in text.iter().enumerate() {
        match hidden[place] {
            false => out.push(*byte),
            true if place == 0 || !hidden[place - 1] => out.extend_from_slice(b"***"),
            true => {}
        }
    }
    out
}
