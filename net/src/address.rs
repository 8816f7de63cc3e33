//! The numbers of a pool's addresses, and which of them is free.
//!
//! Nothing is written down: an address is taken while the host has a route to it, whoever made that.
//! Each machine's route to its own address is its lease, which the kernel gives to one alone and takes
//! back with the link. Pure; the caller looks routes up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::plan::Cidr;

/// Numbers of IPv6 begin where no router's own address is.
const FIRST_SIX: u128 = 256;
/// Routes to everything, or to a half of it as VPNs have them, cover each address and take none.
const DEFAULT_PREFIX: u8 = 1;

/// All blocks as one row of numbers, taken in turn: a number is not used again at once.
#[derive(Clone, Debug)]
pub struct Pools {
    blocks: Vec<Block>,
    six: Option<Ipv6Addr>,
    count: u32,
    next: u32,
}

/// Its first address is nobody's but a fictional router's, and its last one means all of them.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: Ipv4Addr,
    count: u32,
}

/// One machine's addresses, if nobody has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub number: u32,
    pub four: Ipv4Addr,
    pub six: Option<Ipv6Addr>,
}

impl Pools {
    /// Begins somewhere: `start` is any number.
    pub fn new(pools: &[Cidr], start: u32) -> Self {
        let block = |pool: &Cidr| match pool.address() {
            IpAddr::V4(first) => {
                let addresses = u32::MAX.checked_shr(u32::from(pool.prefix())).unwrap_or(0);
                Some(Block { first, count: addresses.saturating_sub(1) })
            }
            IpAddr::V6(_) => None,
        };
        let blocks: Vec<_> = pools.iter().filter_map(block).collect();
        let six = pools.iter().find_map(|pool| match pool.address() {
            IpAddr::V6(first) => Some(first),
            IpAddr::V4(_) => None,
        });
        let count = blocks.iter().fold(0_u32, |sum, block| sum.saturating_add(block.count));
        Self { blocks, six, count, next: start.checked_rem(count).unwrap_or(0) }
    }

    /// How many machines there can be.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whom machines send what leaves: nobody has these, and nobody is asked for them.
    pub fn routers(&self) -> Option<(Ipv4Addr, Option<Ipv6Addr>)> {
        Some((self.blocks.first()?.first, self.six))
    }

    /// The next one that no route covers; `None` if they are all covered. `covering` tells the
    /// narrowest route's block.
    pub fn free<E>(
        &mut self,
        mut covering: impl FnMut(IpAddr) -> Result<Option<Cidr>, E>,
    ) -> Result<Option<Candidate>, E> {
        let mut covering =
            |address| Ok(covering(address)?.filter(|block: &Cidr| block.prefix() > DEFAULT_PREFIX));
        let mut looked_at = 0;
        while looked_at < self.count {
            let Some((candidate, rest)) = self.at(self.next) else { return Ok(None) };
            let (step, free) = match covering(candidate.four.into())? {
                // What covers this one covers those up to its own end.
                Some(block) => (rest.min(up_to_end(block, candidate.four)), false),
                None => (
                    1,
                    match candidate.six {
                        Some(six) => covering(six.into())?.is_none(),
                        None => true,
                    },
                ),
            };
            looked_at += step;
            self.next = (self.next + step) % self.count;
            if free {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// And how many its block has from it on.
    fn at(&self, number: u32) -> Option<(Candidate, u32)> {
        let mut offset = number;
        for block in &self.blocks {
            if offset < block.count {
                let four = Ipv4Addr::from_bits(block.first.to_bits() + 1 + offset);
                let six = self.six.map(|first| {
                    Ipv6Addr::from_bits(first.to_bits() + FIRST_SIX + u128::from(number))
                });
                return Some((Candidate { number, four, six }, block.count - offset));
            }
            offset -= block.count;
        }
        None
    }
}

/// How many addresses `block` has from `address` on.
fn up_to_end(block: Cidr, address: Ipv4Addr) -> u32 {
    let IpAddr::V4(first) = block.address() else { return 1 };
    let behind = u32::MAX.checked_shr(u32::from(block.prefix())).unwrap_or(0);
    (first.to_bits() | behind).saturating_sub(address.to_bits()).saturating_add(1)
}

#[cfg(test)]
mod tests;
