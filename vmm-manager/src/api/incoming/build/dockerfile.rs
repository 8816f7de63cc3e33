//! Which Dockerfile.

use kiln_proto::v1::build_spec;

use super::text::shown;
use crate::{api::field::InvalidField, job::Dockerfile};

const USUAL: &str = "Dockerfile";
const MOST_BYTES: usize = 2 << 20;
const MOST_PATH_BYTES: usize = 4095;
const MOST_COMPONENT_BYTES: usize = 255;

pub(super) fn dockerfile(
    wire: Option<build_spec::Dockerfile>,
    has_context: bool,
) -> Result<Dockerfile, InvalidField> {
    let path = match wire {
        Some(build_spec::Dockerfile::DockerfileInline(text)) => return inline(text),
        Some(build_spec::Dockerfile::DockerfilePath(path)) => path,
        None => USUAL.to_owned(),
    };
    let at = "spec.build.dockerfile_path";
    let path = self::path(&path).map_err(|problem| InvalidField::new(at, problem))?;
    if !has_context {
        let problem =
            "is in the context, and there is none: upload one, or send the Dockerfile itself";
        return Err(InvalidField::new(at, problem));
    }
    Ok(Dockerfile::InContext(path))
}

fn inline(text: bytes::Bytes) -> Result<Dockerfile, InvalidField> {
    let at = "spec.build.dockerfile_inline";
    if text.is_empty() {
        return Err(InvalidField::new(at, "is empty"));
    }
    if text.len() > MOST_BYTES {
        let problem = format!("has {} bytes, and at most {MOST_BYTES} go", text.len());
        return Err(InvalidField::new(at, problem));
    }
    Ok(Dockerfile::Inline(text))
}

/// Without what means nothing: `./a//b` is `a/b`.
fn path(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        return Err(format!("{} is absolute; it is looked for in the context", shown(path)));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("{} contains control characters", shown(path)));
    }
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(format!("{} contains `..`, and it is looked for in the context", shown(path)));
    }
    if parts.is_empty() || path.ends_with('/') {
        return Err(format!("{} names no file", shown(path)));
    }
    if path.len() > MOST_PATH_BYTES || parts.iter().any(|part| part.len() > MOST_COMPONENT_BYTES) {
        return Err("is longer than a path can be".to_owned());
    }
    Ok(parts.join("/"))
}
