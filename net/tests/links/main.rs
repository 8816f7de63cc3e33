//! Networks of machines as they are made and taken away, each test in a namespace of its own that
//! stands for a host's. All of it takes root: for others there is nothing to see.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod before_after;
mod crowd;
mod guarded;
mod hosts;
mod machines;
mod stage;
mod traffic;
mod watched;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let ignored = !rustix::process::geteuid().is_root();
    let tests: [(&str, fn()); 24] = [
        ("machines::who_makes_one_stays_where_he_is", machines::who_makes_one_stays_where_he_is),
        ("machines::it_is_what_it_says", machines::it_is_what_it_says),
        ("machines::with_ipv6_too", machines::with_ipv6_too),
        ("machines::it_goes_with_its_last_descriptor", machines::it_goes_with_its_last_descriptor),
        ("machines::one_that_fails_leaves_nothing", machines::one_that_fails_leaves_nothing),
        (
            "machines::it_is_found_again_by_its_owner_alone",
            machines::it_is_found_again_by_its_owner_alone,
        ),
        (
            "machines::links_of_others_are_never_touched",
            machines::links_of_others_are_never_touched,
        ),
        ("machines::a_pool_can_be_exhausted", machines::a_pool_can_be_exhausted),
        ("hosts::two_daemons_share_no_address", hosts::two_daemons_share_no_address),
        (
            "hosts::what_two_count_on_stays_for_the_other",
            hosts::what_two_count_on_stays_for_the_other,
        ),
        (
            "hosts::the_next_daemon_undoes_what_one_left",
            hosts::the_next_daemon_undoes_what_one_left,
        ),
        (
            "hosts::one_without_networks_undoes_what_another_left",
            hosts::one_without_networks_undoes_what_another_left,
        ),
        (
            "hosts::an_address_of_the_hosts_own_is_refused",
            hosts::an_address_of_the_hosts_own_is_refused,
        ),
        (
            "guarded::a_host_is_no_router_for_neighbours",
            guarded::a_host_is_no_router_for_neighbours,
        ),
        (
            "guarded::a_host_is_no_router_for_neighbours_of_ipv6",
            guarded::a_host_is_no_router_for_neighbours_of_ipv6,
        ),
        ("guarded::a_later_way_is_guarded_too", guarded::a_later_way_is_guarded_too),
        ("watched::what_appears_later_counts", watched::what_appears_later_counts),
        ("watched::new_ways_out_forward", watched::new_ways_out_forward),
        (
            "watched::a_way_that_comes_back_forwards_again",
            watched::a_way_that_comes_back_forwards_again,
        ),
        (
            "traffic::what_is_open_gets_through_and_nothing_without_rules",
            traffic::what_is_open_gets_through_and_nothing_without_rules,
        ),
        ("traffic::answers_come_back", traffic::answers_come_back),
        ("before_after::nothing_is_left", before_after::nothing_is_left),
        ("before_after::nothing_is_left_with_ipv6", before_after::nothing_is_left_with_ipv6),
        ("crowd::one_more_costs_what_the_first_does", crowd::one_more_costs_what_the_first_does),
    ];
    let tests = tests.map(|(name, test)| {
        let run = move || {
            stage::on_a_host(test);
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), tests.into()).exit_code()
}
