//! `kiln build`: the flags of `docker buildx build`, and Kiln's own.

mod attest;
mod cache;
mod csv;
mod export;
mod platform;
mod progress;
mod refused;
mod secret;
mod source;
mod ssh;
mod step;
#[cfg(test)]
mod tests;
mod word;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueHint};

pub(crate) use self::{
    attest::{Attest, Provenance, Sbom},
    cache::{CacheFrom, CacheTo},
    export::{ArchiveFormat, Compression, Export, ImageOptions, RootfsExport},
    platform::Platform,
    progress::ProgressMode,
    secret::{Secret, SecretFrom},
    source::{BuildSource, NamedFrom, NamedSource},
    ssh::Ssh,
    step::{Network, Ulimit},
};
use self::{
    platform::Platforms,
    refused::Refused,
    step::{AddedHost, Entitlement},
    word::{Annotation, Label},
};
use super::{Egress, Variable, cpus, duration, size};

const LONG_ABOUT: &str = "\
Build a Dockerfile in a microVM of its own, as `docker buildx build` does.

PATH is a directory, or - for a tar or a Dockerfile on stdin. What its .dockerignore names stays \
here. The first Ctrl-C cancels the build and waits for its end, the second leaves at once.";

const EXAMPLES: &str = "\
Flags are those of `docker buildx build`, and do what they do there; what Kiln has not is refused by
its name. `local/NAME` is a name in the host's own registry. The network of RUN steps is closed
unless --egress opens it; base images come by way of the host. docs/build.md tells more.

Exit codes: 0; 1 the build failed; 124 timed out; 125 Kiln's own failure, bad usage among it;
130 cancelled; 137 out of memory; 141 nobody reads the output any more.

Examples:
  kiln build -t local/app .
  kiln build -f ci/Dockerfile --target test --build-arg VERSION=7 .
  kiln build --egress allow=deb.debian.org:80/http -t local/app .
  kiln build --secret id=token,env=TOKEN --ssh default -o type=oci,dest=app.tar .
  kiln build -t r.test/team/app:1 --push --platform linux/amd64,linux/arm64 .
  kiln build --cache-from local/cache --cache-to type=registry,ref=local/cache,mode=max .
  kiln build -o out --target files . && ls out
  kiln build -o type=rootfs,dest=app.ext4,optimize=true . && kiln boot app.ext4
  kiln build -q - < Dockerfile";

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Args)]
#[command(about = "Build a Dockerfile in a microVM of its own", long_about = LONG_ABOUT)]
#[command(after_help = EXAMPLES, override_usage = "kiln build [OPTIONS] PATH | -")]
#[command(args_override_self = true)]
pub(crate) struct BuildArguments {
    /// The Dockerfile, in the context, beside it, or - for stdin [default: PATH/Dockerfile].
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[arg(
        help = "A name for the image: local/NAME[:TAG], or one of a registry outside for --push"
    )]
    #[arg(short, long, value_name = "NAME", action = ArgAction::Append)]
    pub(crate) tag: Vec<String>,
    /// A build argument; without a value it is taken from your environment, if it stands there.
    #[arg(long, value_name = "NAME[=VALUE]", action = ArgAction::Append)]
    pub(crate) build_arg: Vec<Variable>,
    /// The stage to build [default: the last].
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME.
    #[arg(long, value_name = "SECRET", action = ArgAction::Append)]
    pub(crate) secret: Vec<Secret>,
    /// An ssh agent or key for RUN --mount=type=ssh: default, ID, ID=SOCKET or ID=KEY.
    #[arg(long, value_name = "SSH", action = ArgAction::Append)]
    pub(crate) ssh: Vec<Ssh>,
    /// Where steps may be taken from: type=registry,ref=NAME, or NAME.
    #[arg(long, value_name = "CACHE", action = ArgAction::Append)]
    pub(crate) cache_from: Vec<CacheFrom>,
    /// Where steps are kept: type=registry,ref=NAME[,mode=max], NAME, or type=inline.
    #[arg(long, value_name = "CACHE", action = ArgAction::Append)]
    pub(crate) cache_to: Vec<CacheTo>,
    /// What is to come of it: type=local|tar|oci|docker|image|registry|rootfs with dest=, name=, …; a
    /// directory; or - for a tar on stdout. Several at once.
    #[arg(short, long, value_name = "OUTPUT", action = ArgAction::Append)]
    pub(crate) output: Vec<Export>,
    /// As --output=type=registry.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pub(crate) push: bool,
    /// As --output=type=docker: into this machine's docker.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pub(crate) load: bool,
    /// OS/ARCH[/VARIANT], several with commas [default: the guest's own].
    #[arg(long, value_name = "PLATFORM", action = ArgAction::Append)]
    pub(crate) platform: Vec<Platforms>,
    /// One more context: NAME=DIRECTORY, NAME=docker-image://IMAGE, NAME=https://…, NAME=target:STAGE.
    #[arg(long, value_name = "NAME=CONTEXT", action = ArgAction::Append)]
    pub(crate) build_context: Vec<NamedSource>,
    /// Take no step from a cache.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pub(crate) no_cache: bool,
    /// Take no step of this stage from a cache.
    #[arg(long, value_name = "STAGE", action = ArgAction::Append, value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Ask registries again for what is stored.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pub(crate) pull: bool,
    /// Metadata of the image.
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub(crate) label: Vec<Label>,
    #[arg(
        help = "An annotation: [manifest|index|manifest-descriptor|index-descriptor[PLATFORM]:]NAME=VALUE"
    )]
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub(crate) annotation: Vec<Annotation>,
    /// An entry of /etc/hosts in RUN steps.
    #[arg(long, value_name = "HOST:IP", action = ArgAction::Append)]
    pub(crate) add_host: Vec<AddedHost>,
    /// Of RUN steps: default or host (all that --egress allows), or none.
    #[arg(long, value_name = "MODE")]
    pub(crate) network: Option<Network>,
    /// Of /dev/shm in RUN steps [default: 64M].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) shm_size: Option<u64>,
    #[arg(help = "A limit of RUN steps: NAME=SOFT[:HARD]")]
    #[arg(long, value_name = "ULIMIT", action = ArgAction::Append)]
    pub(crate) ulimit: Vec<Ulimit>,
    /// The engine's own provenance: true, false, mode=min|max [default: false].
    #[arg(long, value_name = "WHAT")]
    pub(crate) provenance: Option<Provenance>,
    /// A list of what is in the image: true, false, generator=IMAGE [default: false].
    #[arg(long, value_name = "WHAT")]
    pub(crate) sbom: Option<Sbom>,
    /// type=provenance,… or type=sbom,…
    #[arg(long, value_name = "WHAT", action = ArgAction::Append)]
    pub(crate) attest: Vec<Attest>,
    /// What RUN steps may ask for: network.host, security.insecure.
    #[arg(long, value_name = "ENTITLEMENT", action = ArgAction::Append, value_delimiter = ',')]
    pub(crate) allow: Vec<Entitlement>,
    /// Write the image's id to a file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what was built to a file, as JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) metadata_file: Option<PathBuf>,
    /// How progress is shown: auto, plain, tty, quiet, rawjson.
    #[arg(long, value_name = "HOW", env = "BUILDKIT_PROGRESS", default_value = "auto")]
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) progress: ProgressMode,
    /// Print the image's id and nothing else.
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL", hide_default_value = true, hide_possible_values = true)]
    pub(crate) quiet: bool,
    /// Virtual CPUs, whole ones [default: 1].
    #[arg(long, value_name = "N", value_parser = cpus::parse)]
    pub(crate) cpus: Option<u32>,
    /// Memory for the engine and all steps [default: 2G].
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
    /// The disk on which the engine works, and the most that each output can be [default: 10G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk: Option<u64>,
    /// End the build after this time [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// What RUN steps may reach: none, internet, record, locked, allow=RULE,… or @FILE with a rule
    /// a line [default: none].
    #[arg(long, value_name = "POLICY", value_parser = Egress::parser(), hide_possible_values = true)]
    pub(crate) egress: Option<Egress>,
    /// The lockfile of --egress record and locked [default: kiln-egress.lock].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) egress_lock: Option<PathBuf>,
    /// A name for this request: asked twice with it, kilnd runs one build [default: a fresh one].
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print the build's id and leave it to itself.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Print the build's record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The project that the build belongs to [default: default].
    #[arg(long, value_name = "NAME", env = "KILN_PROJECT")]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    _refused: Refused,
    /// The context: a directory, or - for a tar or a Dockerfile on stdin.
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub(crate) source: BuildSource,
}
