use std::{collections::BTreeSet, convert::Infallible};

use proptest::prelude::*;

use super::*;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn pools(blocks: &[&str], start: u32) -> Pools {
    Pools::new(&blocks.iter().map(|block| cidr(block)).collect::<Vec<_>>(), start)
}

/// Takes the next one where `routes` are; the narrowest covers.
fn take(pools: &mut Pools, routes: &[Cidr]) -> Option<Candidate> {
    let covering = |address| {
        let covering = routes.iter().filter(|route| route.contains(address));
        Ok::<_, Infallible>(covering.max_by_key(|route| route.prefix()).copied())
    };
    pools.free(covering).unwrap()
}

#[test]
fn a_block_is_taken_in_turn_without_its_ends() {
    let mut pools = pools(&["203.0.113.0/29"], 4);
    assert_eq!(pools.count(), 6);
    assert_eq!(pools.routers(), Some((Ipv4Addr::new(203, 0, 113, 0), None)));
    let taken: Vec<_> = (0..7).map(|_| take(&mut pools, &[]).unwrap().four.octets()[3]).collect();
    assert_eq!(taken, [5, 6, 1, 2, 3, 4, 5]);
}

#[test]
fn what_a_route_covers_is_passed_over_but_not_for_the_default_ones() {
    let default = ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"].map(cidr);
    let mut pools = pools(&["203.0.113.0/24", "198.51.100.0/30"], 0);
    let mut routes = default.to_vec();
    routes.extend(["203.0.113.0/25", "203.0.113.200/32"].map(cidr));
    let first = take(&mut pools, &routes).unwrap();
    assert_eq!(first.four, Ipv4Addr::new(203, 0, 113, 128));
    routes.push(cidr("203.0.113.128/25"));
    let second = take(&mut pools, &routes).unwrap();
    assert_eq!(second.four, Ipv4Addr::new(198, 51, 100, 1));
    routes.push(cidr("198.51.100.0/24"));
    assert_eq!(take(&mut pools, &routes), None);
}

#[test]
fn an_address_of_ipv6_goes_with_each() {
    let mut pools = pools(&["203.0.113.0/24", "2001:db8::/64"], 0);
    assert_eq!(pools.routers().unwrap().1, Some("2001:db8::".parse().unwrap()));
    let routes = [cidr("2001:db8::100/127")];
    let taken = take(&mut pools, &routes).unwrap();
    assert_eq!((taken.number, taken.six), (2, Some("2001:db8::102".parse().unwrap())));
}

#[test]
fn there_may_be_none() {
    for blocks in [&[][..], &["2001:db8::/64"], &["203.0.113.1/32"], &["203.0.113.0/31"]] {
        let mut pools = pools(blocks, 7);
        assert_eq!((pools.count(), take(&mut pools, &[])), (0, None), "{blocks:?}");
    }
}

proptest! {
    /// With whatever is taken: each free one once, and nothing else.
    #[test]
    fn each_free_one_is_found(
        start: u32,
        blocks in prop::collection::vec((0_u32..256, 22_u8..=30), 1..4),
        routes in prop::collection::vec((0_u32..262_144, 18_u8..=32), 0..12),
    ) {
        let block = |base: u32, offset: u32, prefix: u8| {
            let mask = u32::MAX << (32 - u32::from(prefix));
            Cidr::new(Ipv4Addr::from_bits((base + offset) & mask).into(), prefix).unwrap()
        };
        // 198.18.0.0 and on, apart.
        let blocks: Vec<_> = blocks.iter().enumerate()
            .map(|(index, (offset, prefix))| {
                block(0xc612_0000 + (u32::try_from(index).unwrap() << 16), *offset << 8, *prefix)
            })
            .collect();
        let mut routes: Vec<_> =
            routes.iter().map(|(offset, prefix)| block(0xc612_0000, *offset, *prefix)).collect();
        let mut expected = BTreeSet::new();
        for pool in &blocks {
            let IpAddr::V4(first) = pool.address() else { unreachable!() };
            for offset in 1..(1_u32 << (32 - pool.prefix())) - 1 {
                let address = Ipv4Addr::from_bits(first.to_bits() + offset);
                if !routes.iter().any(|route| route.contains(address.into())) {
                    expected.insert(address);
                }
            }
        }
        let mut pools = Pools::new(&blocks, start);
        let mut found = BTreeSet::new();
        while let Some(candidate) = take(&mut pools, &routes) {
            prop_assert!(found.insert(candidate.four), "twice: {}", candidate.four);
            routes.push(Cidr::new(candidate.four.into(), 32).unwrap());
            if found.len() > 64 {
                break;
            }
        }
        prop_assert!(found.is_subset(&expected));
        prop_assert!(found.len() > 64 || found == expected);
    }
}
