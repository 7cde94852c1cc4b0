//! Linked accounts.

use lockstep_core::ids::UserId;
use lockstep_core::model::user::{Identity, User};
use lockstep_core::time::Span;

use super::{T0, fill, user};
use crate::store::db::DbError;
use crate::store::linked_accounts::{self, LinkedAccount};
use crate::store::{testing, users};

fn linked(account: &User, owner: &User) -> LinkedAccount {
    let account = User { user_metadata: None, ..account.clone() };
    LinkedAccount { owner: owner.id.clone(), account, linked_at: T0 }
}

#[tokio::test]
async fn a_linked_account_is_found_by_its_names_and_keeps_its_password() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (one, other) = (linked(&user("cy"), &ana), linked(&user("dora"), &ben));
        linked_accounts::create(&mut c, &one, Some("$hash")).await.unwrap();
        linked_accounts::create(&mut c, &other, None).await.unwrap();
        let number = one.account.phone_number.clone().unwrap();
        assert_eq!(linked_accounts::find(&mut c, &one.account.id).await.unwrap().as_ref(), Some(&one));
        for (connection, found) in [("db", Some(&one)), ("other", None)] {
            let by_email =
                linked_accounts::find_by_email(&mut c, connection, "cy@example.com").await.unwrap();
            let by_name = linked_accounts::find_by_username(&mut c, connection, "CY-name").await.unwrap();
            let by_phone = linked_accounts::find_by_phone(&mut c, connection, &number).await.unwrap();
            assert_eq!([by_email.as_ref(), by_name.as_ref(), by_phone.as_ref()], [found; 3]);
        }
        let listed = linked_accounts::list_of_connection(&mut c, "db", 9).await.unwrap();
        assert_eq!(listed, [one.clone(), other.clone()]);
        assert_eq!(linked_accounts::list_of_connection(&mut c, "db", 1).await.unwrap().len(), 1);
        assert_eq!(linked_accounts::list_of_connection(&mut c, "other", 9).await.unwrap(), []);

        let id = &one.account.id;
        assert_eq!(linked_accounts::password_hash(&mut c, id).await.unwrap().as_deref(), Some("$hash"));
        assert!(linked_accounts::rehash_password(&mut c, id, "$hash", "$better").await.unwrap());
        assert!(!linked_accounts::rehash_password(&mut c, id, "$hash", "$worse").await.unwrap());
        let later = T0 + Span::hours(1);
        assert!(linked_accounts::set_password(&mut c, id, "$new", later).await.unwrap());
        assert_eq!(linked_accounts::password_hash(&mut c, id).await.unwrap().as_deref(), Some("$new"));
        let proven = User { email_verified: false, phone_verified: true, ..one.account.clone() };
        assert!(linked_accounts::save(&mut c, &proven).await.unwrap());
        let read = linked_accounts::find(&mut c, id).await.unwrap().unwrap();
        assert_eq!(read.account, User { password_changed_at: Some(later), ..proven });
        let untouched = linked_accounts::find(&mut c, &other.account.id).await.unwrap();
        assert_eq!(untouched, Some(other.clone()), "changing A leaves B alone");
        assert_eq!(linked_accounts::password_hash(&mut c, &other.account.id).await.unwrap(), None);

        assert!(linked_accounts::delete(&mut c, id).await.unwrap());
        assert!(!linked_accounts::delete(&mut c, id).await.unwrap());
        assert!(!linked_accounts::save(&mut c, &one.account).await.unwrap());
        users::delete(&mut c, &ben.id).await.unwrap();
        let gone = linked_accounts::find(&mut c, &other.account.id).await.unwrap();
        assert_eq!(gone, None, "it goes with its user");
    }
}

#[tokio::test]
async fn what_a_linked_account_has_is_taken() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let one = linked(&user("cy"), &ana);
        linked_accounts::create(&mut c, &one, None).await.unwrap();
        c.commit().await.unwrap();
        let same: [fn(&mut User); 4] = [
            |u| u.email = Some("CY@example.com".to_owned()),
            |u| u.username = Some("cy-Name".to_owned()),
            |u| u.phone_number = super::user("cy").phone_number,
            |u| u.id = super::user("cy").id,
        ];
        for take in same {
            let mut new = user("dora");
            take(&mut new);
            let mut c = db.write().await.unwrap();
            assert_eq!(
                linked_accounts::find_holder(&mut c, &new).await.unwrap().as_ref(),
                Some(&one.account.id)
            );
            assert!(matches!(users::create(&mut c, &new, None).await, Err(DbError::Conflict)));
            drop(c);
            // Another connection's names are others.
            new.connection = "other".to_owned();
            new.id = UserId::parse("auth0|elsewhere").unwrap();
            let mut c = db.write().await.unwrap();
            users::create(&mut c, &new, None).await.unwrap();
        }
        let mut c = db.write().await.unwrap();
        let mut changed = users::find_to_change(&mut c, &ben.id).await.unwrap().unwrap();
        changed.email = Some("cy@example.com".to_owned());
        assert!(matches!(users::save(&mut c, &changed).await, Err(DbError::Conflict)));
        drop(c);
        let mut c = db.write().await.unwrap();
        let again = linked_accounts::create(&mut c, &one, None).await;
        assert!(matches!(again, Err(DbError::Conflict)));
    }
}

#[tokio::test]
async fn of_a_sign_up_and_a_link_at_one_moment_only_one_has_the_address() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        c.commit().await.unwrap();
        let mut linking = db.write().await.unwrap();
        users::delete(&mut linking, &ben.id).await.unwrap();
        linked_accounts::create(&mut linking, &linked(&ben, &ana), None).await.unwrap();
        let (other, email) = (db.clone(), ben.email.clone());
        let signing_up = tokio::spawn(async move {
            let mut c = other.write().await.unwrap();
            let new = User { email, ..user("dora") };
            let made = users::create(&mut c, &new, None).await;
            if made.is_ok() {
                c.commit().await.unwrap();
            }
            made
        });
        while !signing_up.is_finished() && !testing::somebody_waits(&db).await {
            tokio::task::yield_now().await;
        }
        linking.commit().await.unwrap();
        assert!(matches!(signing_up.await.unwrap(), Err(DbError::Conflict)));
    }
}

#[test]
fn a_linked_account_shows_its_profile() {
    let shown = Identity::linked(&user("cy"));
    assert_eq!((shown.provider.as_str(), shown.user_id.as_str()), ("auth0", "cy"));
    assert!(shown.is_of(&UserId::parse("auth0|cy").unwrap()) && !shown.is_of(&user("ana").id));
    let profile = shown.profile_data.unwrap();
    assert_eq!(profile["email"], "cy@example.com");
    assert_eq!((&profile["email_verified"], &profile["phone_verified"]), (&true.into(), &false.into()));
    assert!(profile.get("user_metadata").is_none() && profile.get("given_name").is_none());
}
