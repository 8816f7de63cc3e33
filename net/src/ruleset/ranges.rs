//! Address blocks as the ranges that they cover, so that two ways to write them are equal.

use std::{fmt, net::IpAddr};

use crate::plan::Cidr;

/// Of one family; in order, neither overlapping nor touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(IpAddr, IpAddr)>);

impl Ranges {
    pub(crate) fn new(mut ranges: Vec<(IpAddr, IpAddr)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(IpAddr, IpAddr)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= *end || successor(*end) == Some(first) => {
                    *end = (*end).max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(crate) fn of_blocks<'a>(blocks: impl IntoIterator<Item = &'a Cidr>) -> Self {
        Self::new(blocks.into_iter().map(bounds).collect())
    }

    pub(crate) fn of_addresses(addresses: &[IpAddr]) -> Self {
        Self::new(addresses.iter().map(|address| (*address, *address)).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) fn bounds(block: &Cidr) -> (IpAddr, IpAddr) {
    let last = match block.address() {
        IpAddr::V4(first) => {
            let hosts = u32::MAX.checked_shr(block.prefix().into()).unwrap_or(0);
            IpAddr::V4((first.to_bits() | hosts).into())
        }
        IpAddr::V6(first) => {
            let hosts = u128::MAX.checked_shr(block.prefix().into()).unwrap_or(0);
            IpAddr::V6((first.to_bits() | hosts).into())
        }
    };
    (block.address(), last)
}

fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(address) => address.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            if first == last {
                write!(formatter, "{between}{first}")?;
            } else {
                write!(formatter, "{between}{first}-{last}")?;
            }
        }
        Ok(())
    }
}
