//! Users and what hangs on them.

use lockstep_core::factors::{FactorKind, Spend, UserHandle};
use lockstep_core::ids::{
    AuthenticatorId, ClientId, RememberedBrowserId, ResourceServerId, RoleId, SessionId,
};
use lockstep_core::login::offer::OfferKind;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::document::Document;
use lockstep_core::model::resource_server::ResourceServer;
use lockstep_core::model::role::{Permission, Role};
use lockstep_core::model::session::{Device, Session};
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde_json::{Value, json};

use super::{T0, fill, pwd, rng, user};
use crate::store::ceremonies::{self, Stored};
use crate::store::db::{Conn, Db, DbError};
use crate::store::methods::{self, Method};
use crate::store::tickets::{self, Ticket};
use crate::store::{
    authenticators, declined_offers, passkeys, remembered_browsers, resource_servers, roles, sessions,
    testing, user_handles, users,
};

#[tokio::test]
async fn users_come_back_whole_by_id_address_and_name() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (mut ana, ben) = fill(&mut c).await;
        assert_eq!(users::find(&mut c, &ana.id).await.unwrap(), Some(ana.clone()));
        assert_eq!(users::find_by_email(&mut c, "db", "ana@example.com").await.unwrap(), Some(ana.clone()));
        assert_eq!(users::find_by_email(&mut c, "other", "ana@example.com").await.unwrap(), None);
        assert_eq!(users::find_by_username(&mut c, "db", "ANA-name").await.unwrap(), Some(ana.clone()));
        let number = ana.phone_number.clone().unwrap();
        assert_eq!(users::find_by_phone(&mut c, "db", &number).await.unwrap(), Some(ana.clone()));
        assert_eq!(users::find_by_phone(&mut c, "other", &number).await.unwrap(), None);
        assert_eq!(
            users::list_by_email(&mut c, "ben@example.com").await.unwrap(),
            std::slice::from_ref(&ben)
        );
        ana.blocked = true;
        ana.email = Some("new@example.com".to_owned());
        ana.app_metadata = json!({"plan": "gold"}).as_object().cloned();
        assert!(users::save(&mut c, &ana).await.unwrap());
        assert_eq!(users::find(&mut c, &ana.id).await.unwrap(), Some(ana.clone()));
        assert_eq!(
            users::find(&mut c, &ben.id).await.unwrap(),
            Some(ben.clone()),
            "changing A leaves B alone"
        );
        assert_eq!(users::list_after(&mut c, ana.id.as_str(), 10).await.unwrap(), std::slice::from_ref(&ben));
        assert!(
            users::delete(&mut c, &ana.id).await.unwrap() && !users::delete(&mut c, &ana.id).await.unwrap()
        );
        assert!(!users::save(&mut c, &ana).await.unwrap());
        assert_eq!(users::delete_of_connection(&mut c, "db").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn of_two_who_change_a_user_the_second_sees_what_the_first_did() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        c.commit().await.unwrap();
        let mut first = db.write().await.unwrap();
        let mut user = users::find_to_change(&mut first, &ana.id).await.unwrap().unwrap();
        let (other, id) = (db.clone(), ana.id.clone());
        let second = tokio::spawn(async move {
            let mut c = other.write().await.unwrap();
            let mut user = users::find_to_change(&mut c, &id).await.unwrap().unwrap();
            user.phone_verified = true;
            users::save(&mut c, &user).await.unwrap();
            c.commit().await.unwrap();
        });
        while !second.is_finished() && !testing::somebody_waits(&db).await {
            tokio::task::yield_now().await;
        }
        user.blocked = true;
        users::save(&mut first, &user).await.unwrap();
        first.commit().await.unwrap();
        second.await.unwrap();
        let mut c = db.read().await.unwrap();
        let user = users::find(&mut c, &ana.id).await.unwrap().unwrap();
        assert_eq!((user.blocked, user.phone_verified), (true, true), "neither change is lost");
        assert_eq!(users::find(&mut c, &ben.id).await.unwrap(), Some(ben), "changing A leaves B alone");
    }
}

#[tokio::test]
async fn an_address_name_or_id_is_taken_once_in_a_connection() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        fill(&mut c).await;
        c.commit().await.unwrap();
        let other = user("cy");
        let clashes: [fn(&mut User); 3] = [
            |u| u.email = Some("ANA@example.com".to_owned()),
            |u| u.username = Some("Ana-Name".to_owned()),
            |u| u.id = super::user("ana").id,
        ];
        for clash in clashes {
            let mut copy = other.clone();
            clash(&mut copy);
            let mut c = db.write().await.unwrap();
            assert!(matches!(users::create(&mut c, &copy, None).await, Err(DbError::Conflict)));
        }
    }
}

#[tokio::test]
async fn passwords_and_notes() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        assert_eq!(users::password_hash(&mut c, &ana.id).await.unwrap().as_deref(), Some("$hash"));
        assert!(users::rehash_password(&mut c, &ana.id, "$hash", "$better").await.unwrap());
        assert!(
            !users::rehash_password(&mut c, &ana.id, "$hash", "$worse").await.unwrap(),
            "it changed meanwhile"
        );
        let later = T0 + Span::hours(1);
        assert!(users::set_password(&mut c, &ana.id, "$new", later).await.unwrap());
        users::note_login(&mut c, &ana.id, Some("192.0.2.1"), later).await.unwrap();
        users::note_login(&mut c, &ana.id, None, later).await.unwrap();
        users::note_mfa_change(&mut c, &ana.id, later).await.unwrap();
        let read = users::find(&mut c, &ana.id).await.unwrap().unwrap();
        assert_eq!((read.logins_count, read.last_login, read.last_ip), (2, Some(later), None));
        assert_eq!(users::count_active(&mut c, later).await.unwrap(), 1);
        assert_eq!(users::count_active(&mut c, later + Span::millis(1)).await.unwrap(), 0);
        assert_eq!((read.password_changed_at, read.mfa_changed_at), (Some(later), Some(later)));
        assert_eq!(users::password_hash(&mut c, &ben.id).await.unwrap().as_deref(), Some("$hash"));
    }
}

fn totp(of: &User, confirmed: bool) -> Authenticator {
    Authenticator {
        id: AuthenticatorId::new(rng().as_mut()),
        user: of.id.clone(),
        kind: FactorKind::Totp,
        confirmed,
        name: Some("Phone".to_owned()),
        data: json!({"secret": "GEZDGNBVGY3TQOJQ"}),
        spent_step: None,
        created_at: T0,
        enrolled_at: Some(T0),
        last_auth_at: None,
        link_id: None,
    }
}

#[tokio::test]
async fn authenticators_are_scoped_to_their_user_and_sealed() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (hers, his) = (totp(&ana, true), totp(&ben, true));
        authenticators::create(&mut c, &hers).await.unwrap();
        authenticators::create(&mut c, &his).await.unwrap();
        assert_eq!(authenticators::list_of_user(&mut c, &ana.id).await.unwrap(), std::slice::from_ref(&hers));
        assert_eq!(
            authenticators::find_of_user(&mut c, &ana.id, &hers.id).await.unwrap(),
            Some(hers.clone())
        );
        assert_eq!(authenticators::find_of_user(&mut c, &ana.id, &his.id).await.unwrap(), None);
        assert_eq!(authenticators::find(&mut c, &his.id).await.unwrap(), Some(his.clone()));
        assert!(authenticators::rename(&mut c, &hers.id, Some("Tablet")).await.unwrap());
        assert_eq!(authenticators::delete_of_user(&mut c, &ana.id, &his.id).await.unwrap(), 0);
        let raw = c.fetch_all("select data from authenticators", vec![]).await.unwrap();
        assert!(
            raw.iter()
                .all(|r| !String::from_utf8_lossy(&r.get::<Vec<u8>>("data").unwrap()).contains("GEZDGNBV"))
        );
        assert_eq!(authenticators::delete_kind(&mut c, &ana.id, FactorKind::RecoveryCode).await.unwrap(), 0);
        assert_eq!(authenticators::delete_kind(&mut c, &ana.id, FactorKind::Totp).await.unwrap(), 1);
        assert_eq!(authenticators::delete_all(&mut c, &ana.id).await.unwrap(), 0);
        users::delete(&mut c, &ben.id).await.unwrap();
        assert_eq!(
            authenticators::find(&mut c, &his.id).await.unwrap(),
            None,
            "what hangs on a user goes with him"
        );
    }
}

#[tokio::test]
async fn linked_authenticators_go_together() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let (mut one, mut two, alone) = (totp(&ana, true), totp(&ana, true), totp(&ana, true));
        one.link_id = Some("l".to_owned());
        two.link_id = Some("l".to_owned());
        for a in [&one, &two, &alone] {
            authenticators::create(&mut c, a).await.unwrap();
        }
        authenticators::lock_of_user(&mut c, &ana.id).await.unwrap();
        assert_eq!(authenticators::delete_of_user(&mut c, &ana.id, &one.id).await.unwrap(), 2);
        assert_eq!(authenticators::list_of_user(&mut c, &ana.id).await.unwrap(), [alone]);
    }
}

#[tokio::test]
async fn a_step_is_spent_once_and_never_after_a_later_one() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let (good, pending) = (totp(&ana, true), totp(&ana, false));
        authenticators::create(&mut c, &good).await.unwrap();
        authenticators::create(&mut c, &pending).await.unwrap();
        assert!(authenticators::spend(&mut c, &good.id, Some(&Spend::Step(100)), T0).await.unwrap());
        for spent in [100, 99, 1] {
            assert!(
                !authenticators::spend(&mut c, &good.id, Some(&Spend::Step(spent)), T0).await.unwrap(),
                "{spent}"
            );
        }
        assert!(authenticators::spend(&mut c, &good.id, Some(&Spend::Step(101)), T0).await.unwrap());
        assert!(
            !authenticators::spend(&mut c, &pending.id, Some(&Spend::Step(100)), T0).await.unwrap(),
            "unconfirmed"
        );
        assert!(authenticators::spend(&mut c, &good.id, Some(&Spend::Once), T0).await.unwrap());
        assert!(!authenticators::spend(&mut c, &good.id, Some(&Spend::Once), T0).await.unwrap());
    }
}

fn key(of: &User, confirmed: bool) -> Authenticator {
    let data = json!({"key_id": "a2V5", "public_key": "a2V5", "relying_party_identifier": "lockstep.test"});
    Authenticator { kind: FactorKind::WebauthnRoaming, data, ..totp(of, confirmed) }
}

#[tokio::test]
async fn a_counter_only_grows_and_one_that_stays_zero_is_no_counter() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (hers, his, pending) = (key(&ana, true), key(&ben, true), key(&ana, false));
        for on in [&hers, &his, &pending] {
            authenticators::create(&mut c, on).await.unwrap();
        }
        let later = T0 + Span::minutes(5);
        let now = |n: i64| json!({"key_id": "a2V5", "use": n});
        let mut claim = async |on: &Authenticator, count| {
            authenticators::claim_counter(&mut c, &on.id, count, &now(count), later).await.unwrap()
        };
        // No counter, again and again; then it begins to count.
        for count in [0, 0, 0, 5, 6] {
            assert!(claim(&hers, count).await, "{count}");
        }
        for count in [6, 5, 0] {
            assert!(!claim(&hers, count).await, "{count}");
        }
        assert!(!claim(&pending, 1).await, "unconfirmed");
        assert!(claim(&hers, i64::from(u32::MAX)).await);
        let read = authenticators::find(&mut c, &hers.id).await.unwrap().unwrap();
        assert_eq!((read.spent_step, read.last_auth_at), (Some(i64::from(u32::MAX)), Some(later)));
        assert_eq!(
            read.data,
            now(i64::from(u32::MAX)),
            "what the key said last, and nothing of what was refused"
        );
        assert_eq!(authenticators::find(&mut c, &his.id).await.unwrap(), Some(his));
    }
}

#[tokio::test]
async fn of_many_at_once_one_spends_a_count() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let held = key(&ana, true);
        authenticators::create(&mut c, &held).await.unwrap();
        c.commit().await.unwrap();
        for count in 1..20 {
            let spend = |db: Db, id: AuthenticatorId| async move {
                let mut c = db.write().await.unwrap();
                let claimed =
                    authenticators::claim_counter(&mut c, &id, count, &json!({}), T0).await.unwrap();
                c.commit().await.unwrap();
                claimed
            };
            let tasks: Vec<_> = (0..10).map(|_| tokio::spawn(spend(db.clone(), held.id.clone()))).collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap());
            }
            assert_eq!(won, 1, "count {count}");
        }
    }
}

#[tokio::test]
async fn a_passkey_is_found_by_its_key_and_is_one_persons() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let of = |user: &User, sign_count| passkeys::Passkey {
            id: AuthenticatorId::new(rng().as_mut()),
            user: user.id.clone(),
            name: Some("Phone".to_owned()),
            data: json!({"key_id": "a2V5"}),
            sign_count,
            created_at: T0,
            enrolled_at: Some(T0),
        };
        let (hers, his) = (of(&ana, Some(3)), of(&ben, None));
        passkeys::create(&mut c, &hers, "h1").await.unwrap();
        passkeys::create(&mut c, &his, "h2").await.unwrap();
        assert_eq!(passkeys::find(&mut c, "h1").await.unwrap(), Some(hers.clone()));
        assert_eq!(passkeys::find(&mut c, "h2").await.unwrap(), Some(his.clone()));
        assert_eq!(passkeys::find(&mut c, "h3").await.unwrap(), None);
        assert!(!authenticators::claim_counter(&mut c, &hers.id, 3, &json!({}), T0).await.unwrap());
        assert!(authenticators::claim_counter(&mut c, &hers.id, 4, &json!({"n": 1}), T0).await.unwrap());
        let used = passkeys::find(&mut c, "h1").await.unwrap().unwrap();
        assert_eq!((used.sign_count, used.data), (Some(4), json!({"n": 1})));
        assert_eq!(passkeys::find(&mut c, "h2").await.unwrap(), Some(his), "changing A leaves B alone");
        let listed = methods::list_of_user(&mut c, &ana.id).await.unwrap();
        assert_eq!((listed.len(), listed[0].kind.as_str()), (1, "passkey"));
        assert!(
            authenticators::list_of_user(&mut c, &ana.id).await.unwrap().is_empty(),
            "it is no second factor"
        );
        users::delete(&mut c, &ben.id).await.unwrap();
        assert_eq!(passkeys::find(&mut c, "h2").await.unwrap(), None, "it goes with its user");
        c.commit().await.unwrap();
        let mut c = db.write().await.unwrap();
        let taken = passkeys::create(&mut c, &of(&ana, None), "h1").await;
        assert!(matches!(taken, Err(DbError::Conflict)));
    }
}

#[tokio::test]
async fn what_was_declined_counts_for_its_time_and_where_it_was_declined() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (passkey, here) = (OfferKind::Passkey, OfferKind::PasskeyHere);
        let later = T0 + Span::days(7);
        declined_offers::decline(&mut c, &ana.id, passkey, "", Some(later)).await.unwrap();
        declined_offers::decline(&mut c, &ana.id, here, "laptop", None).await.unwrap();
        let list = async |c: &mut Conn, user: &User, browser: &str, now| {
            declined_offers::list_of_user(c, &user.id, browser, now).await.unwrap()
        };
        let both = list(&mut c, &ana, "laptop", T0).await;
        assert!(both.len() == 2 && both.contains(&passkey) && both.contains(&here));
        assert_eq!(list(&mut c, &ana, "phone", T0).await, [passkey]);
        assert_eq!(list(&mut c, &ben, "laptop", T0).await, [], "changing A leaves B alone");
        assert_eq!(list(&mut c, &ana, "laptop", later).await, [here], "the other's time is over");
        // Declined once more: for ever now.
        declined_offers::decline(&mut c, &ana.id, passkey, "", None).await.unwrap();
        assert_eq!(list(&mut c, &ana, "phone", later).await, [passkey]);
        declined_offers::decline(&mut c, &ben.id, passkey, "", Some(later)).await.unwrap();
        assert_eq!(declined_offers::delete_expired(&mut c, T0).await.unwrap(), 0);
        assert_eq!(declined_offers::delete_expired(&mut c, later).await.unwrap(), 1);
        users::delete(&mut c, &ana.id).await.unwrap();
        assert_eq!(list(&mut c, &ana, "laptop", T0).await, [], "it goes with its user");
    }
}

#[tokio::test]
async fn a_user_keeps_the_first_handle_whatever_becomes_of_the_keys() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let [first, second, third] = ["Zmlyc3Q", "c2Vjb25k", "dGhpcmQ"].map(UserHandle::trusted);
        assert_eq!(user_handles::find(&mut c, &ana.id).await.unwrap(), None);
        assert_eq!(user_handles::ensure(&mut c, &ana.id, &first).await.unwrap(), first);
        assert_eq!(user_handles::find(&mut c, &ana.id).await.unwrap(), Some(first.clone()));
        assert_eq!(user_handles::find(&mut c, &ben.id).await.unwrap(), None, "changing A leaves B alone");
        authenticators::create(&mut c, &key(&ana, true)).await.unwrap();
        authenticators::delete_all(&mut c, &ana.id).await.unwrap();
        assert_eq!(user_handles::ensure(&mut c, &ana.id, &second).await.unwrap(), first);
        assert_eq!(user_handles::ensure(&mut c, &ben.id, &third).await.unwrap(), third);
        // Two users never share one, and it goes with its user.
        let taken = user_handles::ensure(&mut c, &ana.id, &third).await.unwrap();
        assert_eq!(taken, first);
        users::delete(&mut c, &ben.id).await.unwrap();
        let rows = c.fetch_all("select handle from user_handles", vec![]).await.unwrap();
        assert_eq!(rows.len(), 1);
    }
}

#[tokio::test]
async fn a_use_is_noted_for_one_authenticator_alone() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (of_ana, of_ben) = (totp(&ana, true), totp(&ben, true));
        authenticators::create(&mut c, &of_ana).await.unwrap();
        authenticators::create(&mut c, &of_ben).await.unwrap();
        let later = T0 + Span::minutes(5);
        authenticators::note_use(&mut c, &of_ana.id, later).await.unwrap();
        // What is stored nowhere (the address of an account) notes nothing.
        authenticators::note_use(&mut c, &AuthenticatorId::trusted("dev_AAAAAAAAAAAAAAAA"), later)
            .await
            .unwrap();
        let used = |a: Option<Authenticator>| a.unwrap().last_auth_at;
        assert_eq!(used(authenticators::find(&mut c, &of_ana.id).await.unwrap()), Some(later));
        assert_eq!(used(authenticators::find(&mut c, &of_ben.id).await.unwrap()), of_ben.last_auth_at);
    }
}

#[tokio::test]
async fn a_ceremony_is_read_with_its_user_and_nobody_elses_authenticators() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (old, new) =
            (totp(&ana, true), Authenticator { created_at: T0 + Span::hours(1), ..key(&ana, true) });
        for on in [&new, &old, &totp(&ben, true)] {
            authenticators::create(&mut c, on).await.unwrap();
        }
        for (hash, user) in [("hers", &ana), ("his", &ben)] {
            let begun = Stored {
                handle_hash: hash.to_owned(),
                version: 0,
                kind: "mfa_token".to_owned(),
                user: user.id.clone(),
                client: ClientId::trusted("web"),
                data: json!({"of": hash}),
                created_at: T0,
                expires_at: T0 + Span::minutes(10),
                used_at: None,
            };
            ceremonies::create(&mut c, &begun).await.unwrap();
        }
        let mut find =
            async |hash, kind| ceremonies::find_with_user::<Value>(&mut c, hash, kind).await.unwrap();
        let hers = find("hers", "mfa_token").await.expect("it is there");
        assert_eq!((hers.stored.data, hers.stored.user), (json!({"of": "hers"}), ana.id.clone()));
        assert_eq!((hers.user.id, hers.authenticators), (ana.id, vec![old, new]), "the oldest first");
        assert!(find("hers", "access_token").await.is_none());
        assert!(find("nobodys", "mfa_token").await.is_none());
    }
}

#[tokio::test]
async fn of_many_at_once_one_spends_a_step() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let held = totp(&ana, true);
        authenticators::create(&mut c, &held).await.unwrap();
        c.commit().await.unwrap();
        for step in 1..20 {
            let tasks: Vec<_> =
                (0..10).map(|_| tokio::spawn(spend(db.clone(), held.id.clone(), step))).collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap());
            }
            assert_eq!(won, 1, "step {step}");
        }
    }
}

async fn spend(db: Db, id: AuthenticatorId, step: i64) -> bool {
    let mut c = db.write().await.unwrap();
    let claimed = authenticators::spend(&mut c, &id, Some(&Spend::Step(step)), T0).await.unwrap();
    c.commit().await.unwrap();
    claimed
}

#[tokio::test]
async fn methods_of_every_type_for_the_management_api() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let mut phone = Method {
            id: AuthenticatorId::new(rng().as_mut()),
            user: ana.id.clone(),
            kind: "phone".to_owned(),
            confirmed: true,
            name: None,
            data: json!({"phone_number": "+15005550006"}),
            link_id: None,
            created_at: T0,
            enrolled_at: Some(T0),
            last_auth_at: None,
        };
        methods::create(&mut c, &phone).await.unwrap();
        phone.name = Some("SMS".to_owned());
        assert!(methods::save(&mut c, &phone).await.unwrap());
        let read = methods::find_of_user(&mut c, &ana.id, &phone.id).await.unwrap().unwrap();
        assert_eq!((read.name.as_deref(), &read.data), (Some("SMS"), &phone.data));
        assert!(methods::find_of_user(&mut c, &ben.id, &phone.id).await.unwrap().is_none());
        assert!(methods::find(&mut c, &phone.id).await.unwrap().is_some());
        assert_eq!(methods::list_of_user(&mut c, &ana.id).await.unwrap().len(), 1);
        for (kind, after, found) in [("phone", "", 1), ("phone", phone.id.as_str(), 0), ("totp", "", 0)] {
            assert_eq!(methods::list_of_kind(&mut c, kind, after, 5).await.unwrap().len(), found);
        }
        let both = vec![ana.id.to_string(), ben.id.to_string()];
        assert_eq!(methods::list_enrolled(&mut c, both, &["phone"]).await.unwrap(), [ana.id.to_string()]);
    }
}

fn session(of: &User) -> Session {
    Session {
        id: SessionId::new(rng().as_mut()),
        user: of.id.clone(),
        methods: pwd(),
        auth_time: T0,
        clients: vec![],
        device: Device::first(Some("192.0.2.1"), Some("Browser")),
        created_at: T0,
        last_used_at: T0,
        idle_expires_at: T0 + Span::hours(1),
        expires_at: T0 + Span::hours(9),
    }
}

#[tokio::test]
async fn sessions_are_found_by_the_hash_of_their_handle_which_rotates() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let mut hers = session(&ana);
        sessions::create(&mut c, &hers, "h1").await.unwrap();
        sessions::create(&mut c, &session(&ben), "h2").await.unwrap();
        hers.auth_time = T0 + Span::minutes(5);
        assert!(sessions::save(&mut c, &hers, Some("h3")).await.unwrap());
        assert!(sessions::find_by_handle(&mut c, "h1").await.unwrap().is_none());
        let read = sessions::find_by_handle(&mut c, "h3").await.unwrap().unwrap();
        assert_eq!((&read.id, read.auth_time, &read.device), (&hers.id, hers.auth_time, &hers.device));
        assert!(sessions::save(&mut c, &hers, None).await.unwrap());
        assert!(sessions::find(&mut c, &hers.id).await.unwrap().is_some());
        assert_eq!(sessions::list_of_user(&mut c, &ana.id, T0).await.unwrap().len(), 1);
        assert!(
            sessions::list_of_user(&mut c, &ana.id, T0 + Span::hours(2)).await.unwrap().is_empty(),
            "idle too long"
        );
        assert_eq!(sessions::delete_of_user(&mut c, &ana.id, Some(&hers.id)).await.unwrap(), 0);
        assert!(
            sessions::delete(&mut c, &hers.id).await.unwrap()
                && !sessions::delete(&mut c, &hers.id).await.unwrap()
        );
        assert_eq!(sessions::delete_expired(&mut c, T0 + Span::minutes(59)).await.unwrap(), 0);
        assert_eq!(sessions::delete_expired(&mut c, T0 + Span::hours(1)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_was_declined_is_of_a_user_on_a_browser_and_for_a_time() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let key = OfferKind::DeviceKey;
        let week = T0 + Span::days(7);
        declined_offers::decline(&mut c, &ana.id, key, "h", Some(week)).await.unwrap();
        let list = async |c: &mut _, user: &User, browser: &str, at: Timestamp| {
            declined_offers::list_of_user(c, &user.id, browser, at).await.unwrap()
        };
        assert_eq!(list(&mut c, &ana, "h", T0).await, [key]);
        assert_eq!(list(&mut c, &ana, "h", week).await, []);
        assert_eq!(list(&mut c, &ana, "other", T0).await, []);
        assert_eq!(list(&mut c, &ana, "", T0).await, [], "a browser that is not known");
        assert_eq!(list(&mut c, &ben, "h", T0).await, [], "changing A leaves B alone");
        declined_offers::decline(&mut c, &ana.id, key, "h", None).await.unwrap();
        assert_eq!(list(&mut c, &ana, "h", week).await, [key], "declined again, for ever");
        declined_offers::decline(&mut c, &ben.id, key, "", Some(week)).await.unwrap();
        assert_eq!(list(&mut c, &ben, "any", T0).await, [key], "everywhere");
        assert_eq!(declined_offers::delete_expired(&mut c, week).await.unwrap(), 1);
        assert_eq!(list(&mut c, &ana, "h", week).await, [key]);
    }
}

#[tokio::test]
async fn remembered_browsers_end_by_idleness_age_and_order() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let end = T0 + Span::days(30);
        let week = Span::days(7);
        for (person, handle) in [(&ana, "h"), (&ben, "h"), (&ana, "other")] {
            let id = RememberedBrowserId::new(rng().as_mut());
            remembered_browsers::create(&mut c, &id, handle, &person.id, "Browser", T0, end).await.unwrap();
        }
        let known = async |c: &mut _, handle: &str, at: Timestamp| {
            remembered_browsers::is_remembered(c, handle, &ana.id, week, at).await.unwrap()
        };
        assert!(known(&mut c, "h", T0 + Span::days(6)).await);
        assert!(!known(&mut c, "h", T0 + Span::days(8)).await, "idle");
        assert!(
            remembered_browsers::claim_use(&mut c, "h", &ana.id, week, T0 + Span::days(6)).await.unwrap()
        );
        assert!(known(&mut c, "h", T0 + Span::days(8)).await, "the use counted");
        assert!(
            !remembered_browsers::claim_use(&mut c, "h", &ana.id, Span::days(99), end).await.unwrap(),
            "too old"
        );
        assert!(!known(&mut c, "planted", T0).await);
        assert_eq!(remembered_browsers::rotate(&mut c, "h", "h2").await.unwrap(), 2);
        assert!(
            !known(&mut c, "h", T0 + Span::days(6)).await && known(&mut c, "h2", T0 + Span::days(6)).await
        );
        let hers =
            remembered_browsers::list_of_user(&mut c, &ana.id, week, T0 + Span::days(6)).await.unwrap();
        assert_eq!(hers.len(), 2);
        let late =
            remembered_browsers::list_of_user(&mut c, &ana.id, week, T0 + Span::days(8)).await.unwrap();
        assert_eq!(late.len(), 1, "one is idle");
        assert!(!remembered_browsers::delete(&mut c, &late[0].id, &ben.id).await.unwrap(), "not his");
        assert_eq!(remembered_browsers::delete_of_browser(&mut c, "h2", &ana.id).await.unwrap(), 1);
        assert!(!remembered_browsers::delete(&mut c, &late[0].id, &ana.id).await.unwrap());
        assert_eq!(remembered_browsers::delete_of_user(&mut c, &ana.id).await.unwrap(), 1);
        assert_eq!(remembered_browsers::delete_expired(&mut c, end).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn tickets_are_spent_once_by_their_kind_and_in_time() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let ticket = Ticket {
            user: ana.id.clone(),
            data: json!({"x": 1}),
            created_at: T0,
            expires_at: T0 + Span::days(5),
            used_at: None,
        };
        for hash in ["a", "b", "c"] {
            tickets::create(&mut c, hash, "reset", &ticket).await.unwrap();
        }
        assert!(tickets::find::<serde_json::Value>(&mut c, "a", "enrol").await.unwrap().is_none());
        assert!(!tickets::claim(&mut c, "a", "enrol", T0).await.unwrap());
        assert!(!tickets::claim(&mut c, "a", "reset", T0 + Span::days(5)).await.unwrap());
        assert!(
            tickets::claim(&mut c, "a", "reset", T0).await.unwrap()
                && !tickets::claim(&mut c, "a", "reset", T0).await.unwrap()
        );
        let spent = tickets::find::<serde_json::Value>(&mut c, "a", "reset").await.unwrap().unwrap();
        assert_eq!((spent.used_at, &spent.data), (Some(T0), &ticket.data));
        assert_eq!(tickets::claim_all_of_user(&mut c, &ana.id, "reset", T0).await.unwrap(), 2);
        assert_eq!(tickets::delete_expired(&mut c, T0 + Span::days(34)).await.unwrap(), 0);
        assert_eq!(tickets::delete_expired(&mut c, T0 + Span::days(35)).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn what_is_taken_from_a_role_or_a_user_is_gone_and_nothing_else() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let id = ResourceServerId::new(rng().as_mut());
        let api = ResourceServer {
            id,
            identifier: "https://roles".to_owned(),
            data: Document::default(),
            created_at: T0,
            updated_at: T0,
        };
        resource_servers::create(&mut c, &api).await.unwrap();
        let mut role =
            Role { id: RoleId::new(rng().as_mut()), name: "auditor".to_owned(), description: String::new() };
        assert!(!roles::save(&mut c, &role).await.unwrap(), "nothing to save yet");
        roles::create(&mut c, &role, T0).await.unwrap();
        role.description = "Reads".to_owned();
        assert!(roles::save(&mut c, &role).await.unwrap());
        assert_eq!(roles::find(&mut c, &role.id).await.unwrap().as_ref(), Some(&role));

        let [read, write] = ["read:x", "write:x"]
            .map(|name| Permission { audience: "https://roles".to_owned(), name: name.to_owned() });
        for permission in [&read, &write] {
            roles::add_permission(&mut c, &role.id, permission).await.unwrap();
            roles::add_user_permission(&mut c, &ana.id, permission, T0).await.unwrap();
        }
        roles::add_to_user(&mut c, &ana.id, &role.id, T0).await.unwrap();
        roles::remove_permission(&mut c, &role.id, &read).await.unwrap();
        assert_eq!(roles::list_permissions(&mut c, &role.id).await.unwrap(), std::slice::from_ref(&write));
        roles::remove_user_permission(&mut c, &ana.id, &write).await.unwrap();
        let held = roles::list_held(&mut c, &ana.id).await.unwrap();
        let direct: Vec<_> = held.iter().filter(|h| h.role.is_none()).map(|h| &h.permission).collect();
        assert_eq!((direct, held.len()), (vec![&read], 2), "the role still gives write:x");
        roles::remove_from_user(&mut c, &ana.id, &role.id).await.unwrap();
        assert!(roles::list_of_user(&mut c, &ana.id).await.unwrap().is_empty());
        assert_eq!(roles::list_held(&mut c, &ana.id).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn sessions_are_noted_on() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (one, other) = (session(&ana), session(&ben));
        sessions::create(&mut c, &one, "h1").await.unwrap();
        sessions::create(&mut c, &other, "h2").await.unwrap();
        sessions::save_metadata(&mut c, &one.id, Some("{\"k\":\"v\"}")).await.unwrap();
        assert_eq!(sessions::metadata(&mut c, &one.id).await.unwrap().unwrap()["k"], "v");
        assert_eq!(sessions::metadata(&mut c, &other.id).await.unwrap(), None);
        sessions::save_metadata(&mut c, &one.id, None).await.unwrap();
        assert_eq!(sessions::metadata(&mut c, &one.id).await.unwrap(), None);
    }
}
