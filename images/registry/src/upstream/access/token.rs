//! Tokens: asked of the server that a registry names, with the tenant's credentials when that server is
//! the registry's by the operator's word or by its name, else as anybody.

use std::time::Duration;

use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use serde::Deserialize;

use super::{Access, Scope};
use crate::upstream::{
    credentials::Login,
    exchange::{Ask, Sent},
    failure::Failure,
    operation::Operation,
    route::{Errand, Route},
    secret::Secret,
    site::{Place, Site, escaped},
};

const MAX_ANSWER_BYTES: u64 = 64 << 10;
const MAX_TOKEN_BYTES: usize = 16 << 10;
const MAX_WORD_BYTES: usize = 1024;
const CLIENT: &str = "kiln";
/// What a server means that does not say.
const USUAL_AGE: u64 = 60;
const MOST_AGE: u64 = 60 * 60;

/// Of a challenge.
pub(super) struct Wanted<'a> {
    pub realm: &'a str,
    pub service: Option<&'a str>,
    pub scope: Option<&'a str>,
}

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

pub(super) async fn fetch(
    operation: &Operation<'_>,
    wanted: &Wanted<'_>,
    login: Option<Login>,
) -> Result<(Access, Duration), Failure> {
    let Operation { inner, session, .. } = operation;
    let own = Route::to(&inner.registries, &session.host);
    let not = |found: &str| Failure::NotARegistry { status: 401, found: found.to_owned() };
    // Not relative to anything: a realm names its server.
    let realm = Some(wanted.realm).filter(|realm| !realm.starts_with('/'));
    let realm = realm.and_then(|realm| Place::parse(realm, &own.site).ok());
    let realm = realm.ok_or_else(|| not("a challenge whose realm is no URL"))?;
    let service = wanted.service.filter(|service| !service.is_empty());
    if service.is_some_and(|service| service.len() > MAX_WORD_BYTES) {
        return Err(not("a challenge whose service has no end"));
    }
    let route =
        Route::onwards(&inner.registries, &session.host, realm.site.clone(), Errand::Token)?;
    let is_trusted = belongs(operation, &own.site, &realm.site);
    let withheld = (login.is_some() && !is_trusted).then(|| realm.site.to_string());
    let login = login.filter(|_| is_trusted);
    let credentials = login.is_some();
    let scopes = scopes(operation, wanted.scope);
    let ask = match login {
        Some(Login::Identity(secret)) => refresh(realm, service, &scopes, &secret),
        login => {
            let mut place = realm;
            if let Some(service) = service {
                place = place.with("service", service);
            }
            for scope in &scopes {
                place = place.with("scope", scope);
            }
            let ask = Ask::new(Method::GET, place.path);
            match login {
                Some(Login::Password { username, password }) => {
                    let value = password.basic(&username);
                    let unusable = || Failure::Credential {
                        reason: "a password that no header can hold".to_owned(),
                    };
                    ask.header(header::AUTHORIZATION, value.ok_or_else(unusable)?)
                }
                _ => ask,
            }
        }
    };
    let mut answer = operation.polite(&route, ask).await?;
    match answer.status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            return Err(Failure::Unauthorized { credentials, withheld });
        }
        status if status.is_server_error() => {
            return Err(Failure::Failed { status: status.as_u16() });
        }
        status => {
            let found = "a token server that gives no token".to_owned();
            return Err(Failure::NotARegistry { status: status.as_u16(), found });
        }
    }
    let body = answer.whole(MAX_ANSWER_BYTES).await?;
    let (secret, age) = read(&body).ok_or_else(|| not("a token server that gives no token"))?;
    let authorization = secret.bearer().ok_or_else(|| not("a token that no header can hold"))?;
    Ok((Access { authorization: Some(authorization), credentials, withheld }, age))
}

/// May the registry's credentials go there?
fn belongs(operation: &Operation<'_>, own: &Site, realm: &Site) -> bool {
    let host = &operation.session.host;
    let listed = operation.inner.registries.registry(host).map(|own| &own.token_hosts);
    realm == own
        || realm.is_docker_hubs_tokens(host)
        || listed.is_some_and(|listed| listed.iter().any(|host| realm.is(host)))
}

/// OAuth 2: a token that stands for a user is posted, in a form.
fn refresh(place: Place, service: Option<&str>, scopes: &[String], secret: &Secret) -> Ask {
    let mut form = format!("grant_type=refresh_token&client_id={CLIENT}");
    let fields = [
        ("service", service.unwrap_or_default()),
        ("scope", &scopes.join(" ")),
        ("refresh_token", secret.expose()),
    ];
    for (name, value) in fields {
        form = format!("{form}&{name}={}", escaped(value));
    }
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    let ask = Ask::new(Method::POST, place.path).header(header::CONTENT_TYPE, kind);
    Ask { payload: Sent::Bytes(Bytes::from(form)), ..ask }
}

/// What the registry says, where it is no more than what we want; some call a repository by another
/// name than its path.
fn scopes(operation: &Operation<'_>, told: Option<&str>) -> Vec<String> {
    let Scope { push, other } = &operation.scope;
    let actions = if *push { "pull,push" } else { "pull" };
    let told = told.filter(|told| told.len() <= MAX_WORD_BYTES && is_within(told, *push));
    let own = format!("repository:{}:{actions}", operation.repository);
    let mut scopes = vec![told.map_or(own, str::to_owned)];
    scopes.extend(other.as_ref().map(|other| format!("repository:{other}:pull")));
    scopes
}

fn is_within(scope: &str, push: bool) -> bool {
    let Some(rest) = scope.strip_prefix("repository:") else { return false };
    let Some((name, actions)) = rest.rsplit_once(':') else { return false };
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    let is_wanted = actions.split(',').all(|action| action == "pull" || (push && action == "push"));
    // To push, no less either: a registry that forgets it would refuse the upload.
    let is_enough = !push || actions.split(',').any(|action| action == "push");
    !name.is_empty() && name.bytes().all(is_plain) && is_wanted && is_enough
}

fn read(body: &[u8]) -> Option<(Secret, Duration)> {
    let Given { token, access_token, expires_in } = serde_json::from_slice(body).ok()?;
    let told = [token, access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    if told.len() > MAX_TOKEN_BYTES {
        return None;
    }
    // It should not expire on its way.
    let age = expires_in.unwrap_or(USUAL_AGE).min(MOST_AGE);
    let age = age.saturating_sub((age / 10).max(5));
    Some((Secret::new(told), Duration::from_secs(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_gets_no_more_than_what_is_wanted() {
        for (scope, pull, push) in [
            ("repository:a:pull", true, false),
            ("repository:a/b.c:pull,push", false, true),
            ("repository:host:5000/a:pull", true, false),
            ("repository:a:push,pull", false, true),
            ("repository:a:*", false, false),
            ("repository:a:pull,delete", false, false),
            ("repository:a:", false, false),
            ("repository::pull", false, false),
            ("repository:a:pull repository:b:pull", false, false),
            ("registry:catalog:*", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_within(scope, false), is_within(scope, true)), (pull, push), "{scope}");
        }
    }

    #[test]
    fn tokens_are_read_within_bounds() {
        let check = |body: &str, expected: Option<(&str, u64)>| {
            let expected =
                expected.map(|(token, age)| (Secret::new(token), Duration::from_secs(age)));
            assert_eq!(read(body.as_bytes()), expected, "{body}");
        };
        check(r#"{"token": "a"}"#, Some(("a", 54)));
        check(r#"{"access_token": "a", "expires_in": 300}"#, Some(("a", 270)));
        check(r#"{"token": "", "access_token": "b", "expires_in": 3}"#, Some(("b", 0)));
        check(r#"{"token": "a", "expires_in": 18446744073709551615}"#, Some(("a", 3240)));
        check(r#"{"token": "a", "expires_in": -1}"#, None);
        check(r#"{"token": 1}"#, None);
        check("{}", None);
        check("<html>", None);
        check(&format!(r#"{{"token": "{}"}}"#, "a".repeat(MAX_TOKEN_BYTES + 1)), None);
    }
}
