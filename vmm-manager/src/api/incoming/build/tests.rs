//! Every field of a build, wrong in every way that has a name of its own.

mod accepted;
pub(in crate::api) mod fuzz;
mod refused;

use kiln_proto::v1::{self, build_export, build_spec, named_context};

use super::{NewBuild, new_build};
use crate::{
    api::field::InvalidField,
    job::{Build, JobSpec, SourceId, Work},
};

/// What the host keeps of all outputs.
const MOST_OUTPUT_BYTES: u64 = 64 << 30;

pub(in crate::api) fn pair(key: &str, value: &str) -> v1::KeyValue {
    v1::KeyValue { key: key.to_owned(), value: value.to_owned() }
}

pub(in crate::api) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

pub(in crate::api) fn image_export(name: &str, image: v1::ImageExport) -> v1::BuildExport {
    v1::BuildExport { name: name.to_owned(), kind: Some(build_export::Kind::Image(image)) }
}

fn tree_export(name: &str) -> v1::BuildExport {
    let kind = build_export::Kind::Tree(v1::TreeExport::default());
    v1::BuildExport { name: name.to_owned(), kind: Some(kind) }
}

fn from_source(name: &str, id: &str) -> v1::NamedContext {
    let from = named_context::From::SourceId(id.to_owned());
    v1::NamedContext { name: name.to_owned(), from: Some(from) }
}

fn from_outside(name: &str, reference: &str) -> v1::NamedContext {
    let from = named_context::From::Reference(reference.to_owned());
    v1::NamedContext { name: name.to_owned(), from: Some(from) }
}

/// Small, and right.
pub(in crate::api) fn valid() -> v1::BuildSpec {
    v1::BuildSpec {
        context_source_id: SourceId::generate().to_string(),
        exports: vec![image_export("image", v1::ImageExport::default())],
        ..v1::BuildSpec::default()
    }
}

pub(in crate::api) fn request(build: v1::BuildSpec) -> v1::CreateBuildRequest {
    let work = Some(v1::job_spec::Work::Build(build));
    let spec = v1::JobSpec { work, ..v1::JobSpec::default() };
    v1::CreateBuildRequest { spec: Some(spec), ..v1::CreateBuildRequest::default() }
}

fn asked(request: v1::CreateBuildRequest) -> Result<NewBuild, InvalidField> {
    new_build(request, MOST_OUTPUT_BYTES)
}

fn changed(change: impl FnOnce(&mut v1::BuildSpec)) -> v1::CreateBuildRequest {
    let mut build = valid();
    change(&mut build);
    request(build)
}

fn spec(change: impl FnOnce(&mut v1::BuildSpec)) -> JobSpec {
    asked(changed(change)).unwrap().spec
}

fn build(change: impl FnOnce(&mut v1::BuildSpec)) -> Build {
    match spec(change).work {
        Work::Build(build) => *build,
        Work::Exec(_) | Work::Rootfs(_) | Work::Boot(_) => unreachable!(),
    }
}

/// Refused by the name of its field, in words that say why.
fn refused(request: v1::CreateBuildRequest, field: &str, words: &str) {
    let error = asked(request).expect_err(field);
    assert_eq!(error.field, field, "{error}");
    assert!(error.problem.contains(words), "{error}");
    assert!(error.to_string().len() < 400 && !error.to_string().contains('\n'), "{error}");
}

fn wrong(field: &str, words: &str, change: impl FnOnce(&mut v1::BuildSpec)) {
    refused(changed(change), &format!("spec.build{field}"), words);
}

fn inline(text: impl Into<bytes::Bytes>) -> build_spec::Dockerfile {
    build_spec::Dockerfile::DockerfileInline(text.into())
}

fn path(path: &str) -> build_spec::Dockerfile {
    build_spec::Dockerfile::DockerfilePath(path.to_owned())
}
