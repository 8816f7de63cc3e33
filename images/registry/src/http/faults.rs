//! What a client is told of what is wrong with its request, or with the store.

use crate::{
    digest::InvalidDigest,
    problem::{Code, Problem},
    store::StoreError,
};

pub(super) fn digest(invalid: &InvalidDigest) -> Problem {
    let code = match invalid {
        InvalidDigest::Algorithm { .. } => Code::Unsupported,
        InvalidDigest::Malformed => Code::DigestInvalid,
    };
    Problem::new(code, 400, invalid.to_string())
}

pub(super) fn store(error: StoreError) -> Problem {
    error.into()
}
