//! Real sockets, redirected by real rules, in a network namespace of each test's own.

mod endpoints;
mod http;
mod limits;
mod openssl;
mod record;
mod tcp;
mod tls;
mod world;

use std::time::Duration;

use kiln_net::record::Reason;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use self::world::World;

/// On one machine, with others at work.
const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Bytes(Vec<u8>),
    /// An orderly end.
    End,
    Reset,
}

/// Until there are `count`, or it ends.
async fn hear(stream: &mut TcpStream, count: usize) -> Heard {
    let mut bytes = vec![0; count];
    let mut read = 0;
    while read < count {
        let more = timeout(SOON, stream.read(&mut bytes[read..])).await.expect("in time");
        match more {
            Ok(0) if read == 0 => return Heard::End,
            Ok(0) => break,
            Ok(more) => read += more,
            Err(_) => return Heard::Reset,
        }
    }
    bytes.truncate(read);
    Heard::Bytes(bytes)
}

/// The guest says `bytes` to an echo at `address`, and they reach it.
async fn passes(world: &World, address: &str, bytes: &[u8]) {
    let mut guest = world.connect(address).await;
    guest.write_all(bytes).await.expect("said");
    assert_eq!(hear(&mut guest, bytes.len()).await, Heard::Bytes(bytes.to_vec()));
}

/// It is told no, the host hears nothing of it, and the record has it.
async fn refused(world: &World, address: &str, bytes: &[u8], name: Option<&str>, reason: Reason) {
    let heard = world.heard();
    let mut guest = world.connect(address).await;
    // Some are told no before they have said it all.
    let _ = guest.write_all(bytes).await;
    assert_eq!(hear(&mut guest, 1).await, Heard::Reset, "{reason:?}");
    assert_eq!(world.heard(), heard, "{reason:?}");
    let refusals = world.refusals();
    let expected = (name.map(str::to_owned), address.parse().expect("an address"), reason);
    assert_eq!(refusals.last(), Some(&expected), "{refusals:?}");
}
