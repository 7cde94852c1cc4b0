//! Log streams, and the entries of `keys/encryption`.

use lockstep_core::ids::{EncryptionKeyId, LogId, LogStreamId};
use lockstep_core::model::log_stream::{LogStream, Status};
use lockstep_core::time::Span;
use serde_json::json;
use zeroize::Zeroizing;

use super::{T0, document, rng};
use crate::store::db::{Conn, DbError};
use crate::store::encryption_keys::EncryptionKey;
use crate::store::logs::Record;
use crate::store::search::Slice;
use crate::store::{encryption_keys, log_streams, logs, testing};

fn stream(name: &str) -> LogStream {
    LogStream {
        id: LogStreamId::new(rng().as_mut()),
        name: name.to_owned(),
        kind: "http".to_owned(),
        status: Status::Active,
        data: document(json!({"isPriority": false})),
        sink: document(json!({"httpAuthorization": "Bearer hunter2"})),
        created_at: T0,
    }
}

async fn log(conn: &mut Conn, id: u8) {
    let record = Record {
        id: LogId::trusted(format!("{id:056}")),
        code: "s",
        date: T0,
        client: None,
        user: None,
        connection: None,
        ip: None,
        connection_id: None,
        client_name: None,
        user_name: None,
        description: String::new(),
        hostname: None,
        user_agent: None,
        data: json!({"n": id}).to_string(),
    };
    logs::create(conn, &record).await.unwrap();
}

#[tokio::test]
async fn a_stream_comes_back_whole_and_its_sink_is_sealed() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (mut one, other) = (stream("one"), stream("other"));
        log_streams::create(&mut c, &one, "5").await.unwrap();
        log_streams::create(&mut c, &other, "5").await.unwrap();
        assert!(log_streams::lock(&mut c, &one.id).await.unwrap());
        one.status = Status::Paused;
        one.name = "first".to_owned();
        assert!(log_streams::save(&mut c, &one).await.unwrap());
        assert_eq!(log_streams::find(&mut c, &one.id).await.unwrap(), Some(one.clone()));
        assert_eq!(log_streams::list_all(&mut c).await.unwrap().len(), 2);
        for row in c.fetch_all("select sink, data from log_streams", vec![]).await.unwrap() {
            let sealed: Vec<u8> = row.get("sink").unwrap();
            assert!(!String::from_utf8_lossy(&sealed).contains("hunter2"));
        }
        assert!(log_streams::delete(&mut c, &one.id).await.unwrap());
        assert!(!log_streams::delete(&mut c, &one.id).await.unwrap());
        assert!(!log_streams::lock(&mut c, &one.id).await.unwrap());
        assert_eq!(log_streams::find(&mut c, &other.id).await.unwrap(), Some(other));
        assert!(matches!(log_streams::create(&mut c, &stream("other"), "").await, Err(DbError::Conflict)));
    }
}

#[tokio::test]
async fn a_stream_is_taken_by_one_at_a_time_and_goes_on_from_where_it_was() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let one = stream("one");
        let (first, end) = (format!("{:056}", 1), format!("{:056}", 9));
        log_streams::create(&mut c, &one, &first).await.unwrap();
        let (now, later) = (T0, T0 + Span::minutes(1));
        let due =
            async |c: &mut Conn, at, until: &str| log_streams::list_due(c, "http", at, until).await.unwrap();
        log(&mut c, 1).await;
        assert!(due(&mut c, now, &end).await.is_empty(), "nothing is new");
        for id in [2, 3, 9] {
            log(&mut c, id).await;
        }
        assert_eq!(due(&mut c, now, &end).await, std::slice::from_ref(&one.id));
        assert!(log_streams::list_due(&mut c, "splunk", now, &end).await.unwrap().is_empty());
        let claimed = log_streams::claim(&mut c, &one.id, now, later).await.unwrap().unwrap();
        assert_eq!((claimed.cursor.as_str(), claimed.attempts), (first.as_str(), 0));
        assert!(log_streams::claim(&mut c, &one.id, now, later).await.unwrap().is_none(), "somebody has it");
        assert!(due(&mut c, now, &end).await.is_empty());
        let batch = logs::list_between(&mut c, &claimed.cursor, &end, 10).await.unwrap();
        assert_eq!(batch, [json!({"n": 2}), json!({"n": 3})]);
        assert_eq!(logs::list_between(&mut c, &claimed.cursor, &end, 1).await.unwrap().len(), 1);

        // A claim that ran out is another server's, and the first one notes nothing any more.
        let again =
            log_streams::claim(&mut c, &one.id, later, later + Span::minutes(1)).await.unwrap().unwrap();
        assert!(!log_streams::save_sent(&mut c, &claimed, &end, now).await.unwrap());
        assert!(!log_streams::save_failure(&mut c, &claimed, now, Some(later)).await.unwrap());
        let next = later + Span::seconds(10);
        assert!(log_streams::save_failure(&mut c, &again, later, Some(next)).await.unwrap());
        assert!(due(&mut c, later, &end).await.is_empty(), "not its turn");
        let third =
            log_streams::claim(&mut c, &one.id, next, next + Span::minutes(1)).await.unwrap().unwrap();
        assert_eq!((third.attempts, third.failing_since), (1, Some(later)));
        let middle = format!("{:056}", 2);
        assert!(log_streams::save_sent(&mut c, &third, &middle, next).await.unwrap());
        let fourth =
            log_streams::claim(&mut c, &one.id, next, next + Span::minutes(1)).await.unwrap().unwrap();
        assert_eq!((fourth.cursor, fourth.attempts, fourth.failing_since), (middle, 0, None));
        let fourth = log_streams::claim(&mut c, &one.id, next + Span::hours(1), next + Span::hours(2)).await;
        assert!(log_streams::save_failure(&mut c, &fourth.unwrap().unwrap(), later, None).await.unwrap());
        assert_eq!(log_streams::find(&mut c, &one.id).await.unwrap().unwrap().status, Status::Suspended);
        assert!(due(&mut c, next + Span::days(1), &end).await.is_empty());
    }
}

#[tokio::test]
async fn an_encryption_key_is_destroyed_once_and_stays_listed() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let key = EncryptionKey {
            kid: EncryptionKeyId::new(rng().as_mut()),
            kind: "customer-provided-root-key".to_owned(),
            state: "pre-activation".to_owned(),
            created_at: T0,
            updated_at: T0,
        };
        encryption_keys::create(&mut c, &key).await.unwrap();
        assert_eq!(encryption_keys::find(&mut c, &key.kid).await.unwrap(), Some(key.clone()));
        let private = Zeroizing::new(b"private-bytes".to_vec());
        assert!(encryption_keys::save_wrapping(&mut c, &key.kid, &private, T0).await.unwrap());
        let raw = c.fetch_optional("select wrapping from encryption_keys", vec![]).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&raw.get::<Vec<u8>>("wrapping").unwrap()).contains("private"));
        assert!(encryption_keys::destroy(&mut c, &key.kid, T0).await.unwrap());
        assert!(!encryption_keys::destroy(&mut c, &key.kid, T0).await.unwrap());
        assert!(!encryption_keys::save_wrapping(&mut c, &key.kid, &private, T0).await.unwrap());
        let all = Slice::Offset { start: 0, limit: 5 };
        let (found, total) = encryption_keys::list(&mut c, &all).await.unwrap();
        assert_eq!((found[0].state.as_str(), total), ("destroyed", 1));
    }
}
