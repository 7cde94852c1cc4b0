"""Our verdict on keys that have to prove their model, against that of fido2 with the same FIDO metadata.

As in test_webauthn_verdict.py: right attestations are spoilt in several hundred ways, and what fido2 refuses, we must
refuse. Where we are the stricter, the case says why, and is there to show it. One thing is left out because fido2 does not
know it: metadata may name a key's own certificate instead of an authority's.
"""

import base64
import datetime
import json
import random
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from fido2 import cbor
from fido2.cose import ES256, EdDSA, RS256
from fido2.mds3 import MdsAttestationVerifier, MetadataBlobPayload
from fido2.server import Fido2Server
from fido2.utils import sha256
from fido2.webauthn import Aaguid, PublicKeyCredentialRpEntity

from soft_key import SoftKey, private_key
from test_webauthn_verdict import ORIGIN, RP_ID, SEED, Case, creation_options, flipped, our_verdicts, their_state

MODEL = bytes(range(16, 32))
OTHER = bytes(range(32, 48))
NOW = 1_700_000_000
UNIT = "Authenticator Attestation"
AAGUID = ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
DAY = datetime.datetime


# --- certificates -----------------------------------------------------------------------------------------------


@dataclass
class Authority:
    name: x509.Name
    key: object
    certificate: bytes


def name(country="ZZ", organization="Acme", unit=UNIT, common="Acme key"):
    parts = [
        (NameOID.COUNTRY_NAME, country),
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, common),
    ]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def certificate(rng, subject, key, issuer, *extensions, since=DAY(2020, 1, 1), until=DAY(2040, 1, 1)):
    """The certificate of a subject; an issuer of None signs itself."""
    public, by = key.public_key(), issuer.key if issuer else key
    builder = x509.CertificateBuilder(issuer.name if issuer else subject, subject, public, rng.getrandbits(100) + 1)
    builder = builder.not_valid_before(since).not_valid_after(until)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    is_ec = isinstance(by, ec.EllipticCurvePrivateKey)
    signed = builder.sign(by, hashes.SHA256(), ecdsa_deterministic=True if is_ec else None)
    return signed.public_bytes(serialization.Encoding.DER)


def authority(rng, common, issuer=None, ca=True, length=None, algorithm=ES256, **more):
    subject, key = name(unit=None, common=common), private_key(rng, algorithm)
    constraints = (x509.BasicConstraints(ca, length if ca else None), True)
    return Authority(subject, key, certificate(rng, subject, key, issuer, constraints, **more))


END = (x509.BasicConstraints(False, None), True)


def model(aaguid=MODEL, critical=False, content=None):
    content = bytes([4, 16]) + aaguid if content is None else content
    return (x509.UnrecognizedExtension(AAGUID, content), critical)


class Batch:
    """The certificate of a key's maker, and its private key."""

    def __init__(self, rng, issuer, *extensions, subject=None, algorithm=ES256, key=None, **more):
        self.key = key or private_key(rng, algorithm)
        extensions = extensions or (END, model())
        self.certificate = certificate(rng, subject or name(), self.key, issuer, *extensions, **more)

    @property
    def alg(self):
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return -8
        if isinstance(self.key, rsa.RSAPrivateKey):
            return -257
        return {"secp256r1": -7, "secp384r1": -35, "secp521r1": -36}[self.key.curve.name]

    def sign(self, message):
        if self.alg == -8:
            return self.key.sign(message)
        if self.alg == -257:
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        hashed = {-7: hashes.SHA256, -35: hashes.SHA384, -36: hashes.SHA512}[self.alg]()
        return self.key.sign(message, ec.ECDSA(hashed, deterministic_signing=True))


def metadata(*entries):
    """The payload of a BLOB: models, their roots and reports."""
    statement = {
        "description": "Acme key",
        "authenticatorVersion": 1,
        "protocolFamily": "fido2",
        "schema": 3,
        "upv": [{"major": 1, "minor": 0}],
        "authenticationAlgorithms": ["secp256r1_ecdsa_sha256_raw"],
        "publicKeyAlgAndEncodings": ["cose"],
        "attestationTypes": ["basic_full"],
        "userVerificationDetails": [[{"userVerificationMethod": "presence_internal"}]],
        "keyProtection": ["hardware"],
        "matcherProtection": ["on_chip"],
        "attachmentHint": ["external"],
        "tcDisplay": [],
    }
    made = [
        {
            "aaguid": str(Aaguid(aaguid)),
            "metadataStatement": {**statement, "attestationRootCertificates": [base64.b64encode(r).decode() for r in roots]},
            "statusReports": reports,
            "timeOfLastStatusChange": "2020-01-01",
        }
        for aaguid, roots, reports in entries
    ]
    return {"legalHeader": "", "no": 1, "nextUpdate": "2030-01-01", "entries": made}


CERTIFIED = [{"status": "FIDO_CERTIFIED_L1", "effectiveDate": "2020-01-01"}]


# --- the cases --------------------------------------------------------------------------------------------------


@dataclass
class Attested(Case):
    metadata: dict | None = None
    # How our reason begins where fido2 accepts, and why.
    stricter: str = ""
    why: str = ""

    def line(self):
        return json.dumps({**json.loads(super().line()), "metadata": self.metadata, "now": NOW})


CHAIN = "the certificate of the key is not of the maker"
CERTIFICATE = "the certificate of the key's maker cannot be accepted: "
UNSAFE = "keys of this model are not safe any more"
FORMAT = "the key proves its model in a format that is not supported"
SIGNATURE = "the key's maker has not signed this key"
ALONE = "the key vouches for itself"


class Cases(list):
    def __init__(self, rng):
        super().__init__()
        self.rng = rng
        self.root = authority(rng, "Acme Root")
        self.batch = Batch(rng, self.root)
        self.known = metadata((MODEL, [self.root.certificate], CERTIFIED))

    def case(self, kind, what, batch=None, above=(), aaguid=MODEL, change=None, statement=None, spoil=None, **more):
        """A key of ours, for which a batch vouches. `statement` and `spoil` come before and after all is signed."""
        batch = batch or self.batch
        key = SoftKey(self.rng, more.pop("algorithm", ES256))

        def sign(signing):
            signing.data[37:53] = aaguid
            if change:
                change(signing)
            message = bytes(signing.data) + sha256(bytes(signing.client))
            signing.format = "packed"
            chain = [batch.certificate, *above]
            signing.statement = {"alg": batch.alg, "sig": batch.sign(message), "x5c": chain}
            if statement:
                statement(signing)
            if spoil:
                spoil(signing)

        options = {**creation_options("preferred"), "attestation": "direct"}
        response = key.create(options, ORIGIN, sign)
        self.append(Attested(kind, what, options, response, **{"metadata": self.known, **more}))

    def all(self):
        for part in (self.right, self.signatures, self.bits, self.certificates, self.chains, self.statements, self.models):
            part()
        return self

    def right(self):
        rng = self.rng
        for algorithm in (ES256, EdDSA, RS256):
            self.case("right", f"a key of {algorithm.__name__}", algorithm=algorithm)
            self.case("right", f"a maker of {algorithm.__name__}", Batch(rng, self.root, algorithm=algorithm))
        for curve, bits in ((ec.SECP384R1(), 380), (ec.SECP521R1(), 520)):
            key = ec.derive_private_key(rng.getrandbits(bits), curve)
            self.case("right", curve.name, Batch(rng, self.root, key=key))
        by_rsa = authority(rng, "Acme RSA", algorithm=RS256)
        known = metadata((OTHER, [self.root.certificate], CERTIFIED), (MODEL, [by_rsa.certificate], CERTIFIED))
        self.case("right", "an authority of RSA", Batch(rng, by_rsa), metadata=known)
        between = authority(rng, "Acme Issuing", self.root, length=0)
        self.case("right", "an authority between", Batch(rng, between), [between.certificate])
        self.case("right", "the root in the chain", above=[self.root.certificate])
        self.case("right", "both", Batch(rng, between), [between.certificate, self.root.certificate])
        self.case("right", "the model not named", Batch(rng, self.root, END))
        uses = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        self.case("right", "uses named", Batch(rng, self.root, END, model(), uses))
        both = metadata((OTHER, [self.root.certificate], CERTIFIED), (MODEL, [self.root.certificate], CERTIFIED))
        self.case("right", "an authority of two models", metadata=both)

    def signatures(self):
        def signature(what, sign):
            self.case("signature", what, spoil=lambda signing: signing.statement.update(sig=sign(signing)))

        right = lambda signing: signing.statement["sig"]
        for bit in range(0, 8 * 70, 9):
            signature(f"bit {bit}", lambda signing, bit=bit: flipped(right(signing), bit % (8 * len(right(signing)))))
        stranger = Batch(self.rng, self.root)
        signature("a stranger's", lambda signing: stranger.sign(bytes(signing.data) + sha256(bytes(signing.client))))
        signature("of the data alone", lambda signing: self.batch.sign(bytes(signing.data)))
        signature("empty", lambda signing: b"")
        signature("cut", lambda signing: right(signing)[:-1])
        signature("longer", lambda signing: right(signing) + b"\0")
        signature("a text", lambda signing: "signature")
        for alg in (-257, -8, -35, -36, -37, -65535, 0, 7, "-7", b"", True):
            self.case("algorithm", repr(alg), spoil=lambda signing, alg=alg: signing.statement.update(alg=alg))

    def bits(self):
        for at in range(0, len(self.batch.certificate), 2):
            bit = 8 * at + at % 8
            spoilt = flipped(self.batch.certificate, bit)
            self.case("bits", f"{bit} of the certificate", spoil=lambda s, c=spoilt: s.statement.update(x5c=[c]))
        between = authority(self.rng, "Acme Issuing", self.root)
        batch = Batch(self.rng, between)
        for at in range(0, len(between.certificate), 5):
            bit = 8 * at + at % 8
            self.case("bits", f"{bit} of the one above", batch, [flipped(between.certificate, bit)])

        def data(signing, bit):
            signing.data[:] = flipped(bytes(signing.data), bit)

        for bit in range(37 * 8, 53 * 8, 2):
            self.case("bits", f"{bit} of the data, signed", change=lambda s, bit=bit: data(s, bit))
        for bit in range(55 * 8, 87 * 8, 9):
            self.case("bits", f"{bit} of the data, after the signature", spoil=lambda s, bit=bit: data(s, bit))

    def certificates(self):
        rng, root = self.rng, self.root

        def field(what, stricter="", why="", extensions=(), **more):
            self.case("fields", what, Batch(rng, root, *extensions, **more), stricter=stricter, why=why)

        for what in ("country", "organization", "unit", "common"):
            field(f"no {what}", subject=name(**{what: None}))
        for unit in ("Authenticator attestation", "authenticator Attestation", UNIT + " ", "Attestation"):
            field(f"unit {unit!r}", subject=name(unit=unit))
        why = "WebAuthn 8.2.1: a code of ISO 3166, which has capital letters; fido2 takes any."
        field("country zz", CERTIFICATE + "its subject names no country", why, subject=name(country="zz"))
        twice = x509.Name([*name(), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Other")])
        field("two units", CERTIFICATE + "its subject lacks", "There is one to read; fido2 reads the first.", subject=twice)
        field("an authority", extensions=[(x509.BasicConstraints(True, None), True), model()])
        field("no constraints", extensions=[model()])
        for content in (bytes([4, 16]) + OTHER, bytes([4, 15]) + MODEL[:15], MODEL, b"", bytes([4, 16]) + MODEL + b"\0"):
            field(f"model {content.hex()}", extensions=[END, model(content=content)])
        why = "An OCTET STRING and nothing else; fido2 skips two bytes whatever they are."
        field("model in a text", CERTIFICATE + "it vouches", why, extensions=[END, model(content=bytes([12, 16]) + MODEL)])
        field("model critical", extensions=[END, model(critical=True)])
        unknown = (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
        why = "RFC 5280 4.2: who does not know a critical extension stops; fido2 goes on."
        field("another one critical", CERTIFICATE + "it cannot be read", why, extensions=[END, model(), unknown])
        why = "A certificate has its time; fido2 does not look at it."
        field("over", CHAIN, why, until=DAY(2023, 1, 1))
        field("not yet", CHAIN, why, since=DAY(2024, 1, 1))

    def chains(self):
        rng, root = self.rng, self.root
        between = authority(rng, "Acme Issuing", root)
        below = authority(rng, "Acme Factory", between)
        other = authority(rng, "Acme Root")
        batch = Batch(rng, between)

        def chain(what, batch, above=(), stricter="", why=""):
            self.case("chain", what, batch, above, stricter=stricter, why=why)

        chain("the one between is missing", batch)
        chain("another one between", batch, [below.certificate])
        chain("in another order", Batch(rng, below), [between.certificate, below.certificate])
        chain("one that is missing", Batch(rng, below), [below.certificate])
        chain("something beside it", None, [between.certificate])
        chain("the root before", batch, [root.certificate, between.certificate])
        chain("another root of this name", Batch(rng, other))
        chain("the same, in the chain", Batch(rng, other), [other.certificate])
        chain("by itself", Batch(rng, None))
        chain("by itself, with the root's name", Batch(rng, None, subject=root.name))
        no_authority = authority(rng, "Acme Key", root, ca=False)
        why = "RFC 5280 4.2.1.9: only an authority issues certificates; fido2 does not look who issued."
        chain("by no authority", Batch(rng, no_authority), [no_authority.certificate], CHAIN, why)
        last = authority(rng, "Acme Last", root, length=0)
        after_last = authority(rng, "Acme After", last)
        why = "RFC 5280 4.2.1.9: an authority says how many may be below; fido2 does not count."
        above = [after_last.certificate, last.certificate]
        chain("longer than allowed", Batch(rng, after_last), above, CHAIN, why)
        over = authority(rng, "Acme Over", root, until=DAY(2022, 1, 1))
        why = "A certificate has its time; fido2 does not look at it."
        chain("an authority whose time is over", Batch(rng, over), [over.certificate], CHAIN, why)
        long = [authority(rng, "Acme 0", root)]
        for n in range(1, 6):
            long.append(authority(rng, f"Acme {n}", long[-1]))
        above = [one.certificate for one in reversed(long)]
        why = "Six are more than any maker has; fido2 takes any number."
        chain("seven certificates", Batch(rng, long[-1]), above, CERTIFICATE + "it is none", why)

    def statements(self):
        def statement(what, change, stricter="", why=""):
            self.case("statement", what, statement=change, stricter=stricter, why=why)

        for chain in ([], [b""], [7], ["text"], [b"no certificate"], {}, b"bytes", 7, False, [[self.batch.certificate]]):
            statement(f"x5c {chain!r:.20}", lambda signing, chain=chain: signing.statement.update(x5c=chain))
        for missing in ("alg", "sig", "x5c"):
            statement(f"no {missing}", lambda signing, missing=missing: signing.statement.pop(missing))
        statement("ECDAA", lambda signing: signing.statement.update(ecdaaKeyId=b"key"))
        why = "WebAuthn 8.2 has three members; fido2 does not look at others."
        statement("one more", lambda signing: signing.statement.update(more=1), FORMAT, why)
        for other in ("none", "tpm", "android-key", "android-safetynet", "apple", "fido-u2f", "compound", "Packed", ""):
            statement(f"format {other!r}", lambda signing, other=other: setattr(signing, "format", other))
        statement("none at all", lambda signing: (setattr(signing, "format", "none"), signing.statement.clear()))

        def alone(signing):
            message = bytes(signing.data) + sha256(bytes(signing.client))
            signing.statement = {"alg": -7, "sig": key_of(signing).sign(message)}

        def key_of(signing):
            return self.alone

        self.alone = SoftKey(random.Random(SEED), ES256)
        statement("signed by another key of its own", alone)

    def models(self):
        root = [self.root.certificate]
        why = "FIDO Metadata Service 3.1.4: such a report is a warning of the model; fido2 looks at revocation alone."
        for status in ("USER_VERIFICATION_BYPASS", "USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE"):
            reports = [*CERTIFIED, {"status": status, "effectiveDate": "2021-01-01"}]
            self.case("metadata", status, metadata=metadata((MODEL, root, reports)), stricter=UNSAFE, why=why)
        revoked = [{"status": "REVOKED", "effectiveDate": "2021-01-01"}, *CERTIFIED]
        self.case("metadata", "REVOKED", metadata=metadata((MODEL, root, revoked)))
        leaked = {"status": "ATTESTATION_KEY_COMPROMISE", "effectiveDate": "2021-01-01"}
        own = {**leaked, "certificate": base64.b64encode(self.batch.certificate).decode()}
        self.case("metadata", "this batch leaked", metadata=metadata((MODEL, root, [own])))
        why = "Which batches leaked is seldom told in full: the model has lost its proof; fido2 looks for the one that is named."
        self.case("metadata", "a batch leaked", metadata=metadata((MODEL, root, [leaked])), stricter=UNSAFE, why=why)
        self.case("metadata", "another model", metadata=metadata((OTHER, root, CERTIFIED)))
        self.case("metadata", "another model in the key", aaguid=OTHER)
        self.case("metadata", "no model in the key", aaguid=bytes(16))
        elsewhere = authority(self.rng, "Acme Root").certificate
        self.case("metadata", "another root", metadata=metadata((MODEL, [elsewhere], CERTIFIED)))
        both = metadata((OTHER, root, CERTIFIED), (MODEL, root, CERTIFIED))
        why = "WebAuthn 8.2.1: an authority of several models has to be told apart by the extension; fido2 does not count them."
        what = "the model not named by an authority of two"
        self.case("metadata", what, Batch(self.rng, self.root, END), metadata=both, stricter=CERTIFICATE + "it does not", why=why)


def their_verdict(case):
    payload = MetadataBlobPayload.from_dict(case.metadata)
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=RP_ID, name="Test"),
        attestation="direct",
        verify_origin=lambda origin: origin == ORIGIN,
        verify_attestation=MdsAttestationVerifier(payload),
    )
    return server.register_complete(their_state(case), case.response)


@pytest.fixture(scope="module")
def judged():
    cases = Cases(random.Random(SEED)).all()
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


def test_what_is_right_is_right_for_both(judged):
    wrong = [told(*one) for one in judged if one[0].kind == "right" and not (accepted(one[1]) and not isinstance(one[2], Exception))]
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_cases_and_all_but_the_right_ones_are_refused(judged):
    assert len(judged) >= 500
    taken = [told(*one) for one in judged if accepted(one[1]) and one[0].kind != "right"]
    assert not taken, "\n".join(taken)
    assert not [told(*one) for one in judged if one[1].get("reason", "").startswith("no case")]


def test_where_we_are_the_stricter_the_case_says_why(judged):
    stricter = [one for one in judged if not accepted(one[1]) and not isinstance(one[2], Exception)]
    explained = [one for one in stricter if one[0].stricter and one[1]["reason"].startswith(one[0].stricter)]
    unexplained = [told(*one) for one in stricter if one not in explained]
    assert not unexplained, f"{len(unexplained)} of {len(stricter)}\n" + "\n".join(unexplained)
    idle = [told(*one) for one in judged if one[0].stricter and one not in explained]
    assert not idle, "fido2 refuses these too:\n" + "\n".join(idle)
    print(f"\nfido2 accepts and we refuse {len(stricter)} of {len(judged)}")
