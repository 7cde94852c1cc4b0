//! Is MFA needed to use a refresh token? (contract/step-up-and-claims.md 12)

use serde::{Deserialize, Serialize};

use super::{
    Asks, Decision, Finding, Means, NotNeeded, Reason, Source, Wants, demand, sources, would_suffice,
};
use crate::assurance::{Rules, multi_factor_at, within};
use crate::login::session::{Proven, SessionUse};
use crate::model::settings::TenantSettings;
use crate::time::{Span, Timestamp};

/// When the policy `all-applications` asks at a refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMfa {
    /// When the grant has no MFA. Every other reading breaks single-page apps that renew in the background.
    #[default]
    Grant,
    /// When the grant's MFA is older than that, or there is none.
    Within(Span),
    /// At every refresh, as Auth0's guide for servers puts it.
    Always,
}

impl RefreshMfa {
    /// Reads the tenant's settings `refresh_token_mfa` and `refresh_token_mfa_max_age` (seconds); both are ours.
    pub fn of(tenant: &TenantSettings) -> Self {
        if tenant.0.text("refresh_token_mfa") == Some("always") {
            return Self::Always;
        }
        let age = tenant.0.int("refresh_token_mfa_max_age");
        age.map_or(Self::Grant, |seconds| Self::Within(Span::seconds(seconds)))
    }
}

/// What the decision at a refresh depends on.
#[derive(Clone, Debug)]
pub struct RefreshSituation {
    /// The moment.
    pub now: Timestamp,
    /// What counts as multi-factor.
    pub rules: Rules,
    /// The tenant's reading of its policy.
    pub policy_means: RefreshMfa,
    /// What is asked for. `prompt` and `max_age` are ignored: a refresh cannot log anybody in.
    pub asks: Asks,
    /// What the grant carries. `second_here` when the MFA grant has just been passed for this refresh.
    pub proven: Proven,
    /// What the user holds and the tenant allows.
    pub means: Means,
}

/// Decides for a refresh: `Challenge` and `Enrol` become `mfa_required`, with these kinds as `mfa_requirements`.
pub fn decide_refresh(situation: &RefreshSituation) -> Decision {
    let RefreshSituation { proven, means, .. } = situation;
    let has_factor = means.enrolled();
    let mfa_at = multi_factor_at(&proven.methods, situation.rules);
    let reasons: Vec<Reason> = sources(&situation.asks, has_factor)
        .map(|source| {
            let wants = match (source, situation.policy_means) {
                (Source::PolicyAlways, RefreshMfa::Always) => Wants::InTransaction,
                (Source::PolicyAlways, RefreshMfa::Within(age)) => Wants::Within(age),
                _ => Wants::InSession,
            };
            let counts = |at| match wants {
                Wants::InSession => true,
                Wants::Within(age) => proven.second_here || within(at, age, situation.now),
                Wants::InTransaction => proven.second_here,
            };
            let finding = match mfa_at {
                Some(at) if counts(at) => Finding::MetByMfa { at },
                Some(at) => Finding::MfaDoesNotCount { at },
                None => Finding::NoMfa,
            };
            // There is no browser here that could be remembered.
            Reason { source, finding, wants, takes_remembered_browser: false }
        })
        .collect();
    Decision {
        at: situation.now,
        demand: demand(&reasons, means),
        reauthenticate_first_factor: false,
        session: SessionUse::Reuse,
        first_factor_asked: None,
        remember_offered: false,
        silent: None,
        would_suffice: would_suffice(&reasons),
        reasons,
    }
}

impl Decision {
    /// Returns why no MFA is needed, if none is.
    pub const fn not_needed(&self) -> Option<NotNeeded> {
        match self.demand {
            super::Demand::NotNeeded(why) => Some(why),
            _ => None,
        }
    }
}
