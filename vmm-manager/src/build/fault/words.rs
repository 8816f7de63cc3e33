//! What the engine's words mean. They are of the versions that our images have; words that are not
//! known mean nothing, and are shown as they are.

/// What kind of failure an engine tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its text is wrong.
    Dockerfile,
    NoDockerfile,
    NoTarget {
        name: String,
    },
    /// Of a COPY or an ADD.
    NoFile {
        path: String,
    },
    NoSecret {
        id: String,
    },
    NoSsh,
    /// An image was not to be had.
    Image {
        /// As it was asked for, if that can be told.
        reference: Option<String>,
        /// As whoever answered has it.
        status: Option<u16>,
    },
    /// A step's command ended in a way of its own.
    Run {
        code: i32,
    },
    NoPlatform,
    NotEntitled,
    /// A cache could not be read or written.
    Cache,
    NoSpace,
    /// The engine itself went.
    Engine,
    Cancelled,
    Other,
}

const UNSOLVED: &str = "failed to solve: ";
const UNRESOLVED: &str = "failed to resolve source metadata for ";

pub(super) fn kind(message: &str) -> Kind {
    let has = |words: &str| message.contains(words);
    // A step's own command stands in what is said of it, and may say anything: it is looked at first.
    if let Some(code) = exit_code(message) {
        return Kind::Run { code };
    }
    if has("did not complete successfully: ") && has("exec format error") {
        return Kind::NoPlatform;
    }
    if has("no space left on device") {
        return Kind::NoSpace;
    }
    if has("Canceled: context canceled") {
        return Kind::Cancelled;
    }
    if has("Cannot connect to the Docker daemon")
        || has("code = Unavailable desc = error reading from server")
        || has("the engine has died")
    {
        return Kind::Engine;
    }
    if has("dockerfile parse error")
        || has("unterminated heredoc")
        || has("the Dockerfile cannot be empty")
        || has("failed to parse stage name")
        || has("failed to process \"")
        || has("must have two arguments")
        || has("requires at least")
        || has("requires exactly")
        || has("no build stage in current context")
        || has("base name (")
    {
        return Kind::Dockerfile;
    }
    if let Some(file) = between(message, "failed to read dockerfile: open ", ": no such file") {
        return if file.is_empty() { Kind::Other } else { Kind::NoDockerfile };
    }
    if let Some(name) = between(message, "target stage \"", "\" could not be found") {
        return Kind::NoTarget { name: name.to_owned() };
    }
    if has("exporting cache") || has("cache export") || has("importing cache manifest") {
        return Kind::Cache;
    }
    if let Some(path) = missing_file(message) {
        return Kind::NoFile { path: path.to_owned() };
    }
    if let Some(id) = missing_secret(message) {
        return Kind::NoSecret { id: id.to_owned() };
    }
    if has("no SSH key \"") || has("no ssh handler for id") || has("unset ssh forward key") {
        return Kind::NoSsh;
    }
    if has("no match for platform in manifest") || has("exec format error") {
        return Kind::NoPlatform;
    }
    if has("granting entitlement ") || has(" is not allowed") {
        return Kind::NotEntitled;
    }
    image(message).unwrap_or(Kind::Other)
}

/// Of `process "…" did not complete successfully: exit code: 3`, at the end.
fn exit_code(message: &str) -> Option<i32> {
    let (before, code) = message.rsplit_once("\" did not complete successfully: exit code: ")?;
    let digits = code.len() - code.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    if before.contains("process \"") { code[..digits].parse().ok() } else { None }
}

/// Of `failed to calculate checksum of ref …: "/missing.txt": not found`.
fn missing_file(message: &str) -> Option<&str> {
    let path = message.split_once("failed to calculate checksum of ref ")?.1;
    let path = path.strip_suffix("\": not found")?;
    Some(path.split_once('"')?.1)
}

/// Of `failed to solve: secret tok: not found`.
fn missing_secret(message: &str) -> Option<&str> {
    let secret = message.strip_prefix(UNSOLVED)?;
    secret.strip_prefix("secret ")?.strip_suffix(": not found")
}

fn image(message: &str) -> Option<Kind> {
    let reference = message.split_once(UNRESOLVED).and_then(|(_, rest)| {
        let end = rest.find(": ").unwrap_or(rest.len());
        (!rest[..end].is_empty()).then(|| rest[..end].to_owned())
    });
    let status = status(message);
    let is_of_one = reference.is_some()
        || message.contains("pull access denied")
        || message.contains("failed to authorize")
        || message.contains("unexpected status")
        || message.contains("httpReadSeeker");
    is_of_one.then_some(Kind::Image { reference, status })
}

/// Of `unexpected status from HEAD request to URL: 403 …`, or `…: not found`.
fn status(message: &str) -> Option<u16> {
    let answered = ["unexpected status from ", "unexpected status code ", "unexpected status: "];
    let answer = answered.iter().find_map(|words| message.split_once(words));
    if let Some((_, answer)) = answer {
        let words = answer.split([' ', ':']);
        let number = |word: &str| (word.len() == 3).then(|| word.parse().ok())?;
        return words.filter_map(number).find(|status| (400..600).contains(status));
    }
    let has = |words: &str| message.contains(words);
    if message.ends_with(": not found") {
        Some(404)
    } else if has("401 Unauthorized") || has("authorization failed") {
        Some(401)
    } else if has("403 Forbidden") || has("pull access denied") {
        Some(403)
    } else if has("429 Too Many Requests") || has("toomanyrequests") {
        Some(429)
    } else {
        None
    }
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(behind).map(|(found, _)| found)
}
