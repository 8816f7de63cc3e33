//! Why an image can't be made to boot.

use kiln_init::{InvalidSignal, InvalidUser, InvalidVariable};

use super::{
    command::CommandError, content::ContentError, place::PlaceError, program::ProgramError,
    systemd::SystemdError,
};

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("the image has no command: give it an ENTRYPOINT or a CMD")]
    NoCommand,
    #[error("the image's command contains a zero byte")]
    Zero,
    #[error("the image's working directory {0:?} is not absolute")]
    RelativeDirectory(String),
    #[error("the image's command cannot be run")]
    Command(#[from] CommandError),
    #[error("the image's user cannot be found")]
    User(#[from] InvalidUser),
    #[error("the image's environment cannot be set")]
    Variable(#[from] InvalidVariable),
    #[error("the image's STOPSIGNAL cannot be sent")]
    Signal(#[from] InvalidSignal),
    #[error("{path} cannot be read")]
    Content { path: String, source: ContentError },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("hostname {0:?} is none: letters, digits, dots and hyphens, at most 64")]
    HostName(String),
    #[error("memory cannot be mounted on {0:?}, which is not absolute")]
    Memory(String),
    #[error("the program that should be /.kiln/init is of no use")]
    Program(#[from] ProgramError),
    #[error("the settings of the init cannot be written")]
    Settings(#[from] serde_json::Error),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    #[error("process 1 cannot be {path}")]
    Custom { path: String, source: CommandError },
    #[error("process 1 cannot be {0:?}, which is not absolute")]
    RelativeCustom(String),
}
