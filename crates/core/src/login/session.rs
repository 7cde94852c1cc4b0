//! May the browser's session answer this request, or must the person log in again? (contract/oidc.md 3.4)

use serde::{Deserialize, Serialize};

use crate::assurance::{Methods, within};
use crate::time::{Span, Timestamp};

/// The `prompt` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Absent: show what is needed.
    #[default]
    Absent,
    /// Show nothing.
    None,
    /// Log in again.
    Login,
    /// Ask for consent again.
    Consent,
    /// Let the person choose an account.
    SelectAccount,
}

/// What is proven about the person at hand: by the session, or by this transaction since it began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proven {
    /// The evidence.
    pub methods: Methods,
    /// When the last interactive ceremony ended.
    pub auth_time: Timestamp,
    /// Whether the first factor was proven in this transaction. It is fresh then, even for `max_age=0`: no loop.
    pub first_here: bool,
    /// Whether a second factor was proven in this transaction.
    pub second_here: bool,
}

impl Proven {
    /// Returns what a session proves to a transaction that has just begun.
    pub const fn by_session(methods: Methods, auth_time: Timestamp) -> Self {
        Self { methods, auth_time, first_here: false, second_here: false }
    }
}

/// What becomes of the session in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionUse {
    /// It stands for the first factor.
    Reuse,
    /// The person must log in.
    LogIn(WhyLogIn),
    /// The person chooses: this account or another.
    Choose,
}

/// Why a person must prove the first factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyLogIn {
    /// There is no session.
    NoSession,
    /// `prompt=login` asks for it.
    PromptLogin,
    /// The login is older than `max_age`.
    TooOld {
        /// How old it is, in seconds.
        age: i64,
        /// The `max_age`, in seconds.
        max_age: i64,
    },
}

/// Decides whether what is proven may stand for the first factor. `prompt=none` shows nothing: `LogIn` is an error then.
pub fn session_use(
    proven: Option<&Proven>,
    prompt: Prompt,
    max_age: Option<Span>,
    now: Timestamp,
) -> SessionUse {
    let Some(proven) = proven else { return SessionUse::LogIn(WhyLogIn::NoSession) };
    // Whoever has just logged in for this very request is not sent back, whatever the request asked for.
    if proven.first_here {
        return SessionUse::Reuse;
    }
    if prompt == Prompt::Login {
        return SessionUse::LogIn(WhyLogIn::PromptLogin);
    }
    match max_age {
        // `max_age=0` means "now": not even a login of this millisecond is fresh. A second factor given in this
        // transaction moved `auth_time`, which makes the session fresh for any other value.
        Some(limit) if limit <= Span::ZERO || !within(proven.auth_time, limit, now) => {
            let age = now.since(proven.auth_time).as_secs();
            SessionUse::LogIn(WhyLogIn::TooOld { age, max_age: limit.as_secs() })
        }
        _ if prompt == Prompt::SelectAccount => SessionUse::Choose,
        _ => SessionUse::Reuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assurance::{Method, MethodName};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn logged_in(ago: Span) -> Proven {
        Proven::by_session(Methods::begin(Method::first(MethodName::Pwd, NOW - ago)), NOW - ago)
    }

    #[test]
    fn the_table_of_prompts_holds() {
        use Prompt::{Absent, Consent, Login, None, SelectAccount};
        use SessionUse::{Choose, LogIn, Reuse};
        use WhyLogIn::{NoSession, PromptLogin, TooOld};
        let session = logged_in(Span::seconds(100));
        let stale = LogIn(TooOld { age: 100, max_age: 50 });
        let zero = LogIn(TooOld { age: 100, max_age: 0 });
        // prompt, no session, no max_age, max_age 200, max_age 50, max_age 0
        for (prompt, plain) in [(Absent, Reuse), (None, Reuse), (Consent, Reuse), (SelectAccount, Choose)] {
            let used =
                |proven, max_age: Option<i64>| session_use(proven, prompt, max_age.map(Span::seconds), NOW);
            assert_eq!(used(Option::None, Option::None), LogIn(NoSession), "{prompt:?}");
            assert_eq!(used(Some(&session), Option::None), plain, "{prompt:?}");
            assert_eq!(used(Some(&session), Some(200)), plain, "{prompt:?}");
            assert_eq!(used(Some(&session), Some(100)), plain, "{prompt:?}: the limit itself is fresh");
            assert_eq!(used(Some(&session), Some(50)), stale, "{prompt:?}");
            assert_eq!(used(Some(&session), Some(0)), zero, "{prompt:?}");
        }
        assert_eq!(session_use(Some(&session), Login, Option::None, NOW), LogIn(PromptLogin));
    }

    #[test]
    fn a_login_made_for_this_request_is_never_asked_again() {
        for prompt in [Prompt::Absent, Prompt::Login, Prompt::SelectAccount, Prompt::Consent] {
            let proven = Proven { first_here: true, ..logged_in(Span::minutes(10)) };
            assert_eq!(session_use(Some(&proven), prompt, Some(Span::ZERO), NOW), SessionUse::Reuse);
        }
    }

    #[test]
    fn max_age_zero_never_takes_a_session_even_of_this_millisecond() {
        let used = session_use(Some(&logged_in(Span::ZERO)), Prompt::Absent, Some(Span::ZERO), NOW);
        assert!(matches!(used, SessionUse::LogIn(_)));
    }

    #[test]
    fn a_session_from_the_future_is_not_fresh() {
        let used = session_use(Some(&logged_in(Span::hours(-1))), Prompt::Absent, Some(Span::hours(9)), NOW);
        assert!(matches!(used, SessionUse::LogIn(_)));
    }
}
