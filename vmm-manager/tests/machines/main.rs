//! Machines under their supervisors, as kilnd holds them: shells for VMMs, and QEMU where it says
//! so. The program is its own supervisor: called as `kiln-shim` it is that.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod adopt;
mod cgroup;
mod daemon;
mod foreign;
#[path = "../given/given.rs"]
mod given;
mod life;
mod memory;
mod qemu;
mod stage;
mod stale;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// One test: its name, and what it does on a runtime of its own.
type Test = (&'static str, fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>>);

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        const TESTS: &[Test] = &[$((
            concat!(stringify!($module), "::", stringify!($name)),
            || Box::pin($module::$name()),
        )),*];
    };
}

tests! {
    life::a_machine_is_created_and_killed,
    life::a_machine_that_is_dropped_is_gone,
    life::a_start_that_is_given_up_leaves_nothing,
    life::a_start_that_fails_says_why,
    life::a_supervisor_that_is_killed_takes_its_machine_with_it,
    life::a_supervisor_that_is_stopped_is_killed,
    life::a_machine_ends_with_its_true_cause,
    life::the_console_is_kept_to_the_end,
    life::machines_follow_each_other_in_one_directory,
    adopt::a_machine_that_was_left_is_adopted,
    adopt::a_machine_that_ended_meanwhile_tells_how,
    adopt::a_machine_whose_supervisor_died_is_lost,
    adopt::what_is_not_there_is_not_adopted,
    adopt::another_release_is_told_apart,
    daemon::a_machine_survives_a_daemon_that_is_killed,
    foreign::what_cannot_be_proven_is_left_alone,
    foreign::programs_without_a_supervisor_are_ended_by_proof,
    stale::what_is_left_by_the_dead_is_no_obstacle,
    cgroup::a_cgroup_limits_and_counts,
    cgroup::names_lead_nowhere_else,
    cgroup::what_lives_in_one_is_left_alone,
    cgroup::what_a_program_made_goes_with_its_supervisor,
    cgroup::who_was_there_before_the_supervisor_is_left_alone,
    cgroup::leftovers_are_named,
    cgroup::a_hierarchy_that_cannot_be_used_says_why,
    memory::a_machine_beyond_its_memory_says_so,
    qemu::machines_of_qemu_behave,
    qemu::a_machine_of_qemu_is_adopted,
    qemu::a_machine_of_qemu_has_a_gateway,
    qemu::a_machine_of_qemu_without_its_gateway_is_not_made,
    qemu::a_network_is_the_helpers_to_give,
    qemu::a_machine_other_than_asked_is_not_made,
    qemu::whatever_a_disk_holds_it_is_raw,
    qemu::every_thread_of_fifty_machines_is_confined,
}

fn main() -> ExitCode {
    let own_name = std::env::args_os().next().unwrap_or_default();
    if std::path::Path::new(&own_name).file_name() == Some("kiln-shim".as_ref()) {
        return kiln_shim::supervise::main();
    }
    if let Some(code) = given::network::called(std::path::Path::new(&own_name)) {
        return code;
    }
    if std::env::var_os(daemon::IS_DAEMON).is_some() {
        return runtime().block_on(daemon::run());
    }
    let trials = TESTS.iter().map(|(name, test)| {
        let unready = name.starts_with("qemu::") && !qemu::is_ready();
        let trial = Trial::test(*name, move || {
            runtime().block_on(test());
            Ok(())
        });
        trial.with_ignored_flag(unready)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
