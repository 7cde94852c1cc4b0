//! The scopes of the Management API (contract/management-api.md 1.3).

/// Verbs and the nouns that they go with: `read:users`, `create:users` …
const TABLE: &[(&str, &str)] = &[
    (
        "read create update delete",
        "client_grants users clients client_keys client_credentials connections resource_servers device_credentials rules \
         hooks actions email_provider custom_domains roles log_streams organizations authentication_methods phone_providers \
         phone_templates encryption_keys self_service_profiles forms flows flows_vault_connections scim_config network_acls \
         event_streams user_attribute_profiles connection_profiles token_exchange_profiles rate_limit_policies groups \
         users_app_metadata organization_discovery_domains organization_clients custom_signing_keys directory_provisionings \
         vdcs_templates shields organization_connections",
    ),
    ("read update delete", "rules_configs branding sessions refresh_tokens"),
    ("read create update", "email_templates signing_keys connections_keys"),
    (
        "read update",
        "tenant_settings guardian_factors mfa_policies prompts attack_protection triggers limits connections_options \
         self_service_profile_custom_texts event_deliveries",
    ),
    (
        "read create delete",
        "user_custom_blocks role_members organization_members organization_member_roles organization_invitations \
         organization_client_grants group_roles organization_groups organization_group_roles scim_token",
    ),
    (
        "read delete",
        "guardian_enrollments anomaly_blocks grants flows_executions federated_connections_tokens",
    ),
    ("create", "user_tickets guardian_enrollment_tickets sso_access_tickets"),
    (
        "read",
        "logs logs_users stats insights user_idp_tokens entitlements organizations_summary client_summary flows_vault events \
         group_members user_effective_permissions user_effective_roles user_permission_source_roles user_role_source_groups",
    ),
    ("blacklist", "tokens"),
    ("create delete", "passwords_checking_job"),
];

/// The scopes that a user's own token may hold. They act on that user only; the API does not list them.
pub const OF_USER_TOKENS: &[&str] = &[
    "read:current_user",
    "update:current_user_metadata",
    "update:current_user_identities",
    "create:current_user_device_credentials",
    "delete:current_user_device_credentials",
    "delete:current_user",
];

/// Returns every scope that the Management API lists. [`OF_USER_TOKENS`] are not among them.
pub fn all() -> impl Iterator<Item = String> {
    TABLE.iter().flat_map(|(verbs, nouns)| {
        nouns
            .split_whitespace()
            .flat_map(move |noun| verbs.split_whitespace().map(move |verb| format!("{verb}:{noun}")))
    })
}

/// Returns a scope's description: `read:client_grants` is "Read Client Grants".
pub fn description(scope: &str) -> String {
    let words = scope.split([':', '_']).map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_what_the_tools_need_and_no_scope_twice() {
        let scopes: Vec<_> = all().collect();
        for scope in [
            "read:guardian_factors",
            "update:mfa_policies",
            "create:guardian_enrollment_tickets",
            "read:users",
        ] {
            assert!(scopes.iter().any(|s| s == scope), "{scope}");
        }
        let mut unique = scopes.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), scopes.len());
        assert_eq!(description("read:client_grants"), "Read Client Grants");
    }
}
