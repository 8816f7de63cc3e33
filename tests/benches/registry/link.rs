//! A link of so many bytes a second to a registry outside, shared by all who use it.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// 1 Gbit/s.
const BYTES_PER_SECOND: f64 = 125e6;
const PIECE: usize = 64 << 10;

/// When the link is free again.
#[derive(Debug)]
struct Free(Mutex<Instant>);

/// Relays until the process ends.
pub(crate) fn start(listener: TcpListener, far: SocketAddr) {
    let free = Arc::new(Free(Mutex::new(Instant::now())));
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(far) else { continue };
            let (Ok(near_again), Ok(far_again)) = (near.try_clone(), far.try_clone()) else {
                continue;
            };
            thread::spawn(move || pass(near, far, |_| {}));
            let free = Arc::clone(&free);
            thread::spawn(move || pass(far_again, near_again, |bytes| free.take(bytes)));
        }
    });
}

impl Free {
    /// Waits for its turn.
    fn take(&self, bytes: usize) {
        let seconds = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / BYTES_PER_SECOND;
        let until = {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *free = (*free).max(Instant::now()) + Duration::from_secs_f64(seconds);
            *free
        };
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, pace: impl Fn(usize)) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        pace(read);
        to.write_all(&piece[..read])?;
    }
}
