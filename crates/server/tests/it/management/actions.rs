//! Actions: stored, deployed, bound, and not run.

use lockstep_engine::flows::management::actions;
use serde_json::{Value, json};

use super::{Admin, admin, logged};
use crate::support::TestApp;

const CODE: &str = "exports.onExecutePostLogin = async (event, api) => {};";

/// The body of an Action for `post-login`, as the command line tool sends it.
fn body(name: &str) -> Value {
    json!({
        "name": name, "supported_triggers": [{"id": "post-login", "version": "v3"}], "code": CODE,
        "runtime": "", "dependencies": [], "secrets": [{"name": "KEY", "value": "hunter2"}]
    })
}

async fn create(admin: &Admin<'_>, name: &str) -> String {
    let made = admin.expect(201, "POST", "/actions/actions", Some(body(name))).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn deploy(admin: &Admin<'_>, id: &str) -> Value {
    admin.expect(200, "POST", &format!("/actions/actions/{id}/deploy"), None).await
}

fn binding(id: &str) -> Option<Value> {
    Some(json!({"bindings": [{"ref": {"type": "action_id", "value": id}}]}))
}

#[tokio::test]
async fn an_action_is_pending_then_built_and_each_deployment_is_a_version() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let made = admin.expect(201, "POST", "/actions/actions", Some(body("A"))).await;
    assert_eq!((&made["status"], &made["runtime"]), (&json!("pending"), &json!("node22")));
    assert_eq!(made["all_changes_deployed"], false);
    assert!(made.get("deployed_version").is_none());
    let path = format!("/actions/actions/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.expect(200, "GET", &path, None).await["status"], "built");
    let first = admin.expect(200, "POST", &format!("{path}/deploy"), Some(json!({}))).await;
    assert_eq!((&first["number"], &first["deployed"]), (&json!(1), &json!(false)));
    let shown = admin.expect(200, "GET", &path, None).await;
    assert_eq!(
        (&shown["all_changes_deployed"], &shown["deployed_version"]["deployed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(shown["current_version"]["status"], "BUILT");

    let change = json!({"code": "2", "secrets": [{"name": "KEY"}]});
    let changed = admin.expect(200, "PATCH", &path, Some(change)).await;
    assert_eq!((&changed["status"], &changed["code"]), (&json!("pending"), &json!("2")));
    assert_eq!(
        (&changed["deployed_version"]["code"], &changed["all_changes_deployed"]),
        (&json!(CODE), &json!(false))
    );
    admin.expect(200, "POST", &format!("{path}/deploy"), None).await;
    let versions = admin.expect(200, "GET", &format!("{path}/versions"), None).await;
    let numbers: Vec<i64> =
        versions["versions"].as_array().unwrap().iter().map(|v| v["number"].as_i64().unwrap()).collect();
    assert_eq!((numbers, &versions["total"], &versions["per_page"]), (vec![2, 1], &json!(2), &json!(20)));

    let old = format!("{path}/versions/{}", first["id"].as_str().unwrap());
    assert_eq!(admin.expect(200, "GET", &old, None).await["deployed"], false);
    let back = admin.expect(200, "POST", &format!("{old}/deploy"), None).await;
    assert_eq!((&back["number"], &back["code"]), (&json!(3), &json!(CODE)));
    let shown = admin.expect(200, "GET", &path, None).await;
    assert_eq!((&shown["code"], &shown["deployed_version"]["code"]), (&json!("2"), &json!(CODE)));
    admin.expect(200, "POST", &format!("{old}/deploy"), Some(json!({"update_draft": true}))).await;
    let shown = admin.expect(200, "GET", &path, None).await;
    assert_eq!((&shown["code"], &shown["all_changes_deployed"]), (&json!(CODE), &json!(true)));

    admin.expect(204, "DELETE", &path, None).await;
    let told = admin.expect(404, "GET", &path, None).await;
    assert_eq!((&told["message"], told.get("errorCode")), (&json!("That action does not exist."), None));
    admin.expect(404, "DELETE", &path, None).await;
}

#[tokio::test]
async fn code_that_does_not_parse_is_stored_and_what_no_schema_allows_is_refused() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    for (name, code) in [("broken", "function() {}"), ("open", "module.exports = 'x")] {
        let broken =
            json!({"name": name, "supported_triggers": [{"id": "post-login"}], "code": code, "deploy": true});
        let made = admin.expect(201, "POST", "/actions/actions", Some(broken)).await;
        assert_eq!(made["supported_triggers"][0]["version"], "v3");
        assert_eq!(made["current_version"]["status"], "PENDING");
    }
    admin.expect(409, "POST", "/actions/actions", Some(body("broken"))).await;
    for change in [
        json!({"supported_triggers": [{"id": "no-such-trigger"}]}),
        json!({"supported_triggers": [{"id": "post-login", "version": "v9"}]}),
        json!({"supported_triggers": []}),
        json!({"code": "x".repeat(100_001)}),
        json!({"runtime": "deno"}),
        json!({"secrets": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        json!({"modules": [{"module_id": "6f0c2e0e-7a51-4d0f-9c43-2f6f0f3a9b17"}]}),
        json!({"dependencies": [{"version": "1"}]}),
        json!({"code": "a\u{0}b"}),
    ] {
        let mut wrong = body("wrong");
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let told = admin.expect(400, "POST", "/actions/actions", Some(wrong)).await;
        assert_eq!(told["errorCode"], "invalid_body", "{change}");
    }
    let empty = admin.expect(200, "GET", "/actions/actions?actionName=wrong&per_page=7", None).await;
    assert_eq!(empty, json!({"actions": [], "per_page": 7}));
    let found = admin.expect(200, "GET", "/actions/actions?triggerId=post-login&deployed=true", None).await;
    assert_eq!(found["total"], 2);
    assert_eq!(admin.expect(200, "GET", "/actions/actions?installed=true", None).await["actions"], json!([]));
}

#[tokio::test]
async fn a_secret_never_comes_back_and_stays_when_only_its_name_is_sent() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let id = create(&admin, "A").await;
    let path = format!("/actions/actions/{id}");
    deploy(&admin, &id).await;
    let before = admin.expect(200, "GET", &path, None).await;
    app.clock.advance(lockstep_core::time::Span::seconds(5));
    let two = json!({"secrets": [{"name": "KEY"}, {"name": "OTHER", "value": "s3cr3t"}]});
    let after = admin.expect(200, "PATCH", &path, Some(two)).await;
    assert_eq!(after["secrets"][0], before["secrets"][0], "kept as it was");
    assert_eq!(after["secrets"][1]["name"], "OTHER");
    let again = json!({"secrets": [{"name": "KEY", "value": "another"}]});
    let set = admin.expect(200, "PATCH", &path, Some(again)).await;
    assert_ne!(set["secrets"][0]["updated_at"], before["secrets"][0]["updated_at"]);
    let module = json!({"name": "lib", "code": "1", "secrets": [{"name": "MKEY", "value": "m0dule"}]});
    admin.expect(201, "POST", "/actions/modules", Some(module)).await;
    let mut all = String::new();
    for path in ["/actions/actions", &path, &format!("{path}/versions"), "/actions/modules", "/logs"] {
        all.push_str(&admin.expect(200, "GET", path, None).await.to_string());
    }
    for secret in ["hunter2", "s3cr3t", "another", "m0dule"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(all.contains("MKEY") && all.contains("Create an action"));
}

#[tokio::test]
async fn bindings_hold_deployed_actions_of_the_trigger_in_the_order_that_was_sent() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let (one, two) = (create(&admin, "one").await, create(&admin, "two").await);
    let path = "/actions/triggers/post-login/bindings";
    let told = admin.expect(400, "PATCH", path, binding(&one)).await;
    assert!(told["message"].as_str().unwrap().contains("deployed"), "{told}");
    deploy(&admin, &one).await;
    deploy(&admin, &two).await;
    admin.expect(400, "PATCH", "/actions/triggers/send-phone-message/bindings", binding(&one)).await;
    let both = json!({"bindings": [
        {"ref": {"type": "action_name", "value": "two"}, "display_name": "Second", "secrets": []},
        {"ref": {"type": "action_id", "value": one}}
    ]});
    let set = admin.expect(200, "PATCH", path, Some(both)).await;
    assert!(set.get("total").is_none());
    let names: Vec<&Value> = set["bindings"].as_array().unwrap().iter().map(|b| &b["display_name"]).collect();
    assert_eq!(names, ["Second", "one"]);
    let listed = admin.expect(200, "GET", &format!("{path}?per_page=50"), None).await;
    assert_eq!((&listed["total"], &listed["bindings"]), (&json!(2), &set["bindings"]));
    assert_eq!(listed["bindings"][0]["action"]["current_version"]["status"], "BUILT");
    let past = admin.expect(200, "GET", &format!("{path}?page=1&per_page=100"), None).await;
    assert_eq!(past, json!({"bindings": [], "page": 1, "per_page": 100}), "a total would make a tool loop");

    let kept = json!({"bindings": [{"ref": {"type": "binding_id", "value": set["bindings"][0]["id"]}}]});
    let kept = admin.expect(200, "PATCH", path, Some(kept)).await;
    assert_eq!(kept["bindings"][0]["action"]["name"], "two");
    assert_ne!(kept["bindings"][0]["id"], set["bindings"][0]["id"], "ids change with every change");
    let twice = json!({"bindings": [{"ref": {"type": "action_id", "value": two}}, {"ref": {"type": "action_name", "value": "two"}}]});
    admin.expect(400, "PATCH", path, Some(twice)).await;

    let other = json!({"supported_triggers": [{"id": "credentials-exchange"}]});
    admin.expect(400, "PATCH", &format!("/actions/actions/{two}"), Some(other)).await;
    let told = admin.expect(400, "DELETE", &format!("/actions/actions/{two}"), None).await;
    assert!(told["message"].as_str().unwrap().contains("is currently bound to a trigger"), "{told}");
    admin.expect(204, "DELETE", &format!("/actions/actions/{two}?force=true"), None).await;
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({"bindings": [], "per_page": 50}));
}

#[tokio::test]
async fn the_binding_of_an_action_is_told_since_nothing_runs_it() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    assert_eq!(actions::warn_of_bound(&app.app).await.unwrap(), 0);
    let id = create(&admin, "Deny everybody").await;
    deploy(&admin, &id).await;
    admin.expect(200, "PATCH", "/actions/triggers/post-login/bindings", binding(&id)).await;
    let warned = logged(&app, "w").await;
    assert!(warned[0]["description"].as_str().unwrap().contains("are not run"), "{warned:?}");
    assert_eq!(actions::warn_of_bound(&app.app).await.unwrap(), 1, "at every start too");
    let event = json!({"payload": {"event": {}}});
    let told = admin.expect(501, "POST", &format!("/actions/actions/{id}/test"), Some(event)).await;
    assert_eq!((&told["errorCode"], &told["error"]), (&json!("not_implemented"), &json!("Not Implemented")));
    let told = admin.expect(404, "GET", "/actions/executions/M9IqRp9wQLaYNrSwz6YP", None).await;
    assert_eq!(told["message"], "That execution does not exist.");
    admin.expect(200, "PATCH", "/actions/triggers/post-login/bindings", Some(json!({"bindings": []}))).await;
    assert_eq!(logged(&app, "w").await.len(), 1, "unbinding needs no warning");
}

#[tokio::test]
async fn each_trigger_answers_and_only_known_ones_can_be_bound() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let listed = admin.expect(200, "GET", "/actions/triggers", None).await;
    for trigger in listed["triggers"].as_array().unwrap() {
        let path =
            format!("/actions/triggers/{}/bindings?page=0&per_page=50", trigger["id"].as_str().unwrap());
        assert_eq!(admin.expect(200, "GET", &path, None).await, json!({"bindings": [], "per_page": 50}));
    }
    admin.expect(200, "GET", "/actions/triggers/mcp-tool/bindings", None).await;
    let none = Some(json!({"bindings": []}));
    let told = admin.expect(400, "PATCH", "/actions/triggers/mcp-tool/bindings", none).await;
    assert_eq!(told["errorCode"], "invalid_uri");
}

#[tokio::test]
async fn a_module_is_published_used_and_rolled_back_and_stays_while_it_is_used() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let empty = admin.expect(200, "GET", "/actions/modules?page=0&per_page=100", None).await;
    assert_eq!(empty, json!({"modules": [], "total": 0, "page": 0, "per_page": 100}));
    let made = json!({"name": "lib", "code": "1"});
    let made = admin.expect(201, "POST", "/actions/modules", Some(made)).await;
    assert_eq!(
        (&made["all_changes_published"], &made["actions_using_module_total"]),
        (&json!(false), &json!(0))
    );
    let path = format!("/actions/modules/{}", made["id"].as_str().unwrap());
    let first = admin.expect(200, "POST", &format!("{path}/versions"), None).await;
    assert_eq!((&first["version_number"], &first["module_id"]), (&json!(1), &made["id"]));
    assert_eq!(admin.expect(200, "GET", &path, None).await["all_changes_published"], true);

    let mut user = body("user");
    user["modules"] = json!([{"module_id": made["id"], "module_version_id": first["id"]}]);
    let user = admin.expect(201, "POST", "/actions/actions", Some(user)).await;
    assert_eq!(
        (&user["modules"][0]["module_name"], &user["modules"][0]["module_version_number"]),
        (&json!("lib"), &json!(1))
    );
    let users = admin.expect(200, "GET", &format!("{path}/actions"), None).await;
    assert_eq!((&users["total"], &users["actions"][0]["action_name"]), (&json!(1), &json!("user")));
    let past = admin.expect(200, "GET", &format!("{path}/actions?page=1"), None).await;
    assert_eq!(past, json!({"actions": [], "page": 1, "per_page": 50}));
    let told = admin.expect(400, "DELETE", &path, None).await;
    assert!(told["message"].as_str().unwrap().contains("used by actions"), "{told}");

    let changed = admin.expect(200, "PATCH", &path, Some(json!({"code": "2"}))).await;
    assert_eq!(
        (&changed["all_changes_published"], &changed["latest_version"]["code"]),
        (&json!(false), &json!("1"))
    );
    admin.expect(200, "POST", &format!("{path}/versions"), None).await;
    let versions = admin.expect(200, "GET", &format!("{path}/versions"), None).await;
    assert_eq!((&versions["total"], &versions["versions"][0]["version_number"]), (&json!(2), &json!(2)));
    let one = format!("{path}/versions/{}", first["id"].as_str().unwrap());
    assert_eq!(admin.expect(200, "GET", &one, None).await, first);
    let back = json!({"module_version_id": first["id"]});
    assert_eq!(admin.expect(200, "POST", &format!("{path}/rollback"), Some(back)).await["code"], "1");
    admin.expect(404, "POST", &format!("{path}/rollback"), Some(json!({"module_version_id": "x"}))).await;

    admin.expect(204, "DELETE", &format!("/actions/actions/{}", user["id"].as_str().unwrap()), None).await;
    admin.expect(204, "DELETE", &path, None).await;
    admin.expect(404, "GET", &path, None).await;
}
