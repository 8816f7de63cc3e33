//! What has become of a root filesystem.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootfsRecord {
    /// Of the index or the manifest that the host has; empty for an image that was uploaded.
    pub image_digest: String,
    /// What was stored was taken: its registry was not asked, or did not answer.
    pub is_stale: bool,
    /// Once it is the host's.
    pub made: Option<MadeRootfs>,
}

/// As the host counted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeRootfs {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    pub size_bytes: u64,
    pub converted: Converted,
}

/// As the guest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    pub manifest_digest: String,
    pub config_digest: String,
    pub platform: String,
    /// Of an ext4, as the next two.
    pub uuid: String,
    pub used_bytes: u64,
    pub free_bytes: u64,
    pub kernel_arguments: Vec<String>,
    pub freed_bytes: u64,
    pub secrets_removed: u32,
}
