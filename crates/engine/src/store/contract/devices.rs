//! What devices hold.

use lockstep_core::ids::{ClientId, DeviceCredentialId, GrantId};
use lockstep_core::model::session::Device;
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};

use super::{T0, fill, pwd, rng};
use crate::store::db::DbError;
use crate::store::device_credentials::{self, PublicKey};
use crate::store::grants::{self, Grant};
use crate::store::search::{Filter, Slice};
use crate::store::{testing, users};
use crate::values;

fn grant(of: &User, rotating: bool, at: Timestamp) -> Grant {
    Grant {
        id: GrantId::new(rng().as_mut()),
        user: of.id.clone(),
        client: ClientId::parse("web").unwrap(),
        session: None,
        audience: None,
        scope: "openid offline_access".to_owned(),
        methods: pwd(),
        auth_time: T0,
        rotating,
        device: Device::first(None, Some("Browser")),
        created_at: at,
        last_exchanged_at: None,
        idle_expires_at: None,
        expires_at: Some(T0 + Span::days(1)),
        revoked_at: None,
    }
}

#[tokio::test]
async fn keys_and_refresh_tokens_of_devices_are_one_list() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let key = |of: &User, device: &str| PublicKey {
            id: DeviceCredentialId::new(rng().as_mut()),
            user: of.id.clone(),
            client: ClientId::parse("web").unwrap(),
            device_name: "Till".to_owned(),
            device_id: device.to_owned(),
            value: "a2V5".to_owned(),
            created_at: T0,
        };
        let (hers, his) = (key(&ana, "d1"), key(&ben, "d1"));
        for key in [&hers, &his] {
            device_credentials::create(&mut c, key).await.unwrap();
        }
        let (plain, rotating) =
            (grant(&ana, false, T0 + Span::seconds(1)), grant(&ana, true, T0 + Span::seconds(2)));
        for grant in [&plain, &rotating] {
            grants::create(&mut c, grant).await.unwrap();
        }
        c.commit().await.unwrap();
        let list = async |filter: Filter, now: Timestamp, limit: i64| {
            let mut c = db.read().await.unwrap();
            let slice = Slice::Offset { start: 0, limit };
            device_credentials::list(&mut c, filter, now, &slice).await.unwrap()
        };
        let of_ana = || Filter::all().and("user_id = ?", values![ana.id]);
        let (found, total) = list(of_ana(), T0, 50).await;
        let shown: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.kind.as_str())).collect();
        assert_eq!(
            shown,
            [
                (hers.id.as_str(), "public_key"),
                (plain.id.as_str(), "refresh_token"),
                (rotating.id.as_str(), "rotating_refresh_token")
            ]
        );
        assert_eq!(total, 3);
        assert_eq!(
            (found[0].device_name.as_deref(), found[0].device_id.as_deref()),
            (Some("Till"), Some("d1"))
        );
        assert_eq!((found[1].device_name.as_deref(), &found[1].device_id), (Some("Browser"), &None));
        assert_eq!((list(of_ana(), T0, 1).await.0.len(), list(of_ana(), T0, 1).await.1), (1, 3));
        assert_eq!(list(of_ana().and("kind = ?", values!["refresh_token"]), T0, 50).await.1, 1);
        assert_eq!(list(of_ana(), T0 + Span::days(1), 50).await.1, 1, "tokens that are over are not there");
        assert_eq!(list(Filter::all().and("client_id = ?", values!["spa"]), T0, 50).await.1, 0);
        let mut c = db.write().await.unwrap();
        assert!(!device_credentials::delete(&mut c, &hers.id, Some(&ben.id)).await.unwrap());
        assert!(device_credentials::delete(&mut c, &hers.id, Some(&ana.id)).await.unwrap());
        assert!(device_credentials::delete(&mut c, &his.id, None).await.unwrap());
        device_credentials::create(&mut c, &his).await.unwrap();
        users::delete(&mut c, &ben.id).await.unwrap();
        assert!(!device_credentials::delete(&mut c, &his.id, None).await.unwrap(), "it goes with its user");
        device_credentials::create(&mut c, &hers).await.unwrap();
        let twice = PublicKey { id: DeviceCredentialId::new(rng().as_mut()), ..hers };
        let twice = device_credentials::create(&mut c, &twice).await;
        assert!(matches!(twice, Err(DbError::Conflict)));
    }
}
