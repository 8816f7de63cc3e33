//! The image's systemd as process 1, and a unit for the image's command.
//!
//! The command's surroundings are docker's as far as systemd can make them: what it cannot is refused,
//! never left out. An image whose command is systemd itself gets no unit, and neither does one without a
//! command: what it has enabled is what runs.

mod quote;
mod unit;

use self::unit::Unit;
use super::{
    command::{CommandError, Judge},
    direct::{self, MOUNT_POINTS},
    error::InitError,
    image::ImageCommand,
    place,
    plant::Plant,
};

/// Where distributions have it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
const NAME: &str = "kiln-command.service";
const UNITS: &str = "/etc/systemd/system";
const SETTINGS: &str = "/etc/sysctl.d/kiln-command.conf";
/// docker's: a user who is not root may listen on port 80 and may ping.
const KERNEL: &str =
    "net.ipv4.ip_unprivileged_port_start = 0\nnet.ipv4.ping_group_range = 0 2147483647\n";

#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    #[error("the image has no systemd: install it there, or let the command be run directly")]
    Missing,
    #[error("the image's systemd cannot be run")]
    Unusable(#[source] CommandError),
    #[error("systemd runs nobody without an entry in /etc/passwd, and user {0:?} has none")]
    NoEntry(String),
    #[error("systemd takes no group without an entry in /etc/group, and {0} has none")]
    NoGroup(u32),
    #[error("systemd takes no user name such as {0:?}")]
    UserName(String),
    #[error(
        "systemd gives user {0:?} all groups that name it, and the image's USER asks for one group alone"
    )]
    Groups(String),
    #[error("systemd takes no variable name such as {0:?}: letters, digits and _ only")]
    Variable(String),
    #[error("systemd takes no control characters in the value of {0}")]
    Value(String),
    #[error("systemd takes no path such as {0:?}")]
    Path(String),
    #[error("systemd cannot send signal {0}")]
    Signal(String),
}

/// Process 1, and the unit's name.
pub(super) fn install(
    plant: &mut Plant<'_>,
    image: &ImageCommand,
) -> Result<(String, Option<String>), InitError> {
    let there = |path: &&&str| place::find(plant.tree, path).is_ok();
    let program = (*PROGRAMS.iter().find(there).ok_or(SystemdError::Missing)?).to_owned();
    let root = kiln_init::Identity::find("", &kiln_init::Database::default())?;
    let judge = Judge {
        tree: plant.tree,
        store: plant.store,
        identity: &root,
        architecture: &image.architecture,
        directory: "/",
    };
    judge.check(&program).map_err(SystemdError::Unusable)?;
    let systemd = judge.node(&program);
    for point in MOUNT_POINTS.into_iter().chain(["/run"]) {
        plant.directory(point, 0o755)?;
    }
    plant.directory("/tmp", 0o1777)?;
    if image.words().is_empty() {
        return Ok((program, None));
    }
    let checked = direct::check(plant, image)?;
    if systemd == place::find(plant.tree, &checked.path).ok() {
        return Ok((program, None));
    }
    let unit = Unit::new(image, &checked)?;
    let path = format!("{UNITS}/{NAME}");
    plant.file(&path, 0o644, unit.text().into_bytes())?;
    plant.link(&format!("{UNITS}/multi-user.target.wants/{NAME}"), &path)?;
    plant.file(SETTINGS, 0o644, KERNEL.into())?;
    Ok((program, Some(NAME.to_owned())))
}
