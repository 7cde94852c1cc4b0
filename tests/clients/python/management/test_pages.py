"""Lists in pages: the client goes from page to page, by number or by the `next` of a checkpoint."""

from types import SimpleNamespace

import pytest

from .conftest import unique
from .words import SEED


@pytest.fixture(scope="module")
def made(recorder):
    client = recorder.client
    apis = [
        client.resource_servers.create(
            identifier=f"https://{unique('api')}.example.test/", scopes=[{"value": "read:it"}, {"value": "write:it"}]
        )
        for _ in range(2)
    ]
    permissions = [
        {"resource_server_identifier": apis[0].identifier, "permission_name": scope.value} for scope in apis[0].scopes
    ]
    database = client.connections.create(name=unique("db"), strategy="auth0")
    people = [
        client.users.create(connection=database.name, email=f"{unique('page')}@example.test", password="Correct-horse-battery-9")
        for _ in range(2)
    ]
    roles = [client.roles.create(name=unique("role")) for _ in range(2)]
    id, role = people[0].user_id, roles[0].id
    client.roles.permissions.add(role, permissions=permissions)
    client.roles.users.assign(role, users=[user.user_id for user in people])
    client.users.roles.assign(id, roles=[role.id for role in roles])
    client.users.permissions.create(id, permissions=permissions)
    client.users.authentication_methods.create(id, type="totp", totp_secret=SEED)
    client.users.authentication_methods.create(id, type="phone", phone_number="+15005554415")
    lost = client.users.authentication_methods.create(id, type="phone", phone_number="+15005554416")
    client.users.authentication_methods.delete(id, lost.id)
    apps = [client.clients.create(name=unique("app"), grant_types=["client_credentials"]) for _ in range(2)]
    for api in apis:
        client.client_grants.create(client_id=apps[0].client_id, audience=api.identifier, scope=[])
    switches = [{"client_id": app.client_id, "status": True} for app in apps]
    client.connections.clients.update(database.id, request=switches)
    return SimpleNamespace(id=id, role=role, app=apps[0].client_id, connection=database.id)


LISTS = {
    "users": (lambda client, _, **size: client.users.list(**size, sort="created_at:1"), "user_id", "per_page"),
    "clients": (lambda client, _, **size: client.clients.list(**size), "client_id", "per_page"),
    "APIs": (lambda client, _, **size: client.resource_servers.list(**size), "id", "per_page"),
    "roles": (lambda client, _, **size: client.roles.list(**size), "id", "per_page"),
    "a role's permissions": (
        lambda client, made, **size: client.roles.permissions.list(made.role, **size),
        "permission_name",
        "per_page",
    ),
    "a user's roles": (lambda client, made, **size: client.users.roles.list(made.id, **size), "id", "per_page"),
    "a user's permissions": (
        lambda client, made, **size: client.users.permissions.list(made.id, **size),
        "permission_name",
        "per_page",
    ),
    "a user's methods": (
        lambda client, made, **size: client.users.authentication_methods.list(made.id, **size),
        "id",
        "per_page",
    ),
    "a user's log": (lambda client, made, **size: client.users.logs.list(made.id, **size), "log_id", "per_page"),
    "client grants": (lambda client, made, **size: client.client_grants.list(client_id=made.app, **size), "id", "take"),
    "connections": (lambda client, _, **size: client.connections.list(**size), "id", "take"),
    "a client's connections": (
        lambda client, made, **size: client.clients.connections.get(made.app, **size),
        "id",
        "take",
    ),
    "a connection's clients": (
        lambda client, made, **size: client.connections.clients.get(made.connection, **size),
        "client_id",
        "take",
    ),
    "a role's users": (lambda client, made, **size: client.roles.users.list(made.role, **size), "user_id", "take"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_walked_in_pages_of_one(client, made, name):
    ask, key, size = LISTS[name]
    whole = [getattr(item, key) for item in ask(client, made, **{size: 100}).items]
    assert len(whole) > 1, "there is more than one page"
    assert [getattr(item, key) for item in ask(client, made, **{size: 1})] == whole
