//! Every error code on the wire: name, status and default text, in one table for each of the two families. Those of the My Account API
//! stand in [`crate::my_account`].
//!
//! A new code is a line here; only `http/errors.rs` turns one into an answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! oauth_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $text:literal;)*) => {
        /// The `error` of envelope A (contract/oidc.md 0.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum OAuthCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl OAuthCode {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the usual status; some cases have another, see [`OAuthError::status`].
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Returns the text that is sent unless a better one is known.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

oauth_codes! {
    /// The request is malformed.
    InvalidRequest = "invalid_request", 400, "The request is malformed";
    /// The client is unknown or did not prove who it is (PAR, revocation).
    InvalidClient = "invalid_client", 401, "Client authentication failed";
    /// A code, token or credential is wrong. Auth0 says 403 where RFC 6749 says 400.
    InvalidGrant = "invalid_grant", 403, "Invalid grant";
    /// The client may not use this grant or response type.
    UnauthorizedClient = "unauthorized_client", 403, "The client is not allowed to do this";
    /// The grant is not one of ours.
    UnsupportedGrantType = "unsupported_grant_type", 400, "Unsupported grant type";
    /// The response type is not one of ours.
    UnsupportedResponseType = "unsupported_response_type", 400, "Unsupported response type";
    /// The response mode is not one of ours, or does not fit the response type.
    UnsupportedResponseMode = "unsupported_response_mode", 400, "Unsupported response mode";
    /// A scope was refused (Actions only: unknown scopes are dropped).
    InvalidScope = "invalid_scope", 400, "Invalid scope";
    /// The person, an Action, or the tenant's configuration refuses.
    AccessDenied = "access_denied", 403, "Access denied";
    /// The user is blocked, or an Action refused.
    Unauthorized = "unauthorized", 401, "Unauthorized";
    /// prompt=none, but somebody would have to log in (or to pass MFA).
    LoginRequired = "login_required", 403, "Login required";
    /// prompt=none, but consent is needed.
    ConsentRequired = "consent_required", 403, "Consent required";
    /// prompt=none, but another page is needed.
    InteractionRequired = "interaction_required", 403, "Interaction required";
    /// A second factor is needed: at the token endpoint only.
    MfaRequired = "mfa_required", 403, "Multifactor authentication required";
    /// The asked level of authentication cannot be reached (RFC 9470 section 5).
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 403,
        "The requested authentication cannot be performed";
    /// A signed request object: not supported.
    RequestNotSupported = "request_not_supported", 400, "The request parameter is not supported";
    /// The pushed request is unknown, used, expired, or another client's.
    InvalidRequestUri = "invalid_request_uri", 400, "The request_uri is invalid, was used or has expired";
    /// The bearer token is missing or bad (RFC 6750 section 3.1).
    InvalidToken = "invalid_token", 401, "The access token is missing, expired or invalid";
    /// The bearer token lacks a scope.
    InsufficientScope = "insufficient_scope", 403, "Insufficient scope";
    /// Attack protection.
    TooManyAttempts = "too_many_attempts", 429, "Too many attempts";
    /// A rate limit.
    TooManyRequests = "too_many_requests", 429, "Rate limit exceeded.";
    /// The device flow's polling was too fast.
    SlowDown = "slow_down", 429, "You are polling faster than the specified interval of 5 seconds.";
    /// The device flow's or push challenge's answer is still missing.
    AuthorizationPending = "authorization_pending", 403, "User has yet to authorize device code.";
    /// The device code or mfa_token is too old.
    ExpiredToken = "expired_token", 403, "The token has expired";
    /// A telephone number that no code is sent to.
    InvalidPhoneNumber = "invalid_phone_number", 400, "The phone number is invalid.";
    /// The connection cannot be used for codes (passwordless).
    BadConnection = "bad.connection", 400, "Connection does not exist.";
    /// Not an address (passwordless).
    BadEmail = "bad.email", 400, "The email address is invalid.";
    /// Not a number that codes are sent to (passwordless).
    BadPhoneNumber = "bad.phone_number", 400, "The phone number is invalid.";
    /// No such authenticator of this user (MFA API).
    AuthenticatorNotFound = "authenticator_not_found", 404, "The authenticator was not found.";
    /// The number or address is enrolled already, or there are too many (MFA API).
    EnrollmentConflict = "enrollment_conflict", 409, "This authenticator is already enrolled.";
    /// An enrolment is needed before a challenge (MFA API).
    AssociationRequired = "association_required", 403, "User is not enrolled with MFA";
    /// No wanted challenge type is possible (MFA API).
    UnsupportedChallengeType = "unsupported_challenge_type", 401, "Unsupported challenge type";
    /// The password is known from a breach.
    PasswordLeaked = "password_leaked", 401, "This login has been blocked because your password has been leaked";
    /// An e-mail address must be verified first.
    RequiresVerification = "requires_verification", 401, "Please verify your email before logging in.";
    /// The server is overloaded; `Retry-After` says when to come back.
    TemporarilyUnavailable = "temporarily_unavailable", 503, "The server is busy";
    /// Something unexpected; the trace has the cause.
    ServerError = "server_error", 500, "Internal server error";
}

impl fmt::Display for OAuthCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error as OAuth endpoints tell it: envelope A, or parameters of a redirect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    /// `error`.
    pub code: OAuthCode,
    /// `error_description`. Many texts are compared by SDKs to the letter.
    pub description: String,
    /// The HTTP status where the code's own one is not right.
    pub status: Option<u16>,
    /// Further members of the body: `mfa_token`, `mfa_requirements`, `validation_errors`.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// What the tenant's log may know of it and the caller may not.
    #[serde(skip)]
    pub note: Option<&'static str>,
}

impl OAuthError {
    /// Returns an error with its own text.
    pub fn new(code: OAuthCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), status: None, extra: Map::new(), note: None }
    }

    /// Returns the same error with another status than its code's.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Returns the same error with a further member of the body.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    /// Returns the same error with a word for the tenant's log.
    #[must_use]
    pub const fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Returns `invalid_request` with this text.
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(OAuthCode::InvalidRequest, description)
    }

    /// Returns the error of a parameter that is not there.
    pub fn missing(parameter: &str) -> Self {
        Self::invalid_request(format!("Missing required parameter: {parameter}"))
    }

    /// Returns `invalid_grant` with this text.
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(OAuthCode::InvalidGrant, description)
    }

    /// Returns the token endpoint's answer to an unknown client and to a wrong secret alike (contract/oidc.md 6.2).
    pub fn client_unauthorized() -> Self {
        Self::new(OAuthCode::AccessDenied, "Unauthorized").with_status(401)
    }

    /// Returns the error of a grant that the client may not use.
    pub fn grant_not_allowed(grant: &str) -> Self {
        Self::new(OAuthCode::UnauthorizedClient, format!("Grant type '{grant}' not allowed for the client."))
    }

    /// Returns the error of an audience that no API has.
    pub fn service_not_found(audience: &str) -> Self {
        Self::new(OAuthCode::AccessDenied, format!("Service not found: {audience}"))
    }

    /// Returns the one answer to every failed refresh; SDKs compare it to the letter.
    pub fn invalid_refresh_token() -> Self {
        Self::invalid_grant("Unknown or invalid refresh token.")
    }

    /// Returns the error of a blocked user; the SDK logs out on this text.
    pub fn user_blocked() -> Self {
        Self::new(OAuthCode::Unauthorized, "user is blocked")
    }

    /// Returns the silent request's error when MFA is needed; auth0-spa-js compares both fields.
    pub fn silent_mfa_required() -> Self {
        Self::new(OAuthCode::LoginRequired, OAuthCode::MfaRequired.text())
    }

    /// Returns the HTTP status.
    pub fn http_status(&self) -> u16 {
        self.status.unwrap_or(self.code.status())
    }

    /// Returns the JSON body.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.code.as_str().into());
        body.insert("error_description".to_owned(), self.description.clone().into());
        body.extend(self.extra.clone());
        Value::Object(body)
    }
}

impl From<OAuthCode> for OAuthError {
    fn from(code: OAuthCode) -> Self {
        Self::new(code, code.text())
    }
}

macro_rules! management_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:expr, $status:literal, $text:literal;)*) => {
        /// The kinds of Management API errors (contract/management-api.md 1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ManagementCode {
            $($(#[$doc])* $variant,)*
        }

        impl ManagementCode {
            /// All of them, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the `errorCode`; some errors have none.
            pub const fn error_code(self) -> Option<&'static str> {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the HTTP status, the `statusCode` of the body.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Returns the text that is sent unless a better one is known.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

management_codes! {
    /// A body that breaks the schema, or a business rule.
    InvalidBody = Some("invalid_body"), 400, "Payload validation error";
    /// A query that breaks the schema.
    InvalidQueryString = Some("invalid_query_string"), 400, "Query validation error";
    /// A path parameter of the wrong shape.
    InvalidUri = Some("invalid_uri"), 400, "Path validation error";
    /// A page beyond what searches reach.
    InvalidPaging = Some("invalid_paging"), 400, "Requesting page exceeds the allowed maximum of 1000 records.";
    /// What was sent cannot be used as it is.
    BadOperation = None, 400, "Bad Operation";
    /// The operation is not possible here.
    OperationNotSupported = Some("operation_not_supported"), 400, "This operation is not supported.";
    /// The Authorization header is no bearer token.
    BadTokenFormat = Some("Bearer"), 400, "Bad HTTP authentication header format";
    /// No Authorization header.
    NoToken = None, 401, "Missing authentication";
    /// The token does not verify.
    InvalidToken = None, 401, "Invalid token";
    /// The token lacks every scope that would do.
    InsufficientScope = Some("insufficient_scope"), 403, "Insufficient scope";
    /// A user has as many authentication methods as one may have.
    TooManyMethods = Some("max_authenticators"), 403, "You reached the limit of entities of this type for this user.";
    /// The user has a passkey, which this operation would lose.
    HasPasskey = Some("operation_not_supported"), 403,
        "Operation not permitted when the user has registered at least 1 passkey";
    /// The operation is for who has passed a second factor.
    MfaNeeded = Some("mfa_required"), 403, "Multi-factor authentication is required for this operation.";
    /// Organizations are not run.
    NoOrganizations = Some("operation_not_supported"), 403, "Organizations are not supported.";
    /// A server has one domain.
    NoCustomDomains = Some("operation_not_supported"), 403,
        "Custom domains cannot be added: the domain of the tenant is that of the server's issuer.";
    /// No such user.
    InexistentUser = Some("inexistent_user"), 404, "The user does not exist.";
    /// The user has no such account.
    InexistentIdentity = Some("inexistent_identity"), 404, "The identity does not exist.";
    /// No such client.
    InexistentClient = Some("inexistent_client"), 404, "The client does not exist";
    /// No such API.
    InexistentResourceServer = Some("inexistent_resource_server"), 404, "The resource server does not exist";
    /// No such client grant.
    InexistentClientGrant = Some("inexistent_client_grant"), 404, "The grant does not exist.";
    /// No such connection.
    InexistentConnection = Some("inexistent_connection"), 404, "The connection does not exist";
    /// No such role.
    InexistentRole = Some("inexistent_role"), 404, "The role does not exist.";
    /// No such authentication method of this user.
    InexistentAuthenticationMethod = Some("inexistent_authentication_method"), 404,
        "The authentication method could not be found.";
    /// No such enrolment.
    EnrollmentNotFound = Some("enrollment_not_found"), 404, "Enrollment not found";
    /// No such client credential.
    InexistentCredential = Some("inexistent_credential"), 404, "The credential does not exist.";
    /// No such log record.
    InexistentLog = Some("inexistent_log"), 404, "The log does not exist.";
    /// No such session.
    InexistentSession = Some("inexistent_session"), 404, "The session does not exist.";
    /// Nobody sends the tenant's mail.
    InexistentEmailProvider = Some("inexistent_email_provider"), 404, "There is not a configured email provider";
    /// The tenant wrote no mail template of this name.
    InexistentEmailTemplate = Some("inexistent_email_template"), 404, "The template does not exist.";
    /// Somebody sends the tenant's mail already.
    EmailProviderConflict = Some("email_provider_conflict"), 409, "There is already a configured email provider";
    /// No such Action.
    InexistentAction = None, 404, "That action does not exist.";
    /// No such run of Actions.
    InexistentExecution = None, 404, "That execution does not exist.";
    /// The tenant wrote no frame around its pages.
    InexistentPageTemplate = Some("inexistent_templates_universal_login"), 404, "Template does not exist.";
    /// No such theme.
    ThemeNotFound = Some("theme_not_found"), 404, "There was an error retrieving branding settings: invalid theme ID";
    /// There are no organizations.
    InexistentOrganization = None, 404, "No organization found by that id or name";
    /// No such log stream.
    InexistentLogStream = None, 404, "The log stream does not exist.";
    /// No such thing.
    NotFound = None, 404, "Not Found";
    /// A user that is there already.
    UserExists = Some("auth0_idp_error"), 409, "The user already exists.";
    /// An API with this identifier is there already.
    ResourceServerConflict = Some("resource_server_conflict"), 409,
        "A resource server with the same identifier already exists";
    /// A connection with this name is there already.
    ConnectionConflict = Some("connection_conflict"), 409, "A connection with the same name already exists";
    /// A role with this name is there already.
    RoleConflict = Some("role_conflict"), 409, "Another role with the same name already exists.";
    /// An Action, or a module of Actions, with this name is there already.
    ActionConflict = Some("action_conflict"), 409, "An action with the same name already exists.";
    /// A grant for this client, audience and subject type is there already.
    ClientGrantConflict = Some("resource_conflict"), 409, "A resource with this identifier already exists.";
    /// The user has this authentication method already.
    MethodConflict = Some("authentication_method_conflict"), 409, "Authentication method already exists.";
    /// The tenant has a theme already.
    ThemeConflict = Some("theme_conflict"), 409, "The theme already exists.";
    /// The account was linked to a user before.
    IdentityConflict = Some("identity_conflict"), 409, "Specified identity is already linked to a user.";
    /// The device has a key with this application already.
    DeviceCredentialConflict = Some("device_credential_conflict"), 409,
        "A device credential with the same device_id already exists.";
    /// A key that is taken.
    Conflict = None, 409, "The resource already exists.";
    /// No such refresh token.
    InexistentRefreshToken = Some("inexistent_refresh_token"), 404, "The refresh token does not exist.";
    /// No such job.
    InexistentJob = Some("inexistent_job"), 404, "The job does not exist.";
    /// More imports at once than are worked off.
    TooManyJobs = Some("too_many_requests"), 429, "There are 2 active import users jobs, please wait until some of them are finished and try again";
    /// The body is too large.
    PayloadTooLarge = Some("payload_too_large"), 413, "Payload content length greater than maximum allowed: 1048576";
    /// The body is not JSON by its content type.
    UnsupportedMediaType = Some("invalid_body"), 415, "Send the body as application/json.";
    /// A rate limit.
    TooManyRequests = Some("too_many_requests"), 429, "Global limit has been reached";
    /// Something unexpected; the trace has the cause.
    Internal = Some("internal_error"), 500, "An internal server error occurred";
    /// Auth0's API has it, Lockstep has not built it.
    NotImplemented = Some("not_implemented"), 501, "This operation is not built in Lockstep.";
    /// Too many passwords are being hashed; come back later.
    Busy = None, 503, "The server is busy. Try again later.";
    /// A search that takes too long.
    QueryTimeout = Some("query_timeout"), 503, "The query exceeded the timeout. Please try refining your search criteria.";
}

/// An error as the Management API tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ManagementError {
    /// Which one.
    pub code: ManagementCode,
    /// `message`.
    pub message: String,
}

impl ManagementError {
    /// Returns an error with its own text.
    pub fn new(code: ManagementCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Returns the JSON body; `reason` is the status line's phrase.
    pub fn body(&self, reason: &str) -> Value {
        let mut body = Map::new();
        body.insert("statusCode".to_owned(), self.code.status().into());
        body.insert("error".to_owned(), reason.into());
        body.insert("message".to_owned(), self.message.clone().into());
        if let Some(code) = self.code.error_code() {
            body.insert("errorCode".to_owned(), code.into());
        }
        Value::Object(body)
    }
}

impl From<ManagementCode> for ManagementError {
    fn from(code: ManagementCode) -> Self {
        Self::new(code, code.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_sdks_compare_are_exact() {
        assert_eq!(
            OAuthError::silent_mfa_required().body().to_string(),
            r#"{"error":"login_required","error_description":"Multifactor authentication required"}"#
        );
        let refresh = OAuthError::invalid_refresh_token();
        assert_eq!(
            (refresh.http_status(), refresh.description.as_str()),
            (403, "Unknown or invalid refresh token.")
        );
        assert_eq!(OAuthError::client_unauthorized().http_status(), 401);
        assert_eq!(
            OAuthError::user_blocked().body().to_string(),
            r#"{"error":"unauthorized","error_description":"user is blocked"}"#
        );
    }

    #[test]
    fn no_name_stands_twice_and_every_one_is_an_error() {
        let mut names: Vec<_> = OAuthCode::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OAuthCode::ALL.len());
        assert!(OAuthCode::ALL.iter().all(|c| c.status() >= 400));
        assert!(ManagementCode::ALL.iter().all(|c| c.status() >= 400));
    }

    #[test]
    fn a_management_error_names_status_reason_and_code() {
        let body = ManagementError::from(ManagementCode::InexistentUser).body("Not Found").to_string();
        assert_eq!(
            body,
            r#"{"error":"Not Found","errorCode":"inexistent_user","message":"The user does not exist.","statusCode":404}"#
        );
    }
}
