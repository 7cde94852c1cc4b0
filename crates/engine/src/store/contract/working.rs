//! Jobs.

use lockstep_core::ids::JobId;
use lockstep_core::time::Span;
use serde_json::json;

use super::{T0, connection, fill, rng, user};
use crate::store::jobs::{self, Job, Kind, Status};
use crate::store::{connections, testing, users};

fn job(kind: Kind) -> Job {
    Job {
        id: JobId::new(rng().as_mut()),
        kind,
        status: Status::Pending,
        data: json!({"upsert": true}),
        position: 0,
        place: String::new(),
        created_at: T0,
    }
}

#[tokio::test]
async fn a_job_is_one_workers_until_its_time_is_over_and_each_batch_counts_once() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let made = job(Kind::Import);
        jobs::create(&mut c, &made, Some("[\"a secret hash\"]")).await.unwrap();
        assert_eq!(jobs::count_open(&mut c, Kind::Import).await.unwrap(), 1);
        assert_eq!(jobs::count_open(&mut c, Kind::Export).await.unwrap(), 0);
        let mut first = jobs::claim(&mut c, T0, T0 + Span::minutes(2)).await.unwrap().unwrap();
        assert_eq!((&first.id, first.status), (&made.id, Status::Processing));
        assert!(jobs::claim(&mut c, T0, T0 + Span::minutes(2)).await.unwrap().is_none(), "it is taken");
        let later = T0 + Span::minutes(3);
        let mut second = jobs::claim(&mut c, later, later + Span::minutes(2)).await.unwrap().unwrap();
        second.position = 100;
        assert!(jobs::advance(&mut c, &second, 0, later, later).await.unwrap());
        first.position = 100;
        assert!(!jobs::advance(&mut c, &first, 0, later, later).await.unwrap(), "the other did this batch");
        assert_eq!(jobs::input(&mut c, &made.id).await.unwrap(), "[\"a secret hash\"]");
        second.status = Status::Completed;
        second.position = 120;
        assert!(jobs::advance(&mut c, &second, 100, later, later).await.unwrap());
        assert_eq!(jobs::input(&mut c, &made.id).await.unwrap(), "", "hashes go when they are stored");
        assert!(jobs::claim(&mut c, later + Span::days(1), later).await.unwrap().is_none());
        let read = jobs::find(&mut c, &made.id).await.unwrap().unwrap();
        assert_eq!((read.status, read.position, read.kind), (Status::Completed, 120, Kind::Import));
    }
}

#[tokio::test]
async fn a_job_goes_after_a_day_with_all_that_it_holds() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (made, other) = (job(Kind::Export), job(Kind::Export));
        for job in [&made, &other] {
            jobs::create(&mut c, job, None).await.unwrap();
            jobs::claim(&mut c, T0, T0 + Span::minutes(2)).await.unwrap();
        }
        jobs::create_error(&mut c, &made.id, 7, &json!({"user": {}})).await.unwrap();
        jobs::create_error(&mut c, &made.id, 3, &json!({"user": 3})).await.unwrap();
        assert_eq!(jobs::list_errors(&mut c, &made.id).await.unwrap()[0], json!({"user": 3}));
        assert!(jobs::list_errors(&mut c, &other.id).await.unwrap().is_empty());
        jobs::create_part(&mut c, &made.id, 0, vec![1]).await.unwrap();
        jobs::create_part(&mut c, &made.id, 500, vec![2]).await.unwrap();
        assert_eq!(jobs::find_part(&mut c, &made.id, 1).await.unwrap(), Some((500, vec![2])));
        assert_eq!(jobs::find_part(&mut c, &made.id, 501).await.unwrap(), None);
        jobs::create_link(&mut c, "hash", &made.id, T0 + Span::seconds(60)).await.unwrap();
        let found = jobs::find_by_link(&mut c, "hash", T0 + Span::seconds(59)).await.unwrap();
        assert_eq!(found.map(|job| job.id), Some(made.id.clone()));
        assert!(jobs::find_by_link(&mut c, "hash", T0 + Span::seconds(60)).await.unwrap().is_none());
        let done = Job { status: Status::Completed, ..made.clone() };
        assert!(jobs::advance(&mut c, &done, 0, T0, T0).await.unwrap());
        assert_eq!(jobs::delete_expired(&mut c, T0 + Span::hours(23)).await.unwrap(), 1, "the address");
        assert_eq!(jobs::delete_expired(&mut c, T0 + Span::hours(24)).await.unwrap(), 1);
        assert!(jobs::find(&mut c, &made.id).await.unwrap().is_none());
        assert!(jobs::find(&mut c, &other.id).await.unwrap().is_some());
        assert!(jobs::find_part(&mut c, &made.id, 0).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn users_of_a_connection_are_walked_by_their_ids() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (ana, ben) = fill(&mut c).await;
        connections::create(&mut c, &connection("other")).await.unwrap();
        let mut cy = user("cyl");
        cy.connection = "other".to_owned();
        users::create(&mut c, &cy, None).await.unwrap();
        let ids = |found: Vec<lockstep_core::model::user::User>| -> Vec<_> {
            found.into_iter().map(|u| u.id).collect()
        };
        let all = users::list_some_after(&mut c, None, "", 2).await.unwrap();
        assert_eq!(ids(all), [ana.id.clone(), ben.id.clone()]);
        let some = users::list_some_after(&mut c, Some("db"), ana.id.as_str(), 9).await.unwrap();
        assert_eq!(ids(some), [ben.id]);
        assert_eq!(ids(users::list_some_after(&mut c, Some("other"), "", 9).await.unwrap()), [cy.id]);
    }
}
