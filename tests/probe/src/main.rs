//! `kiln-probe frames KIND ADDRESS GATEWAY`, `tcp PLACE…`, `udp PLACE…`, `scan ADDRESS FIRST LAST`,
//! `hear FILE`: each try is told in a line.

use std::{
    env, fs,
    io::{self, Write as _},
    net::IpAddr,
    path::Path,
};

use anyhow::{Context as _, bail};
use kiln_probe::{
    Link,
    cases::{Kind, is_probes},
    connect::{Scan, scan, tcp, udp},
    raw::Device,
};

const DEVICE: &str = "eth0";
/// Of every guest's link.
const GATEWAY_MAC: [u8; 6] = [2, 0x4b, 0x69, 0x6c, 0x6e, 1];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["frames", kind, address, gateway] => frames(kind, address, gateway),
        ["tcp", ref places @ ..] => each(places, |place| {
            let (outcome, took) = tcp(place.parse()?);
            say(&format!("tcp {place} {outcome} {}", took.as_millis()))
        }),
        ["udp", ref places @ ..] => each(places, |place| {
            let (outcome, took) = udp(place.parse()?, b"anybody?");
            say(&format!("udp {place} {outcome} {}", took.as_millis()))
        }),
        ["hear", until] => {
            let (frames, others) = hear(Path::new(until))?;
            say(&format!("frames: {frames}"))?;
            say(&format!("others: {others}"))
        }
        ["scan", address, first, last] => {
            let address: IpAddr = address.parse()?;
            let found = scan(address, first.parse()?, last.parse()?);
            let Scan { open, refused, denied, silent } = found;
            say(&format!(
                "scan {address} open {open:?} refused {refused} denied {denied} silent {silent}"
            ))
        }
        _ => bail!(
            "frames KIND ADDRESS GATEWAY, tcp PLACE…, udp PLACE…, scan ADDRESS FIRST LAST, hear FILE"
        ),
    }
}

fn frames(kind: &str, address: &str, gateway: &str) -> anyhow::Result<()> {
    let link = Link {
        mac: own_mac()?,
        gateway_mac: GATEWAY_MAC,
        address: address.parse()?,
        gateway: gateway.parse()?,
    };
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
    let cases = kind.context("no such kind of frame")?.cases(&link);
    let sent = Device::open(DEVICE)?.send(&cases);
    say(&format!("sent {sent} of {}", cases.len()))
}

/// Frames that came until there is this file, and how many of them somebody's probe has sent.
fn hear(until: &Path) -> anyhow::Result<(usize, usize)> {
    let device = Device::open(DEVICE)?;
    let (mut frames, mut others) = (0, 0);
    while !until.exists() {
        if let Some(frame) = device.hear() {
            frames += 1;
            others += usize::from(is_probes(&frame));
        }
    }
    Ok((frames, others))
}

fn own_mac() -> anyhow::Result<[u8; 6]> {
    let text = fs::read_to_string(format!("/sys/class/net/{DEVICE}/address"))?;
    let mut mac = [0; 6];
    for (byte, digits) in mac.iter_mut().zip(text.trim().split(':')) {
        *byte = u8::from_str_radix(digits, 16)?;
    }
    Ok(mac)
}

fn each(places: &[&str], act: impl Fn(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    places.iter().try_for_each(|place| act(place).with_context(|| (*place).to_owned()))
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
