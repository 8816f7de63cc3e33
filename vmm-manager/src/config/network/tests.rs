use clap::Parser;

use super::*;

#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    network: NetworkFlags,
}

fn resolved(arguments: &str) -> Result<Option<NetworkConfig>, String> {
    let arguments = ["kilnd"].into_iter().chain(arguments.split_whitespace());
    let flags = Alone::try_parse_from(arguments).map_err(|error| error.to_string())?;
    NetworkConfig::resolve(flags.network).map_err(|error| error.to_string())
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

#[test]
fn without_a_word_there_is_a_network_of_ipv4() {
    let config = resolved("").unwrap().unwrap();
    assert_eq!(config.pools, [cidr("198.18.0.0/16")]);
    let link = config.link;
    assert_eq!(link.gateway, Ipv4Addr::new(198, 19, 255, 253));
    assert_eq!((link.guest, link.six), (Ipv4Addr::new(198, 19, 255, 254), None));
    assert_eq!((config.never, config.resolvers), (vec![], Resolvers::System));
    assert_eq!(config.limits, DEFAULT_LIMITS);
    assert_eq!(resolved("--no-network"), Ok(None));
}

#[test]
fn a_block_of_ipv6_turns_it_on() {
    let config = resolved("--guest-pool 203.0.113.0/24,2001:db8::/64").unwrap().unwrap();
    let six = config.link.six.unwrap();
    assert_eq!(six.gateway, "fd4b:696c:6e::1".parse::<Ipv6Addr>().unwrap());
    assert_eq!(six.guest, "fd4b:696c:6e::2".parse::<Ipv6Addr>().unwrap());
}

#[test]
fn what_can_be_no_network_is_refused() {
    let check = |arguments: &str, expected: &str| {
        let error = resolved(arguments).unwrap_err();
        assert!(error.contains(expected), "{arguments}: {error}");
    };
    check("--guest-pool 203.0.113.0/31", "between a /8 and a /30");
    check("--guest-pool 8.0.0.0/7", "between a /8 and a /30");
    check("--guest-pool 2001:db8::/64", "no block of IPv4");
    check("--guest-pool 203.0.113.0/24,2001:db8::/120", "fewer addresses");
    check("--guest-pool 203.0.113.0/24,2001:db8::/64,2001:db8:1::/64", "more than one");
    check("--guest-pool 203.0.113.0/24,203.0.113.128/25", "overlap");
    check("--guest-pool 198.19.255.0/24", "overlap");
    check("--guest-pool 127.0.0.0/24", "loopback");
    check("--guest-pool 203.0.113.1/24", "no address block");
    check("--guest-link 203.0.113.0/29", "/30");
    check("--guest-link6 2001:db8::/64", "/126");
    for resolver in ["", "a", "0.0.0.0", "192.0.2.1:0", "ff02::1", "192.0.2.1:x"] {
        assert!(resolved(&format!("--dns={resolver}")).is_err(), "{resolver}");
    }
    for limit in ["connections", "connections=0", "bytes=1", "packets=-1", "kibibytes=4194304"] {
        assert!(resolved(&format!("--network-limit={limit}")).is_err(), "{limit}");
    }
}

#[test]
fn what_is_named_is_taken() {
    let config = resolved(
        "--dns 192.0.2.53,[2001:db8::53]:5353 --dns 192.0.2.54:54 --never 203.0.113.0/24 \
         --network-limit connections=7,new-connections=8,packets=9,kibibytes=10",
    );
    let config = config.unwrap().unwrap();
    let expected = ["192.0.2.53:53", "[2001:db8::53]:5353", "192.0.2.54:54"];
    let expected = expected.map(|address| address.parse().unwrap()).to_vec();
    assert_eq!(config.resolvers, Resolvers::Named(expected));
    assert_eq!(config.never, [cidr("203.0.113.0/24")]);
    let limits = Limits {
        connections: 7,
        new_connections_per_second: 8,
        packets_per_second: 9,
        bytes_per_second: 10 << 10,
    };
    assert_eq!(config.limits, limits);
    let host = config.of_home("0badcafe", Reach::Internet);
    assert_eq!((&*host.instance, &*host.prefix), ("0badcafe", "kadcafe-"));
}

#[test]
fn the_systems_resolvers_are_read() {
    let text =
        "# x\nsearch a.test\nnameserver 192.0.2.1\n nameserver  2001:db8::1 # y\nnameserver x\n";
    let expected = ["192.0.2.1:53", "[2001:db8::1]:53"].map(|text| text.parse().unwrap());
    assert_eq!(resolvers(text), expected);
}
