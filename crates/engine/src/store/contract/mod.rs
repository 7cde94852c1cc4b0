//! What every store function promises, on both databases. [`coverage`] finds functions that nobody tests.

mod actions;
mod coverage;
mod devices;
mod linking;
mod log_streams;
mod oauth;
mod people;
mod records;
mod searching;
mod tenant;
mod working;

use lockstep_core::assurance::{Method, MethodName, Methods};
use lockstep_core::ids::{ClientId, ConnectionId, UserId};
use lockstep_core::model::client::{self, Client};
use lockstep_core::model::connection::Connection;
use lockstep_core::model::user::{Profile, User};
use lockstep_core::random::{Rng, SystemRng};
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

use super::db::Conn;
use super::{clients, users};

/// When everything begins.
pub(super) const T0: Timestamp = Timestamp::from_secs(1_770_055_315);

pub(super) fn rng() -> Box<dyn Rng> {
    Box::new(SystemRng)
}

pub(super) fn user(name: &str) -> User {
    User {
        email: Some(format!("{name}@example.com")),
        email_verified: true,
        username: Some(format!("{name}-NAME")),
        phone_number: Some(format!("+1555{:07}", name.len() * 1000 + usize::from(name.as_bytes()[0]))),
        profile: Profile {
            name: Some(name.to_owned()),
            picture: Some("https://p.example/a.png".to_owned()),
            ..Profile::default()
        },
        user_metadata: json!({"a": 1}).as_object().cloned(),
        ..User::new(UserId::parse(format!("auth0|{name}")).unwrap(), "db", T0)
    }
}

pub(super) fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        data: client::with_defaults(json!({"name": id, "app_type": "spa"}).as_object().unwrap().clone()),
        secret: format!("{id}-secret").into(),
        created_at: T0,
        updated_at: T0,
    }
}

pub(super) fn connection(name: &str) -> Connection {
    Connection {
        id: ConnectionId::new(rng().as_mut()),
        name: name.to_owned(),
        data: document(json!({"strategy": "auth0", "options": {"passwordPolicy": "good"}})),
        created_at: T0,
        updated_at: T0,
    }
}

pub(super) fn document(value: Value) -> lockstep_core::model::document::Document {
    serde_json::from_value(value).unwrap()
}

pub(super) fn pwd() -> Methods {
    Methods::begin(Method::first(MethodName::Pwd, T0))
}

/// Makes `ana` and `ben`, and the clients `web` and `spa`.
pub(super) async fn fill(conn: &mut Conn) -> (User, User) {
    let (ana, ben) = (user("ana"), user("ben"));
    for person in [&ana, &ben] {
        users::create(conn, person, Some("$hash")).await.unwrap();
    }
    for id in ["web", "spa"] {
        clients::create(conn, &client(id)).await.unwrap();
    }
    (ana, ben)
}
