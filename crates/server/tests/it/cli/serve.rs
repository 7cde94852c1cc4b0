//! `lockstep serve`, `init` and `config`.

use std::process::Stdio;

use serde_json::Value;

use super::{Place, Ran};

#[test]
fn serve_refuses_the_flags_and_settings_of_the_twin() {
    let place = Place::new();
    for flag in [
        &["--data", "x"][..],
        &["--json"],
        &["--dev"],
        &["--port", "0"],
        &["--host", "localhost"],
        &["--profile", "assured"],
    ] {
        let ran = place.run(&[&["serve"], flag].concat());
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(&format!("serve does not take {}", flag[0])), "{}", ran.err);
    }
    std::fs::write(place.path("lockstep.toml"), "issuer = \"https://login.example.org\"\ndev = true\n")
        .unwrap();
    let ran = place.run(&["serve"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("dev: belongs to `lockstep dev`"), "{}", ran.err);
}

#[test]
fn init_shows_the_secret_once_and_a_check_finds_everything_in_order() {
    let place = Place::new();
    let first = place.run(&["init", "--issuer", "https://login.example.org", "--json"]);
    assert_eq!(first.code, 0, "{}", first.err);
    let line: Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(line["audience"], "https://login.example.org/api/v2/");
    assert_eq!(line["client_secret"].as_str().unwrap().len(), 64);
    let again = place.run(&["init", "--json"]);
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    let check = place.run(&["config", "check"]);
    assert_eq!(check.code, 0, "{}", check.err);
    std::fs::write(place.path("master.key"), "k:AAAA\n").unwrap();
    let check = place.run(&["config", "check"]);
    assert!(check.code == 1 && check.err.contains("master_key.file"), "{}", check.err);
    assert!(!check.err.contains("AAAA"), "a key is never shown");
}

#[test]
fn a_master_key_that_everybody_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    let key = place.path("master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = place.run(&["serve"]);
    assert!(ran.code == 1 && ran.err.contains("chmod 600"), "{}", ran.err);
}

#[test]
fn another_master_key_than_the_databases_own_stops_the_start() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    let needed = std::fs::read_to_string(place.path("master.key")).unwrap();
    let id = needed.split_once(':').unwrap().0;
    std::fs::remove_file(place.path("master.key")).unwrap();
    let ran = place.run(&["init"]);
    assert!(ran.code == 1 && ran.err.contains("does not open this database"), "{}", ran.err);
    assert!(ran.err.contains(id), "it says which key is missing: {}", ran.err);
}

#[test]
fn a_new_master_key_takes_over_and_the_older_one_can_go() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    assert_eq!(place.run(&["backup", "yesterday.db"]).code, 0);
    let open_yesterdays = || {
        let mut command = place.command(&["init", "--new-client"]);
        Ran::from(command.env("LOCKSTEP_DATABASE_URL", "sqlite:yesterday.db").output().unwrap())
    };
    let rotated = place.run(&["keys", "rotate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.err);
    let file = place.path("master.key");
    let keys = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = keys.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(rotated.out.contains(lines[0].split_once(':').unwrap().0) && !rotated.out.contains(lines[0]));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777, 0o600);
    let sealed = place.run(&["keys", "reseal"]);
    assert_eq!(sealed.code, 0, "{}", sealed.err);
    assert!(sealed.out.contains("remove their lines"), "{}", sealed.out);
    let opened = open_yesterdays();
    assert_eq!(opened.code, 0, "a backup of before opens with the ring of today: {}", opened.err);
    for (line, code) in [(lines[1], 1), (lines[0], 0)] {
        std::fs::write(&file, line).unwrap();
        assert_eq!(place.run(&["init", "--new-client"]).code, code, "{line:.6}");
    }
    let (closed, older) = (open_yesterdays(), lines[1].split_once(':').unwrap().0);
    assert!(
        closed.code == 1 && closed.err.contains(older),
        "without the older key it names it: {}",
        closed.err
    );
    let mut command = place.command(&["keys", "rotate"]);
    let refused = command.env("LOCKSTEP_MASTER_KEY", lines[0]).output().unwrap();
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("LOCKSTEP_MASTER_KEY")
    );
}

#[tokio::test]
async fn serve_answers_and_has_nothing_of_the_twin() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = place
        .command(&["serve"])
        .env("LOCKSTEP_LISTEN", format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let mut health = None;
    for _ in 0..200 {
        health = reqwest::get(format!("{base}/health")).await.ok();
        if health.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let health = health.map(|answer| answer.status().as_u16());
    let mut found = Vec::new();
    for path in ["/_dev/", "/_dev/api/clock", "/_dev/api/outbox", "/_dev/playground"] {
        found.push(reqwest::get(format!("{base}{path}")).await.map(|a| a.status().as_u16()).ok());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(health, Some(200));
    assert_eq!(found, [Some(404); 4]);
}

#[test]
fn reset_mfa_works_in_the_database_of_a_server() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "--issuer", "https://login.example.org"]).code, 0);
    let ran = place.run(&["reset-mfa", "who@example.com", "--reason", "x", "--config", "lockstep.toml"]);
    assert!(ran.code == 1 && ran.err.contains("there is no such user"), "{}", ran.err);
}
