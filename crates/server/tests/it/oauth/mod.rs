//! OAuth 2.0 and OpenID Connect endpoints.

mod authorize;
mod dbconnections;
mod discovery;
mod logout;
mod par;
mod passkey;
mod passwordless;
mod refresh;
mod related_origins;
mod token;
mod userinfo;
