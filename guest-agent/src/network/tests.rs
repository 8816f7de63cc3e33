use std::{
    net::IpAddr,
    process::{Command, Output},
};

use kiln_proto::agent::v1;
use rustix::io::Errno;

use super::{
    Network,
    message::{Wanted, verdict},
    resolver,
};

const MAC: [u8; 6] = [2, 0x4b, 0x69, 0x6c, 0x6e, 2];

fn wire() -> v1::Network {
    v1::Network {
        mac: MAC.to_vec().into(),
        gateway_mac: vec![2, 0x4b, 0x69, 0x6c, 0x6e, 1].into(),
        mtu: 1500,
        ipv4: Some(v1::NetworkAddress {
            address: vec![192, 0, 2, 2].into(),
            prefix: 30,
            gateway: vec![192, 0, 2, 1].into(),
        }),
        ipv6: None,
        registry: String::new(),
    }
}

fn six() -> v1::NetworkAddress {
    let address = |last| {
        let mut octets = vec![0x20, 1, 0x0d, 0xb8];
        octets.resize(15, 0);
        octets.push(last);
        octets.into()
    };
    v1::NetworkAddress { address: address(2), prefix: 126, gateway: address(1) }
}

fn check(change: impl FnOnce(&mut v1::Network), expected: &str) {
    let mut network = wire();
    change(&mut network);
    match Network::try_from(network) {
        Ok(_) => assert_eq!(expected, ""),
        Err(error) => assert_eq!(error.to_string(), format!("the network's {expected}")),
    }
}

#[test]
fn a_network_is_checked() {
    let four = |change: fn(&mut v1::NetworkAddress)| {
        move |network: &mut v1::Network| change(network.ipv4.as_mut().unwrap())
    };
    check(|_| {}, "");
    check(|network| network.ipv6 = Some(six()), "");
    check(|network| network.gateway_mac.clear(), "");
    check(|network| network.mac.clear(), "mac is of another length");
    check(|network| network.gateway_mac = vec![1; 5].into(), "gateway_mac is of another length");
    check(|network| network.ipv4 = None, "ipv4 is missing");
    check(|network| network.ipv4 = Some(six()), "ipv4 is of another length");
    check(|network| network.mtu = 575, "mtu is not 576 (with IPv6 1280) to 65535");
    check(
        |network| (network.mtu, network.ipv6) = (1279, Some(six())),
        "mtu is not 576 (with IPv6 1280) to 65535",
    );
    check(four(|four| four.prefix = 33), "ipv4 is no prefix of its family");
    check(four(|four| four.prefix = 31), "ipv4 is not in one block with its gateway");
    let alone = four(|four| four.gateway = four.address.clone());
    check(alone, "ipv4 is not in one block with its gateway");
}

#[test]
fn messages_are_as_the_kernel_wants_them() {
    let address = IpAddr::from([192, 0, 2, 2]);
    let bytes = Wanted::Address { address, prefix: 30 }.message(3).bytes(7);
    let expected: &[&[u8]] = &[
        &40_u32.to_ne_bytes(),
        &20_u16.to_ne_bytes(),
        &0x505_u16.to_ne_bytes(),
        &7_u32.to_ne_bytes(),
        &0_u32.to_ne_bytes(),
        &[2, 30, 2, 0],
        &3_u32.to_ne_bytes(),
        &8_u16.to_ne_bytes(),
        &2_u16.to_ne_bytes(),
        &[192, 0, 2, 2],
        &8_u16.to_ne_bytes(),
        &1_u16.to_ne_bytes(),
        &[192, 0, 2, 2],
    ];
    assert_eq!(bytes, expected.concat());
    let mac = Wanted::Neighbour { address, mac: MAC }.message(3).bytes(1);
    // Attributes begin at multiples of four.
    assert_eq!((mac.len(), &mac[mac.len() - 2..]), (16 + 12 + 8 + 12, &[0_u8, 0][..]));
}

#[test]
fn only_an_answer_to_the_question_is_one() {
    let answer = |kind: u16, number: u32, code: i32| {
        let parts: [&[u8]; 6] = [
            &36_u32.to_ne_bytes(),
            &kind.to_ne_bytes(),
            &[0, 0],
            &number.to_ne_bytes(),
            &[0; 4],
            &code.to_ne_bytes(),
        ];
        parts.concat()
    };
    let heard = |datagram: &[u8]| {
        let heard = verdict(datagram, 5);
        heard.map(|result| result.map_err(|error| error.raw_os_error()))
    };
    assert_eq!(heard(&answer(2, 5, 0)), Some(Ok(())));
    assert_eq!(heard(&answer(2, 5, -13)), Some(Err(Some(Errno::ACCESS.raw_os_error()))));
    assert_eq!(heard(&answer(2, 4, 0)), None);
    assert_eq!(heard(&answer(16, 5, 0)), None);
    assert_eq!(heard(&answer(2, 5, 0)[..19]), None);
    assert_eq!(heard(&[]), None);
}

#[test]
fn the_gateway_is_the_resolver() {
    let network = Network::try_from(v1::Network { ipv6: Some(six()), ..wire() }).unwrap();
    assert_eq!(resolver::text(&network), "nameserver 192.0.2.1\n");
}

/// In a network namespace of its own, in which this test is run once more.
#[test]
fn a_device_is_set_up_by_the_kernel() {
    const INSIDE: &str = "KILN_AGENT_IN_A_NAMESPACE";
    if std::env::var_os(INSIDE).is_none() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let this = std::env::current_exe().unwrap();
        let name = "network::tests::a_device_is_set_up_by_the_kernel";
        // The kernel shows devices in a /sys that was mounted where they are.
        let script = r#"mount -t sysfs sysfs /sys && exec "$0" "$@""#;
        let mut again = Command::new("unshare");
        again.args(["--net", "--mount", "sh", "-c", script]).arg(this);
        again.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
        let Output { status, stdout, stderr } = again.output().unwrap();
        let said = [stdout, stderr].concat();
        assert!(status.success(), "{}", String::from_utf8_lossy(&said));
        return;
    }
    let ip = |arguments: &str| {
        let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    ip("link add guest0 address 02:4b:69:6c:6e:02 type veth peer name other");
    ip("link set other up");
    let network = Network::try_from(v1::Network { ipv6: Some(six()), ..wire() }).unwrap();
    for _ in 0..2 {
        apply(&network);
        let shown = ip("-o addr show dev guest0");
        assert!(shown.contains("inet 192.0.2.2/30 "), "{shown}");
        assert!(shown.contains("inet6 2001:db8::2/126 scope global"), "{shown}");
        assert!(!shown.contains("fe80:") && !shown.contains("tentative"), "{shown}");
        assert!(ip("link show dev guest0").contains("mtu 1500"), "the link");
        assert_eq!(ip("route show default").trim(), "default via 192.0.2.1 dev guest0");
        assert!(ip("-6 route show default").contains("via 2001:db8::1 dev guest0"));
        let neighbours = ip("neigh show dev guest0");
        assert_eq!(
            neighbours.matches("lladdr 02:4b:69:6c:6e:01 PERMANENT").count(),
            2,
            "{neighbours}"
        );
    }
    let without = Network { ipv6: None, ..network };
    apply(&without);
    assert_eq!(ip("-6 addr show dev guest0").trim(), "");
    let missing = Network { mac: [2; 6], ..network };
    let error = super::Device::find(missing.mac).unwrap_err();
    assert!(error.to_string().contains("02:02:02:02:02:02; there are: "), "{error}");
}

/// All but the file, which would be this machine's own.
fn apply(network: &Network) {
    super::configure(network).unwrap();
}
