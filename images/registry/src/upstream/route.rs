//! How a site is reached, and whether it is: by what the operator says of it, and by who sends us there.

use std::path::PathBuf;

use super::{failure::Failure, guard::Reach, site::Site};
use crate::{
    name::Host,
    registries::{Registries, Registry},
};

/// Connections are shared by those who have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    pub site: Site,
    pub reach: Reach,
    pub ca: Option<PathBuf>,
    /// Dialled in the site's stead.
    pub address: Option<Host>,
}

/// Why a site is asked that is not the registry's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Token,
    /// Content, or where to put it.
    Redirect,
}

impl Route {
    pub(super) fn to(registries: &Registries, host: &Host) -> Self {
        let usual = Registry::default();
        let own = registries.registry(host).unwrap_or(&usual);
        Self::with(Site::of(host, own.http), own, own.private)
    }

    /// From the registry at `host` to where it sends us.
    pub(super) fn onwards(
        registries: &Registries,
        host: &Host,
        site: Site,
        errand: Errand,
    ) -> Result<Self, Failure> {
        let usual = Registry::default();
        let own = registries.registry(host).unwrap_or(&usual);
        if site == Site::of(host, own.http) {
            return Ok(Self::to(registries, host));
        }
        let refused = |reason| Failure::Guarded { to: site.to_string(), reason };
        let there = entry(registries, &site).unwrap_or(&usual);
        if !site.https && !own.http && errand == Errand::Redirect {
            return Err(refused("a registry with TLS sends us to a place without"));
        }
        if !site.https && !there.http {
            return Err(refused("it has no TLS, and the operator's file does not say so of it"));
        }
        // A registry of the internet is not to use us to reach another one that is private.
        let is_listed = own.token_hosts.iter().any(|listed| site.is(listed));
        let is_known = own.private || (errand == Errand::Token && is_listed);
        Ok(Self::with(site, there, there.private && is_known))
    }

    fn with(site: Site, registry: &Registry, private: bool) -> Self {
        let reach = if private { Reach::Private } else { Reach::Public };
        Self { site, reach, ca: registry.ca.clone(), address: registry.address.clone() }
    }
}

/// Whatever way its name is written in.
fn entry<'a>(registries: &'a Registries, site: &Site) -> Option<&'a Registry> {
    let authority = site.authority().parse::<Host>().ok();
    let full = format!("{}:{}", site.name, site.port).parse::<Host>().ok();
    [authority, full].into_iter().flatten().find_map(|host| registries.registry(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"registries": {
        "inside.example": {"private": true, "token_hosts": ["auth.inside.example"]},
        "auth.inside.example": {"private": true}, "store.inside.example:9000": {"private": true},
        "plain.example": {"http": true, "private": true}, "auth.plain.example": {"http": true},
        "outside.example": {"token_hosts": ["auth.inside.example"]}}}"#;

    /// Where the registry at `host` sends us: how far that reaches, or none where it is not followed.
    fn check(host: &str, to: (bool, &str, u16), errand: Errand, expected: Option<Reach>) {
        let registries = Registries::parse(FILE.as_bytes()).unwrap();
        let (https, name, port) = to;
        let site = Site { https, name: name.to_owned(), port };
        let found = Route::onwards(&registries, &host.parse().unwrap(), site, errand);
        assert_eq!(
            found.ok().map(|found| found.reach),
            expected,
            "{host} to {to:?} for {errand:?}"
        );
    }

    #[test]
    fn what_is_private_is_reached_by_what_is_private() {
        let (public, private) = (Some(Reach::Public), Some(Reach::Private));
        for (host, to, token, redirect) in [
            ("inside.example", "inside.example", private, private),
            ("inside.example", "auth.inside.example", private, private),
            ("inside.example", "elsewhere.example", public, public),
            ("outside.example", "inside.example", public, public),
            ("outside.example", "auth.inside.example", private, public),
            ("unknown.example", "inside.example", public, public),
            ("unknown.example", "auth.inside.example", public, public),
        ] {
            check(host, (true, to, 443), Errand::Token, token);
            check(host, (true, to, 443), Errand::Redirect, redirect);
        }
        let store = "store.inside.example";
        check("inside.example", (true, store, 9000), Errand::Redirect, private);
        check("inside.example", (true, store, 443), Errand::Redirect, public);
        check("outside.example", (true, store, 9000), Errand::Redirect, public);
    }

    #[test]
    fn without_tls_only_what_the_operator_says_is_reached() {
        let (public, private) = (Some(Reach::Public), Some(Reach::Private));
        for (host, to, token, redirect) in [
            ("plain.example", "plain.example", private, private),
            ("plain.example", "auth.plain.example", public, public),
            ("plain.example", "unknown.example", None, None),
            ("plain.example", "inside.example", None, None),
            ("inside.example", "plain.example", private, None),
            ("inside.example", "inside.example", None, None),
            ("unknown.example", "plain.example", public, None),
            ("unknown.example", "unknown.example", None, None),
        ] {
            check(host, (false, to, 80), Errand::Token, token);
            check(host, (false, to, 80), Errand::Redirect, redirect);
        }
    }
}
