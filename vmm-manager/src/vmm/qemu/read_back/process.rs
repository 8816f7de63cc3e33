//! What the kernel says of the processes.

use std::fs;

use kiln_jail::{ThreadConfinement, inspect};

use super::same;
use crate::vmm::VmmError;

/// QEMU, and the bridge beside it, which filters nothing itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::vmm::qemu) struct Processes<'a> {
    pub(in crate::vmm::qemu) qemu: u32,
    pub(in crate::vmm::qemu) bridge: u32,
    /// What QEMU was to be started with.
    pub(in crate::vmm::qemu) arguments: &'a [String],
}

impl Processes<'_> {
    /// Each thread of QEMU's has a filter of its own over that of its jail, and QEMU has its very
    /// command line: what it answers for is what was asked, and nothing was left out of what it
    /// has no answer to.
    pub(in crate::vmm::qemu) fn read_back(&self) -> Result<(), VmmError> {
        let threads = |pid| {
            inspect(pid)
                .map_err(|source| VmmError::Io { what: "the threads of the machine", source })
        };
        compare(&threads(self.qemu)?, &threads(self.bridge)?)?;
        self.command_line()
    }

    fn command_line(&self) -> Result<(), VmmError> {
        let io = |source| VmmError::Io { what: "the kernel's account of the machine", source };
        let said = fs::read(format!("/proc/{}/cmdline", self.qemu)).map_err(io)?;
        let mut said: Vec<_> =
            said.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word)).collect();
        // Behind the last word's end.
        said.pop();
        same(
            "command line of QEMU",
            &self.arguments.join(" "),
            said.get(1..).unwrap_or_default().join(" "),
        )
    }
}

fn compare(qemu: &[ThreadConfinement], bridge: &[ThreadConfinement]) -> Result<(), VmmError> {
    let jails = bridge.iter().map(|thread| thread.filters).min().unwrap_or_default();
    same("that QEMU has threads", "true", (!qemu.is_empty()).to_string())?;
    for thread in qemu {
        let filters = thread.filters.to_string();
        same("filters of a thread of QEMU", &(jails + 1).to_string(), filters)?;
        same("no new privileges of QEMU", "true", thread.no_new_privileges.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, process::Stdio};

    use super::*;

    fn thread(filters: u32, no_new_privileges: bool) -> ThreadConfinement {
        ThreadConfinement {
            thread: 1,
            name: "q".to_owned(),
            users: Vec::new(),
            groups: Vec::new(),
            supplementary_groups: Vec::new(),
            capabilities: [0; 5],
            no_new_privileges,
            filters,
            network: None,
        }
    }

    #[test]
    fn a_qemu_that_did_not_shut_itself_in_is_seen() {
        let bridge = [thread(1, true), thread(2, true)];
        let check = |threads: &[ThreadConfinement], expected: bool| {
            assert_eq!(compare(threads, &bridge).is_ok(), expected, "{threads:?}");
        };
        check(&[thread(2, true), thread(2, true)], true);
        check(&[thread(2, true), thread(1, true)], false);
        check(&[thread(2, true), thread(2, false)], false);
        check(&[thread(0, true)], false);
        check(&[], false);
    }

    #[test]
    fn a_command_line_is_the_one_that_was_asked() {
        let arguments = ["-c".to_owned(), "echo ready; read line; :".to_owned()];
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        // Before that the kernel may not have its command line yet.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        let pid = child.id();
        let check = |arguments: &[String]| {
            let processes = Processes { qemu: pid, bridge: pid, arguments };
            let said = fs::read(format!("/proc/{}/cmdline", processes.qemu)).unwrap();
            (said, processes.command_line())
        };
        assert!(check(&arguments).1.is_ok(), "{:?}", check(&arguments));
        assert!(check(&arguments[..1]).1.is_err());
        // Its stdin is closed by that, and with it the shell ends.
        child.wait_with_output().unwrap();
    }
}
