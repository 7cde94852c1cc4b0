//! Searching users: every form of the language, by the few who hold it and by walking the list.

use lockstep_core::ids::UserId;
use lockstep_core::model::user::{Identity, Profile, User};
use lockstep_core::search::parse;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::{T0, connection};
use crate::store::counts::Counts;
use crate::store::db::{Conn, DbError};
use crate::store::user_lists::{self, Search};
use crate::store::user_search::{self, Sought};
use crate::store::{connections, testing, user_attributes, users};

fn person(name: &str, n: i64, app: Value, own: Value) -> User {
    let id = UserId::parse(format!("auth0|{name}")).unwrap();
    User {
        email: Some(format!("{name}@{}", if n < 3 { "Acme.test" } else { "other.test" })),
        email_verified: n % 2 == 0,
        username: (n < 2).then(|| format!("{name}X")),
        profile: Profile {
            name: Some(format!("{name} Ødegård")),
            family_name: Some("Ødegård".to_owned()),
            ..Profile::default()
        },
        app_metadata: app.as_object().cloned(),
        user_metadata: own.as_object().cloned(),
        logins_count: n,
        blocked: n == 2,
        blocked_set: n == 2,
        last_login: (n > 0).then(|| T0 + Span::days(n)),
        created_at: T0 + Span::minutes(n),
        ..User::new(id, if n == 3 { "rare" } else { "db" }, T0)
    }
}

/// Ann, Ben, Cid and Dan; accounts are linked to Ann and Dan.
async fn people(conn: &mut Conn) {
    for name in ["db", "rare"] {
        connections::create(conn, &connection(name)).await.unwrap();
    }
    let mut all = [
        person(
            "ann",
            0,
            json!({"plan": "gold", "age": 9, "roles": ["admin", "ops"], "levels": (1..=20).collect::<Vec<_>>()}),
            json!({"c": {"d": "FR"}}),
        ),
        person(
            "ben",
            1,
            json!({"plan": "silver", "age": 10, "on": true, "at": "2026-01-15T10:00:00.000Z"}),
            json!({}),
        ),
        person(
            "cid",
            2,
            json!({"plan": "gold", "age": -3, "note": "x".repeat(400), "levels": [3, 40]}),
            json!({"c": {"d": "DE"}}),
        ),
        person("dan", 3, json!(null), json!({"plan": "gold"})),
    ];
    all[3].identities.push(Identity {
        connection: "google".to_owned(),
        user_id: "g1".to_owned(),
        provider: "google-oauth2".to_owned(),
        is_social: true,
        profile_data: Some(json!({"email": "dan@g.test"})),
    });
    // Accounts of the same connection: one of who has his own there, one of who has not.
    for (n, name) in [(0, "a1"), (3, "d1")] {
        all[n].identities.push(Identity {
            connection: "db".to_owned(),
            user_id: name.to_owned(),
            provider: "auth0".to_owned(),
            is_social: false,
            profile_data: None,
        });
    }
    for user in &all {
        users::create(conn, user, None).await.unwrap();
    }
}

async fn found(conn: &mut Conn, q: &str, few: i64) -> Vec<String> {
    found_with(&Counts::default(), conn, q, few).await
}

async fn found_with(counts: &Counts, conn: &mut Conn, q: &str, few: i64) -> Vec<String> {
    let sought = Sought::new(&parse(q).unwrap().unwrap()).unwrap_or_else(|e| panic!("{q}: {e}"));
    let order = user_search::order("created_at").unwrap();
    let search = Search { counts, sought: &sought, order, few };
    let found = search.run(conn, 0, 10, true).await.unwrap();
    assert_eq!(found.total, Some(found.users.len() as i64), "{q}");
    let paged = search.run(conn, 1, 1, true).await.unwrap();
    if found.users.len() > 1 {
        assert_eq!(paged.total, found.total, "{q}: the total of a page in between");
        assert_eq!(paged.users[0].id, found.users[1].id, "{q} where {few} are few");
    }
    found.users.iter().map(|user| user.id.parts().1.to_owned()).collect()
}

#[tokio::test]
async fn every_form_finds_the_same_on_both_databases_and_both_ways() {
    let note = format!("app_metadata.note:{}", "x".repeat(400));
    let other_note = format!("app_metadata.note:{}", "x".repeat(399));
    let cases: &[(&str, &[&str])] = &[
        ("email:ANN@acme.test", &["ann"]),
        ("email.domain:ACME.test", &["ann", "ben", "cid"]),
        ("email.domain:acme*", &["ann", "ben", "cid"]),
        ("username:annX", &["ann"]),
        ("username:annx", &[]),
        ("_exists_:username", &["ann", "ben"]),
        ("NOT _exists_:username", &["cid", "dan"]),
        ("name:\"BEN ØDEGÅRD\"", &["ben"]),
        ("name:be*gård", &["ben"]),
        ("name:*øde*", &["ann", "ben", "cid", "dan"]),
        ("family_name:ødeg*", &["ann", "ben", "cid", "dan"]),
        ("name:[b TO d]", &["ben", "cid"]),
        ("logins_count:[1 TO 2]", &["ben", "cid"]),
        ("logins_count:{1 TO *]", &["cid", "dan"]),
        ("_exists_:last_login AND email_verified:true", &["cid"]),
        ("app_metadata.plan:gold", &["ann", "cid"]),
        ("app_metadata.plan:Gold", &[]),
        ("app_metadata.plan:g*", &["ann", "cid"]),
        ("app_metadata.plan:*ver", &["ben"]),
        ("app_metadata.plan:*old*", &["ann", "cid"]),
        ("app_metadata.plan:s*r", &["ben"]),
        ("app_metadata.plan:(gold OR silver) AND NOT name:cid*", &["ann", "ben"]),
        ("app_metadata.age:[-5 TO 9]", &["ann", "cid"]),
        ("app_metadata.age:{9 TO *]", &["ben"]),
        ("app_metadata.age:10", &["ben"]),
        ("app_metadata.at:[2026-01-14 TO 2026-01-15]", &["ben"]),
        ("app_metadata.plan:[gold TO silver]", &["ann", "ben", "cid"]),
        ("app_metadata.levels:[1 TO 5]", &["ann", "cid"]),
        ("app_metadata.levels:[2 TO *]", &["ann", "cid"]),
        ("app_metadata.levels:[2 TO 5] AND email_verified:true AND NOT app_metadata.age:9", &["cid"]),
        ("app_metadata.levels:[* TO *]", &["ann", "cid"]),
        ("app_metadata.on:true", &["ben"]),
        ("app_metadata.roles:ops", &["ann"]),
        ("_exists_:app_metadata.roles", &["ann"]),
        ("_exists_:app_metadata", &["ann", "ben", "cid"]),
        (&note, &["cid"]),
        (&other_note, &[]),
        ("user_metadata.c.d:FR", &["ann"]),
        ("_exists_:user_metadata.c", &["ann", "cid"]),
        ("user_metadata.plan:gold", &["dan"]),
        ("gold", &["ann", "cid"]),
        ("admin OR ben@acme.test", &["ann", "ben"]),
        ("auth0|dan", &["dan"]),
        ("gold -ann", &["ann", "cid"]),
        ("gold -annX", &["cid"]),
        ("identities.connection:db", &["ann", "ben", "cid", "dan"]),
        ("identities.connection:rare", &["dan"]),
        ("identities.connection:google", &["dan"]),
        ("identities.connection:(google OR db) AND app_metadata.plan:gold", &["ann", "cid"]),
        ("identities.provider:auth0", &["ann", "ben", "cid", "dan"]),
        ("identities.provider:google*", &["dan"]),
        ("identities.user_id:ben", &["ben"]),
        ("identities.user_id:be*", &["ben"]),
        ("identities.user_id:g1", &["dan"]),
        ("identities.isSocial:true", &["dan"]),
        ("identities.profileData.email:dan@g.test", &["dan"]),
        ("organization_id:org_1", &[]),
        ("(app_metadata.plan:gold AND name:ann*) OR (name:ben* AND logins_count:1)", &["ann", "ben"]),
        ("NOT app_metadata.plan:gold", &["ben", "dan"]),
        ("name:*", &["ann", "ben", "cid", "dan"]),
        ("blocked:true", &["cid"]),
        ("blocked:false", &["ann", "ben", "dan"]),
        ("email_verified:true AND blocked:true", &["cid"]),
        ("app_metadata.plan:gold AND app_metadata.roles:ops", &["ann"]),
        ("app_metadata.plan:gold AND app_metadata.age:9 AND user_metadata.c.d:FR", &["ann"]),
        ("app_metadata.plan:gold AND email_verified:true", &["ann", "cid"]),
        ("app_metadata.plan:gold AND family_name:ødeg*", &["ann", "cid"]),
        ("name:[b TO d] AND blocked:false", &["ben"]),
        ("name:[b TO d] AND email_verified:true AND phone_verified:false", &["cid"]),
        ("email.domain:acme.test AND logins_count:[1 TO *]", &["ben", "cid"]),
    ];
    for db in testing::databases().await {
        let mut tx = db.write().await.unwrap();
        people(&mut tx).await;
        tx.commit().await.unwrap();
        let everyone_a_milestone = Counts::with_milestones(1, &db).await;
        let mut conn = db.search().await.unwrap();
        for (q, expected) in cases {
            for few in [0, 1, 10_000] {
                assert_eq!(found(&mut conn, q, few).await, *expected, "{q} where {few} are few");
                let found = found_with(&everyone_a_milestone, &mut conn, q, few).await;
                assert_eq!(found, *expected, "{q} where {few} are few, with milestones");
            }
        }
        assert_eq!(Counts::default().of_everybody(&mut conn).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn who_has_no_value_comes_last_in_either_order() {
    for db in testing::databases().await {
        let mut tx = db.write().await.unwrap();
        people(&mut tx).await;
        tx.commit().await.unwrap();
        let mut conn = db.search().await.unwrap();
        for (descending, expected) in
            [(false, ["ben", "cid", "dan", "ann"]), (true, ["dan", "cid", "ben", "ann"])]
        {
            let order = user_search::order("last_login").unwrap().descending(descending);
            let all = Sought::default();
            let found =
                user_lists::list(&mut conn, &Counts::default(), &all, order, 0, 10, true).await.unwrap();
            let ids: Vec<_> = found.users.iter().map(|user| user.id.parts().1).collect();
            assert_eq!(ids, expected);
        }
        assert!(
            user_search::order("email_verified").is_none() && user_search::order("app_metadata.x").is_none()
        );
    }
}

#[tokio::test]
async fn what_is_found_follows_what_is_stored() {
    for db in testing::databases().await {
        let mut tx = db.write().await.unwrap();
        people(&mut tx).await;
        let mut ann = users::find(&mut tx, &UserId::parse("auth0|ann").unwrap()).await.unwrap().unwrap();
        ann.app_metadata = json!({"plan": "lead", "age": 9}).as_object().cloned();
        ann.profile.name = Some("Zoë".to_owned());
        assert!(users::save(&mut tx, &ann).await.unwrap());
        users::delete(&mut tx, &UserId::parse("auth0|cid").unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        user_attributes::complete(&db).await.unwrap();
        user_attributes::complete(&db).await.unwrap();
        let mut conn = db.search().await.unwrap();
        for (q, expected) in [
            ("app_metadata.plan:gold", &[] as &[&str]),
            ("app_metadata.plan:lead", &["ann"]),
            ("app_metadata.age:[8 TO 9]", &["ann"]),
            ("name:ZOË", &["ann"]),
        ] {
            assert_eq!(found(&mut conn, q, 10_000).await, expected, "{q}");
        }
    }
}

#[tokio::test]
async fn users_from_before_there_were_rows_get_them_at_the_next_start() {
    for db in testing::databases().await {
        let mut tx = db.write().await.unwrap();
        people(&mut tx).await;
        tx.execute("delete from user_attributes", vec![]).await.unwrap();
        tx.execute("delete from meta where name = 'user_attributes'", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        user_attributes::complete(&db).await.unwrap();
        let mut conn = db.search().await.unwrap();
        assert_eq!(found(&mut conn, "app_metadata.plan:gold", 10_000).await, ["ann", "cid"]);
    }
}

#[tokio::test]
async fn a_search_that_takes_too_long_ends_and_leaves_a_sound_connection() {
    let forever = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as n from n";
    for db in testing::databases().await {
        let mut conn = db.search().await.unwrap();
        conn.end_search_soon().await;
        let ended = conn.fetch_all(forever, vec![]).await;
        assert!(matches!(ended, Err(DbError::TooLong)), "{ended:?}");
        drop(conn);
        let mut conn = db.search().await.unwrap();
        assert_eq!(Counts::default().of_everybody(&mut conn).await.unwrap(), 0);
    }
}
