//! Whether a machine may be started as it is ordered.

use std::path::{Path, PathBuf};

use kiln_jail::{Jail, JailUser};
use kiln_shim::{Order, Program};

use super::{Policy, Refusal, differs};
use crate::given::Given;

mod gateway;

/// Where kernels count whom they killed for memory.
const OOM_FILES: [&str; 2] = ["memory.events", "memory.oom_control"];
/// Drivers are called `qemu` and the like.
const MAX_DRIVER_BYTES: usize = 64;
/// More than any machine is given.
const MAX_PATHS: usize = 1024;

impl Policy {
    /// `cgroups` are those of the job, as the helper would make them, and `given` is its network.
    pub(crate) fn order(
        &self,
        order: &Order,
        cgroups: &[PathBuf],
        given: Option<&Given<'_>>,
    ) -> Result<(), Refusal> {
        let Order {
            major: _,
            instance,
            name,
            driver,
            directory,
            programs,
            main: _,
            cgroups: asked,
            oom_file,
            memory_limit_bytes: _for_the_record,
            sockets: _,
            start_limit_millis: _,
            linger_millis: _,
        } = order;
        // Its version, the names of sockets, descriptors and pairs.
        let invalid = |reason: String| Refusal::Order { reason };
        order.check().map_err(|error| invalid(error.to_string()))?;
        if order.major != kiln_shim::MAJOR {
            return Err(invalid(format!("it is of protocol {}", order.major)));
        }
        let name = self.job(name)?;
        differs("the instance", Path::new(instance), Path::new(&self.instance))?;
        differs("the directory", directory, &self.vms().join(name))?;
        if driver.len() > MAX_DRIVER_BYTES || driver.contains(char::is_control) {
            return Err(invalid("its driver has no such name".to_owned()));
        }
        if let Some(path) = asked.iter().find(|path| !cgroups.contains(path)) {
            return Err(Refusal::Cgroup { path: path.clone() });
        }
        if let Some(file) = oom_file {
            let ours = |cgroup: &PathBuf| OOM_FILES.iter().any(|name| cgroup.join(name) == *file);
            if !cgroups.iter().any(ours) {
                return Err(Refusal::Cgroup { path: file.clone() });
            }
        }
        let (gateways, others): (Vec<_>, Vec<_>) =
            programs.iter().partition(|program| self.is_gateway(program));
        let mut users = others.into_iter().map(|program| self.program(program, directory));
        let first = users.next().transpose()?.flatten();
        for user in users {
            if user? != first {
                return Err(Refusal::User);
            }
        }
        self.gateways(order, &gateways, first)?;
        Self::network(order, &gateways, given)
    }

    /// Whose it will be; `None` for one that may go without a jail.
    fn program(&self, program: &Program, directory: &Path) -> Result<Option<u32>, Refusal> {
        let Some(jail) = &program.jail else {
            if self.unjailed.contains(&program.path) {
                return Ok(None);
            }
            return Err(Refusal::Unjailed { program: program.path.clone() });
        };
        if !self.is_program(&program.path) {
            return Err(Refusal::Program { program: program.path.clone() });
        }
        let id = self.user(jail)?;
        if !self.is_vms(id) {
            return Err(Refusal::Uid { uid: id });
        }
        for path in &jail.paths {
            self.path(path, directory)?;
        }
        Ok(Some(id))
    }

    /// Its user, whoever that is; its group is ours.
    fn user(&self, jail: &Jail) -> Result<u32, Refusal> {
        let JailUser { id, keeper } = *jail.user.as_ref().ok_or(Refusal::User)?;
        if keeper != self.keeper.gid {
            return Err(Refusal::Differs {
                field: "the keeper's group",
                actual: keeper.to_string(),
                expected: self.keeper.gid.to_string(),
            });
        }
        if jail.paths.len() > MAX_PATHS {
            return Err(Refusal::Order { reason: "it names too many paths".to_owned() });
        }
        Ok(id)
    }
}
