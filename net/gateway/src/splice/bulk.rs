//! Much from one connection to another: by the kernel, without a copy through this process.

use std::io;

use rustix::{
    fd::AsFd,
    pipe::{PipeFlags, SpliceFlags, pipe_with, splice},
};
use tokio::{
    io::{DuplexStream, Interest, ReadHalf, WriteHalf},
    net::{TcpStream, tcp, unix},
};

/// What a pipe holds when nobody has asked for more.
const PIPE_BYTES: usize = 64 << 10;

/// An end that the kernel can take from or give to.
pub(crate) trait Bulk {
    fn stream(&self) -> Option<&TcpStream>;
}

impl Bulk for tcp::ReadHalf<'_> {
    fn stream(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

impl Bulk for tcp::WriteHalf<'_> {
    fn stream(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

macro_rules! not_by_the_kernel {
    ($($half:ty),*) => {
        $(impl Bulk for $half {
            fn stream(&self) -> Option<&TcpStream> {
                None
            }
        })*
    };
}

// An endpoint's stream is short of being worth it, and what a test makes up has no descriptor.
not_by_the_kernel!(
    unix::ReadHalf<'_>,
    unix::WriteHalf<'_>,
    ReadHalf<DuplexStream>,
    WriteHalf<DuplexStream>
);

/// Until `from` ends. `None`: there is no pipe to be had, and nothing was moved.
pub(super) async fn bulk(
    from: &TcpStream,
    to: &TcpStream,
    count: &impl Fn(usize),
) -> Option<io::Result<()>> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    let step = |from: &dyn AsFd, to: &dyn AsFd, bytes| {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        Ok(splice(from.as_fd(), None, to.as_fd(), None, bytes, flags)?)
    };
    let all = async {
        loop {
            // The pipe is empty: what has to be waited for is `from`.
            let taken = from.async_io(Interest::READABLE, || step(from, &into, PIPE_BYTES)).await?;
            if taken == 0 {
                return Ok(());
            }
            let mut left = taken;
            while left > 0 {
                // The pipe is not: it is `to`.
                let given = to.async_io(Interest::WRITABLE, || step(&out, to, left)).await?;
                if given == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                count(given);
                left -= given;
            }
        }
    };
    Some(all.await)
}
