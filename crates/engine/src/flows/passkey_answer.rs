//! The answer of a passkey to a login, on the pages or by the API: whose it is, and whether it is right.

use lockstep_core::assurance::Method;
use lockstep_core::env::Env;
use lockstep_core::factors::Remark;
use lockstep_core::factors::webauthn::passkey::{self, Held, Login, No};
use lockstep_core::login::steps::KeyFailure;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::User;

use super::messages::Notice;
use super::{attempts, changes};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::{authenticators, buckets, passkeys, users};

/// What the browser says of a passkey, one that answers or one that was to be made.
#[derive(Clone)]
pub enum PasskeyInput {
    /// Its answer: a `PublicKeyCredential` as JSON.
    Answer(String),
    /// Why there is none.
    Failed(KeyFailure),
}

/// Whom an answer has proven. Whether that user is blocked is still to be asked.
pub(super) struct Recognised {
    /// Who.
    pub(super) user: User,
    /// The evidence.
    pub(super) method: Method,
    /// What is worth a remark.
    pub(super) remark: Option<Remark>,
    /// Whether the passkey is on another device than the browser.
    pub(super) from_elsewhere: bool,
}

/// Why an answer proves nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unrecognised {
    /// It has not the form of an answer.
    #[error("Malformed answer of a passkey")]
    Malformed,
    /// Nobody of this connection has such a key. A user who is gone looks like one who never was.
    #[error("Unknown passkey")]
    Unknown,
    /// It came too late, or nothing was asked.
    #[error("The passkey answered too late")]
    Expired,
    /// It is wrong.
    #[error("Wrong answer of a passkey")]
    Wrong,
    /// The signature counter did not grow. The person has been told.
    #[error("The passkey may have been copied: its signature counter did not grow")]
    Copied,
    /// The connection has no passkeys any more.
    #[error("The connection has no passkeys")]
    Off,
}

/// Finds whose passkey has answered, and claims its counter.
pub(super) async fn recognise(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    connection: &Connection,
    login: &Login,
    answer: &str,
) -> Result<Result<Recognised, Unrecognised>, DbError> {
    let Some(hash) = passkey::credential_hash_of(answer) else { return Ok(Err(Unrecognised::Malformed)) };
    let Some(on) = passkeys::find(tx, &hash).await? else { return Ok(Err(Unrecognised::Unknown)) };
    let user = users::find(tx, &on.user).await?.filter(|user| user.connection == connection.name);
    let Some(user) = user else { return Ok(Err(Unrecognised::Unknown)) };
    let judged = login.answer(answer, Held { data: &on.data, sign_count: on.sign_count }, env.now);
    let why = match judged {
        Ok(right) => {
            let claimed =
                authenticators::claim_counter(tx, &on.id, right.sign_count, &right.data, env.now).await?;
            // Another answer spent this count at the same moment.
            if !claimed {
                return Ok(Err(Unrecognised::Wrong));
            }
            let (method, remark, from_elsewhere) = (right.method, right.remark, right.from_elsewhere);
            return Ok(Ok(Recognised { user, method, remark, from_elsewhere }));
        }
        Err(why) => why,
    };
    Ok(Err(match why {
        No::Malformed => Unrecognised::Malformed,
        No::Expired => Unrecognised::Expired,
        // A model is asked for at an enrolment only.
        No::Wrong | No::Model(_) => Unrecognised::Wrong,
        No::Copied => {
            // Once an hour: who tries again and again must not fill the mailbox.
            if buckets::take(tx, &attempts::copy_told(&user.id), attempts::COPY_TOLD, env.now).await? {
                let notice = Notice::PasskeyCopied(on.name.as_deref());
                changes::tell(tx, app, env, origin, &user, &notice).await?;
            }
            Unrecognised::Copied
        }
    }))
}
