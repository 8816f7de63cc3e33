//! Messages between kilnd and its helper: one packet each, so that a message comes whole or is seen
//! not to have.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
        sendmsg, socketpair,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// An order with some hundred paths is a tenth of that; the kernel's own limit is above it.
pub const MAX_MESSAGE_BYTES: usize = 128 << 10;
/// More than any message has; with more the kernel says that it cut them off.
const MAX_DESCRIPTORS: usize = 4;

/// One end.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// What came.
#[derive(Debug)]
pub struct Message<T> {
    pub body: T,
    pub descriptors: Vec<OwnedFd>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side has closed its end, or has died.
    #[error("the other side is gone")]
    Gone,
    #[error("a message of {bytes} bytes is longer than {MAX_MESSAGE_BYTES}")]
    TooLong { bytes: usize },
    #[error("a message was cut off")]
    Truncated,
    #[error("too many descriptors came with a message")]
    Descriptors,
    #[error("a message is not understood")]
    Garbled(#[from] serde_json::Error),
    #[error("the channel cannot be used")]
    Io(#[source] io::Error),
}

impl Channel {
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self::new(one), Self::new(other)))
    }

    pub fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    pub fn send<T: Serialize>(
        &self,
        body: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        self.send_bytes(&serde_json::to_vec(body)?, descriptors)
    }

    /// As it is.
    pub fn send_bytes(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(ChannelError::TooLong { bytes: bytes.len() });
        }
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + 1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(ChannelError::Descriptors);
        }
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
            {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(ChannelError::Gone),
                Err(error) => return Err(ChannelError::Io(error.into())),
            }
        }
    }

    /// Waits for a message.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Message<T>, ChannelError> {
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            match recvmsg(
                self.socket.as_fd(),
                &mut [IoSliceMut::new(&mut buffer)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Ok(received) => break received,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(ChannelError::Gone),
                Err(error) => return Err(ChannelError::Io(error.into())),
            }
        };
        // Taken over before anything is judged: what is refused is closed.
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        // The kernel rounds up what there is room for.
        let many = descriptors.len() > MAX_DESCRIPTORS;
        if many || received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(ChannelError::Descriptors);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(ChannelError::Truncated);
        }
        if received.bytes == 0 {
            // An empty message says nothing either.
            return Err(ChannelError::Gone);
        }
        let body = serde_json::from_slice(&buffer[..received.bytes])?;
        Ok(Message { body, descriptors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_whole_with_its_descriptors() {
        let (one, other) = Channel::pair().unwrap();
        let text = "x".repeat(MAX_MESSAGE_BYTES - 2);
        one.send(&text, &[one.socket().as_fd(), other.socket().as_fd()]).unwrap();
        let message = other.receive::<String>().unwrap();
        assert_eq!((message.body, message.descriptors.len()), (text, 2));
    }

    #[test]
    fn what_is_too_much_or_no_message_is_told_apart() {
        let (one, other) = Channel::pair().unwrap();
        let long = "x".repeat(MAX_MESSAGE_BYTES);
        assert!(matches!(one.send(&long, &[]), Err(ChannelError::TooLong { .. })));
        let socket = one.socket().as_fd();
        one.send(&"five", &[socket; MAX_DESCRIPTORS + 1]).unwrap();
        assert!(matches!(other.receive::<String>(), Err(ChannelError::Descriptors)));
        one.send_bytes(b"{", &[]).unwrap();
        assert!(matches!(other.receive::<String>(), Err(ChannelError::Garbled(_))));
        // Past our own check, as somebody else's program may send it.
        let more = vec![b' '; MAX_MESSAGE_BYTES + 1];
        rustix::net::send(one.socket(), &more, SendFlags::empty()).unwrap();
        assert!(matches!(other.receive::<String>(), Err(ChannelError::Truncated)));
        drop(one);
        assert!(matches!(other.receive::<String>(), Err(ChannelError::Gone)));
    }
}
