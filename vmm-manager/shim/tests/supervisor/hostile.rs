//! Clients that do not keep to the rules.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use kiln_shim::{Ask, Body, SOCKET};

use crate::{
    client::Client,
    memory::private_bytes,
    shim::{PATIENCE, Shim, console, shell, until},
};

fn connect(shim: &Shim) -> UnixStream {
    let stream = UnixStream::connect(shim.file(SOCKET)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn is_served(shim: &Shim) {
    let begin = Instant::now();
    assert!(matches!(Client::connect(shim).ask(Ask::Status), Body::Status(_)));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn what_is_no_conversation_is_ended_and_harms_nobody() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let mut long = vec![b'x'; 1 << 20];
    long.push(b'\n');
    let greeted =
        format!("{{\"major\":1,\"minor\":0,\"instance\":\"{}\"}}\n", crate::shim::INSTANCE);
    for junk in [
        b"\n".to_vec(),
        b"{\n".to_vec(),
        b"null\n".to_vec(),
        b"\xff\xfe\x00\n".to_vec(),
        b"{\"major\":-1}\n".to_vec(),
        b"{\"major\":1,\"minor\":0}\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        long,
        format!("{greeted}{{\"ask\":\"status\"}}\n").into_bytes(),
        format!("{greeted}{{\"id\":\"x\",\"ask\":\"status\"}}\n").into_bytes(),
        format!("{greeted}[[[[[[[[\n").into_bytes(),
    ] {
        let mut stream = connect(&shim);
        // It may be ended before all of it is said.
        let _ended = stream.write_all(&junk);
        let mut said = Vec::new();
        let _reset = stream.read_to_end(&mut said);
        is_served(&shim);
    }
}

#[test]
fn clients_that_keep_silent_keep_nobody_out() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let silent: Vec<_> = (0..40).map(|_| connect(&shim)).collect();
    is_served(&shim);
    // Those who still are connected are not for ever.
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    }
}

#[test]
fn clients_that_do_not_read_cost_little_and_block_nobody() {
    let flood = "i=0; while [ $i -lt 2000 ]; do echo 0123456789012345678901234567890123456789; \
                 i=$((i+1)); done; exec sleep 1000";
    let shim = Shim::of(vec![console("vmm", flood)]);
    let mut client = Client::connect(&shim);
    until(|| (client.serial().1 > 10_000).then_some(()));
    let deaf: Vec<_> = (0..10)
        .map(|_| {
            let mut client = Client::connect(&shim);
            for _ in 0..50 {
                client.begin("serial");
            }
            client
        })
        .collect();
    is_served(&shim);
    let bytes = private_bytes(shim.process.pid);
    assert!(bytes < 8 << 20, "{bytes} private bytes with ten clients that do not read");
    drop(deaf);
    is_served(&shim);
}

#[test]
fn questions_that_wait_are_bounded() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let mut client = Client::connect(&shim);
    for _ in 0..9 {
        client.begin("wait");
    }
    assert!(client.hear().is_none());
    is_served(&shim);
}

#[test]
fn a_conversation_in_pieces_is_understood() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let mut stream = connect(&shim);
    let said = format!(
        "{{\"major\":1,\"minor\":0,\"instance\":\"{}\"}}\n{{\"id\":1,\"ask\":\"status\"}}\n{{\"id\":2,\"ask\":\"stopping\"}}\n",
        crate::shim::INSTANCE
    );
    for byte in said.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut heard = String::new();
    until(|| {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        (heard.lines().count() == 3 && heard.ends_with('\n')).then_some(())
    });
    assert!(heard.lines().last().unwrap().contains("noted"), "{heard}");
}
