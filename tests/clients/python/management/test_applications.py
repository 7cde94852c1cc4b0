"""Clients, APIs, grants between them, connections."""

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .conftest import CONNECTION, unique
from .words import dump, refused


@pytest.fixture
def may_have_tokens(server):
    def ask(app, secret, api):
        keys = {"client_id": app.client_id, "client_secret": secret}
        body = {"grant_type": "client_credentials", "audience": api.identifier, **keys}
        return httpx.post(f"{server.issuer}oauth/token", json=body).is_success

    return ask


def test_a_client_is_made_listed_changed_and_removed(client):
    clients = client.clients
    made = clients.create(name=unique("Shop"), app_type="spa", callbacks=["https://shop.example.test/"])
    assert made.token_endpoint_auth_method == "none"
    assert made.client_id in [app.client_id for app in clients.list(per_page=20)]
    short = clients.get(made.client_id, fields="name", include_fields=True)
    assert (short.name, short.callbacks) == (made.name, None)
    assert clients.update(made.client_id, description="Sells", client_metadata={"floor": "2"}).description == "Sells"
    assert clients.get(made.client_id).client_metadata == {"floor": "2"}
    clients.delete(made.client_id)
    with refused(404, "inexistent_client"):
        clients.get(made.client_id)


def test_one_client_is_the_global_one(client):
    (found,) = client.clients.list(is_global=True)
    assert (found.name, found.global_) == ("All Applications", True)


def test_a_new_secret_ends_the_old_one(client, new_application, new_api, may_have_tokens):
    app, api = new_application(), new_api()
    client.client_grants.create(client_id=app.client_id, audience=api.identifier, scope=[])
    assert may_have_tokens(app, app.client_secret, api)
    rotated = client.clients.rotate_secret(app.client_id)
    assert not may_have_tokens(app, app.client_secret, api)
    assert may_have_tokens(app, rotated.client_secret, api)


def test_a_clients_keys_are_added_listed_given_an_end_and_removed(client, new_application):
    id, credentials = new_application().client_id, client.clients.credentials
    pem = rsa.generate_private_key(65537, 2048).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    made = credentials.create(id, credential_type="public_key", name="ci", pem=pem.decode(), alg="RS256")
    assert made.id.startswith("cred_")
    assert [key.id for key in credentials.list(id)] == [made.id]
    credentials.update(id, made.id, expires_at="2031-01-15T09:30:12.345Z")
    read = credentials.get(id, made.id)
    assert (read.expires_at.year, read.kid) == (2031, made.kid)
    credentials.delete(id, made.id)
    with refused(404):
        credentials.get(id, made.id)


def test_a_clients_connections_are_those_that_are_on_for_it(client, new_application):
    id = new_application().client_id

    def on():
        return sorted(connection.name for connection in client.clients.connections.get(id))

    assert on() == [CONNECTION]
    database = client.connections.create(name=unique("db"), strategy="auth0", enabled_clients=[id])
    assert on() == sorted([CONNECTION, database.name])


def test_an_api_is_made_read_by_id_and_identifier_changed_and_removed(client, server):
    servers, identifier = client.resource_servers, f"https://{unique('api')}.example.test/v1?x=y"
    made = servers.create(name="Funds", identifier=identifier, scopes=[{"value": "read:funds"}])
    assert made.signing_alg == "RS256"
    assert servers.get(made.id).identifier == identifier
    assert servers.get(identifier).id == made.id
    assert [api.id for api in servers.list(identifiers=identifier)] == [made.id]
    assert f"{server.issuer}api/v2/" in [api.identifier for api in servers.list() if api.is_system]
    scopes = [{"value": "move:funds", "description": "Move"}]
    assert servers.update(made.id, token_lifetime=600, scopes=scopes).token_lifetime == 600
    assert [dump(scope) for scope in servers.get(made.id).scopes] == scopes
    with refused(409):
        servers.create(identifier=identifier)
    servers.delete(made.id)
    with refused(404, "inexistent_resource_server"):
        servers.get(made.id)


def test_a_grant_lets_a_client_have_tokens_until_it_is_withdrawn(client, new_application, new_api, may_have_tokens):
    app, api, grants = new_application(), new_api(), client.client_grants
    made = grants.create(client_id=app.client_id, audience=api.identifier, scope=[])
    assert made.id.startswith("cgr_")
    assert [grant.id for grant in grants.list(client_id=app.client_id)] == [made.id]
    grants.update(made.id, scope=["transfer:funds"])
    assert grants.get(made.id).scope == ["transfer:funds"]
    assert list(grants.organizations.list(made.id)) == []
    assert may_have_tokens(app, app.client_secret, api)
    with refused(409):
        grants.create(client_id=app.client_id, audience=api.identifier, scope=[])
    grants.delete(made.id)
    with refused(404, "inexistent_client_grant"):
        grants.get(made.id)
    assert not may_have_tokens(app, app.client_secret, api)


def test_a_database_is_made_listed_changed_and_removed(client):
    connections, name = client.connections, unique("db")
    made = connections.create(name=name, strategy="auth0")
    assert made.options["passwordPolicy"] == "good"
    assert [found.id for found in connections.list(name=name)] == [made.id]
    short = connections.get(made.id, fields="name", include_fields=True)
    assert (short.name, short.options) == (name, None)
    connections.update(made.id, display_name="Staff", options={**made.options, "passwordPolicy": "excellent"})
    read = connections.get(made.id)
    assert (read.display_name, read.options["passwordPolicy"]) == ("Staff", "excellent")
    connections.check_status(made.id)
    with refused(404, "inexistent_connection"):
        connections.check_status("con_0000000000000000")
    assert connections.keys.get(made.id) == []
    with refused(409):
        connections.create(name=name, strategy="auth0")
    connections.delete(made.id)
    with refused(404, "inexistent_connection"):
        connections.get(made.id)


def test_a_database_is_switched_on_and_off_for_a_client(client, new_application, new_database):
    id, database = new_application().client_id, new_database()
    for status in (True, False):
        client.connections.clients.update(database.id, request=[{"client_id": id, "status": status}])
        assert (id in [app.client_id for app in client.connections.clients.get(database.id)]) is status


def test_a_user_of_a_database_is_removed_by_the_address(client, new_user, new_database):
    database = new_database()
    user, _ = new_user(connection=database.name)
    client.connections.users.delete_by_email(database.id, email=user.email)
    with refused(404, "inexistent_user"):
        client.users.get(user.user_id)


def test_no_database_has_scim_or_a_directory(client, new_database):
    connections, id = client.connections, new_database().id
    with refused(404):
        connections.scim_configuration.get(id)
    with refused(404):
        connections.directory_provisioning.get(id)
