//! What clients and servers say.

/// Hellos, and a server's request for another.
pub(crate) fn hellos() -> Vec<Vec<u8>> {
    let name = |name: &[u8]| (0, counted(&[&[0], &counted(name)[..]].concat()));
    let grease = (0x2a2a, vec![0]);
    let versions = (43, b"\x04\x03\x04\x03\x03".to_vec());
    let extensions: [&[(u16, Vec<u8>)]; 7] = [
        &[name(b"one.test")],
        &[versions.clone(), name(b"a.longer.name.under.wild.test"), (16, b"\0\x03\x02h2".to_vec())],
        &[grease.clone(), name(b"one.test"), versions.clone()],
        std::slice::from_ref(&versions),
        &[name(b"one.test"), (0xfe0d, vec![0; 12])],
        &[name(b"one.test"), name(b"two.test")],
        &[(0, counted(&[&[0], &counted(b"one.test")[..], &[0], &counted(b"two.test")].concat()))],
    ];
    let mut hellos: Vec<_> = extensions
        .into_iter()
        .map(|extensions| records(&handshake(1, &hello(extensions)), &[]))
        .collect();
    let message = handshake(1, &hello(&[name(b"one.test")]));
    hellos.push(records(&message, &[1, 4, 40, 60]));
    hellos.push([b"\x14\x03\x03\0\x01\x01", &records(&message, &[])[..]].concat());
    hellos.push(records(&[&message[..], &message].concat(), &[message.len()]));
    hellos.push(b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10".to_vec());
    hellos.push(records(&handshake(2, &[&b"\x03\x03"[..], &RETRY, b"\0\x13\x01\0"].concat()), &[]));
    hellos
}

/// SHA-256 of `HelloRetryRequest`.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let all = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &counted(content)].concat());
    let all: Vec<u8> = all.collect();
    [b"\x03\x03", &[7; 32][..], b"\0\0\x04\x13\x01\xc0\x2f\x01\0", &counted(&all)].concat()
}

fn counted(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&length[..], content].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn records(message: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([message.len()]) {
        bytes.extend(b"\x16\x03\x01");
        bytes.extend(counted(&message[at..cut]));
        at = cut;
    }
    bytes
}

pub(crate) fn requests() -> Vec<Vec<u8>> {
    let text: [&str; 12] = [
        "GET / HTTP/1.1\r\nHost: one.test\r\nAccept: */*\r\n\r\n",
        "GET http://one.test/x HTTP/1.1\r\nhost: one.test\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: one.test:80\r\n\r\nGET / HTTP/1.0\r\nHost: one.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 11\r\n\r\nhello worldGET / HTTP/1.1\r\nHost: one.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0a\r\n, world...\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: one.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: two\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: one.test\r\n\r\nGET / HTTP/1.1\r\nHost: two.test\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: one.test\r\nUpgrade: h2c\r\n\r\n",
        "CONNECT one.test:80 HTTP/1.1\r\nHost: one.test\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ];
    text.into_iter().map(|text| text.as_bytes().to_vec()).collect()
}
