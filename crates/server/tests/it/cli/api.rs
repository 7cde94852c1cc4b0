//! `lockstep api` and the other commands that talk to a running twin.

use super::Place;

#[test]
fn without_a_server_it_says_how_to_get_one() {
    let ran = Place::new().run(&["api", "get", "guardian/factors"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("lockstep dev") && ran.err.contains("LOCKSTEP_URL"), "{}", ran.err);
}

#[test]
fn wrong_arguments_are_told_before_anything_is_sent() {
    let place = Place::new();
    for (args, told) in [
        (&["api", "get"][..], "path is missing"),
        (&["api", "fetch", "users"], "no method"),
        (&["api", "post", "users", "--data", "{"], "not JSON"),
        (&["api", "get", "users", "-q", "page"], "name=value"),
    ] {
        let ran = place.run(args);
        assert!(ran.code != 0 && ran.err.contains(told), "{args:?}: {}", ran.err);
    }
}

#[test]
fn a_certificate_that_is_not_trusted_leads_to_the_ca_option() {
    let place = Place::new();
    let twin = place.twin(&[]);
    let elsewhere = Place::new();
    let args =
        ["api", "get", "clients", "--url", twin.text("https"), "--client-id", "a", "--client-secret", "b"];
    let ran = elsewhere.run(&args);
    assert!(ran.code == 1 && ran.err.contains("--ca FILE"), "{}", ran.err);
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = place.run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("lockstep"), "{shell}");
    }
}

#[test]
fn a_running_twin_is_found_and_answers_are_printed_with_their_exit_code() {
    let place = Place::new();
    let _twin = place.twin(&[]);
    let json = |ran: &super::Ran| serde_json::from_str::<serde_json::Value>(&ran.out).unwrap();
    let put = place.run(&["api", "put", "guardian/factors/sms", "--data", "{\"enabled\": true}"]);
    assert_eq!((put.code, json(&put)), (0, serde_json::json!({"enabled": true})), "{}", put.err);
    let get = place.run(&["api", "guardian/policies"]);
    assert_eq!((get.code, get.out.as_str()), (0, "[]\n"), "{}", get.err);
    let unknown = place.run(&["api", "get", "users/auth0|nobody"]);
    assert_eq!((unknown.code, json(&unknown)["errorCode"].as_str()), (1, Some("inexistent_user")));
    let gone = place.run(&["api", "delete", "users/auth0|a1a000000000000000000001"]);
    assert_eq!((gone.code, gone.out.as_str()), (0, ""), "no terminal, so nothing is asked: {}", gone.err);
    let why = place.run(&["why", "ben@example.com"]);
    assert!(why.code == 1 && why.err.contains("no decision"), "{}", why.err);
}

#[test]
fn a_wrong_secret_is_told_in_the_servers_words() {
    let place = Place::new();
    let twin = place.twin(&[]);
    let id = twin.ready["management"]["client_id"].as_str().unwrap();
    let args =
        ["api", "get", "clients", "--url", twin.text("https"), "--client-id", id, "--client-secret", "no"];
    let ran = place.run(&args);
    assert!(ran.code == 1 && ran.err.contains("no token (401"), "{}", ran.err);
}

#[test]
fn a_person_who_lost_her_phone_is_reset_with_a_reason() {
    let place = Place::new();
    let _twin = place.twin(&[]);
    let without = place.run(&["reset-mfa", "ben@example.com"]);
    assert!(without.code != 0 && without.err.contains("--reason"), "{}", without.err);
    let unknown = place.run(&["reset-mfa", "who@example.com", "--reason", "x"]);
    assert!(unknown.code == 1 && unknown.err.contains("no such user"), "{}", unknown.err);
    let ben = "auth0|be0000000000000000000002";
    let reset = place.run(&["reset-mfa", "ben@example.com", "--reason", "lost phone", "--end-sessions"]);
    assert_eq!(
        (reset.code, reset.out.trim()),
        (0, format!("{ben}: 1 second factor removed.").as_str()),
        "{}",
        reset.err
    );
    let again = place.run(&["reset-mfa", ben, "--reason", "lost phone"]);
    assert!(again.code == 0 && again.out.contains("no second factor"), "{}{}", again.out, again.err);
    let logs = place.run(&["api", "get", "logs", "-q", "q=type:gd_unenroll"]);
    assert!(logs.out.contains("\"reason\": \"lost phone\""), "{}", logs.out);
}
