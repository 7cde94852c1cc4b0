"""People and what belongs to them: `client.users`, `client.roles`, `client.user_blocks`."""

import re
import secrets

import pytest

from .conftest import CONNECTION, unique
from .words import NOBODY, SEED, dump, refused


@pytest.fixture
def users(client):
    return client.users


@pytest.fixture
def methods(users):
    return users.authentication_methods


def types_of(methods, id):
    return sorted(method.type for method in methods.list(id) if method.type != "password")


def permission(api, name="transfer:funds"):
    return {"resource_server_identifier": api.identifier, "permission_name": name}


def test_a_user_is_made_found_changed_and_removed(users):
    email = f"{secrets.token_hex(5)}@example.test"
    made = users.create(connection=CONNECTION, email=email, password="Correct-horse-battery-9", given_name="Ann")
    assert re.fullmatch(r"auth0\|[0-9a-f]{24}", made.user_id)
    assert made.email_verified is False
    with refused(409):
        users.create(connection=CONNECTION, email=email, password="Correct-horse-battery-9")
    assert users.get(made.user_id).given_name == "Ann"
    assert [user.user_id for user in users.list(q=f'email:"{email}"')] == [made.user_id]
    assert [user.user_id for user in users.list_users_by_email(email=email)] == [made.user_id]
    assert users.update(made.user_id, blocked=True, app_metadata={"plan": "gold"}).blocked is True
    assert users.get(made.user_id).app_metadata == {"plan": "gold"}
    users.delete(made.user_id)
    with refused(404, "inexistent_user"):
        users.get(made.user_id)


def test_an_update_merges_the_metadata(users, new_user):
    id = new_user(user_metadata={"country": "NL"})[0].user_id
    assert users.update(id, nickname="annie", user_metadata={"theme": "dark"}).nickname == "annie"
    assert users.get(id).user_metadata == {"country": "NL", "theme": "dark"}


def test_fields_leaves_out_what_was_not_asked_for(users, new_user):
    user, _ = new_user(nickname="fields")
    assert dump(users.get(user.user_id, fields="nickname", include_fields=True)) == {"nickname": "fields"}
    rest = users.get(user.user_id, fields="nickname", include_fields=False)
    assert (rest.nickname, rest.user_id) == (None, user.user_id)


def test_a_users_log_is_hers_alone(users, new_user):
    user, _ = new_user()
    records = list(users.logs.list(user.user_id, per_page=10))
    assert "ss" in [record.type for record in records]
    assert {record.user_id for record in records} == {user.user_id}
    assert len(users.logs.list(user.user_id, sort="date:1", per_page=1).items) == 1


def test_a_second_account_is_linked_and_parted_again(users, new_user):
    (ann, _), (other, _) = new_user(), new_user()
    first, second = (user.user_id.partition("|")[2] for user in (ann, other))
    linked = users.identities.link(ann.user_id, provider="auth0", user_id=second)
    assert [identity.user_id for identity in linked] == [first, second]
    assert linked[1].profile_data.email == other.email
    assert len(users.get(ann.user_id).identities) == 2
    with refused(404):
        users.get(other.user_id)
    left = users.identities.delete(ann.user_id, "auth0", second)
    assert [identity.user_id for identity in left] == [first]
    assert len(users.get(ann.user_id).identities) == 1
    assert users.get(other.user_id).email == other.email


def test_nobody_is_in_an_organization_or_a_group(users, new_user):
    user, _ = new_user()
    assert list(users.organizations.list(user.user_id)) == []
    assert list(users.groups.get(user.user_id)) == []
    assert list(users.connected_accounts.list(user.user_id)) == []
    with refused(404, "inexistent_user"):
        users.organizations.list(NOBODY)


def test_a_method_is_made_listed_read_named_and_removed(methods, new_user):
    id = new_user()[0].user_id
    made = methods.create(id, type="phone", phone_number="+15005554412", name="Mine")
    assert made.id.startswith("phone|dev_")
    assert types_of(methods, id) == ["phone"]
    read = methods.get(id, made.id)
    assert (read.confirmed, read.phone_number) == (True, "XXXXXXXX4412")
    assert methods.update(id, made.id, name="Hers", preferred_authentication_method="voice").name == "Hers"
    assert methods.get(id, made.id).preferred_authentication_method == "voice"
    with refused(409):
        methods.create(id, type="phone", phone_number="+15005554412")
    methods.delete(id, made.id)
    with refused(404):
        methods.get(id, made.id)


def test_set_replaces_all_methods_and_delete_all_leaves_none(users, methods, new_user):
    id = new_user()[0].user_id
    methods.create(id, type="totp", totp_secret=SEED)
    wanted = [{"type": "phone", "phone_number": "+15005554413"}, {"type": "email", "email": "second@example.test"}]
    assert [method.type for method in methods.set(id, request=wanted)] == ["phone", "email"]
    assert types_of(methods, id) == ["email", "phone"]
    assert users.get(id).multifactor == ["guardian"]
    methods.delete_all(id)
    assert types_of(methods, id) == []
    assert users.get(id).multifactor is None


def test_factors_are_taken_away_by_provider_and_all_at_once(users, methods, new_user):
    id = new_user()[0].user_id
    methods.create(id, type="totp", totp_secret=SEED)
    (enrolment,) = users.enrollments.get(id)
    assert (enrolment.status, enrolment.auth_method) == ("confirmed", "authenticator")
    methods.create(id, type="phone", phone_number="+15005554414")
    users.multifactor.delete_provider(id, "google-authenticator")
    assert types_of(methods, id) == ["phone"]
    users.authenticators.delete_all(id)
    assert types_of(methods, id) == []
    assert users.enrollments.get(id) == []
    with refused(400, "invalid_uri"):
        users.multifactor.delete_provider(id, "carrier-pigeon")


def test_a_recovery_code_is_new_and_browsers_and_devices_are_forgotten(users, new_user):
    id = new_user()[0].user_id
    codes = [users.regenerate_recovery_code(id).recovery_code for _ in range(2)]
    assert codes[0] != codes[1] and len(codes[0]) == 24
    users.multifactor.invalidate_remember_browser(id)
    users.risk_assessments.clear(id, connection=CONNECTION, assessors=["new-device"])
    with refused(404, "inexistent_user"):
        users.regenerate_recovery_code(NOBODY)
    with refused(400, "invalid_body"):
        users.risk_assessments.clear(id, connection=CONNECTION, assessors=["old-device"])


def test_a_role_is_made_changed_found_by_its_name_and_removed(client):
    roles, name = client.roles, unique("role")
    made = roles.create(name=name, description="Tellers")
    assert made.id.startswith("rol_")
    assert roles.update(made.id, description="Clerks").description == "Clerks"
    assert roles.get(made.id).description == "Clerks"
    assert [role.id for role in roles.list(name_filter=name.upper())] == [made.id]
    with refused(409):
        roles.create(name=name)
    roles.delete(made.id)
    with refused(404):
        roles.get(made.id)


def test_a_roles_permissions_are_its_members_too(client, users, new_user, new_api):
    user, api = new_user()[0], new_api()
    role = client.roles.create(name=unique("role"))
    client.roles.permissions.add(role.id, permissions=[permission(api)])
    (given,) = client.roles.permissions.list(role.id)
    assert (given.permission_name, given.resource_server_identifier) == ("transfer:funds", api.identifier)
    assert (given.description, given.resource_server_name) == ("Transfer money", api.name)
    client.roles.users.assign(role.id, users=[user.user_id])
    assert [member.user_id for member in client.roles.users.list(role.id)] == [user.user_id]
    assert [given.id for given in users.roles.list(user.user_id)] == [role.id]

    (hers,) = users.permissions.list(user.user_id)
    assert hers.permission_name == "transfer:funds"
    assert [(source["source_id"], source["source_type"]) for source in hers.model_extra["sources"]] == [(role.id, "ROLE")]
    assert [(given.id, given.sources) for given in users.effective_roles.list(user.user_id)] == [(role.id, ["direct"])]
    effective = users.effective_permissions.list(user.user_id, resource_server_identifier=api.identifier)
    assert [(given.permission_name, given.sources) for given in effective] == [("transfer:funds", ["roles"])]

    client.roles.permissions.delete(role.id, permissions=[permission(api)])
    assert list(client.roles.permissions.list(role.id)) == []
    assert list(users.permissions.list(user.user_id)) == []


def test_roles_and_permissions_are_given_and_taken_back(client, users, new_user, new_api):
    id, api = new_user()[0].user_id, new_api()
    role = client.roles.create(name=unique("role"))
    users.roles.assign(id, roles=[role.id])
    assert [given.id for given in users.roles.list(id)] == [role.id]
    users.roles.delete(id, roles=[role.id])
    assert list(users.roles.list(id)) == []

    users.permissions.create(id, permissions=[permission(api)])
    (direct,) = users.permissions.list(id)
    assert direct.resource_server_identifier == api.identifier
    users.permissions.delete(id, permissions=[permission(api)])
    assert list(users.permissions.list(id)) == []
    with refused(400):
        users.roles.assign(id, roles=["rol_0000000000000000"])
    with refused(400):
        users.permissions.create(id, permissions=[permission(api, "fly")])


def test_no_group_has_a_role(client):
    role = client.roles.create(name=unique("role"))
    assert list(client.roles.groups.get(role.id)) == []


@pytest.mark.parametrize("lift_by", ["identifier", "id"])
def test_too_many_wrong_passwords_block_an_address_until_the_block_is_lifted(
    client, new_user, new_application, try_password, lift_by
):
    (user, password), app = new_user(), new_application(grant_types=["password"])
    blocks = client.user_blocks
    for _ in range(10):
        try_password(app, user.email, "wrong")
    (block,) = blocks.list_by_identifier(identifier=user.email).blocked_for
    assert block.identifier == user.email
    assert blocks.list(user.user_id).blocked_for == [block]
    assert try_password(app, user.email, password) == 429
    if lift_by == "id":
        blocks.delete(user.user_id)
    else:
        blocks.delete_by_identifier(identifier=user.email)
    assert blocks.list_by_identifier(identifier=user.email).blocked_for == []
    assert blocks.list(user.user_id).blocked_for == []
    assert try_password(app, user.email, password) != 429
    with refused(404, "inexistent_user"):
        blocks.list(NOBODY)
