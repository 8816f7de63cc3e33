//! What `docker build` takes and Kiln does not: each by its name, with the reason.

use std::ffi::OsStr;

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::TypedValueParser,
    error::ErrorKind,
};

const LEGACY: &str = "BuildKit has nothing of the kind";
const CGROUP: &str = "a build has a VM of its own: --cpus and --memory are its limits";
const FLAGS: [(&str, &str); 22] = [
    ("builder", "there are none: each build has an engine of its own, in a VM of its own"),
    ("call", "only builds come of it yet"),
    ("cgroup-parent", CGROUP),
    ("check", "only builds come of it yet"),
    ("compress", "contexts go over a socket of this machine"),
    ("cpu-period", CGROUP),
    ("cpu-quota", CGROUP),
    ("cpu-shares", CGROUP),
    ("cpuset-cpus", CGROUP),
    ("cpuset-mems", CGROUP),
    ("debug", "a debugger of builds has no way into the VM; `kiln shell` has, while it runs"),
    ("force-rm", LEGACY),
    ("invoke", "a debugger of builds has no way into the VM; `kiln shell` has, while it runs"),
    ("isolation", "a VM of its own is the isolation, always"),
    ("memory-swap", "a build's VM has no swap"),
    ("policy", "what a build may reach is --egress"),
    ("print", "only builds come of it yet"),
    ("rm", LEGACY),
    ("root", "there is one result of a build, and it is the host's"),
    ("security-opt", "a VM of its own is the isolation; --allow has what RUN steps may ask for"),
    ("server-config", "the engine is Kiln's own"),
    ("squash", "BuildKit does not; the last stage of several does what it is for"),
];
const DEBUG: char = 'D';

/// Holds nothing: none of them is ever accepted.
#[derive(Debug)]
pub(crate) struct Refused;

impl FromArgMatches for Refused {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

impl Args for Refused {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, &(name, reason)| {
            let flag = Arg::new(name)
                .long(name)
                .hide(true)
                .action(ArgAction::Append)
                .num_args(0..=1)
                .default_missing_value("")
                .value_parser(Reason(reason));
            command.arg(if name == "debug" { flag.short(DEBUG) } else { flag })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[derive(Clone, Copy, Debug)]
struct Reason(&'static str);

impl TypedValueParser for Reason {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        _: &OsStr,
    ) -> Result<String, clap::Error> {
        let name = argument.and_then(Arg::get_long).unwrap_or_default();
        let text = format!("--{name} is refused: {}\n", self.0);
        Err(clap::Error::raw(ErrorKind::UnknownArgument, text).with_cmd(command))
    }
}
