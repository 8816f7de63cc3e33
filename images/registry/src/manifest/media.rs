//! Media types, as far as a registry tells them apart.

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// All that are read here, as an `Accept` header names them.
pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

const DOCKER_SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";

const MAX_BYTES: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Image,
    Index,
}

/// None: of no manifest that is known here.
pub fn kind(media_type: &str) -> Option<Kind> {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Image),
        OCI_INDEX | DOCKER_LIST => Some(Kind::Index),
        _ => None,
    }
}

pub(super) fn is_schema1(media_type: &str) -> bool {
    DOCKER_SCHEMA1.contains(&media_type)
}

/// Layers that are not in registries, but where their `urls` say.
pub fn is_foreign(media_type: &str) -> bool {
    [DOCKER_FOREIGN, OCI_FOREIGN].iter().any(|foreign| {
        media_type
            .strip_prefix(foreign)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+']))
    })
}

/// A content type without its parameters, in lower case; none where it says no more than "JSON" or
/// "bytes".
pub(super) fn declared(header: &str) -> Option<String> {
    let essence = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let says_nothing = matches!(
        essence.as_str(),
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    (!says_nothing).then_some(essence)
}

/// `TYPE/SUBTYPE` of printable characters: it goes into headers.
pub(super) fn is_valid(media_type: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~');
    media_type.len() <= MAX_BYTES
        && media_type.bytes().all(is_printable)
        && media_type.split_once('/').is_some_and(|(kind, subtype)| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            let subtype = subtype.split(';').next().unwrap_or_default().trim_end();
            [kind, subtype].iter().all(|name| !name.is_empty() && name.bytes().all(is_name))
        })
}
