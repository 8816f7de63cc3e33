//! Machines one after the other, each seen from outside.

use kiln_jail::{JailUser, inspect};
use kiln_vmm_manager::vmm::{VmSpec, Vmm as _};

use super::{USER, qemu, spec};
use crate::stage::Stage;

const MACHINES: u32 = 50;

pub(crate) async fn every_thread_of_fifty_machines_is_confined() {
    let stage = Stage::new();
    let qemu = qemu(&stage).await;
    let spec = spec(&stage).await;
    let mut seen = 0;
    for number in 0..MACHINES {
        let user = JailUser { id: USER.id + number, ..USER };
        let spec = VmSpec { user: Some(user.clone()), cpus: 1 + number % 2, ..spec.clone() };
        let machine = qemu.create(spec).await.unwrap();
        let pids = machine.processes();
        assert_eq!(pids.len(), 2);
        for pid in pids {
            let threads = inspect(pid).unwrap();
            assert!(!threads.is_empty());
            let faults: Vec<_> = threads.iter().flat_map(|thread| thread.faults(user.id)).collect();
            assert_eq!(faults, Vec::<String>::new());
            seen += threads.len();
        }
        machine.kill().await;
    }
    assert!(seen > 3 * usize::try_from(MACHINES).unwrap(), "{seen}");
}
