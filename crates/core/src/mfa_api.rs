//! The MFA API's words: what an application is told that its user can do (contract/mfa-api.md 2.3, 5).

use serde_json::{Value, json};

use crate::factors::{FactorKind, masked};
use crate::ids::AuthenticatorId;
use crate::login::demand::Demand;
use crate::model::authenticator::Authenticator;
use crate::model::message::Channel;

/// The order in which challenge types are told.
const ORDER: [FactorKind; 6] = [
    FactorKind::Totp,
    FactorKind::Phone,
    FactorKind::Email,
    FactorKind::WebauthnRoaming,
    FactorKind::WebauthnPlatform,
    FactorKind::RecoveryCode,
];

/// Returns `mfa_requirements`. `enrollable` are the factors that may be enrolled beside those that the demand names.
pub fn requirements(demand: &Demand, enabled: &[FactorKind]) -> Value {
    let types = |kinds: &dyn Fn(FactorKind) -> bool| -> Vec<Value> {
        let named = ORDER.iter().filter(|kind| kinds(**kind));
        named.map(|kind| json!({"type": kind.factor_type().as_str()})).collect()
    };
    match demand {
        Demand::Challenge { allowed } => {
            let mut all = types(&|kind| allowed.contains(&kind));
            // nextjs-auth0 asks for `oob` only if the list has it; to all others it is one more type that nobody has.
            if allowed.iter().any(|kind| kind.authenticator_type() == "oob") {
                all.push(json!({"type": "oob"}));
            }
            json!({"challenge": all})
        }
        Demand::Enrol { allowed } => {
            let mail = |kind| kind == FactorKind::Email && enabled.contains(&kind);
            json!({"enroll": types(&|kind| allowed.contains(&kind) || mail(kind))})
        }
        Demand::NotNeeded(_) | Demand::Impossible(_) => json!({}),
    }
}

/// A way to be challenged, as the MFA API lists it: a telephone is one for each channel.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The authenticator.
    pub on: &'a Authenticator,
    /// By which channel, where something is sent.
    pub channel: Option<Channel>,
}

impl<'a> Listed<'a> {
    /// Returns the entries of an authenticator.
    pub fn of(on: &'a Authenticator, channels: &[Channel]) -> Vec<Self> {
        match on.kind {
            FactorKind::Phone => {
                channels.iter().map(|channel| Self { on, channel: Some(*channel) }).collect()
            }
            FactorKind::Email => vec![Self { on, channel: Some(Channel::Email) }],
            FactorKind::WebauthnPlatform
            | FactorKind::WebauthnRoaming
            | FactorKind::Totp
            | FactorKind::RecoveryCode => {
                vec![Self { on, channel: None }]
            }
        }
    }

    /// Returns the id, `sms|dev_…`.
    pub fn id(&self) -> String {
        match self.channel {
            Some(channel) => format!("{}|{}", channel.as_str(), self.on.id),
            None => self.on.method_id(),
        }
    }

    /// Returns the object of the list.
    pub fn object(&self) -> Value {
        let mut object = json!({
            "id": self.id(),
            "authenticator_type": self.on.kind.authenticator_type(),
            "type": self.on.kind.factor_type().as_str(),
            "active": self.on.confirmed,
            "created_at": self.on.created_at.to_iso(),
        });
        if let Some(channel) = self.channel {
            object["oob_channel"] = json!(channel.as_str());
            object["oob_channels"] = json!([channel.as_str()]);
        }
        let to = masked(self.on);
        if let (Some(to), FactorKind::Phone) = (&to, self.on.kind) {
            object["phone_number"] = json!(to);
        }
        if let Some(name) = to.or_else(|| self.on.name.clone()) {
            object["name"] = json!(name);
        }
        if let Some(at) = self.on.last_auth_at {
            object["last_auth"] = json!(at.to_iso());
        }
        object
    }
}

/// An authenticator as a path or parameter names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: AuthenticatorId,
    /// What stands before it: `sms`, `totp` …; empty for a bare id.
    prefix: String,
}

impl Named {
    /// Reads `sms|dev_…`, or `dev_…` alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, id) = text.rsplit_once('|').unwrap_or(("", text));
        Some(Self { id: AuthenticatorId::parse(id).ok()?, prefix: prefix.to_owned() })
    }

    /// Returns whether it names this authenticator.
    pub fn is(&self, on: &Authenticator) -> bool {
        let fits = match (self.prefix.as_str(), on.kind) {
            ("", _) => true,
            ("sms" | "voice", kind) => kind == FactorKind::Phone,
            (prefix, kind) => kind.method_type() == prefix,
        };
        fits && self.id == on.id
    }

    /// Returns the channel that it names.
    pub fn channel(&self) -> Option<Channel> {
        Channel::parse(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::time::Timestamp;

    fn phone() -> Authenticator {
        Authenticator {
            id: AuthenticatorId::trusted("dev_sEe99pcpN0xp0yOO"),
            user: UserId::trusted("auth0|dee"),
            kind: FactorKind::Phone,
            confirmed: true,
            name: None,
            data: json!({"phone_number": "+12025559167"}),
            spent_step: None,
            created_at: Timestamp::from_secs(0),
            enrolled_at: None,
            last_auth_at: None,
            link_id: None,
        }
    }

    #[test]
    fn requirements_are_challenge_or_enroll_and_name_oob_for_those_who_look_for_it() {
        let told = |demand| requirements(&demand, &[FactorKind::Email]).to_string();
        use FactorKind::{Phone, RecoveryCode, Totp};
        assert_eq!(
            told(Demand::Challenge { allowed: vec![RecoveryCode, Phone, Totp] }),
            r#"{"challenge":[{"type":"otp"},{"type":"phone"},{"type":"recovery-code"},{"type":"oob"}]}"#
        );
        assert_eq!(told(Demand::Challenge { allowed: vec![Totp] }), r#"{"challenge":[{"type":"otp"}]}"#);
        assert_eq!(
            told(Demand::Enrol { allowed: vec![Phone] }),
            r#"{"enroll":[{"type":"phone"},{"type":"email"}]}"#
        );
    }

    #[test]
    fn a_telephone_is_listed_once_for_each_channel_and_masked() {
        let phone = phone();
        let all: Vec<Value> =
            Listed::of(&phone, &[Channel::Sms, Channel::Voice]).iter().map(Listed::object).collect();
        assert_eq!(all[0]["id"], "sms|dev_sEe99pcpN0xp0yOO");
        assert_eq!((&all[1]["oob_channel"], &all[1]["type"]), (&json!("voice"), &json!("phone")));
        assert_eq!(all[0]["name"], "XXXXXXXX9167");
    }

    #[test]
    fn an_id_names_its_authenticator_by_each_of_its_names_and_no_other() {
        let phone = phone();
        for text in [
            "sms|dev_sEe99pcpN0xp0yOO",
            "voice|dev_sEe99pcpN0xp0yOO",
            "phone|dev_sEe99pcpN0xp0yOO",
            "dev_sEe99pcpN0xp0yOO",
        ] {
            assert!(Named::parse(text).unwrap().is(&phone), "{text}");
        }
        assert!(!Named::parse("totp|dev_sEe99pcpN0xp0yOO").unwrap().is(&phone));
        for text in ["totp|dev_", "../x", "*", "sms|dev_sEe99pcpN0xp0yO", ""] {
            assert_eq!(Named::parse(text), None, "{text}");
        }
    }
}
