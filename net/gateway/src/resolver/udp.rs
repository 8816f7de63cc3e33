//! One datagram, one question.

use std::{io, sync::Arc};

use tokio::{net::UdpSocket, sync::Semaphore, task::JoinSet};

use super::{Most, Resolver, question};
use crate::control::transient;

/// What is beyond it is not read until one is answered; the kernel's buffer drops the rest.
const MAX_AT_ONCE: usize = 256;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

pub(super) async fn serve(resolver: Resolver, socket: UdpSocket) -> io::Error {
    let socket = Arc::new(socket);
    let room = Arc::new(Semaphore::new(MAX_AT_ONCE));
    let mut answers = JoinSet::new();
    // One more byte tells a question that is too long from one that fits.
    let mut buffer = vec![0; question::MAX_BYTES + 1];
    loop {
        while answers.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { continue };
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A guest's own ICMP errors come back here.
            Err(error) if transient(&error) || is_remote(&error) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return error,
        };
        let message = buffer[..length].to_vec();
        let (resolver, socket) = (resolver.clone(), Arc::clone(&socket));
        answers.spawn(async move {
            if let Some(reply) = resolver.answer(&message, Most::Datagram).await {
                // Who asked asks again.
                let _ = socket.send_to(&reply, from).await;
            }
            drop(permit);
        });
    }
}

fn is_remote(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    )
}
