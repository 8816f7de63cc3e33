//! What has to hold of whatever is read. An input of several pieces has line feeds between them.

use std::time::{Duration, SystemTime};

use kiln_registry::{
    content::Part,
    http::{
        place::Place,
        query::{Query, decode, encode},
        range::{Asked, asked, pushed},
        route::{Resource, Route, route},
    },
    operate::Reference,
    problem::escaped,
    upstream::{
        challenge::{self, Challenge},
        retry_after,
    },
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Understood,
    Refused,
}

impl End {
    fn of(is_understood: bool) -> Self {
        if is_understood { Self::Understood } else { Self::Refused }
    }
}

fn pieces<const N: usize>(input: &[u8]) -> [String; N] {
    let mut pieces = input.split(|byte| *byte == b'\n');
    std::array::from_fn(|_| String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned())
}

/// A size, and a header.
pub(crate) fn range(input: &[u8]) -> End {
    let [size, header] = pieces(input);
    let size: u64 = size.parse().unwrap_or(2048);
    let asked = asked(Some(&header), size);
    if let Asked::Part(Part { start, length }) = asked {
        let end = start.checked_add(length).expect("an end");
        assert!(length > 0 && end <= size, "{start}+{length} of {size}");
    }
    if let Some(expected) = read_plainly(&header, size) {
        assert_eq!(asked, expected, "{header:?} of {size}");
    }
    let chunk = pushed(&header);
    if let Some(Part { start, length }) = chunk {
        let last = start.checked_add(length).expect("an end") - 1;
        assert_eq!(pushed(&format!("{start}-{last}")), chunk);
        assert_eq!(pushed(&format!("bytes {start}-{last}/*")), chunk);
    }
    End::of(matches!(asked, Asked::Part(_)) || chunk.is_some())
}

/// By the letter, in larger numbers; only what is written in the plainest way.
fn read_plainly(header: &str, size: u64) -> Option<Asked> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let is_plain = text.len() <= 30 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<u128>().ok())?
    };
    let size = u128::from(size);
    let bytes: Vec<u128> = match (number(first), number(last)) {
        (Some(first), Some(last)) => vec![first, last.min(size.saturating_sub(1))],
        (Some(first), None) if last.is_empty() => vec![first, size.saturating_sub(1)],
        (None, Some(length)) if first.is_empty() => {
            if length == 0 {
                return Some(Asked::Outside);
            }
            vec![size.saturating_sub(length), size.saturating_sub(1)]
        }
        _ => return None,
    };
    let is_inside = bytes[0] < size && bytes[0] <= bytes[1];
    Some(if is_inside {
        let start = u64::try_from(bytes[0]).expect("below the size");
        let length = u64::try_from(bytes[1] - bytes[0] + 1).expect("below the size");
        Asked::Part(Part { start, length })
    } else {
        Asked::Outside
    })
}

/// What a registry outside asks for, and when it wants to be asked again.
pub(crate) fn headers(input: &[u8]) -> End {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let wait = retry_after::parse(input, now);
    assert!(wait.is_none_or(|wait| wait <= retry_after::MOST));
    let challenges = challenge::parse(input);
    assert!(challenges.len() <= 8);
    for found in &challenges {
        let Challenge::Bearer { realm, service, scope } = found else { continue };
        let parameters =
            [("realm", Some(realm)), ("service", service.as_ref()), ("scope", scope.as_ref())];
        let parameters = parameters.map(|(name, value)| Some(format!("{name}={}", quoted(value?))));
        let again =
            format!("Bearer {}", parameters.into_iter().flatten().collect::<Vec<_>>().join(","));
        if again.len() <= 4096 {
            let read = challenge::parse(again.as_bytes());
            assert_eq!(read, std::slice::from_ref(found), "{again:?}");
        }
    }
    End::of(wait.is_some() || !challenges.is_empty())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A path with its query, a registry beside it; and the path as an image that is typed.
pub(crate) fn reference(input: &[u8]) -> End {
    let [target, registry] = pieces(input);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = Query::parse(Some(query));
    let ns = query.first("ns").filter(|ns| !ns.is_empty());
    let beside = ns.or_else(|| (!registry.is_empty()).then_some(&*registry));
    let mut is_understood = false;
    if let Some(Route::Of { name, resource }) = route(path) {
        is_understood = placed(&name, beside);
        if let Resource::Manifest { reference } = resource {
            let _: Result<kiln_registry::name::Target, _> = reference.parse();
        }
    }
    is_understood |= placed(path, beside);
    is_understood |= typed(&target);
    assert_eq!(decode(&encode(&target)), target);
    let safe = escaped(&target, 64);
    assert!(safe.len() <= 64 && safe.bytes().all(|byte| (32..127).contains(&byte)));
    End::of(is_understood)
}

/// Whatever a name means, it is called by a name that means the same.
fn placed(name: &str, registry: Option<&str>) -> bool {
    let place = match Place::of(name, registry) {
        Ok(place) => place,
        Err(misplaced) => {
            let told = misplaced.to_string();
            assert!(told.bytes().all(|byte| (32..127).contains(&byte)), "{told:?}");
            return false;
        }
    };
    let again = match &place {
        Place::Own(name) => Place::of(&format!("local/{name}"), None),
        Place::Other { host, name } => Place::of(name.as_str(), Some(host.as_str())),
    };
    assert_eq!(again.as_ref(), Ok(&place), "{name:?} {registry:?}");
    assert!(place.to_string().split('/').all(|component| !matches!(component, "" | "." | "..")));
    true
}

fn typed(text: &str) -> bool {
    let Ok(reference) = text.parse::<Reference>() else { return false };
    let shown = reference.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&reference), "{text:?} is shown as {shown:?}");
    assert!(shown.bytes().all(|byte| (33..127).contains(&byte)), "{shown:?}");
    true
}
