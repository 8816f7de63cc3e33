//! How an ordinary user, or root, gets to own every file of a tree.

use std::{fs, path::Path};

/// How mmdebstrap becomes root over its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privileges {
    Root,
    UserNamespace,
    Sudo,
    None,
}

impl Privileges {
    pub(super) fn of_this_process() -> Self {
        let installed = |program: &str| Path::new("/usr/bin").join(program).exists();
        let uid = rustix::process::geteuid().as_raw();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let subuid = fs::read_to_string("/etc/subuid").unwrap_or_default();
        if uid == 0 {
            Self::Root
        } else if installed("newuidmap") && is_mapped(uid, &passwd, &subuid) {
            Self::UserNamespace
        } else if installed("sudo") {
            Self::Sudo
        } else {
            Self::None
        }
    }
}

/// Whether a user has user ids to give away, by its own id or by its name.
fn is_mapped(uid: u32, passwd: &str, subuid: &str) -> bool {
    let uid = uid.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id == uid).then_some(name)
    });
    let mut owners = subuid.lines().filter_map(|line| line.split(':').next());
    owners.any(|owner| owner == uid || Some(owner) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_mapped_by_id_or_by_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert!(is_mapped(1000, passwd, "ada:100000:65536\n"));
        assert!(is_mapped(1000, passwd, "bob:1:2\n1000:100000:65536\n"));
        assert!(!is_mapped(1000, passwd, "bob:100000:65536\n"));
        assert!(!is_mapped(1001, passwd, ""));
    }
}
