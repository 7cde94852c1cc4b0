"""Sessions, refresh tokens, grants, device credentials."""

from types import SimpleNamespace

import pytest
from auth0.management import ManagementClient

from login import Forms, Person

from .conftest import unique
from .words import NOBODY, claims_of, refused


class Consenting(Person):
    """Somebody who says yes to an application of strangers."""

    def answer(self, response, page, screen):
        if screen == "consent":
            return self.submit(response, Forms(response.text), button="accept")
        return super().answer(response, page, screen)


def test_a_session_is_listed_read_labelled_and_ended(client, new_visitor):
    visitor = new_visitor()
    (listed,) = client.users.sessions.list(visitor.id)
    assert listed.user_id == visitor.id
    assert [app.client_id for app in listed.clients] == [visitor.app.client_id]
    read = client.sessions.get(listed.id)
    assert read.id == listed.id
    assert read.authentication.methods[0].name == "pwd"
    assert read.device.initial_user_agent.startswith("Mozilla")
    assert client.sessions.update(listed.id, session_metadata={"desk": "4"}).session_metadata == {"desk": "4"}
    assert client.sessions.get(listed.id).session_metadata == {"desk": "4"}
    client.sessions.delete(listed.id)
    with refused(404):
        client.sessions.get(listed.id)
    assert list(client.users.sessions.list(visitor.id)) == []


def test_revoke_ends_a_session_and_its_refresh_tokens(client, new_visitor):
    visitor = new_visitor()
    (session,) = client.users.sessions.list(visitor.id)
    client.sessions.revoke(session.id)
    with refused(404):
        client.sessions.get(session.id)
    assert not visitor.refreshes()


def test_all_sessions_end_and_the_refresh_tokens_live_on(client, new_visitor):
    visitor = new_visitor()
    client.users.sessions.delete(visitor.id)
    assert list(client.users.sessions.list(visitor.id)) == []
    assert visitor.refreshes()
    with refused(404, "inexistent_user"):
        client.users.sessions.list(NOBODY)


@pytest.mark.parametrize("preserve", [True, False])
def test_revoke_access_ends_sessions_and_perhaps_refresh_tokens(client, new_visitor, preserve):
    visitor = new_visitor()
    client.users.revoke_access(visitor.id, preserve_refresh_tokens=preserve)
    assert list(client.users.sessions.list(visitor.id)) == []
    assert visitor.refreshes() is preserve


def test_a_refresh_token_is_listed_read_labelled_and_removed(client, new_visitor):
    visitor = new_visitor()
    (hers,) = client.users.refresh_token.list(visitor.id)
    assert (hers.user_id, hers.client_id) == (visitor.id, visitor.app.client_id)
    tokens = client.refresh_tokens
    assert [token.id for token in tokens.list(user_id=visitor.id, client_id=visitor.app.client_id)] == [hers.id]
    read = tokens.get(hers.id)
    assert read.id == hers.id and isinstance(read.rotating, bool)
    assert visitor.tokens["refresh_token"] not in read.model_dump_json(), "the token itself is not shown"
    tokens.update(hers.id, refresh_token_metadata={"device": "till"})
    assert tokens.get(hers.id).refresh_token_metadata == {"device": "till"}
    tokens.delete(hers.id)
    with refused(404):
        tokens.get(hers.id)
    assert not visitor.refreshes()


def test_refresh_tokens_are_revoked_by_their_ids_and_all_of_a_users(client, new_visitor):
    one, another, third = new_visitor(), new_visitor(), new_visitor()
    (token,) = client.users.refresh_token.list(one.id)
    client.refresh_tokens.revoke(ids=[token.id])
    assert not one.refreshes()
    client.refresh_tokens.revoke(user_id=another.id)
    assert not another.refreshes()
    client.users.refresh_token.delete(third.id)
    assert list(client.users.refresh_token.list(third.id)) == []
    assert not third.refreshes()
    with refused(404, "inexistent_user"):
        client.users.refresh_token.list(NOBODY)


def test_what_a_person_consented_to_is_listed_and_withdrawn(client, server, new_user, new_application, new_api):
    def consent():
        (user, password), api = new_user(), new_api()
        app = new_application(is_first_party=False)
        person = Consenting(server.issuer, user.email, password)
        keys = {"client_id": app.client_id, "client_secret": app.client_secret}
        person.login(keys, audience=api.identifier, scope="openid transfer:funds")
        return SimpleNamespace(id=user.user_id, app=app, api=api)

    one, another = consent(), consent()
    grants = {grant.audience: grant for grant in client.user_grants.list(user_id=one.id)}
    grant = grants[one.api.identifier]
    assert grant.client_id == one.app.client_id
    assert "transfer:funds" in grant.scope
    client.user_grants.delete(grant.id)
    assert one.api.identifier not in [grant.audience for grant in client.user_grants.list(user_id=one.id)]
    client.user_grants.delete_by_user_id(user_id=another.id)
    assert list(client.user_grants.list(user_id=another.id)) == []


def test_a_person_adds_a_public_key(client, recorder, server, new_user, new_application):
    (user, password), app = new_user(), new_application()
    tokens, _ = Person(server.issuer, user.email, password).login(
        {"client_id": app.client_id, "client_secret": app.client_secret},
        audience=f"{server.issuer}api/v2/",
        scope="openid create:current_user_device_credentials",
    )
    assert "create:current_user_device_credentials" in claims_of(tokens["access_token"])["scope"]
    hers = recorder.watch(ManagementClient(domain=server.domain, token=tokens["access_token"])).device_credentials
    device = {"device_name": "Till", "device_id": unique("device"), "type": "public_key", "value": "bm90LWEta2V5"}
    made = hers.create_public_key(**device)
    assert made.id.startswith("dcr_")

    credentials = client.device_credentials
    (listed,) = credentials.list(user_id=user.user_id, type="public_key")
    assert (listed.id, listed.device_name) == (made.id, "Till")
    credentials.delete(made.id)
    assert list(credentials.list(user_id=user.user_id, type="public_key")) == []
    with refused(403, "insufficient_scope"):
        credentials.create_public_key(**device)
