//! Who calls, and whether the token lets them (contract/management-api.md 1.2 and 1.3).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::jose::{JwtError, claims};
use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::management_scopes::OF_USER_TOKENS;
use lockstep_core::time::Span;
use serde_json::{Map, Value};

use super::Outcome;
use crate::app::App;
use crate::store::{clients, users};

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The application that the token was issued to.
    pub client: ClientId,
    /// The user whose token it is; none for a machine token.
    pub user: Option<UserId>,
    /// The granted scopes that count.
    pub scopes: Vec<String>,
    /// The token's id.
    pub jti: Option<String>,
    /// Whether a second factor was passed for it.
    pub mfa: bool,
}

impl Caller {
    /// Returns whether the token has a scope.
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

/// What a route asks for.
#[derive(Clone, Copy, Debug)]
pub enum Scopes {
    /// One of these.
    Any(&'static [&'static str]),
    /// All of these together, or one of the others alone.
    AllOr(&'static [&'static str], &'static [&'static str]),
}

impl Scopes {
    /// Returns all scopes that are named, for messages and tests.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::Any(scopes) => scopes.to_vec(),
            Self::AllOr(all, alone) => [*all, *alone].concat(),
        }
    }

    /// Returns a set of scopes that suffices.
    pub fn sufficient(&self) -> &'static [&'static str] {
        match self {
            Self::Any(scopes) => &scopes[..1],
            Self::AllOr(all, _) => all,
        }
    }

    fn met_by(&self, caller: &Caller) -> bool {
        match self {
            Self::Any(scopes) => scopes.iter().any(|s| caller.has(s)),
            Self::AllOr(all, alone) => {
                all.iter().all(|s| caller.has(s)) || alone.iter().any(|s| caller.has(s))
            }
        }
    }
}

/// Checks the `Authorization` header: form, signature, issuer, audience, expiry, and that the application still exists.
pub async fn authenticate(app: &App, env: &Env, header: Option<&str>) -> Outcome<Caller> {
    let header = header.ok_or(ManagementCode::NoToken)?;
    let token = bearer(header).ok_or(ManagementCode::BadTokenFormat)?;
    let verified = app.keyring().verify(token).map_err(|cause| match cause {
        JwtError::Signature => invalid("Invalid signature received for JSON Web Token validation"),
        _ => ManagementCode::InvalidToken.into(),
    })?;
    let claims = &verified.claims;
    let audience = env.issuer.management_audience();
    claims::issued_by(claims, env.issuer.as_str())
        .and_then(|()| claims::addressed_to(claims, &[&audience]))
        .map_err(|_| ManagementCode::InvalidToken)?;
    claims::not_expired(claims, env.now, Span::ZERO)
        .map_err(|_| invalid("Expired token received for JSON Web Token validation"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (Some(subject), Some(client)) = (text("sub"), text("azp").or(text("client_id"))) else {
        return Err(ManagementCode::InvalidToken.into());
    };
    let client = ClientId::parse(client).map_err(|_| ManagementCode::InvalidToken)?;
    let machine = subject.strip_suffix("@clients") == Some(client.as_str());
    let user =
        if machine { None } else { Some(UserId::parse(subject).map_err(|_| ManagementCode::InvalidToken)?) };
    let mut conn = app.db().read().await?;
    if clients::find(&mut conn, &client).await?.is_none() {
        return Err(ManagementCode::InvalidToken.into());
    }
    if let Some(user) = &user
        && users::find(&mut conn, user).await?.is_none_or(|u| u.blocked)
    {
        return Err(ManagementCode::InvalidToken.into());
    }
    let scopes = text("scope").unwrap_or_default().split(' ').map(str::to_owned);
    // A user's token never gets an operator's powers, whatever it was granted.
    let scopes = scopes.filter(|s| user.is_none() || OF_USER_TOKENS.contains(&s.as_str())).collect();
    let (jti, mfa) = (text("jti").map(str::to_owned), has_mfa(claims));
    Ok(Caller { client, user, scopes, jti, mfa })
}

/// Checks that the caller may use a route; `target` is the user in its path, if it has one.
pub fn allow(caller: &Caller, scopes: &Scopes, target: Option<&str>) -> Outcome<()> {
    if !scopes.met_by(caller) {
        let names = scopes.names().join(",");
        let message = format!("Insufficient scope, expected any of: {names}");
        return Err(ManagementError::new(ManagementCode::InsufficientScope, message));
    }
    match &caller.user {
        Some(own) if target != Some(own.as_str()) => Err(ManagementError::new(
            ManagementCode::InsufficientScope,
            "User to be acted on does not match subject in bearer token.",
        )),
        _ => Ok(()),
    }
}

/// Returns whether a token says that a second factor was passed for it.
pub(super) fn has_mfa(claims: &Map<String, Value>) -> bool {
    claims.get("amr").and_then(Value::as_array).is_some_and(|amr| amr.iter().any(|method| method == "mfa"))
}

/// Returns the token of a header `Bearer a.b.c`.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let parts: Vec<&str> = token.split('.').collect();
    (scheme.eq_ignore_ascii_case("bearer") && parts.len() == 3 && parts.iter().all(|p| !p.is_empty()))
        .then_some(token)
}

fn invalid(message: &str) -> ManagementError {
    ManagementError::new(ManagementCode::InvalidToken, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: &[&str], user: Option<&str>) -> Caller {
        Caller {
            client: ClientId::trusted("c"),
            user: user.map(UserId::trusted),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            jti: None,
            mfa: false,
        }
    }

    #[test]
    fn any_one_scope_suffices_and_the_refusal_is_exact() {
        let scopes = Scopes::Any(&["read:guardian_factors", "read:x"]);
        assert!(allow(&caller(&["read:x"], None), &scopes, None).is_ok());
        let refused = allow(&caller(&["read:xy"], None), &scopes, None).unwrap_err();
        assert_eq!(refused.message, "Insufficient scope, expected any of: read:guardian_factors,read:x");
    }

    #[test]
    fn both_scopes_or_the_one_that_stands_alone() {
        let scopes = Scopes::AllOr(&["read:users", "read:roles"], &["read:role_members"]);
        assert!(allow(&caller(&["read:users"], None), &scopes, None).is_err());
        assert!(allow(&caller(&["read:users", "read:roles"], None), &scopes, None).is_ok());
        assert!(allow(&caller(&["read:role_members"], None), &scopes, None).is_ok());
    }

    #[test]
    fn a_user_acts_on_nobody_else() {
        let scopes = Scopes::Any(&["read:users", "read:current_user"]);
        let ann = caller(&["read:current_user"], Some("auth0|ann"));
        assert!(allow(&ann, &scopes, Some("auth0|ann")).is_ok());
        let refused = allow(&ann, &scopes, Some("auth0|ben")).unwrap_err();
        assert_eq!(refused.message, "User to be acted on does not match subject in bearer token.");
        assert!(allow(&ann, &scopes, None).is_err());
    }

    #[test]
    fn a_header_that_is_no_bearer_token_is_seen() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        for broken in ["a.b.c", "Basic a.b.c", "Bearer a.b", "Bearer a.b.c.d", "Bearer ..", "Bearer"] {
            assert_eq!(bearer(broken), None, "{broken}");
        }
    }
}
