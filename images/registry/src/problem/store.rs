//! What is told of a failure of the store.

use std::error::Error;

use super::{Code, Problem};
use crate::store::StoreError;

/// What is the store's own matter stays in the log: a guest has no business with paths of the host.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (code, status) = match &error {
            StoreError::OutOfOrder { .. } => (Code::BlobUploadInvalid, 416),
            StoreError::NoUpload => (Code::BlobUploadUnknown, 404),
            StoreError::OtherDigest { .. } => (Code::DigestInvalid, 400),
            StoreError::TooLong { .. } => (Code::SizeInvalid, 400),
            StoreError::Missing(_) => (Code::ManifestBlobUnknown, 400),
            StoreError::Quota { .. } => (Code::Denied, 403),
            StoreError::Stream(_) => (Code::BlobUploadInvalid, 400),
            StoreError::DiskFull | StoreError::MirrorsFull { .. } => (Code::Unavailable, 507),
            StoreError::Closed => (Code::Unavailable, 503),
            StoreError::InUse { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::NoLog { .. }
            | StoreError::Damaged(_)
            | StoreError::Database(_)
            | StoreError::Io { .. } => {
                tracing::error!(error = &error as &dyn Error, "the image store failed a request");
                let message = "the image store of this host failed: its log says why";
                return Self::new(Code::Unavailable, 500, message);
            }
        };
        if matches!(error, StoreError::DiskFull) {
            tracing::error!(error = &error as &dyn Error, "the image store failed a request");
        }
        Self::new(code, status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf, sync::Arc};

    use super::*;

    #[test]
    fn what_is_the_hosts_own_stays_in_its_log() {
        let path = PathBuf::from("/var/lib/kiln/registry/secret");
        let source = Arc::new(io::Error::other("a secret"));
        for error in [
            StoreError::Io { path: path.clone(), source },
            StoreError::InUse { path: path.clone() },
            StoreError::NoLog { path },
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.code, problem.status), (Code::Unavailable, 500));
            assert!(!problem.to_json().contains("secret"), "{problem:?}");
        }
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        let problem = Problem::from(StoreError::DiskFull);
        assert_eq!((problem.code, problem.status), (Code::Unavailable, 507));
    }
}
