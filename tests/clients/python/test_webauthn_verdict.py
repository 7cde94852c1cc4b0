"""Our verdict on answers of security keys against that of fido2, which somebody else wrote.

A key in software signs right answers, which are spoilt in some five thousand ways, most of them before the signature,
so that it is the check in question that decides. What fido2 refuses, we must refuse. Where we refuse what fido2
accepts, one of the RULES must say why, and must find in the answer itself what it speaks of: our reason alone counts
for nothing. What a rule speaks of we must refuse, whatever fido2 does, and a rule that no case needs fails too.
"""

import base64
import copy
import functools
import json
import random
import struct
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fido2 import cbor
from fido2.attestation import Attestation
from fido2.cose import ES256, CoseKey, EdDSA, RS256
from fido2.server import Fido2Server
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)

from server import REPOSITORY
from soft_key import AT, BE, BS, ED, UP, UV, SoftKey

SEED = 20_190_304
RP_ID = "login.example.test"
ORIGIN = "https://login.example.test"
CHALLENGE = websafe_encode(bytes(range(200, 232)))
USER = b"user"
STORED_COUNT = 5
# What the issue of WebAuthn names, and the fewest cases of each.
KINDS = {
    "right": 20,
    "origin": 50,
    "rp id": 40,
    "challenge": 50,
    "flags": 500,
    "type": 30,
    "algorithm": 50,
    "key": 200,
    "signature": 150,
    "counter": 30,
    "extra bytes": 40,
    "truncated": 100,
    "cbor": 30,
    "bits": 500,
    "client data": 40,
    "encoding": 40,
    "identity": 30,
    "attestation": 20,
    "extensions": 20,
}


@dataclass
class Case:
    kind: str
    what: str
    options: dict
    response: dict
    # What is kept of the key: COSE bytes and the last counter.
    public_key: bytes | None = None
    count: int = STORED_COUNT

    @property
    def creation(self):
        return "rp" in self.options

    @property
    def verification(self):
        return self.options.get("authenticatorSelection", self.options)["userVerification"]

    def line(self):
        """The case as the example program reads it."""
        line = {"options": self.options, "origin": ORIGIN, "response": self.response}
        if not self.creation:
            known = {"public_key": websafe_encode(self.public_key), "sign_count": self.count}
            line["credential"] = {**known, "user_handle": websafe_encode(USER)}
        return json.dumps(line)

    # What the rules look at, read with fido2's means.

    @property
    def client(self):
        return websafe_decode(self.response["response"]["clientDataJSON"])

    @property
    def object(self):
        return websafe_decode(self.response["response"]["attestationObject"])

    @property
    def data(self):
        if self.creation:
            return cbor.decode(self.object)["authData"]
        return websafe_decode(self.response["response"]["authenticatorData"])

    @property
    def parsed(self):
        return AuthenticatorData(self.data)

    @property
    def key(self):
        """The key as it stands in the answer, or as it is kept."""
        if not self.creation:
            return cbor.decode(self.public_key)
        length = struct.unpack(">H", self.data[53:55])[0]
        return cbor.decode_from(self.data[55 + length :])[0]


# --- where we are the stricter ----------------------------------------------------------------------------------


@dataclass
class Rule:
    ours: str
    """How our reason begins."""
    why: str
    """Why we refuse it, and fido2 does not."""
    holds: Callable[[Case], bool]
    """Finds it in the answer."""


def members_twice(text):
    twice = []

    def pairs(found):
        names = [name for name, _ in found]
        twice.extend(name for name in names if names.count(name) > 1)
        return dict(found)

    json.loads(text, object_pairs_hook=pairs)
    return twice


def proper_key(key):
    """Whether a COSE key is of the three kinds, whole, of a safe size, and nothing else.

    A point of P-256 is on its curve. One of Ed25519 may be on none: that is found out when it verifies nothing.
    """
    try:
        kind = (key[1], key[3])
        if kind == (2, -7):
            sizes = len(key[-2]) == len(key[-3]) == 32 and key[-1] == 1 and len(key) == 5
            x, y = (int.from_bytes(key[at]) for at in (-2, -3))
            ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            return sizes
        if kind == (1, -8):
            return len(key[-2]) == 32 and key[-1] == 6 and len(key) == 4
        if kind == (3, -257):
            n, e = (int.from_bytes(key[at]) for at in (-1, -2))
            rsa.RSAPublicNumbers(e, n).public_key()
            return 2048 <= n.bit_length() <= 8192 and 3 <= e < 1 << 33 and len(key) == 4
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    return False


def written_as_ctap2_says(encoded):
    """Whether CBOR is what fido2 itself would write, but for the order of a map's keys: the same bytes, somewhere."""
    return sorted(cbor.encode(cbor.decode(encoded))) == sorted(encoded)


def broken_base64(text):
    return websafe_encode(websafe_decode(text)) != text


def attestation_of(case):
    return cbor.decode(case.object)


# WebAuthn 8.
FORMATS = {"packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple", "none", "compound"}

RULES = {
    "counter": Rule(
        "the signature counter is ",
        "WebAuthn 7.2: there may be a copy of the key; fido2 keeps no counter.",
        lambda case: not case.creation and case.parsed.counter <= case.count and case.parsed.counter + case.count > 0,
    ),
    "backup state": Rule(
        "the key says that it is backed up and cannot be",
        "WebAuthn 7.1 and 7.2 refuse it; fido2 does not look at these flags.",
        lambda case: case.parsed.is_backed_up() and not case.parsed.is_backup_eligible(),
    ),
    "frame": Rule(
        "the page that asked was in a frame of another site",
        "Our pages are in no frame, so WebAuthn 7.1 and 7.2 refuse it; fido2 lets it pass.",
        lambda case: json.loads(case.client).get("crossOrigin") is True or "topOrigin" in json.loads(case.client),
    ),
    "challenge as text": Rule(
        "the challenge is not the one that was issued",
        "WebAuthn 7.1 and 7.2 compare the texts; fido2 compares what they decode to, and skips what is no base64.",
        lambda case: json.loads(case.client)["challenge"] != case.options["challenge"],
    ),
    "identifier": Rule(
        "the answer is of another key",
        "A key has one identifier; fido2 does not compare that of the answer with that in the data.",
        lambda case: case.creation and case.parsed.credential_data.credential_id != websafe_decode(case.response["id"]),
    ),
    "identifier length": Rule(
        "the answer is malformed",
        "WebAuthn 4 and 7.1: 16 to 1023 bytes; fido2 takes any.",
        lambda case: not 16 <= len(websafe_decode(case.response["id"])) <= 1023,
    ),
    "credential type": Rule(
        "the answer is malformed",
        "WebAuthn 5.8.2: there is one type; fido2 takes others as if they were missing.",
        lambda case: case.response.get("type") != "public-key",
    ),
    "excluded": Rule(
        "the key is enrolled already",
        "WebAuthn 7.1: a key is registered once; with fido2 that is the caller's work.",
        lambda case: case.response["id"] in [key["id"] for key in case.options["excludeCredentials"]],
    ),
    "user": Rule(
        "the key is of another user",
        "WebAuthn 7.2: the key is of who signs in; with fido2 that is the caller's work.",
        lambda case: case.response["response"]["userHandle"] not in ("", websafe_encode(USER)),
    ),
    "key": Rule(
        "the key is not of an algorithm that was offered",
        "WebAuthn 6.5.1 and 7.1: a whole key of an algorithm that was offered; fido2 looks at what it verifies by.",
        lambda case: not proper_key(case.key),
    ),
    "key in an assertion": Rule(
        "the answer is malformed: authenticatorData with a key",
        "WebAuthn 6.1: attested data is for a new key only; fido2 passes it over.",
        lambda case: not case.creation and case.parsed.credential_data is not None,
    ),
    "format": Rule(
        "the attestation does not fit the key",
        "WebAuthn 7.1: a format that is registered; fido2 looks at none where none is asked for.",
        lambda case: attestation_of(case)["fmt"] not in FORMATS,
    ),
    "extensions": Rule(
        "the answer is malformed: auth",
        "WebAuthn 6.1: extensions are a map; fido2 takes any CBOR.",
        lambda case: case.parsed.has_extension_data() and not isinstance(case.parsed.extensions, dict),
    ),
    "cbor of the object": Rule(
        "the answer is malformed: attestationObject",
        "CTAP2 8: shortest lengths, no key twice, all bytes there; fido2 also takes the others, and cut strings.",
        lambda case: not written_as_ctap2_says(case.object),
    ),
    "cbor of the data": Rule(
        "the answer is malformed: auth",
        "The same, of the key and the extensions.",
        lambda case: not data_as_ctap2_says(case),
    ),
    "deep": Rule(
        "the answer is malformed: attestationObject",
        "Statements take five levels, and we read eight: no work for strangers; fido2 reads what Python can.",
        lambda case: depth(attestation_of(case)) > 8,
    ),
    "statement": Rule(
        "the answer is malformed: attestationObject",
        "WebAuthn 6.5.4: the format is a text and the statement a map; fido2 looks at neither.",
        lambda case: [type(attestation_of(case)[part]) for part in ("fmt", "attStmt")] != [str, dict],
    ),
    "member twice": Rule(
        "the answer is malformed: clientDataJSON",
        "What stands twice could be read in two ways; Python takes the last.",
        lambda case: bool(members_twice(case.client)),
    ),
    "client data types": Rule(
        "the answer is malformed: clientDataJSON",
        "WebAuthn 5.8.1 says which type each member has; fido2 looks at none.",
        lambda case: not isinstance(json.loads(case.client).get("crossOrigin", False), bool | None),
    ),
    "base64url": Rule(
        "the answer is malformed",
        "WebAuthn 5.1.8: base64url without padding or anything else; Python passes over what is neither.",
        lambda case: any(map(broken_base64, [case.response["id"], *case.response["response"].values()])),
    ),
}


def data_as_ctap2_says(case):
    data = case.data
    rest = data[37:]
    if data[32] & AT:
        length = struct.unpack(">H", rest[16:18])[0]
        if len(rest) < 18 + length:
            return False
        rest = rest[18 + length :]
    written = b""
    left = rest
    for flag in (AT, ED):
        if data[32] & flag:
            value, left = cbor.decode_from(left)
            written += cbor.encode(value)
    return sorted(written + left) == sorted(rest)


# --- the two verdicts -------------------------------------------------------------------------------------------


def our_verdicts(cases):
    """Asks the example program, which calls what the server calls."""
    program = ["cargo", "run", "--quiet", "--locked", "--package", "lockstep-core", "--example", "webauthn_verdict"]
    lines = "\n".join(case.line() for case in cases)
    ran = subprocess.run(program, cwd=REPOSITORY, input=lines, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stderr
    verdicts = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(verdicts) == len(cases)
    return verdicts


class LookAtWhatWeLookAt:
    """We ask for no attestation, and fido2 would look at none; but `none` and a key's own must not contradict themselves."""

    def __call__(self, attestation, client_hash):
        by_itself = attestation.fmt == "packed" and "x5c" not in attestation.att_stmt
        if attestation.fmt == "none" or by_itself:
            Attestation.for_type(attestation.fmt)().verify(attestation.att_stmt, attestation.auth_data, client_hash)


FIDO2 = Fido2Server(
    PublicKeyCredentialRpEntity(id=RP_ID, name="Test"),
    attestation="direct",
    verify_origin=lambda origin: origin == ORIGIN,
    verify_attestation=LookAtWhatWeLookAt(),
)


def their_state(case):
    """What fido2 keeps of a question until its answer."""
    wish = UserVerificationRequirement(case.verification)
    return {"challenge": case.options["challenge"], "user_verification": wish}


def their_verdict(case):
    """What fido2 takes from an answer; an exception where it refuses it."""
    state = their_state(case)
    if case.creation:
        return FIDO2.register_complete(state, case.response)
    key = CoseKey.parse(cbor.decode(case.public_key))
    ids = [websafe_decode(allowed["id"]) for allowed in case.options["allowCredentials"]]
    known = [AttestedCredentialData.create(Aaguid.NONE, known_id, key) for known_id in ids]
    FIDO2.authenticate_complete(state, known, case.response)
    return AuthenticatorData(case.data)


def facts(case, data):
    """What both must have read alike."""
    read = {
        "sign_count": data.counter,
        "user_verified": data.is_user_verified(),
        "backup_eligible": data.is_backup_eligible(),
        "backed_up": data.is_backed_up(),
    }
    if case.creation:
        read["id"] = websafe_encode(data.credential_data.credential_id)
        read["public_key"] = websafe_encode(cbor.encode(data.credential_data.public_key))
        read["format"] = AttestationObject(case.object).fmt
    return read


# --- the cases --------------------------------------------------------------------------------------------------


def creation_options(verification, excluded=()):
    return {
        "rp": {"id": RP_ID, "name": "Test"},
        "challenge": CHALLENGE,
        "user": {"id": websafe_encode(USER), "name": "ann", "displayName": "Ann"},
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -257, -8)],
        "excludeCredentials": [{"type": "public-key", "id": websafe_encode(key)} for key in excluded],
        "authenticatorSelection": {"userVerification": verification},
    }


class Maker:
    """Makes the cases of one key."""

    def __init__(self, rng, key, other):
        self.rng, self.key, self.other = rng, key, other
        self.cases = []

    def register(self, kind, what, change=lambda signing: None, verification="preferred", after=None, **more):
        options = creation_options(verification, more.pop("excluded", ()))
        response = self.key.create(options, ORIGIN, change, **more)
        self.add(kind, what, options, response, after)

    def sign_in(self, kind, what, change=lambda signing: None, verification="preferred", after=None, **more):
        kept = more.pop("public_key", cbor.encode(self.key.public))
        stored, count = more.pop("stored", STORED_COUNT), more.pop("count", STORED_COUNT + 1)
        allowed = [{"type": "public-key", "id": websafe_encode(self.key.id)}]
        options = {"rpId": RP_ID, "challenge": CHALLENGE, "allowCredentials": allowed, "userVerification": verification}
        response = self.key.get(options, ORIGIN, count, change, **more)
        self.add(kind, what, options, response, after, public_key=kept, count=stored)

    def add(self, kind, what, options, response, after, **known):
        response = copy.deepcopy(response)
        if after:
            after(response)
        what = f"{what}, {self.key.algorithm.__name__}"
        self.cases.append(Case(kind, what, options, response, **known))

    def both(self, kind, what, change=lambda signing: None, **more):
        self.register(kind, f"{what}, creation", change, **more)
        self.sign_in(kind, f"{what}, assertion", change, **more)

    def after(self, kind, what, name, change):
        """Spoils a part when all is signed."""

        def spoil(response):
            if name in response["response"]:
                response["response"][name] = websafe_encode(change(websafe_decode(response["response"][name])))

        if name in ("clientDataJSON", "attestationObject"):
            self.register(kind, f"{what} of {name}, creation", after=spoil)
        if name != "attestationObject":
            self.sign_in(kind, f"{what} of {name}, assertion", after=spoil)

    # The kinds.

    def right(self):
        for verification in ("discouraged", "preferred", "required"):
            self.both("right", verification, verification=verification)
        for flags in (UP | UV | BE, UP | UV | BE | BS, UP):
            self.both("right", f"flags {flags:02x}", flags=flags)
        self.register("right", "it attests itself", lambda signing: setattr(signing, "format", "packed"))
        self.sign_in("right", "no user handle", after=lambda response: response["response"].pop("userHandle"))
        self.sign_in("right", "an empty user handle", user=b"")
        self.sign_in("right", "no counter", stored=0, count=0)
        self.both("right", "more client data", said(more={"a": [1]}))
        self.both("right", "spaced client data", client(lambda said: json.dumps(said, indent=2).encode()))

    def origin(self):
        wrong = ["https://evil.test", "http://login.example.test", "https://example.test"]
        wrong += ["https://sub.login.example.test", ORIGIN + ":8443", ORIGIN + ".evil.test", ORIGIN + "/", ORIGIN.upper(), ""]
        wrong += ["null", ORIGIN + "\0", " " + ORIGIN, ORIGIN + "@evil.test", "android:apk-key-hash:AAAA"]
        wrong += [None, 7, [ORIGIN]]
        for origin in wrong:
            self.both("origin", repr(origin), said(origin=origin))
        self.both("origin", "missing", said(without="origin"))

    def rp_id(self):
        wrong = ["example.test", "sub.login.example.test", "LOGIN.example.test", "evil.test", "", RP_ID + ".", ORIGIN]
        for rp_id in wrong:
            self.both("rp id", repr(rp_id), data(lambda data, rp_id=rp_id: sha256(rp_id.encode()) + data[32:]))
        for at in range(0, 32, 5):
            self.both("rp id", f"bit of byte {at}", data(lambda data, at=at: flipped(data, 8 * at)))

    def challenge(self):
        raw = websafe_decode(CHALLENGE)
        wrong = [self.rng.randbytes(32), raw[:-1], raw + b"\0", b"", bytes(32), raw[::-1]]
        wrong += [flipped(raw, bit) for bit in (0, 77, 255)]
        texts = [websafe_encode(challenge) for challenge in wrong]
        standard = base64.b64encode(raw).decode()
        assert standard.rstrip("=") != CHALLENGE, "the challenge has to show the alphabets' difference"
        texts += [CHALLENGE + "=", standard, standard.rstrip("="), CHALLENGE[:-1] + chr(ord(CHALLENGE[-1]) + 1)]
        texts.append(CHALLENGE + "\n")
        texts += [CHALLENGE.lower(), "!" + CHALLENGE, None, 7, list(raw)]
        for text in texts:
            self.both("challenge", repr(text), said(challenge=text))
        self.both("challenge", "missing", said(without="challenge"))

    def type(self):
        wrong = ["", "webauthn.Create", "webauthn.GET", "webauthn", "payment.get", "webauthn.get "]
        wrong += [None, ["webauthn.get"]]
        for kind in wrong:
            self.both("type", repr(kind), said(type=kind))
        self.both("type", "missing", said(without="type"))
        self.register("type", "of an assertion", said(type="webauthn.get"))
        self.sign_in("type", "of a creation", said(type="webauthn.create"))

    def flags(self):
        for flags in range(256):
            for verification in ("preferred", "required"):
                what = f"{flags:08b}, {verification}"
                self.both("flags", what, lambda signing: signing.flags(flags), verification=verification)

    def counter(self):
        for count in (0, 1, STORED_COUNT - 1, STORED_COUNT, STORED_COUNT + 1, 1000, 2**31, 2**32 - 1):
            for stored in (0, STORED_COUNT, 2**31, 2**32 - 1):
                self.sign_in("counter", f"{count} after {stored}", count=count, stored=stored)
            self.register("counter", f"{count} at first", lambda signing: signing.count(count))

    def changed_keys(self):
        """Keys with something else in them, by kind."""
        good = dict(self.key.public)
        algorithm = [{**good, 3: alg} for alg in (-7, -8, -257, -35, -36, -37, -39, -47, -65535, 0, 7, "ES256")]
        algorithm += [{**good, 1: kty} for kty in (0, 1, 2, 3, 4)] + [without(good, 3), without(good, 1)]
        if -1 in good and isinstance(good[-1], int):
            algorithm += [{**good, -1: curve} for curve in (1, 2, 3, 6, 7, 8)]
        key = [without(good, label) for label in good] + [dict(self.other.public), {}, []]
        key += [{**good, 2: b"kid"}, {**good, 4: [2]}, {**good, -9: b""}]
        for label in (label for label, value in good.items() if isinstance(value, bytes)):
            value = good[label]
            others = [value[:-1], value + b"\0", b"\0" + value, b"", bytes(len(value)), b"\xff" * len(value)]
            others += [True, value.hex()]
            others += [flipped(value, self.rng.randrange(8 * len(value))) for _ in range(12)]
            key += [{**good, label: other} for other in others]
        return [("algorithm", key) for key in algorithm] + [("key", other) for other in key]

    def keys(self):
        for kind, key in self.changed_keys():
            encoded = cbor.encode(key)
            self.register(kind, repr(key), data(lambda data: data[: 55 + len(self.key.id)] + encoded))
            self.sign_in(kind, repr(key), public_key=encoded)

    def signature(self):
        message = []

        def remember(signing):
            message[:] = [bytes(signing.data) + sha256(bytes(signing.client))]

        def sign_in(what, change):
            def spoil(response):
                parts = response["response"]
                parts["signature"] = websafe_encode(change(websafe_decode(parts["signature"])))

            self.sign_in("signature", what, remember, after=spoil)

        sign_in("of another key", lambda _: self.other.sign(message[0]))
        sign_in("of something else", lambda _: self.key.sign(message[0][:-1]))
        sign_in("of the data alone", lambda _: self.key.sign(message[0][:37]))
        sign_in("empty", lambda _: b"")
        sign_in("longer", lambda signature: signature + b"\0")
        sign_in("with a zero before", lambda signature: b"\0" + signature)
        sign_in("of zeros", lambda signature: bytes(len(signature)))
        for _ in range(40):
            sign_in("bit", lambda signature: flipped(signature, self.rng.randrange(8 * len(signature))))
        for _ in range(8):
            sign_in("cut", lambda signature: signature[: self.rng.randrange(len(signature))])
        if self.key.algorithm is ES256:
            order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
            again = {
                "the other s": lambda r, s: (r, order - s),
                "s and the order": lambda r, s: (r, s + order),
                "r is 0": lambda r, s: (0, s),
                "s is 0": lambda r, s: (r, 0),
                "both are 1": lambda r, s: (1, 1),
                "swapped": lambda r, s: (s, r),
            }
            for what, change in again.items():
                sign_in(what, lambda signature: encode_dss_signature(*change(*decode_dss_signature(signature))))
            sign_in("bare numbers", lambda signature: b"".join(n.to_bytes(32) for n in decode_dss_signature(signature)))
            sign_in("long form of DER", lambda signature: signature[:1] + b"\x81" + signature[1:])
            sign_in("negative numbers", lambda _: bytes.fromhex("30060201ff0201ff"))
        if self.key.algorithm is EdDSA:
            order = 2**252 + 27742317777372353535851937790883648493

            def beyond(signature):
                return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")

            sign_in("s and the order", beyond)

    def extra_bytes(self):
        for more in (b"\0", b"\xa0", b"\xf6", bytes(16)):
            self.both("extra bytes", f"{more!r} after the data", data(lambda data: data + more))
            self.after("extra bytes", f"{more!r}, unsigned,", "authenticatorData", lambda raw: raw + more)
            self.after("extra bytes", f"{more!r}", "attestationObject", lambda raw: raw + more)
            self.after("extra bytes", f"{more!r}", "clientDataJSON", lambda raw: raw + more)
            self.both("extra bytes", f"{more!r} in signed client data", raw_client(lambda raw: raw + more))

    def truncated(self):
        for share in range(30):
            self.after("truncated", f"{share}/30", "attestationObject", lambda raw: raw[: len(raw) * share // 30])
            self.both("truncated", f"signed data, {share}/30", data(lambda data: data[: len(data) * share // 30]))
        for left in range(1, 9):
            self.after("truncated", f"without {left}", "attestationObject", lambda raw: raw[:-left])
            self.both("truncated", f"signed data without {left}", data(lambda data: data[:-left]))
        self.after("truncated", "half", "clientDataJSON", lambda raw: raw[: len(raw) // 2])
        self.after("truncated", "half", "authenticatorData", lambda raw: raw[: len(raw) // 2])

    def other_cbor(self):
        def write(change):
            return lambda signing: setattr(signing, "write", lambda parts: change(parts, cbor.encode(parts)))

        long_text = b"\x78\x03fmt"
        forms = {
            "a longer length": lambda parts, good: good.replace(b"\x63fmt", long_text),
            "a still longer one": lambda parts, good: b"\xb8\x03" + good[1:],
            "one more than there is": lambda parts, good: b"\xa4" + good[1:],
            "one less than there is": lambda parts, good: b"\xa2" + good[1:],
            "a key twice": lambda parts, good: b"\xa4" + good[1:] + b"\x63fmt\x64none",
            "another key": lambda parts, good: b"\xa4" + good[1:] + b"\x61x\x00",
            "an open end": lambda parts, good: b"\xbf" + good[1:] + b"\xff",
            "a tag": lambda parts, good: b"\xd9\xd9\xf7" + good,
            "a list": lambda parts, good: cbor.encode(list(parts.values())),
            "bytes around it": lambda parts, good: cbor.encode(good),
            "no format": lambda parts, good: cbor.encode(without(parts, "fmt")),
            "no data": lambda parts, good: cbor.encode(without(parts, "authData")),
            "no statement": lambda parts, good: cbor.encode(without(parts, "attStmt")),
            "a format in bytes": lambda parts, good: cbor.encode({**parts, "fmt": b"none"}),
            "data in a text": lambda parts, good: cbor.encode({**parts, "authData": "x" * 164}),
            "a statement that is false": lambda parts, good: cbor.encode({**parts, "fmt": "tpm", "attStmt": False}),
            "a statement that is a list": lambda parts, good: cbor.encode({**parts, "fmt": "tpm", "attStmt": []}),
            "deep": lambda parts, good: cbor.encode({**parts, "fmt": "tpm", "attStmt": {"x": deep(20)}}),
            "nothing": lambda parts, good: b"",
        }
        for what, change in forms.items():
            self.register("cbor", what, write(change))
        encoded = cbor.encode(self.key.public)
        for what, key in {
            "a longer number in the key": encoded.replace(b"\x01", b"\x18\x01", 1),
            "an open end of the key": b"\xbf" + encoded[1:] + b"\xff",
            "a label twice": bytes([encoded[0] + 1]) + encoded[1:] + b"\x03" + cbor.encode(self.key.public[3]),
        }.items():
            self.register("cbor", what, data(lambda data: data[: 55 + len(self.key.id)] + key))

    def bits(self):
        def flip(raw):
            return flipped(raw, self.rng.randrange(8 * len(raw)))

        for name in ("clientDataJSON", "attestationObject", "authenticatorData"):
            for _ in range(90):
                self.after("bits", "a bit", name, flip)
        for _ in range(60):
            self.both("bits", "a signed bit of the data", data(flip))
            self.both("bits", "a signed bit of client data", raw_client(flip))

    def client_data(self):
        self.both("client data", "in a frame", said(crossOrigin=True))
        self.both("client data", "in a frame of", said(topOrigin="https://evil.test"))
        for value in ("true", 1, [], None):
            self.both("client data", f"crossOrigin {value!r}", said(crossOrigin=value))
        self.both("client data", "without crossOrigin", said(without="crossOrigin"))
        for twice in ("origin", "challenge", "type"):
            self.both("client data", f"{twice} twice", raw_client(lambda raw: b'{"%s":"x",' % twice.encode() + raw[1:]))
        forms = {
            "with a mark of its encoding": lambda raw: b"\xef\xbb\xbf" + raw,
            "no UTF-8": lambda raw: raw[:-1] + b',"x":"\xff"}',
            "in UTF-16": lambda raw: raw.decode().encode("utf-16"),
            "a list": lambda raw: b"[" + raw + b"]",
            "a text": lambda raw: json.dumps(raw.decode()).encode(),
            "null": lambda raw: b"null",
            "empty": lambda raw: b"",
            "escapes": lambda raw: raw.replace(b"webauthn", b"\\u0077ebauthn"),
            "a comma too many": lambda raw: raw[:-1] + b",}",
            "half a pair of surrogates": lambda raw: raw.replace(b"login.", b"\\ud800."),
        }
        for what, change in forms.items():
            self.both("client data", what, raw_client(change))

    def encoding(self):
        spellings = {
            "padded": lambda text: text + "=" * (-len(text) % 4 or 4),
            "a line break": lambda text: text[:20] + "\n" + text[20:],
            "a space": lambda text: " " + text,
            "a character that is none": lambda text: text[:8] + "!" + text[8:],
            "one character more": lambda text: text + "A",
            "not ASCII": lambda text: text[:8] + "é" + text[9:],
            "empty": lambda text: "",
        }
        for what, spell in spellings.items():
            for name in ("clientDataJSON", "attestationObject", "authenticatorData", "signature"):

                def spoil(response):
                    response["response"][name] = spell(response["response"][name])

                if name in ("clientDataJSON", "attestationObject"):
                    self.register("encoding", f"{what} of {name}, creation", after=spoil)
                if name != "attestationObject":
                    self.sign_in("encoding", f"{what} of {name}, assertion", after=spoil)

            def spoil_id(response):
                response["id"] = response["rawId"] = spell(response["id"])

            self.both("encoding", f"{what} of id", after=spoil_id)

    def identity(self):
        def named(id=None, raw_id=None):
            def spoil(response):
                response["id"], response["rawId"] = id or response["id"], raw_id or response["rawId"]

            return spoil

        another = websafe_encode(self.other.id)
        self.both("identity", "another id", after=named(another, another))
        self.both("identity", "another raw id", after=named(raw_id=another))
        self.both("identity", "another id beside it", after=named(id=another))
        for length in (0, 1, 15, 16, 17, 1023, 1024, 2000):
            self.register("identity", f"an id of {length} bytes", credential_id=bytes(length))
        self.register("identity", "a key that is there already", excluded=[self.other.id, self.key.id])
        self.register("identity", "a key that is not", excluded=[self.other.id])
        self.sign_in("identity", "another user", user=b"eve")
        self.sign_in("identity", "half a user", user=USER[:2])
        for kind in ("", "password", "public-key "):
            self.both("identity", f"type {kind!r}", after=lambda response: response.update(type=kind))
        self.both("identity", "without a type", after=lambda response: response.pop("type"))
        self.both("identity", "without a response", after=lambda response: response.pop("response"))

    def attestation(self):
        def says(format, statement):
            def change(signing):
                message = bytes(signing.data) + sha256(bytes(signing.client))
                signing.format, signing.statement = format, statement(message)

            return change

        alg = self.key.algorithm.ALGORITHM
        self.register("attestation", "none, and yet", says("none", lambda message: {"alg": alg}))
        for format in ("", "None", "self", "packed2", "fido-u2f2"):
            self.register("attestation", f"format {format!r}", says(format, lambda message: {}))
        self.register("attestation", "another maker's", says("fido-u2f", lambda message: {"sig": b"", "x5c": [b""]}))
        right = lambda message: {"alg": alg, "sig": self.key.sign(message)}
        self.register("attestation", "right", says("packed", right))
        self.register("attestation", "of another key", says("packed", lambda m: {"alg": alg, "sig": self.other.sign(m)}))
        self.register("attestation", "of something else", says("packed", lambda m: right(m + b"\0")))
        for other in (-7, -8, -257, -37, 0, "ES256"):
            self.register("attestation", f"alg {other}", says("packed", lambda m: {**right(m), "alg": other}))
        self.register("attestation", "no alg", says("packed", lambda m: without(right(m), "alg")))
        self.register("attestation", "no sig", says("packed", lambda m: without(right(m), "sig")))
        self.register("attestation", "a text as sig", says("packed", lambda m: {**right(m), "sig": "sig"}))
        self.register("attestation", "nothing in it", says("packed", lambda m: {}))
        for _ in range(8):
            self.register(
                "attestation",
                "a bit of it",
                says("packed", lambda m: {**right(m), "sig": flipped(right(m)["sig"], self.rng.randrange(400))}),
            )

    def extensions(self):
        for what, more in {
            "none in a map": b"\xa0",
            "one": cbor.encode({"credProtect": 2}),
            "a list": b"\x80",
            "a number": b"\x07",
            "false": b"\xf4",
            "nothing": b"",
            "half of it": cbor.encode({"credProtect": 2})[:-1],
            "two of them": b"\xa0\xa0",
            "a key twice": b"\xa2\x61a\x01\x61a\x01",
            "a number in long": b"\xa1\x61a\x18\x01",
        }.items():

            def change(signing):
                signing.flags(signing.data[32] | ED)
                signing.data += more

            self.both("extensions", what, change)
            self.both("extensions", f"{what}, not announced", data(lambda data: data + more))

        attested = AttestedCredentialData.create(Aaguid.NONE, self.key.id, self.key.public)

        def with_key(signing):
            signing.flags(UP | UV | AT)
            signing.data += attested

        self.sign_in("extensions", "a key in an assertion", with_key)

    def all(self):
        kinds = [self.right, self.origin, self.rp_id, self.challenge, self.type, self.counter, self.keys]
        kinds += [self.signature, self.extra_bytes, self.truncated, self.other_cbor, self.bits, self.client_data, self.encoding]
        kinds += [self.identity, self.attestation, self.extensions]
        # Flags are the same whoever signs them.
        for kind in kinds + [self.flags] * (self.key.algorithm is ES256):
            kind()
        return self.cases


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def deep(levels):
    return functools.reduce(lambda inner, _: [inner], range(levels), 0)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


def flipped(raw, bit):
    spoilt = bytearray(raw)
    spoilt[bit // 8] ^= 1 << bit % 8
    return bytes(spoilt)


def data(change):
    """A change of the authenticator's data before it is signed."""

    def apply(signing):
        signing.data = bytearray(change(bytes(signing.data)))

    return apply


def raw_client(change):
    """A change of the client data before it is signed."""

    def apply(signing):
        signing.client = bytearray(change(bytes(signing.client)))

    return apply


def client(change):
    return raw_client(lambda raw: change(json.loads(raw)))


def said(without=None, **members):
    """Other members of the client data."""

    def change(said):
        said.update(members)
        said.pop(without, None)
        return json.dumps(said).encode()

    return client(change)


@pytest.fixture(scope="module")
def judged():
    """All cases, with our verdict and what fido2 made of them."""
    rng = random.Random(SEED)
    cases = []
    for algorithm in (ES256, EdDSA, RS256):
        cases += Maker(rng, SoftKey(rng, algorithm), SoftKey(rng, algorithm)).all()
    theirs = []
    for case in cases:
        try:
            theirs.append(their_verdict(case))
        except Exception as refused:  # It raises whatever it trips over.
            theirs.append(refused)
    return list(zip(cases, our_verdicts(cases), theirs, strict=True))


def told(case, ours, theirs):
    theirs = repr(theirs) if isinstance(theirs, Exception) else "accepted"
    return f"{case.kind}: {case.what}\n    ours: {ours.get('reason', 'accepted')}\n    fido2: {theirs[:200]}"


def accepted(ours):
    return ours["verdict"] == "accepted"


def holding(case):
    """The rules that an answer breaks."""

    def holds(rule):
        try:
            return rule.holds(case)
        except (ValueError, KeyError, TypeError, struct.error, IndexError):
            return False

    return [name for name, rule in RULES.items() if holds(rule)]


def rules_of(case, ours):
    """The rules that explain why we refused what fido2 accepted."""
    return [name for name in holding(case) if ours["reason"].startswith(RULES[name].ours)]


def test_what_is_right_is_right_for_both(judged):
    wrong = [
        told(case, ours, theirs)
        for case, ours, theirs in judged
        if case.kind == "right" and (not accepted(ours) or isinstance(theirs, Exception))
    ]
    assert not wrong, "\n".join(wrong)


def test_each_kind_of_case_is_there_and_most_are_refused(judged):
    kinds = Counter(case.kind for case, _, _ in judged)
    assert kinds.keys() == KINDS.keys()
    assert not {kind: kinds[kind] for kind, fewest in KINDS.items() if kinds[kind] < fewest}
    assert sum(count for kind, count in kinds.items() if kind != "right") >= 500
    assert sum(not accepted(ours) for _, ours, _ in judged) > len(judged) / 2
    # A case that the program could not read is no case.
    assert not [told(*one) for one in judged if one[1].get("reason", "").startswith("no case")]


def test_we_accept_nothing_that_fido2_refuses(judged):
    laxer = [told(*one) for one in judged if accepted(one[1]) and isinstance(one[2], Exception)]
    assert not laxer, "\n".join(laxer)


def test_we_accept_nothing_that_breaks_a_rule(judged):
    laxer = [f"{told(*one)}\n    {broken}" for one in judged if accepted(one[1]) and (broken := holding(one[0]))]
    assert not laxer, "\n".join(laxer)


def test_both_read_the_same_in_what_both_accept(judged):
    others = [
        f"{case.kind}: {case.what}: {ours['credential']} {facts(case, theirs)}"
        for case, ours, theirs in judged
        if accepted(ours) and not isinstance(theirs, Exception) and ours["credential"] != facts(case, theirs)
    ]
    assert not others, "\n".join(others)


def test_each_refusal_of_what_fido2_accepts_has_its_rule(judged):
    stricter = [one for one in judged if not accepted(one[1]) and not isinstance(one[2], Exception)]
    unexplained = [told(*one) for one in stricter if not rules_of(one[0], one[1])]
    assert not unexplained, f"{len(unexplained)} of {len(stricter)}\n" + "\n".join(unexplained)
    met = Counter(name for case, ours, _ in stricter for name in rules_of(case, ours))
    assert not RULES.keys() - met.keys(), "rules that nothing needs"
    print(f"\nfido2 accepts and we refuse {len(stricter)} of {len(judged)}:", dict(met))
