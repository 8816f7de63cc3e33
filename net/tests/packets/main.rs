//! The rules against packets: a TAP's descriptor is the guest, so that it may write what it likes.
//! All of it takes root: for others there is nothing to see.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod apart;
mod capture;
mod flush;
mod frame;
mod guest;
mod kernel;
mod listeners;
mod metadata;
mod notes;
mod reach;
mod scan;
mod six;
mod spoof;
mod stage;
mod traffic;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let ignored = !rustix::process::geteuid().is_root();
    let tests: [(&str, fn()); 32] = [
        ("spoof::nothing_forged_is_forwarded_by_ipv6", spoof::nothing_forged_is_forwarded_by_ipv6),
        ("spoof::the_honest_are_answered", spoof::the_honest_are_answered),
        ("spoof::nothing_forged_is_forwarded", spoof::nothing_forged_is_forwarded),
        (
            "scan::only_the_resolver_and_the_registry_answer_streams",
            scan::only_the_resolver_and_the_registry_answer_streams,
        ),
        ("scan::only_the_resolver_answers_datagrams", scan::only_the_resolver_answers_datagrams),
        ("metadata::it_gets_no_packet", metadata::it_gets_no_packet),
        ("metadata::a_redirect_leads_nowhere", metadata::a_redirect_leads_nowhere),
        ("six::none_where_it_is_off", six::none_where_it_is_off),
        ("six::only_what_is_plain_where_it_is_on", six::only_what_is_plain_where_it_is_on),
        ("apart::two_machines_exchange_no_frame", apart::two_machines_exchange_no_frame),
        ("apart::the_host_trusts_no_machine", apart::the_host_trusts_no_machine),
        ("apart::nobody_outside_reaches_a_machine", apart::nobody_outside_reaches_a_machine),
        ("flush::then_no_packet_passes", flush::then_no_packet_passes),
        ("flush::what_was_admitted_is_shut", flush::what_was_admitted_is_shut),
        ("reach::what_is_admitted_is_spliced", reach::what_is_admitted_is_spliced),
        ("reach::datagrams_that_are_admitted_pass", reach::datagrams_that_are_admitted_pass),
        ("reach::other_ways_to_resolve_are_shut", reach::other_ways_to_resolve_are_shut),
        ("reach::an_admission_ends", reach::an_admission_ends),
        ("reach::a_port_of_zero_is_every_port", reach::a_port_of_zero_is_every_port),
        ("reach::the_gateway_dials_what_is_admitted", reach::the_gateway_dials_what_is_admitted),
        ("reach::the_hosts_addresses_are_kept_up", reach::the_hosts_addresses_are_kept_up),
        ("reach::admissions_have_a_bound", reach::admissions_have_a_bound),
        ("notes::flows_have_their_bytes_and_times", notes::flows_have_their_bytes_and_times),
        ("notes::a_record_fits_a_message", notes::a_record_fits_a_message),
        ("notes::limits_hold", notes::limits_hold),
        ("notes::what_comes_back_is_limited", notes::what_comes_back_is_limited),
        ("notes::the_gateway_is_not_flooded", notes::the_gateway_is_not_flooded),
        ("kernel::what_is_applied_is_read_back", kernel::what_is_applied_is_read_back),
        ("kernel::what_differs_is_seen", kernel::what_differs_is_seen),
        ("kernel::no_rule_is_missed", kernel::no_rule_is_missed),
        ("kernel::tables_of_others_stay_as_they_are", kernel::tables_of_others_stay_as_they_are),
        ("kernel::what_fails_changes_nothing", kernel::what_fails_changes_nothing),
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
