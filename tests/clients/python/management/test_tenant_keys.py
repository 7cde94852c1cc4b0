"""The tenant's keys; after all other tests, since what a key signed dies with it."""

import base64

import httpx

from .words import refused


def test_an_encryption_key_is_made_and_destroyed_and_nothing_is_brought_into_it(client):
    keys = client.keys.encryption
    made = keys.create(type="customer-provided-root-key")
    assert made.state == "pre-activation"
    assert [key.kid for key in keys.list()] == [made.kid]
    wrapping = keys.create_public_wrapping_key(made.kid)
    assert wrapping.algorithm == "CKM_RSA_AES_KEY_WRAP"
    assert wrapping.public_key.startswith("-----BEGIN PUBLIC KEY-----")
    with refused(400, "invalid_body"):
        keys.import_(made.kid, wrapped_key="bm90LWEta2V5")
    with refused(501, "not_implemented"):
        keys.import_(made.kid, wrapped_key=base64.b64encode(bytes(280)).decode())
    with refused(501, "not_implemented"):
        keys.rekey()
    keys.delete(made.kid)
    assert keys.get(made.kid).state == "destroyed"
    with refused(404):
        keys.get("00000000-0000-4000-8000-000000000000")


def test_a_rotation_makes_the_next_key_current_and_the_previous_one_can_be_revoked(client, recorder, server):
    signing = client.keys.signing

    def which(state):
        (key,) = [key for key in signing.list() if getattr(key, state)]
        return key

    def published():
        return [key["kid"] for key in httpx.get(f"{server.issuer}.well-known/jwks.json").json()["keys"]]

    current, following = which("current"), which("next")
    assert current.cert.startswith("-----BEGIN CERTIFICATE-----")
    assert signing.get(current.kid).thumbprint == current.thumbprint
    with refused(400):
        signing.revoke(current.kid)

    assert signing.rotate().kid == following.kid
    assert which("current").kid == following.kid
    assert signing.get(current.kid).previous is True
    assert which("next").kid not in (current.kid, following.kid)
    assert current.kid in published(), "what it signed is still good"

    old = recorder.plain
    recorder.reconnect()
    assert signing.revoke(current.kid).kid == current.kid
    assert signing.get(current.kid).revoked is True
    assert current.kid not in published()
    with refused(401):
        old.keys.signing.list()
    with refused(404):
        signing.get("no-such-key")
