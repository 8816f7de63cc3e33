//! What is to be built in a guest, but for what the agent arranges there itself.

use std::{collections::VecDeque, fmt, time::Duration};

use bytes::Bytes;
/// As the wire has them: they are only ever told, and nothing comes back in them.
pub use kiln_proto::agent::v1::{BuildCache, BuildOptions, BuildOutput, BuildPair, build_output};
use kiln_proto::agent::{
    MAX_BUILD_PART_BYTES,
    v1::{self, build_context, build_part::Kind, exec_request::Event},
};

/// One build, its limits, and how long we wait for it to begin.
#[derive(Clone, Debug)]
pub struct BuildCommand {
    /// At most 64 letters, digits and dashes.
    pub id: String,
    /// Output from here on is to come; above 0 only for a build that was begun before.
    pub output_offset: u64,
    /// From its start until the agent kills all of it.
    pub timeout: Option<Duration>,
    /// Until the agent has started it or refused it.
    pub start_limit: Duration,
    /// It was begun before, so that the guest may have what is not here any more.
    pub resumed: bool,
    /// What goes before it.
    pub parts: Vec<BuildPart>,
    /// A directory in the guest.
    pub context: Option<String>,
    /// In the context; else it is a part.
    pub dockerfile: Option<String>,
    pub options: BuildOptions,
    pub contexts: Vec<(String, BuildContext)>,
    pub secrets: Vec<String>,
    pub ssh: Vec<BuildSsh>,
    pub outputs: Vec<BuildOutput>,
    pub cache_from: Vec<String>,
    pub cache_to: Vec<BuildCache>,
    pub platforms: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildPartKind {
    Secret,
    SshKey,
    Dockerfile,
}

/// What must not stand in a request that is kept, or has no room in it.
#[derive(Clone, PartialEq, Eq)]
pub struct BuildPart {
    pub kind: BuildPartKind,
    /// Empty for the Dockerfile.
    pub name: String,
    pub data: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildContext {
    /// A directory in the guest.
    Path(String),
    Reference(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSsh {
    pub id: String,
    /// To the client's agent; else to the key that is a part.
    pub relayed: bool,
}

impl BuildCommand {
    /// What opens its stream: parts in pieces, then the build.
    pub(super) fn requests(self) -> VecDeque<Event> {
        let Self {
            id,
            output_offset,
            timeout,
            start_limit: _kept_by_the_host,
            resumed,
            parts,
            context,
            dockerfile,
            options,
            contexts,
            secrets,
            ssh,
            outputs,
            cache_from,
            cache_to,
            platforms,
        } = self;
        // A limit under a millisecond must not round to 0, which is none.
        let timeout_millis = timeout.map_or(0, |limit| {
            u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
        });
        let start = v1::BuildStart {
            id,
            output_offset,
            timeout_millis,
            resumed,
            context: context.unwrap_or_default(),
            dockerfile: dockerfile.unwrap_or_default(),
            options: Some(options),
            contexts: contexts.into_iter().map(named_context).collect(),
            secrets,
            ssh: ssh
                .into_iter()
                .map(|BuildSsh { id, relayed }| v1::BuildSsh { id, relayed })
                .collect(),
            outputs,
            cache_from,
            cache_to,
            platforms,
        };
        let parts = parts.into_iter().flat_map(BuildPart::pieces).map(Event::Part);
        parts.chain([Event::Build(start)]).collect()
    }
}

fn named_context((name, from): (String, BuildContext)) -> v1::BuildContext {
    let from = match from {
        BuildContext::Path(path) => build_context::From::Path(path),
        BuildContext::Reference(reference) => build_context::From::Reference(reference),
    };
    v1::BuildContext { name, from: Some(from) }
}

impl BuildPart {
    /// At least one: an empty file is one too.
    fn pieces(self) -> impl Iterator<Item = v1::BuildPart> {
        let Self { kind, name, mut data } = self;
        let kind = match kind {
            BuildPartKind::Secret => Kind::Secret,
            BuildPartKind::SshKey => Kind::SshKey,
            BuildPartKind::Dockerfile => Kind::Dockerfile,
        };
        let mut first = true;
        std::iter::from_fn(move || {
            if data.is_empty() && !std::mem::take(&mut first) {
                return None;
            }
            first = false;
            let data = data.split_to(data.len().min(MAX_BUILD_PART_BYTES));
            Some(v1::BuildPart { kind: kind.into(), name: name.clone(), data })
        })
    }
}

impl fmt::Debug for BuildPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, data: _never_shown } = self;
        f.debug_struct("BuildPart").field("kind", kind).field("name", name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: usize, expected: &[usize]) {
        let data = vec![b'x'; length].into();
        let part = BuildPart { kind: BuildPartKind::Secret, name: "a".to_owned(), data };
        assert!(!format!("{part:?}").contains("120"), "{part:?}");
        let pieces: Vec<_> = part.pieces().map(|piece| piece.data.len()).collect();
        assert_eq!(pieces, expected);
    }

    #[test]
    fn a_part_is_cut_to_what_goes_in_one_message() {
        check(0, &[0]);
        check(1, &[1]);
        check(MAX_BUILD_PART_BYTES, &[MAX_BUILD_PART_BYTES]);
        check(MAX_BUILD_PART_BYTES + 1, &[MAX_BUILD_PART_BYTES, 1]);
    }
}
