"""The guide's Flask backend with tokens of this server."""

import jwt
import pytest
from auth0.authentication import GetToken
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier

from backend import create_app
from login import PAPE


def claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def api(new_api, management):
    management.guardian.factors.set("otp", enabled=True)
    management.guardian.policies.set(request=[])
    return new_api()


@pytest.fixture
def backend(server, api):
    return create_app(server.domain, api).test_client()


def test_a_request_without_a_token_is_refused(backend):
    answer = backend.post("/transfer")
    assert (answer.status_code, answer.json) == (401, {"error": "Missing token"})


def test_mfa_is_demanded_and_a_step_up_satisfies_it(backend, application, api, new_person):
    person = new_person()
    plain, _ = person.login(application, audience=api)
    assert claims(plain["access_token"])["amr"] == ["pwd"]
    assert backend.get("/profile", headers=bearer(plain["access_token"])).status_code == 200
    refused = backend.post("/transfer", headers=bearer(plain["access_token"]))
    assert (refused.status_code, refused.json["code"]) == (403, "mfa_required")

    stepped, screens = person.login(application, audience=api, acr_values=PAPE)
    assert "login" not in screens, "no password again"
    assert set(claims(stepped["access_token"])["amr"]) == {"pwd", "mfa", "otp"}
    passed = backend.post("/transfer", headers=bearer(stepped["access_token"]))
    assert (passed.status_code, passed.json) == (200, {"success": True})


def test_a_token_for_another_api_is_refused(backend, application, new_api, api, new_person):
    tokens, _ = new_person().login(application, audience=new_api())
    answer = backend.get("/profile", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 401
    assert answer.json["error"].startswith("Invalid token: ")


def test_an_id_token_is_not_an_access_token(backend, application, api, new_person):
    tokens, _ = new_person().login(application, audience=api)
    assert backend.get("/profile", headers=bearer(tokens["id_token"])).status_code == 401


def test_a_token_that_somebody_changed_is_refused(backend, application, api, new_person):
    tokens, _ = new_person().login(application, audience=api)
    head, body, signature = tokens["access_token"].split(".")
    other = body[:-4] + ("AAAA" if body[-4:] != "AAAA" else "BBBB")
    assert backend.get("/profile", headers=bearer(f"{head}.{other}.{signature}")).status_code == 401


def test_a_token_signed_by_somebody_else_is_refused(backend, server, api):
    made = jwt.encode({"sub": "x", "aud": api, "iss": server.issuer, "amr": ["mfa"]}, "a" * 64, algorithm="HS256")
    assert backend.post("/transfer", headers=bearer(made)).status_code == 401


def test_the_sdk_verifies_our_id_tokens(server, application, new_person):
    tokens, _ = new_person().login(application)
    verifier = TokenVerifier(
        signature_verifier=AsymmetricSignatureVerifier(f"{server.issuer}.well-known/jwks.json"),
        issuer=server.issuer,
        audience=application["client_id"],
    )
    verified = verifier.verify(tokens["id_token"], nonce=claims(tokens["id_token"])["nonce"])
    assert verified["amr"] == ["pwd"]


def test_an_applications_own_token_never_counts_as_mfa(backend, server, application, management, api):
    management.client_grants.create(client_id=application["client_id"], audience=api, scope=[])
    getter = GetToken(server.domain, application["client_id"], client_secret=application["client_secret"])
    token = getter.client_credentials(api)["access_token"]
    assert not {"amr", "acr", "auth_time"} & set(claims(token))
    assert backend.get("/profile", headers=bearer(token)).status_code == 200
    assert backend.post("/transfer", headers=bearer(token)).status_code == 403
