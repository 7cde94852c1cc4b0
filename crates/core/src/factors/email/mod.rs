//! Mail: a code to an address that is known to be the person's.
//!
//! It only goes beside a factor that can stand alone, and never proves a second factor where the first one was a code by mail:
//! one mailbox is one factor. In the `assured` profile it raises no level at all (NIST SP 800-63B-4 3.1.3).
//!
//! A verified address of the account is an authenticator without being enrolled: [`of_account`].

use super::sent_code::{self, SentCode};
use super::{
    Begun, Challenge, ChallengeAsk, Confirmed, Draft, EnrolAsk, Factor, FactorError, FactorKind, Finding,
    Input, Reach, Shown, read, write,
};
use crate::assurance::{FactorType, Method};
use crate::crypto::digest::sha256_b64url;
use crate::env::Env;
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::message::{Channel, Purpose};
use crate::model::user::User;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is stored of a mailbox. The name is that of the Management API, which reads and writes the same rows.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    email: String,
}

/// What a challenge or draft keeps.
#[derive(Serialize, Deserialize)]
struct Asked {
    code: SentCode,
    email: String,
}

/// Returns the address of a mailbox.
pub fn address(on: &Authenticator) -> Option<String> {
    read::<Stored>(&on.data).ok().map(|stored| stored.email)
}

/// Returns an address as it is shown: `chri****@acme*****`.
pub fn masked(email: &str) -> String {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let shown: String =
        if local.chars().count() > 4 { local.chars().take(4).collect() } else { String::new() };
    let domain: String = domain.chars().enumerate().map(|(n, c)| if n < 4 { c } else { '*' }).collect();
    format!("{shown}****@{domain}")
}

/// Returns the authenticator that a verified address of an account is. It is stored nowhere and cannot be removed; its id stays the
/// same as long as user and address do.
pub fn of_account(user: &User) -> Option<Authenticator> {
    let email = user.email.as_ref().filter(|_| user.email_verified)?;
    Some(Authenticator {
        id: account_id(&user.id, email),
        user: user.id.clone(),
        kind: FactorKind::Email,
        confirmed: true,
        name: None,
        data: write(&Stored { email: email.clone() }).ok()?,
        spent_step: None,
        created_at: user.created_at,
        enrolled_at: Some(user.created_at),
        last_auth_at: None,
        link_id: None,
    })
}

fn account_id(user: &UserId, email: &str) -> AuthenticatorId {
    let hash = sha256_b64url(format!("email of account\n{user}\n{email}"));
    let letters: String = hash.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    AuthenticatorId::trusted(format!("dev_{letters:A<16}"))
}

/// Returns where the code of a draft was sent.
pub(super) fn reach(draft: &Draft) -> Option<Reach> {
    read::<Asked>(&draft.data).ok().map(|asked| Reach::Email(asked.email))
}

pub(super) struct Email;

impl Factor for Email {
    fn begin_enrolment(&self, ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError> {
        let Some(Reach::Email(email)) = &ask.reach else { return Err(FactorError::Unreachable) };
        begin(email, Purpose::Enrolment, env)
    }

    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError> {
        let asked: Asked = read(&draft.data)?;
        Ok(Shown::Sent { channel: Channel::Email, to: masked(&asked.email) })
    }

    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError> {
        let asked: Asked = read(&draft.data)?;
        let stored = write(&Stored { email: asked.email.clone() })?;
        sent_code::confirmed(check(&asked, input, env.now), stored)
    }

    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        _ask: &ChallengeAsk,
        env: &mut Env,
    ) -> Result<Begun, FactorError> {
        let [on] = on else { return Err(FactorError::Unusable) };
        begin(&read::<Stored>(&on.data)?.email, Purpose::Challenge, env)
    }

    fn verify(&self, _on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Finding {
        read::<Asked>(&asked.data).map_or(Finding::Wrong, |asked| check(&asked, input, env.now))
    }
}

fn begin(email: &str, purpose: Purpose, env: &mut Env) -> Result<Begun, FactorError> {
    let (code, send) = SentCode::draw(Channel::Email, email, purpose, env);
    let data = write(&Asked { code, email: email.to_owned() })?;
    Ok(Begun { send: Some(send), ..Begun::with(data) })
}

fn check(asked: &Asked, input: &Input, now: Timestamp) -> Finding {
    asked.code.check(input, || Method::second(FactorType::Email, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked_as_documented() {
        assert_eq!(masked("chris77@acme.test"), "chri****@acme*****");
        assert_eq!(masked("foo@acme.test"), "****@acme*****");
    }

    #[test]
    fn the_mailbox_of_an_account_keeps_its_id_until_the_address_changes() {
        let id = |user: &str, email: &str| account_id(&UserId::trusted(format!("auth0|{user}")), email);
        assert_eq!(id("ana", "a@x.test"), id("ana", "a@x.test"));
        assert_ne!(id("ana", "a@x.test"), id("ana", "b@x.test"));
        assert_ne!(id("ana", "a@x.test"), id("ben", "a@x.test"));
        assert!(AuthenticatorId::parse(id("ana", "a@x.test").as_str()).is_ok());
    }
}
