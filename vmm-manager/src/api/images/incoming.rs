//! Requests for images, checked.

use kiln_proto::v1;
use kiln_registry::operate::{Listing, Place, Platforms, Reference};

use crate::api::field::InvalidField;

const DEFAULT_PAGE: usize = 100;
const MOST_PAGE: u32 = 1000;
/// No name is longer.
const MOST_NAME_BYTES: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pull {
    pub(super) reference: Reference,
    pub(super) platforms: Platforms,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Push {
    pub(super) source: Reference,
    pub(super) target: Reference,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) reference: Reference,
    /// `None`: all that is stored.
    pub(super) platforms: Option<Platforms>,
}

/// `at` is where the request has it.
pub(in crate::api) fn reference(at: &str, text: &str) -> Result<Reference, InvalidField> {
    text.parse().map_err(|error| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        InvalidField::new(at, format!("{error}{cause}"))
    })
}

pub(super) fn listing(request: v1::ListImagesRequest) -> Result<Listing, InvalidField> {
    let v1::ListImagesRequest { name, untagged, page_size, page_token } = request;
    if name.len() > MOST_NAME_BYTES {
        return Err(InvalidField::new("name", "is longer than any name"));
    }
    let limit = match page_size {
        0 => DEFAULT_PAGE,
        1..=MOST_PAGE => page_size as usize,
        _ => return Err(InvalidField::new("page_size", format!("is more than {MOST_PAGE}"))),
    };
    let after = match page_token.as_str() {
        "" => None,
        token => {
            let invalid = |_| InvalidField::new("page_token", "is none of this service's");
            Some(token.parse().map_err(invalid)?)
        }
    };
    Ok(Listing { name, untagged, after, limit })
}

pub(super) fn pull(request: v1::PullImageRequest) -> Result<Pull, InvalidField> {
    let v1::PullImageRequest { reference, platform } = request;
    let reference = self::reference("reference", &reference)?;
    let platforms = platforms(&platform)?.unwrap_or_else(Platforms::host);
    Ok(Pull { reference, platforms })
}

pub(super) fn push(request: v1::PushImageRequest) -> Result<Push, InvalidField> {
    let v1::PushImageRequest { source, target } = request;
    let source = reference("source", &source)?;
    let target = match target.as_str() {
        "" if source.place == Place::Local => {
            let problem = "is missing: where to? as in registry.example/team/app:1";
            return Err(InvalidField::new("target", problem));
        }
        "" => source.clone(),
        target => reference("target", target)?,
    };
    Ok(Push { source, target })
}

/// What an import is begun with.
pub(super) fn import(
    request: Option<v1::ImportImageRequest>,
) -> Result<Option<Reference>, InvalidField> {
    let first = request.and_then(|request| request.event);
    match first {
        Some(v1::import_image_request::Event::Start(v1::ImportStart { target })) => {
            if target.is_empty() {
                return Ok(None);
            }
            reference("start.target", &target).map(Some)
        }
        _ => Err(InvalidField::new("start", "comes first")),
    }
}

pub(super) fn export(request: v1::ExportImageRequest) -> Result<Export, InvalidField> {
    let v1::ExportImageRequest { reference, platform } = request;
    let reference = self::reference("reference", &reference)?;
    Ok(Export { reference, platforms: platforms(&platform)? })
}

fn platforms(text: &str) -> Result<Option<Platforms>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| InvalidField::new("platform", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(parsed: Result<T, InvalidField>, field: &str, words: &str) {
        let InvalidField { field: found, problem } = parsed.unwrap_err();
        assert_eq!(found, field);
        assert!(problem.contains(words), "{problem}");
    }

    #[test]
    fn a_page_is_one_that_was_given_out() {
        let request = |page_size, page_token: &str| v1::ListImagesRequest {
            page_size,
            page_token: page_token.to_owned(),
            ..v1::ListImagesRequest::default()
        };
        assert_eq!(listing(request(0, "")).unwrap().limit, 100);
        assert_eq!(listing(request(1000, "")).unwrap().limit, 1000);
        let after = listing(request(1, "local/app:1")).unwrap().after.unwrap();
        assert_eq!(after.to_string(), "local/app:1");
        check(listing(request(1001, "")), "page_size", "more than 1000");
        check(listing(request(1, "what?")), "page_token", "none of this service's");
        let name = "n".repeat(1025);
        check(listing(v1::ListImagesRequest { name, ..request(0, "") }), "name", "longer");
    }

    #[test]
    fn a_pull_is_of_the_host_unless_it_says_otherwise() {
        let request = |reference: &str, platform: &str| v1::PullImageRequest {
            reference: reference.to_owned(),
            platform: platform.to_owned(),
        };
        let pulled = pull(request("debian:12", "")).unwrap();
        assert_eq!(pulled.reference.to_string(), "docker.io/library/debian:12");
        assert_eq!(pulled.platforms, Platforms::host());
        assert_eq!(pull(request("debian", "all")).unwrap().platforms, Platforms::All);
        check(pull(request("Debian", "")), "reference", "lower case");
        check(pull(request("", "")), "reference", "not an image");
        check(pull(request("debian:-", "")), "reference", "not a tag");
        check(pull(request("debian", "arm")), "platform", "OS/ARCHITECTURE");
    }

    #[test]
    fn a_push_goes_back_to_where_its_name_says() {
        let request = |source: &str, target: &str| v1::PushImageRequest {
            source: source.to_owned(),
            target: target.to_owned(),
        };
        let back = push(request("registry.example/app:1", "")).unwrap();
        assert_eq!(back.source, back.target);
        let there = push(request("local/app:1", "registry.example/app:2")).unwrap();
        assert_eq!(there.target.to_string(), "registry.example/app:2");
        check(push(request("local/app:1", "")), "target", "is missing");
        check(push(request("local/app:1", "http://x/y")), "target", "leave http:// away");
        check(push(request("a b", "registry.example/app")), "source", "not an image");
    }

    #[test]
    fn an_import_begins_with_its_start() {
        use v1::import_image_request::Event;
        let request = |event| Some(v1::ImportImageRequest { event });
        let start = |target: &str| Event::Start(v1::ImportStart { target: target.to_owned() });
        assert_eq!(import(request(Some(start("")))).unwrap(), None);
        let target = import(request(Some(start("local/app")))).unwrap().unwrap();
        assert_eq!(target.to_string(), "local/app:latest");
        check(import(request(Some(start("local/")))), "start.target", "not an image");
        for none in [None, request(None), request(Some(Event::Data("x".into())))] {
            check(import(none), "start", "comes first");
        }
    }
}
