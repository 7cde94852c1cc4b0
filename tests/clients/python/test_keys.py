"""Security keys, keys of the device and passkeys among the authentication methods, by the official Python SDK; virtual keys answer."""

import base64
import json

import httpx
import pytest
from auth0.management.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError

from conftest import CONNECTION
from login import PAPE, Forms, VirtualKey

GRANT = "urn:okta:params:oauth:grant-type:webauthn"


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@pytest.fixture(scope="module", autouse=True)
def switched_on(management):
    for factor in ("webauthn-roaming", "webauthn-platform"):
        management.guardian.factors.set(factor, enabled=True)
    connection = next(iter(management.connections.list(name=CONNECTION)))
    options = connection.options if isinstance(connection.options, dict) else connection.options.model_dump(exclude_none=True)
    options["authentication_methods"] = {**(options.get("authentication_methods") or {}), "passkey": {"enabled": True}}
    # They are added by the API here.
    options["passkey_options"] = {**(options.get("passkey_options") or {}), "progressive_enrollment_enabled": False}
    management.connections.update(connection.id, options=options)
    yield
    for factor in ("webauthn-roaming", "webauthn-platform"):
        management.guardian.factors.set(factor, enabled=False)


@pytest.fixture(scope="module")
def native(management):
    made = management.clients.create(
        name="Native", app_type="native", token_endpoint_auth_method="none", grant_types=[GRANT], oidc_conformant=True
    )
    return made.client_id


@pytest.fixture
def passkeys(server, native):
    """Signs up, and logs in, by a virtual key."""

    class Passkeys:
        def post(self, path, **body):
            return httpx.post(server.issuer + path, json={"client_id": native, **body})

        def redeem(self, begun, answer):
            more = {"auth_session": begun["auth_session"], "authn_response": answer, "scope": "openid"}
            return self.post("oauth/token", grant_type=GRANT, **more)

        def sign_up(self, kind):
            key = VirtualKey(server.issuer, kind)
            begun = self.post("passkey/register", user_profile={"email": f"{key.id}.py@example.test"}).json()
            answer = self.redeem(begun, key.ask("create", begun["authn_params_public_key"]))
            assert answer.status_code == 200, answer.text
            return key, claims(answer.json()["id_token"])["sub"]

        def log_in(self, key):
            begun = self.post("passkey/challenge").json()
            return self.redeem(begun, key.ask("get", begun["authn_params_public_key"]))

    return Passkeys()


@pytest.fixture
def enrol(management, server, new_person):
    """Enrols a key by a ticket, and names it."""

    def ceremony(person, user_id, kind, factor):
        person.key = VirtualKey(server.issuer, kind)
        ticket = management.guardian.enrollments.create_ticket(
            user_id=user_id, factor=factor, allow_multiple_enrollments=True
        )
        welcome = person.browser.get(ticket.ticket_url)
        page = person.submit(welcome, Forms(welcome.text))
        while page.is_redirect:
            page = person.browser.get(page.url.join(page.headers["location"]))
        page = person.press_key(page)
        while page.is_redirect:
            page = person.browser.get(page.url.join(page.headers["location"]))
        page = person.submit(page, Forms(page.text), nickname="Blue")
        assert page.status_code < 400, page.text

    return ceremony


def test_a_security_key_is_read_renamed_deleted_and_moved(management, application, new_person, enrol):
    methods = management.users.authentication_methods
    person, other = new_person(), new_person()
    user_id, other_id = (next(iter(management.users.list_users_by_email(email=p.email))).user_id for p in (person, other))
    enrol(person, user_id, "security-key", "webauthn-roaming")
    tokens, screens = person.login(application, acr_values=PAPE)
    assert screens == ["login", "mfa-webauthn-roaming-challenge"]
    assert claims(tokens["id_token"])["amr"] == ["pwd", "mfa", "pop", "hwk"]
    (made,) = list(methods.list(user_id))
    assert (made.type, made.name, made.relying_party_identifier) == ("webauthn-roaming", "Blue", "localhost")
    assert methods.update(user_id, made.id, name="Green").name == "Green"
    assert methods.get(user_id, made.id).name == "Green"
    data = {"key_id": made.key_id, "public_key": made.public_key, "relying_party_identifier": "localhost"}
    moved = methods.create(other_id, type="webauthn-roaming", name="Moved", **data)
    assert (moved.type, moved.key_id) == ("webauthn-roaming", made.key_id)
    with pytest.raises(ConflictError):
        methods.create(other_id, type="webauthn-roaming", name="Twice", **data)
    with pytest.raises(BadRequestError):
        methods.create(other_id, type="webauthn-roaming", name="Broken", key_id="x", public_key="y")
    other.key = person.key
    tokens, screens = other.login(application, acr_values=PAPE)
    assert screens == ["login", "mfa-webauthn-roaming-challenge"]
    methods.delete(user_id, made.id)
    with pytest.raises(NotFoundError):
        methods.get(user_id, made.id)


def test_a_key_of_the_device_is_read_renamed_and_deleted(management, new_person, enrol):
    methods = management.users.authentication_methods
    person = new_person()
    user_id = next(iter(management.users.list_users_by_email(email=person.email))).user_id
    enrol(person, user_id, "security-key", "webauthn-roaming")
    enrol(person, user_id, "device", "webauthn-platform")
    made = next(method for method in methods.list(user_id) if method.type == "webauthn-platform")
    assert methods.update(user_id, made.id, name="Laptop").name == "Laptop"
    assert methods.get(user_id, made.id).name == "Laptop"
    methods.delete(user_id, made.id)
    assert [method.type for method in methods.list(user_id)] == ["webauthn-roaming"]


def test_a_passkey_is_read_renamed_deleted_and_brought_back(management, passkeys, new_user):
    methods = management.users.authentication_methods
    key, user_id = passkeys.sign_up("synced")
    (made,) = list(methods.list(user_id))
    assert (made.type, made.credential_device_type, made.credential_backed_up) == ("passkey", "multi_device", True)
    assert (made.relying_party_identifier, made.transports) == ("localhost", ["internal"])
    assert methods.update(user_id, made.id, name="Phone").name == "Phone"
    assert methods.get(user_id, made.id).name == "Phone"
    with pytest.raises(ForbiddenError):
        methods.delete_all(user_id)
    methods.delete(user_id, made.id)
    assert passkeys.log_in(key).status_code == 404
    names = ("key_id", "public_key", "relying_party_identifier", "user_handle", "aaguid", "transports", "identity_user_id")
    data = {name: getattr(made, name) for name in names}
    back = methods.create(user_id, type="passkey", name="Back", credential_device_type="multi_device", **data)
    assert (back.type, back.user_handle) == ("passkey", made.user_handle)
    answer = passkeys.log_in(key)
    assert answer.status_code == 200 and claims(answer.json()["id_token"])["sub"] == user_id, answer.text
    other, _ = new_user()
    with pytest.raises(ConflictError):
        methods.create(other.user_id, type="passkey", **data)
