//! What the agent tells process 1: where the new root is, and what to become in it.
//!
//! The bytes are the length, and then strings that end in NUL; the agent's own root comes along with the
//! first of them. Both ends are the same program.

use std::{
    ffi::{CStr, CString},
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What the host can say in one message is less.
const MAX_BYTES: u32 = 16 << 20;
const LENGTH_BYTES: usize = size_of::<u32>();

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// As the agent sees it.
    pub(super) new_root: CString,
    /// In it, absolute.
    pub(super) program: CString,
    pub(super) argv: Vec<CString>,
}

impl Order {
    pub(super) fn send(&self, socket: &UnixStream, root: BorrowedFd<'_>) -> io::Result<()> {
        let bytes = self.encode();
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let rights = [root];
        if !control.push(SendAncillaryMessage::ScmRights(&rights)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let sent = sendmsg(socket, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL)?;
        if sent != LENGTH_BYTES {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let mut socket = socket;
        socket.write_all(&bytes)
    }

    /// Waits for it; with the agent's root.
    pub(super) fn receive(socket: &UnixStream) -> io::Result<(Self, OwnedFd)> {
        let mut length = [0; LENGTH_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut length)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
        if recvmsg(socket, &mut parts, &mut control, flags)?.bytes != LENGTH_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        });
        let root = rights.next().and_then(|mut rights| rights.next());
        let root = root.ok_or(io::ErrorKind::InvalidData)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let mut socket = socket;
        socket.read_exact(&mut bytes)?;
        Ok((Self::decode(&bytes).ok_or(io::ErrorKind::InvalidData)?, root))
    }

    fn encode(&self) -> Vec<u8> {
        let strings = [&self.new_root, &self.program].into_iter().chain(&self.argv);
        strings.flat_map(CString::as_bytes_with_nul).copied().collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let pieces = bytes.split_inclusive(|byte| *byte == 0);
        let strings = pieces.map(|piece| CStr::from_bytes_with_nul(piece).ok().map(CStr::to_owned));
        let mut strings = strings.collect::<Option<Vec<_>>>()?.into_iter();
        let (new_root, program) = (strings.next()?, strings.next()?);
        let argv: Vec<_> = strings.collect();
        (!argv.is_empty()).then_some(Self { new_root, program, argv })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::fs::{Mode, OFlags, fstat};

    use super::*;

    fn order(arguments: &[&str]) -> Order {
        let argv = arguments.iter().map(|argument| CString::new(*argument).unwrap()).collect();
        Order { new_root: c"/run/root".into(), program: c"/sbin/init".into(), argv }
    }

    #[test]
    fn it_passes_the_socket_with_the_root() {
        for arguments in [&["init"][..], &["init", "", "a b", "\u{1f525}"]] {
            let order = order(arguments);
            let (near, far) = UnixStream::pair().unwrap();
            let place = tempfile::tempdir().unwrap();
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let root = rustix::fs::open(place.path(), flags, Mode::empty()).unwrap();
            order.send(&near, root.as_fd()).unwrap();
            let (received, received_root) = Order::receive(&far).unwrap();
            assert_eq!(received, order);
            assert_eq!(fstat(&received_root).unwrap().st_ino, fstat(&root).unwrap().st_ino);
        }
    }

    #[test]
    fn an_agent_that_dies_orders_nothing() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        let error = Order::receive(&far).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn half_an_order_is_none() {
        let bytes = order(&["init", "a"]).encode();
        assert_eq!(Order::decode(&bytes), Some(order(&["init", "a"])));
        for end in [0, 5, bytes.len() - 1] {
            assert_eq!(Order::decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Order::decode(b"/run/root\0/sbin/init\0"), None);
    }
}
