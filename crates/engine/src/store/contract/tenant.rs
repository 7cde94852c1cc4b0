//! What configures a tenant: settings, applications, APIs, grants, connections, keys.

use lockstep_core::ids::{ClientGrantId, ClientId, ConnectionId, CredentialId, KeyId, ResourceServerId};
use lockstep_core::model::attack_protection::{self, BruteForce};
use lockstep_core::model::document::Document;
use lockstep_core::model::resource_server::{ClientGrant, ResourceServer};
use lockstep_core::model::settings::{Guardian, TenantSettings};
use lockstep_core::time::Span;
use serde_json::json;
use zeroize::Zeroizing;

use super::{T0, client, connection, document, fill, rng};
use crate::store::credentials::Credential;
use crate::store::db::{Backend, DbError};
use crate::store::keys::StoredKey;
use crate::store::search::{Filter, Slice};
use crate::store::{
    client_grants, clients, connections, credentials, keys, meta, resource_servers, sealed, settings, testing,
};

const ALL: Slice = Slice::Offset { start: 0, limit: 50 };

#[tokio::test]
async fn settings_have_defaults_and_are_replaced_whole() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        assert_eq!(settings::tenant(&mut c).await.unwrap().friendly_name(), "Lockstep");
        assert_eq!(settings::guardian(&mut c).await.unwrap(), Guardian::default());
        assert_eq!(settings::brute_force(&mut c).await.unwrap(), BruteForce::default());
        let lockout = json!({"mode": "count_per_identifier"});
        settings::save(&mut c, attack_protection::BRUTE_FORCE, &lockout, T0).await.unwrap();
        assert!(settings::brute_force(&mut c).await.unwrap().from_everywhere);
        let mut tenant = TenantSettings::default();
        tenant.0.set("friendly_name", "Acme");
        settings::save_tenant(&mut c, &tenant, T0).await.unwrap();
        assert_eq!(settings::tenant(&mut c).await.unwrap().friendly_name(), "Acme");
        let guardian = Guardian { factors: vec!["otp".to_owned()], ..Guardian::default() };
        settings::save_guardian(&mut c, &guardian, T0).await.unwrap();
        assert_eq!(settings::guardian(&mut c).await.unwrap(), guardian);
        assert_eq!(settings::find::<Document>(&mut c, "branding").await.unwrap(), None);
        settings::save(&mut c, "branding", &document(json!({"a": 1})), T0).await.unwrap();
        assert_eq!(
            settings::find::<Document>(&mut c, "branding").await.unwrap(),
            Some(document(json!({"a": 1})))
        );
        settings::save_sealed(&mut c, "twilio", &json!({"auth_token": "very-secret"}), T0).await.unwrap();
        let read: serde_json::Value = settings::find_sealed(&mut c, "twilio").await.unwrap().unwrap();
        assert_eq!(read["auth_token"], "very-secret");
        let raw = c.fetch_all("select data, sealed from settings", vec![]).await.unwrap();
        for row in raw {
            let sealed: Option<Vec<u8>> = row.get("sealed").unwrap();
            let text = format!(
                "{}{}",
                row.get::<String>("data").unwrap(),
                String::from_utf8_lossy(&sealed.unwrap_or_default())
            );
            assert!(!text.contains("very-secret"));
        }
        assert!(settings::delete(&mut c, "twilio").await.unwrap());
        assert!(!settings::delete(&mut c, "twilio").await.unwrap());
        assert_eq!(settings::find_sealed::<serde_json::Value>(&mut c, "twilio").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_name_in_meta_is_taken_once() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        assert!(meta::create(&mut c, "x", "1").await.unwrap());
        assert!(!meta::create(&mut c, "x", "2").await.unwrap());
        assert_eq!(meta::find(&mut c, "x").await.unwrap().as_deref(), Some("1"));
        assert_eq!(meta::find(&mut c, "y").await.unwrap(), None);
        meta::save(&mut c, "x", "3").await.unwrap();
        assert_eq!(meta::find(&mut c, "x").await.unwrap().as_deref(), Some("3"));
    }
}

#[tokio::test]
async fn every_sealed_column_is_known_and_one_under_the_newest_key_stays() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        fill(&mut c).await;
        for column in &sealed::COLUMNS {
            let (last, count) = sealed::reseal(&mut c, column, "", 1).await.unwrap();
            assert_eq!(count, 0, "{}", column.place);
            if let Some(last) = last {
                let (next, _) = sealed::reseal(&mut c, column, &last, 1000).await.unwrap();
                assert_ne!(next, Some(last));
            }
        }
        if db.backend() == Backend::Sqlite {
            let sql =
                "select t.name || ':' || c.name as place from sqlite_schema t, pragma_table_info(t.name) c
                       where t.type = 'table' and c.type = 'BLOB' and t.name not like '!_%' escape '!'";
            let blobs = c.fetch_all(sql, vec![]).await.unwrap();
            let mut blobs: Vec<String> = blobs.iter().map(|row| row.get("place").unwrap()).collect();
            // Parts of exports, which hold what `users` has in clear and are gone after a day.
            blobs.retain(|place| place != "job_parts:content");
            let mut known: Vec<&str> = sealed::COLUMNS.iter().map(|column| column.place).collect();
            blobs.sort();
            known.sort_unstable();
            assert_eq!(blobs, known, "every blob is a sealed column");
        }
    }
}

#[tokio::test]
async fn clients_come_back_whole_and_changing_one_leaves_the_other_alone() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        clients::create(&mut c, &client("web")).await.unwrap();
        clients::create(&mut c, &client("spa")).await.unwrap();
        let mut web = clients::find(&mut c, &ClientId::trusted("web")).await.unwrap().unwrap();
        assert_eq!((web.secret.as_str(), web.created_at), ("web-secret", T0));
        assert_eq!(web.data, client("web").data);
        web.data.set("name", "Shop");
        web.secret = "other".to_owned().into();
        assert!(clients::save(&mut c, &web).await.unwrap());
        let all = clients::list_all(&mut c).await.unwrap();
        let shown: Vec<_> = all.iter().map(|x| (x.name(), x.secret.as_str())).collect();
        assert_eq!(shown, [("spa", "spa-secret"), ("Shop", "other")]);
        assert_eq!(clients::list(&mut c, &Filter::all(), &ALL).await.unwrap().1, 2);
        assert!(clients::delete(&mut c, &web.id).await.unwrap());
        assert!(
            !clients::delete(&mut c, &web.id).await.unwrap() && !clients::save(&mut c, &web).await.unwrap()
        );
        assert!(clients::find(&mut c, &web.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_api_has_the_oldest_client_that_stands_for_it() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        for (id, app_type, api) in [
            ("b", "resource_server", "https://one.example"),
            ("a", "resource_server", "https://two.example"),
            ("c", "resource_server", "https://one.example"),
            ("d", "regular_web", "https://three.example"),
        ] {
            let mut client = client(id);
            client.data.set("app_type", app_type);
            client.data.set("resource_server_identifier", api);
            clients::create(&mut c, &client).await.unwrap();
        }
        let mut found: Vec<_> = clients::of_apis(&mut c).await.unwrap().into_iter().collect();
        found.sort();
        let expected = [("https://one.example", "b"), ("https://two.example", "a")];
        assert_eq!(found, expected.map(|(api, id)| (api.to_owned(), ClientId::trusted(id))));
    }
}

#[tokio::test]
async fn a_secret_column_is_sealed_and_bound_to_its_row() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        clients::create(&mut c, &client("web")).await.unwrap();
        clients::create(&mut c, &client("spa")).await.unwrap();
        let row = c
            .fetch_optional("select secret from clients where client_id = 'web'", vec![])
            .await
            .unwrap()
            .unwrap();
        assert!(!String::from_utf8_lossy(&row.get::<Vec<u8>>("secret").unwrap()).contains("web-secret"));
        c.execute("update clients set secret = (select secret from clients where client_id = 'web') where client_id = 'spa'", vec![])
            .await
            .unwrap();
        assert!(matches!(clients::find(&mut c, &ClientId::trusted("spa")).await, Err(DbError::Corrupt(_))));
        assert!(clients::find(&mut c, &ClientId::trusted("web")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn apis_and_their_grants() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        fill(&mut c).await;
        let mut api = ResourceServer {
            id: ResourceServerId::new(rng().as_mut()),
            identifier: "https://api.example/".to_owned(),
            data: document(json!({"name": "Api"})),
            created_at: T0,
            updated_at: T0,
        };
        resource_servers::create(&mut c, &api).await.unwrap();
        let found =
            resource_servers::find_by_identifier(&mut c, "https://api.example/").await.unwrap().unwrap();
        assert_eq!((&found.id, found.name()), (&api.id, "Api"));
        api.data.set("name", "Other");
        assert!(resource_servers::save(&mut c, &api).await.unwrap());
        assert_eq!(resource_servers::find(&mut c, &api.id).await.unwrap().unwrap().name(), "Other");
        assert_eq!(resource_servers::list(&mut c, &Filter::all(), &ALL).await.unwrap().1, 1);
        let mut grant = ClientGrant {
            id: ClientGrantId::new(rng().as_mut()),
            client: ClientId::trusted("web"),
            audience: api.identifier.clone(),
            subject_type: "client".to_owned(),
            data: document(json!({"scope": ["read:a"]})),
            created_at: T0,
        };
        client_grants::create(&mut c, &grant).await.unwrap();
        grant.data.set("scope", json!([]));
        assert!(client_grants::save(&mut c, &grant).await.unwrap());
        assert_eq!(client_grants::find(&mut c, &grant.id).await.unwrap().unwrap().scopes().count(), 0);
        assert!(
            client_grants::find_for(&mut c, &grant.client, &api.identifier, "client")
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            client_grants::find_for(&mut c, &grant.client, &api.identifier, "user").await.unwrap().is_none()
        );
        assert_eq!(client_grants::list(&mut c, &Filter::all(), &ALL).await.unwrap().1, 1);
        assert!(client_grants::delete(&mut c, &grant.id).await.unwrap());
        assert!(!client_grants::delete(&mut c, &grant.id).await.unwrap());
        assert!(resource_servers::delete(&mut c, &api.id).await.unwrap());
        assert!(resource_servers::find(&mut c, &api.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_second_api_of_one_identifier_and_a_grant_of_nobody_are_refused() {
    for db in testing::databases().await {
        let api = |id: &str| ResourceServer {
            id: ResourceServerId::trusted(id),
            identifier: "https://api.example/".to_owned(),
            data: Document::default(),
            created_at: T0,
            updated_at: T0,
        };
        let mut c = db.write().await.unwrap();
        resource_servers::create(&mut c, &api("a")).await.unwrap();
        c.commit().await.unwrap();
        let mut c = db.write().await.unwrap();
        assert!(matches!(resource_servers::create(&mut c, &api("b")).await, Err(DbError::Conflict)));
        drop(c);
        let mut c = db.write().await.unwrap();
        let nobody = ClientGrant {
            id: ClientGrantId::new(rng().as_mut()),
            client: ClientId::trusted("nobody"),
            audience: "a".to_owned(),
            subject_type: "client".to_owned(),
            data: Document::default(),
            created_at: T0,
        };
        assert!(matches!(client_grants::create(&mut c, &nobody).await, Err(DbError::Missing)));
    }
}

#[tokio::test]
async fn connections_and_who_may_use_them() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        fill(&mut c).await;
        let (mut one, two) = (connection("one"), connection("two"));
        connections::create(&mut c, &one).await.unwrap();
        connections::create(&mut c, &two).await.unwrap();
        one.data.set("display_name", "One");
        assert!(connections::save(&mut c, &one).await.unwrap());
        assert_eq!(
            connections::find(&mut c, &one.id).await.unwrap().unwrap().data.text("display_name"),
            Some("One")
        );
        assert_eq!(connections::find_by_name(&mut c, "two").await.unwrap().unwrap().id, two.id);
        let web = ClientId::trusted("web");
        for _ in 0..2 {
            connections::enable_client(&mut c, &one.id, &web).await.unwrap();
        }
        connections::enable_client(&mut c, &two.id, &ClientId::trusted("spa")).await.unwrap();
        assert_eq!(connections::list_for_client(&mut c, &web).await.unwrap().len(), 1);
        assert_eq!(connections::list_clients(&mut c, &one.id).await.unwrap(), std::slice::from_ref(&web));
        assert_eq!(connections::list(&mut c, &Filter::all(), &ALL).await.unwrap().1, 2);
        connections::disable_client(&mut c, &one.id, &web).await.unwrap();
        assert!(connections::list_for_client(&mut c, &web).await.unwrap().is_empty());
        assert!(connections::delete(&mut c, &two.id).await.unwrap());
        assert!(!connections::delete(&mut c, &ConnectionId::new(rng().as_mut())).await.unwrap());
    }
}

#[tokio::test]
async fn client_credentials_belong_to_their_client() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        fill(&mut c).await;
        let mut one = Credential {
            id: CredentialId::new(rng().as_mut()),
            client: ClientId::trusted("web"),
            data: document(json!({"name": "ci"})),
            pem: Some("PEM".to_owned()),
        };
        credentials::create(&mut c, &one, T0).await.unwrap();
        one.data.set("name", "cd");
        assert!(credentials::save(&mut c, &one).await.unwrap());
        let found = credentials::find(&mut c, &one.client, &one.id).await.unwrap().unwrap();
        assert_eq!((found.data.text("name"), found.pem.as_deref()), (Some("cd"), Some("PEM")));
        let spa = ClientId::trusted("spa");
        assert!(credentials::find(&mut c, &spa, &one.id).await.unwrap().is_none());
        assert!(!credentials::delete(&mut c, &spa, &one.id).await.unwrap());
        assert_eq!(credentials::list_of_client(&mut c, &one.client).await.unwrap().len(), 1);
        assert!(credentials::delete(&mut c, &one.client, &one.id).await.unwrap());
    }
}

#[tokio::test]
async fn signing_keys_are_sealed_and_change_state() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let key = StoredKey {
            kid: KeyId::new(rng().as_mut()),
            algorithm: "RS256".to_owned(),
            state: "current".to_owned(),
            private: Zeroizing::new(b"private-key-bytes".to_vec()),
            public: json!({"kty": "RSA"}),
            certificate: None,
            created_at: T0,
            rotated_at: None,
            revoked_at: None,
        };
        keys::create(&mut c, &key).await.unwrap();
        let day = T0 + Span::days(1);
        assert!(keys::claim_state(&mut c, &key.kid, "current", "previous", day).await.unwrap());
        assert!(!keys::claim_state(&mut c, &key.kid, "current", "previous", T0).await.unwrap(), "once");
        let states = keys::list_states(&mut c).await.unwrap();
        assert_eq!(states, [(key.kid.clone(), "previous".to_owned())]);
        let all = keys::list_all(&mut c).await.unwrap();
        assert_eq!(
            (all[0].private.as_slice(), all[0].state.as_str()),
            (b"private-key-bytes".as_slice(), "previous")
        );
        assert_eq!((all[0].rotated_at, all[0].revoked_at), (Some(day), None));
        assert!(keys::claim_state(&mut c, &key.kid, "previous", "revoked", day).await.unwrap());
        assert_eq!(keys::list_all(&mut c).await.unwrap()[0].revoked_at, Some(day));
        let raw = c.fetch_optional("select private from signing_keys", vec![]).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&raw.get::<Vec<u8>>("private").unwrap()).contains("private-key"));
    }
}
