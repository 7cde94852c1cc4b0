//! Database connections.

use serde_json::json;

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn a_connection_lives_and_takes_its_users_along() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let body = json!({"name": "users-db", "strategy": "auth0"});
    let made = admin.expect(201, "POST", "/connections", Some(body.clone())).await;
    assert_eq!(made["options"]["passwordPolicy"], "good");
    assert_eq!((&made["realms"], &made["enabled_clients"]), (&json!(["users-db"]), &json!([])));
    admin.expect(409, "POST", "/connections", Some(body)).await;
    let user = json!({"connection": "users-db", "email": "cy@example.com", "password": "Pw-cy-123!"});
    admin.expect(201, "POST", "/users", Some(user)).await;
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    let gone = admin.expect(202, "DELETE", &path, None).await;
    assert!(gone["deleted_at"].as_str().unwrap().ends_with('Z'));
    admin.expect(204, "DELETE", &path, None).await;
    assert_eq!(admin.expect(200, "GET", "/users-by-email?email=cy@example.com", None).await, json!([]));
    let told = admin.expect(404, "GET", &path, None).await;
    assert_eq!(told["errorCode"], "inexistent_connection");
}

#[tokio::test]
async fn options_are_replaced_as_a_whole_and_contradictions_are_named() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let options = json!({"requires_username": true, "configuration": {"API": "s3cret"}});
    let body = json!({"name": "db", "strategy": "auth0", "options": options});
    let made = admin.expect(201, "POST", "/connections", Some(body)).await;
    let sealed = made["options"]["configuration"]["API"].as_str().unwrap();
    assert!(!sealed.contains("s3cret"), "configuration is write-only");
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    let changed = admin.expect(200, "PATCH", &path, Some(json!({"options": {"disable_signup": true}}))).await;
    assert_eq!(changed["options"].get("requires_username"), None);
    assert_eq!(changed["options"]["disable_signup"], true);
    for (attributes, message) in [
        (
            json!({"attributes": {"email": {"identifier": {"active": false}}}}),
            "attributes must contain one active identifier",
        ),
        (
            json!({"attributes": {"email": {"identifier": {"active": true}}}, "validation": {"username": {"min": 1}}}),
            "Cannot set both options.attributes and options.validation",
        ),
        (
            json!({"attributes": {"email": {"identifier": {"active": true}}}, "requires_username": true}),
            "Cannot set both options.attributes and options.requires_username",
        ),
    ] {
        let told = admin.expect(400, "PATCH", &path, Some(json!({"options": attributes}))).await;
        assert_eq!(told["message"], message);
    }
    let social = json!({"name": "g", "strategy": "google-oauth2"});
    let told = admin.expect(400, "POST", "/connections", Some(social)).await;
    assert_eq!(told["errorCode"], "operation_not_supported");
}

#[tokio::test]
async fn clients_are_switched_on_and_off() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let client = admin.expect(201, "POST", "/clients", Some(json!({"name": "Shop"}))).await;
    let id = client["client_id"].as_str().unwrap();
    let default = admin.expect(200, "GET", "/connections?name=Username-Password-Authentication", None).await;
    let enabled = default[0]["enabled_clients"].as_array().unwrap();
    assert!(enabled.iter().any(|c| c == id), "new applications can use the default connection");
    let path = format!("/connections/{}/clients", default[0]["id"].as_str().unwrap());
    admin.expect(204, "PATCH", &path, Some(json!([{"client_id": id, "status": false}]))).await;
    let left = admin.expect(200, "GET", &path, None).await;
    assert!(left["clients"].as_array().unwrap().iter().all(|c| c["client_id"] != id));
    admin.expect(204, "PATCH", &path, Some(json!([{"client_id": id, "status": true}]))).await;
    let of_client = admin.expect(200, "GET", &format!("/clients/{id}/connections"), None).await;
    assert_eq!(of_client["connections"][0]["name"], "Username-Password-Authentication");
    admin.expect(400, "PATCH", &path, Some(json!([{"client_id": "nobody", "status": true}]))).await;
    admin.expect(400, "PATCH", &path, Some(json!([]))).await;
}

#[tokio::test]
async fn options_that_are_sent_in_part_get_their_defaults() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let options = json!({
        "authentication_methods": {"password": {"enabled": true}, "passkey": {"enabled": true}},
        "attributes": {"email": {"identifier": {"active": true}}},
        "password_options": {"complexity": {"min_length": 12, "character_types": ["uppercase", "number"]}}
    });
    let body = json!({"name": "db", "strategy": "auth0", "options": options});
    let made = admin.expect(201, "POST", "/connections", Some(body)).await["options"].clone();
    assert_eq!(
        made["authentication_methods"],
        json!({"password": {"enabled": true, "api_behavior": "required", "signup_behavior": "allow"},
               "passkey": {"enabled": true}, "email_otp": {"enabled": false}, "phone_otp": {"enabled": false}})
    );
    assert_eq!(made["attributes"]["email"]["unique"], true);
    assert_eq!(made["password_options"]["complexity"]["character_type_rule"], "all");
    assert_eq!(made["password_options"]["history"], json!({"active": false, "size": 3}));
    assert_eq!(made.get("passwordPolicy"), None, "the newer form takes the place of the older one");
}

#[tokio::test]
async fn the_newer_form_of_the_password_rules_counts() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let complexity = json!({"min_length": 12, "character_types": ["lowercase", "number"], "identical_characters": "block"});
    let options = json!({"password_options": {"complexity": complexity}});
    let body = json!({"name": "db", "strategy": "auth0", "options": options});
    admin.expect(201, "POST", "/connections", Some(body)).await;
    for (password, status) in
        [("short1", 400), ("onlyletterslong", 400), ("aaabcdefgh123", 400), ("longenough1234", 201)]
    {
        let user =
            json!({"connection": "db", "email": format!("{}@example.com", password), "password": password});
        admin.expect(status, "POST", "/users", Some(user)).await;
    }
}

#[tokio::test]
async fn some_properties_come_along_with_the_ones_that_are_asked_for() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let list = admin.expect(200, "GET", "/connections?fields=name&include_fields=true", None).await;
    let mut names: Vec<&String> = list[0].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["authentication", "connected_accounts", "id", "is_domain_connection", "name"]);
    let without = admin.expect(200, "GET", "/connections?fields=id,options&include_fields=false", None).await;
    assert_eq!((without[0].get("id"), without[0].get("options")), (None, None));
}

#[tokio::test]
async fn addresses_that_were_unique_stay_unique() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let options = |unique: bool| {
        let username = json!({"identifier": {"active": true}});
        json!({"attributes": {"email": {"identifier": {"active": false}, "unique": unique}, "username": username}})
    };
    let body = json!({"name": "db", "strategy": "auth0"});
    let made = admin.expect(201, "POST", "/connections", Some(body)).await;
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    for before in ["nothing is said of addresses", "they are unique"] {
        let told = admin.expect(400, "PATCH", &path, Some(json!({"options": options(false)}))).await;
        assert_eq!(told["message"], "cannot add non-unique email attribute", "{before}");
        admin.expect(200, "PATCH", &path, Some(json!({"options": options(true)}))).await;
    }
    let body = json!({"name": "shared", "strategy": "auth0", "options": options(false)});
    let made = admin.expect(201, "POST", "/connections", Some(body)).await;
    let path = format!("/connections/{}", made["id"].as_str().unwrap());
    admin.expect(200, "PATCH", &path, Some(json!({"options": options(false)}))).await;
}
