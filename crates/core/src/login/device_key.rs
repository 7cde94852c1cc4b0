//! The offer of a key of this device, so that the next login is quicker (contract/universal-login.md 7.4). The session is saved before; whatever
//! the person says, the login goes on.

use serde::{Deserialize, Serialize};

use super::effect::{Effect, Step};
use super::enrolment::Enrolment;
use super::input::Facts;
use super::offer::{Leave, OfferKind, PUT_OFF};
use super::state::{DetectBrowser, Login, Progress};
use super::steps::{decide_next, enrolled};
use crate::env::Env;
use crate::factors::FactorKind;
use crate::time::Span;

/// How long "Not on this device" is heeded in a browser.
const REFUSED: Span = Span::days(365);

/// How far the offer of a key of the device is, in one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyOffer {
    /// Nobody knows yet what the browser can do.
    #[default]
    Open,
    /// The browser says that the device has an authenticator.
    Possible,
    /// It was answered, or cannot be made.
    Over,
}

/// Returns the page that comes before the application, if something is to be offered.
pub(super) fn next(progress: &Progress, facts: &Facts, env: &mut Env) -> Option<Step> {
    if !may_offer(progress, facts) {
        return None;
    }
    let mut progress = progress.clone();
    if progress.key_offer == KeyOffer::Open {
        return Some(Step::to(Login::DetectBrowser(DetectBrowser { progress })));
    }
    progress.key_offer = KeyOffer::Over;
    let turn = Enrolment::begin(vec![FactorKind::WebauthnPlatform], &facts.enrolling(), env);
    Some(enrolled(progress, turn, true, facts, env))
}

/// Returns whether the person has just proven another factor, and can have a key of this kind of device and has none.
fn may_offer(progress: &Progress, facts: &Facts) -> bool {
    let kind = FactorKind::WebauthnPlatform;
    let another = progress.second.as_ref().is_some_and(|second| second.kind() != kind);
    // There is one for each class of devices: who has this one's is not asked for another.
    another
        && facts.place.is_some()
        && facts.enrolling().keys.of(kind).is_some()
        && progress.key_offer != KeyOffer::Over
        && facts.enabled.contains(&kind)
        && !facts.offers.declined.contains(&OfferKind::DeviceKey)
}

impl DetectBrowser {
    /// Takes what the browser says of itself.
    pub(super) fn answer(self, platform: bool, facts: &Facts, env: &mut Env) -> Step {
        let key_offer = if platform { KeyOffer::Possible } else { KeyOffer::Over };
        decide_next(Progress { key_offer, ..self.progress }, facts, env)
    }
}

/// Goes on without the key that was offered.
pub(super) fn leave(progress: Progress, how: Leave, facts: &Facts, env: &mut Env) -> Step {
    let until = match how {
        Leave::Later => PUT_OFF,
        Leave::Never => REFUSED,
        Leave::Unable => return decide_next(progress, facts, env),
    };
    let effect = Effect::DeclineOffer { kind: OfferKind::DeviceKey, until: Some(env.now + until) };
    decide_next(progress, facts, env).before(effect)
}
