//! The helper as a process, asked by somebody who has taken kilnd over. The program is its own
//! supervisor: called as `kiln-shim` it is that. All of it takes root: for others there is nothing to
//! see.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod hostile;
mod networks;
mod orders;
mod rights;
mod stage;

use std::{path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let called = std::env::args_os().next();
    if called.is_some_and(|name| Path::new(&name).file_name() == Some("kiln-shim".as_ref())) {
        return kiln_shim::supervise::main();
    }
    let ignored = !rustix::process::geteuid().is_root();
    let tests: [(&str, fn()); 15] = [
        ("hostile::requests_are_refused", hostile::requests_are_refused),
        ("hostile::noise_is_refused", hostile::noise_is_refused),
        ("hostile::processes_of_others_are_spared", hostile::processes_of_others_are_spared),
        ("hostile::links_lead_nowhere", hostile::links_lead_nowhere),
        ("rights::a_supervisor_keeps_one", rights::a_supervisor_keeps_one),
        ("rights::the_helper_has_few", rights::the_helper_has_few),
        ("rights::what_is_asked_in_order_is_done", rights::what_is_asked_in_order_is_done),
        ("rights::it_goes_with_kilnd", rights::it_goes_with_kilnd),
        ("networks::what_is_asked_in_order_is_done", networks::what_is_asked_in_order_is_done),
        ("networks::requests_are_refused", networks::requests_are_refused),
        ("networks::another_helper_finds_it", networks::another_helper_finds_it),
        (
            "networks::whenever_it_is_killed_nothing_is_left",
            networks::whenever_it_is_killed_nothing_is_left,
        ),
        ("networks::they_end_with_their_helper", networks::they_end_with_their_helper),
        (
            "networks::a_new_address_of_the_hosts_is_known",
            networks::a_new_address_of_the_hosts_is_known,
        ),
        (
            "networks::the_helper_may_make_them_and_no_more",
            networks::the_helper_may_make_them_and_no_more,
        ),
    ];
    let tests = tests.map(|(name, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), tests.into()).exit_code()
}
