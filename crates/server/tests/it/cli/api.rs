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
