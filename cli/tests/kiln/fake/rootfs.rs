//! Root filesystems and boots, as the fake plays them: what they are made of has to be there.

use kiln_proto::v1::{self, boot_spec, job_spec::Work, rootfs_spec};
use tonic::Status;

use super::service::Service;

#[derive(Clone, Debug)]
pub(crate) struct RootfsPlan {
    pub(crate) result: v1::RootfsResult,
    pub(crate) boot: Option<v1::BootRecord>,
    /// Instead of a good end.
    pub(crate) end: Option<fn(&mut v1::Job)>,
}

impl Default for RootfsPlan {
    fn default() -> Self {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        Self {
            result: v1::RootfsResult {
                digest: digest("d"),
                size_bytes: 3 << 20,
                artifact: "rootfs.ext4".to_owned(),
                metadata: "rootfs.json".to_owned(),
                image: "local/app".to_owned(),
                image_digest: digest("e"),
                image_stale: true,
                manifest_digest: digest("e"),
                config_digest: digest("c"),
                platform: "linux/amd64".to_owned(),
                uuid: "b0a10109-963e-8692-9f8e-e91866ef2797".to_owned(),
                used_bytes: 2 << 20,
                free_bytes: 1 << 20,
                init: "direct".to_owned(),
                kernel_arguments: vec!["init=/.kiln/init".to_owned()],
                freed_bytes: 12 << 20,
                secrets_removed: 2,
            },
            boot: Some(up("init")),
            end: None,
        }
    }
}

pub(crate) fn up(by: &str) -> v1::BootRecord {
    v1::BootRecord {
        state: "up".to_owned(),
        by: by.to_owned(),
        up_after: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        ..v1::BootRecord::default()
    }
}

pub(super) fn is_one(job: &v1::Job) -> bool {
    matches!(work(job), Some(Work::Rootfs(_)))
}

pub(super) fn end(plan: &RootfsPlan, job: &mut v1::Job) {
    match plan.end {
        Some(end) => end(job),
        None => {
            job.set_state(v1::JobState::Completed);
            job.rootfs = Some(plan.result.clone());
            job.boot.clone_from(&plan.boot);
        }
    }
}

/// What kilnd refuses.
pub(super) fn check(service: &Service, spec: &v1::JobSpec) -> Result<(), Status> {
    let wrong = |field: &str| Err(Status::invalid_argument(format!("spec.{field}: is not for it")));
    let (is_rootfs, has_disks) = match spec.work {
        Some(Work::Rootfs(_)) => (true, !spec.inputs.is_empty() || !spec.outputs.is_empty()),
        Some(Work::Boot(_)) => (false, !spec.inputs.is_empty() || !spec.outputs.is_empty()),
        _ => return Ok(()),
    };
    if has_disks {
        return wrong("inputs");
    }
    // Its console is its log.
    if spec.attach {
        return wrong("attach");
    }
    if is_rootfs && spec.egress.is_some() {
        return wrong("egress");
    }
    match &spec.work {
        Some(Work::Rootfs(rootfs)) => match &rootfs.source {
            None => wrong("rootfs.source"),
            Some(rootfs_spec::Source::Reference(_)) => Ok(()),
            Some(rootfs_spec::Source::SourceId(id)) => has_source(service, id),
            Some(rootfs_spec::Source::Build(v1::BuiltImageSource { build_id, .. })) => {
                let job = service.find(build_id)?.job.borrow().clone();
                let is_built = matches!(work(&job), Some(Work::Build(_)));
                if is_built && job.state() == v1::JobState::Completed {
                    Ok(())
                } else {
                    Err(Status::failed_precondition("spec.rootfs.build: it has left no image"))
                }
            }
        },
        Some(Work::Boot(boot)) => match &boot.source {
            None => wrong("boot.source"),
            Some(boot_spec::Source::SourceId(id)) => has_source(service, id),
            Some(boot_spec::Source::Rootfs(v1::RootfsSource { job_id, .. })) => {
                let job = service.find(job_id)?.job.borrow().clone();
                match job.rootfs {
                    Some(_) => Ok(()),
                    None => Err(Status::failed_precondition("spec.boot.rootfs: it left nothing")),
                }
            }
        },
        _ => Ok(()),
    }
}

fn has_source(service: &Service, id: &str) -> Result<(), Status> {
    let is_there = service.0.sources.lock().unwrap().contains_key(id);
    is_there.then_some(()).ok_or_else(|| Status::not_found("there is no such source"))
}

fn work(job: &v1::Job) -> Option<&Work> {
    job.spec.as_ref()?.work.as_ref()
}
