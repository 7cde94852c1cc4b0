//! A decision in plain English, for `lockstep why` and the playground.

use super::{
    Decision, Demand, Finding, Impossible, Minimum, NotNeeded, Reason, SessionUse, Source, Sufficient, Wants,
    WhyLogIn,
};
use crate::factors::FactorKind;
use crate::time::Span;

impl Decision {
    /// Says the decision in sentences: the outcome first, then who asked, then what would have been enough.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let asked = match self.session {
            SessionUse::LogIn(why) => Some(why),
            _ => self.first_factor_asked,
        };
        if let Some(why) = asked {
            lines.push(format!("The first factor was asked for: {}.", log_in(why)));
        }
        lines.push(match &self.demand {
            Demand::NotNeeded(NotNeeded::NothingAsks) => {
                "MFA was not asked for: neither the tenant's policy, nor the application, nor the request demands it."
                    .into()
            }
            Demand::NotNeeded(NotNeeded::AlreadyProven) => {
                "MFA was not asked for again: what was proven before is enough.".into()
            }
            Demand::NotNeeded(NotNeeded::RememberedBrowser) => {
                "MFA was not asked for: this browser is remembered. The tokens do not claim MFA.".into()
            }
            Demand::Challenge { allowed } => format!("MFA was asked for, with {}.", list(allowed)),
            Demand::Enrol { allowed } => {
                format!("MFA was needed and the user had no factor: enrolment of {} was asked for.", list(allowed))
            }
            Demand::Impossible(Impossible::UnmetAuthenticationRequirements) => {
                "MFA was needed, but no factor is enabled in this tenant: the client got unmet_authentication_requirements."
                    .into()
            }
            Demand::Impossible(Impossible::MfaRequiredStatus) => {
                "MFA was needed, but no factor is enabled in this tenant: the person was told to ask an administrator."
                    .into()
            }
        });
        lines.extend(self.reasons.iter().map(|reason| self.because(reason)));
        if !self.would_suffice.is_empty() {
            let enough: Vec<String> = self.would_suffice.iter().map(sufficient).collect();
            // A login comes first and is needed besides; the others are alternatives.
            lines.push(match self.would_suffice.first() {
                Some(Sufficient::Login(_)) if enough.len() > 1 => {
                    format!("Enough would have been: {}, and {}.", enough[0], enough[1..].join(" or "))
                }
                _ => format!("Enough would have been: {}.", enough.join(" or ")),
            });
        }
        if self.remember_offered {
            lines.push("The page offered to remember this browser.".into());
        }
        lines
    }

    fn because(&self, reason: &Reason) -> String {
        let who = match reason.source {
            Source::AcrValues => "The request asks for multi-factor (acr_values)",
            Source::MfaAudience => "A token for the MFA API needs recent MFA of a user who has a factor",
            Source::Minimum(Minimum::Client) => "The application demands MFA",
            Source::Minimum(Minimum::Api) => "The API demands MFA",
            Source::PolicyAlways => "The tenant's policy is to ask for MFA always (all-applications)",
        };
        let ago = |at| span(self.at.since(at));
        let found = match reason.finding {
            Finding::MetByMfa { at } => format!("met by MFA {} ago", ago(at)),
            Finding::MetByRememberedBrowser => "met by the remembered browser".into(),
            Finding::NoMfa => "not met: no MFA was done".into(),
            Finding::MfaDoesNotCount { at } => format!(
                "not met: MFA was done {} ago, and {} is wanted",
                ago(at),
                match reason.wants {
                    Wants::Within(age) => format!("MFA within {}", span(age)),
                    Wants::InTransaction => "MFA for this very request".into(),
                    Wants::InSession => "MFA in this session".into(),
                }
            ),
        };
        format!("{who}: {found}.")
    }
}

fn log_in(why: WhyLogIn) -> String {
    match why {
        WhyLogIn::NoSession => "there was no session".into(),
        WhyLogIn::PromptLogin => "the request says prompt=login".into(),
        WhyLogIn::TooOld { age, max_age } => format!(
            "the login was {} old, and the request allows {} (max_age)",
            span(Span::seconds(age)),
            span(Span::seconds(max_age))
        ),
    }
}

fn sufficient(what: &Sufficient) -> String {
    match what {
        Sufficient::Login(WhyLogIn::NoSession) => "a session".into(),
        Sufficient::Login(WhyLogIn::PromptLogin) => "a request without prompt=login".into(),
        Sufficient::Login(WhyLogIn::TooOld { max_age, .. }) => {
            format!("a login within {}", span(Span::seconds(*max_age)))
        }
        Sufficient::Mfa(Wants::InSession) => "MFA in this session".into(),
        Sufficient::Mfa(Wants::Within(age)) => format!("MFA within {}", span(*age)),
        Sufficient::Mfa(Wants::InTransaction) => "nothing but MFA for this very request".into(),
        Sufficient::RememberedBrowser => "a remembered browser".into(),
    }
}

fn list(kinds: &[FactorKind]) -> String {
    let name = |kind: &FactorKind| match kind {
        FactorKind::WebauthnPlatform => "this device",
        FactorKind::WebauthnRoaming => "a security key",
        FactorKind::Totp => "an authenticator app",
        FactorKind::Phone => "a code by text or call",
        FactorKind::Email => "a code by mail",
        FactorKind::RecoveryCode => "the recovery code",
    };
    kinds.iter().map(name).collect::<Vec<_>>().join(" or ")
}

/// Says a length of time in its largest whole unit.
fn span(span: Span) -> String {
    let secs = span.as_secs();
    let (n, unit) = match secs {
        i64::MIN..120 => (secs, "second"),
        120..7200 => (secs / 60, "minute"),
        7200..172_800 => (secs / 3600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}
