//! `lockstep import auth0`.

use serde_json::{Value, json};

use super::Place;

const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn ready() -> Place {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    place
}

#[test]
fn an_export_is_tried_imported_resumed_and_imported_again() {
    let place = ready();
    let users = [
        json!({"user_id": "auth0|a1", "email": "ann@example.com", "email_verified": true, "created_at": "2020-01-02T03:04:05.000Z",
            "identities": [{"provider": "auth0"}], "logins_count": 4, "mfa_factors": [{"totp": {"secret": "GEZDGNBVGY3TQOJQ"}}]}),
        json!({"_id": {"$oid": "a1"}, "email": "ann@example.com", "passwordHash": BCRYPT}),
        json!({"user_id": "google-oauth2|7", "email": "goo@example.com"}),
        json!({"user_id": "auth0|b2", "email": "b@example.com\r\nBcc: x@evil.example", "password_hash": BCRYPT}),
    ];
    let lines: Vec<String> = users.iter().map(Value::to_string).collect();
    std::fs::write(place.path("users.ndjson"), lines.join("\n")).unwrap();
    let tried = place.run(&["import", "auth0", "users.ndjson", "--dry-run"]);
    assert_eq!(tried.code, 3, "{}", tried.err);
    assert_eq!(tried.out, "Nothing was changed. 1 users would be new, 1 updated, 2 rows refused.\n");
    let done = place.run(&["import", "auth0", "users.ndjson", "--report", "refused.ndjson"]);
    assert_eq!((done.code, &*done.out), (3, "1 users are new, 1 updated, 2 rows refused.\n"), "{}", done.err);
    let report = std::fs::read_to_string(place.path("refused.ndjson")).unwrap();
    let rows: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["row"], &rows[0]["errors"][0]["code"]), (&json!(3), &json!("CONNECTION_NOT_FOUND")));
    assert_eq!((&rows[1]["row"], &rows[1]["errors"][0]["path"]), (&json!(4), &json!("email")));
    assert!(!report.contains("$2a$"));
    let resumed = place.run(&["import", "auth0", "users.ndjson", "--resume"]);
    assert_eq!(
        (resumed.code, &*resumed.out),
        (0, "0 users are new, 0 updated, 0 rows refused. 4 were done before.\n")
    );
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::write(place.path("folder/1.json"), json!([users[0]]).to_string()).unwrap();
    std::fs::write(place.path("folder/2.jsonl"), "{\"email\": \"cid@example.com\"}\n").unwrap();
    std::fs::write(place.path("folder/notes.txt"), "no users").unwrap();
    let folder = place.run(&["import", "auth0", "folder"]);
    assert_eq!(
        (folder.code, &*folder.out),
        (0, "1 users are new, 1 updated, 0 rows refused.\n"),
        "{}",
        folder.err
    );
    let again = place.run(&["import", "auth0", "folder", "--new-only"]);
    assert_eq!(
        (again.code, &*again.out),
        (3, "0 users are new, 0 updated, 2 rows refused.\n"),
        "{}",
        again.err
    );
    assert!(again.err.contains("row 1: DUPLICATED_USER"), "{}", again.err);
}

#[test]
fn what_cannot_be_read_is_told_and_has_another_exit_code() {
    let place = ready();
    std::fs::write(place.path("half.json"), "[{\"email\": \"a@example.com\"}, {\"email\"").unwrap();
    std::fs::write(place.path("one.json"), "[{\"email\": \"a@example.com\"}]").unwrap();
    for (args, text) in [
        (&["half.json"][..], "ends within a row"),
        (&["nothing.json"], "nothing.json"),
        (&["cache"], "no .json"),
        (&["one.json", "--connection", "nope"], "no database connection"),
    ] {
        std::fs::create_dir_all(place.path("cache")).unwrap();
        let ran = place.run(&[&["import", "auth0"], args].concat());
        assert!(ran.code == 1 && ran.err.contains(text), "{args:?}: {} {}", ran.code, ran.err);
    }
    assert_eq!(place.run(&["import", "auth0", "one.json"]).code, 0);
    std::fs::write(place.path("one.json"), "[{\"email\": \"another@example.com\"}]").unwrap();
    let changed = place.run(&["import", "auth0", "one.json", "--resume"]);
    assert!(changed.code == 1 && changed.err.contains("has changed"), "{}", changed.err);
}
