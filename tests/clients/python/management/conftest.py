"""One Lockstep for this folder: its tests turn the tenant's keys and settings round."""

import os
import secrets
from types import SimpleNamespace

import httpx
import pytest
from auth0.management import ManagementClient

from conftest import CONNECTION
from login import CALLBACK, Person
from server import Server

from .recorder import Recorder


def pytest_collection_modifyitems(items):
    """The keys are turned after all others have used them, and the count of the methods comes last."""
    last = ["management.test_tenant_keys", "management.test_missing"]
    rank = {name: at for at, name in enumerate(last, 1)}
    here = [at for at, item in enumerate(items) if item.module.__name__.startswith("management.")]
    ours = sorted((items[at] for at in here), key=lambda item: rank.get(item.module.__name__, 0))
    for at, item in zip(here, ours):
        items[at] = item


@pytest.fixture(scope="package")
def server():
    # The clients find the certificate there; the other files' server has another one.
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    before = {name: os.environ.get(name) for name in names}
    running = Server()
    yield running
    running.stop()
    print(running.read_log())
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="package")
def recorder(server):
    machine = server.ready["management"]
    return Recorder(
        lambda: ManagementClient(
            domain=server.domain, client_id=machine["client_id"], client_secret=machine["client_secret"]
        )
    )


@pytest.fixture
def client(recorder):
    """The client under test."""
    return recorder.client


@pytest.fixture
def management(client):
    return client


@pytest.fixture
def new_api(client):
    def make(**properties):
        identifier = f"https://{secrets.token_hex(5)}.api.example.test/"
        return client.resource_servers.create(
            **{
                "name": identifier,
                "identifier": identifier,
                "skip_consent_for_verifiable_first_party_clients": True,
                "scopes": [{"value": "transfer:funds", "description": "Transfer money"}],
                **properties,
            }
        )

    return make


@pytest.fixture
def new_application(client):
    def make(**properties):
        return client.clients.create(
            **{
                "name": unique("app"),
                "app_type": "regular_web",
                "callbacks": [CALLBACK],
                "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
                "token_endpoint_auth_method": "client_secret_post",
                "oidc_conformant": True,
                **properties,
            }
        )

    return make


@pytest.fixture
def new_visitor(server, new_user, new_application):
    """Somebody who has logged in at an application of her own, with a refresh token."""

    def make(application=None, **parameters):
        user, password = new_user()
        app = new_application(**(application or {}))
        keys = {"client_id": app.client_id, "client_secret": app.client_secret}
        person = Person(server.issuer, user.email, password)
        tokens, _ = person.login(keys, **{"scope": "openid profile email offline_access", **parameters})

        def refreshes():
            """Whether her refresh token is still good; a good one is used by asking."""
            body = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **keys}
            return httpx.post(f"{server.issuer}oauth/token", json=body).is_success

        return SimpleNamespace(id=user.user_id, email=user.email, app=app, tokens=tokens, refreshes=refreshes)

    return make


@pytest.fixture
def new_database(client):
    return lambda: client.connections.create(name=unique("db"), strategy="auth0")


@pytest.fixture
def try_password(server):
    """Tries a password without a browser; returns the status."""

    def attempt(app, username, password):
        body = {
            "grant_type": "password",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "username": username,
            "password": password,
        }
        return httpx.post(f"{server.issuer}oauth/token", json=body).status_code

    return attempt


def unique(prefix):
    return f"{prefix}-{secrets.token_hex(5)}"


__all__ = ["CONNECTION", "unique"]
