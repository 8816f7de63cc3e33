//! `kiln image …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const NAMES: &str = "\
Names are as in docker: [REGISTRY/]NAME[:TAG][@DIGEST]. local/NAME is this host's own; a name without
a registry is one of docker.io, and without a tag it is latest.";

const EXAMPLES: &str = "\
Examples:
  kiln image registry                            the address for docker, skopeo, oras
  kiln image pull debian:12                      into the host's store, for guests and clients
  kiln image tag debian:12 local/base            a name of one's own
  kiln image push local/app registry.example/team/app:1.0
  docker save app | kiln image import - local/app
  kiln image export local/app -o app.tar
  kiln image rm $(kiln image ls -q local/old)";

/// Look at images on the host, and bring them in and out.
#[derive(Debug, Subcommand)]
#[command(after_help = format!("{NAMES}\n\n{EXAMPLES}"))]
pub(crate) enum ImageCommand {
    /// List images by name.
    #[command(visible_alias = "list")]
    Ls(ListImagesArguments),
    /// Show all that is known of images, from the store alone.
    Inspect(InspectArguments),
    /// Give an image one more name in local/.
    Tag(TagArguments),
    /// Take names of images away; prune gives their room back.
    #[command(visible_alias = "remove")]
    Rm(RemoveArguments),
    /// Remove images that no name reaches, and all bytes that nothing refers to.
    Prune(PruneArguments),
    /// Bring an image from its registry into the host's store.
    Pull(PullArguments),
    /// Bring an image to a registry outside, with the host's credentials.
    Push(PushArguments),
    /// Take images from a tar: an OCI layout, or what `docker save` writes.
    Import(ImportArguments),
    /// Write an image as a tar of an OCI layout, which `docker load` reads as well.
    Export(ExportArguments),
    /// Print the address at which clients on this host reach the registry.
    Registry(RegistryArguments),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct ListImagesArguments {
    /// Only names that contain this.
    #[arg(value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Also those that no tag names.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print only names, as other commands take them.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Whole digests.
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) no_trunc: bool,
    /// Print one JSON object per image and line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Print each as one line of JSON, with its manifest and configuration.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the manifest alone, byte for byte: what the digest is of.
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TagArguments {
    pub(crate) source: String,
    /// The name to give it, in local/.
    pub(crate) target: String,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// A name that is not there is no failure.
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PruneArguments {
    /// Also all that came from registries outside: what is asked for again is brought again.
    #[arg(long)]
    pub(crate) mirrored: bool,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    pub(crate) name: String,
    /// OS/ARCHITECTURE[/VARIANT] of an image for several, or all [default: the host's].
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Say nothing but the name and errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    pub(crate) source: String,
    /// Its name in that registry; needed where SOURCE is in local/.
    #[arg(value_name = "DEST")]
    pub(crate) target: Option<String>,
    /// Say nothing but the name and errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// A tar, or - for stdin.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A name in local/ for the one image in it [default: the names that it says itself, in local/].
    #[arg(value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Say nothing but names and errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print one JSON object per image and line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    pub(crate) name: String,
    /// Where to; - is stdout, which is refused when it is a terminal.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: String,
    /// OS/ARCHITECTURE[/VARIANT] of an image for several [default: all that is stored].
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Say nothing but errors.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Also how full it is, and what it may ask.
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Print one line of JSON.
    #[arg(long, conflicts_with = "long")]
    pub(crate) json: bool,
}
