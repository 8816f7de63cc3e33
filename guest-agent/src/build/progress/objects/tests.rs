use super::{Objects, Piece};

/// What is text, what is skipped, and the objects, in order.
fn read(pieces: &[&[u8]]) -> (Vec<String>, String) {
    let mut objects = Objects::with_most(100);
    let mut found = Vec::new();
    let mut text = Vec::new();
    for piece in pieces {
        objects.push(piece, |piece| match piece {
            Piece::Object(object) => found.push(String::from_utf8(object).unwrap()),
            Piece::Text(part) => text.extend_from_slice(part),
            Piece::TooLong => found.push("too long".to_owned()),
        });
    }
    text.extend_from_slice(&objects.rest());
    (found, String::from_utf8(text).unwrap())
}

fn check(input: &str, objects: &[&str], text: &str) {
    let expected = (objects.iter().map(ToString::to_string).collect(), text.to_owned());
    assert_eq!(read(&[input.as_bytes()]), expected);
    let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
    assert_eq!(read(&bytes), expected, "byte by byte");
}

#[test]
fn objects_and_what_stands_between_them() {
    check("", &[], "");
    check("{}\n{\n \"a\": [{}]\n}\n", &["{}", "{\n \"a\": [{}]\n}"], "\n\n");
    check("words\n{}\nmore { words\n", &["{}"], "words\n\nmore { words\n");
    check(r#"{"a":"}\"}\\"}x"#, &[r#"{"a":"}\"}\\"}"#], "x");
    check("ERROR: {\n  {}\n", &[], "ERROR: {\n  {}\n");
    check("{\"never\": \"ended", &[], "");
    check("words\n{\"never\": 1\nERROR: ended", &[], "words\n\nERROR: ended");
}

#[test]
fn an_object_that_is_too_long_is_skipped() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    check(&format!("{long}\n{{}}\n"), &["too long", "{}"], "\n\n");
}
