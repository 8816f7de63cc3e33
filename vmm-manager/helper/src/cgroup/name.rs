//! Names that can't lead anywhere else.

const PREFIX: &str = "kiln-";
const MAX_BYTES: usize = 64;

/// The directory of a home's cgroups.
pub fn of_instance(instance: &str) -> Option<String> {
    is_plain(instance).then(|| format!("{PREFIX}{instance}"))
}

/// One component of a path, and no file of the kernel's: those have dots.
pub fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= MAX_BYTES && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{is_plain, of_instance};

    #[test]
    fn a_name_is_one_component_and_no_more() {
        for name in ["01JABCDEFGHJKMNPQRSTVWXYZ0", "probe", "a-b_c"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "/a", "a.b", "memory.max", "a b", "a\n", "ä"] {
            assert!(!is_plain(name), "{name}");
            assert_eq!(of_instance(name), None);
        }
        assert!(!is_plain(&"a".repeat(65)));
        assert_eq!(of_instance("0badcafe").as_deref(), Some("kiln-0badcafe"));
    }
}
