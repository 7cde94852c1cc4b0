//! Codes, tokens, consents.

use lockstep_core::ids::{ClientId, ConsentId, GrantId, SessionId};
use lockstep_core::model::session::Device;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;
use serde_json::json;

use super::{T0, fill, pwd, rng};
use crate::store::grants::{self, Grant};
use crate::store::opaque_tokens::{self, Opaque};
use crate::store::search::{Filter, Slice};
use crate::store::{assertion_ids, authorization_codes, consents, pushed_requests, testing};
use crate::values;

fn web() -> ClientId {
    ClientId::trusted("web")
}

#[tokio::test]
async fn a_code_is_claimed_once_by_its_client_in_time() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let end = T0 + Span::seconds(60);
        let data = json!({"scope": "openid"});
        authorization_codes::create(&mut c, "h", &web(), &ana.id, &data, T0, end).await.unwrap();
        let spa = ClientId::trusted("spa");
        type Data = serde_json::Value;
        assert!(authorization_codes::claim::<Data>(&mut c, "h", &spa, T0).await.unwrap().is_none());
        assert!(authorization_codes::claim::<Data>(&mut c, "h", &web(), end).await.unwrap().is_none());
        assert!(authorization_codes::find_used(&mut c, "h", &web()).await.unwrap().is_none());
        let claimed = authorization_codes::claim::<Data>(&mut c, "h", &web(), T0).await.unwrap().unwrap();
        assert_eq!((claimed.user, claimed.data), (ana.id, data));
        assert!(authorization_codes::claim::<Data>(&mut c, "h", &web(), T0).await.unwrap().is_none());
        let grant = GrantId::new(rng().as_mut());
        authorization_codes::note_grant(&mut c, "h", &grant).await.unwrap();
        assert_eq!(authorization_codes::find_used(&mut c, "h", &web()).await.unwrap(), Some(Some(grant)));
        assert_eq!(
            authorization_codes::delete_expired(&mut c, end).await.unwrap(),
            0,
            "kept a day, to notice a reuse"
        );
        assert_eq!(authorization_codes::delete_expired(&mut c, end + Span::days(1)).await.unwrap(), 1);
    }
}

fn grant(of: &User, audience: Option<&str>) -> Grant {
    Grant {
        id: GrantId::new(rng().as_mut()),
        user: of.id.clone(),
        client: web(),
        session: None,
        audience: audience.map(str::to_owned),
        scope: "openid".to_owned(),
        methods: pwd(),
        auth_time: T0,
        rotating: true,
        device: Device::default(),
        created_at: T0,
        last_exchanged_at: None,
        idle_expires_at: Some(T0 + Span::days(1)),
        expires_at: Some(T0 + Span::days(30)),
        revoked_at: None,
    }
}

#[tokio::test]
async fn families_of_refresh_tokens() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let (mut one, two, his) = (grant(&ana, None), grant(&ana, Some("https://api/")), grant(&ben, None));
        for g in [&one, &two, &his] {
            grants::create(&mut c, g).await.unwrap();
        }
        grants::create_token(&mut c, "t0", &one.id, 0, T0).await.unwrap();
        grants::create_token(&mut c, "t1", &one.id, 1, T0).await.unwrap();
        assert!(
            grants::claim_token(&mut c, "t0", T0).await.unwrap()
                && !grants::claim_token(&mut c, "t0", T0).await.unwrap()
        );
        let found = grants::find_token(&mut c, "t0").await.unwrap().unwrap();
        assert_eq!((found.sequence, found.newest, found.used_at), (0, 1, Some(T0)));
        assert_eq!((&found.grant.id, found.grant.auth_time), (&one.id, T0));
        assert!(grants::find_token(&mut c, "unknown").await.unwrap().is_none());
        one.last_exchanged_at = Some(T0);
        one.idle_expires_at = Some(T0 + Span::days(2));
        assert!(grants::save_use(&mut c, &one).await.unwrap());
        one.auth_time = T0 + Span::minutes(1);
        assert!(grants::save_proof(&mut c, &one).await.unwrap());
        let found = grants::find_token(&mut c, "t1").await.unwrap().unwrap();
        assert_eq!(found.grant.auth_time, one.auth_time, "MFA at a refresh is kept");
        assert_eq!(
            grants::list_of_user(&mut c, &ana.id, T0 + Span::hours(30)).await.unwrap().len(),
            1,
            "the other lay idle"
        );
        assert!(
            grants::revoke(&mut c, &one.id, T0).await.unwrap()
                && !grants::revoke(&mut c, &one.id, T0).await.unwrap()
        );
        assert!(!grants::save_use(&mut c, &one).await.unwrap(), "revoked since");
        assert!(!grants::find_token(&mut c, "t1").await.unwrap().unwrap().grant.is_live(T0));
        assert_eq!(grants::revoke_for(&mut c, &ana.id, &web(), None, T0).await.unwrap(), 0);
        assert_eq!(grants::revoke_for(&mut c, &ana.id, &web(), Some("https://api/"), T0).await.unwrap(), 1);
        assert_eq!(grants::revoke_of_user(&mut c, &ben.id, T0).await.unwrap(), 1);
        assert_eq!(grants::delete_ended(&mut c, T0 + Span::days(29)).await.unwrap(), 0);
        assert_eq!(grants::delete_ended(&mut c, T0 + Span::days(31)).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_user_has_two_hundred_families_with_an_application_and_the_oldest_goes() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        grants::create(&mut c, &grant(&ben, None)).await.unwrap();
        for n in 0..201 {
            let g = Grant { created_at: T0 + Span::seconds(n), ..grant(&ana, None) };
            grants::create(&mut c, &g).await.unwrap();
        }
        let all = grants::list_of_user(&mut c, &ana.id, T0).await.unwrap();
        assert_eq!((all.len(), all.last().unwrap().created_at), (200, T0 + Span::seconds(1)));
        assert_eq!(grants::list_of_user(&mut c, &ben.id, T0).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn opaque_tokens_end_in_time_and_with_their_grant() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let token = Opaque { user: ana.id.clone(), client: web(), scope: "openid".to_owned() };
        let (id, end) = (GrantId::new(rng().as_mut()), T0 + Span::hours(1));
        opaque_tokens::create(&mut c, "a", &token, Some(&id), T0, end).await.unwrap();
        opaque_tokens::create(&mut c, "b", &token, None, T0, end).await.unwrap();
        assert_eq!(opaque_tokens::find(&mut c, "a", T0).await.unwrap().unwrap().scope, "openid");
        assert!(opaque_tokens::find(&mut c, "a", end).await.unwrap().is_none());
        assert_eq!(opaque_tokens::revoke_of_grant(&mut c, &id, T0).await.unwrap(), 1);
        assert!(opaque_tokens::find(&mut c, "a", T0).await.unwrap().is_none());
        assert!(opaque_tokens::find(&mut c, "b", T0).await.unwrap().is_some());
        assert_eq!(opaque_tokens::delete_expired(&mut c, end).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn pushed_requests_are_claimed_once_by_their_client() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let params = vec![("state".to_owned(), "x".to_owned())];
        let end = T0 + Span::seconds(30);
        pushed_requests::create(&mut c, "h", &web(), &params, T0, end).await.unwrap();
        assert!(pushed_requests::claim(&mut c, "h", &ClientId::trusted("spa"), T0).await.unwrap().is_none());
        assert!(pushed_requests::claim(&mut c, "h", &web(), end).await.unwrap().is_none());
        assert_eq!(pushed_requests::claim(&mut c, "h", &web(), T0).await.unwrap(), Some(params));
        assert!(pushed_requests::claim(&mut c, "h", &web(), T0).await.unwrap().is_none());
        assert_eq!(pushed_requests::delete_expired(&mut c, end).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_assertions_id_counts_once_for_each_client() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let end = T0 + Span::minutes(5);
        assert!(assertion_ids::claim(&mut c, &web(), "j", end).await.unwrap());
        assert!(!assertion_ids::claim(&mut c, &web(), "j", end).await.unwrap());
        assert!(assertion_ids::claim(&mut c, &ClientId::trusted("spa"), "j", end).await.unwrap());
        assert_eq!(assertion_ids::delete_expired(&mut c, end).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_consent_is_replaced_and_withdrawn() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        assert_eq!(consents::find(&mut c, &ana.id, &web(), "").await.unwrap(), None);
        for scopes in [vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]] {
            let id = ConsentId::new(rng().as_mut());
            consents::save(&mut c, &id, &ana.id, &web(), "", &scopes, T0).await.unwrap();
            assert_eq!(consents::find(&mut c, &ana.id, &web(), "").await.unwrap(), Some(scopes));
        }
        assert_eq!(consents::find(&mut c, &ben.id, &web(), "").await.unwrap(), None);
        assert!(!consents::delete(&mut c, &ana.id, &web(), "https://api/").await.unwrap());
        assert!(consents::delete(&mut c, &ana.id, &web(), "").await.unwrap());
    }
}

#[tokio::test]
async fn families_are_noted_on_and_end_with_their_session() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let session = SessionId::new(rng().as_mut());
        let (of_session, other) =
            (Grant { session: Some(session.clone()), ..grant(&ana, None) }, grant(&ana, Some("https://api")));
        for family in [&of_session, &other] {
            grants::create(&mut c, family).await.unwrap();
        }
        assert_eq!(grants::metadata(&mut c, &other.id).await.unwrap(), None);
        grants::save_metadata(&mut c, &other.id, Some("{\"k\":1}")).await.unwrap();
        assert_eq!(grants::metadata(&mut c, &other.id).await.unwrap().unwrap()["k"], 1);
        assert_eq!(grants::metadata(&mut c, &of_session.id).await.unwrap(), None);
        grants::save_metadata(&mut c, &other.id, None).await.unwrap();
        assert_eq!(grants::metadata(&mut c, &other.id).await.unwrap(), None);
        assert_eq!(grants::revoke_of_session(&mut c, &session, T0).await.unwrap(), 1);
        let found = grants::find(&mut c, &of_session.id).await.unwrap().unwrap();
        assert_eq!((found.session, found.revoked_at), (Some(session), Some(T0)));
        assert!(grants::find(&mut c, &other.id).await.unwrap().unwrap().revoked_at.is_none());
    }
}

#[tokio::test]
async fn consents_are_listed_and_withdrawn_one_by_one_or_all() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let ids: Vec<ConsentId> = (0..3).map(|_| ConsentId::new(rng().as_mut())).collect();
        for (id, (user, audience)) in ids.iter().zip([(&ana, ""), (&ana, "https://api"), (&ben, "")]) {
            consents::save(&mut c, id, &user.id, &web(), audience, &["openid".to_owned()], T0).await.unwrap();
        }
        let slice = Slice::Offset { start: 0, limit: 10 };
        let of_ana = Filter::all().and("user_id = ?", values![ana.id]);
        let (found, total) = consents::list(&mut c, &of_ana, &slice).await.unwrap();
        assert_eq!((found.len(), total, &*found[0].scope), (2, 2, &["openid".to_owned()][..]));
        let gone = consents::delete_by_id(&mut c, &ids[1]).await.unwrap().unwrap();
        assert_eq!((gone.user, &*gone.audience), (ana.id.clone(), "https://api"));
        assert!(consents::delete_by_id(&mut c, &ids[1]).await.unwrap().is_none());
        assert_eq!(consents::delete_of_user(&mut c, &ana.id).await.unwrap(), 1);
        assert_eq!(consents::list(&mut c, &Filter::all(), &slice).await.unwrap().1, 1, "ben's stays");
    }
}
