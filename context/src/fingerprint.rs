//! What a walk saw, in 32 bytes: equal for a context that nobody touched.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::walk::{Kind, Member, Stamp};

/// Counts what else decides how a tar looks.
const FORMAT: u8 = 1;
/// The kernel's clock for files may stand still so long, and two changes look like one.
const FINE: Duration = Duration::from_millis(100);
/// A file system that keeps whole seconds, or even two.
const COARSE: Duration = Duration::from_millis(2100);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) hash: [u8; 32],
    /// No file was changed so shortly before it was seen that another change could look the same.
    pub(crate) is_settled: bool,
}

impl Fingerprint {
    /// `seen_at` is from before the walk.
    pub(crate) fn of(members: &[Member], seen_at: SystemTime) -> Self {
        let seen_at = seen_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update([FORMAT]);
        let mut is_settled = true;
        for Member { path, kind, stamp } in members {
            bytes(&mut hash, path);
            match kind {
                Kind::Directory => hash.update(b"d"),
                Kind::File => hash.update(b"f"),
                Kind::Symlink => hash.update(b"s"),
                Kind::HardLink(first) => {
                    hash.update(b"h");
                    bytes(&mut hash, first);
                }
                Kind::Given(content) => {
                    hash.update(b"g");
                    bytes(&mut hash, content);
                    continue;
                }
            }
            let Stamp { device, inode, size, mode, modified, changed, blocks } = stamp;
            for number in [*device, *inode, *size, u64::from(*mode), *blocks] {
                hash.update(number.to_le_bytes());
            }
            for (seconds, nanoseconds) in [modified, changed] {
                hash.update(seconds.to_le_bytes());
                hash.update(nanoseconds.to_le_bytes());
            }
            is_settled &= settled(*modified, seen_at) && settled(*changed, seen_at);
        }
        Self { hash: hash.finalize().into(), is_settled }
    }
}

fn bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// A time to come never is.
fn settled((seconds, nanoseconds): (i64, u32), seen_at: Duration) -> bool {
    let Ok(seconds) = u64::try_from(seconds) else { return true };
    let margin = if nanoseconds % 1_000_000 == 0 { COARSE } else { FINE };
    Duration::new(seconds, nanoseconds) + margin < seen_at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(modified: (i64, u32)) -> Member {
        let stamp = Stamp {
            device: 1,
            inode: 2,
            size: 3,
            mode: 0o100_644,
            modified,
            changed: modified,
            blocks: 8,
        };
        Member { path: b"a".to_vec(), kind: Kind::File, stamp }
    }

    fn of(member: Member) -> Fingerprint {
        Fingerprint::of(&[member], UNIX_EPOCH + Duration::from_secs(100))
    }

    #[test]
    fn whatever_stat_tells_is_in_it() {
        let known = of(member((90, 1)));
        assert_eq!(known, of(member((90, 1))));
        let check = |change: fn(&mut Member)| {
            let mut member = member((90, 1));
            change(&mut member);
            assert_ne!(known.hash, of(member.clone()).hash, "{member:?}");
        };
        check(|member| member.path = b"b".to_vec());
        check(|member| member.kind = Kind::Symlink);
        check(|member| member.kind = Kind::HardLink(b"b".to_vec()));
        check(|member| member.stamp.device = 7);
        check(|member| member.stamp.inode = 7);
        check(|member| member.stamp.size = 7);
        check(|member| member.stamp.mode = 7);
        check(|member| member.stamp.modified.1 = 7);
        check(|member| member.stamp.changed.0 = 7);
    }

    #[test]
    fn what_was_just_changed_is_not_settled() {
        let check = |modified, expected| {
            assert_eq!(of(member(modified)).is_settled, expected, "{modified:?}");
        };
        check((99, 899_000_001), true);
        check((99, 950_000_001), false);
        // Perhaps all that the file system keeps.
        check((99, 0), false);
        check((98, 0), false);
        check((97, 0), true);
        check((101, 5), false);
        check((-5, 0), true);
    }
}
