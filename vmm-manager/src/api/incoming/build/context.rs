//! The context, and those that stand under a name.

use kiln_proto::v1::{self, named_context};

use super::{
    image::reference,
    text::{at_most, once, shown, stage},
};
use crate::{
    api::field::InvalidField,
    job::{ContextSource, DiskFormat, InputDisk, NamedContext, SourceId},
};

/// Where the guest has them.
const CONTEXT: &str = "/var/lib/kiln/build/context";
const NAMED: &str = "/var/lib/kiln/build/contexts";
const MOST_NAMED: usize = 64;
/// Each is a disk of the VM.
const MOST_UPLOADED: usize = 8;
const MOST_URL_BYTES: usize = 4096;

/// Contexts, and the job's inputs that carry them.
pub(super) struct Contexts {
    pub(super) main: Option<usize>,
    pub(super) named: Vec<NamedContext>,
    pub(super) inputs: Vec<InputDisk>,
}

pub(super) fn contexts(main: &str, named: Vec<v1::NamedContext>) -> Result<Contexts, InvalidField> {
    let mut contexts = Contexts { main: None, named: Vec::new(), inputs: Vec::new() };
    if !main.is_empty() {
        let source = source("spec.build.context_source_id", main)?;
        contexts.main = Some(contexts.input(source, CONTEXT.to_owned()));
    }
    let at = "spec.build.contexts";
    at_most(at, named.len(), MOST_NAMED)?;
    let mut names = Vec::with_capacity(named.len());
    for (index, v1::NamedContext { name, from }) in named.into_iter().enumerate() {
        let field = |part| format!("{at}[{index}].{part}");
        // A name is an image's that it takes the place of, or a word that looks like one.
        let meant = reference(&field("name"), &name)?;
        once(&field("name"), &meant, &names)?;
        names.push(meant);
        let from = match from {
            Some(named_context::From::SourceId(id)) => {
                let source = source(&field("source_id"), &id)?;
                // By number: names have slashes, and one may lie below the other.
                ContextSource::Input(contexts.input(source, format!("{NAMED}/{index}")))
            }
            Some(named_context::From::Reference(text)) => {
                outside(&text).map_err(|problem| InvalidField::new(field("reference"), problem))?;
                ContextSource::Reference(text)
            }
            None => return Err(InvalidField::new(field("from"), "is missing")),
        };
        contexts.named.push(NamedContext { name, from });
    }
    at_most(at, contexts.inputs.len(), MOST_UPLOADED)?;
    Ok(contexts)
}

impl Contexts {
    fn input(&mut self, source: SourceId, path: String) -> usize {
        self.inputs.push(InputDisk { source, path, format: DiskFormat::Tar });
        self.inputs.len() - 1
    }
}

fn source(field: &str, id: &str) -> Result<SourceId, InvalidField> {
    id.parse().map_err(|error| InvalidField::new(field, error))
}

/// `docker-image://REFERENCE`, `https://…`, `target:STAGE`.
fn outside(text: &str) -> Result<(), String> {
    let problem_of = |invalid: InvalidField| invalid.problem;
    if let Some(image) = text.strip_prefix("docker-image://") {
        return reference("", image).map(drop).map_err(problem_of);
    }
    if let Some(name) = text.strip_prefix("target:") {
        return stage("", name).map_err(problem_of);
    }
    if let Some(rest) = text.strip_prefix("https://") {
        return url(text, rest);
    }
    let scheme = text.split(':').next().unwrap_or("");
    Err(match scheme {
        "oci-layout" => {
            "oci-layout:// is a directory of the client's; upload it, or import it as local/NAME and \
             take docker-image://local/NAME"
                .to_owned()
        }
        "http" => format!("{} is not encrypted; take https://", shown(text)),
        _ => format!(
            "{} is none of: docker-image://REFERENCE, https://…, target:STAGE",
            shown(text)
        ),
    })
}

fn url(text: &str, rest: &str) -> Result<(), String> {
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    if host.is_empty() || text.len() > MOST_URL_BYTES {
        return Err(format!("{} has no host, or is too long", shown(text)));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("{} contains blanks or control characters", shown(text)));
    }
    if host.contains('@') {
        // The request is kept, and the value is repeated nowhere.
        return Err("has a credential in its address; give it as a secret".to_owned());
    }
    Ok(())
}
