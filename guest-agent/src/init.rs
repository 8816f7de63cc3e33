//! From the kernel's first call to a served guest.

use std::{
    env, error::Error, os::unix::net::UnixStream, panic, path::Path, process::ExitCode, sync::Arc,
};

use tokio::runtime;

use crate::{
    boot::{self, Booted},
    build::{self, Layout},
    disk_watch::DiskWatch,
    disks::BlockDevices,
    exec::Engine,
    kmsg,
    machine::{self, Machine},
    milestones::Milestones,
    offload::offload,
    power::{self, Power},
    reaper::Reaper,
    server,
    service::{Greeting, Service},
};

/// As process 1, boots the guest and serves it until it is powered off, and does not return; where a root
/// filesystem is to be booted, makes a process that does so, and becomes the init. As any other, it is
/// that process, or a build's client, or not wanted.
pub fn main() -> ExitCode {
    if !rustix::process::getpid().is_init() {
        let arguments: Vec<_> = env::args_os().skip(1).collect();
        return match &*arguments {
            [word, order] if word == build::WORD => kiln_buildkit::main(Path::new(order)),
            words if machine::is_beside(words) => match machine::take_socket() {
                Ok(socket) => serve(Some(socket)),
                Err(error) => {
                    kmsg::emergency(format_args!("there is no way to process 1: {error}"));
                    ExitCode::FAILURE
                }
            },
            _ => {
                kmsg::error(format_args!("this is /init of a guest, and does nothing elsewhere"));
                ExitCode::FAILURE
            }
        };
    }
    match boot::is_told(machine::WORD) {
        Ok(true) => machine::main(),
        Ok(false) => serve(None),
        Err(error) => {
            tell_of(&error);
            power::power_off()
        }
    }
}

/// Does not return.
fn serve(first: Option<UnixStream>) -> ! {
    // A panic ends process 1 and with it the guest; these are its last words. The kernel says the
    // rest and restarts, which the VMM takes for an end.
    panic::set_hook(Box::new(|panic| kmsg::emergency(format_args!("{panic}"))));
    if let Err(error) = run(first) {
        tell_of(&*error);
    }
    power::power_off()
}

fn tell_of(error: &dyn Error) {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    kmsg::emergency(format_args!("the guest cannot be booted: {message}"));
}

/// With the way to process 1, where that is another.
fn run(first: Option<UnixStream>) -> Result<(), Box<dyn Error>> {
    let mut milestones = Milestones::default();
    milestones.reach("userland");
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let in_runtime = runtime.enter();
    // Nothing else runs yet, so booting may block.
    let Booted { listener, hierarchy, look, scratch, modules } = boot::boot(&mut milestones)?;
    let reaper = Arc::new(Reaper::default());
    let hierarchy = if first.is_some() { hierarchy.shared() } else { hierarchy };
    let mut engine = Engine::new(Arc::clone(&reaper), Arc::new(hierarchy), DiskWatch::start(look)?);
    let power = Power::default();
    let machine = first.map(|socket| Arc::new(Machine::new(socket, scratch, power.clone())));
    if let Some(machine) = &machine {
        // Not what /proc/self/exe makes of it.
        rustix::thread::set_name(c"kiln-agent")?;
        // What commands leave behind is still this process's to bury.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        engine = engine.in_machine(machine);
    }
    kmsg::calm_console();
    milestones.reach("ready");
    let service = Service::new(
        engine,
        Arc::new(BlockDevices),
        milestones,
        power.clone(),
        Greeting::Taken,
        Some(Layout::default()),
    );
    let service = Arc::new(service.with_machine(machine));
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
