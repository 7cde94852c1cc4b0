//! Logging in with nothing but a code that was sent: a first factor (contract/oidc.md 11.3, 6.3).

use serde::{Deserialize, Serialize};

use crate::assurance::{Method, MethodName};
use crate::env::Env;
use crate::factors::sent_code::SentCode;
use crate::factors::{Finding, Input, Reach};
use crate::model::message::{Channel, CodeToSend, Purpose};
use crate::time::{Span, Timestamp};

/// How long a code works (contract/universal-login.md 12).
pub const LIFE: Span = Span::seconds(180);
/// Wrong answers after which a code is dead.
const TRIES: u8 = 3;

/// What is kept of a code that logs somebody in. Keep it sealed.
#[derive(Serialize, Deserialize)]
pub struct LoginCode {
    code: SentCode,
    channel: Channel,
    expires_at: Timestamp,
    misses: u8,
}

/// What an answer is.
#[derive(Debug, PartialEq)]
pub enum Answered {
    /// Right: this is the proof. Claim the code before it is believed.
    Right(Method),
    /// Wrong.
    Wrong,
    /// The code has died of age or guesses.
    Dead,
}

impl LoginCode {
    /// Draws a code. The caller sends it in the commit that stores this.
    pub fn draw(reach: &Reach, env: &mut Env) -> (Self, CodeToSend) {
        let (channel, to) = match reach {
            Reach::Phone { number, channel } => (*channel, number.as_str()),
            Reach::Email(address) => (Channel::Email, address.as_str()),
        };
        let (code, send) = SentCode::draw_for(LIFE, channel, to, Purpose::Passwordless, env);
        (Self { code, channel, expires_at: send.expires_at, misses: 0 }, send)
    }

    /// Returns when it stops working.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns whether wrong answers have killed it.
    pub const fn is_burnt(&self) -> bool {
        self.misses >= TRIES
    }

    /// Judges an answer; save the code after a wrong one.
    pub fn answer(&mut self, typed: &str, now: Timestamp) -> Answered {
        if now >= self.expires_at || self.is_burnt() {
            return Answered::Dead;
        }
        let name = match self.channel {
            Channel::Email => MethodName::Email,
            Channel::Sms | Channel::Voice => MethodName::Sms,
        };
        match self.code.check(&Input::code(typed), || Method::first(name, now)) {
            Finding::Right { method, .. } => Answered::Right(method),
            Finding::Wrong | Finding::Malformed | Finding::Replayed | Finding::Copied => {
                self.misses += 1;
                Answered::Wrong
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Issuer;

    #[test]
    fn a_code_dies_of_three_wrong_answers_and_of_three_minutes() {
        let start = Timestamp::from_secs(1);
        let mut env = Env::new(start, Issuer::parse("https://lockstep.test/").unwrap());
        let reach = Reach::Email("ana@example.com".to_owned());
        let (mut code, send) = LoginCode::draw(&reach, &mut env);
        let wrong = if send.code == "000000" { "000001" } else { "000000" };
        for _ in 0..2 {
            assert_eq!(code.answer(wrong, start), Answered::Wrong);
        }
        let Answered::Right(method) = code.answer(&send.code, start) else { panic!("it is right") };
        assert_eq!(method.name, MethodName::Email);
        assert_eq!(code.answer("12", start), Answered::Wrong, "what is no code counts too");
        assert_eq!(code.answer(&send.code, start), Answered::Dead);
        let (mut other, send) = LoginCode::draw(&reach, &mut env);
        assert_eq!(other.answer(&send.code, start + LIFE), Answered::Dead);
    }
}
