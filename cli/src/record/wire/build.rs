//! Builds, out of the wire's types.

use kiln_proto::v1::{self, build_export::Kind, build_spec::Dockerfile, read_build_log_response};

use crate::{
    output::Stream,
    record::{
        Build, BuildEvent, BuildFault, BuildOptions, BuildRecord, BuildResult, BuildWarning,
        BuiltImage, BuiltPlatform, Content, Job, Step, StepLog, StepProgress, Time,
    },
};

impl From<v1::Build> for Build {
    fn from(v1::Build { job, graph, result }: v1::Build) -> Self {
        let v1::BuildProgressGraph { steps, more_steps, warnings, more_warnings, executed, cached } =
            graph.unwrap_or_default();
        Self {
            job: Job::from(job.unwrap_or_default()),
            build: BuildRecord {
                steps: steps.into_iter().map(Step::from).collect(),
                more_steps,
                warnings: warnings.into_iter().map(BuildWarning::from).collect(),
                more_warnings,
                executed,
                cached,
                result: result.map(BuildResult::from),
            },
            root_filesystems: Vec::new(),
        }
    }
}

impl From<v1::Step> for Step {
    fn from(wire: v1::Step) -> Self {
        let v1::Step { number, digest, name, inputs, started_at, completed_at, cached, error } =
            wire;
        let (started_at, completed_at) = (started_at.map(Time::from), completed_at.map(Time::from));
        Self { number, digest, name, inputs, started_at, completed_at, cached, error }
    }
}

impl From<v1::Warning> for BuildWarning {
    fn from(v1::Warning { step, text, details, url, file, line }: v1::Warning) -> Self {
        Self { step, text, details, url, file, line }
    }
}

impl From<v1::BuildResult> for BuildResult {
    fn from(wire: v1::BuildResult) -> Self {
        let v1::BuildResult { images, cache_key, context_bytes, exported_bytes, context_digests } =
            wire;
        let images = images.into_iter().map(BuiltImage::from).collect();
        Self { images, cache_key, context_bytes, context_digests, exported_bytes }
    }
}

impl From<v1::BuiltImage> for BuiltImage {
    fn from(wire: v1::BuiltImage) -> Self {
        let v1::BuiltImage { export, digest, media_type, size_bytes, platforms, names } = wire;
        let platforms = platforms.into_iter().map(BuiltPlatform::from).collect();
        Self { export, digest, media_type, size_bytes, platforms, names }
    }
}

impl From<v1::BuiltPlatform> for BuiltPlatform {
    fn from(wire: v1::BuiltPlatform) -> Self {
        let v1::BuiltPlatform { platform, manifest, config, layers, attestations } = wire;
        let several =
            |contents: Vec<v1::Content>| contents.into_iter().map(Content::from).collect();
        Self {
            platform,
            manifest: manifest.map(Content::from),
            config: config.map(Content::from),
            layers: several(layers),
            attestations: several(attestations),
        }
    }
}

impl From<v1::Content> for Content {
    fn from(v1::Content { digest, media_type, size_bytes }: v1::Content) -> Self {
        Self { digest, media_type, size_bytes }
    }
}

/// What is not taken over here, only the engine asks for.
impl From<v1::BuildSpec> for BuildOptions {
    fn from(wire: v1::BuildSpec) -> Self {
        let mut names = Vec::new();
        let mut exports = std::collections::BTreeMap::new();
        for v1::BuildExport { name, kind } in wire.exports {
            let kind = match kind {
                Some(Kind::Image(image)) => {
                    names.extend(image.names);
                    "image"
                }
                Some(Kind::Tree(_)) => "tree",
                None => "unknown",
            };
            exports.insert(name, kind);
        }
        Self {
            dockerfile: match wire.dockerfile {
                Some(Dockerfile::DockerfilePath(path)) => Some(path),
                Some(Dockerfile::DockerfileInline(_)) => None,
                None => Some("Dockerfile".to_owned()),
            },
            target: wire.target,
            build_args: wire.build_args.into_iter().map(|pair| (pair.key, pair.value)).collect(),
            platforms: wire.platforms,
            names,
            exports,
        }
    }
}

impl From<read_build_log_response::Event> for BuildEvent {
    fn from(wire: read_build_log_response::Event) -> Self {
        use read_build_log_response::Event;
        match wire {
            Event::Step(step) => Self::Step(step.into()),
            Event::Log(log) => {
                let stream = match log.stream() {
                    v1::Stream::Stderr => Stream::Stderr,
                    v1::Stream::Stdout | v1::Stream::Unspecified => Stream::Stdout,
                };
                let v1::StepLog { step, stream: _, time, data } = log;
                Self::Log(StepLog { step, stream, time: time.map(Time::from), data })
            }
            Event::Progress(progress) => {
                let v1::StepProgress { step, id, current, total, started_at, completed_at } =
                    progress;
                let started_at = started_at.map(Time::from);
                let completed_at = completed_at.map(Time::from);
                Self::Progress(StepProgress { step, id, current, total, started_at, completed_at })
            }
            Event::Warning(warning) => Self::Warning(warning.into()),
            Event::Fault(fault) => {
                let v1::BuildFault { message, step, file, first_line, last_line, excerpt } = fault;
                Self::Fault(BuildFault { message, step, file, first_line, last_line, excerpt })
            }
            Event::Gap(v1::LogGap { offset: _, dropped_bytes }) => Self::Gap { dropped_bytes },
        }
    }
}
