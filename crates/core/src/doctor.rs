//! Half-configurations: what is set up in a way that nobody can want, and what to do about it.
//!
//! "A factor alone never prompts anyone; a policy alone leaves users with no usable factor": each setting is right by itself, so nothing
//! refuses it, and only the whole shows that it cannot work.

use serde::Serialize;

use crate::factors::FactorKind;
use crate::model::client::Client;
use crate::model::settings::Guardian;
use crate::time::{Span, Timestamp};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody cannot log in, or something that was asked for does not happen.
    Error,
    /// It works, and is weaker or nearer to its end than it looks.
    Warning,
    /// It may be meant so.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, for programs: `policy-without-factor`.
    pub code: &'static str,
    /// What it is, for people.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// A public key that an application authenticates with.
#[derive(Clone, Debug)]
pub struct CredentialFacts {
    /// The application.
    pub client_name: String,
    /// The key's own name or id.
    pub name: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The MFA settings.
    pub guardian: Guardian,
    /// Why no text message and no call would leave the server.
    pub phone_trouble: Option<String>,
    /// Why no mail would.
    pub mail_trouble: Option<String>,
    /// The applications.
    pub clients: Vec<Client>,
    /// Their public keys that end some day.
    pub credentials: Vec<CredentialFacts>,
    /// When the current signing key became it.
    pub signing_key_since: Option<Timestamp>,
    /// Whether a next signing key waits.
    pub next_signing_key: bool,
    /// When a newer edition of `webauthn.metadata` was due, if that has passed.
    pub metadata_overdue: Option<String>,
    /// Names of the Actions that are bound to a trigger.
    pub bound_actions: Vec<String>,
}

/// How long before its end a key is worth a word.
const SOON: Span = Span::days(30);
/// How old a signing key may be before rotating it is worth a word.
const OLD_KEY: Span = Span::days(365);
/// The grants by which an application sees passwords.
const PASSWORD_GRANTS: &[&str] = &["password", "http://auth0.com/oauth/grant-type/password-realm"];

/// Looks at everything; the worst comes first.
pub fn examine(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    factors(facts, &mut found);
    applications(facts, now, &mut found);
    keys(facts, now, &mut found);
    actions(facts, &mut found);
    found.sort_by_key(|finding| finding.severity);
    found
}

fn factors(facts: &Facts, found: &mut Vec<Finding>) {
    let guardian = &facts.guardian;
    let enabled = guardian.enabled();
    let carried = |kind: &FactorKind| match kind {
        FactorKind::Phone => facts.phone_trouble.is_none(),
        FactorKind::Email => facts.mail_trouble.is_none(),
        _ => true,
    };
    // A recovery code stands in for a factor that somebody has: alone it is none.
    let usable =
        enabled.iter().filter(|kind| **kind != FactorKind::RecoveryCode).filter(|kind| carried(kind)).count();
    if !guardian.policies.is_empty() && usable == 0 {
        found.push(Finding {
            severity: Severity::Error,
            code: "policy-without-factor",
            text: format!(
                "the policy {} asks for MFA, and no factor can be used: every login of somebody it applies to ends in an error",
                guardian.policies.join(", ")
            ),
            remedy: "enable one: lockstep factors enable otp".to_owned(),
        });
    }
    if guardian.policies.is_empty() && enabled.iter().any(|kind| *kind != FactorKind::RecoveryCode) {
        found.push(Finding {
            severity: Severity::Note,
            code: "factor-without-policy",
            text: "factors are enabled, and no policy asks for them: MFA happens only where an application asks for it".to_owned(),
            remedy: "to ask everybody: lockstep api put guardian/policies --data '[\"all-applications\"]'".to_owned(),
        });
    }
    for (kind, trouble, what) in [
        (
            FactorKind::Phone,
            &facts.phone_trouble,
            "branding/phone/providers or guardian/factors/phone/providers/twilio",
        ),
        (FactorKind::Email, &facts.mail_trouble, "emails/provider"),
    ] {
        if let Some(trouble) = trouble.as_ref().filter(|_| enabled.contains(&kind)) {
            found.push(Finding {
                severity: Severity::Error,
                code: if kind == FactorKind::Phone {
                    "phone-without-provider"
                } else {
                    "email-without-provider"
                },
                text: format!(
                    "the factor {} is enabled, and its codes reach nobody: {trouble}",
                    kind.guardian_name()
                ),
                remedy: format!("set the provider ({what} of the Management API), or disable the factor"),
            });
        }
    }
    if let Some(trouble) = facts.mail_trouble.as_ref().filter(|_| !enabled.contains(&FactorKind::Email)) {
        found.push(Finding {
            severity: Severity::Warning,
            code: "no-mail",
            text: format!("mails about password resets and changed factors reach nobody: {trouble}"),
            remedy: "set emails/provider with the Management API".to_owned(),
        });
    }
    for name in guardian.factors.iter().filter(|name| FactorKind::from_guardian_name(name).is_none()) {
        found.push(Finding {
            severity: Severity::Warning,
            code: "factor-not-built",
            text: format!(
                "the factor {name} is enabled, and this version does not run it: nobody is offered it"
            ),
            remedy: format!("disable it: lockstep factors disable {name}"),
        });
    }
    if usable > 0 && !enabled.contains(&FactorKind::RecoveryCode) {
        found.push(Finding {
            severity: Severity::Note,
            code: "no-recovery-codes",
            text: "recovery codes are off: who loses the second factor needs an operator".to_owned(),
            remedy: "enable them: lockstep factors enable recovery-code".to_owned(),
        });
    }
}

fn applications(facts: &Facts, now: Timestamp, found: &mut Vec<Finding>) {
    let names = |wanted: &dyn Fn(&Client) -> bool| -> Vec<String> {
        let clients = facts.clients.iter().filter(|client| !client.is_global() && wanted(client));
        clients.map(|client| format!("{} ({})", client.name(), client.id)).collect()
    };
    let with_passwords = names(&|client| PASSWORD_GRANTS.iter().any(|grant| client.allows_grant(grant)));
    if !with_passwords.is_empty() {
        found.push(Finding {
            severity: Severity::Warning,
            code: "password-grant",
            text: format!("applications that see people's passwords (grant `password`): {}", with_passwords.join(", ")),
            remedy: "let them send people to the login page (authorization_code), and take the grant from their grant_types".to_owned(),
        });
    }
    let public_machines = names(&|client| client.is_public() && client.allows_grant("client_credentials"));
    if !public_machines.is_empty() {
        found.push(Finding {
            severity: Severity::Warning,
            code: "machine-without-secret",
            text: format!("applications without a secret that have the grant client_credentials: {}", public_machines.join(", ")),
            remedy: "they are refused at the token endpoint; take the grant away, or give them an authentication method".to_owned(),
        });
    }
    for key in facts.credentials.iter().filter(|key| key.expires_at <= now + SOON) {
        let over = key.expires_at <= now;
        found.push(Finding {
            severity: if over { Severity::Error } else { Severity::Warning },
            code: "client-key-ends",
            text: format!(
                "the key {} of the application {} {} on {}",
                key.name,
                key.client_name,
                if over { "ended" } else { "ends" },
                key.expires_at.to_iso()
            ),
            remedy:
                "add a new key (clients/{id}/credentials), let the application use it, then delete this one"
                    .to_owned(),
        });
    }
}

fn keys(facts: &Facts, now: Timestamp, found: &mut Vec<Finding>) {
    if !facts.next_signing_key {
        found.push(Finding {
            severity: Severity::Warning,
            code: "no-next-signing-key",
            text: "no next signing key is published: after a rotation, applications meet a key that they have not seen".to_owned(),
            remedy: "start the server once more, which makes one".to_owned(),
        });
    }
    if let Some(since) = facts.signing_key_since.filter(|since| now.since(*since) > OLD_KEY) {
        found.push(Finding {
            severity: Severity::Note,
            code: "old-signing-key",
            text: format!("the signing key is in use since {}", since.to_iso()),
            remedy: "rotate it: lockstep api post keys/signing/rotate".to_owned(),
        });
    }
    if let Some(due) = &facts.metadata_overdue {
        found.push(Finding {
            severity: Severity::Warning,
            code: "metadata-overdue",
            text: format!("a newer edition of webauthn.metadata was due on {due}: reports about key models since then are not known"),
            remedy: "fetch the newer file, put it in the place of this one, and start again".to_owned(),
        });
    }
}

fn actions(facts: &Facts, found: &mut Vec<Finding>) {
    if !facts.bound_actions.is_empty() {
        found.push(Finding {
            severity: Severity::Error,
            code: "actions-not-run",
            text: format!(
                "Actions are bound, and this version runs none: {}",
                facts.bound_actions.join(", ")
            ),
            remedy: "do not rely on what they do; if they demand MFA, set a policy".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::ClientId;
    use crate::model::client::with_defaults;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn healthy() -> Facts {
        Facts {
            guardian: Guardian {
                factors: vec!["otp".to_owned(), "recovery-code".to_owned()],
                policies: vec!["all-applications".to_owned()],
                ..Guardian::default()
            },
            phone_trouble: None,
            mail_trouble: None,
            clients: Vec::new(),
            credentials: Vec::new(),
            signing_key_since: Some(NOW),
            next_signing_key: true,
            metadata_overdue: None,
            bound_actions: Vec::new(),
        }
    }

    fn client(data: serde_json::Value) -> Client {
        Client {
            id: ClientId::trusted("shop"),
            data: with_defaults(data.as_object().cloned().unwrap_or_default()),
            secret: zeroize::Zeroizing::default(),
            created_at: NOW,
            updated_at: NOW,
        }
    }

    /// What is found once this was changed in a tenant in order.
    fn found(change: impl FnOnce(&mut Facts)) -> Vec<(Severity, &'static str)> {
        let mut facts = healthy();
        change(&mut facts);
        examine(&facts, NOW).into_iter().map(|finding| (finding.severity, finding.code)).collect()
    }

    #[test]
    fn a_tenant_in_order_has_no_findings() {
        assert_eq!(found(|_| {}), []);
    }

    #[test]
    fn a_policy_needs_a_factor_that_can_be_used() {
        let error = (Severity::Error, "policy-without-factor");
        assert!(found(|f| f.guardian.factors.clear()).contains(&error));
        assert!(found(|f| f.guardian.factors = vec!["recovery-code".to_owned()]).contains(&error));
        let without_provider = found(|f| {
            f.guardian.factors = vec!["sms".to_owned(), "recovery-code".to_owned()];
            f.phone_trouble = Some("no phone provider is configured".to_owned());
        });
        assert_eq!(without_provider, [error, (Severity::Error, "phone-without-provider")]);
        assert!(found(|f| f.guardian.factors = vec!["push-notification".to_owned()]).contains(&error));
    }

    #[test]
    fn a_factor_without_a_policy_is_told_and_no_error() {
        assert_eq!(found(|f| f.guardian.policies.clear()), [(Severity::Note, "factor-without-policy")]);
    }

    #[test]
    fn mail_matters_for_the_factor_and_for_resets() {
        let trouble = || Some("there is not a configured email provider".to_owned());
        assert_eq!(found(|f| f.mail_trouble = trouble()), [(Severity::Warning, "no-mail")]);
        let factor = found(|f| {
            f.mail_trouble = trouble();
            f.guardian.factors.push("email".to_owned());
        });
        assert_eq!(factor, [(Severity::Error, "email-without-provider")]);
    }

    #[test]
    fn what_this_version_does_not_run_is_named() {
        assert_eq!(
            found(|f| f.guardian.factors.push("duo".to_owned())),
            [(Severity::Warning, "factor-not-built")]
        );
        assert_eq!(found(|f| f.bound_actions.push("Ask".to_owned())), [(Severity::Error, "actions-not-run")]);
        assert_eq!(
            found(|f| f.guardian.factors.retain(|name| name != "recovery-code")),
            [(Severity::Note, "no-recovery-codes")]
        );
    }

    #[test]
    fn applications_that_see_passwords_or_lack_a_secret_are_named() {
        let password = client(json!({"name": "Shop", "grant_types": ["password"]}));
        let facts = Facts { clients: vec![password], ..healthy() };
        let told = examine(&facts, NOW);
        assert_eq!(told[0].code, "password-grant");
        assert!(told[0].text.contains("Shop (shop)"), "{}", told[0].text);
        let machine = json!({"name": "Job", "app_type": "spa", "token_endpoint_auth_method": "none",
            "grant_types": ["client_credentials"]});
        assert_eq!(
            found(|f| f.clients.push(client(machine))),
            [(Severity::Warning, "machine-without-secret")]
        );
    }

    #[test]
    fn keys_that_end_are_told_a_month_before() {
        let key = |days: i64| CredentialFacts {
            client_name: "Job".to_owned(),
            name: "ci".to_owned(),
            expires_at: NOW + Span::days(days),
        };
        assert_eq!(found(|f| f.credentials.push(key(31))), []);
        assert_eq!(found(|f| f.credentials.push(key(29))), [(Severity::Warning, "client-key-ends")]);
        assert_eq!(found(|f| f.credentials.push(key(-1))), [(Severity::Error, "client-key-ends")]);
        assert_eq!(
            found(|f| f.signing_key_since = Some(NOW + Span::days(-400))),
            [(Severity::Note, "old-signing-key")]
        );
        assert_eq!(found(|f| f.next_signing_key = false), [(Severity::Warning, "no-next-signing-key")]);
        assert_eq!(
            found(|f| f.metadata_overdue = Some("2026-01-01".to_owned())),
            [(Severity::Warning, "metadata-overdue")]
        );
    }

    #[test]
    fn the_worst_comes_first() {
        let all = found(|f| {
            f.guardian.factors = vec!["duo".to_owned()];
            f.mail_trouble = Some("none".to_owned());
        });
        assert!(all.is_sorted_by_key(|(severity, _)| *severity), "{all:?}");
    }
}
