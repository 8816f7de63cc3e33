//! What names and values are made of, wherever they stand.

use kiln_proto::v1;

use crate::api::field::InvalidField;

/// Linux gives one argument at most 128 KiB with its end; a name stands before it.
const MOST_VALUE_BYTES: usize = 120 * 1024;
const MOST_STAGE_BYTES: usize = 128;
const MOST_ID_BYTES: usize = 64;
/// Of a wrong value, in what is answered.
const SHOWN: usize = 64;

/// As it stands in an answer: short, and in one line.
pub(in crate::api::incoming) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

pub(in crate::api::incoming) fn at_most(
    field: &str,
    count: usize,
    most: usize,
) -> Result<(), InvalidField> {
    if count > most {
        return Err(InvalidField::new(field, format!("has {count}, and at most {most} go")));
    }
    Ok(())
}

/// `before` has it not.
pub(in crate::api::incoming) fn once<T: PartialEq>(
    field: &str,
    what: &T,
    before: &[T],
) -> Result<(), InvalidField> {
    if before.contains(what) {
        return Err(InvalidField::new(field, "stands twice; once is enough"));
    }
    Ok(())
}

/// A stage's name, or its number.
pub(super) fn stage(field: &str, name: &str) -> Result<(), InvalidField> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let well_formed = name.len() <= MOST_STAGE_BYTES
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !well_formed {
        let problem = format!(
            "{} is no stage: expected letters, digits, `-`, `_` and `.`, a letter or a digit first",
            shown(name)
        );
        return Err(InvalidField::new(field, problem));
    }
    Ok(())
}

/// What steps name a secret or an agent by; a file's name in the guest.
pub(super) fn id(field: &str, id: &str) -> Result<(), InvalidField> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let well_formed = (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(allowed);
    if !well_formed || id.starts_with('.') || id.starts_with('-') {
        let problem = format!(
            "{} is no id: expected 1 to {MOST_ID_BYTES} letters, digits, `-`, `_` and `.`, not `.` \
             or `-` first",
            shown(id)
        );
        return Err(InvalidField::new(field, problem));
    }
    Ok(())
}

pub(in crate::api::incoming) fn value(field: &str, value: &str) -> Result<(), InvalidField> {
    if value.contains('\0') {
        return Err(InvalidField::new(field, "contains a NUL byte"));
    }
    if value.len() > MOST_VALUE_BYTES {
        return Err(InvalidField::new(field, format!("is above {MOST_VALUE_BYTES} bytes")));
    }
    Ok(())
}

/// What of a build goes along in its words, at most.
pub(super) trait Bounded {
    fn bytes(&self) -> usize;
}

/// Of one field, beside what is in it.
const FRAMING: usize = 32;

impl Bounded for String {
    fn bytes(&self) -> usize {
        self.len() + FRAMING
    }
}

impl Bounded for v1::KeyValue {
    fn bytes(&self) -> usize {
        self.key.bytes() + self.value.bytes()
    }
}

impl Bounded for v1::NamedContext {
    fn bytes(&self) -> usize {
        let from = match &self.from {
            Some(
                v1::named_context::From::SourceId(text) | v1::named_context::From::Reference(text),
            ) => text.bytes(),
            None => 0,
        };
        self.name.bytes() + from
    }
}

impl Bounded for v1::SshSource {
    fn bytes(&self) -> usize {
        self.id.bytes()
    }
}

impl Bounded for v1::CacheImport {
    fn bytes(&self) -> usize {
        self.reference.bytes()
    }
}

impl Bounded for v1::CacheExport {
    fn bytes(&self) -> usize {
        self.reference.bytes() + self.mode.bytes() + self.compression.bytes()
    }
}

impl Bounded for v1::BuildExport {
    fn bytes(&self) -> usize {
        let names = match &self.kind {
            Some(v1::build_export::Kind::Image(image)) => {
                image.names.bytes() + image.compression.bytes()
            }
            Some(v1::build_export::Kind::Tree(_)) | None => 0,
        };
        self.name.bytes() + names
    }
}

impl<T: Bounded> Bounded for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(Bounded::bytes).sum()
    }
}

impl Bounded for v1::BuildSpec {
    fn bytes(&self) -> usize {
        let Self {
            context_source_id,
            // An inline file goes by itself, and has a bound of its own.
            dockerfile,
            target,
            build_args,
            labels,
            annotations,
            contexts,
            platforms,
            no_cache: _,
            no_cache_filter,
            pull: _,
            add_hosts,
            network,
            shm_bytes: _,
            ulimits,
            allow,
            secrets,
            ssh,
            cache_from,
            cache_to,
            exports,
            provenance,
            sbom,
            max_export_bytes: _,
        } = self;
        let path = match dockerfile {
            Some(v1::build_spec::Dockerfile::DockerfilePath(path)) => path.bytes(),
            Some(v1::build_spec::Dockerfile::DockerfileInline(_)) | None => 0,
        };
        let words = [context_source_id, target, network, provenance, sbom];
        let lists = [platforms, no_cache_filter, add_hosts, ulimits, allow, secrets];
        let pairs = [build_args, labels, annotations];
        path + words.into_iter().map(Bounded::bytes).sum::<usize>()
            + lists.into_iter().map(Bounded::bytes).sum::<usize>()
            + pairs.into_iter().map(Bounded::bytes).sum::<usize>()
            + contexts.bytes()
            + ssh.bytes()
            + cache_from.bytes()
            + cache_to.bytes()
            + exports.bytes()
    }
}
