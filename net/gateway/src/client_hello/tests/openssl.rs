//! Another implementation, which greets and is greeted.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use proptest::{
    prelude::{any, prop},
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{Build, Hello, ServerName, clear, handshake, read, read_pieces, records};

/// One hello a line, in hex, behind the name that is in it.
const GREETS: &str = r"
import ssl, sys
V = ssl.TLSVersion
for name in ['one.test', 'a-rather-long-name-under.several.labels.example.test', 'x.test', None]:
    for low, high in [(V.TLSv1_2, V.TLSv1_2), (V.TLSv1_2, V.TLSv1_3), (V.TLSv1_3, V.TLSv1_3)]:
        for protocols in [None, ['http/1.1'], ['h2', 'http/1.1'], [f'protocol-{n}' for n in range(90)]]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version, context.maximum_version = low, high
            if protocols:
                context.set_alpn_protocols(protocols)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname=name)
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            print(name or '-', outgoing.read().hex())
";

/// Reads one hello a line, in hex, and says what name the server was asked for.
const IS_GREETED: &str = r"
import ssl, sys
for line in sys.stdin:
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _server, name, _context: names.append(name or '-')
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(bytes.fromhex(line))
    try:
        server.do_handshake()
    except (ssl.SSLError, UnicodeError):
        pass
    print(ascii(names[0])[1:-1] if names else '?')
";

fn python(script: &str, input: String) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("python3");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("no panic").expect("all is read");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn a_client_is_understood_however_its_hello_is_cut() {
    let output = python(GREETS, String::new());
    let mut hellos = 0;
    for line in output.lines() {
        let (name, hello) = line.split_once(' ').expect("two words");
        let bytes = unhex(hello);
        let name = if name == "-" { ServerName::Missing } else { clear(name) };
        let expected = Ok(Some(Hello { name, bytes: bytes.len() }));
        assert_eq!(read(&bytes), expected);
        for cut in 0..bytes.len() {
            assert_eq!(read_pieces(&bytes, &[cut]), expected, "cut at {cut}");
        }
        // Its message in other records.
        let message = &bytes[5..];
        for cut in 1..message.len() {
            let bytes = records(message, &[cut]);
            let expected = expected
                .clone()
                .map(|hello| hello.map(|hello| Hello { bytes: bytes.len(), ..hello }));
            assert_eq!(read(&bytes), expected, "records cut at {cut}");
        }
        hellos += 1;
    }
    assert_eq!(hellos, 48);
}

/// Where a name is read here, the other reads the same or refuses.
#[test]
fn no_server_reads_another_name() {
    let deterministic = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), deterministic);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4);
    let mut hellos = Vec::new();
    let mut input = String::new();
    while hellos.len() < 3000 {
        let second = if hellos.len() % 3 == 0 { &b"\0\x0b\0\0\x08two.test"[..] } else { b"\0\0" };
        let build = Build::named("one.test").extension(0x0a0a, second).grease();
        let edits = edits.new_tree(&mut runner).expect("edits").current();
        let body = edits.into_iter().fold(build.body(), |body, (index, byte, how)| {
            // Mostly behind what is random anyway.
            let first = if how == 0 { 0 } else { body.len().min(76) };
            let at = first + index.index(body.len() - first);
            edit(body, at, byte, how)
        });
        let bytes = records(&handshake(1, &body), &[]);
        input += &hex(&bytes);
        input.push('\n');
        hellos.push(bytes);
    }
    let output = python(IS_GREETED, input);
    assert_eq!(output.lines().count(), hellos.len());
    let (mut agreed, mut refused) = (0, 0);
    for (bytes, other) in hellos.iter().zip(output.lines()) {
        match read(bytes) {
            Ok(Some(Hello { name: ServerName::Clear(name), .. })) if other != "?" => {
                assert_eq!(name.as_str(), other.to_ascii_lowercase(), "{}", hex(bytes));
                agreed += 1;
            }
            Ok(Some(Hello { name: ServerName::Missing, .. })) => {
                assert!(other == "?" || other == "-", "{other}: {}", hex(bytes));
            }
            _ => refused += 1,
        }
    }
    // Else nothing was compared.
    assert!(agreed > 500 && refused > 500, "{agreed} agreed, {refused} refused");
}

fn edit(mut body: Vec<u8>, at: usize, byte: u8, how: u8) -> Vec<u8> {
    match how {
        1 => body.insert(at, byte),
        2 => drop(body.remove(at)),
        3 => body[at] = body[at].wrapping_add(if byte > 127 { 1 } else { 255 }),
        _ => body[at] = byte,
    }
    body
}
