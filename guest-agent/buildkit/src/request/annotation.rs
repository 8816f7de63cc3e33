//! Annotations, as exporters take them: `annotation[-TYPE][\[PLATFORM\]].KEY`.

use super::InvalidOrder;

const TYPES: [&str; 4] = ["index", "index-descriptor", "manifest", "manifest-descriptor"];

/// Of `[TYPE[PLATFORM][,…]:]KEY`, one for each type.
pub(super) fn attributes(
    annotations: &[(String, String)],
) -> Result<Vec<(String, String)>, InvalidOrder> {
    let mut all = Vec::new();
    for (written, value) in annotations {
        let invalid = || InvalidOrder::Annotation(written.clone());
        let Some((types, key)) = typed(written) else {
            all.push((format!("annotation.{written}"), value.clone()));
            continue;
        };
        for one in types.split(',') {
            let (kind, platform) = match one.split_once('[') {
                Some((kind, platform)) => {
                    (kind, Some(platform.strip_suffix(']').ok_or_else(invalid)?))
                }
                None => (one, None),
            };
            if key.is_empty() || !TYPES.contains(&kind) {
                return Err(invalid());
            }
            let platform = platform.map(|platform| format!("[{platform}]")).unwrap_or_default();
            all.push((format!("annotation-{kind}{platform}.{key}"), value.clone()));
        }
    }
    Ok(all)
}

/// Keys may have colons of their own, behind what is no word.
fn typed(written: &str) -> Option<(&str, &str)> {
    let (types, key) = written.split_once(':')?;
    let is_of_types = |one: &str| {
        let kind = one.split_once('[').map_or(one, |(kind, _)| kind);
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    types.split(',').all(is_of_types).then_some((types, key))
}
