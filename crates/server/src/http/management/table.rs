//! Every route of the Management API, with its scopes: the one place to look up what is served, and who may call it.

use std::future::Future;
use std::pin::Pin;

use http::Method;
use lockstep_core::codes::ManagementCode::{InexistentOrganization, NoCustomDomains, NoOrganizations};
use lockstep_engine::flows::management::access::Scopes;
use lockstep_engine::flows::management::attack_protection as attacks;
use lockstep_engine::flows::management::branding::BRANDING;
use lockstep_engine::flows::management::guardian_settings::Group;
use lockstep_engine::flows::management::prompts::PROMPTS;
use lockstep_engine::flows::management::{self as flows, Outcome};

use super::answer::Answer;
use super::dispatch::Request;
use super::spec::Gives::{Envelope, List, Nothing, Number, Object, Perhaps, Rows};
use super::spec::{Spec, flag, needed, text};
use super::{
    actions, clients, connections, device_credentials, documents, emails, guardian, jobs, keys, log_streams,
    logs, messages, methods, resource_servers, roles, stubs, tenants, tickets, users,
};

/// What answers a route.
pub(super) type Handler =
    for<'r> fn(&'r mut Request) -> Pin<Box<dyn Future<Output = Outcome<Answer>> + Send + 'r>>;

/// A row of the table.
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path below `/api/v2`.
    pub path: &'static str,
    /// What a token must have been granted.
    pub scopes: Scopes,
    /// What the audit trail calls it.
    pub title: &'static str,
    /// What it takes and gives.
    pub spec: Spec,
    pub(super) handler: Handler,
}

impl Route {
    /// Returns whether a person's own token acts on that person there, though the path names nobody.
    pub(super) fn acts_on_caller(&self) -> bool {
        self.path.starts_with("/device-credentials")
    }

    /// Returns the method.
    pub(super) fn method(&self) -> Method {
        Method::from_bytes(self.method.as_bytes()).unwrap_or(Method::GET)
    }
}

macro_rules! table {
    ($($method:ident $path:literal, $kind:ident($($scopes:expr),*), $title:literal $([$($spec:tt)+])?, |$r:ident| $handler:expr;)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            scopes: Scopes::$kind($($scopes),*),
            title: $title,
            spec: Spec::of(stringify!($method))$(.$($spec)+)?,
            handler: |$r| Box::pin($handler),
        }),*]
    };
}

/// The table.
pub static TABLE: &[Route] = table! {
    GET "/guardian/factors", Any(&["read:guardian_factors"]), "Get factors and their status" [gives(Rows)], |r| guardian::list_factors(r);
    PUT "/guardian/factors/{name}", Any(&["update:guardian_factors"]), "Set a factor on or off" [takes(&flows::factors::SWITCH)], |r| guardian::switch_factor(r);
    GET "/guardian/policies", Any(&["read:mfa_policies"]), "Get the MFA policies" [gives(Rows)], |r| guardian::list_policies(r);
    PUT "/guardian/policies", Any(&["update:mfa_policies"]), "Set the MFA policies" [takes_value(&flows::policies::POLICIES).gives(Rows)], |r| guardian::replace_policies(r);
    PATCH "/guardian/policies", Any(&["update:mfa_policies"]), "Set the MFA policies" [takes_value(&flows::policies::POLICIES).gives(Rows)], |r| guardian::replace_policies(r);
    GET "/guardian/factors/phone/message-types", Any(&["read:guardian_factors"]), "Get the message types of the phone factor", |r| guardian::read(r, Group::PhoneMessageTypes);
    PUT "/guardian/factors/phone/message-types", Any(&["update:guardian_factors"]), "Set the message types of the phone factor" [takes(&const { Group::PhoneMessageTypes.schema() })], |r| guardian::put(r, Group::PhoneMessageTypes);
    GET "/guardian/factors/phone/selected-provider", Any(&["read:guardian_factors"]), "Get the phone provider", |r| guardian::read(r, Group::PhoneProvider);
    PUT "/guardian/factors/phone/selected-provider", Any(&["update:guardian_factors"]), "Set the phone provider" [takes(&const { Group::PhoneProvider.schema() })], |r| guardian::put(r, Group::PhoneProvider);
    GET "/guardian/factors/sms/selected-provider", Any(&["read:guardian_factors"]), "Get the phone provider", |r| guardian::read(r, Group::PhoneProvider);
    PUT "/guardian/factors/sms/selected-provider", Any(&["update:guardian_factors"]), "Set the phone provider" [takes(&const { Group::PhoneProvider.schema() })], |r| guardian::put(r, Group::PhoneProvider);
    GET "/guardian/factors/phone/templates", Any(&["read:guardian_factors"]), "Get the phone templates", |r| guardian::read(r, Group::PhoneTemplates);
    PUT "/guardian/factors/phone/templates", Any(&["update:guardian_factors"]), "Set the phone templates" [takes(&const { Group::PhoneTemplates.schema() })], |r| guardian::put(r, Group::PhoneTemplates);
    GET "/guardian/factors/sms/templates", Any(&["read:guardian_factors"]), "Get the phone templates", |r| guardian::read(r, Group::PhoneTemplates);
    PUT "/guardian/factors/sms/templates", Any(&["update:guardian_factors"]), "Set the phone templates" [takes(&const { Group::PhoneTemplates.schema() })], |r| guardian::put(r, Group::PhoneTemplates);
    GET "/guardian/factors/phone/providers/twilio", Any(&["read:guardian_factors"]), "Get the Twilio account", |r| guardian::read(r, Group::Twilio);
    PUT "/guardian/factors/phone/providers/twilio", Any(&["update:guardian_factors"]), "Set the Twilio account" [takes(&const { Group::Twilio.schema() })], |r| guardian::put(r, Group::Twilio);
    GET "/guardian/factors/sms/providers/twilio", Any(&["read:guardian_factors"]), "Get the Twilio account", |r| guardian::read(r, Group::Twilio);
    PUT "/guardian/factors/sms/providers/twilio", Any(&["update:guardian_factors"]), "Set the Twilio account" [takes(&const { Group::Twilio.schema() })], |r| guardian::put(r, Group::Twilio);
    GET "/guardian/factors/push-notification/selected-provider", Any(&["read:guardian_factors"]), "Get the push provider", |r| guardian::read(r, Group::PushProvider);
    PUT "/guardian/factors/push-notification/selected-provider", Any(&["update:guardian_factors"]), "Set the push provider" [takes(&const { Group::PushProvider.schema() })], |r| guardian::put(r, Group::PushProvider);
    GET "/guardian/factors/push-notification/providers/apns", Any(&["read:guardian_factors"]), "Get the APNS configuration", |r| guardian::read(r, Group::Apns);
    PUT "/guardian/factors/push-notification/providers/apns", Any(&["update:guardian_factors"]), "Set the APNS configuration" [takes(&const { Group::Apns.schema() })], |r| guardian::put(r, Group::Apns);
    PATCH "/guardian/factors/push-notification/providers/apns", Any(&["update:guardian_factors"]), "Update the APNS configuration" [takes(&const { Group::Apns.schema() })], |r| guardian::patch(r, Group::Apns);
    PUT "/guardian/factors/push-notification/providers/fcm", Any(&["update:guardian_factors"]), "Set the FCM configuration" [takes(&const { Group::Fcm.schema() })], |r| guardian::put(r, Group::Fcm);
    PATCH "/guardian/factors/push-notification/providers/fcm", Any(&["update:guardian_factors"]), "Update the FCM configuration" [takes(&const { Group::Fcm.schema() })], |r| guardian::patch(r, Group::Fcm);
    PUT "/guardian/factors/push-notification/providers/fcmv1", Any(&["update:guardian_factors"]), "Set the FCM v1 configuration" [takes(&const { Group::FcmV1.schema() })], |r| guardian::put(r, Group::FcmV1);
    PATCH "/guardian/factors/push-notification/providers/fcmv1", Any(&["update:guardian_factors"]), "Update the FCM v1 configuration" [takes(&const { Group::FcmV1.schema() })], |r| guardian::patch(r, Group::FcmV1);
    GET "/guardian/factors/push-notification/providers/sns", Any(&["read:guardian_factors"]), "Get the SNS configuration", |r| guardian::read(r, Group::Sns);
    PUT "/guardian/factors/push-notification/providers/sns", Any(&["update:guardian_factors"]), "Set the SNS configuration" [takes(&const { Group::Sns.schema() })], |r| guardian::put(r, Group::Sns);
    PATCH "/guardian/factors/push-notification/providers/sns", Any(&["update:guardian_factors"]), "Update the SNS configuration" [takes(&const { Group::Sns.schema() })], |r| guardian::patch(r, Group::Sns);
    GET "/guardian/factors/duo/settings", Any(&["read:guardian_factors"]), "Get the Duo settings", |r| guardian::read(r, Group::Duo);
    PUT "/guardian/factors/duo/settings", Any(&["update:guardian_factors"]), "Set the Duo settings" [takes(&const { Group::Duo.schema() })], |r| guardian::put(r, Group::Duo);
    PATCH "/guardian/factors/duo/settings", Any(&["update:guardian_factors"]), "Update the Duo settings" [takes(&const { Group::Duo.schema() })], |r| guardian::patch(r, Group::Duo);
    GET "/guardian/factors/webauthn-roaming/settings", Any(&["read:guardian_factors"]), "Get the WebAuthn roaming settings", |r| guardian::read(r, Group::WebauthnRoaming);
    PUT "/guardian/factors/webauthn-roaming/settings", Any(&["update:guardian_factors"]), "Set the WebAuthn roaming settings" [takes(&const { Group::WebauthnRoaming.schema() })], |r| guardian::put(r, Group::WebauthnRoaming);
    GET "/guardian/factors/webauthn-platform/settings", Any(&["read:guardian_factors"]), "Get the WebAuthn platform settings", |r| guardian::read(r, Group::WebauthnPlatform);
    PUT "/guardian/factors/webauthn-platform/settings", Any(&["update:guardian_factors"]), "Set the WebAuthn platform settings" [takes(&const { Group::WebauthnPlatform.schema() })], |r| guardian::put(r, Group::WebauthnPlatform);
    GET "/guardian/settings", Any(&["read:guardian_factors"]), "Get the settings of remembered browsers", |r| guardian::read(r, Group::Remember);
    PUT "/guardian/settings", Any(&["update:guardian_factors"]), "Set the settings of remembered browsers" [takes(&const { Group::Remember.schema() })], |r| guardian::put(r, Group::Remember);
    POST "/guardian/enrollments/ticket", Any(&["create:guardian_enrollment_tickets"]), "Create an enrollment ticket" [takes(&flows::enrollments::TICKET).status(&[200])], |r| guardian::create_ticket(r);
    GET "/guardian/enrollments/{id}", Any(&["read:guardian_enrollments"]), "Get an enrollment", |r| guardian::read_enrollment(r);
    DELETE "/guardian/enrollments/{id}", Any(&["delete:guardian_enrollments"]), "Delete an enrollment", |r| guardian::delete_enrollment(r);
    GET "/users", Any(&["read:users"]), "List or search users" [list("users").fields().asks(&[text("q"), text("sort"), text("search_engine"), text("connection"), flag("primary_order")])], |r| users::list(r);
    POST "/users", Any(&["create:users"]), "Create a User" [takes(&flows::users::CREATE)], |r| users::create(r);
    GET "/users-by-email", Any(&["read:users"]), "Search users by email" [gives(Rows).fields().asks(&[needed("email")])], |r| users::by_email(r);
    GET "/users/{id}", Any(&["read:users", "read:current_user"]), "Get a user" [fields()], |r| users::read(r);
    PATCH "/users/{id}", Any(&["update:users", "update:users_app_metadata", "update:current_user_metadata"]), "Update a User" [takes(&flows::users::UPDATE)], |r| users::update(r);
    DELETE "/users/{id}", Any(&["delete:users", "delete:current_user"]), "Delete a User", |r| users::delete(r);
    POST "/jobs/users-imports", Any(&["create:users"]), "Create a job to import users" [takes_form(flows::jobs::IMPORT_PARTS).status(&[202])], |r| jobs::import(r);
    POST "/jobs/users-exports", Any(&["read:users"]), "Create a job to export users" [takes(&flows::jobs::EXPORT).status(&[200])], |r| jobs::export(r);
    POST "/jobs/verification-email", Any(&["update:users"]), "Send a verification email" [takes(&flows::tickets::VERIFICATION_EMAIL)], |r| tickets::verification_email(r);
    POST "/tickets/email-verification", Any(&["create:user_tickets"]), "Create an email verification ticket" [takes(&flows::tickets::EMAIL_VERIFICATION)], |r| tickets::email_verification(r);
    POST "/tickets/password-change", Any(&["create:user_tickets"]), "Create a password change ticket" [takes(&flows::tickets::PASSWORD_CHANGE)], |r| tickets::password_change(r);
    GET "/jobs/{id}", Any(&["create:users", "read:users"]), "Get a job", |r| jobs::read(r);
    GET "/jobs/{id}/errors", Any(&["create:users", "read:users"]), "Get a job's errors" [gives(Rows).status(&[200, 204])], |r| jobs::errors(r);
    POST "/users/{id}/identities", Any(&["update:users", "update:current_user_identities"]), "Link a User Account" [takes(&flows::identities::LINK).gives(Rows)], |r| users::link(r);
    DELETE "/users/{id}/identities/{provider}/{user_id}", Any(&["update:users", "update:current_user_identities"]), "Unlink a User Account" [gives(Rows).status(&[200])], |r| users::unlink(r);
    GET "/users/{id}/logs", Any(&["read:logs", "read:logs_users"]), "Get a user's log events" [list("logs").fields().asks(&[text("sort")])], |r| users::list_logs(r);
    GET "/users/{id}/sessions", Any(&["read:sessions"]), "Get the sessions of a user" [checkpoints("sessions")], |r| users::list_sessions(r);
    DELETE "/users/{id}/sessions", Any(&["delete:sessions"]), "Delete the sessions of a user" [gives(Object).status(&[202])], |r| users::delete_sessions(r);
    GET "/sessions/{id}", Any(&["read:sessions"]), "Get a session", |r| users::read_session(r);
    DELETE "/sessions/{id}", Any(&["delete:sessions"]), "Delete a session" [gives(Object).status(&[202])], |r| users::delete_session(r);
    PATCH "/sessions/{id}", Any(&["update:sessions"]), "Update a session" [takes(&flows::sessions::UPDATE)], |r| users::update_session(r);
    POST "/sessions/{id}/revoke", AllOr(&["delete:sessions", "delete:refresh_tokens"], &[]), "Revoke a session" [gives(Object).status(&[202])], |r| users::revoke_session(r);
    POST "/users/{id}/revoke-access", Any(&["delete:sessions"]), "Revoke a user's access" [takes(&flows::sessions::REVOKE_ACCESS).status(&[202])], |r| users::revoke_access(r);
    GET "/users/{id}/refresh-tokens", Any(&["read:refresh_tokens"]), "Get the refresh tokens of a user" [checkpoints("tokens").fields()], |r| users::list_tokens_of_user(r);
    DELETE "/users/{id}/refresh-tokens", Any(&["delete:refresh_tokens"]), "Delete the refresh tokens of a user" [gives(Object).status(&[202])], |r| users::delete_tokens_of_user(r);
    GET "/refresh-tokens", Any(&["read:refresh_tokens"]), "Get refresh tokens" [checkpoints("refresh_tokens").fields().asks(&[needed("user_id"), text("client_id")])], |r| users::list_tokens(r);
    POST "/refresh-tokens/revoke", Any(&["delete:refresh_tokens"]), "Revoke refresh tokens" [takes(&flows::refresh_tokens::REVOKE).status(&[202])], |r| users::revoke_tokens(r);
    GET "/refresh-tokens/{id}", Any(&["read:refresh_tokens"]), "Get a refresh token" [fields()], |r| users::read_token(r);
    PATCH "/refresh-tokens/{id}", Any(&["update:refresh_tokens"]), "Update a refresh token" [takes(&flows::refresh_tokens::UPDATE)], |r| users::update_token(r);
    DELETE "/refresh-tokens/{id}", Any(&["delete:refresh_tokens"]), "Delete a refresh token" [gives(Object).status(&[202])], |r| users::delete_token(r);
    GET "/grants", Any(&["read:grants"]), "Get grants" [list("grants").asks(&[text("user_id"), text("client_id"), text("audience")])], |r| users::list_grants(r);
    DELETE "/grants", Any(&["delete:grants"]), "Delete the grants of a user" [asks(&[needed("user_id")])], |r| users::delete_grants(r);
    DELETE "/grants/{id}", Any(&["delete:grants"]), "Delete a grant", |r| users::delete_grant(r);
    GET "/device-credentials", Any(&["read:device_credentials"]), "Retrieve device credentials" [list("device_credentials").fields().asks(&[text("user_id"), text("client_id"), text("type")])], |r| device_credentials::list(r);
    POST "/device-credentials", Any(&["create:current_user_device_credentials"]), "Create a device public key credential" [takes(&flows::device_credentials::CREATE)], |r| device_credentials::create(r);
    DELETE "/device-credentials/{id}", Any(&["delete:device_credentials", "delete:current_user_device_credentials"]), "Delete a device credential", |r| device_credentials::delete(r);
    GET "/users/{id}/authentication-methods", Any(&["read:authentication_methods"]), "Get a user's authentication methods" [list("authenticators")], |r| methods::list(r);
    POST "/users/{id}/authentication-methods", Any(&["create:authentication_methods"]), "Create an authentication method" [takes(&flows::authentication_methods::CREATE)], |r| methods::create(r);
    PUT "/users/{id}/authentication-methods", Any(&["update:authentication_methods"]), "Replace a user's authentication methods" [takes_value(&flows::authentication_methods::REPLACE).gives(Rows)], |r| methods::replace(r);
    DELETE "/users/{id}/authentication-methods", Any(&["delete:authentication_methods"]), "Delete a user's authentication methods", |r| methods::delete_all(r);
    GET "/users/{id}/authentication-methods/{method}", Any(&["read:authentication_methods"]), "Get an authentication method", |r| methods::read(r);
    PATCH "/users/{id}/authentication-methods/{method}", Any(&["update:authentication_methods"]), "Update an authentication method" [takes(&flows::authentication_methods::UPDATE)], |r| methods::update(r);
    DELETE "/users/{id}/authentication-methods/{method}", Any(&["delete:authentication_methods"]), "Delete an authentication method", |r| methods::delete(r);
    GET "/users/{id}/authenticators", Any(&["read:authentication_methods", "read:guardian_enrollments", "read:users"]), "Get a user's authenticators" [gives(Rows)], |r| methods::list_authenticators(r);
    DELETE "/users/{id}/authenticators", Any(&["delete:guardian_enrollments"]), "Delete a user's authenticators", |r| methods::delete_authenticators(r);
    DELETE "/users/{id}/authenticators/{method}", Any(&["delete:authentication_methods", "delete:guardian_enrollments"]), "Delete an authenticator", |r| methods::delete_authenticator(r);
    GET "/users/{id}/enrollments", Any(&["read:users", "read:current_user"]), "Get a user's enrollments" [gives(Rows)], |r| methods::list_enrollments(r);
    DELETE "/users/{id}/multifactor/{provider}", Any(&["update:users"]), "Delete a user's multifactor provider", |r| methods::delete_provider(r);
    POST "/users/{id}/multifactor/actions/invalidate-remember-browser", Any(&["update:users"]), "Invalidate remembered browsers" [nothing()], |r| methods::forget_browsers(r);
    POST "/users/{id}/recovery-code-regeneration", Any(&["update:users"]), "Generate a new recovery code" [status(&[200])], |r| methods::regenerate_recovery_code(r);
    POST "/users/{id}/risk-assessments/clear", Any(&["update:users"]), "Clear risk assessment assessors" [takes(&flows::authenticators::CLEAR).nothing()], |r| methods::clear_risk_assessments(r);
    GET "/users/{id}/organizations", Any(&["read:organizations"]), "List a user's organizations" [gives(Envelope("organizations"))], |r| stubs::empty_of_user(r, "organizations");
    GET "/users/{id}/connected-accounts", Any(&["read:users"]), "List a user's connected accounts" [gives(Envelope("connected_accounts"))], |r| stubs::empty_of_user(r, "connected_accounts");
    GET "/users/{id}/groups", Any(&["read:groups"]), "List a user's groups" [gives(Envelope("groups"))], |r| stubs::empty_of_user(r, "groups");
    GET "/users/{id}/roles", AllOr(&["read:users", "read:roles"], &["read:role_members"]), "Get a user's roles" [list("roles")], |r| roles::list_of_user(r);
    POST "/users/{id}/roles", Any(&["update:users", "create:role_members"]), "Assign roles to a user" [takes(&flows::roles::ROLES).nothing()], |r| roles::add_to_user(r);
    DELETE "/users/{id}/roles", Any(&["update:users", "delete:role_members"]), "Remove roles from a user" [takes(&flows::roles::ROLES)], |r| roles::remove_from_user(r);
    GET "/users/{id}/effective-roles", Any(&["read:user_effective_roles"]), "Get a user's effective roles" [checkpoints("roles")], |r| roles::list_effective(r);
    GET "/users/{id}/effective-permissions", Any(&["read:user_effective_permissions"]), "Get a user's effective permissions" [checkpoints("permissions").asks(&[text("resource_server_identifier")])], |r| roles::list_effective_permissions(r);
    GET "/users/{id}/permissions", Any(&["read:users"]), "Get a user's permissions" [list("permissions")], |r| roles::list_held(r);
    POST "/users/{id}/permissions", Any(&["update:users"]), "Assign permissions to a user" [takes(&flows::roles::PERMISSIONS)], |r| roles::add_user_permissions(r);
    DELETE "/users/{id}/permissions", Any(&["update:users"]), "Remove permissions from a user" [takes(&flows::roles::PERMISSIONS)], |r| roles::remove_user_permissions(r);
    GET "/user-blocks", Any(&["read:users"]), "Get blocks by identifier" [asks(&[needed("identifier"), flag("consider_brute_force_enablement")])], |r| users::identifier_blocks(r);
    DELETE "/user-blocks", Any(&["update:users"]), "Unblock by identifier" [asks(&[needed("identifier")])], |r| users::delete_identifier_blocks(r);
    GET "/user-blocks/{id}", Any(&["read:users"]), "Get a user's blocks" [asks(&[flag("consider_brute_force_enablement")])], |r| users::blocks(r);
    DELETE "/user-blocks/{id}", Any(&["update:users"]), "Unblock a user", |r| users::delete_blocks(r);
    GET "/actions/actions", Any(&["read:actions"]), "Get actions" [envelope("actions").asks(&[text("triggerId"), text("actionName"), flag("deployed"), flag("installed")])], |r| actions::list(r);
    POST "/actions/actions", Any(&["create:actions"]), "Create an action" [takes(&flows::actions::CREATE)], |r| actions::create(r);
    GET "/actions/actions/{id}", Any(&["read:actions"]), "Get an action", |r| actions::read(r);
    PATCH "/actions/actions/{id}", Any(&["update:actions"]), "Update an action" [takes(&flows::actions::UPDATE)], |r| actions::update(r);
    DELETE "/actions/actions/{id}", Any(&["delete:actions"]), "Delete an action" [asks(&[flag("force")])], |r| actions::delete(r);
    POST "/actions/actions/{id}/deploy", Any(&["create:actions"]), "Deploy an action" [status(&[200])], |r| actions::deploy(r);
    POST "/actions/actions/{id}/test", Any(&["create:actions"]), "Test an action" [takes(&flows::actions::TEST).status(&[200]).errors(&[501])], |r| actions::test(r);
    GET "/actions/actions/{id}/versions", Any(&["read:actions"]), "Get an action's versions" [envelope("versions")], |r| actions::versions(r);
    GET "/actions/actions/{id}/versions/{version}", Any(&["read:actions"]), "Get a version of an action", |r| actions::version(r);
    POST "/actions/actions/{id}/versions/{version}/deploy", Any(&["create:actions"]), "Roll back to a previous action version" [takes(&flows::actions::REDEPLOY).status(&[200])], |r| actions::redeploy(r);
    GET "/actions/executions/{id}", Any(&["read:actions"]), "Get an execution", |r| actions::execution(r);
    GET "/actions/triggers", Any(&["read:actions"]), "Get triggers" [gives(Envelope("triggers"))], |r| actions::list_triggers(r);
    GET "/actions/triggers/{trigger}/bindings", Any(&["read:actions"]), "Get trigger bindings" [envelope("bindings")], |r| actions::list_bindings(r);
    PATCH "/actions/triggers/{trigger}/bindings", Any(&["update:actions"]), "Update trigger bindings" [takes(&flows::actions::bindings::REPLACE).gives(Envelope("bindings"))], |r| actions::replace_bindings(r);
    GET "/actions/modules", Any(&["read:actions"]), "Get action modules" [envelope("modules")], |r| actions::list_modules(r);
    POST "/actions/modules", Any(&["create:actions"]), "Create an action module" [takes(&flows::actions::modules::CREATE)], |r| actions::create_module(r);
    GET "/actions/modules/{id}", Any(&["read:actions"]), "Get an action module", |r| actions::read_module(r);
    PATCH "/actions/modules/{id}", Any(&["update:actions"]), "Update an action module" [takes(&flows::actions::modules::UPDATE)], |r| actions::update_module(r);
    DELETE "/actions/modules/{id}", Any(&["delete:actions"]), "Delete an action module", |r| actions::delete_module(r);
    GET "/actions/modules/{id}/versions", Any(&["read:actions"]), "Get an action module's versions" [envelope("versions")], |r| actions::module_versions(r);
    POST "/actions/modules/{id}/versions", Any(&["update:actions"]), "Publish an action module" [status(&[200])], |r| actions::publish_module(r);
    GET "/actions/modules/{id}/versions/{version}", Any(&["read:actions"]), "Get a version of an action module", |r| actions::module_version(r);
    POST "/actions/modules/{id}/rollback", Any(&["update:actions"]), "Roll back an action module" [takes(&flows::actions::modules::ROLLBACK).status(&[200])], |r| actions::rollback_module(r);
    GET "/actions/modules/{id}/actions", Any(&["read:actions"]), "Get the actions that use a module" [envelope("actions")], |r| actions::module_actions(r);
    GET "/roles", Any(&["read:roles"]), "Get roles" [list("roles").asks(&[text("name_filter")])], |r| roles::list(r);
    POST "/roles", Any(&["create:roles"]), "Create a role" [takes(&flows::roles::CREATE).status(&[200])], |r| roles::create(r);
    GET "/roles/{id}", Any(&["read:roles"]), "Get a role", |r| roles::read(r);
    PATCH "/roles/{id}", Any(&["update:roles"]), "Update a role" [takes(&flows::roles::UPDATE)], |r| roles::update(r);
    DELETE "/roles/{id}", Any(&["delete:roles"]), "Delete a role" [gives(Object).status(&[200])], |r| roles::delete(r);
    GET "/roles/{id}/permissions", Any(&["read:roles"]), "Get a role's permissions" [list("permissions")], |r| roles::list_permissions(r);
    POST "/roles/{id}/permissions", Any(&["update:roles"]), "Associate permissions with a role" [takes(&flows::roles::PERMISSIONS)], |r| roles::add_permissions(r);
    DELETE "/roles/{id}/permissions", Any(&["update:roles"]), "Remove permissions from a role" [takes(&flows::roles::PERMISSIONS)], |r| roles::remove_permissions(r);
    GET "/roles/{id}/groups", Any(&["read:group_roles"]), "Get a role's groups" [checkpoints("groups")], |r| roles::list_groups(r);
    GET "/roles/{id}/users", AllOr(&["read:users", "read:roles"], &["read:role_members"]), "Get a role's users" [any_list("users")], |r| roles::list_users(r);
    POST "/roles/{id}/users", Any(&["update:roles", "create:role_members"]), "Assign users to a role" [takes(&flows::roles::USERS).status(&[200])], |r| roles::add_users(r);
    GET "/clients", Any(&["read:clients", "read:client_keys", "read:client_credentials", "read:client_summary"]), "Get clients" [any_list("clients").fields().asks(&[flag("is_global"), flag("is_first_party"), text("app_type"), text("q")])], |r| clients::list(r);
    POST "/clients", Any(&["create:clients"]), "Create a client" [takes(&flows::clients::CREATE)], |r| clients::create(r);
    GET "/clients/{id}", Any(&["read:clients", "read:client_keys", "read:client_credentials", "read:client_summary"]), "Get a client" [fields()], |r| clients::read(r);
    PATCH "/clients/{id}", Any(&["update:clients", "update:client_keys", "update:client_credentials"]), "Update a client" [takes(&flows::clients::UPDATE)], |r| clients::update(r);
    DELETE "/clients/{id}", Any(&["delete:clients"]), "Delete a client", |r| clients::delete(r);
    POST "/clients/{id}/rotate-secret", Any(&["update:client_keys"]), "Rotate a client secret" [status(&[200])], |r| clients::rotate_secret(r);
    GET "/clients/{id}/connections", Any(&["read:connections"]), "Get a client's connections" [checkpoints("connections")], |r| clients::list_connections(r);
    GET "/clients/{id}/credentials", Any(&["read:client_credentials"]), "Get client credentials" [gives(Rows)], |r| clients::list_credentials(r);
    POST "/clients/{id}/credentials", Any(&["create:client_credentials"]), "Create a client credential" [takes(&flows::client_credentials::CREATE)], |r| clients::create_credential(r);
    GET "/clients/{id}/credentials/{credential}", Any(&["read:client_credentials"]), "Get a client credential", |r| clients::read_credential(r);
    PATCH "/clients/{id}/credentials/{credential}", Any(&["update:client_credentials"]), "Update a client credential" [takes(&flows::client_credentials::UPDATE)], |r| clients::update_credential(r);
    DELETE "/clients/{id}/credentials/{credential}", Any(&["delete:client_credentials"]), "Delete a client credential", |r| clients::delete_credential(r);
    GET "/client-grants", Any(&["read:client_grants"]), "Get client grants" [any_list("client_grants").asks(&[text("client_id"), text("audience"), text("subject_type"), text("default_for"), flag("allow_any_organization")])], |r| clients::list_grants(r);
    POST "/client-grants", Any(&["create:client_grants"]), "Create a client grant" [takes(&flows::client_grants::CREATE)], |r| clients::create_grant(r);
    GET "/client-grants/{id}", Any(&["read:client_grants"]), "Get a client grant", |r| clients::read_grant(r);
    PATCH "/client-grants/{id}", Any(&["update:client_grants"]), "Update a client grant" [takes(&flows::client_grants::UPDATE)], |r| clients::update_grant(r);
    DELETE "/client-grants/{id}", Any(&["delete:client_grants"]), "Delete a client grant", |r| clients::delete_grant(r);
    GET "/client-grants/{id}/organizations", Any(&["read:organization_client_grants"]), "Get a client grant's organizations" [any_list("organizations")], |r| clients::grant_organizations(r);
    GET "/resource-servers", Any(&["read:resource_servers"]), "Get resource servers" [any_list("resource_servers").fields().asks(&[text("identifiers")])], |r| resource_servers::list(r);
    POST "/resource-servers", Any(&["create:resource_servers"]), "Create a resource server" [takes(&flows::resource_servers::CREATE)], |r| resource_servers::create(r);
    GET "/resource-servers/{id}", Any(&["read:resource_servers"]), "Get a resource server" [fields()], |r| resource_servers::read(r);
    PATCH "/resource-servers/{id}", Any(&["update:resource_servers"]), "Update a resource server" [takes(&flows::resource_servers::UPDATE)], |r| resource_servers::update(r);
    DELETE "/resource-servers/{id}", Any(&["delete:resource_servers"]), "Delete a resource server", |r| resource_servers::delete(r);
    GET "/connections", Any(&["read:connections"]), "Get connections" [any_list("connections").fields().asks(&[text("strategy"), text("name")])], |r| connections::list(r);
    POST "/connections", Any(&["create:connections"]), "Create a connection" [takes(&flows::connections::CREATE)], |r| connections::create(r);
    GET "/connections/{id}", Any(&["read:connections"]), "Get a connection" [fields()], |r| connections::read(r);
    PATCH "/connections/{id}", Any(&["update:connections"]), "Update a connection" [takes(&flows::connections::UPDATE)], |r| connections::update(r);
    DELETE "/connections/{id}", Any(&["delete:connections"]), "Delete a connection" [gives(Perhaps).status(&[202, 204])], |r| connections::delete(r);
    GET "/connections/{id}/clients", Any(&["read:connections"]), "Get a connection's clients" [checkpoints("clients")], |r| connections::list_clients(r);
    PATCH "/connections/{id}/clients", Any(&["update:connections"]), "Update a connection's clients" [takes_value(&flows::connections::SWITCHES).nothing()], |r| connections::switch_clients(r);
    GET "/connections/{id}/status", Any(&["read:connections"]), "Get a connection's status", |r| connections::status(r);
    GET "/connections/{id}/keys", Any(&["read:connections_keys"]), "Get a connection's keys" [gives(Rows)], |r| connections::keys(r);
    GET "/connections/{id}/scim-configuration", Any(&["read:scim_config"]), "Get a connection's SCIM configuration", |r| connections::without(r);
    GET "/connections/{id}/directory-provisioning", Any(&["read:directory_provisionings"]), "Get a connection's directory provisioning", |r| connections::without(r);
    DELETE "/connections/{id}/users", Any(&["delete:users"]), "Delete a connection's user" [asks(&[needed("email")])], |r| connections::delete_user(r);
    GET "/branding", Any(&["read:branding"]), "Get branding settings", |r| documents::read(r, &BRANDING);
    PATCH "/branding", Any(&["update:branding"]), "Update branding settings" [takes(&BRANDING.patch)], |r| documents::patch(r, &BRANDING);
    GET "/branding/templates/universal-login", Any(&["read:branding"]), "Get the page template", |r| documents::read_page_template(r);
    PUT "/branding/templates/universal-login", Any(&["update:branding"]), "Set the page template" [takes_value(&flows::page_templates::REPLACE).gives(Perhaps).status(&[201, 204])], |r| documents::replace_page_template(r);
    DELETE "/branding/templates/universal-login", Any(&["delete:branding"]), "Delete the page template", |r| documents::delete_page_template(r);
    POST "/branding/themes", Any(&["update:branding"]), "Create the theme" [takes(&flows::themes::CREATE).status(&[200])], |r| documents::create_theme(r);
    GET "/branding/themes/{theme}", Any(&["read:branding"]), "Get the theme", |r| documents::read_theme(r);
    PATCH "/branding/themes/{theme}", Any(&["update:branding"]), "Update the theme" [takes(&flows::themes::UPDATE)], |r| documents::update_theme(r);
    DELETE "/branding/themes/{theme}", Any(&["delete:branding"]), "Delete the theme", |r| documents::delete_theme(r);
    GET "/emails/provider", Any(&["read:email_provider"]), "Get email provider" [fields()], |r| emails::read(r);
    POST "/emails/provider", Any(&["create:email_provider"]), "Configure email provider" [takes(&flows::emails::CREATE)], |r| emails::create(r);
    PATCH "/emails/provider", Any(&["update:email_provider"]), "Update email provider" [takes(&flows::emails::UPDATE)], |r| emails::update(r);
    DELETE "/emails/provider", Any(&["delete:email_provider"]), "Delete email provider", |r| emails::delete(r);
    POST "/email-templates", Any(&["create:email_templates"]), "Create an email template" [takes(&flows::email_templates::WHOLE)], |r| messages::create_mail(r);
    GET "/email-templates/{name}", Any(&["read:email_templates"]), "Get an email template", |r| messages::read_mail(r);
    PATCH "/email-templates/{name}", Any(&["update:email_templates"]), "Patch an email template" [takes(&flows::email_templates::PART)], |r| messages::update_mail(r, true);
    PUT "/email-templates/{name}", Any(&["update:email_templates"]), "Update an email template" [takes(&flows::email_templates::WHOLE)], |r| messages::update_mail(r, false);
    GET "/branding/phone/providers", Any(&["read:phone_providers"]), "Get the phone providers" [gives(Envelope("providers"))], |r| messages::list_providers(r);
    POST "/branding/phone/providers", Any(&["create:phone_providers"]), "Create a phone provider" [takes(&flows::phone_providers::CREATE)], |r| messages::create_provider(r);
    GET "/branding/phone/providers/{id}", Any(&["read:phone_providers"]), "Get a phone provider", |r| messages::read_provider(r);
    PATCH "/branding/phone/providers/{id}", Any(&["update:phone_providers"]), "Update a phone provider" [takes(&flows::phone_providers::UPDATE)], |r| messages::update_provider(r);
    DELETE "/branding/phone/providers/{id}", Any(&["delete:phone_providers"]), "Delete a phone provider", |r| messages::delete_provider(r);
    POST "/branding/phone/providers/{id}/try", Any(&["create:phone_providers"]), "Send a test message by a phone provider" [takes(&flows::phone_providers::TRY).status(&[202])], |r| messages::try_provider(r);
    GET "/branding/phone/templates", Any(&["read:phone_templates"]), "Get the phone templates" [gives(Envelope("templates")).asks(&[text("disabled")])], |r| messages::list_templates(r);
    POST "/branding/phone/templates", Any(&["create:phone_templates"]), "Create a phone template" [takes(&flows::phone_templates::CREATE)], |r| messages::create_template(r);
    GET "/branding/phone/templates/{id}", Any(&["read:phone_templates"]), "Get a phone template", |r| messages::read_template(r);
    PATCH "/branding/phone/templates/{id}", Any(&["update:phone_templates"]), "Update a phone template" [takes(&flows::phone_templates::UPDATE)], |r| messages::update_template(r);
    DELETE "/branding/phone/templates/{id}", Any(&["delete:phone_templates"]), "Delete a phone template", |r| messages::delete_template(r);
    PATCH "/branding/phone/templates/{id}/reset", Any(&["update:phone_templates"]), "Reset a phone template", |r| messages::reset_template(r);
    POST "/branding/phone/templates/{id}/try", Any(&["create:phone_templates"]), "Send a test message by a phone template" [takes(&flows::phone_templates::TRY).status(&[202])], |r| messages::try_template(r);
    GET "/tenants/settings", Any(&["read:tenant_settings"]), "Get tenant settings" [fields()], |r| tenants::read(r);
    PATCH "/tenants/settings", Any(&["update:tenant_settings"]), "Update tenant settings" [takes(&flows::tenant_settings::UPDATE)], |r| tenants::update(r);
    GET "/attack-protection/brute-force-protection", Any(&["read:attack_protection"]), "Get the brute-force protection settings", |r| documents::read(r, &attacks::BRUTE_FORCE);
    PATCH "/attack-protection/brute-force-protection", Any(&["update:attack_protection"]), "Update the brute-force protection settings" [takes(&attacks::BRUTE_FORCE.patch)], |r| documents::patch(r, &attacks::BRUTE_FORCE);
    GET "/attack-protection/suspicious-ip-throttling", Any(&["read:attack_protection"]), "Get the suspicious IP throttling settings", |r| documents::read(r, &attacks::SUSPICIOUS_IP);
    PATCH "/attack-protection/suspicious-ip-throttling", Any(&["update:attack_protection"]), "Update the suspicious IP throttling settings" [takes(&attacks::SUSPICIOUS_IP.patch)], |r| documents::patch(r, &attacks::SUSPICIOUS_IP);
    GET "/attack-protection/breached-password-detection", Any(&["read:attack_protection"]), "Get the breached password detection settings", |r| documents::read(r, &attacks::BREACHED_PASSWORDS);
    PATCH "/attack-protection/breached-password-detection", Any(&["update:attack_protection"]), "Update the breached password detection settings" [takes(&attacks::BREACHED_PASSWORDS.patch)], |r| documents::patch(r, &attacks::BREACHED_PASSWORDS);
    GET "/attack-protection/bot-detection", Any(&["read:attack_protection"]), "Get the bot detection settings", |r| documents::read(r, &attacks::BOT_DETECTION);
    PATCH "/attack-protection/bot-detection", Any(&["update:attack_protection"]), "Update the bot detection settings" [takes(&attacks::BOT_DETECTION.patch)], |r| documents::patch(r, &attacks::BOT_DETECTION);
    GET "/attack-protection/captcha", Any(&["read:attack_protection"]), "Get the captcha settings", |r| documents::read(r, &attacks::CAPTCHA);
    PATCH "/attack-protection/captcha", Any(&["update:attack_protection"]), "Update the captcha settings" [takes(&attacks::CAPTCHA.patch)], |r| documents::patch(r, &attacks::CAPTCHA);
    GET "/attack-protection/phone-provider-protection", Any(&["read:attack_protection"]), "Get the phone provider protection settings", |r| documents::read(r, &attacks::PHONE_PROVIDER);
    PATCH "/attack-protection/phone-provider-protection", Any(&["update:attack_protection"]), "Update the phone provider protection settings" [takes(&attacks::PHONE_PROVIDER.patch)], |r| documents::patch(r, &attacks::PHONE_PROVIDER);
    GET "/risk-assessments/settings", Any(&["read:attack_protection"]), "Get the risk assessment settings", |r| documents::read(r, &attacks::RISK);
    PATCH "/risk-assessments/settings", Any(&["update:attack_protection"]), "Update the risk assessment settings" [takes(&attacks::RISK.patch)], |r| documents::patch(r, &attacks::RISK);
    GET "/risk-assessments/settings/new-device", Any(&["read:attack_protection"]), "Get the new device settings", |r| documents::read(r, &attacks::NEW_DEVICE);
    PATCH "/risk-assessments/settings/new-device", Any(&["update:attack_protection"]), "Update the new device settings" [takes(&attacks::NEW_DEVICE.patch)], |r| documents::patch(r, &attacks::NEW_DEVICE);
    GET "/supplemental-signals", Any(&["read:attack_protection"]), "Get the supplemental signals settings", |r| documents::read(r, &attacks::SUPPLEMENTAL_SIGNALS);
    PATCH "/supplemental-signals", Any(&["update:attack_protection"]), "Update the supplemental signals settings" [takes(&attacks::SUPPLEMENTAL_SIGNALS.patch)], |r| documents::patch(r, &attacks::SUPPLEMENTAL_SIGNALS);
    GET "/anomaly/blocks/ips/{ip}", Any(&["read:anomaly_blocks"]), "Check whether an IP address is blocked" [gives(Nothing)], |r| documents::read_ip_block(r);
    DELETE "/anomaly/blocks/ips/{ip}", Any(&["delete:anomaly_blocks"]), "Unblock an IP address", |r| documents::delete_ip_block(r);
    GET "/custom-domains", Any(&["read:custom_domains"]), "Get custom domains" [gives(List("custom_domains")).asks(&[text("take"), text("from"), text("q")])], |r| documents::list_domains(r);
    POST "/custom-domains", Any(&["create:custom_domains"]), "Create a custom domain", |r| stubs::refused(r, NoCustomDomains);
    GET "/custom-domains/default", Any(&["read:custom_domains"]), "Get the default domain", |r| documents::read_default_domain(r);
    GET "/custom-domains/{domain}", Any(&["read:custom_domains"]), "Get a custom domain", |r| documents::read_domain(r);
    PATCH "/custom-domains/{domain}", Any(&["update:custom_domains"]), "Update a custom domain" [takes(&flows::custom_domains::PATCH)], |r| documents::update_domain(r);
    GET "/keys/signing", Any(&["read:signing_keys"]), "Get all application signing keys" [gives(Rows)], |r| keys::list_signing(r);
    GET "/keys/signing/{kid}", Any(&["read:signing_keys"]), "Get an application signing key", |r| keys::read_signing(r);
    POST "/keys/signing/rotate", AllOr(&["create:signing_keys", "update:signing_keys"], &[]), "Rotate the application signing key", |r| keys::rotate_signing(r);
    PUT "/keys/signing/{kid}/revoke", Any(&["update:signing_keys"]), "Revoke an application signing key", |r| keys::revoke_signing(r);
    GET "/keys/encryption", Any(&["read:encryption_keys"]), "Get all encryption keys" [list("keys")], |r| keys::list_encryption(r);
    POST "/keys/encryption", Any(&["create:encryption_keys"]), "Create an encryption key" [takes(&flows::encryption_keys::CREATE).errors(&[501])], |r| keys::create_encryption(r);
    POST "/keys/encryption/rekey", AllOr(&["create:encryption_keys", "update:encryption_keys"], &[]), "Rekey the key hierarchy" [nothing().errors(&[501])], |r| keys::rekey(r);
    GET "/keys/encryption/{kid}", Any(&["read:encryption_keys"]), "Get an encryption key", |r| keys::read_encryption(r);
    POST "/keys/encryption/{kid}", Any(&["update:encryption_keys"]), "Import an encryption key" [takes(&flows::encryption_keys::IMPORT).errors(&[501])], |r| keys::import_encryption(r);
    DELETE "/keys/encryption/{kid}", Any(&["delete:encryption_keys"]), "Delete an encryption key", |r| keys::delete_encryption(r);
    POST "/keys/encryption/{kid}/wrapping-key", Any(&["create:encryption_keys"]), "Create a wrapping key", |r| keys::wrapping_key(r);
    GET "/stats/active-users", Any(&["read:stats"]), "Get the number of active users" [gives(Number)], |r| logs::active_users(r);
    GET "/stats/daily", Any(&["read:stats"]), "Get daily statistics" [gives(Rows).asks(&[text("from"), text("to")])], |r| logs::daily_stats(r);
    GET "/log-streams", Any(&["read:log_streams"]), "Get log streams" [gives(Rows)], |r| log_streams::list(r);
    POST "/log-streams", Any(&["create:log_streams"]), "Create a log stream" [takes(&flows::log_streams::CREATE).status(&[200])], |r| log_streams::create(r);
    GET "/log-streams/{id}", Any(&["read:log_streams"]), "Get a log stream", |r| log_streams::read(r);
    PATCH "/log-streams/{id}", Any(&["update:log_streams"]), "Update a log stream" [takes(&flows::log_streams::UPDATE)], |r| log_streams::update(r);
    DELETE "/log-streams/{id}", Any(&["delete:log_streams"]), "Delete a log stream", |r| log_streams::delete(r);
    GET "/logs", Any(&["read:logs", "read:logs_users"]), "Search log events" [list("logs").fields().asks(&[text("q"), text("search"), text("sort"), text("from"), text("take")])], |r| logs::list(r);
    GET "/logs/{id}", Any(&["read:logs", "read:logs_users"]), "Get a log event", |r| logs::read(r);
    GET "/connections-scim-configurations", Any(&["read:scim_config"]), "Get SCIM configurations" [gives(Envelope("scim_configurations"))], |r| stubs::always(r, "scim_configurations");
    GET "/connections-directory-provisionings", Any(&["read:directory_provisionings"]), "Get directory provisionings" [gives(Envelope("directory_provisionings"))], |r| stubs::always(r, "directory_provisionings");
    GET "/organizations", Any(&["read:organizations", "read:organizations_summary"]), "Get organizations" [any_list("organizations")], |r| stubs::empty(r, "organizations");
    POST "/organizations", Any(&["create:organizations"]), "Create an organization", |r| stubs::refused(r, NoOrganizations);
    GET "/organizations/{id}", Any(&["read:organizations"]), "Get an organization", |r| stubs::refused(r, InexistentOrganization);
    GET "/organizations/name/{name}", Any(&["read:organizations"]), "Get an organization by its name", |r| stubs::refused(r, InexistentOrganization);
    GET "/rules", Any(&["read:rules"]), "Get rules" [any_list("rules")], |r| stubs::empty(r, "rules");
    GET "/hooks", Any(&["read:hooks"]), "Get hooks" [any_list("hooks")], |r| stubs::empty(r, "hooks");
    GET "/forms", Any(&["read:forms"]), "Get forms" [any_list("forms")], |r| stubs::empty(r, "forms");
    GET "/flows", Any(&["read:flows"]), "Get flows" [any_list("flows")], |r| stubs::empty(r, "flows");
    GET "/flows/vault/connections", Any(&["read:flows_vault_connections"]), "Get the connections of flows" [any_list("connections")], |r| stubs::empty(r, "connections");
    GET "/self-service-profiles", Any(&["read:self_service_profiles"]), "Get self-service profiles" [any_list("self_service_profiles")], |r| stubs::empty(r, "self_service_profiles");
    GET "/network-acls", Any(&["read:network_acls"]), "Get network ACLs" [any_list("network_acls")], |r| stubs::empty(r, "network_acls");
    GET "/user-attribute-profiles", Any(&["read:user_attribute_profiles"]), "Get user attribute profiles" [any_list("user_attribute_profiles")], |r| stubs::empty(r, "user_attribute_profiles");
    GET "/connection-profiles", Any(&["read:connection_profiles"]), "Get connection profiles" [any_list("connection_profiles")], |r| stubs::empty(r, "connection_profiles");
    GET "/token-exchange-profiles", Any(&["read:token_exchange_profiles"]), "Get token exchange profiles" [any_list("token_exchange_profiles")], |r| stubs::empty(r, "token_exchange_profiles");
    GET "/event-streams", Any(&["read:event_streams"]), "Get event streams" [gives(Envelope("eventStreams"))], |r| stubs::always(r, "eventStreams");
    GET "/rate-limit-policies", Any(&["read:rate_limit_policies"]), "Get rate limit policies" [any_list("rate_limit_policies")], |r| stubs::empty(r, "rate_limit_policies");
    GET "/groups", Any(&["read:groups"]), "Get groups" [any_list("groups")], |r| stubs::empty(r, "groups");
    GET "/rules-configs", Any(&["read:rules_configs"]), "Get the settings of rules" [gives(Rows)], |r| stubs::bare(r);
    GET "/prompts", Any(&["read:prompts"]), "Get how logins begin", |r| documents::read(r, &PROMPTS);
    PATCH "/prompts", Any(&["update:prompts"]), "Update how logins begin" [takes(&PROMPTS.patch)], |r| documents::patch(r, &PROMPTS);
    GET "/prompts/rendering", Any(&["read:prompts"]), "Get how screens are rendered" [list("configs").asks(&[text("prompt"), text("screen"), text("rendering_mode")])], |r| documents::list_renderings(r);
    PATCH "/prompts/rendering", Any(&["update:prompts"]), "Update how screens are rendered" [takes(&flows::prompt_texts::RENDERINGS)], |r| documents::update_renderings(r);
    GET "/prompts/{prompt}/screen/{screen}/rendering", Any(&["read:prompts"]), "Get how a screen is rendered", |r| documents::read_rendering(r);
    PATCH "/prompts/{prompt}/screen/{screen}/rendering", Any(&["update:prompts"]), "Update how a screen is rendered" [takes(&flows::prompt_texts::RENDERING)], |r| documents::update_rendering(r);
    GET "/prompts/{prompt}/custom-text/{language}", Any(&["read:prompts"]), "Get the texts of a prompt", |r| documents::read_texts(r);
    PUT "/prompts/{prompt}/custom-text/{language}", Any(&["update:prompts"]), "Set the texts of a prompt" [takes_value(&flows::prompt_texts::TEXTS)], |r| documents::replace_texts(r);
    GET "/prompts/{prompt}/partials", Any(&["read:prompts"]), "Get the partials of a prompt", |r| documents::read_partials(r);
    PUT "/prompts/{prompt}/partials", Any(&["update:prompts"]), "Set the partials of a prompt" [takes_value(&flows::prompt_texts::PARTIALS)], |r| documents::replace_partials(r);
    GET "/prompts/mfa-push", Any(&["read:prompts"]), "Get the push app", |r| guardian::read(r, Group::PushApp);
    PATCH "/prompts/mfa-push", Any(&["update:prompts"]), "Update the push app" [takes(&const { Group::PushApp.schema() })], |r| guardian::patch(r, Group::PushApp);
};
