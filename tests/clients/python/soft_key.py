"""A security key in software with its browser, put together of fido2's own classes: nothing of it is ours."""

import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.cose import ES256, CoseKey, EdDSA, RS256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import Aaguid, AttestedCredentialData, AuthenticatorData, CollectedClientData

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80


def prime(rng, bits):
    """A prime by Miller and Rabin, with its two highest bits set. Only for tests: it is drawn from a known seed."""
    while True:
        n = rng.getrandbits(bits) | 3 << (bits - 2) | 1
        if n % 65537 == 1 or any(n % small == 0 for small in range(3, 2000, 2)):
            continue
        s = ((n - 1) & -(n - 1)).bit_length() - 1
        bases = (pow(rng.randrange(2, n - 1), (n - 1) >> s, n) for _ in range(8))
        if all(x == 1 or any(pow(x, 1 << r, n) == n - 1 for r in range(s)) for x in bases):
            return n


def private_key(rng, algorithm):
    """A private key that is the same in each run."""
    if algorithm is ES256:
        return ec.derive_private_key(rng.getrandbits(255) + 1, ec.SECP256R1())
    if algorithm is EdDSA:
        return ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    p, q, e = prime(rng, 1024), prime(rng, 1024), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key()


@dataclass
class Signing:
    """What is about to be signed, for cases that send something else."""

    client: bytearray
    data: bytearray
    format: str = "none"
    # None: what belongs to the format.
    statement: dict | None = None
    # How the attestation object is written.
    write: object = field(default=cbor.encode)

    def flags(self, flags):
        self.data[32] = flags

    def count(self, count):
        self.data[33:37] = struct.pack(">I", count)


class SoftKey:
    def __init__(self, rng, algorithm):
        self.private = private_key(rng, algorithm)
        self.algorithm = algorithm
        self.public: CoseKey = algorithm.from_cryptography_key(self.private.public_key())
        self.id = rng.randbytes(32)

    def sign(self, message):
        if self.algorithm is ES256:
            return self.private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        if self.algorithm is RS256:
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(message)

    def create(self, options, origin, change=lambda signing: None, flags=UP | UV, credential_id=None):
        """What `navigator.credentials.create` gives, with a last change to what is signed."""
        credential_id = self.id if credential_id is None else credential_id
        attested = AttestedCredentialData.create(Aaguid.NONE, credential_id, self.public)
        data = AuthenticatorData.create(sha256(options["rp"]["id"].encode()), flags | AT, 1, attested)
        client = CollectedClientData.create("webauthn.create", options["challenge"], origin)
        signing = Signing(bytearray(client), bytearray(data))
        change(signing)
        if signing.statement is None:
            signature = self.sign(bytes(signing.data) + sha256(bytes(signing.client)))
            packed = {"alg": self.algorithm.ALGORITHM, "sig": signature}
            signing.statement = packed if signing.format == "packed" else {}
        parts = {"fmt": signing.format, "authData": bytes(signing.data), "attStmt": signing.statement}
        return credential(
            credential_id, clientDataJSON=bytes(signing.client), attestationObject=signing.write(parts)
        )

    def get(self, options, origin, count, change=lambda signing: None, flags=UP | UV, user=b"user"):
        """What `navigator.credentials.get` gives, with a last change to what is signed."""
        data = AuthenticatorData.create(sha256(options["rpId"].encode()), flags, count)
        client = CollectedClientData.create("webauthn.get", options["challenge"], origin)
        signing = Signing(bytearray(client), bytearray(data))
        change(signing)
        signature = self.sign(bytes(signing.data) + sha256(bytes(signing.client)))
        return credential(
            self.id,
            clientDataJSON=bytes(signing.client),
            authenticatorData=bytes(signing.data),
            signature=signature,
            userHandle=user,
        )


def credential(credential_id, **response):
    """A credential in the JSON of a browser."""
    name = websafe_encode(credential_id)
    written = {key: websafe_encode(value) for key, value in response.items()}
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "authenticatorAttachment": "cross-platform",
        "clientExtensionResults": {},
        "response": written,
    }
