"""One Lockstep for all files; every test makes the users and applications that it needs."""

import secrets

import pytest
from auth0.management import ManagementClient

from login import CALLBACK, Person
from server import Server

CONNECTION = "Username-Password-Authentication"


@pytest.fixture(scope="session")
def server():
    running = Server()
    yield running
    running.stop()
    print(running.read_log())


@pytest.fixture(scope="session")
def management(server):
    """The official client with the twin's machine application."""
    machine = server.ready["management"]
    return ManagementClient(
        domain=server.domain, client_id=machine["client_id"], client_secret=machine["client_secret"]
    )


@pytest.fixture
def new_user(management):
    """Makes a user; returns what the server said and the password."""

    def make(**properties):
        password = f"Correct-horse-{secrets.token_urlsafe(6)}-9"
        email = f"{secrets.token_hex(5)}@example.test"
        user = management.users.create(
            **{"connection": CONNECTION, "email": email, "password": password, "email_verified": True, **properties}
        )
        return user, password

    return make


@pytest.fixture
def new_person(server, new_user):
    """Makes a user and puts them in front of a browser."""

    def make():
        user, password = new_user()
        return Person(server.issuer, user.email, password)

    return make


@pytest.fixture(scope="session")
def application(management):
    made = management.clients.create(
        name="Flask app",
        app_type="regular_web",
        callbacks=[CALLBACK],
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        token_endpoint_auth_method="client_secret_post",
        oidc_conformant=True,
    )
    return {"client_id": made.client_id, "client_secret": made.client_secret}


@pytest.fixture(scope="session")
def new_api(management):
    def make():
        identifier = f"https://{secrets.token_hex(5)}.api.example.test/"
        management.resource_servers.create(
            name=identifier,
            identifier=identifier,
            signing_alg="RS256",
            skip_consent_for_verifiable_first_party_clients=True,
        )
        return identifier

    return make
