//! POSIX access lists: programs read them with a number in every entry, the disk keeps one only where it
//! says something.

const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

const VERSION_OF_PROGRAMS: u32 = 2;
const VERSION_ON_DISK: u32 = 1;

/// An access list as the disk keeps it; nothing if it is none.
pub(super) fn encode(value: &[u8]) -> Option<Vec<u8>> {
    let (version, entries) = value.split_first_chunk()?;
    let (entries, []) = entries.as_chunks::<8>() else { return None };
    if u32::from_le_bytes(*version) != VERSION_OF_PROGRAMS {
        return None;
    }
    let mut encoded = VERSION_ON_DISK.to_le_bytes().to_vec();
    for [a, b, c, d, number @ ..] in entries {
        encoded.extend([a, b, c, d]);
        match u16::from_le_bytes([*a, *b]) {
            OWNER | OWNING_GROUP | MASK | OTHER => {}
            USER | GROUP => encoded.extend(number),
            _ => return None,
        }
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_users_and_groups_keep_a_number() {
        let owner = [1, 0, 6, 0, 255, 255, 255, 255];
        let user = [2, 0, 4, 0, 232, 3, 0, 0];
        let list = [&[2, 0, 0, 0][..], &owner, &user].concat();
        let expected = [&[1, 0, 0, 0][..], &[1, 0, 6, 0], &user].concat();
        assert_eq!(encode(&list), Some(expected));
    }

    #[test]
    fn what_is_no_access_list_is_refused() {
        for value in
            [&[][..], &[1, 0, 0, 0], &[2, 0, 0, 0, 1], &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(encode(value), None, "{value:?}");
        }
    }
}
