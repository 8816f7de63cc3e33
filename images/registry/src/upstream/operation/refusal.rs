//! What a registry means by not answering with what was asked for.

use crate::upstream::{access::Access, exchange::Answer, failure::Failure};

const MAX_ERROR_BYTES: u64 = 64 << 10;

/// What an answer's status means, wherever it came from.
pub(super) async fn refusal(answer: &mut Answer, access: Option<&Access>) -> Result<(), Failure> {
    let status = answer.status;
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    // Only a code is passed on: words could hold what was sent.
    let body = answer.whole(MAX_ERROR_BYTES).await.unwrap_or_default();
    Err(match status.as_u16() {
        401 => access.map_or_else(|| Access::none().refused(), Access::refused),
        403 => Failure::Denied { credentials: access.is_some_and(|access| access.credentials) },
        404 => Failure::NotFound,
        status @ 500..=599 => Failure::Failed { status },
        status => Failure::Rejected { status, code: code(&body) },
    })
}

impl Failure {
    /// Another try may do.
    pub(in crate::upstream) fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unreachable { .. } | Self::Failed { .. })
    }
}

/// The first of a registry's answer: `{"errors":[{"code":"…"}]}`.
fn code(body: &[u8]) -> Option<String> {
    const MAX_CODE_BYTES: usize = 64;
    let parsed: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = parsed.get("errors")?.get(0)?.get("code")?.as_str()?;
    let is_plain = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    (is_plain && !code.is_empty() && code.len() <= MAX_CODE_BYTES).then(|| code.to_owned())
}
