//! What is there before Kiln is.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, UdpSocket},
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kiln_net::{namespace::Namespace, sysctl};

use super::{
    PATIENCE,
    address::{HOST, HOST6, SERVER, SERVER6},
};
/// A line of `ip` each, in one process.
pub(crate) fn ip(namespace: &Namespace, lines: &str) {
    let done = namespace.enter(|| {
        let mut ip = Command::new("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        io::Write::write_all(&mut ip.stdin.take().unwrap(), lines.as_bytes())?;
        ip.wait_with_output()
    });
    let done = done.unwrap();
    assert!(done.status.success(), "{lines}: {}", String::from_utf8_lossy(&done.stderr));
}

pub(crate) fn set(namespace: &Namespace, settings: &[(&str, &str)]) {
    namespace
        .enter(|| {
            settings.iter().try_for_each(|(name, value)| {
                sysctl::set_if_there(name, value).map_err(io::Error::other)
            })
        })
        .unwrap();
}

/// The host's links, and those of the internet, which is where the host's default routes lead.
pub(super) fn host(internet: &Namespace) -> Namespace {
    let host = Namespace::make().unwrap();
    let descriptor = internet.descriptor().unwrap();
    // A path that any process can open.
    let peer = format!("/proc/{}/fd/{}", std::process::id(), descriptor.as_raw_fd());
    ip(
        &host,
        &format!(
            "link set lo up\nlink add wan type veth peer name outside netns {peer}\n\
             address add {HOST}/24 dev wan\naddress add {HOST6}/64 dev wan nodad\n\
             link set wan up\nroute add default via {SERVER}\n"
        ),
    );
    ip(
        internet,
        &format!(
            "link set lo up\naddress add {SERVER}/24 dev outside\n\
             address add {SERVER6}/64 dev outside nodad\nlink set outside up\n"
        ),
    );
    ip6(&host, &["route", "add", "default", "via", &SERVER6.to_string()]);
    host
}

/// A link that is up is one that IPv6 uses up to a second later.
pub(super) fn wait_for_way(namespace: &Namespace, to: IpAddr) {
    let deadline = Instant::now() + PATIENCE;
    let connected = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?.connect((to, 9));
    while namespace.enter(connected).is_err() {
        assert!(Instant::now() < deadline, "there is no way to {to}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a batch takes only of one family.
pub(crate) fn ip6(namespace: &Namespace, arguments: &[&str]) {
    let done = namespace.enter(|| Command::new("ip").arg("-6").args(arguments).output()).unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}
