//! What jobs boot.

use super::Patient;
use crate::doctor::report::{Area, Check};

pub(super) fn check(patient: &Patient) -> Check {
    let (area, name) = (Area::Kilnd, "guest image");
    match &patient.image {
        Ok(image) => {
            Check::ok(area, name, format!("kernel {}, as its manifest says", image.kernel_release))
        }
        Err(reason) => Check::missing(area, name, reason.clone())
            .mend("make one with `cargo xtask image`, and name it with --guest-image"),
    }
}
