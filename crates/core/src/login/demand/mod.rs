//! Is MFA needed, and why? The one place that decides (contract/step-up-and-claims.md 7, 8 and 12).
//!
//! Each [`Source`] that asks for MFA says for itself what meets it; nothing is needed when all are met. The answer carries
//! its reasons and is what a decision record keeps; [`Decision::explain`] says it in words.

mod explain;
mod refresh;

pub use refresh::{RefreshMfa, RefreshSituation, decide_refresh};

use serde::{Deserialize, Serialize};

use super::session::{Prompt, Proven, SessionUse, WhyLogIn, session_use};
use crate::assurance::{MethodName, Methods, Rules, multi_factor_at, within};
use crate::factors::{ALL, FactorKind, KeyRules, Keys, Place, webauthn};
use crate::model::authenticator::Authenticator;
use crate::model::settings::Profile;
use crate::time::{Span, Timestamp};

/// How old MFA may be for a token of the MFA API.
pub const MFA_API_AGE: Span = Span::seconds(600);

/// Everything that the decision depends on.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The moment.
    pub now: Timestamp,
    /// What counts as multi-factor.
    pub rules: Rules,
    /// What request, client and tenant ask for.
    pub asks: Asks,
    /// What is proven; `None` without a session and before the first factor.
    pub proven: Option<Proven>,
    /// What the user holds and the tenant allows.
    pub means: Means,
    /// Whether a valid remember-this-browser cookie of this user came along.
    pub remembered: bool,
    /// Whether the tenant shows the box "Remember this device" at all.
    pub remember_display: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// The tenant's policy is `all-applications`.
    pub policy_always: bool,
    /// `acr_values` (or an essential `acr` in `claims`) has the multi-factor class.
    pub acr_mfa: bool,
    /// The audience is that of the MFA API.
    pub mfa_audience: bool,
    /// The client or API demands multi-factor for itself.
    pub minimum: Option<Minimum>,
    /// The request's `prompt`.
    pub prompt: Prompt,
    /// The request's `max_age`.
    pub max_age: Option<Span>,
}

/// Who demands multi-factor by its own configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Minimum {
    /// The application.
    Client,
    /// The API.
    Api,
}

/// What there is to do MFA with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// The user's authenticators.
    pub held: Vec<Held>,
    /// The factors that the tenant has enabled.
    pub enabled: Vec<FactorKind>,
}

/// What the decision needs to know of an authenticator.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its factor.
    pub kind: FactorKind,
    /// Whether it is confirmed.
    pub confirmed: bool,
    /// Whether it can be asked for here: a key answers to one domain only.
    pub here: bool,
    /// Whether it is a key of the kind of device that the person sits at.
    pub this_device: bool,
    /// When it last proved its owner.
    pub last_auth_at: Option<Timestamp>,
}

impl Held {
    /// Returns what the decision needs to know of an authenticator. `keys` says which domain asks for keys.
    pub fn of(a: &Authenticator, keys: &Keys) -> Self {
        let mine = |rules: &KeyRules| webauthn::belongs_to(a, &rules.relying_party);
        let here = !a.kind.is_key() || keys.rules(a.kind).is_some_and(mine);
        Self { kind: a.kind, confirmed: a.confirmed, here, this_device: false, last_auth_at: a.last_auth_at }
    }

    /// Returns the same, as it is seen at a place.
    #[must_use]
    pub fn seen_from(self, a: &Authenticator, place: Option<&Place>) -> Self {
        let same = place.is_some_and(|place| webauthn::place_of(a).as_ref() == Some(place));
        Self { this_device: same && a.kind == FactorKind::WebauthnPlatform, ..self }
    }
}

impl Means {
    /// Returns what there is to do MFA with beside what was proven first: a factor of the same channel as the first factor proves
    /// nothing new (one mailbox is not two factors), and a kind that does not count under these rules is of no use.
    pub fn new(
        held: impl Iterator<Item = Held>,
        enabled: &[FactorKind],
        proven: &Methods,
        rules: Rules,
    ) -> Self {
        let first = |names: &[MethodName]| proven.iter().any(|method| names.contains(&method.name));
        let counts = |kind: &FactorKind| match kind {
            FactorKind::Email => rules.profile == Profile::Faithful && !first(&[MethodName::Email]),
            FactorKind::Phone => !first(&[MethodName::Sms, MethodName::PhoneNumber]),
            FactorKind::WebauthnPlatform
            | FactorKind::WebauthnRoaming
            | FactorKind::Totp
            | FactorKind::RecoveryCode => true,
        };
        Self { held: held.collect(), enabled: enabled.iter().copied().filter(counts).collect() }
    }

    /// Returns whether the user has a factor that can stand alone, here or for another domain: a recovery code by itself is no enrolment.
    /// Who is enrolled must pass a factor before another is enrolled.
    pub fn enrolled(&self) -> bool {
        self.held.iter().any(|h| h.confirmed && h.kind.independent() && self.enabled.contains(&h.kind))
    }

    /// Returns the kinds that can be challenged, the default first: the key of this device, else the one last used, else the most secure.
    /// Empty unless the user is enrolled.
    pub fn usable(&self) -> Vec<FactorKind> {
        let usable = |h: &&Held| h.confirmed && h.here && self.enabled.contains(&h.kind);
        let last_used =
            |kind| self.held.iter().filter(usable).filter(|h| h.kind == kind).map(|h| h.last_auth_at).max();
        let mut kinds: Vec<(FactorKind, Option<Timestamp>)> =
            ALL.iter().filter_map(|kind| last_used(*kind).map(|at| (*kind, at))).collect();
        let at_hand =
            |kind: FactorKind| self.held.iter().filter(usable).any(|h| h.kind == kind && h.this_device);
        // Stable: equal ones stay in the order of ALL. Others that cannot stand alone are never the default, however lately used.
        kinds.sort_by_key(|(kind, at)| {
            let alone = kind.independent();
            (!at_hand(*kind), !alone, std::cmp::Reverse(at.filter(|_| alone)))
        });
        let kinds: Vec<FactorKind> = kinds.into_iter().map(|(kind, _)| kind).collect();
        if self.enrolled() { kinds } else { Vec::new() }
    }

    /// Returns the kinds that can be enrolled to become able to do MFA.
    pub fn enrollable(&self) -> Vec<FactorKind> {
        ALL.iter().copied().filter(|kind| kind.independent() && self.enabled.contains(kind)).collect()
    }

    /// Returns whether recovery codes are on and the user has none.
    pub fn lacks_recovery_code(&self) -> bool {
        let code = FactorKind::RecoveryCode;
        self.enabled.contains(&code) && !self.held.iter().any(|h| h.kind == code && h.confirmed)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// No MFA.
    NotNeeded(NotNeeded),
    /// One of these factors has to be passed; the first is the default.
    Challenge {
        /// The kinds that count.
        allowed: Vec<FactorKind>,
    },
    /// One of these factors has to be enrolled, which counts as passing it.
    Enrol {
        /// The kinds on offer.
        allowed: Vec<FactorKind>,
    },
    /// MFA is needed and cannot be done.
    Impossible(Impossible),
}

/// Why no MFA is needed. There is no login without MFA that cannot say this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotNeeded {
    /// Neither tenant, client nor request ask for it.
    NothingAsks,
    /// What was proven meets all that ask.
    AlreadyProven,
    /// The browser is remembered, and all that ask accept that.
    RememberedBrowser,
}

/// Why MFA cannot be done: no factor is enabled in the tenant, or all that the user has are keys of another domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impossible {
    /// The request asked for it: the error `unmet_authentication_requirements` goes to the client.
    UnmetAuthenticationRequirements,
    /// Only the policy asks: the status screen `mfa-required` tells the person.
    MfaRequiredStatus,
}

/// What `prompt=none` answers instead of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silent {
    /// `login_required`, "Login required".
    LoginRequired,
    /// `login_required`, "Multifactor authentication required".
    MfaRequired,
    /// `unmet_authentication_requirements`.
    Unmet,
}

/// Who asks for MFA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The request, by `acr_values`.
    AcrValues,
    /// The audience of the MFA API, for a user with a factor.
    MfaAudience,
    /// The client or the API.
    Minimum(Minimum),
    /// The tenant's policy `all-applications`.
    PolicyAlways,
}

/// One who asks, and whether they are content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Who asks.
    pub source: Source,
    /// What was found.
    pub finding: Finding,
    /// The MFA that would have been enough.
    pub wants: Wants,
    /// Whether a remembered browser would have been enough too.
    pub takes_remembered_browser: bool,
}

/// What a source found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// MFA that counts, done at that time.
    MetByMfa {
        /// When.
        at: Timestamp,
    },
    /// The browser is remembered.
    MetByRememberedBrowser,
    /// No MFA at all.
    NoMfa,
    /// MFA that does not count here: too old, or of another transaction.
    MfaDoesNotCount {
        /// When it was done.
        at: Timestamp,
    },
}

impl Finding {
    const fn met(self) -> bool {
        matches!(self, Self::MetByMfa { .. } | Self::MetByRememberedBrowser)
    }
}

/// The MFA that is enough, from lenient to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Any of this session (or grant).
    InSession,
    /// No older than that many milliseconds, or of this transaction.
    Within(Span),
    /// Of this transaction.
    InTransaction,
}

/// The decision with its reasons: the decision record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When it was made.
    pub at: Timestamp,
    /// What is to be done about MFA, once the first factor stands.
    pub demand: Demand,
    /// Whether the first factor has to be proven (again) before.
    pub reauthenticate_first_factor: bool,
    /// What becomes of the session, and why.
    pub session: SessionUse,
    /// Why the first factor was asked for earlier in this transaction.
    #[serde(default)]
    pub first_factor_asked: Option<WhyLogIn>,
    /// Whether the challenge offers to remember the browser.
    pub remember_offered: bool,
    /// What `prompt=none` answers; `None` when nothing would have to be shown.
    pub silent: Option<Silent>,
    /// Everyone who asked, content or not.
    pub reasons: Vec<Reason>,
    /// What would have been enough to be asked nothing: the strictest of what the discontent want.
    pub would_suffice: Vec<Sufficient>,
}

/// Something that would have spared the person a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sufficient {
    /// A session, or a fresher one.
    Login(WhyLogIn),
    /// This MFA.
    Mfa(Wants),
    /// A remembered browser.
    RememberedBrowser,
}

/// Decides. Called when a request arrives, after the first factor, and after each second factor.
pub fn decide(situation: &Situation) -> Decision {
    let Situation { now, asks, .. } = situation;
    let session = session_use(situation.proven.as_ref(), asks.prompt, asks.max_age, *now);
    let reauthenticate = matches!(session, SessionUse::LogIn(_));
    // A new first factor starts a new list: what the old session proved does not count for what follows.
    let evidence = situation.proven.as_ref().filter(|_| !reauthenticate);
    let enrolled = situation.means.enrolled();
    let reasons: Vec<Reason> = sources(asks, enrolled)
        .map(|source| {
            let wants = wants(source, asks);
            // The cookie was earned by a factor; without one there is nothing that it stands for.
            let remembered = situation.remembered && enrolled;
            ask(source, wants, evidence, remembered, situation.rules, *now)
        })
        .collect();
    let demand = demand(&reasons, &situation.means);
    let mut would_suffice = would_suffice(&reasons);
    if let SessionUse::LogIn(why) = session {
        would_suffice.insert(0, Sufficient::Login(why));
    }
    Decision {
        at: *now,
        remember_offered: situation.remember_display
            && matches!(demand, Demand::Challenge { .. })
            && unmet(&reasons).all(|r| r.takes_remembered_browser),
        silent: silent(session, &demand, asks, situation.proven.is_some()),
        demand,
        reauthenticate_first_factor: reauthenticate,
        session,
        first_factor_asked: None,
        reasons,
        would_suffice,
    }
}

/// Lists who asks for MFA at all.
fn sources(asks: &Asks, has_factor: bool) -> impl Iterator<Item = Source> {
    [
        asks.acr_mfa.then_some(Source::AcrValues),
        // A user without a factor gets the token: it is needed to enrol the first one.
        (asks.mfa_audience && has_factor).then_some(Source::MfaAudience),
        asks.minimum.map(Source::Minimum),
        asks.policy_always.then_some(Source::PolicyAlways),
    ]
    .into_iter()
    .flatten()
}

/// The column "satisfied by" of section 7.
fn wants(source: Source, asks: &Asks) -> Wants {
    match source {
        Source::AcrValues if asks.prompt == Prompt::Login => Wants::InTransaction,
        Source::AcrValues => match asks.max_age {
            Some(limit) if limit <= Span::ZERO => Wants::InTransaction,
            Some(limit) => Wants::Within(limit),
            None => Wants::InSession,
        },
        Source::MfaAudience => Wants::Within(MFA_API_AGE),
        Source::Minimum(_) | Source::PolicyAlways => Wants::InSession,
    }
}

fn ask(
    source: Source,
    wants: Wants,
    evidence: Option<&Proven>,
    remembered: bool,
    rules: Rules,
    now: Timestamp,
) -> Reason {
    let takes_remembered_browser = source == Source::PolicyAlways;
    let nothing = Methods::default();
    let mfa_at = multi_factor_at(evidence.map_or(&nothing, |e| &e.methods), rules);
    let here = evidence.is_some_and(|e| e.second_here);
    let counts = |at: Timestamp| match wants {
        Wants::InSession => true,
        // MFA done for this very request counts, even if the person took longer than the limit to come back.
        Wants::Within(age) => here || within(at, age, now),
        Wants::InTransaction => here,
    };
    let finding = match mfa_at {
        Some(at) if counts(at) => Finding::MetByMfa { at },
        _ if takes_remembered_browser && remembered => Finding::MetByRememberedBrowser,
        Some(at) => Finding::MfaDoesNotCount { at },
        None => Finding::NoMfa,
    };
    Reason { source, finding, wants, takes_remembered_browser }
}

fn unmet(reasons: &[Reason]) -> impl Iterator<Item = &Reason> {
    reasons.iter().filter(|r| !r.finding.met())
}

fn demand(reasons: &[Reason], means: &Means) -> Demand {
    if unmet(reasons).next().is_none() {
        return Demand::NotNeeded(if reasons.is_empty() {
            NotNeeded::NothingAsks
        } else if reasons.iter().any(|r| r.finding == Finding::MetByRememberedBrowser) {
            NotNeeded::RememberedBrowser
        } else {
            NotNeeded::AlreadyProven
        });
    }
    let usable = means.usable();
    if !usable.is_empty() {
        return Demand::Challenge { allowed: usable };
    }
    let enrollable = means.enrollable();
    // Whose keys are all of another domain has a factor: to enrol one here by the password alone would lead past it.
    if !enrollable.is_empty() && !means.enrolled() {
        return Demand::Enrol { allowed: enrollable };
    }
    let only_policy = unmet(reasons).all(|r| r.source == Source::PolicyAlways);
    Demand::Impossible(if only_policy {
        Impossible::MfaRequiredStatus
    } else {
        Impossible::UnmetAuthenticationRequirements
    })
}

/// The strictest MFA that anyone discontent wants, and the remembered browser if all of them take it.
fn would_suffice(reasons: &[Reason]) -> Vec<Sufficient> {
    let strictness = |wants: &Wants| match wants {
        Wants::InSession => (0, 0),
        Wants::Within(age) => (1, -age.as_millis()),
        Wants::InTransaction => (2, 0),
    };
    let Some(strictest) = unmet(reasons).map(|r| r.wants).max_by_key(strictness) else { return Vec::new() };
    let mut all = vec![Sufficient::Mfa(strictest)];
    if unmet(reasons).all(|r| r.takes_remembered_browser) {
        all.push(Sufficient::RememberedBrowser);
    }
    all
}

/// What a request that may show nothing answers (contract/oidc.md 3.5). Single-page apps compare the MFA text to open
/// their step-up popup, so a stale session gets it too when the request asks for MFA.
fn silent(session: SessionUse, demand: &Demand, asks: &Asks, has_session: bool) -> Option<Silent> {
    let needs_mfa = !matches!(demand, Demand::NotNeeded(_));
    match session {
        _ if *demand == Demand::Impossible(Impossible::UnmetAuthenticationRequirements) && has_session => {
            Some(Silent::Unmet)
        }
        SessionUse::LogIn(_) if has_session && asks.acr_mfa => Some(Silent::MfaRequired),
        SessionUse::LogIn(_) => Some(Silent::LoginRequired),
        SessionUse::Reuse | SessionUse::Choose if needs_mfa => Some(Silent::MfaRequired),
        SessionUse::Reuse | SessionUse::Choose => None,
    }
}

#[cfg(test)]
mod tests;
