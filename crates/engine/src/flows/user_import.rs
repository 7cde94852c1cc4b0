//! Storing one row of an import of users: for the job of the Management API and for `lockstep import`.
//!
//! Rows are stored many to a commit, so that whatever could break the commit is looked for before.

use lockstep_core::env::Env;
use lockstep_core::factors::totp::{self, Parameters};
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::model::connection::Connection;
use lockstep_core::model::document::merge_metadata;
use lockstep_core::model::user::User;
use lockstep_core::time::Timestamp;
use lockstep_core::user_import::{Factor, Row, RowError, Source, parse};
use serde_json::{Value, json};

use super::management::users::fill_profile;
use crate::store::db::{Conn, DbError};
use crate::store::methods::{self, Method};
use crate::store::{authenticators, linked_accounts, users};

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The database connection.
    pub connection: &'a Connection,
    /// Whether users who are there are changed; otherwise their rows fail.
    pub upsert: bool,
    /// Where the rows come from.
    pub source: Source,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A new user.
    Inserted,
    /// A user who was there.
    Updated,
    /// Not stored, or without its factors.
    Failed(Vec<RowError>),
}

/// Stores a row.
pub async fn store(
    tx: &mut Conn,
    env: &mut Env,
    target: &Target<'_>,
    value: &Value,
) -> Result<Stored, DbError> {
    let (row, mut errors) = parse(value, target.source);
    let Some(mut row) = row else { return Ok(Stored::Failed(errors)) };
    if let Some(error) = check_username(&row, target.connection) {
        return Ok(Stored::Failed(vec![error]));
    }
    let factors = row.factors.take();
    let existing = match find(tx, target.connection, &row).await? {
        Ok(Some(user)) => users::find_to_change(tx, &user.id).await?,
        Ok(None) => None,
        Err(error) => return Ok(Stored::Failed(vec![error])),
    };
    if let Some(error) = taken(tx, target.connection, &row).await? {
        return Ok(Stored::Failed(vec![error]));
    }
    if existing.is_some() && !target.upsert {
        return Ok(Stored::Failed(vec![RowError::new("DUPLICATED_USER", "The user already exists", "")]));
    }
    let inserted = existing.is_none();
    let user = match existing {
        Some(user) => update(tx, env, user, row).await?,
        None => insert(tx, env, target, row).await?,
    };
    if let Some(factors) = factors
        && !add_factors(tx, env, &user, &factors).await?
    {
        let message = "Unable to import MFA factors: the user has others";
        errors.push(RowError::new("MFA_FACTORS_FAILED", message, "mfa_factors"));
    }
    Ok(match (errors.is_empty(), inserted) {
        (false, _) => Stored::Failed(errors),
        (true, true) => Stored::Inserted,
        (true, false) => Stored::Updated,
    })
}

fn check_username(row: &Row, connection: &Connection) -> Option<RowError> {
    let error = |code, message: String| Some(RowError::new(code, message, "username"));
    match &row.username {
        None if connection.requires_username() => {
            error("ANY_OF_MISSING", "The connection requires a username".to_owned())
        }
        Some(_) if !connection.requires_username() => {
            error("NOT_PASSED", "Cannot set username for connection without requires_username".to_owned())
        }
        Some(name) => {
            let ((min, max), count) = (connection.username_length(), name.chars().count());
            if count < min {
                error("MIN_LENGTH", format!("String is too short ({count} chars), minimum {min}"))
            } else if count > max {
                error("MAX_LENGTH", format!("String is too long ({count} chars), maximum {max}"))
            } else {
                None
            }
        }
        None => None,
    }
}

/// Returns the user whom a row is about: by its id, else by what logs in. All that it names has to be this user's or nobody's.
async fn find(
    tx: &mut Conn,
    connection: &Connection,
    row: &Row,
) -> Result<Result<Option<User>, RowError>, DbError> {
    let mut found = match row.identity.as_deref().map(UserId::database) {
        Some(Ok(id)) => users::find(tx, &id).await?,
        _ => None,
    };
    if found.as_ref().is_some_and(|user| user.connection != connection.name) {
        let message = "Another connection has a user with this user_id";
        return Ok(Err(RowError::new("CONFLICT", message, "user_id")));
    }
    // With an id of its own, a row is about nobody else.
    let named = row.identity.is_some();
    let name = connection.name.as_str();
    for (path, code) in
        [("email", "CONFLICT_EMAIL"), ("username", "CONFLICT_USERNAME"), ("phone_number", "CONFLICT")]
    {
        let holder = match (path, &row.email, &row.username, &row.phone_number) {
            ("email", Some(email), _, _) => users::find_by_email(tx, name, email).await?,
            ("username", _, Some(username), _) => users::find_by_username(tx, name, username).await?,
            ("phone_number", _, _, Some(number)) => users::find_by_phone(tx, name, number).await?,
            _ => None,
        };
        match (holder, &found) {
            (Some(holder), Some(user)) if holder.id != user.id => {
                return Ok(Err(RowError::new(code, "Another user has it", path)));
            }
            (Some(_), None) if named => {
                return Ok(Err(RowError::new("DUPLICATED_USER", "Another user has it", path)));
            }
            (Some(holder), None) => found = Some(holder),
            _ => {}
        }
    }
    Ok(Ok(found))
}

/// Returns what is wrong with a row one of whose names an account has that was linked to another user.
async fn taken(tx: &mut Conn, connection: &Connection, row: &Row) -> Result<Option<RowError>, DbError> {
    let id = row.identity.as_deref().and_then(|identity| UserId::database(identity).ok());
    let names = User {
        email: row.email.clone(),
        username: row.username.clone(),
        phone_number: row.phone_number.clone(),
        ..User::new(id.unwrap_or_else(|| UserId::trusted("|")), &connection.name, Timestamp::from_millis(0))
    };
    let holder = linked_accounts::find_holder(tx, &names).await?;
    let message = "An account that is linked to another user has one of these names";
    Ok(holder.map(|_| RowError::new("DUPLICATED_USER", message, "")))
}

async fn insert(tx: &mut Conn, env: &mut Env, target: &Target<'_>, row: Row) -> Result<User, DbError> {
    let id = row.identity.as_deref().and_then(|identity| UserId::database(identity).ok());
    let id = id.unwrap_or_else(|| UserId::new(env.rng()));
    let mut user = User {
        email: row.email,
        email_verified: row.email_verified.unwrap_or(false),
        username: row.username,
        phone_number: row.phone_number,
        phone_verified: row.phone_verified.unwrap_or(false),
        profile: row.profile,
        user_metadata: row.user_metadata,
        app_metadata: row.app_metadata,
        blocked: row.blocked.unwrap_or(false),
        blocked_set: row.blocked.is_some(),
        last_login: row.past.last_login,
        logins_count: row.past.logins_count.unwrap_or(0),
        password_changed_at: row.past.password_changed_at,
        ..User::new(id, &target.connection.name, row.past.created_at.unwrap_or(env.now))
    };
    user.updated_at = env.now;
    fill_profile(&mut user, &env.issuer);
    users::create(tx, &user, row.hash.as_ref().map(|hash| hash.as_str())).await?;
    Ok(user)
}

async fn update(tx: &mut Conn, env: &Env, before: User, row: Row) -> Result<User, DbError> {
    let mut user = before.clone();
    if let Some(email) = row.email {
        user.email_verified &= user.email.as_deref() == Some(&email);
        user.email = Some(email);
    }
    if let Some(number) = row.phone_number {
        user.phone_verified &= user.phone_number.as_deref() == Some(&number);
        user.phone_number = Some(number);
    }
    user.username = row.username.or(user.username);
    user.email_verified = row.email_verified.unwrap_or(user.email_verified);
    user.phone_verified = row.phone_verified.unwrap_or(user.phone_verified);
    if let Some(blocked) = row.blocked {
        (user.blocked, user.blocked_set) = (blocked, true);
    }
    let (profile, new) = (&mut user.profile, row.profile);
    for (old, new) in [
        (&mut profile.name, new.name),
        (&mut profile.nickname, new.nickname),
        (&mut profile.given_name, new.given_name),
        (&mut profile.family_name, new.family_name),
        (&mut profile.picture, new.picture),
    ] {
        *old = new.or(old.take());
    }
    for (stored, new) in
        [(&mut user.user_metadata, row.user_metadata), (&mut user.app_metadata, row.app_metadata)]
    {
        if let Some(new) = new {
            *stored = merge_metadata(stored.take(), &Value::Object(new));
        }
    }
    // A row that says what is there already changes nothing, so that a file may come twice.
    if user != before {
        user.updated_at = env.now;
        users::save(tx, &user).await?;
    }
    // Who has a password keeps it: a file is older than what people have set since.
    if let Some(hash) = row.hash
        && users::password_hash(tx, &user.id).await?.is_none()
    {
        users::set_password(tx, &user.id, hash.as_str(), env.now).await?;
    }
    Ok(user)
}

/// Adds those of the factors that the user does not have. Returns false, and adds none, where the user has others: what somebody enrolled is
/// not overruled by a file.
async fn add_factors(tx: &mut Conn, env: &mut Env, user: &User, factors: &[Factor]) -> Result<bool, DbError> {
    let held = methods::list_of_user(tx, &user.id).await?;
    let held: Vec<&Method> = held
        .iter()
        .filter(|method| method.confirmed && ["totp", "phone", "email"].contains(&method.kind.as_str()))
        .collect();
    let apps = authenticators::list_of_user(tx, &user.id).await?;
    let same = |method: &Method, factor: &Factor| match factor {
        Factor::Totp(seed) => apps.iter().any(|app| app.id == method.id && totp::holds_seed(app, seed)),
        Factor::Phone(number) => method.kind == "phone" && method.data["phone_number"] == number.as_str(),
        Factor::Email(email) => method.kind == "email" && method.data["email"] == email.as_str(),
    };
    if held.iter().any(|method| !factors.iter().any(|factor| same(method, factor))) {
        return Ok(false);
    }
    let mut added = false;
    for factor in factors {
        if held.iter().any(|method| same(method, factor)) {
            continue;
        }
        added = true;
        let id = AuthenticatorId::new(env.rng());
        let (kind, data) = match factor {
            Factor::Totp(seed) => {
                let parameters = Parameters::usual(seed.clone());
                let made = totp::imported(id, user.id.clone(), &parameters, None, env.now)
                    .map_err(|e| DbError::Corrupt(e.to_string()))?;
                authenticators::create(tx, &made).await?;
                continue;
            }
            Factor::Phone(number) => {
                ("phone", json!({"phone_number": number, "preferred_authentication_method": "sms"}))
            }
            Factor::Email(email) => ("email", json!({"email": email})),
        };
        let method = Method {
            id,
            user: user.id.clone(),
            kind: kind.to_owned(),
            confirmed: true,
            name: None,
            data,
            link_id: None,
            created_at: env.now,
            enrolled_at: None,
            last_auth_at: None,
        };
        methods::create(tx, &method).await?;
    }
    if added {
        users::note_mfa_change(tx, &user.id, env.now).await?;
    }
    Ok(true)
}
