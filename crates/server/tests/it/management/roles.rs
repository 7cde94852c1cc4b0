//! Roles and permissions.

use serde_json::json;

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn permissions_come_directly_and_by_roles_and_go_with_their_scope() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let scopes = json!([{"value": "read:x", "description": "Read x"}, {"value": "write:x"}]);
    let api = json!({"identifier": "https://p.example", "name": "P", "scopes": scopes});
    let api = admin.expect(201, "POST", "/resource-servers", Some(api)).await;
    let role = admin.expect(200, "POST", "/roles", Some(json!({"name": "admin"}))).await;
    assert_eq!(role["description"], "");
    let role = role["id"].as_str().unwrap();
    let groups = admin.expect(200, "GET", &format!("/roles/{role}/groups"), None).await;
    assert_eq!(groups, json!({"groups": []}));
    admin.expect(404, "GET", "/roles/rol_0000000000000000/groups", None).await;
    let permissions = |name: &str| {
        Some(
            json!({"permissions": [{"resource_server_identifier": "https://p.example", "permission_name": name}]}),
        )
    };
    let of_role = format!("/roles/{role}/permissions");
    assert_eq!(admin.expect(201, "POST", &of_role, permissions("read:x")).await, json!({}));
    admin.expect(400, "POST", &of_role, permissions("fly:x")).await;
    admin.expect(204, "POST", "/users/auth0%7Cana/roles", Some(json!({"roles": [role]}))).await;
    admin.expect(400, "POST", "/users/auth0%7Cana/roles", Some(json!({"roles": ["rol_nope"]}))).await;
    let of_user = "/users/auth0%7Cana/permissions";
    assert_eq!(admin.expect(201, "POST", of_user, permissions("read:x")).await, json!({}));
    admin.expect(201, "POST", of_user, permissions("write:x")).await;
    let held = admin.expect(200, "GET", &format!("{of_user}?include_totals=true"), None).await;
    assert_eq!(held["total"], 2);
    assert_eq!(held["permissions"][0]["description"], "Read x");
    let sources = held["permissions"][0]["sources"].as_array().unwrap();
    let sources: Vec<&str> = sources.iter().map(|s| s["source_type"].as_str().unwrap()).collect();
    assert_eq!(sources, ["DIRECT", "ROLE"]);
    let users = admin.expect(200, "GET", &format!("/roles/{role}/users?take=5"), None).await;
    assert_eq!(users["users"][0]["user_id"], "auth0|ana");
    let path = format!("/resource-servers/{}", api["id"].as_str().unwrap());
    admin.expect(200, "PATCH", &path, Some(json!({"scopes": [{"value": "write:x"}]}))).await;
    let held = admin.expect(200, "GET", of_user, None).await;
    assert_eq!(held.as_array().map(Vec::len), Some(1), "a scope that is gone is nobody's");
    assert_eq!(admin.expect(200, "DELETE", &format!("/roles/{role}"), None).await, json!({}));
    assert_eq!(admin.expect(200, "GET", "/users/auth0%7Cana/roles", None).await, json!([]));
    let told = admin.expect(404, "GET", &format!("/roles/{role}"), None).await;
    assert_eq!(told["errorCode"], "inexistent_role");
}
