//! How a user is named: `name`, `uid`, `name:group`, `uid:gid`, or not at all, which is root.

/// Not looked up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserName {
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("user {0:?} is not of the form name, uid, name:group or uid:gid")]
pub(crate) struct InvalidUserName(String);

impl UserName {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidUserName> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        // Such a part could never stand in the files, or would run into the next field of a line.
        let wrong = |part: &str| part.is_empty() || part.contains([':', '\n', '\0', ',']);
        if wrong(user) || group.is_some_and(wrong) {
            return Err(InvalidUserName(text.to_owned()));
        }
        Ok(Self { user: Some(user.to_owned()), group: group.map(str::to_owned) })
    }
}

/// An id in digits alone. The largest one means "unchanged" to the kernel and is nobody's.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}
