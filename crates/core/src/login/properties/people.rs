//! The random people: what they are, want and do.

use proptest::prelude::*;

use super::super::demand::{Asks, Minimum};
use super::super::enrolment::Stage;
use super::super::offer::Leave;
use super::super::session::Prompt;
use super::super::signup::SignupBy;
use super::super::state::Login;
use super::user;
use crate::factors::{ALL, FactorKind};
use crate::model::message::Channel;
use crate::model::settings::Profile;
use crate::time::Span;

/// Two users, as small numbers.
pub(super) type Who = usize;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Wait(i64),
    Identifier,
    GoToSignup,
    GoToLogin,
    Password(Who),
    /// Answers with that person's passkey, and whether it verified her.
    Passkey(Who, bool),
    WrongPassword,
    SignUp(Who),
    /// Types who signs up, where a passkey can be made or not.
    Names(bool),
    /// Makes an account with a passkey, and whether it verified its user.
    SignUpByPasskey(Who, bool),
    WithoutPasskey,
    NoPasskey,
    NotSignedUp,
    Code(Who, bool),
    OldCode(bool),
    WrongCode(bool),
    RecoveryCode(Who),
    Saved(bool),
    TryAnother,
    Pick(FactorKind),
    Back,
    ShowKey,
    Number(bool),
    ListCountries,
    PickCountry(bool),
    Edit,
    Resend,
    By(Channel),
    List,
    PickNumber(usize),
    /// Types the code of the last message, whoever it went to.
    SentCode(bool),
    /// Uses that person's key: the one that the page asks for.
    Touch(Who, bool),
    /// Sends once more what the key said last.
    OldTouch(bool),
    /// Names the new key, or not.
    Name(bool),
    /// The browser has no answer of a key.
    KeyFailed,
    /// What the browser says of its device.
    Browser(bool),
    Consent(bool),
    /// Goes on without what is offered.
    Leave(Leave),
    SwitchPolicy,
    SwitchFactor(FactorKind),
    SwitchConsent,
    Remove(Who),
    Forget,
    /// What a person does who wants to get in; the number chooses where there is a choice.
    Willing(u8),
}

impl Op {
    /// Makes up a willing person's mind.
    pub(super) fn on(self, login: &Login) -> Self {
        let Self::Willing(n) = self else { return self };
        let me = usize::from(login.user() == Some(&user(1)));
        match login {
            Login::AskIdentifier(_) | Login::AskPassword(_) if n % 8 == 1 => Self::Passkey(0, n % 16 == 1),
            Login::AskIdentifier(_) => Self::Identifier,
            Login::AskPassword(_) => Self::Password(usize::from(n % 8 == 0)),
            Login::AskSignup(s) if s.names_only() => Self::Names(n % 8 != 0),
            Login::AskSignup(_) | Login::AskSignupPassword(_) => Self::SignUp(usize::from(n % 8 == 0)),
            Login::AskSignupPasskey(s) if s.may_be_left() && n % 3 == 0 => Self::WithoutPasskey,
            Login::AskSignupPasskey(_) => Self::SignUpByPasskey(usize::from(n % 8 == 0), n % 2 == 0),
            Login::ChallengeFactor(_) if n % 2 == 0 => Self::TryAnother,
            Login::ChallengeFactor(s) if s.kind().is_key() => Self::Touch(me, n % 3 == 0),
            Login::ChallengeFactor(s) if s.to().is_some() => Self::SentCode(n % 3 == 0),
            Login::ChooseMethod(_) => Self::Pick(ALL[usize::from(n / 2) % ALL.len()]),
            Login::AskChannel(_) => Self::By(Channel::Voice),
            Login::ListAuthenticators(_) => Self::PickNumber(usize::from(n)),
            Login::ChallengeRecovery(_) => Self::RecoveryCode(me),
            Login::ShowNewRecoveryCode(_) => Self::Saved(true),
            Login::DetectBrowser(_) => Self::Browser(n % 4 != 0),
            Login::Enrol(s) if s.may_be_left() && n % 2 == 0 => {
                Self::Leave(if n % 3 == 0 { Leave::Never } else { Leave::Later })
            }
            Login::Enrol(s) => match s.enrolment().stage() {
                Stage::Choose => Self::Pick(ALL[usize::from(n) % ALL.len()]),
                Stage::Totp { .. } => Self::Code(me, false),
                Stage::Number { .. } if n % 4 == 0 => Self::ListCountries,
                Stage::Number { .. } | Stage::Address => Self::Number(true),
                Stage::Country { .. } => Self::PickCountry(n % 3 != 0),
                Stage::Code { .. } => Self::SentCode(false),
                Stage::Key { .. } => Self::Touch(me, false),
                Stage::Name { .. } => Self::Name(n % 4 != 0),
                Stage::WriteDown { .. } => Self::Saved(true),
            },
            Login::AskConsent(_) => Self::Consent(true),
            Login::AskOffer(_) if n % 2 == 0 => Self::Touch(me, false),
            Login::AskOffer(_) => Self::Leave(if n % 3 == 0 { Leave::Never } else { Leave::Later }),
            _ => Self::Code(me, n % 3 == 0),
        }
    }
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let who = 0..2usize;
    let kind = prop::sample::select(ALL);
    let channel = prop_oneof![Just(Channel::Sms), Just(Channel::Voice), Just(Channel::Email)];
    prop_oneof![
        3 => prop_oneof![0..40i64, 0..700i64, -400..0i64].prop_map(Op::Wait),
        1 => Just(Op::Identifier),
        1 => Just(Op::GoToSignup),
        1 => Just(Op::GoToLogin),
        8 => who.clone().prop_map(Op::Password),
        2 => (who.clone(), any::<bool>()).prop_map(|(w, v)| Op::Passkey(w, v)),
        1 => Just(Op::WrongPassword),
        1 => who.clone().prop_map(Op::SignUp),
        1 => any::<bool>().prop_map(Op::Names),
        1 => (who.clone(), any::<bool>()).prop_map(|(w, v)| Op::SignUpByPasskey(w, v)),
        1 => prop::sample::select(vec![Op::WithoutPasskey, Op::NoPasskey, Op::NotSignedUp]),
        10 => (who.clone(), any::<bool>()).prop_map(|(w, r)| Op::Code(w, r)),
        4 => any::<bool>().prop_map(Op::OldCode),
        2 => any::<bool>().prop_map(Op::WrongCode),
        4 => who.clone().prop_map(Op::RecoveryCode),
        5 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(Op::Saved),
        3 => Just(Op::TryAnother),
        3 => kind.clone().prop_map(Op::Pick),
        1 => Just(Op::Back),
        1 => Just(Op::ShowKey),
        2 => any::<bool>().prop_map(Op::Number),
        1 => Just(Op::Edit),
        1 => Just(Op::Resend),
        1 => channel.prop_map(Op::By),
        1 => Just(Op::List),
        1 => (0..3usize).prop_map(Op::PickNumber),
        8 => any::<bool>().prop_map(Op::SentCode),
        6 => (0..2usize, any::<bool>()).prop_map(|(w, r)| Op::Touch(w, r)),
        2 => any::<bool>().prop_map(Op::OldTouch),
        2 => any::<bool>().prop_map(Op::Name),
        1 => Just(Op::KeyFailed),
        2 => any::<bool>().prop_map(Op::Browser),
        2 => prop::sample::select(vec![Leave::Later, Leave::Never, Leave::Unable]).prop_map(Op::Leave),
        3 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(Op::Consent),
        4 => Just(Op::SwitchPolicy),
        1 => kind.prop_map(Op::SwitchFactor),
        1 => Just(Op::SwitchConsent),
        1 => who.prop_map(Op::Remove),
        1 => Just(Op::Forget),
        30 => any::<u8>().prop_map(Op::Willing),
    ]
}

#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) asks: Asks,
    pub(super) identifier_first: bool,
    pub(super) signup_first: bool,
    pub(super) signup_by: SignupBy,
    /// Session: how old the first factor and the second are.
    pub(super) session: Option<(i64, Option<i64>)>,
    pub(super) enrolled: [bool; 2],
    /// Who has a security key, and whether both have a key in their device.
    pub(super) keys: [bool; 2],
    pub(super) laptops: bool,
    /// Whether the browser is of a kind of device that is known again.
    pub(super) at_a_laptop: bool,
    /// Telephones of each user, and whether an address is known.
    pub(super) phones: [usize; 2],
    pub(super) with_mail: bool,
    pub(super) show_options: bool,
    pub(super) with_recovery: bool,
    pub(super) remembered: bool,
    pub(super) consent_needed: bool,
    pub(super) profile: Profile,
    /// Whether a passkey that verified its user is MFA.
    pub(super) passkey_satisfies_mfa: bool,
    /// Whether passkeys are offered.
    pub(super) offers: bool,
}

pub(super) fn start() -> impl Strategy<Value = Start> {
    let prompt = prop_oneof![
        4 => Just(Prompt::Absent),
        1 => Just(Prompt::None),
        2 => Just(Prompt::Login),
        1 => Just(Prompt::Consent),
        1 => Just(Prompt::SelectAccount),
    ];
    let minimum =
        prop_oneof![4 => Just(None), 1 => Just(Some(Minimum::Client)), 1 => Just(Some(Minimum::Api))];
    let max_age = prop_oneof![2 => Just(None), 1 => Just(Some(0i64)), 2 => (1..1000i64).prop_map(Some)];
    let asks = (any::<bool>(), any::<bool>(), any::<bool>(), minimum, prompt, max_age).prop_map(
        |(policy_always, acr_mfa, mfa_audience, minimum, prompt, max_age)| Asks {
            policy_always,
            acr_mfa,
            mfa_audience,
            minimum,
            prompt,
            max_age: max_age.map(Span::seconds),
        },
    );
    let session =
        prop::option::of((0..2000i64).prop_flat_map(|first| (Just(first), prop::option::of(0..=first))));
    let flags = any::<[bool; 16]>();
    let by = prop::sample::select(vec![SignupBy::Password, SignupBy::Passkey, SignupBy::Either]);
    (asks, session, flags, [0..3usize, 0..3usize], by).prop_map(
        |(
            asks,
            session,
            [
                identifier_first,
                signup,
                ana,
                ben,
                with_recovery,
                remembered,
                consent_needed,
                assured,
                with_mail,
                show_options,
                key_of_ana,
                key_of_ben,
                laptops,
                passkey_satisfies_mfa,
                offers,
                at_a_laptop,
            ],
            phones,
            signup_by,
        )| {
            Start {
                asks,
                identifier_first,
                signup_first: signup && identifier_first,
                signup_by,
                session,
                enrolled: [ana, ben],
                keys: [key_of_ana, key_of_ben],
                laptops,
                at_a_laptop,
                phones,
                with_mail,
                show_options,
                with_recovery,
                remembered,
                consent_needed,
                profile: if assured { Profile::Assured } else { Profile::Faithful },
                passkey_satisfies_mfa,
                offers,
            }
        },
    )
}
