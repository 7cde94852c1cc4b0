//! Actions and their modules.

use lockstep_core::ids::{ActionId, ActionVersionId, BindingId, ModuleId, ModuleVersionId};
use lockstep_core::model::action::{Action, Binding, Module, Script, Secret, TriggerVersion};

use super::{T0, rng};
use crate::store::db::DbError;
use crate::store::search::{Filter, Slice};
use crate::store::{action_modules, actions, testing};

const ALL: Slice = Slice::Offset { start: 0, limit: 50 };

fn script(code: &str) -> Script {
    Script {
        code: code.to_owned(),
        runtime: "node22".to_owned(),
        supported_triggers: vec![TriggerVersion { id: "post-login".to_owned(), version: "v3".to_owned() }],
        secrets: vec![Secret::new("KEY", "hunter2", T0)],
        ..Script::default()
    }
}

fn action(name: &str) -> Action {
    Action {
        id: ActionId::new(rng().as_mut()),
        name: name.to_owned(),
        draft: script("1"),
        deployed: None,
        created_at: T0,
        updated_at: T0,
    }
}

fn binding(action: &Action) -> Binding {
    Binding {
        id: BindingId::new(rng().as_mut()),
        trigger: "post-login".to_owned(),
        display_name: "shown".to_owned(),
        action: action.clone(),
        created_at: T0,
    }
}

#[tokio::test]
async fn an_action_comes_back_with_its_secrets_and_what_is_in_effect_stays_as_it_was() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (mut one, other) = (action("one"), action("other"));
        actions::create(&mut c, &one).await.unwrap();
        actions::create(&mut c, &other).await.unwrap();
        assert_eq!(actions::find(&mut c, &one.id).await.unwrap().unwrap(), one);
        assert_eq!(actions::find_by_name(&mut c, "other").await.unwrap().unwrap(), other);
        assert!(actions::find_by_name(&mut c, "none").await.unwrap().is_none());
        let first = ActionVersionId::new(rng().as_mut());
        assert_eq!(actions::deploy(&mut c, &one.id, &first, &one.draft, T0).await.unwrap(), Some(1));
        one.draft = script("2");
        assert!(actions::lock(&mut c, &one.id).await.unwrap());
        assert!(actions::save(&mut c, &one).await.unwrap());
        let found = actions::find(&mut c, &one.id).await.unwrap().unwrap();
        assert_eq!((found.draft.code.as_str(), found.deployed.unwrap().script), ("2", script("1")));
        let second = ActionVersionId::new(rng().as_mut());
        assert_eq!(actions::deploy(&mut c, &one.id, &second, &one.draft, T0).await.unwrap(), Some(2));
        let (versions, total) = actions::list_versions(&mut c, &one.id, &ALL).await.unwrap();
        assert_eq!((versions[0].number, versions[1].number, total), (2, 1, 2));
        assert_eq!(actions::delete_versions_to(&mut c, &one.id, 2).await.unwrap(), 1, "one is in effect");
        assert!(actions::find_version(&mut c, &one.id, &first).await.unwrap().is_none());
        assert!(actions::find_version(&mut c, &one.id, &second).await.unwrap().is_some());
        assert!(actions::find_version(&mut c, &other.id, &second).await.unwrap().is_none());
        assert_eq!(actions::list(&mut c, &Filter::all(), &ALL).await.unwrap().1, 2);
        let raw = c.fetch_all("select secrets, data from actions", vec![]).await.unwrap();
        for row in raw {
            let sealed: Vec<u8> = row.get("secrets").unwrap();
            let text = String::from_utf8_lossy(&sealed).into_owned() + &row.get::<String>("data").unwrap();
            assert!(!text.contains("hunter2"));
        }
        assert!(actions::delete(&mut c, &one.id).await.unwrap());
        assert!(
            !actions::delete(&mut c, &one.id).await.unwrap() && !actions::save(&mut c, &one).await.unwrap()
        );
        assert!(!actions::lock(&mut c, &one.id).await.unwrap());
        assert_eq!(actions::deploy(&mut c, &one.id, &first, &one.draft, T0).await.unwrap(), None);
        assert_eq!(actions::find(&mut c, &other.id).await.unwrap().unwrap(), other);
        assert!(matches!(actions::create(&mut c, &action("other")).await, Err(DbError::Conflict)));
    }
}

#[tokio::test]
async fn bindings_are_replaced_whole_in_their_order_and_go_with_their_action() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let (one, two) = (action("one"), action("two"));
        for action in [&one, &two] {
            actions::create(&mut c, action).await.unwrap();
        }
        actions::replace_bindings(&mut c, "post-login", &[binding(&two), binding(&one)]).await.unwrap();
        let found = actions::list_bindings(&mut c, "post-login").await.unwrap();
        let names: Vec<&str> = found.iter().map(|b| b.action.name.as_str()).collect();
        assert_eq!((names, found[0].display_name.as_str()), (vec!["two", "one"], "shown"));
        assert_eq!(actions::list_bound(&mut c, &one.id).await.unwrap(), ["post-login"]);
        let bound = actions::list_all_bound(&mut c).await.unwrap();
        assert_eq!(bound[0], ("post-login".to_owned(), "two".to_owned()));
        assert!(actions::list_bindings(&mut c, "other").await.unwrap().is_empty());
        actions::replace_bindings(&mut c, "post-login", &[binding(&one)]).await.unwrap();
        assert!(actions::list_bound(&mut c, &two.id).await.unwrap().is_empty());
        actions::delete(&mut c, &one.id).await.unwrap();
        assert!(actions::list_bindings(&mut c, "post-login").await.unwrap().is_empty());
        let gone = actions::replace_bindings(&mut c, "post-login", &[binding(&one)]).await;
        assert!(matches!(gone, Err(DbError::Missing)));
    }
}

#[tokio::test]
async fn a_module_is_published_in_versions_and_stays_while_actions_use_it() {
    for db in testing::databases().await {
        let mut c = db.write().await.unwrap();
        let mut module = Module {
            id: ModuleId::new(rng().as_mut()),
            name: "lib".to_owned(),
            draft: script("1"),
            latest: None,
            used_by: 0,
            created_at: T0,
            updated_at: T0,
        };
        action_modules::create(&mut c, &module).await.unwrap();
        let version = ModuleVersionId::new(rng().as_mut());
        let published = action_modules::publish(&mut c, &module.id, &version, &module.draft, T0).await;
        assert_eq!(published.unwrap(), Some(1));
        module.draft = script("2");
        assert!(action_modules::lock(&mut c, &module.id).await.unwrap());
        assert!(action_modules::save(&mut c, &module).await.unwrap());
        let found = action_modules::find(&mut c, &module.id).await.unwrap().unwrap();
        assert_eq!((found.draft.code.as_str(), found.latest.unwrap().script), ("2", script("1")));
        let kept = action_modules::find_version(&mut c, &module.id, &version).await.unwrap().unwrap();
        assert_eq!((kept.number, kept.module), (1, module.id.clone()));
        assert_eq!(action_modules::list_versions(&mut c, &module.id, &ALL).await.unwrap().1, 1);
        assert_eq!(action_modules::list(&mut c, &ALL).await.unwrap().1, 1);
        let user = action("user");
        actions::create(&mut c, &user).await.unwrap();
        let twice = [module.id.clone(), module.id.clone()];
        actions::save_uses(&mut c, &user.id, &twice).await.unwrap();
        assert_eq!(
            action_modules::list_users(&mut c, &module.id).await.unwrap(),
            std::slice::from_ref(&user)
        );
        assert_eq!(action_modules::find(&mut c, &module.id).await.unwrap().unwrap().used_by, 1);
        c.commit().await.unwrap();
        let mut c = db.write().await.unwrap();
        let held = action_modules::delete(&mut c, &module.id).await;
        assert!(matches!(held, Err(DbError::Missing)), "{held:?}");
        drop(c);
        let mut c = db.write().await.unwrap();
        actions::save_uses(&mut c, &user.id, &[]).await.unwrap();
        assert!(action_modules::delete(&mut c, &module.id).await.unwrap());
        assert!(!action_modules::lock(&mut c, &module.id).await.unwrap());
        let gone = actions::save_uses(&mut c, &user.id, &twice).await;
        assert!(matches!(gone, Err(DbError::Missing)), "{gone:?}");
    }
}
