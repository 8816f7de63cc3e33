//! All threads of a program.

use kiln_jail::inspect;

use crate::machine::{Machine, PROFILES};

const THREADS: usize = 16;

pub(crate) fn every_thread_is_confined() {
    for profile in PROFILES {
        let machine = Machine::new();
        let mut program = machine.start(profile, &["threads", &THREADS.to_string()]);
        assert_eq!(program.line(), format!("threads {THREADS}\tdone"));
        let threads = inspect(program.pid).unwrap();
        assert_eq!(threads.len(), THREADS + 1);
        let faults: Vec<_> =
            threads.iter().flat_map(|thread| thread.faults(machine.user)).collect();
        assert_eq!(faults, Vec::<String>::new());
        program.say("end");
        program.finish();
    }
}
