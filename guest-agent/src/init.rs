//! From the kernel's first call to a served guest.

use std::{env, error::Error, panic, path::Path, process::ExitCode, sync::Arc};

use tokio::runtime;

use crate::{
    boot::{self, Booted},
    build::{self, Layout},
    disk_watch::DiskWatch,
    disks::BlockDevices,
    exec::Engine,
    kmsg,
    milestones::Milestones,
    offload::offload,
    power::{self, Power},
    reaper::Reaper,
    server,
    service::{Greeting, Service},
};

/// As process 1, boots the guest and serves it until it is powered off, and does not return. As any
/// other, it is a build's client, which process 1 runs, or not wanted.
pub fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        let arguments: Vec<_> = env::args_os().skip(1).collect();
        return match &*arguments {
            [word, order] if word == build::WORD => kiln_buildkit::main(Path::new(order)),
            _ => {
                kmsg::error(format_args!("this is /init of a guest, and does nothing elsewhere"));
                ExitCode::FAILURE
            }
        };
    }
    // A panic ends process 1 and with it the guest; these are its last words. The kernel says the
    // rest and restarts, which the VMM takes for an end.
    panic::set_hook(Box::new(|panic| kmsg::emergency(format_args!("{panic}"))));
    if let Err(error) = run() {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        kmsg::emergency(format_args!("the guest cannot be booted: {message}"));
    }
    power::power_off()
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut milestones = Milestones::default();
    milestones.reach("userland");
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let in_runtime = runtime.enter();
    // Nothing else runs yet, so booting may block.
    let Booted { listener, hierarchy, look, modules } = boot::boot(&mut milestones)?;
    let reaper = Arc::new(Reaper::default());
    let engine = Engine::new(Arc::clone(&reaper), Arc::new(hierarchy), DiskWatch::start(look)?);
    let power = Power::default();
    kmsg::calm_console();
    milestones.reach("ready");
    let service = Arc::new(Service::new(
        engine,
        Arc::new(BlockDevices),
        milestones,
        power.clone(),
        Greeting::Taken,
        Some(Layout::default()),
    ));
    let greeted = Arc::clone(&service.greeted);
    drop(in_runtime);
    runtime.block_on(async move {
        tokio::spawn(power.clone().switch_off_when_asked());
        tokio::spawn(async move {
            // What the host does not wait for comes after what it waits for.
            greeted.notified().await;
            let late = offload("late", move || {
                modules.load_late();
                power::watch_button(power)
            });
            if let Err(error) = late.await.and_then(|watched| watched) {
                kmsg::info(format_args!("nobody listens to the power button: {error}"));
            }
        });
        tokio::select! {
            failed = reaper.run() => failed.map_err(Box::from),
            () = server::serve(listener, service) => Ok(()),
        }
    })
}
