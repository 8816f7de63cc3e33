//! Machines that the kernel kills for their memory.

use std::time::Duration;

use kiln_vmm_manager::vmm::supervisor::{End, Program, SupervisedEnd, Supervision};

use crate::{
    cgroup::{LIMITS, cgroups},
    stage::{Stage, shell, within},
};

pub(crate) async fn a_machine_beyond_its_memory_says_so() {
    let Some(cgroups) = cgroups("7e570007") else { return };
    let stage = Stage::new();
    let glutton = Program {
        path: "/usr/bin/tail".into(),
        arguments: vec!["/dev/zero".to_owned()],
        ..shell("vmm", "")
    };
    for _ in 0..20 {
        let cgroup = cgroups.create("job", LIMITS).unwrap();
        let programs = vec![shell("bridge", "exec sleep 1000"), glutton.clone()];
        let spec = stage.spec(programs, Some(cgroup.clone()));
        let machine = Supervision::create(&stage.shim, spec).await.unwrap();
        match within(machine.wait()).await {
            SupervisedEnd::Ended(exit) => {
                assert!(exit.oom_kills >= 1 && !exit.stopping, "{exit:?}");
                assert_eq!(exit.memory_limit_bytes, Some(LIMITS.memory_bytes));
                assert_eq!(exit.child(&exit.first).unwrap().end, End::Signal(9));
            }
            lost @ SupervisedEnd::Lost { .. } => panic!("{lost:?}"),
        }
        assert!(machine.usage().unwrap().oom_kills >= 1);
        cgroup.remove(Duration::from_secs(10)).await.unwrap();
    }
    cgroups.release();
}
