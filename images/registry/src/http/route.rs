//! What a request asks for, by its path.

use super::query::{Query, decode};

/// Names, tags and digests as they were written: whether they are any is judged where they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Ping,
    Catalog,
    Of { name: String, resource: Resource },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Manifest {
        reference: String,
    },
    Blob {
        digest: String,
    },
    /// Where uploads begin.
    Uploads,
    Upload {
        id: String,
    },
    Tags,
    Referrers {
        digest: String,
    },
}

/// `None`: nothing of the distribution API.
pub fn route(path: &str) -> Option<Route> {
    let path = path.strip_prefix("/v2")?;
    if matches!(path, "" | "/") {
        return Some(Route::Ping);
    }
    let path = path.strip_prefix('/')?;
    if path == "_catalog" {
        return Some(Route::Catalog);
    }
    let components: Vec<_> = path.split('/').collect();
    // From behind, for names may have components of these words too.
    let (name, resource) = match &*components {
        [name @ .., "blobs", "uploads", ""] | [name @ .., "blobs", "uploads"] => {
            (name, Resource::Uploads)
        }
        [name @ .., "blobs", "uploads", id] => (name, Resource::Upload { id: decode(id) }),
        [name @ .., "manifests", reference] => {
            (name, Resource::Manifest { reference: decode(reference) })
        }
        [name @ .., "blobs", digest] => (name, Resource::Blob { digest: decode(digest) }),
        [name @ .., "referrers", digest] => (name, Resource::Referrers { digest: decode(digest) }),
        [name @ .., "tags", "list"] => (name, Resource::Tags),
        _ => return None,
    };
    (!name.is_empty()).then(|| Route::Of { name: decode(&name.join("/")), resource })
}

/// The registry that was named beside the name: in the query, as a mirror is asked, or in the target,
/// as a proxy is.
pub fn registry<'a>(query: &'a Query, authority: Option<&'a str>) -> Option<&'a str> {
    query.first("ns").filter(|ns| !ns.is_empty()).or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected_name: &str, expected: Resource) {
        let expected = Route::Of { name: expected_name.to_owned(), resource: expected };
        assert_eq!(route(path), Some(expected), "{path}");
    }

    #[test]
    fn resources() {
        let manifest = |reference: &str| Resource::Manifest { reference: reference.to_owned() };
        check("/v2/a/manifests/v1", "a", manifest("v1"));
        check("/v2/a/b/manifests/sha256%3Aab", "a/b", manifest("sha256:ab"));
        check("/v2/manifests/manifests/manifests", "manifests", manifest("manifests"));
        check("/v2/a/blobs/uploads/manifests/v1", "a/blobs/uploads", manifest("v1"));
        check("/v2/a/blobs/x", "a", Resource::Blob { digest: "x".to_owned() });
        check("/v2/a/blobs/uploads/", "a", Resource::Uploads);
        check("/v2/a/blobs/uploads", "a", Resource::Uploads);
        check("/v2/a/blobs/uploads/1", "a", Resource::Upload { id: "1".to_owned() });
        check("/v2/a/tags/list", "a", Resource::Tags);
        check("/v2/a/referrers/x", "a", Resource::Referrers { digest: "x".to_owned() });
        assert_eq!(route("/v2/"), Some(Route::Ping));
        assert_eq!(route("/v2"), Some(Route::Ping));
        assert_eq!(route("/v2/_catalog"), Some(Route::Catalog));
    }

    #[test]
    fn what_is_no_resource() {
        for path in ["", "/", "/v1/", "/v2x", "/v2/a", "/v2/manifests/v1", "/v2/a/tags", "/metrics"]
        {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn the_query_names_the_registry_before_the_target_does() {
        let query = Query::parse(Some("ns=docker.io"));
        assert_eq!(registry(&query, Some("registry.example")), Some("docker.io"));
        assert_eq!(registry(&Query::parse(Some("ns=")), Some("a.example")), Some("a.example"));
        assert_eq!(registry(&Query::default(), None), None);
    }
}
