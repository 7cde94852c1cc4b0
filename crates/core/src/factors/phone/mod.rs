//! Telephones: a code by text message or call. One factor, two channels.
//!
//! Whoever holds the number reads the code; how a code is drawn, compared and dies is that of all codes that are sent
//! ([`super::sent_code`]). Text and call prove the same and are told apart in the evidence only.

mod countries;
mod number;

pub use countries::{PhoneCountries, Region};
pub use number::{PhoneError, PhoneNumber};
use serde::{Deserialize, Serialize};

use super::sent_code::{self, SentCode};
use super::{
    Begun, Challenge, ChallengeAsk, Confirmed, Draft, EnrolAsk, Factor, FactorError, Finding, Input, Reach,
    Shown, read, write,
};
use crate::assurance::{Detail, FactorType, Method};
use crate::env::Env;
use crate::model::authenticator::Authenticator;
use crate::model::message::{Channel, Purpose};
use crate::time::Timestamp;

/// What is stored of a telephone. The names are those of the Management API, which reads and writes the same rows.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    phone_number: PhoneNumber,
    #[serde(default)]
    preferred_authentication_method: Option<Channel>,
}

/// What a challenge or draft keeps.
#[derive(Serialize, Deserialize)]
struct Asked {
    code: SentCode,
    phone_number: PhoneNumber,
    channel: Channel,
}

/// Returns the number of a telephone.
pub fn number(on: &Authenticator) -> Option<PhoneNumber> {
    read::<Stored>(&on.data).ok().map(|stored| stored.phone_number)
}

/// Returns how its owner wants to be reached.
pub fn preferred(on: &Authenticator) -> Option<Channel> {
    read::<Stored>(&on.data).ok()?.preferred_authentication_method
}

/// Sets how its owner wants to be reached.
pub fn prefer(on: &mut Authenticator, channel: Channel) -> Result<(), FactorError> {
    let stored = Stored { preferred_authentication_method: Some(channel), ..read(&on.data)? };
    on.data = write(&stored)?;
    Ok(())
}

/// Returns how the code of a draft was sent, or would be by another channel.
pub(super) fn reach(draft: &Draft, channel: Option<Channel>) -> Option<Reach> {
    let asked: Asked = read(&draft.data).ok()?;
    Some(Reach::Phone { number: asked.phone_number, channel: channel.unwrap_or(asked.channel) })
}

pub(super) struct Phone;

impl Factor for Phone {
    fn begin_enrolment(&self, ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError> {
        let Some(Reach::Phone { number, channel }) = &ask.reach else { return Err(FactorError::Unreachable) };
        begin(number.clone(), *channel, Purpose::Enrolment, env)
    }

    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError> {
        let asked: Asked = read(&draft.data)?;
        Ok(Shown::Sent { channel: asked.channel, to: asked.phone_number.masked() })
    }

    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError> {
        let asked: Asked = read(&draft.data)?;
        let stored = Stored {
            phone_number: asked.phone_number.clone(),
            preferred_authentication_method: Some(asked.channel),
        };
        sent_code::confirmed(check(&asked, input, env.now), write(&stored)?)
    }

    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        ask: &ChallengeAsk,
        env: &mut Env,
    ) -> Result<Begun, FactorError> {
        let [on] = on else { return Err(FactorError::Unusable) };
        let stored: Stored = read(&on.data)?;
        let channel = ask.channel.or(stored.preferred_authentication_method).unwrap_or(Channel::Sms);
        begin(stored.phone_number, channel, Purpose::Challenge, env)
    }

    fn verify(&self, _on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Finding {
        read::<Asked>(&asked.data).map_or(Finding::Wrong, |asked| check(&asked, input, env.now))
    }
}

fn begin(
    number: PhoneNumber,
    channel: Channel,
    purpose: Purpose,
    env: &mut Env,
) -> Result<Begun, FactorError> {
    if channel == Channel::Email {
        return Err(FactorError::Unreachable);
    }
    let (code, send) = SentCode::draw(channel, number.as_str(), purpose, env);
    let data = write(&Asked { code, phone_number: number, channel })?;
    Ok(Begun { send: Some(send), ..Begun::with(data) })
}

fn check(asked: &Asked, input: &Input, now: Timestamp) -> Finding {
    let detail = if asked.channel == Channel::Voice { Detail::Voice } else { Detail::Sms };
    asked.code.check(input, || Method::second(FactorType::Phone, now).with(detail))
}
