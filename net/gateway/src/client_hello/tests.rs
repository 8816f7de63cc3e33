use proptest::{
    prelude::{ProptestConfig, any, prop},
    prop_assert, prop_assert_eq, proptest,
};

use super::{Answer, ClientHello, Hello, MAX_BYTES, ServerAnswer, ServerName, Unread};

pub(crate) mod build;
mod openssl;

use build::{Build, alert, handshake, records, server_hello};

fn clear(name: &str) -> ServerName {
    ServerName::Clear(name.parse().expect("a name"))
}

/// In one piece.
fn read(bytes: &[u8]) -> Result<Option<Hello>, Unread> {
    ClientHello::default().push(bytes)
}

/// In pieces that end where `cuts` say.
fn read_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Option<Hello>, Unread> {
    let mut hello = ClientHello::default();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let piece = &bytes[at..cut];
        at = cut;
        if let Some(found) = hello.push(piece)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn check(build: &Build, expected: Result<ServerName, Unread>) {
    let bytes = build.bytes();
    let expected = expected.map(|name| Some(Hello { name, bytes: bytes.len() }));
    assert_eq!(read(&bytes), expected, "{build:?}");
    // The same, however it comes.
    for cut in 0..=bytes.len() {
        assert_eq!(read_pieces(&bytes, &[cut]), expected, "cut at {cut}: {build:?}");
    }
    let every: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(read_pieces(&bytes, &every), expected, "byte by byte: {build:?}");
}

fn malformed(why: &'static str) -> Result<ServerName, Unread> {
    Err(Unread::Malformed(why))
}

#[test]
fn the_name_is_found() {
    check(&Build::named("one.test"), Ok(clear("one.test")));
    check(&Build::named("ONE.Test"), Ok(clear("one.test")));
    check(&Build::named("one.test").grease(), Ok(clear("one.test")));
    check(&Build::default(), Ok(ServerName::Missing));
    check(&Build::default().without_extensions(), Ok(ServerName::Missing));
}

#[test]
fn what_is_no_host_name_is_told_as_it_is() {
    for text in ["192.0.2.1", "[2001:db8::1]", "2001:db8::1", "one.test.", "a..b", "-a.test", "*.t"]
    {
        check(&Build::named(text), Ok(ServerName::NoName(text.to_owned())));
    }
    check(
        &Build::named_bytes(b"one.test\0.two"),
        Ok(ServerName::NoName("one.test\\x00.two".into())),
    );
    check(&Build::named_bytes(b"\xff\n"), Ok(ServerName::NoName("\\xff\\n".into())));
    check(&Build::named(""), Ok(ServerName::NoName(String::new())));
}

#[test]
fn an_encrypted_name_is_none() {
    let outer = Some("front.test".parse().expect("a name"));
    for kind in [0xfe0d, 0xffce] {
        check(
            &Build::named("front.test").extension(kind, &[0; 16]),
            Ok(ServerName::Encrypted { outer: outer.clone() }),
        );
        check(&Build::default().extension(kind, &[]), Ok(ServerName::Encrypted { outer: None }));
    }
}

#[test]
fn two_names_are_none() {
    check(
        &Build::named("one.test").extension(0, &build::server_name(&[(0, b"two.test")])),
        malformed("an extension comes twice"),
    );
    check(
        &Build::default().extension(0, &build::server_name(&[(0, b"one.test"), (0, b"two.test")])),
        malformed("more than one name"),
    );
    check(
        &Build::default().extension(0, &build::server_name(&[(0, b"one.test"), (1, b"two.test")])),
        malformed("more than one name"),
    );
    check(
        &Build::default().extension(0, &build::server_name(&[(1, b"one.test")])),
        malformed("a name of an unknown kind"),
    );
    check(
        &Build::named("one.test").extension(0x1234, b"x").extension(0x1234, b"x"),
        malformed("an extension comes twice"),
    );
}

#[test]
fn lengths_that_are_wrong_are_told() {
    for content in [
        &b""[..],
        b"\0",
        b"\0\0",
        b"\0\x01\0",
        b"\0\x03\0\0\x01",
        b"\0\x09\0\0\x08one.test",
        b"\0\x0b\0\0\x09one.test",
        b"\0\x0b\0\0\x07one.test",
    ] {
        let bytes = Build::default().extension(0, content).bytes();
        assert!(matches!(read(&bytes), Err(Unread::Malformed(_))), "{content:?}");
    }
    let mut trailing = Build::named("one.test").body();
    trailing.push(0);
    assert_eq!(
        read(&records(&handshake(1, &trailing), &[])),
        Err(Unread::Malformed("bytes are left over"))
    );
}

#[test]
fn what_is_no_tls_is_known_by_its_first_bytes() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x\r\n",
        // SSLv2, and alerts, application data, a heartbeat.
        b"\x80\x2e\x01\x03\x01",
        b"\x15\x03\x01",
        b"\x17\x03\x03",
        b"\x18\x03\x03",
        b"\x14\x03\x03\0\x01\x01",
        b"\x16\x02\x00",
        b"\x16\x04\x00",
        b"\0",
    ] {
        assert_eq!(read(bytes), Err(Unread::NotTls), "{bytes:?}");
    }
}

#[test]
fn records_are_exact() {
    let message = handshake(1, &Build::named("one.test").body());
    let mut followed = message.clone();
    followed.extend(handshake(1, &Build::named("two.test").body()));
    let mut empty = b"\x16\x03\x01\0\0".to_vec();
    empty.extend(records(&message, &[]));
    let mut between = records(&message[..20], &[]);
    between.extend(alert());
    between.extend(records(&message[20..], &[]));
    let mut version = records(&message[..20], &[]);
    version.extend(b"\x16\x04");
    for (bytes, why) in [
        (records(&followed, &[]), "something follows the message in its record"),
        (empty, "an empty record"),
        (between, "another record in the middle of the message"),
        (version, "a record's version"),
        (b"\x16\x03\x01\x40\x01".to_vec(), "a record is longer than 16384 bytes"),
        (records(&handshake(2, b"x"), &[]), "its first message is another one"),
        (records(&handshake(0, b""), &[]), "its first message is another one"),
    ] {
        assert_eq!(read(&bytes), Err(Unread::Malformed(why)));
    }
}

#[test]
fn another_record_after_it_is_not_part_of_it() {
    let hello = Build::named("one.test").bytes();
    let mut bytes = hello.clone();
    bytes.extend(Build::named("two.test").bytes());
    let expected = Hello { name: clear("one.test"), bytes: hello.len() };
    assert_eq!(read(&bytes), Ok(Some(expected)));
}

#[test]
fn what_is_too_long_ends_early() {
    let long = Build::named("one.test").extension(0x1234, &vec![0; 60 << 10]);
    let mut hello = ClientHello::default();
    let bytes = records(&handshake(1, &long.body()), &[16_000, 32_000, 48_000]);
    assert_eq!(hello.push(&bytes[..8]), Ok(None));
    // By its length alone.
    assert_eq!(hello.push(&bytes[8..9]), Err(Unread::TooLong));

    // One record a byte.
    let fits = Build::named("one.test").extension(0x1234, &[0; 2000]);
    let message = handshake(1, &fits.body());
    let cuts: Vec<usize> = (1..message.len()).collect();
    assert_eq!(
        read(&records(&message, &cuts)),
        Ok(Some(Hello { name: clear("one.test"), bytes: message.len() * 6 }))
    );
    let wasteful = Build::named("one.test").extension(0x1234, &[0; 4000]);
    let message = handshake(1, &wasteful.body());
    let cuts: Vec<usize> = (1..message.len()).collect();
    assert_eq!(read(&records(&message, &cuts)), Err(Unread::TooLong));
}

#[test]
fn the_budget_is_exact() {
    let base = Build::named("one.test").extension(0x1234, b"").bytes().len();
    let room = MAX_BYTES - base;
    for (filler, fits) in [(room, true), (room + 1, false)] {
        let bytes = Build::named("one.test").extension(0x1234, &vec![0; filler]).bytes();
        assert_eq!(read(&bytes).is_ok(), fits, "{filler}");
    }
}

#[test]
fn a_server_that_asks_again_is_heard() {
    let retry = records(&handshake(2, &server_hello(true)), &[]);
    let hello = records(&handshake(2, &server_hello(false)), &[]);
    let mut followed = handshake(2, &server_hello(true));
    followed.extend(handshake(11, b"certificates"));
    let mut warned = alert();
    warned.extend(&retry);
    for (bytes, expected) in [
        (retry.clone(), Answer::Retry),
        (hello, Answer::Settled),
        (records(&followed, &[]), Answer::Retry),
        (warned, Answer::Retry),
        (records(&handshake(2, &server_hello(true)), &[1, 2, 5, 30]), Answer::Retry),
        (b"HTTP/1.1 400".to_vec(), Answer::Settled),
        (records(&handshake(2, b"short"), &[]), Answer::Settled),
    ] {
        assert_eq!(ServerAnswer::default().push(&bytes), Some(expected));
        let mut server = ServerAnswer::default();
        let bytewise = bytes.iter().find_map(|byte| server.push(&[*byte]));
        assert_eq!(bytewise, Some(expected));
    }
    assert_eq!(ServerAnswer::default().push(&retry[..20]), None);
}

#[test]
fn a_second_hello_may_follow_a_change_of_cipher() {
    let hello = Build::named("one.test").bytes();
    let mut after = b"\x14\x03\x03\0\x01\x01".to_vec();
    after.extend(&hello);
    let read = |bytes: &[u8]| ClientHello::again().push(bytes);
    let found = |bytes| Ok(Some(Hello { name: clear("one.test"), bytes }));
    assert_eq!(read(&hello), found(hello.len()));
    assert_eq!(read(&after), found(after.len()));
    let mut twice = b"\x14\x03\x03\0\x01\x01".to_vec();
    twice.extend(&after);
    assert_eq!(read(&twice), Err(Unread::NotTls));
    assert_eq!(read(&alert()), Err(Unread::NotTls));
    assert!(matches!(read(b"\x14\x03\x03\0\x02\x01"), Err(Unread::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Over records and segments alike.
    #[test]
    fn cuts_change_nothing(
        grease in any::<bool>(),
        of_records in prop::collection::btree_set(1_usize..200, 0..12),
        of_segments in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let build = Build::named("one.test");
        let build = if grease { build.grease() } else { build };
        let message = handshake(1, &build.body());
        let cuts: Vec<usize> =
            of_records.into_iter().filter(|cut| *cut < message.len()).collect();
        let bytes = records(&message, &cuts);
        let mut segments: Vec<usize> =
            of_segments.into_iter().map(|index| index.index(bytes.len())).collect();
        segments.sort_unstable();
        let expected = Hello { name: clear("one.test"), bytes: bytes.len() };
        prop_assert_eq!(read_pieces(&bytes, &segments), Ok(Some(expected)));
    }

    /// Whatever comes, and however: the same, and never more than the budget.
    #[test]
    fn anything_is_read_alike_in_pieces(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        begins in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        if begins {
            bytes.splice(..0, *b"\x16\x03\x01\x01\0\x01\0");
        }
        let cut = if bytes.is_empty() { 0 } else { cut.index(bytes.len()) };
        let whole = read(&bytes);
        prop_assert_eq!(&read_pieces(&bytes, &[cut]), &whole);
        if let Ok(Some(hello)) = whole {
            prop_assert!(hello.bytes <= MAX_BYTES);
        }
    }
}
