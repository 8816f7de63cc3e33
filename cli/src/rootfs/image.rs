//! What IMAGE means, looked at before anything is begun.
//!
//! | IMAGE | is |
//! |---|---|
//! | `docker://NAME` | a reference |
//! | `oci:PATH` | a path |
//! | `-` | a tar on stdin |
//! | begins with `/`, `./` or `../`, ends in `.tar` or `/` | a path |
//! | the name of a tar, or of a directory with an `oci-layout`, that is here | a path |
//! | everything else | a reference |

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use kiln_proto::v1::{self, rootfs_spec::Source};

use crate::{
    args::RootfsArguments,
    daemon::Daemon,
    progress::Progress,
    source::{Content, Known, WholeFile, WholeFileError, send, upload},
};

#[derive(Debug)]
pub(super) enum Image {
    Reference(String),
    /// Of a build, by its id or the beginning of one.
    Built {
        id: String,
        export: String,
    },
    File {
        path: PathBuf,
        file: Box<WholeFile>,
    },
    /// An OCI layout.
    Layout(PathBuf),
    Stdin,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    #[error("{what} names nothing: {write}")]
    Empty { what: &'static str, write: &'static str },
    #[error(
        "there is no {path}: a path is what begins with / or ./ or ends in .tar; docker://{path} is a reference"
    )]
    Missing { path: String },
    #[error(
        "{path} is no image: name a tar of an OCI layout, what `docker save` writes, or the directory of an OCI layout"
    )]
    NoImage { path: String },
    #[error(transparent)]
    File(#[from] WholeFileError),
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("stdin is a terminal: name an image, or pipe a tar in")]
    Terminal,
}

impl Image {
    pub(super) fn of(arguments: &RootfsArguments) -> Result<Self, ImageError> {
        if let Some(build) = &arguments.build {
            let (id, export) = build.split_once(':').unwrap_or((build, ""));
            if id.is_empty() || (export.is_empty() && build.contains(':')) {
                return Err(ImageError::Empty { what: "--build", write: "write ID or ID:EXPORT" });
            }
            return Ok(Self::Built { id: id.to_owned(), export: export.to_owned() });
        }
        let text = arguments.image.as_deref().unwrap_or_default();
        let name = |rest: &str| match rest {
            "" => Err(ImageError::Empty { what: "IMAGE", write: "write a reference or a path" }),
            rest => Ok(rest.to_owned()),
        };
        if let Some(reference) = text.strip_prefix("docker://") {
            return name(reference).map(Self::Reference);
        }
        if let Some(path) = text.strip_prefix("oci:") {
            return Self::at(&name(path)?);
        }
        match text {
            "-" if io::stdin().is_terminal() => Err(ImageError::Terminal),
            "-" => Ok(Self::Stdin),
            text if is_path(text) || is_image(Path::new(text)) => Self::at(text),
            text => name(text).map(Self::Reference),
        }
    }

    fn at(text: &str) -> Result<Self, ImageError> {
        let path = Path::new(text);
        let wrong = |source| ImageError::Read { path: text.to_owned(), source };
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ImageError::Missing { path: text.to_owned() });
            }
            Err(error) => return Err(wrong(error)),
        };
        if metadata.is_dir() && is_layout(path) {
            return Ok(Self::Layout(path.to_owned()));
        }
        if metadata.is_file() && is_tar(path).map_err(wrong)? {
            let file = Box::new(WholeFile::open(path)?);
            return Ok(Self::File { path: path.to_owned(), file });
        }
        Err(ImageError::NoImage { path: text.to_owned() })
    }

    /// Brings what lies here to kilnd.
    pub(super) async fn send(
        self,
        daemon: &Daemon,
        arguments: &RootfsArguments,
        progress: &Progress,
    ) -> anyhow::Result<Source> {
        let project = arguments.project.as_deref().unwrap_or_default();
        let content = match self {
            Self::Reference(reference) => return Ok(Source::Reference(reference)),
            Self::Built { id, export } => {
                let build_id = daemon.resolve(&id).await?;
                return Ok(Source::Build(v1::BuiltImageSource { build_id, export }));
            }
            Self::File { path, file } => {
                let (name, known) = (path.display().to_string(), Known::File(*file));
                let id = send(daemon, project, &name, known, progress).await?;
                return Ok(Source::SourceId(id));
            }
            Self::Layout(path) => Content::Directory(path),
            Self::Stdin => Content::Stdin,
        };
        Ok(Source::SourceId(upload(daemon, project, &content, progress).await?))
    }
}

/// Whatever lies there.
fn is_path(text: &str) -> bool {
    let begins = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
    let is_tar = Path::new(text).extension().is_some_and(|end| end == "tar");
    begins || matches!(text, "." | "..") || text.ends_with('/') || is_tar
}

fn is_image(path: &Path) -> bool {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => is_layout(path),
        Ok(metadata) if metadata.is_file() => is_tar(path).unwrap_or(false),
        Ok(_) | Err(_) => false,
    }
}

fn is_layout(path: &Path) -> bool {
    path.join("oci-layout").is_file()
}

/// By what every tar has at the end of its first header but its padding.
fn is_tar(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    Ok(head.len() == 512 && &head[257..262] == b"ustar")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn image(words: &[&str]) -> Result<Image, ImageError> {
        let words = ["kiln", "rootfs", "-o", "x"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Rootfs(arguments) => Image::of(&arguments),
            other => panic!("no rootfs: {other:?}"),
        }
    }

    fn described(words: &[&str]) -> String {
        match image(words) {
            Ok(Image::Reference(reference)) => format!("reference {reference}"),
            Ok(Image::Built { id, export }) => format!("build {id} {export}"),
            Ok(Image::File { path, .. }) => format!("file {}", path.display()),
            Ok(Image::Layout(path)) => format!("layout {}", path.display()),
            Ok(Image::Stdin) => "stdin".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn references_and_builds() {
        let check = |words: &[&str], expected: &str| assert_eq!(described(words), expected);
        check(&["debian:12"], "reference debian:12");
        check(&["local/app"], "reference local/app");
        check(&["docker://./odd.tar"], "reference ./odd.tar");
        check(&["src"], "reference src");
        check(&["Cargo.toml"], "reference Cargo.toml");
        check(&["--build", "01jd"], "build 01jd ");
        check(&["--build", "01jd:image-2"], "build 01jd image-2");
    }

    #[test]
    fn paths_are_looked_at() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name).display().to_string();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        tar.append_data(&mut header, "oci-layout", &b""[..]).unwrap();
        std::fs::write(at("image"), tar.into_inner().unwrap()).unwrap();
        std::fs::create_dir(at("layout")).unwrap();
        std::fs::write(at("layout/oci-layout"), "{}").unwrap();
        std::fs::write(at("note.tar"), "text").unwrap();
        assert_eq!(described(&[&at("image")]), format!("file {}", at("image")));
        assert_eq!(described(&[&at("layout")]), format!("layout {}", at("layout")));
        let prefixed = format!("oci:{}", at("layout"));
        assert_eq!(described(&[&prefixed]), format!("layout {}", at("layout")));
        for (path, words) in [
            (at("note.tar"), "is no image"),
            (base.path().display().to_string(), "is no image"),
            (at("none"), "there is no"),
            ("none.tar".to_owned(), "docker://none.tar is a reference"),
            ("oci:none".to_owned(), "there is no none"),
            ("docker://".to_owned(), "names nothing"),
            ("oci:".to_owned(), "names nothing"),
            (String::new(), "names nothing"),
        ] {
            let told = described(&[&path]);
            assert!(told.contains(words), "{path}: {told}");
        }
        assert!(described(&["--build", "01jd:"]).contains("write ID or ID:EXPORT"));
    }
}
