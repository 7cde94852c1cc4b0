//! The commands of an operator: users, factors, doctor, backup, man.

use std::process::Stdio;

use serde_json::Value;

use super::{Place, Ran};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"))
}

fn create(place: &Place, email: &str, password: &str) -> Ran {
    use std::io::Write as _;
    let mut command = place.command(&["users", "create", email, "--verified", "--json"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn users_are_made_found_shown_blocked_and_deleted() {
    let place = Place::new();
    let _twin = place.twin(&[]);
    let made = create(&place, "eve@example.com", "a-long-Passw0rd!\n");
    assert_eq!(made.code, 0, "{}", made.err);
    let id = json(&made)["user_id"].as_str().unwrap().to_owned();
    assert_eq!(json(&made)["email_verified"], true);
    let weak = create(&place, "mallory@example.com", "a\n");
    assert!(weak.code == 1 && weak.err.contains("PasswordStrengthError"), "{}", weak.err);
    let empty = create(&place, "mallory@example.com", "");
    assert!(empty.code == 1 && empty.err.contains("no password"), "{}", empty.err);

    let found = place.run(&["users", "list", "--search", "email:eve@example.com"]);
    assert_eq!(found.code, 0, "{}", found.err);
    assert!(found.out.contains(&id) && !found.out.contains("ben@"), "{}", found.out);
    let broken = place.run(&["users", "list", "--search", "email:("]);
    assert!(broken.code == 1 && broken.err.contains("400"), "{}", broken.err);

    let blocked = place.run(&["users", "block", "eve@example.com"]);
    assert_eq!((blocked.code, blocked.out.trim()), (0, format!("Blocked {id}.").as_str()), "{}", blocked.err);
    let shown = place.run(&["users", "show", &id]);
    assert!(
        shown.out.contains("blocked       yes") && shown.out.contains("factors       none"),
        "{}",
        shown.out
    );
    assert_eq!(place.run(&["users", "unblock", &id]).code, 0);
    let shown = place.run(&["users", "show", "eve@example.com", "--json"]);
    assert_eq!(json(&shown)["user"]["blocked"], false);

    let unasked = place.run(&["users", "delete", &id]);
    assert!(unasked.code == 1 && unasked.err.contains("--force"), "{}", unasked.err);
    assert_eq!(place.run(&["users", "delete", &id, "--force"]).code, 0);
    let gone = place.run(&["users", "delete", &id, "--force"]);
    assert!(gone.code == 1 && gone.err.contains("The user does not exist"), "{}", gone.err);
}

#[test]
fn factors_and_their_policy_are_switched_and_the_doctor_tells_half_of_it() {
    let place = Place::new();
    let _twin = place.twin(&[]);
    assert_eq!(
        place
            .run(&["factors", "disable", "otp", "sms", "email", "webauthn-roaming", "webauthn-platform"])
            .code,
        0
    );
    assert_eq!(place.run(&["factors", "policy", "always"]).code, 0);
    let locked = place.run(&["doctor"]);
    assert!(
        locked.code == 1 && locked.out.contains("[policy-without-factor]"),
        "{}{}",
        locked.out,
        locked.err
    );
    assert_eq!(place.run(&["factors", "enable", "otp", "recovery-code"]).code, 0);
    let fine = place.run(&["doctor", "--json"]);
    let codes: Vec<Value> = json(&fine).as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
    assert!(!codes.iter().any(|code| code == "policy-without-factor"), "{codes:?}");
    assert_eq!(place.run(&["factors", "policy", "never"]).code, 0);
    let unasked = place.run(&["doctor"]);
    assert!(unasked.code == 0 && unasked.out.contains("[factor-without-policy]"), "{}", unasked.out);
    let listed = place.run(&["factors", "list"]);
    assert!(listed.out.contains("policy: never") && listed.out.contains("otp "), "{}", listed.out);
    let unknown = place.run(&["factors", "enable", "telepathy"]);
    assert!(unknown.code == 1 && unknown.err.contains("No enum match"), "{}", unknown.err);
}

#[test]
fn the_doctor_looks_into_a_servers_database_and_a_backup_is_a_database() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    let examined = place.run(&["doctor", "--config", "lockstep.toml", "--json"]);
    assert!(examined.out.contains("\"no-mail\""), "{}{}", examined.out, examined.err);
    let copied = place.run(&["backup", "copy.db"]);
    assert_eq!(copied.code, 0, "{}", copied.err);
    let again = place.run(&["backup", "copy.db"]);
    assert!(again.code == 1 && again.err.contains("there already"), "{}", again.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(place.path("copy.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "the copy is its owner's alone");
    }
    // The copy opens with the same master key, and says the same.
    let text = std::fs::read_to_string(place.path("lockstep.toml")).unwrap();
    let other = format!("{text}\n");
    std::fs::write(place.path("copy.toml"), other).unwrap();
    let mut command = place.command(&["doctor", "--config", "copy.toml", "--json"]);
    let from_copy = Ran::from(command.env("LOCKSTEP_DATABASE_URL", "sqlite:copy.db").output().unwrap());
    assert_eq!(from_copy.out, examined.out, "{}", from_copy.err);
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    let first = place.run(&["man"]);
    assert!(first.code == 0 && first.out.contains(".TH"), "{}", first.err);
    assert_eq!(place.run(&["man", "pages"]).code, 0);
    for page in ["lockstep.1", "lockstep-dev.1", "lockstep-serve.1", "lockstep-users.1", "lockstep-doctor.1"]
    {
        assert!(place.path("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn the_log_is_listed_searched_and_followed() {
    use std::io::{BufRead as _, BufReader};
    let place = Place::new();
    let _twin = place.twin(&[]);
    let switch = |on: &str| {
        let body = format!("{{\"enabled\": {on}}}");
        assert_eq!(place.run(&["api", "put", "guardian/factors/email", "--data", &body]).code, 0);
    };
    switch("true");
    let listed = place.run(&["logs", "list", "-q", "type:sapi"]);
    assert!(listed.code == 0 && listed.out.contains("Set a factor on or off"), "{}", listed.err);
    let one = place.run(&["logs", "list", "-n", "1", "--json"]);
    assert_eq!(one.out.lines().count(), 1);
    assert!(json(&one)["log_id"].is_string());
    let refused = place.run(&["logs", "list", "-q", "shoe_size:43"]);
    assert!(refused.code == 1 && refused.err.contains("400"), "{}", refused.err);

    let mut tail = place.command(&["logs", "tail", "-q", "type:sapi", "--json"]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(tail.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("Waiting for records"), "{line}");
    switch("false");
    let mut record = String::new();
    BufReader::new(tail.stdout.take().unwrap()).read_line(&mut record).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        record["details"]["request"]["body"]["enabled"], false,
        "nothing of before it began: {record}"
    );
    tail.kill().unwrap();
    tail.wait().unwrap();
}
