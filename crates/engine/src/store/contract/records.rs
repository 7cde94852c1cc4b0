//! Running logins, decisions, log records, messages.

use lockstep_core::ids::{ClientId, DecisionId, LogId, MessageId, TransactionId};
use lockstep_core::model::message::{Message, MessageKind};
use lockstep_core::time::Span;
use serde_json::json;

use super::{T0, fill, rng};
use crate::store::buckets::{self, Budget};
use crate::store::db::{Db, DbError};
use crate::store::decisions::{self, Record};
use crate::store::search::{Filter, Slice};
use crate::store::transactions::{self, Stored};
use crate::store::{ceremonies, login_codes};
use crate::store::{logs, outbox, testing};

fn running(state: &str) -> Stored<serde_json::Value> {
    Stored {
        id: TransactionId::new(rng().as_mut()),
        version: 0,
        cookie_hash: "browser".to_owned(),
        client: ClientId::trusted("web"),
        data: json!({"state": state}),
        created_at: T0,
        expires_at: T0 + Span::hours(1),
    }
}

#[tokio::test]
async fn of_two_submits_of_one_step_one_loses() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let t = running("password");
        transactions::create(&mut c, &t).await.unwrap();
        assert!(transactions::save(&mut c, &t.id, 0, Some(&ana.id), &json!({"state": "otp"})).await.unwrap());
        assert!(!transactions::save(&mut c, &t.id, 0, None, &json!({"state": "other"})).await.unwrap());
        let read = transactions::find::<serde_json::Value>(&mut c, &t.id).await.unwrap().unwrap();
        assert_eq!((read.version, &read.data["state"]), (1, &json!("otp")));
        assert!(!transactions::claim(&mut c, &t.id, 0).await.unwrap());
        assert!(
            transactions::claim(&mut c, &t.id, 1).await.unwrap()
                && !transactions::claim(&mut c, &t.id, 1).await.unwrap()
        );
        assert!(transactions::find::<serde_json::Value>(&mut c, &t.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_two_answers_behind_one_handle_one_loses() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        let begun = ceremonies::Stored {
            handle_hash: "hash".to_owned(),
            version: 0,
            kind: "mfa_token".to_owned(),
            user: ana.id.clone(),
            client: ClientId::trusted("web"),
            data: json!({"secret": "pending-secret"}),
            created_at: T0,
            expires_at: T0 + Span::minutes(10),
            used_at: None,
        };
        ceremonies::create(&mut c, &begun).await.unwrap();
        assert!(ceremonies::save(&mut c, "hash", 0, &json!({"step": 1})).await.unwrap());
        assert!(!ceremonies::save(&mut c, "hash", 0, &json!({"step": 2})).await.unwrap());
        let read = ceremonies::find::<serde_json::Value>(&mut c, "hash", "mfa_token").await.unwrap().unwrap();
        assert_eq!((read.version, &read.data["step"], read.used_at), (1, &json!(1), None));
        assert!(
            ceremonies::find::<serde_json::Value>(&mut c, "hash", "other").await.unwrap().is_none(),
            "a handle of one kind opens nothing of another"
        );
        assert!(!ceremonies::claim(&mut c, "hash", 0, T0).await.unwrap());
        assert!(ceremonies::claim(&mut c, "hash", 1, T0).await.unwrap());
        assert!(!ceremonies::claim(&mut c, "hash", 2, T0).await.unwrap(), "it is over");
        assert!(!ceremonies::save(&mut c, "hash", 2, &json!({})).await.unwrap(), "it is over");
        let other = ceremonies::Stored { handle_hash: "other".to_owned(), ..begun.clone() };
        ceremonies::create(&mut c, &other).await.unwrap();
        let handles = |all: Vec<ceremonies::Stored<serde_json::Value>>| -> Vec<String> {
            all.into_iter().map(|one| one.handle_hash).collect()
        };
        let open = ceremonies::list_of_user(&mut c, &ana.id, "mfa_token", T0).await.unwrap();
        assert_eq!(handles(open), ["other"], "what is over is under way no more");
        let late = T0 + Span::minutes(10);
        let none = ceremonies::list_of_user::<serde_json::Value>(&mut c, &ana.id, "mfa_token", late);
        assert_eq!(none.await.unwrap().len(), 0);
        assert!(ceremonies::delete(&mut c, "other").await.unwrap());
        assert!(!ceremonies::delete(&mut c, "other").await.unwrap());
        let third = ceremonies::Stored { handle_hash: "third".to_owned(), ..begun.clone() };
        ceremonies::create(&mut c, &third).await.unwrap();
        assert_eq!(ceremonies::end_of_user(&mut c, &ana.id, T0).await.unwrap(), 1);
        assert_eq!(ceremonies::end_of_user(&mut c, &ana.id, T0).await.unwrap(), 0, "it is over");
        assert!(!ceremonies::claim(&mut c, "third", 0, T0).await.unwrap(), "it is over");
        let raw = c.fetch_all("select data from ceremonies", vec![]).await.unwrap();
        assert!(
            raw.iter().all(|r| !String::from_utf8_lossy(&r.get::<Vec<u8>>("data").unwrap()).contains("step"))
        );
        assert_eq!(ceremonies::delete_expired(&mut c, T0 + Span::hours(1)).await.unwrap(), 0);
        assert_eq!(ceremonies::delete_expired(&mut c, T0 + Span::hours(25)).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn of_login_codes_the_newest_counts_and_once() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let end = T0 + Span::minutes(3);
        login_codes::put(&mut c, "k", &json!({"code": "first"}), T0, end).await.unwrap();
        let first = login_codes::find::<serde_json::Value>(&mut c, "k").await.unwrap().unwrap();
        login_codes::put(&mut c, "k", &json!({"code": "second"}), T0, end).await.unwrap();
        assert!(!login_codes::claim(&mut c, "k", first.version, T0).await.unwrap(), "it was replaced");
        let second = login_codes::find::<serde_json::Value>(&mut c, "k").await.unwrap().unwrap();
        assert_eq!(second.data["code"], "second");
        let missed = json!({"code": "second", "misses": 1});
        assert!(login_codes::save(&mut c, "k", second.version, &missed).await.unwrap());
        assert!(!login_codes::save(&mut c, "k", second.version, &missed).await.unwrap());
        let now = login_codes::find::<serde_json::Value>(&mut c, "k").await.unwrap().unwrap().version;
        assert!(login_codes::claim(&mut c, "k", now, T0).await.unwrap());
        assert!(!login_codes::claim(&mut c, "k", now + 1, T0).await.unwrap(), "it is spent");
        assert!(login_codes::find::<serde_json::Value>(&mut c, "k").await.unwrap().is_none());
        login_codes::put(&mut c, "k", &json!({}), T0, end).await.unwrap();
        assert!(!login_codes::claim(&mut c, "k", now, T0).await.unwrap(), "versions never come again");
        assert_eq!(login_codes::delete_expired(&mut c, T0).await.unwrap(), 0);
        assert_eq!(login_codes::delete_expired(&mut c, end).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn running_logins_are_sealed_and_removed_by_browser_user_and_time() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, _) = fill(&mut c).await;
        for n in 0..3 {
            let t = Stored { cookie_hash: format!("b{n}"), ..running("pending-secret") };
            transactions::create(&mut c, &t).await.unwrap();
            if n == 1 {
                transactions::save(&mut c, &t.id, 0, Some(&ana.id), &t.data).await.unwrap();
            }
        }
        let raw = c.fetch_all("select data from transactions", vec![]).await.unwrap();
        assert!(raw.iter().all(|r| {
            !String::from_utf8_lossy(&r.get::<Vec<u8>>("data").unwrap()).contains("pending-secret")
        }));
        assert_eq!(transactions::delete_of_browser(&mut c, "b0").await.unwrap(), 1);
        assert_eq!(transactions::delete_of_user(&mut c, &ana.id).await.unwrap(), 1);
        assert_eq!(
            transactions::delete_expired(&mut c, T0 + Span::hours(2)).await.unwrap(),
            0,
            "its page can still say so"
        );
        assert_eq!(transactions::delete_expired(&mut c, T0 + Span::hours(25)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_budget_is_never_overdrawn_by_many_at_once() {
    const BUDGET: Budget = Budget::new(10, Span::minutes(6));
    for db in testing::databases().await {
        let tasks: Vec<_> = (0..40).map(|_| tokio::spawn(draw(db.clone()))).collect();
        let mut drawn = 0;
        for task in tasks {
            drawn += u32::from(task.await.unwrap());
        }
        assert_eq!(drawn, 10);
        let mut c = db.write().await.unwrap();
        buckets::give_back(&mut c, "b", BUDGET).await.unwrap();
        assert!(
            buckets::take(&mut c, "b", BUDGET, T0).await.unwrap()
                && !buckets::take(&mut c, "b", BUDGET, T0).await.unwrap()
        );
        assert_eq!(buckets::delete_full(&mut c, T0).await.unwrap(), 0);
        assert_eq!(buckets::delete_full(&mut c, T0 + Span::hours(2)).await.unwrap(), 1);
    }

    async fn draw(db: Db) -> bool {
        let mut c = db.write().await.unwrap();
        let drawn = buckets::take(&mut c, "b", BUDGET, T0).await.unwrap();
        c.commit().await.unwrap();
        drawn
    }
}

#[tokio::test]
async fn decisions_are_listed_by_login_and_by_user() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        let transaction = TransactionId::new(rng().as_mut());
        for (n, user) in [None, Some(ana.id.clone())].into_iter().enumerate() {
            let record = Record {
                transaction: transaction.clone(),
                user,
                client: ClientId::trusted("web"),
                decision: json!({"n": n}),
                created_at: T0 + Span::seconds(i64::try_from(n).unwrap()),
            };
            decisions::create(&mut c, &DecisionId::new(rng().as_mut()), &record).await.unwrap();
        }
        let all = decisions::list_of_transaction(&mut c, &transaction).await.unwrap();
        assert_eq!(all.iter().map(|r| r.decision["n"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(decisions::list_of_user(&mut c, &ana.id, 10).await.unwrap().len(), 1);
        assert!(decisions::list_of_user(&mut c, &ben.id, 10).await.unwrap().is_empty());
        assert_eq!(decisions::delete_before(&mut c, T0 + Span::seconds(1)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn many_log_records_are_added_at_once() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        logs::create_all(&mut c, &[]).await.unwrap();
        logs::create_all(&mut c, &(0..37).map(log_record).collect::<Vec<_>>()).await.unwrap();
        let all = logs::list_between(&mut c, "", "99", 100).await.unwrap();
        assert_eq!(all, (0..37).map(|n| json!({"n": n})).collect::<Vec<_>>());
        assert_eq!(logs::delete_before(&mut c, T0 + Span::seconds(20)).await.unwrap(), 20);
    }
}

fn log_record(n: i64) -> logs::Record {
    logs::Record {
        id: LogId::trusted(format!("900{n:053}")),
        code: "s",
        date: T0 + Span::seconds(n),
        client: None,
        user: Some("auth0|ana".to_owned()),
        connection: None,
        ip: None,
        connection_id: None,
        client_name: Some("Acme Web".to_owned()),
        user_name: None,
        description: "Successful login".to_owned(),
        hostname: None,
        user_agent: None,
        data: json!({"n": n}).to_string(),
    }
}

#[tokio::test]
async fn log_records_are_found_listed_and_expire() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        for n in 0..3 {
            logs::create(&mut c, &log_record(n)).await.unwrap();
        }
        let one = LogId::trusted(format!("900{:053}", 1));
        assert_eq!(logs::find(&mut c, &one).await.unwrap(), Some(json!({"n": 1})));
        assert_eq!(logs::list_between(&mut c, one.as_str(), "99", 10).await.unwrap(), [json!({"n": 2})]);
        let slice = Slice::Offset { start: 0, limit: 1 };
        let (newest, total) = logs::list(&mut c, &Filter::all(), true, &slice).await.unwrap();
        assert_eq!((newest, total), (vec![json!({"n": 2})], 3));
        let named = Filter::all()
            .and("client_name = ? and description like 'Successful%'", crate::values!["Acme Web"]);
        assert_eq!(logs::list(&mut c, &named, true, &slice).await.unwrap().1, 3);
        let day = T0.as_secs() / 86_400;
        let counted = logs::count_by_day(&mut c, T0, T0 + Span::seconds(2)).await.unwrap();
        assert_eq!(counted, [(day, "s".to_owned(), 2)]);
        assert_eq!(logs::delete_before(&mut c, T0 + Span::seconds(2)).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn messages_wait_sealed() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let message = Message {
            kind: MessageKind::ResetEmail,
            user: None,
            recipient: "ana@example.com".to_owned(),
            subject: "S".to_owned(),
            text: "the-link".to_owned(),
            html: None,
            from: None,
            code: None,
            language: String::new(),
            expires_at: T0 + Span::days(5),
        };
        let id = MessageId::new(rng().as_mut());
        outbox::create(&mut c, &id, &message, T0).await.unwrap();
        let all = outbox::list(&mut c, 10).await.unwrap();
        assert_eq!((all.len(), &all[0].message, all[0].sent_at), (1, &message, None));
        let row = c.fetch_optional("select recipient, content from outbox", vec![]).await.unwrap().unwrap();
        for column in ["recipient", "content"] {
            let raw = row.get::<Vec<u8>>(column).unwrap();
            let text = String::from_utf8_lossy(&raw).into_owned();
            assert!(!text.contains("ana@example.com") && !text.contains("the-link"));
        }
        let twice = async {
            outbox::create(&mut c, &id, &message, T0).await?;
            c.commit().await
        };
        assert!(matches!(twice.await, Err(DbError::Conflict)));
    }
}

#[tokio::test]
async fn expired_messages_go_and_the_others_stay() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        for days in [1, 2] {
            let message = Message {
                kind: MessageKind::ResetEmail,
                user: None,
                recipient: "ana@example.com".to_owned(),
                subject: "S".to_owned(),
                text: String::new(),
                html: None,
                from: None,
                code: None,
                language: String::new(),
                expires_at: T0 + Span::days(days),
            };
            outbox::create(&mut c, &MessageId::new(rng().as_mut()), &message, T0).await.unwrap();
        }
        assert_eq!(outbox::delete_expired(&mut c, T0 + Span::days(1)).await.unwrap(), 1);
        assert_eq!(outbox::list(&mut c, 10).await.unwrap()[0].message.expires_at, T0 + Span::days(2));
    }
}

#[tokio::test]
async fn a_full_bucket_goes_and_one_in_use_stays() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let budget = Budget::new(2, Span::minutes(1));
        assert!(buckets::take(&mut c, "a", budget, T0).await.unwrap());
        assert!(buckets::take(&mut c, "b", budget, T0).await.unwrap());
        assert!(buckets::take(&mut c, "b", budget, T0).await.unwrap());
        assert_eq!(buckets::delete_full(&mut c, T0 + Span::minutes(1)).await.unwrap(), 1);
        let soon = T0 + Span::minutes(1);
        assert!(buckets::take(&mut c, "b", budget, soon).await.unwrap());
        assert!(!buckets::take(&mut c, "b", budget, soon).await.unwrap(), "one token, not a new bucket");
    }
}

#[tokio::test]
async fn a_due_message_goes_to_one_sender_and_comes_again_if_he_is_not_heard_of() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let message = |n: i64| Message {
            kind: MessageKind::ResetEmail,
            user: None,
            recipient: "ana@example.com".to_owned(),
            subject: "s".to_owned(),
            text: n.to_string(),
            html: None,
            from: None,
            code: None,
            language: String::new(),
            expires_at: T0 + Span::hours(n),
        };
        let ids: Vec<MessageId> = (0..4).map(|_| MessageId::new(rng().as_mut())).collect();
        for (n, id) in ids.iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            outbox::create(&mut c, id, &message(n), T0 + Span::seconds(n)).await.unwrap();
        }
        let (now, lease) = (T0 + Span::minutes(1), T0 + Span::minutes(2));
        assert!(!outbox::has_due(&mut c, T0).await.unwrap(), "the first is over already");
        assert!(outbox::has_due(&mut c, now).await.unwrap());
        let mut first = outbox::claim_due(&mut c, now, lease, 2, outbox::Which::Mail).await.unwrap();
        first.sort_by_key(|m| m.message.text.clone());
        assert_eq!(first.iter().map(|m| &m.id).collect::<Vec<_>>(), [&ids[1], &ids[2]], "oldest first");
        assert!(first.iter().all(|m| m.attempt == 1 && m.message.recipient == "ana@example.com"));
        let phone = outbox::claim_due(&mut c, now, lease, 9, outbox::Which::Phone).await.unwrap();
        assert!(phone.is_empty(), "mail is not for those who carry calls");
        let rest = outbox::claim_due(&mut c, now, lease, 9, outbox::Which::Mail).await.unwrap();
        assert_eq!(rest.iter().map(|m| &m.id).collect::<Vec<_>>(), [&ids[3]]);
        assert!(outbox::claim_due(&mut c, now, lease, 9, outbox::Which::Mail).await.unwrap().is_empty());

        outbox::save_sent(&mut c, &ids[1], now).await.unwrap();
        outbox::save_failure(&mut c, &ids[2], "no route", Some(T0 + Span::minutes(10)), now).await.unwrap();
        let again =
            outbox::claim_due(&mut c, lease, lease + Span::minutes(1), 9, outbox::Which::Mail).await.unwrap();
        assert_eq!(again.iter().map(|m| (&m.id, m.attempt)).collect::<Vec<_>>(), [(&ids[3], 2)]);
        outbox::save_failure(&mut c, &ids[3], "no mailbox", None, lease).await.unwrap();
        let late = T0 + Span::minutes(30);
        let again =
            outbox::claim_due(&mut c, late, late + Span::minutes(1), 9, outbox::Which::Mail).await.unwrap();
        assert_eq!(again.iter().map(|m| (&m.id, m.attempt)).collect::<Vec<_>>(), [(&ids[2], 2)]);
        let sent = outbox::list(&mut c, 9).await.unwrap();
        assert_eq!(sent.iter().filter(|m| m.sent_at == Some(now)).count(), 1);

        // Their time is over: the first was never tried, the third is with somebody until then, the others are done with.
        let (end, after) = (T0 + Span::hours(9), T0 + Span::hours(10));
        outbox::save_failure(&mut c, &ids[2], "no route", Some(end + Span::seconds(1)), late).await.unwrap();
        let overdue = outbox::claim_overdue(&mut c, end).await.unwrap();
        assert_eq!(overdue.iter().map(|m| (&m.id, m.attempt)).collect::<Vec<_>>(), [(&ids[0], 0)]);
        let overdue = outbox::claim_overdue(&mut c, after).await.unwrap();
        assert_eq!(overdue.iter().map(|m| (&m.id, m.attempt)).collect::<Vec<_>>(), [(&ids[2], 2)]);
        assert!(outbox::claim_overdue(&mut c, after).await.unwrap().is_empty());
        let left = outbox::list(&mut c, 9).await.unwrap();
        assert_eq!(left.iter().map(|m| &m.id).collect::<Vec<_>>(), [&ids[3], &ids[1]]);
    }
}
