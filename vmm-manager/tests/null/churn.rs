//! Many machines, and nothing of them afterwards.

use std::{fs, os::unix::net::UnixStream, time::Duration};

use kiln_vmm_manager::{
    host::cgroup::{Cgroup, CgroupLimits, Cgroups},
    vmm::{VmExit, Vmm as _, VmmError, null_guest::Errand},
};

use crate::stage::{Stage, everybody, gone, within};

/// Homes that no other test has.
const HOME: &str = "7e570009";
const HOME_OF_HOGS: &str = "7e57000a";
const LIMITS: CgroupLimits = CgroupLimits { memory_bytes: 256 << 20, pids: 64, cpus: 1 };
const ONE_AFTER_ANOTHER: usize = 50;
const SIDE_BY_SIDE: usize = 8;
const EACH: usize = 4;

/// `None` where this process may not make any.
fn cgroups(home: &str) -> Option<Cgroups> {
    let cgroups = Cgroups::detect(home).ok()?;
    for job in cgroups.leftovers().unwrap() {
        for directory in cgroups.open(&job).unwrap().directories() {
            let _never_made = fs::remove_dir(directory);
        }
    }
    Some(cgroups)
}

async fn one(stage: &Stage, cgroups: Option<&Cgroups>, errand: Errand, expected: VmExit) {
    let mut spec = stage.spec(errand);
    spec.cgroup = cgroups.map(|cgroups| cgroups.create(&spec.name, LIMITS).unwrap());
    let (directory, cgroup) = (spec.directory.clone(), spec.cgroup.clone());
    let machine = within(stage.driver.create(spec)).await.unwrap();
    let everybody = everybody(&directory);
    match machine.boot().await {
        Ok(()) | Err(VmmError::Gone(_)) => {}
        Err(error) => panic!("{error}"),
    }
    let exit = match expected {
        VmExit::Stopped => within(machine.kill()).await,
        _ => within(machine.wait()).await,
    };
    assert_eq!(exit, expected);
    drop(machine);
    gone(&everybody).await;
    for socket in ["shim.sock", "api.sock", "run/vsock.sock"] {
        assert!(UnixStream::connect(directory.join(socket)).is_err(), "{socket}");
    }
    if let Some(cgroup) = cgroup {
        removed(cgroup).await;
    }
    fs::remove_dir_all(directory).unwrap();
}

async fn removed(cgroup: Cgroup) {
    let removed = cgroup.remove(Duration::from_secs(10)).await;
    assert!(removed.is_ok(), "{removed:?}");
    assert!(cgroup.directories().iter().all(|directory| !directory.exists()));
}

pub(crate) async fn machines_come_and_go_and_leave_nothing() {
    let stage = Stage::new().await;
    let cgroups = cgroups(HOME);
    for index in 0..ONE_AFTER_ANOTHER {
        let (errand, expected) = [
            (Errand::PowerOff, VmExit::PoweredOff),
            (Errand::Reset, VmExit::Reset),
            (Errand::Spin, VmExit::Stopped),
        ][index % 3]
            .clone();
        one(&stage, cgroups.as_ref(), errand, expected).await;
    }
    let many = (0..SIDE_BY_SIDE).map(async |_| {
        for _ in 0..EACH {
            one(&stage, cgroups.as_ref(), Errand::PowerOff, VmExit::PoweredOff).await;
        }
    });
    all(many).await;
    if let Some(cgroups) = cgroups {
        assert_eq!(cgroups.leftovers().unwrap(), Vec::<String>::new());
        cgroups.release();
    }
}

/// All of them at once, on this task.
async fn all(futures: impl IntoIterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

pub(crate) async fn a_guest_that_takes_more_than_its_limit_says_so() {
    let Some(cgroups) = cgroups(HOME_OF_HOGS) else { return };
    let stage = Stage::new().await;
    for round in 0..3 {
        let mut spec = stage.spec(Errand::Memory);
        spec.name = format!("hog{round}");
        let limits = CgroupLimits { memory_bytes: 48 << 20, ..LIMITS };
        let cgroup = cgroups.create(&spec.name, limits).unwrap();
        spec.cgroup = Some(cgroup.clone());
        let directory = spec.directory.clone();
        let machine = within(stage.driver.create(spec)).await.unwrap();
        let everybody = everybody(&directory);
        machine.boot().await.unwrap();
        let expected = VmExit::OutOfMemory { limit_bytes: 48 << 20 };
        assert_eq!(within(machine.wait()).await, expected);
        gone(&everybody).await;
        removed(cgroup).await;
    }
    cgroups.release();
}
