"""The official authentication client: passwords, MFA grants, passwordless codes. It has no calls for the MFA API of its own."""

import base64
import json
import secrets

import httpx
import pytest
from auth0.authentication import Database, GetToken, Passwordless
from auth0.authentication.exceptions import Auth0Error

from login import PAPE, Authenticator

GRANT = "http://auth0.com/oauth/grant-type/"
CONNECTION = "Username-Password-Authentication"


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture(scope="module")
def client(server, management):
    made = management.clients.create(
        name="Embedded login",
        app_type="regular_web",
        grant_types=[
            "password",
            "refresh_token",
            *(GRANT + name for name in ("password-realm", "mfa-otp", "mfa-oob", "mfa-recovery-code", "passwordless/otp")),
        ],
        token_endpoint_auth_method="client_secret_post",
        oidc_conformant=True,
    )
    for strategy in ("email", "sms"):
        management.connections.create(name=strategy, strategy=strategy, enabled_clients=[made.client_id])
    return made


@pytest.fixture
def token(server, client):
    return GetToken(server.domain, client.client_id, client_secret=client.client_secret)


def inbox(server, **query):
    answer = httpx.get(f"{server.issuer}_dev/api/outbox", params={"wait": "10", **query})
    return answer.json()[0]


def test_a_password_alone_is_answered_with_a_token_for_the_second_factor(server, management, token, new_user):
    user, password = new_user()
    seed = base64.b32encode(secrets.token_bytes(20)).decode()
    management.users.authentication_methods.create(user.user_id, type="totp", totp_secret=seed)
    management.guardian.factors.set(name="otp", enabled=True)
    management.guardian.policies.set(request=["all-applications"])
    try:
        with pytest.raises(Auth0Error) as refused:
            token.login(username=user.email, password=password, realm=CONNECTION, scope="openid")
        assert refused.value.error_code == "mfa_required"
        mfa_token = refused.value.content["mfa_token"]
        url = f"https://{server.domain}/oauth/token"
        with pytest.raises(Auth0Error) as wrong:
            token.authenticated_post(
                url, data={"grant_type": GRANT + "mfa-otp", "client_id": token.client_id, "mfa_token": mfa_token, "otp": "000000"}
            )
        assert (wrong.value.status_code, wrong.value.message) == (403, "Invalid otp_code.")
        tokens = token.authenticated_post(
            url,
            data={
                "grant_type": GRANT + "mfa-otp",
                "client_id": token.client_id,
                "mfa_token": mfa_token,
                "otp": Authenticator(seed).code(),
            },
        )
        found = claims(tokens["id_token"])
        assert (found["acr"], found["amr"]) == (PAPE, ["pwd", "mfa", "otp"])
    finally:
        management.guardian.policies.set(request=[])


def test_a_wrong_password_is_no_more_than_that(token, new_user):
    user, _ = new_user()
    with pytest.raises(Auth0Error) as refused:
        token.login(username=user.email, password="wrong", realm=CONNECTION)
    assert (refused.value.status_code, refused.value.error_code) == (403, "invalid_grant")


def test_a_mailed_code_logs_in(server, client, token):
    address = f"{secrets.token_hex(5)}@example.test"
    passwordless = Passwordless(server.domain, client.client_id, client_secret=client.client_secret)
    sent = passwordless.email(address, send="code")
    assert sent["email"] == address
    code = inbox(server, to=address, kind="code_email")["code"]
    with pytest.raises(Auth0Error) as wrong:
        token.passwordless_login(address, "1234567", "email", "openid email", None)
    assert wrong.value.message == "Wrong email or verification code."
    tokens = token.passwordless_login(address, code, "email", "openid email", None)
    found = claims(tokens["id_token"])
    assert (found["sub"].split("|")[0], found["amr"], found["email"]) == ("email", ["email"], address)
    assert found["sub"] != f"email|{sent['_id']}", "what anybody is told at the start is nobody's id"
    passwordless.email(address, send="code")
    again = inbox(server, to=address, kind="code_email")["code"]
    tokens = token.passwordless_login(address, again, "email", "openid email", None)
    assert claims(tokens["id_token"])["sub"] == found["sub"]


def test_a_texted_code_logs_in(server, client, token):
    number = f"+1202555{secrets.randbelow(9000) + 1000}"
    passwordless = Passwordless(server.domain, client.client_id, client_secret=client.client_secret)
    assert passwordless.sms(number)["phone_number"] == number
    code = inbox(server, to=number, kind="code_sms")["code"]
    tokens = token.passwordless_login(number, code, "sms", "openid phone", None)
    assert claims(tokens["id_token"])["amr"] == ["sms"]


def test_a_form_of_ones_own_signs_up_and_asks_for_a_new_password(server, client, token):
    database = Database(server.domain, client.client_id)
    address, password = f"{secrets.token_hex(5)}@example.test", secrets.token_urlsafe(12) + "1!aA"
    made = database.signup(address, password, CONNECTION, given_name="New", user_metadata={"plan": "silver"})
    assert (made["email"], made["email_verified"], made["given_name"]) == (address, False, "New")
    tokens = token.login(username=address, password=password, realm=CONNECTION, scope="openid")
    assert claims(tokens["id_token"])["sub"] == f"auth0|{made['_id']}"
    with pytest.raises(Auth0Error) as again:
        database.signup(address, password, CONNECTION)
    assert (again.value.status_code, again.value.error_code, again.value.message) == (400, "invalid_signup", "Invalid sign up")
    with pytest.raises(Auth0Error) as weak:
        database.signup(f"x{address}", "weak", CONNECTION)
    assert weak.value.error_code == "invalid_password"
    assert "We've just sent you an email" in database.change_password(address, CONNECTION)
    assert "u/reset-verify?ticket=" in inbox(server, to=address, kind="reset_email")["text"]
