//! Kernel modules and what they depend on.
//!
//! The package carries no `modules.dep`; each module names what it needs in its own `.modinfo`,
//! which is where depmod has it from.

use std::collections::BTreeMap;

use super::Module;
use crate::program::{Program, ProgramError};

/// Starts the list in `.modinfo`; the string ends in NUL.
const DEPENDS: &[u8] = b"\0depends=";

/// The modules of a kernel as the package has them, by name with `_` for `-`.
#[derive(Debug)]
pub(super) struct Modules(BTreeMap<String, Packed>);

#[derive(Debug)]
struct Packed {
    /// As the package spells it.
    name: String,
    compressed: bool,
    content: Vec<u8>,
}

/// Why modules could not be loaded in an order.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    #[error("the kernel has no module {name}, which {needed_by} needs")]
    Absent { name: String, needed_by: String },
    #[error("the module {name} does not say what it depends on")]
    NoDependencies { name: String },
    #[error("the module {name} could not be decompressed")]
    Packed { name: String, source: ProgramError },
}

impl Modules {
    /// Of all files of the kernel's module directory.
    pub(super) fn new(files: Vec<(String, Vec<u8>)>) -> Self {
        let packed = |(path, content): (String, Vec<u8>)| {
            let file = path.rsplit('/').next()?;
            let (name, compressed) = match file.strip_suffix(".ko.xz") {
                Some(name) => (name, true),
                None => (file.strip_suffix(".ko")?, false),
            };
            let name = name.to_owned();
            Some((name.replace('-', "_"), Packed { name, compressed, content }))
        };
        Self(files.into_iter().filter_map(packed).collect())
    }

    /// The wanted modules and all that they need, each after what it needs.
    pub(super) fn load_order(&self, wanted: &[&str]) -> Result<Vec<Module>, ModulesError> {
        let mut order = Vec::new();
        for name in wanted {
            self.append(name, "the guest", &mut order)?;
        }
        Ok(order)
    }

    fn append(
        &self,
        name: &str,
        needed_by: &str,
        order: &mut Vec<Module>,
    ) -> Result<(), ModulesError> {
        let absent = || ModulesError::Absent { name: name.into(), needed_by: needed_by.into() };
        let Packed { name, compressed, content } =
            self.0.get(&name.replace('-', "_")).ok_or_else(absent)?;
        let file = format!("{name}.ko");
        if order.iter().any(|module| module.file == file) {
            return Ok(());
        }
        let mut content = content.clone();
        if *compressed {
            content = Program::new("xz")
                .arg("-dc")
                .input(content)
                .output()
                .map_err(|source| ModulesError::Packed { name: name.clone(), source })?;
        }
        let dependencies = dependencies(&content)
            .ok_or_else(|| ModulesError::NoDependencies { name: name.clone() })?;
        // The kernel's build refuses circles, so this ends.
        for dependency in &dependencies {
            self.append(dependency, name, order)?;
        }
        order.push(Module { file, content });
        Ok(())
    }
}

fn dependencies(module: &[u8]) -> Option<Vec<String>> {
    let start = module.windows(DEPENDS.len()).position(|window| window == DEPENDS)?;
    let list = module[start + DEPENDS.len()..].split(|byte| *byte == 0).next()?;
    let list = std::str::from_utf8(list).ok()?;
    Some(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(of: &[(&str, &str)]) -> Modules {
        let file = |(name, depends): &(&str, &str)| {
            let content = format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0");
            (format!("kernel/{name}.ko"), content.into_bytes())
        };
        Modules::new(of.iter().map(file).collect())
    }

    #[test]
    fn each_module_follows_what_it_needs() {
        let modules = modules(&[
            ("virtio-net", "net_failover"),
            ("net_failover", "failover"),
            ("failover", ""),
            ("transport", "common,vsock"),
            ("common", "vsock"),
            ("vsock", ""),
            ("unused", ""),
        ]);
        let order = modules.load_order(&["transport", "virtio_net", "vsock"]).unwrap();
        let files: Vec<_> = order.iter().map(|module| &*module.file).collect();
        assert_eq!(
            files,
            [
                "vsock.ko",
                "common.ko",
                "transport.ko",
                "failover.ko",
                "net_failover.ko",
                "virtio-net.ko"
            ]
        );
    }

    #[test]
    fn a_missing_module_is_named_with_who_needs_it() {
        let error = modules(&[("overlay", "crc")]).load_order(&["overlay"]).unwrap_err();
        assert_eq!(error.to_string(), "the kernel has no module crc, which overlay needs");
    }
}
