//! The real Cloud Hypervisor on the real `/dev/kvm`, with a guest that is a few hundred bytes: what
//! the driver and the VMM do, without an operating system in between. The program is its own
//! supervisor: called as `kiln-shim` it is that.

#![expect(clippy::print_stdout, reason = "what a runner of tests tells goes there")]
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod change;
mod churn;
mod death;
mod disks;
mod fault;
#[path = "../given/given.rs"]
mod given;
mod jail;
mod life;
mod network;
mod read_back;
mod snapshot;
mod stage;
mod vsock;

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
    life::a_guest_that_powers_itself_off_ends_its_machine,
    life::a_guest_that_resets_itself_ends_its_machine,
    life::a_guest_that_does_not_listen_is_ended_all_the_same,
    life::a_created_machine_holds_still,
    life::a_machine_boots_once,
    life::a_machine_that_cannot_be_made_is_an_error,
    life::a_machine_that_is_dropped_is_gone,
    life::a_paused_guest_does_nothing,
    life::devices_are_counted,
    change::a_machine_is_given_more,
    change::a_disk_is_plugged_in,
    change::what_was_added_before_boot_is_taken_out_again,
    network::a_network_is_handed_over,
    network::a_machine_has_a_gateway,
    network::a_machine_without_its_gateway_is_not_made,
    network::a_network_is_the_helpers_to_give,
    disks::what_looks_like_an_image_is_a_disk_of_its_bytes,
    disks::what_the_vmm_would_take_for_an_image_is_refused,
    death::whoever_is_killed_the_machine_ends_and_says_so,
    death::a_machine_of_a_daemon_that_died_is_ended,
    death::a_machine_that_ended_meanwhile_tells_how,
    death::what_does_not_fit_its_record_is_not_adopted,
    jail::every_thread_of_every_vmm_is_shut_in,
    vsock::nobody_is_reached_where_nobody_listens,
    churn::machines_come_and_go_and_leave_nothing,
    churn::a_guest_that_takes_more_than_its_limit_says_so,
    read_back::what_is_misspelt_or_dropped_aborts_the_start,
    read_back::what_is_altered_aborts_the_start,
    read_back::what_was_not_asked_for_aborts_the_start,
    snapshot::a_machine_goes_on_where_it_was_held,
    snapshot::a_snapshot_is_only_what_it_was_asked_for,
}

fn main() -> ExitCode {
    let own_name = std::env::args_os().next().unwrap_or_default();
    let own = std::path::Path::new(&own_name);
    match own.file_name().and_then(std::ffi::OsStr::to_str) {
        Some("kiln-shim") => return kiln_shim::supervise::main(),
        Some(fault::HELD) => return fault::hold(own),
        _ => {}
    }
    if let Some(code) = given::network::called(own) {
        return code;
    }
    let missing = stage::missing();
    // Whoever counts tests by what they need reads this.
    println!("null guests:");
    if let Some(missing) = &missing {
        say(&format!("not run: {missing}"));
    }
    let stateless = match &missing {
        None => runtime().block_on(stage::stateless()),
        Some(_) => None,
    };
    if let Some(stateless) = &stateless {
        say(&format!("not run: snapshots: {stateless}"));
    }
    let trials = TESTS.iter().map(|(name, test)| {
        let missing = if name.starts_with("snapshot::") {
            missing.as_ref().or(stateless.as_ref())
        } else {
            missing.as_ref()
        };
        let trial = Trial::test(*name, move || {
            runtime().block_on(test());
            Ok(())
        });
        trial.with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

#[expect(clippy::print_stdout, reason = "what is not run is for people to read")]
fn say(words: &str) {
    println!("{words}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
