//! Whom the agent obeys: whoever knows what the first host has shown.

use std::sync::OnceLock;

use tonic::Status;

const SECRET_BYTES: usize = 32;

/// In the first host that there was, for the agent's life.
#[derive(Debug, Default)]
pub(crate) struct Trust(OnceLock<[u8; SECRET_BYTES]>);

impl Trust {
    /// Of hosts that are first at the same time, one is.
    pub(super) fn show(&self, secret: &[u8]) -> Result<(), Status> {
        let secret = secret.try_into().map_err(|_| {
            Status::invalid_argument(format!(
                "the secret has {} bytes and must have {SECRET_BYTES}",
                secret.len()
            ))
        })?;
        if same(self.0.get_or_init(|| secret), &secret) {
            Ok(())
        } else {
            Err(Status::permission_denied("the secret is not that of the first hello"))
        }
    }
}

/// Takes as long wherever the two differ.
fn same(left: &[u8; SECRET_BYTES], right: &[u8; SECRET_BYTES]) -> bool {
    let differences = left.iter().zip(right).fold(0, |all, (left, right)| all | (left ^ right));
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn check(trust: &Trust, secret: &[u8], expected: Result<(), Code>) {
        assert_eq!(trust.show(secret).map_err(|status| status.code()), expected);
    }

    #[test]
    fn the_first_secret_is_for_life() {
        let trust = Trust::default();
        check(&trust, &[], Err(Code::InvalidArgument));
        check(&trust, &[1; 31], Err(Code::InvalidArgument));
        check(&trust, &[1; 33], Err(Code::InvalidArgument));
        check(&trust, &[1; 32], Ok(()));
        check(&trust, &[2; 32], Err(Code::PermissionDenied));
        let mut nearly = [1; 32];
        nearly[31] = 0;
        check(&trust, &nearly, Err(Code::PermissionDenied));
        check(&trust, &[1; 32], Ok(()));
    }
}
