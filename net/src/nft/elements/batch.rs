//! A transaction, and the socket that it goes through.

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with, sockopt,
    },
};
use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use super::{
    ElementsError, LISTED,
    message::{self, Element, HEADER_BYTES, Request},
};

/// The kernel answers within the call that sends; this is for one that does not answer at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// A few of the kernel's grace periods.
const OUT_OF_USE: Duration = Duration::from_millis(100);
const ANSWER_BYTES: usize = 64 << 10;
const TRANSACTION_BYTES: usize = 1 << 20;
const ERROR: u16 = 2;

#[derive(Debug)]
pub(super) struct Batch {
    /// Until it is dropped.
    socket: Option<OwnedFd>,
    messages: Vec<u8>,
    /// The table and set of each message, by sequence number less one.
    about: Vec<(String, String)>,
}

/// A message of the kernel's.
struct Answer {
    sequence: u32,
    /// An acknowledgement is an error of number 0.
    error: Option<i32>,
}

impl Batch {
    pub(super) fn open() -> Result<Self, ElementsError> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::NETFILTER),
        )
        .map_err(ElementsError::Netlink)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))
            .map_err(ElementsError::Netlink)?;
        acknowledge_briefly(&socket).map_err(ElementsError::Netlink)?;
        // The transaction is one message to it.
        sockopt::set_socket_send_buffer_size(&socket, TRANSACTION_BYTES)
            .map_err(ElementsError::Netlink)?;
        Ok(Self { socket: Some(socket), messages: Vec::new(), about: Vec::new() })
    }

    pub(super) fn add(&mut self, request: Request, table: &str, set: &str, elements: &[Element]) {
        let lists = match request {
            Request::Flush => vec![elements],
            _ => elements.chunks(LISTED).collect(),
        };
        for list in lists {
            self.about.push((table.to_owned(), set.to_owned()));
            let sequence = self.last();
            self.messages.extend(message::elements(request, sequence, table, set, list));
        }
    }

    fn last(&self) -> u32 {
        u32::try_from(self.about.len()).unwrap_or(u32::MAX)
    }

    /// Returns when all of it holds; an error means that none does.
    pub(super) fn commit(&mut self) -> Result<(), ElementsError> {
        let last = self.last();
        let mut batch = message::begin(0);
        batch.append(&mut self.messages);
        batch.extend(message::end(last + 1));
        self.send(&batch)?;
        // Every message asked to be acknowledged. One that fails is told of, and ends the rest.
        let mut acknowledged = 0;
        while acknowledged < last {
            for Answer { sequence, error } in self.receive()? {
                match error {
                    Some(0) => acknowledged += 1,
                    Some(number) => {
                        let about = usize::try_from(sequence)
                            .ok()
                            .and_then(|sequence| self.about.get(sequence.checked_sub(1)?));
                        let (table, set) = about.cloned().unwrap_or_default();
                        let source = Errno::from_raw_os_error(-number);
                        return Err(ElementsError::Refused { table, set, source });
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// That the set has all of them.
    pub(super) fn look_up(
        &mut self,
        table: &str,
        set: &str,
        elements: &[Element],
    ) -> Result<(), ElementsError> {
        let lost = || ElementsError::Lost { table: table.to_owned(), set: set.to_owned() };
        // One each: an answer to many could overrun what the socket holds for us.
        for some in elements.chunks(64) {
            self.send(&message::elements(Request::LookUp, 0, table, set, some))?;
            let mut found = 0;
            while found < some.len() {
                for Answer { error, .. } in self.receive()? {
                    match error {
                        Some(_) => return Err(lost()),
                        None => found += 1,
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> Result<(), ElementsError> {
        let socket = self.socket.as_ref().ok_or(ElementsError::Malformed)?;
        send(socket, bytes, SendFlags::empty()).map(drop).map_err(ElementsError::Netlink)
    }

    fn receive(&self) -> Result<Vec<Answer>, ElementsError> {
        let mut buffer = vec![0; ANSWER_BYTES];
        let socket = self.socket.as_ref().ok_or(ElementsError::Malformed)?;
        let (length, _) =
            recv(socket, &mut buffer[..], RecvFlags::empty()).map_err(ElementsError::Netlink)?;
        answers(buffer.get(..length).unwrap_or_default()).ok_or(ElementsError::Malformed)
    }
}

/// The kernel holds who closes such a socket until all that was deleted is out of use, twenty times
/// as long as the transaction took, and every other transaction of the namespace with it
/// (`nft_rcv_nl_event`). A guest waits for us: another thread closes it, when that is over.
impl Drop for Batch {
    fn drop(&mut self) {
        let socket = self.socket.take();
        // Without a thread it is closed here.
        let _ = thread::Builder::new().spawn(move || {
            thread::sleep(OUT_OF_USE);
            drop(socket);
        });
    }
}

/// An error comes without the message that it is about, which could be too much for the socket.
fn acknowledge_briefly(socket: &OwnedFd) -> Result<(), Errno> {
    let yes: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&yes)).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value is one, and of that length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_CAP_ACK,
            (&raw const yes).cast(),
            length,
        )
    };
    if done == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

fn answers(mut bytes: &[u8]) -> Option<Vec<Answer>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(u32::from_ne_bytes(field(bytes, 0)?)).ok()?;
        let message = bytes.get(..length).filter(|_| length >= HEADER_BYTES)?;
        let kind = u16::from_ne_bytes(field(message, 4)?);
        let error = match kind {
            ERROR => Some(i32::from_ne_bytes(field(message, HEADER_BYTES)?)),
            _ => None,
        };
        answers.push(Answer { sequence: u32::from_ne_bytes(field(message, 8)?), error });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(answers)
}

fn field<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<[u8; BYTES]> {
    bytes.get(at..at + BYTES)?.try_into().ok()
}
