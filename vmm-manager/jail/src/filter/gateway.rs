//! A machine's gateway: it reads what its guest sends, and answers and dials in its network.
//!
//! What it listens on, it was given. It makes sockets for streams and datagrams over TCP, UDP or a
//! path, and no others: none that sees frames, none to the kernel's own services.

use super::{
    calls::{Calls, Condition},
    everywhere::without_own_code,
};

/// Beside the kind of a socket: that it is closed on exec, and does not wait.
const KIND: u32 = !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned();

pub(super) fn add(calls: &mut Calls) {
    without_own_code(calls);
    for call in NEEDLESS {
        calls.never(*call);
    }
    // From a connection to another without a copy.
    calls.always(&[libc::SYS_splice]);
    calls.never(libc::SYS_socket);
    let (stream, datagram) = (libc::SOCK_STREAM, libc::SOCK_DGRAM);
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in
            [(stream, 0), (stream, libc::IPPROTO_TCP), (datagram, 0), (datagram, libc::IPPROTO_UDP)]
        {
            socket(calls, family, kind, protocol);
        }
    }
    socket(calls, libc::AF_UNIX, stream, 0);
    socket(calls, libc::AF_UNIX, datagram, 0);
    options(calls);
}

fn socket(calls: &mut Calls, family: i32, kind: i32, protocol: i32) {
    let [family, kind, protocol] = [family, kind, protocol].map(i32::cast_unsigned);
    let kind = Condition { argument: 1, mask: KIND, value: kind };
    calls.case(libc::SYS_socket, &[Condition::is(0, family), kind, Condition::is(2, protocol)]);
}

/// Those of a connection; none that gives the kernel a program, or a part of it that is not loaded.
fn options(calls: &mut Calls) {
    calls.never(libc::SYS_setsockopt);
    for (level, options) in OPTIONS {
        for option in *options {
            let conditions = [(1, *level), (2, *option)];
            let conditions =
                conditions.map(|(argument, value)| Condition::is(argument, value.cast_unsigned()));
            calls.case(libc::SYS_setsockopt, &conditions);
        }
    }
}

const OPTIONS: &[(i32, &[i32])] = &[
    (
        libc::SOL_SOCKET,
        &[
            libc::SO_BROADCAST,
            libc::SO_KEEPALIVE,
            libc::SO_LINGER,
            libc::SO_RCVBUF,
            libc::SO_RCVTIMEO,
            libc::SO_REUSEADDR,
            libc::SO_SNDBUF,
            libc::SO_SNDTIMEO,
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            libc::TCP_CORK,
            libc::TCP_DEFER_ACCEPT,
            libc::TCP_KEEPCNT,
            libc::TCP_KEEPIDLE,
            libc::TCP_KEEPINTVL,
            libc::TCP_NODELAY,
            libc::TCP_NOTSENT_LOWAT,
            libc::TCP_QUICKACK,
            libc::TCP_SYNCNT,
            libc::TCP_USER_TIMEOUT,
        ],
    ),
    (libc::IPPROTO_IP, &[libc::IP_MTU_DISCOVER, libc::IP_PKTINFO, libc::IP_RECVERR, libc::IP_TTL]),
    (
        libc::IPPROTO_IPV6,
        &[
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_RECVERR,
            libc::IPV6_RECVPKTINFO,
            libc::IPV6_UNICAST_HOPS,
            libc::IPV6_V6ONLY,
        ],
    ),
];

/// Of what every program may do: a gateway makes and removes no file, and has no place of its own.
const NEEDLESS: &[i64] = &[
    libc::SYS_bind,
    libc::SYS_fallocate,
    libc::SYS_getdents64,
    libc::SYS_listen,
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];
