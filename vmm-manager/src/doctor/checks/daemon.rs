//! Whether kilnd itself would start with these flags, and its programs are there.

use std::{env, path::Path, process::Command};

use super::{Patient, program::run};
use crate::{
    config::{Config, ConfigError, Flags},
    daemon::user,
    doctor::report::{Area, Check},
    host::VmUsers,
    vmm::{ShimConfig, described},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const HELPER: &str = "kiln-helper";

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let mut checks = vec![root(patient), configuration(patient)];
    if let Some(ShimConfig { program }) = &patient.shim {
        checks.push(own_program("kiln-shim", program, ", or name it with --shim"));
    }
    // Without root there is neither somebody to become nor something left to ask for.
    if patient.is_root {
        checks.push(user(&patient.flags));
        if let Ok(this) = env::current_exe() {
            checks.push(own_program(HELPER, &this.with_file_name(HELPER), ""));
        }
    }
    checks
}

fn user(flags: &Flags) -> Check {
    let (area, name) = (Area::Kilnd, "user");
    let among_vms = |uid| VmUsers::from_base(flags.uid_base).is_ok_and(|vms| vms.contains(uid));
    match user::find(&flags.user) {
        Ok(keeper) if among_vms(keeper.uid) => {
            let found = format!("{} is among those of VMs", keeper.uid);
            Check::missing(area, name, found).mend("choose another --user or --uid-base")
        }
        Ok(keeper) => {
            Check::ok(area, name, format!("kilnd becomes {}, number {}", flags.user, keeper.uid))
        }
        // It says how to mend it.
        Err(error) => Check::missing(area, name, described(&error)),
    }
}

fn root(patient: &Patient) -> Check {
    let (area, name) = (Area::Kilnd, "root");
    if patient.is_root {
        return Check::ok(area, name, "this is root, as kilnd is to be started");
    }
    if patient.flags.allow_reduced_jail {
        return Check::warning(
            area,
            name,
            "this is not root: VMs have neither a user nor namespaces of their own",
        )
        .mend("start kilnd as root");
    }
    Check::missing(area, name, "this is not root").mend(
        "run it with sudo; or start kilnd with --allow-reduced-jail, where no tenant needs to be \
         kept apart",
    )
}

fn configuration(patient: &Patient) -> Check {
    let (area, name) = (Area::Kilnd, "flags");
    match Config::resolve(patient.flags.clone()) {
        // What has a check of its own is not told twice.
        Ok(_) | Err(ConfigError::NotRoot { .. } | ConfigError::NoGuestImage) => {
            Check::ok(area, name, "kilnd takes them")
        }
        Err(error) => Check::missing(area, name, described(&error))
            .mend("see `kilnd --help` and docs/operating.md"),
    }
}

/// A program that is installed with kilnd, and has to be of the same version.
fn own_program(name: &'static str, program: &Path, otherwise: &str) -> Check {
    let area = Area::Kilnd;
    let mend = format!("install kilnd and {name} of one version together{otherwise}");
    let shown = program.display();
    match run(Command::new(program).arg("--version"), b"") {
        Ok(said) if said.trim() == format!("{name} {VERSION}") => {
            Check::ok(area, name, format!("{shown}, version {VERSION}"))
        }
        Ok(said) => {
            let found = format!("{shown} is {}, and kilnd is {VERSION}", said.trim());
            Check::missing(area, name, found).mend(mend)
        }
        Err(reason) => Check::missing(area, name, format!("{shown}: {reason}")).mend(mend),
    }
}
