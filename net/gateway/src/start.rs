//! From a configuration and descriptors to a gateway that serves.

mod descriptors;

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use kiln_net::control::GatewayConfig;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use self::descriptors::{DescriptorError, Descriptors};
use crate::{control::Control, gateway::Gateway, recorder::Recorder, resolver::Resolver};

/// Thousands of rules, and room.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("usage: kiln-gateway CONFIG")]
    Usage,
    #[error("configuration {}", path.display())]
    Config { path: PathBuf, source: io::Error },
    #[error("configuration {} is not what this version reads", path.display())]
    Understand { path: PathBuf, source: serde_json::Error },
    #[error("configuration {} is larger than {MAX_CONFIG_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("record {}", path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    #[error("event loop")]
    Runtime(#[source] io::Error),
    #[error("{what} can't be served any more")]
    Ended { what: &'static str, source: io::Error },
}

/// Of `main`: what the program does.
pub fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = format!("kiln-gateway: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                line.push_str(": ");
                line.push_str(&cause.to_string());
                source = cause.source();
            }
            line.push('\n');
            // Nobody is left to tell of an stderr that fails.
            let _ = io::stderr().write_all(line.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<(), StartError> {
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        return Err(StartError::Usage);
    };
    let config = read(Path::new(&path))?;
    let recorder = Recorder::open(&config.record, config.record_bytes)
        .map_err(|source| StartError::Record { path: config.record.clone(), source })?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?
        .block_on(serve(config, recorder))
}

fn read(path: &Path) -> Result<GatewayConfig, StartError> {
    let failed = |source| StartError::Config { path: path.into(), source };
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(StartError::TooLarge { path: path.into() });
    }
    serde_json::from_slice(&text)
        .map_err(|source| StartError::Understand { path: path.into(), source })
}

async fn serve(config: GatewayConfig, recorder: Recorder) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
    let descriptors = Descriptors::inherited(config.link.six.is_some())?;
    let control = Control::default();
    let gateway = Arc::new(Gateway::new(config, recorder, control.clone()));

    let mut servers = JoinSet::new();
    servers.spawn(async move {
        let source = control.serve(descriptors.control).await;
        StartError::Ended { what: "the control socket", source }
    });
    let resolver = Resolver::new(Arc::clone(&gateway));
    for socket in descriptors.dns_udp {
        let resolver = resolver.clone();
        servers.spawn(async move {
            let source = resolver.serve_udp(socket).await;
            StartError::Ended { what: "DNS over UDP", source }
        });
    }
    for listener in descriptors.dns_tcp {
        let resolver = resolver.clone();
        servers.spawn(async move {
            let source = resolver.serve_tcp(listener).await;
            StartError::Ended { what: "DNS over TCP", source }
        });
    }
    let splice = crate::splice::serve(Arc::clone(&gateway), descriptors.splice);
    servers.spawn(async move { StartError::Ended { what: "the splice", source: splice.await } });
    // Where there is none nobody listens, and a guest hears of it at once.
    if gateway.config.registry {
        let registry = crate::registry::serve(Arc::clone(&gateway), descriptors.registry);
        servers.spawn(async move {
            StartError::Ended { what: "the registry's port", source: registry.await }
        });
    }

    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        Some(ended) = servers.join_next() => match ended {
            Ok(error) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        },
    };
    gateway.recorder.flush();
    ended
}
