//! What a supervisor costs, whatever its machine says.

use std::fs;

use kiln_shim::Ask;

use crate::{
    client::Client,
    shim::{Shim, console, shell, until},
};

const KEPT: usize = 64 * 1024;
/// For one that has filled its ring.
const MOST: u64 = 2 << 20;

pub(crate) fn private_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let private = text.lines().filter_map(|line| line.strip_prefix("Private_"));
    let kibibytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.sum::<u64>() << 10
}

#[test]
fn a_flood_of_serial_is_bounded_and_never_waits() {
    let flood = "head -c 100000000 /dev/zero; echo the end; exec sleep 1000";
    let shim = Shim::of(vec![console("vmm", flood), shell("bridge", "exec sleep 1000")]);
    let mut client = Client::connect(&shim);
    let (bytes, dropped) = until(|| {
        let serial = client.serial();
        serial.0.ends_with(b"the end\n").then_some(serial)
    });
    assert_eq!((bytes.len(), dropped), (KEPT, 100_000_008 - KEPT as u64));
    let cost = private_bytes(shim.process.pid);
    assert!(cost <= MOST, "{cost} private bytes");
    // The measured figure, for whoever looks.
    let _seen = std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("a supervisor costs {} KiB\n", cost >> 10).as_bytes(),
    );
    client.end(Ask::Kill);
}
