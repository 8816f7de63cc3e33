//! The initramfs: the agent and the modules, and nothing that could start before it.

use crate::{
    cpio::{Cpio, TooLarge},
    kernel::Module,
};

/// Packs the agent as `/init`, the modules as `/modules/*.ko` and the order in which to load them
/// as `/modules/order`. Not compressed: unpacking costs more than reading.
pub(crate) fn pack(agent: &[u8], modules: &[Module]) -> Result<Vec<u8>, TooLarge> {
    let mut cpio = Cpio::default();
    cpio.file("init", 0o755, agent)?;
    for directory in ["dev", "modules", "proc", "sys"] {
        cpio.directory(directory)?;
    }
    let mut order = String::new();
    for Module { file, content } in modules {
        cpio.file(&format!("modules/{file}"), 0o644, content)?;
        order.push_str(file);
        order.push('\n');
    }
    cpio.file("modules/order", 0o644, order.as_bytes())?;
    cpio.finish()
}
