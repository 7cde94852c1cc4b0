//! An enrolment under way: from the choice of a factor to the first right answer.
//!
//! The same stages wherever somebody enrols on pages: in a login, by a ticket, on the account page. Whoever holds an [`Enrolment`] keeps it
//! sealed between two requests, sends what a [`Turn`] asks to be sent, and saves what comes of it.

use serde::{Deserialize, Serialize};

use super::effect::Problem;
use super::input::Answer;
use super::state::{Accepts, Screen};
use crate::env::Env;
use crate::factors::phone::{PhoneError, Region};
use crate::factors::{
    self, Draft, EnrolAsk, Enrolled, FactorError, FactorKind, Input, KeyAsks, PhoneNumber, Reach, Shown,
};
use crate::ids::UserId;
use crate::model::message::{Channel, CodeToSend};
use crate::model::settings::Profile;
use crate::model::user::normal_email;
use crate::time::Timestamp;

/// How much of a number is kept while its country is chosen: more than any number has.
const LONGEST_TYPED: usize = 40;
/// How many characters the name of a key may have (contract/universal-login.md 6.7).
const LONGEST_NICKNAME: usize = 20;

/// An enrolment under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The factors on offer.
    options: Vec<FactorKind>,
    stage: Stage,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for the choice of a factor.
    Choose,
    /// Shows a seed and waits for its first code.
    Totp {
        /// The seed.
        draft: Draft,
        /// Whether the key is shown instead of the QR code.
        as_key: bool,
    },
    /// Waits for a telephone number.
    Number {
        /// The channels to choose from.
        channels: Vec<Channel>,
        /// The country that was chosen, and what was typed before that.
        #[serde(default)]
        of: NumberOf,
    },
    /// Waits for the choice of the number's country.
    Country {
        /// The channels to choose from, later.
        channels: Vec<Channel>,
        /// The country so far, and what was typed.
        of: NumberOf,
    },
    /// Waits for an address.
    Address,
    /// A code was sent; waits for it.
    Code {
        /// Its hash.
        draft: Draft,
        /// The channels that another code may take.
        channels: Vec<Channel>,
    },
    /// Waits for a new key.
    Key {
        /// What it is asked.
        draft: Draft,
    },
    /// The key has answered; waits for its name. Nothing is enrolled until then.
    Name {
        /// What it was asked.
        draft: Draft,
        /// What it said.
        credential: String,
        /// When.
        answered_at: Timestamp,
    },
    /// Shows the recovery code and waits for the tick.
    WriteDown {
        /// The code.
        draft: Draft,
    },
}

/// What is known of a number that is not given yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberOf {
    /// The region that was chosen, `US`.
    pub region: Option<String>,
    /// What was typed, to be typed on.
    pub typed: String,
}

/// Who enrols, and how the tenant wants it.
#[derive(Clone, Debug)]
pub struct Enrolling {
    /// Who.
    pub user: UserId,
    /// The name that an authenticator app shows for us: the tenant's.
    pub issuer: String,
    /// The name that it shows for the account.
    pub account: String,
    /// Which rules count.
    pub profile: Profile,
    /// The channels of the phone factor that the tenant has enabled.
    pub channels: Vec<Channel>,
    /// Whether an authenticator app starts with the key instead of the QR code: the browser is on a phone.
    pub key_first: bool,
    /// Whether the person chooses first if there is a choice; else the most secure factor is taken.
    pub show_options: bool,
    /// Who asks for keys.
    pub keys: KeyAsks,
}

/// What an answer led to.
#[must_use]
#[derive(Debug)]
pub struct Turn {
    /// Where it stands now.
    pub next: After,
    /// What to send, in the commit that keeps it.
    pub send: Option<CodeToSend>,
    /// What is wrong with the answer.
    pub problem: Option<Problem>,
    /// A code was wrong: one more failure of this factor.
    pub missed: Option<FactorKind>,
    /// A factor was begun.
    pub begun: Option<FactorKind>,
    /// The browser had no answer of a key of this kind.
    pub failed: Option<(FactorKind, &'static str)>,
}

/// Where an enrolment stands.
#[derive(Debug)]
pub enum After {
    /// It goes on.
    Going(Enrolment),
    /// It is confirmed: to be saved.
    Done(Enrolled),
    /// What is stored cannot be read: a fault of ours.
    Broken,
}

impl Turn {
    fn to(next: Enrolment) -> Self {
        Self { next: After::Going(next), send: None, problem: None, missed: None, begun: None, failed: None }
    }

    fn broken() -> Self {
        Self { next: After::Broken, send: None, problem: None, missed: None, begun: None, failed: None }
    }

    fn but(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }
}

impl Enrolment {
    /// Begins: with the choice if there is one and the tenant shows it, else with the first factor. Keys that nobody can ask for here are
    /// not among them.
    pub fn begin(mut options: Vec<FactorKind>, who: &Enrolling, env: &mut Env) -> Turn {
        options.retain(|kind| !kind.is_key() || who.keys.of(*kind).is_some());
        match options.as_slice() {
            [] => Turn::broken(),
            [_, _, ..] if who.show_options => Turn::to(Self { options, stage: Stage::Choose }),
            [first, ..] => {
                let first = *first;
                Self { options, stage: Stage::Choose }.start(first, who, env)
            }
        }
    }

    /// Draws a recovery code to be written down.
    pub fn write_down(who: &Enrolling, env: &mut Env) -> Turn {
        Self { options: vec![FactorKind::RecoveryCode], stage: Stage::Choose }.start(
            FactorKind::RecoveryCode,
            who,
            env,
        )
    }

    /// Takes an answer. One that does not fit the stage changes nothing.
    pub fn answer(self, answer: Answer, who: &Enrolling, env: &mut Env) -> Turn {
        let Self { options, stage } = self;
        let at = |stage| Self { options: options.clone(), stage };
        match (stage, answer) {
            (Stage::Choose, Answer::Pick(kind)) if options.contains(&kind) => {
                at(Stage::Choose).start(kind, who, env)
            }
            (
                Stage::Totp { .. } | Stage::Number { .. } | Stage::Address | Stage::Key { .. },
                Answer::TryAnother | Answer::Back,
            )
            | (Stage::Code { .. }, Answer::TryAnother)
                if options.len() > 1 =>
            {
                Turn::to(at(Stage::Choose))
            }
            (Stage::Totp { mut draft, .. }, Answer::ShowKey) => {
                draft.touch(env.now);
                Turn::to(at(Stage::Totp { draft, as_key: true }))
            }
            (Stage::Totp { mut draft, .. }, Answer::ShowQr) => {
                draft.touch(env.now);
                Turn::to(at(Stage::Totp { draft, as_key: false }))
            }
            (stage @ (Stage::Totp { .. } | Stage::Code { .. }), Answer::Code { code, .. }) => {
                at(stage).code(code, who, env)
            }
            (Stage::Key { draft }, Answer::Key { credential, .. }) => {
                at(Stage::Choose).key(&draft, credential, who, env)
            }
            (Stage::Key { draft }, Answer::KeyFailed(why)) => {
                let failed = Some((draft.kind, why.as_str()));
                Turn { failed, ..Turn::to(at(Stage::Key { draft })) }.but(Problem::KeyFailed(why))
            }
            (stage @ Stage::Name { .. }, Answer::Name(name)) => at(stage).name(&name, who, env),
            (Stage::Number { channels, of }, Answer::Number { number, region, channel }) => {
                let region = region.or(of.region);
                let of = NumberOf { region: region.clone(), typed: String::new() };
                at(Stage::Number { channels, of }).number(&number, region.as_deref(), channel, who, env)
            }
            (Stage::Number { channels, of }, Answer::ListCountries { typed }) => {
                let typed = typed.chars().take(LONGEST_TYPED).collect();
                Turn::to(at(Stage::Country { channels, of: NumberOf { typed, ..of } }))
            }
            (Stage::Country { channels, of }, Answer::PickCountry(id)) => {
                let region = Region::all().find(|region| region.id == id).map(|region| region.id.to_owned());
                let region = region.or(of.region);
                Turn::to(at(Stage::Number { channels, of: NumberOf { region, typed: of.typed } }))
            }
            (Stage::Country { channels, of }, Answer::Back) => Turn::to(at(Stage::Number { channels, of })),
            (Stage::Address, Answer::Address(email)) => at(Stage::Address).address(&email, who, env),
            (Stage::Code { draft, channels }, Answer::Edit) => Turn::to(at(match draft.kind {
                FactorKind::Email => Stage::Address,
                _ => Stage::Number { channels, of: NumberOf::default() },
            })),
            (Stage::Code { draft, channels }, Answer::Resend) => {
                let again = draft.sent.is_none_or(|sent| sent.may_resend(env.now));
                let reach = factors::reach_of(&draft, None).filter(|_| again);
                let stage = at(Stage::Code { draft, channels });
                match reach {
                    Some(reach) => stage.send(reach, who, env),
                    None => Turn::to(stage),
                }
            }
            (Stage::Code { draft, channels }, Answer::By(channel)) => {
                let fits = channels.contains(&channel)
                    && draft.sent.is_none_or(|sent| sent.channel != channel || sent.may_resend(env.now));
                let reach = factors::reach_of(&draft, Some(channel)).filter(|_| fits);
                let stage = at(Stage::Code { draft, channels });
                match reach {
                    Some(reach) => stage.send(reach, who, env),
                    None => Turn::to(stage),
                }
            }
            (Stage::WriteDown { draft }, Answer::Saved { ticked }) => {
                at(Stage::WriteDown { draft }).saved(ticked, who, env)
            }
            (stage, _) => Turn::to(at(stage)),
        }
    }

    /// Returns how far it is.
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Returns the factors on offer.
    pub fn options(&self) -> &[FactorKind] {
        &self.options
    }

    /// Returns whether another factor may be chosen from here.
    pub fn can_try_another(&self) -> bool {
        self.options.len() > 1
            && !matches!(
                self.stage,
                Stage::Choose | Stage::Country { .. } | Stage::Name { .. } | Stage::WriteDown { .. }
            )
    }

    /// Returns what the person is shown: the same however often the page is looked at. `None` where a form is all there is.
    pub fn shown(&self) -> Option<Result<Shown, FactorError>> {
        self.draft().map(factors::shown)
    }

    /// Returns when the last code was sent.
    pub fn sent(&self) -> Option<factors::Sent> {
        self.draft()?.sent
    }

    /// Returns which factor's bucket has to be looked at before a code is answered.
    pub fn asked_kind(&self) -> Option<FactorKind> {
        match &self.stage {
            Stage::Totp { draft, .. } | Stage::Code { draft, .. } | Stage::Key { draft } => Some(draft.kind),
            _ => None,
        }
    }

    /// Notes that the page was looked at, so that an enrolment does not die while somebody is at it.
    pub fn looked_at(&mut self, now: Timestamp) {
        if let Stage::Totp { draft, .. }
        | Stage::Code { draft, .. }
        | Stage::Key { draft }
        | Stage::Name { draft, .. }
        | Stage::WriteDown { draft } = &mut self.stage
        {
            draft.touch(now);
        }
    }

    /// Returns the screen that it shows.
    pub fn screen(&self) -> Screen {
        let (prompt, name) = match &self.stage {
            Stage::Choose => ("mfa", "mfa-begin-enroll-options"),
            Stage::Totp { as_key: true, .. } => ("mfa-otp", "mfa-otp-enrollment-code"),
            Stage::Totp { .. } => ("mfa-otp", "mfa-otp-enrollment-qr"),
            Stage::Country { .. } => ("mfa-sms", "mfa-country-codes"),
            Stage::Number { channels, .. } => match channels.as_slice() {
                [Channel::Voice] => ("mfa-voice", "mfa-voice-enrollment"),
                [_, _, ..] => ("mfa-phone", "mfa-phone-enrollment"),
                _ => ("mfa-sms", "mfa-sms-enrollment"),
            },
            Stage::Address => ("mfa-email", "mfa-email-enrollment"),
            Stage::Code { draft, .. } => super::state::code_screen(draft.sent.map(|sent| sent.channel)),
            Stage::Key { draft } if draft.kind == FactorKind::WebauthnPlatform => {
                ("mfa-webauthn", "mfa-webauthn-platform-enrollment")
            }
            Stage::Key { .. } => ("mfa-webauthn", "mfa-webauthn-roaming-enrollment"),
            Stage::Name { .. } => ("mfa-webauthn", "mfa-webauthn-change-key-nickname"),
            Stage::WriteDown { .. } => ("mfa-recovery-code", "mfa-recovery-code-enrollment"),
        };
        Screen { prompt, name }
    }

    /// Returns what the page accepts.
    pub fn accepts(&self) -> Vec<Accepts> {
        use Accepts as A;
        let mut all = match &self.stage {
            Stage::Choose => vec![A::Pick],
            Stage::Totp { as_key, .. } => vec![A::Code, if *as_key { A::ShowQr } else { A::ShowKey }],
            Stage::Number { .. } => vec![A::Number, A::ListCountries],
            Stage::Country { .. } => vec![A::PickCountry, A::Back],
            Stage::Address => vec![A::Address],
            Stage::Code { channels, .. } => {
                let mut all = vec![A::Code, A::Resend, A::Edit];
                all.extend((channels.len() > 1).then_some(A::OtherChannel));
                all
            }
            Stage::Key { .. } => vec![A::Key],
            Stage::Name { .. } => vec![A::Name],
            Stage::WriteDown { .. } => vec![A::Saved],
        };
        all.extend(self.can_try_another().then_some(A::TryAnother));
        all
    }

    fn draft(&self) -> Option<&Draft> {
        match &self.stage {
            Stage::Totp { draft, .. }
            | Stage::Code { draft, .. }
            | Stage::Key { draft }
            | Stage::Name { draft, .. }
            | Stage::WriteDown { draft } => Some(draft),
            Stage::Choose | Stage::Number { .. } | Stage::Country { .. } | Stage::Address => None,
        }
    }

    /// Begins a factor: its form, or what it shows.
    fn start(self, kind: FactorKind, who: &Enrolling, env: &mut Env) -> Turn {
        let options = self.options;
        let at = |stage| Self { options: options.clone(), stage };
        let turn = match kind {
            FactorKind::Phone => {
                Turn::to(at(Stage::Number { channels: who.channels.clone(), of: NumberOf::default() }))
            }
            FactorKind::Email => Turn::to(at(Stage::Address)),
            FactorKind::WebauthnPlatform
            | FactorKind::WebauthnRoaming
            | FactorKind::Totp
            | FactorKind::RecoveryCode => match factors::begin_enrolment(kind, &who.asks(kind, None), env) {
                Ok((draft, send)) => {
                    let stage = match kind {
                        FactorKind::RecoveryCode => Stage::WriteDown { draft },
                        kind if kind.is_key() => Stage::Key { draft },
                        _ => Stage::Totp { draft, as_key: who.key_first },
                    };
                    Turn { send, ..Turn::to(at(stage)) }
                }
                Err(_) => Turn::broken(),
            },
        };
        Turn { begun: (kind != FactorKind::RecoveryCode).then_some(kind), ..turn }
    }

    fn number(
        self,
        text: &str,
        region: Option<&str>,
        channel: Option<Channel>,
        who: &Enrolling,
        env: &mut Env,
    ) -> Turn {
        let number = match PhoneNumber::parse_in(text, region) {
            Ok(number) => number,
            Err(_) if text.trim().is_empty() => return Turn::to(self).but(Problem::NoPhone),
            Err(PhoneError::Format) => return Turn::to(self).but(Problem::InvalidPhoneFormat),
            Err(PhoneError::Implausible) => return Turn::to(self).but(Problem::InvalidPhone),
        };
        let wanted = channel.filter(|channel| who.channels.contains(channel));
        let channel = wanted.or_else(|| who.channels.first().copied()).unwrap_or(Channel::Sms);
        self.send(Reach::Phone { number, channel }, who, env)
    }

    fn address(self, text: &str, who: &Enrolling, env: &mut Env) -> Turn {
        match normal_email(text) {
            Ok(email) => self.send(Reach::Email(email), who, env),
            Err(_) if text.trim().is_empty() => Turn::to(self).but(Problem::NoEmail),
            Err(_) => Turn::to(self).but(Problem::InvalidEmail),
        }
    }

    /// Sends a code: the newest is the only one that counts.
    fn send(self, reach: Reach, who: &Enrolling, env: &mut Env) -> Turn {
        let (kind, channels) = match &reach {
            Reach::Phone { .. } => (FactorKind::Phone, who.channels.clone()),
            Reach::Email(_) => (FactorKind::Email, Vec::new()),
        };
        match factors::begin_enrolment(kind, &who.asks(kind, Some(reach)), env) {
            Ok((draft, send)) => {
                Turn { send, ..Turn::to(Self { stage: Stage::Code { draft, channels }, ..self }) }
            }
            Err(_) => Turn::broken(),
        }
    }

    fn code(mut self, code: String, who: &Enrolling, env: &mut Env) -> Turn {
        let (Stage::Totp { draft, .. } | Stage::Code { draft, .. }) = &mut self.stage else {
            return Turn::to(self);
        };
        let kind = draft.kind;
        if code.trim().is_empty() {
            return Turn::to(self).but(Problem::NoCode);
        }
        match factors::confirm(draft, &Input::Code(code), env) {
            Ok(enrolled) => Turn { next: After::Done(enrolled), ..Turn::to(self) },
            Err(FactorError::Wrong) => {
                draft.touch(env.now);
                draft.miss();
                Turn { missed: Some(kind), ..Turn::to(self) }.but(Problem::InvalidCode)
            }
            Err(FactorError::Malformed) => {
                draft.touch(env.now);
                Turn::to(self).but(Problem::InvalidOtpFormat)
            }
            // The code has died and the page still stands: another one may be sent.
            Err(FactorError::Expired) if !draft.expired(env.now) => Turn::to(self).but(Problem::CodeDied),
            Err(FactorError::Expired) => self.start(kind, who, env).but(Problem::TransactionNotFound),
            Err(
                FactorError::Model(_)
                | FactorError::Unreachable
                | FactorError::Unusable
                | FactorError::Broken,
            ) => Turn::broken(),
        }
    }

    /// Takes the answer of a key. What it was asked is over with it: if it is not right, it is asked anew.
    fn key(self, draft: &Draft, credential: String, who: &Enrolling, env: &mut Env) -> Turn {
        let kind = draft.kind;
        let anew =
            |env: &mut Env, problem| Turn { begun: None, ..self.clone().start(kind, who, env) }.but(problem);
        match factors::confirm(draft, &Input::Key(credential.clone()), env) {
            Ok(_) => {
                let (draft, answered_at) = (draft.clone(), env.now);
                Turn::to(Self { stage: Stage::Name { draft, credential, answered_at }, ..self })
            }
            Err(FactorError::Wrong) => {
                Turn { missed: Some(kind), ..anew(env, Problem::KeyNotEnrolled(kind)) }
            }
            Err(FactorError::Model(why)) => {
                let failed = Some((kind, why.as_str()));
                Turn { missed: Some(kind), failed, ..anew(env, Problem::KeyModel(kind, why)) }
            }
            Err(FactorError::Malformed) => anew(env, Problem::KeyNotEnrolled(kind)),
            Err(FactorError::Expired) => anew(env, Problem::TransactionNotFound),
            Err(FactorError::Unreachable | FactorError::Unusable | FactorError::Broken) => Turn::broken(),
        }
    }

    /// Names the key that has answered, and enrols it: as of the moment when it answered.
    fn name(mut self, name: &str, who: &Enrolling, env: &mut Env) -> Turn {
        let Stage::Name { draft, credential, answered_at } = &mut self.stage else { return Turn::to(self) };
        let kind = draft.kind;
        if draft.expired(env.now) {
            return self.start(kind, who, env).but(Problem::TransactionNotFound);
        }
        draft.touch(env.now);
        // Another one of this class of devices was enrolled in another tab.
        if who.keys.of(kind).is_none() {
            return Turn::to(self).but(Problem::UserAlreadyEnrolled);
        }
        let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
        if name.is_empty() {
            return Turn::to(self).but(Problem::NoNickname);
        }
        if name.chars().count() > LONGEST_NICKNAME {
            return Turn::to(self).but(Problem::NicknameTooLong);
        }
        let now = std::mem::replace(&mut env.now, *answered_at);
        let confirmed = factors::confirm(draft, &Input::Key(credential.clone()), env);
        env.now = now;
        match confirmed {
            Ok(mut enrolled) => {
                enrolled.authenticator.name = Some(name);
                Turn { next: After::Done(enrolled), ..Turn::to(self) }
            }
            Err(_) => Turn::broken(),
        }
    }

    fn saved(self, ticked: bool, who: &Enrolling, env: &mut Env) -> Turn {
        let Stage::WriteDown { draft } = &self.stage else { return Turn::to(self) };
        if !ticked {
            return Turn::to(self).but(Problem::NoConfirmation);
        }
        match factors::confirm(draft, &Input::Saved, env) {
            Ok(enrolled) => Turn { next: After::Done(enrolled), ..Turn::to(self) },
            Err(FactorError::Expired) => Self::write_down(who, env).but(Problem::TransactionNotFound),
            Err(_) => Turn::broken(),
        }
    }
}

impl Enrolling {
    fn asks(&self, kind: FactorKind, reach: Option<Reach>) -> EnrolAsk {
        EnrolAsk {
            user: self.user.clone(),
            issuer: self.issuer.clone(),
            account: self.account.clone(),
            profile: self.profile,
            reach,
            key: self.keys.of(kind).cloned(),
        }
    }
}

#[cfg(test)]
mod tests;
