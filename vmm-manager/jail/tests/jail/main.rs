//! A program of the test's own in each of the jails, started through the launcher of VMMs. The
//! program is this one: told to, it becomes the probe.

#![expect(clippy::print_stdout, reason = "the probe's words, and how much was tried")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod death;
mod denied;
mod devices;
mod gateway;
mod machine;
mod misuse;
mod network;
mod probe;
mod reduced;
mod siblings;
mod swaps;
mod threads;
mod works;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

type Test = (&'static str, fn());

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        const TESTS: &[Test] = &[$((
            concat!(stringify!($module), "::", stringify!($name)),
            $module::$name,
        )),*];
    };
}

tests! {
    denied::what_no_vmm_needs_is_denied,
    denied::files_that_are_not_its_own_are_denied,
    siblings::other_machines_and_the_host_are_out_of_reach,
    works::what_a_vmm_needs_works,
    devices::a_device_is_its_own,
    threads::every_thread_is_confined,
    death::a_program_dies_with_its_supervisor,
    death::a_program_starts_no_others,
    death::descriptors_are_those_that_were_given,
    swaps::links_on_the_way_are_refused,
    swaps::a_name_that_leads_elsewhere_is_never_opened,
    swaps::nothing_is_changed_by_a_refusal,
    misuse::what_cannot_be_in_a_jail_is_named,
    misuse::a_step_that_fails_is_named,
    gateway::what_a_gateway_needs_works,
    gateway::what_no_gateway_needs_is_denied,
    gateway::files_that_are_not_its_own_are_denied,
    gateway::each_of_its_threads_is_in_its_network_and_confined,
    gateway::it_reaches_nothing_of_the_host_or_of_other_networks,
    gateway::a_network_that_cannot_be_joined_is_named,
    reduced::without_root_files_are_denied_all_the_same,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(probe::MARK) {
        return probe::run(&arguments.collect::<Vec<_>>());
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("not run: a jail of its own is root's to make");
    }
    let trials = TESTS.iter().map(|(name, test)| {
        let trial = Trial::test(*name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(!root)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
