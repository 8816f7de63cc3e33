use super::{Fault, KEPT_BYTES, Secrets, Words, parse};

#[test]
fn an_error_and_its_place() {
    let text = "\n\nDockerfile:2\n--------------------\n   1 |     FROM base\n   2 | >>> RUN <<E\n   \
                3 | >>> echo ${x\n   4 |     \n--------------------\nERROR: failed to solve: \
                unterminated heredoc\n";
    let fault = parse(text);
    assert_eq!(fault.message, "failed to solve: unterminated heredoc");
    assert_eq!((fault.file.as_str(), fault.first_line, fault.last_line), ("Dockerfile", 2, 3));
    assert!(fault.excerpt.starts_with("   1 |     FROM base\n   2 | >>> RUN"), "{}", fault.excerpt);
    assert!(fault.excerpt.ends_with("\n   4 |     "), "{}", fault.excerpt);
}

#[test]
fn an_error_of_several_lines_without_a_place() {
    let fault = parse("WARNING: old\nERROR: one\nERROR: two\nand three\n");
    assert_eq!(fault, Fault { message: "two\nand three".to_owned(), ..Fault::default() });
    let fault = parse("--------------------\n--------------------\nERROR: x");
    assert_eq!(fault, Fault { message: "x".to_owned(), ..Fault::default() });
}

#[test]
fn a_client_that_does_not_say_why_has_last_words() {
    let words = format!("{}ü: a panic\n", "é".repeat(3000));
    let fault = parse(&words);
    assert!(fault.message.ends_with("ü: a panic") && fault.message.len() <= 2048);
    assert_eq!(parse(""), Fault::default());
}

#[test]
fn the_end_is_kept_without_secrets() {
    let secrets = Secrets::new(vec![b"hunter2".to_vec()]);
    let mut words = Words::default();
    for _ in 0..20_000 {
        words.push(&secrets, b"hunter2 ");
    }
    words.push(&secrets, b"\nERROR: hunt");
    words.push(&secrets, b"er2 is wrong");
    assert!(words.kept.len() <= KEPT_BYTES);
    assert_eq!(words.fault(&secrets).message, "*** is wrong");
}
