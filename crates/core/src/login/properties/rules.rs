//! A plainer reading of the rules than the machine's own: what a login that came to its end must agree with.

use super::super::session::Prompt;
use super::super::state::{LoggedIn, MfaOutcome};
use super::World;
use crate::assurance::MethodName;
use crate::time::Span;

impl World {
    /// Holds an end against the books.
    pub(super) fn check(&self, end: &LoggedIn) {
        let asks = &self.start.asks;
        let now = self.env.now;
        let session = self.session.as_ref().filter(|_| self.first_by.is_none());
        // The first factor.
        match (&self.first_by, session) {
            (Some(by), _) => assert!(by == end.user() && end.first().here()),
            (None, Some(session)) => {
                assert_eq!(end.user(), &session.user);
                assert!(
                    !matches!(asks.prompt, Prompt::Login | Prompt::SelectAccount),
                    "a prompt was passed over"
                );
                let fresh = asks.max_age.is_none_or(|limit| {
                    limit > Span::ZERO && (self.second_passed || now.since(session.auth_time) <= limit)
                });
                assert!(fresh, "an old session passed max_age");
            }
            (None, None) => panic!("logged in without a first factor"),
        }
        // The second.
        let here = self.second_passed;
        // A passkey that is two factors in one, where the tenant says so.
        let both = self.start.passkey_satisfies_mfa && self.first_by.is_some() && self.first_verified;
        let before = session.and_then(|s| s.methods.iter().find(|m| m.name == MethodName::Mfa)).map(|m| m.at);
        let within = |age: Span| before.is_some_and(|at| now.since(at) <= age);
        let has_factor = self
            .held
            .iter()
            .any(|a| a.user == *end.user() && a.kind.independent() && self.enabled.contains(&a.kind));
        if self.policy_always {
            let remembered = self.remembered && has_factor;
            assert!(here || both || before.is_some() || remembered, "passed over the policy");
        }
        if asks.acr_mfa {
            let met = match asks.max_age {
                _ if asks.prompt == Prompt::Login => false,
                Some(limit) => limit > Span::ZERO && within(limit),
                None => before.is_some(),
            };
            assert!(here || both || met, "passed over acr_values");
        }
        if asks.mfa_audience && has_factor {
            assert!(here || both || within(Span::seconds(600)), "passed over the MFA audience");
        }
        if asks.minimum.is_some() {
            assert!(here || both || before.is_some(), "passed over the minimum");
        }
        match end.mfa() {
            MfaOutcome::Passed(receipt) => assert!(here && receipt.user() == end.user()),
            MfaOutcome::NotNeeded(_) => assert!(!here, "MFA was done and is not told"),
        }
        // The tokens say what was proven, no more and no less.
        let says_mfa = end.methods().iter().any(|m| m.name == MethodName::Mfa);
        assert_eq!(says_mfa, here || before.is_some(), "the evidence is not what was proven");
        if asks.prompt == Prompt::None {
            assert!(!here && self.first_by.is_none(), "prompt=none showed a page");
        }
    }
}
