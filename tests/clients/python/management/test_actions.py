"""Actions and their modules."""

import pytest

from .conftest import unique
from .words import claims_of, refused, until

TRIGGER = "post-login"
ABSENT = "6f0c2e0e-7a51-4d0f-9c43-2f6f0f3a9b17"
CLAIM = "https://acme.example.test/said"


def claim(value):
    return f'exports.onExecutePostLogin = async (event, api) => {{ api.idToken.setCustomClaim("{CLAIM}", "{value}"); }};'


@pytest.fixture
def actions(client):
    return client.actions


@pytest.fixture
def new_action(actions):
    def make(**properties):
        trigger = {"id": TRIGGER, "version": "v3"}
        made = actions.create(**{"name": unique("Action"), "supported_triggers": [trigger], "code": claim("one"), **properties})
        until(lambda: actions.get(made.id), lambda action: action.status == "built")
        return made

    return make


@pytest.fixture
def deploy(actions):
    def deploy(action):
        version = actions.deploy(action.id)
        until(lambda: actions.get(action.id), lambda action: action.all_changes_deployed)
        return version

    return deploy


def test_an_action_is_made_listed_changed_and_removed(actions, new_action):
    made = new_action(secrets=[{"name": "KEY", "value": "not-shown"}])
    read = actions.get(made.id)
    assert [secret.name for secret in read.secrets] == ["KEY"]
    assert "not-shown" not in read.model_dump_json()
    assert read.runtime == "node22"
    assert [(trigger.id, trigger.version) for trigger in read.supported_triggers] == [(TRIGGER, "v3")]
    assert [action.id for action in actions.list(action_name=made.name)] == [made.id]
    actions.update(made.id, code=claim("two"))
    assert actions.get(made.id).code == claim("two")
    actions.delete(made.id)
    with refused(404):
        actions.get(made.id)


def test_versions_count_up_and_an_old_one_is_deployed_again_as_a_new_one(actions, new_action, deploy):
    made = new_action()
    first = deploy(made)
    assert first.number == 1
    actions.update(made.id, code=claim("two"))
    assert actions.get(made.id).all_changes_deployed is False
    until(lambda: actions.get(made.id), lambda action: action.status == "built")
    deploy(made)

    versions = actions.versions
    assert sorted(version.number for version in versions.list(made.id)) == [1, 2]
    assert versions.get(made.id, first.id).code == claim("one")
    assert versions.deploy(made.id, first.id, request={"update_draft": True}).number == 3
    until(lambda: actions.get(made.id), lambda action: action.deployed_version.number == 3)
    assert actions.get(made.id).code == claim("one")
    with refused(404):
        versions.get(made.id, ABSENT)


def test_a_bound_action_is_listed_and_kept_from_being_removed_but_not_run(actions, new_action, deploy, new_visitor):
    made = new_action()
    deploy(made)
    bindings = actions.triggers.bindings
    assert list(bindings.list(TRIGGER)) == []
    bound = bindings.update_many(TRIGGER, bindings=[{"ref": {"type": "action_id", "value": made.id}}]).bindings
    assert [(binding.display_name, binding.action.id) for binding in bound] == [(made.name, made.id)]
    try:
        assert [binding.action.id for binding in bindings.list(TRIGGER)] == [made.id]
        with refused(400):
            actions.delete(made.id)
        assert CLAIM not in claims_of(new_visitor().tokens["id_token"])
        with refused(501, "not_implemented"):
            actions.test(made.id, payload={"event": {}})
        with refused(404):
            actions.executions.get("bm8tc3VjaA")
    finally:
        bindings.update_many(TRIGGER, bindings=[])
    assert list(bindings.list(TRIGGER)) == []
    actions.delete(made.id)


def test_the_triggers_are_listed_with_their_versions(actions):
    (current,) = [
        trigger for trigger in actions.triggers.list().triggers if (trigger.id, trigger.status) == (TRIGGER, "CURRENT")
    ]
    assert current.version == "v3"
    assert current.default_runtime in current.runtimes


def test_a_module_is_made_published_rolled_back_and_removed(actions):
    modules, one = actions.modules, "module.exports = { one: 1 };"
    made = modules.create(name=unique("module"), code=one)
    assert made.id in [module.id for module in modules.list()]
    first = modules.versions.create(made.id)
    assert first.version_number == 1
    assert modules.versions.get(made.id, first.id).code == one
    modules.update(made.id, code="module.exports = { two: 2 };")
    assert modules.get(made.id).all_changes_published is False
    modules.versions.create(made.id)
    assert len(list(modules.versions.list(made.id))) == 2
    modules.rollback(made.id, module_version_id=first.id)
    assert modules.get(made.id).code == one
    assert list(modules.list_actions(made.id)) == []
    modules.delete(made.id)
    with refused(404):
        modules.get(made.id)
