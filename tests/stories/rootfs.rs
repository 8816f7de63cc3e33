//! Images that become root filesystems, and microVMs that boot those: `kiln rootfs`, `kiln boot` and
//! `kiln build -o type=rootfs`, each as it is typed.
//!
//! But for what is built, and the gallery's, images are made by hand, of the guest image's own busybox: no
//! registry is there, and no engine works.

mod check;
mod first;
mod gallery;
mod kills;
mod nested;
mod picture;
mod scene;
mod wrong;

use kiln_tests::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        first::stories(),
        nested::stories(),
        wrong::stories(),
        check::stories(),
        gallery::stories(),
        kills::stories(),
    ]
    .concat()
}
