//! `CreateBuild`.

use kiln_proto::v1;
use tonic::Status;

use crate::{
    api::{
        builds::BuildApi,
        caller::Caller,
        create::Submission,
        field::InvalidField,
        incoming::{self, NewBuild},
    },
    job::{Build, ContextSource, Job, Owner, Work},
};

impl BuildApi {
    pub(super) async fn create(
        &self,
        caller: Caller,
        request: v1::CreateBuildRequest,
    ) -> Result<Job, Status> {
        let most_output_bytes = self.jobs.parts.most_output_bytes;
        let NewBuild { project, key, spec, secrets } =
            incoming::new_build(request, most_output_bytes)?;
        let asked = spec.outputs.iter().fold(0_u64, |sum, one| sum.saturating_add(one.max_bytes));
        if asked > most_output_bytes {
            let problem = format!(
                "comes to {asked} bytes for all exports, and this host keeps at most \
                 {most_output_bytes}"
            );
            return Err(InvalidField::new("spec.build.max_export_bytes", problem).into());
        }
        let Work::Build(build) = &spec.work else { unreachable!("checked to be one") };
        let names = (0..spec.inputs.len()).map(|input| source_field(build, input)).collect();
        let owner = Owner { tenant: caller.tenant, project };
        self.jobs.submit_to_its_end(owner, Submission { key, spec, fields: names, secrets }).await
    }
}

/// Where the request has the source of an input.
fn source_field(build: &Build, input: usize) -> String {
    if build.context == Some(input) {
        return "spec.build.context_source_id".to_owned();
    }
    let is_it = |from: &ContextSource| *from == ContextSource::Input(input);
    let index = build.contexts.iter().position(|context| is_it(&context.from)).unwrap_or(input);
    format!("spec.build.contexts[{index}].source_id")
}
