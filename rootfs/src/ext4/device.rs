//! Numbers of devices in an inode.

/// The two words at the start of an inode's block map: small numbers in the first, others in the second.
/// Nothing if Linux has no such device.
pub(super) fn encode(major: u32, minor: u32) -> Option<[u32; 2]> {
    if major < 1 << 8 && minor < 1 << 8 {
        Some([major << 8 | minor, 0])
    } else if major < 1 << 12 && minor < 1 << 20 {
        Some([0, (minor & 0xff) | major << 8 | (minor & !0xff) << 12])
    } else {
        None
    }
}
