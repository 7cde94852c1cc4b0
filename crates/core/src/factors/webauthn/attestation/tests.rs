//! Keys that prove their model, and everything that does not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, Certificate as Made, CertificateParams, CustomExtension, DistinguishedName, DnType,
    IsCa, Issuer as Authority, KeyPair, PKCS_ECDSA_P384_SHA384, SigningKey as _, date_time_ymd,
};
use serde_json::{Value, json};

use super::super::ceremony::{self, Expected, Refused, Registered};
use super::super::device::{Model, VirtualKey};
use super::super::virtual_maker;
use super::super::{RelyingParty, UserVerification};
use super::*;
use crate::random::SeededRng;

const HERE: &str = "https://login.example.org";
const CHALLENGE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const NOW: i64 = 1_234_567_890;
const MODEL: [u8; 16] = *b"a model of acme.";

/// A maker's authority.
struct Maker {
    authority: Authority<'static, KeyPair>,
    root: Vec<u8>,
}

/// The certificate of a key's maker, and its key.
struct Batch {
    certificate: Vec<u8>,
    key: KeyPair,
}

fn authority(name: &str) -> Maker {
    authority_of(name, KeyPair::generate().unwrap())
}

fn authority_of(name: &str, key: KeyPair) -> Maker {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    let root: Made = params.self_signed(&key).unwrap();
    Maker { root: root.der().to_vec(), authority: Authority::new(params, key) }
}

/// What the certificate of a key says when nothing is wrong with it.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("ZZ", "Acme", "Authenticator Attestation", "Acme key");
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = date_time_ymd(2005, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    params.custom_extensions = vec![names_model(MODEL)];
    params
}

fn name(country: &str, organization: &str, unit: &str, common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in [
        (DnType::CountryName, country),
        (DnType::OrganizationName, organization),
        (DnType::OrganizationalUnitName, unit),
        (DnType::CommonName, common),
    ] {
        if !value.is_empty() {
            name.push(kind, value);
        }
    }
    name
}

fn names_model(aaguid: [u8; 16]) -> CustomExtension {
    let id = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
    CustomExtension::from_oid_content(&id, [&[4, 16], aaguid.as_slice()].concat())
}

impl Maker {
    fn batch(&self, params: CertificateParams) -> Batch {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap().der().to_vec();
        Batch { certificate, key }
    }

    fn metadata(&self, status: &str) -> Value {
        metadata(&[(MODEL, &self.root, status)])
    }
}

fn metadata(entries: &[([u8; 16], &[u8], &str)]) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(aaguid, root, status)| {
            json!({
                "aaguid": Aaguid::new(*aaguid).to_string(),
                "metadataStatement": {"attestationRootCertificates": [STANDARD.encode(root)]},
                "statusReports": [{"status": "FIDO_CERTIFIED_L1"}, {"status": status}],
            })
        })
        .collect();
    json!({"no": 1, "nextUpdate": "2009-02-13", "entries": entries})
}

fn models(metadata: &Value) -> Models {
    Models::read(&metadata.to_string(), &[]).unwrap()
}

/// The answer of a new key with a statement of our making: what is signed comes in.
fn answer(aaguid: [u8; 16], format: &str, statement: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let options = json!({
        "rp": {"id": "login.example.org"}, "challenge": CHALLENGE, "user": {"id": "dXNlcg"},
        "pubKeyCredParams": [{"alg": -7}],
    });
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let mut data = Vec::new();
    let mut answer = key
        .create_but(&options, HERE, &mut SeededRng::new(1), &mut |signing| {
            signing.authenticator_data[37..53].copy_from_slice(&aaguid);
            data.clone_from(&signing.authenticator_data);
        })
        .unwrap();
    let client = URL_SAFE_NO_PAD.decode(answer["response"]["clientDataJSON"].as_str().unwrap()).unwrap();
    let signed = [data.as_slice(), &crate::crypto::digest::sha256(&client)].concat();
    let statement = statement(&signed);
    let object = Cbor::Map(vec![
        (Cbor::Text("fmt"), Cbor::Text(format)),
        (Cbor::Text("attStmt"), Cbor::only(&statement).unwrap()),
        (Cbor::Text("authData"), Cbor::Bytes(&data)),
    ]);
    answer["response"]["attestationObject"] = json!(URL_SAFE_NO_PAD.encode(object.to_bytes()));
    answer.to_string()
}

/// A packed statement by a certificate, and those above it.
fn packed(alg: i64, signature: &[u8], chain: &[&[u8]]) -> Vec<u8> {
    Cbor::Map(vec![
        (Cbor::Text("alg"), Cbor::Int(alg)),
        (Cbor::Text("sig"), Cbor::Bytes(signature)),
        (Cbor::Text("x5c"), Cbor::Array(chain.iter().map(|bytes| Cbor::Bytes(bytes)).collect())),
    ])
    .to_bytes()
}

fn register(answer: &str, models: &Models, now: i64) -> Result<Registered, Refused> {
    let relying_party = RelyingParty::parse("login.example.org", &[HERE]).unwrap();
    let user_verification = UserVerification::Preferred;
    let expected = Expected { challenge: CHALLENGE, relying_party: &relying_party, user_verification };
    let demand = Demand { models, now: Timestamp::from_secs(now) };
    ceremony::register(answer, expected, &[], Some(demand))
}

/// The verdict over a key of [`MODEL`] with this certificate alone.
fn judged(batch: &Batch, models: &Models) -> Result<(), Unattested> {
    judged_at(batch, &[], models, NOW)
}

fn judged_at(batch: &Batch, above: &[&[u8]], models: &Models, now: i64) -> Result<(), Unattested> {
    let chain = [&[batch.certificate.as_slice()], above].concat();
    let answer = answer(MODEL, "packed", &|signed| packed(-7, &batch.key.sign(signed).unwrap(), &chain));
    match register(&answer, models, now) {
        Ok(new) => {
            assert_eq!((new.aaguid, new.attestation_format.as_str()), (MODEL, "packed"));
            assert!(new.attestation.is_some(), "what proved it is kept");
            Ok(())
        }
        Err(Refused::Model(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_key_whose_maker_vouches_for_it_is_taken() {
    let maker = authority("Acme Root");
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    let batch = maker.batch(params());
    assert_eq!(judged(&batch, &models), Ok(()));
    assert_eq!(judged_at(&batch, &[&maker.root], &models, NOW), Ok(()), "the root may stand in the chain");
    // Without the name of the model too, if the authority vouches for no other.
    let mut unnamed = params();
    unnamed.custom_extensions.clear();
    assert_eq!(judged(&maker.batch(unnamed.clone()), &models), Ok(()));
    let both = [
        (MODEL, maker.root.as_slice(), "FIDO_CERTIFIED"),
        (*b"another of acme.", &maker.root, "UPDATE_AVAILABLE"),
    ];
    let both = super::tests::models(&metadata(&both));
    let why = "it does not say for which model, and its issuer vouches for several";
    assert_eq!(judged(&maker.batch(unnamed), &both), Err(Unattested::Certificate(why)));
    assert_eq!(judged(&batch, &both), Ok(()));
    // The metadata may name the certificate itself.
    let itself = super::tests::models(&metadata(&[(MODEL, &batch.certificate, "FIDO_CERTIFIED")]));
    assert_eq!(judged(&batch, &itself), Ok(()));
}

#[test]
fn an_authority_between_has_to_be_in_the_chain_and_to_be_one() {
    let maker = authority("Acme Root");
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    let between = |is_ca: IsCa| {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("", "", "", "Acme Issuing");
        params.is_ca = is_ca;
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2040, 1, 1));
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &maker.authority).unwrap().der().to_vec();
        Maker { authority: Authority::new(params, key), root: made }
    };
    let issuing = between(IsCa::Ca(BasicConstraints::Constrained(0)));
    let batch = issuing.batch(params());
    assert_eq!(judged_at(&batch, &[&issuing.root], &models, NOW), Ok(()));
    assert_eq!(judged(&batch, &models), Err(Unattested::Chain), "the one between is missing");
    // A key's own certificate issues nothing.
    let end = between(IsCa::ExplicitNoCa);
    assert_eq!(judged_at(&end.batch(params()), &[&end.root], &models, NOW), Err(Unattested::Chain));
    let many = [issuing.root.as_slice(); 6];
    assert_eq!(judged_at(&batch, &many, &models, NOW), Err(Unattested::Certificate("it is none")));
}

#[test]
fn certificates_of_others_and_of_other_times_vouch_for_nothing() {
    let (maker, other) = (authority("Acme Root"), authority("Acme Root"));
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    assert_eq!(
        judged(&other.batch(params()), &models),
        Err(Unattested::Chain),
        "the same name is not the same key"
    );
    let batch = maker.batch(params());
    assert_eq!(
        judged_at(&batch, &[&other.root], &models, NOW),
        Err(Unattested::Chain),
        "it is of no use there"
    );
    for (now, when) in [(1_000_000_000, "before 2005"), (2_100_000_000, "after 2035")] {
        assert_eq!(judged_at(&batch, &[], &models, now), Err(Unattested::Chain), "{when}");
    }
    let foreign = super::tests::models(&metadata(&[(*b"another of acme.", &maker.root, "FIDO_CERTIFIED")]));
    assert_eq!(judged(&batch, &foreign), Err(Unattested::NotAllowed));
}

#[test]
fn a_certificate_has_to_be_as_webauthn_says() {
    let maker = authority("Acme Root");
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    let told = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = params();
        change(&mut params);
        match judged(&maker.batch(params), &models) {
            Err(Unattested::Certificate(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let unit = "its subject's unit is not Authenticator Attestation";
    assert_eq!(told(&|p| p.distinguished_name = name("ZZ", "Acme", "Authenticator attestation", "k")), unit);
    let twice = "its subject lacks a name, or has it twice";
    assert_eq!(told(&|p| p.distinguished_name = name("ZZ", "Acme", "", "k")), twice);
    assert_eq!(told(&|p| p.distinguished_name = name("", "Acme", "Authenticator Attestation", "k")), twice);
    assert_eq!(told(&|p| p.distinguished_name = name("ZZ", "", "Authenticator Attestation", "k")), twice);
    assert_eq!(told(&|p| p.distinguished_name = name("ZZ", "Acme", "Authenticator Attestation", "")), twice);
    let country = "its subject names no country";
    assert_eq!(
        told(&|p| p.distinguished_name = name("zz", "Acme", "Authenticator Attestation", "k")),
        country
    );
    let constraints = "its basic constraints do not say that it is no authority";
    assert_eq!(told(&|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), constraints);
    assert_eq!(told(&|p| p.is_ca = IsCa::NoCa), constraints);
    let model = "it vouches for another model";
    assert_eq!(told(&|p| p.custom_extensions = vec![names_model(*b"another of acme.")]), model);
    let bare = |p: &mut CertificateParams| {
        let id = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
        p.custom_extensions = vec![CustomExtension::from_oid_content(&id, MODEL.to_vec())];
    };
    assert_eq!(told(&bare), model);
    // A verifier that does not know a critical extension must stop; WebAuthn forbids it here.
    let critical = |p: &mut CertificateParams| p.custom_extensions[0].set_criticality(true);
    assert_eq!(told(&critical), "the extension that names its model is critical");
    // The version of the right one is changed: it is written as one less than it is.
    let right = maker.batch(params());
    let at = right.certificate.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap();
    for (written, why) in [
        (0, "it is not of version 3"),
        (1, "it is not of version 3"),
        (3, "it is not of version 3"),
        (0xff, "it cannot be read"),
    ] {
        let mut batch = maker.batch(params());
        batch.certificate.clone_from(&right.certificate);
        batch.certificate[at + 4] = written;
        assert_eq!(judged(&batch, &models), Err(Unattested::Certificate(why)), "{written}");
    }
    let other = Batch { certificate: b"no certificate".to_vec(), key: KeyPair::generate().unwrap() };
    assert_eq!(judged(&other, &models), Err(Unattested::Certificate("it cannot be read")));
}

#[test]
fn the_signature_is_the_makers_over_this_key_by_the_algorithm_that_is_named() {
    let maker = authority("Acme Root");
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    let batch = maker.batch(params());
    let chain: &[&[u8]] = &[&batch.certificate];
    let with = |alg, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let answer = answer(MODEL, "packed", &|signed| packed(alg, &sign(signed), chain));
        register(&answer, &models, NOW).map(|_| ())
    };
    assert_eq!(with(-7, &|signed| batch.key.sign(signed).unwrap()), Ok(()));
    let refused = Err(Refused::Model(Unattested::Signature));
    let stranger = KeyPair::generate().unwrap();
    assert_eq!(with(-7, &|signed| stranger.sign(signed).unwrap()), refused);
    assert_eq!(with(-7, &|_| batch.key.sign(b"something else").unwrap()), refused);
    assert_eq!(with(-7, &|_| Vec::new()), refused);
    for alg in [-257, -8, -35, -36, -37, -65535, 0, 5] {
        assert_eq!(with(alg, &|signed| batch.key.sign(signed).unwrap()), refused, "{alg}");
    }
    // Another curve, whose maker says so.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = params().signed_by(&key, &maker.authority).unwrap().der().to_vec();
    let answer = answer(MODEL, "packed", &|signed| packed(-35, &key.sign(signed).unwrap(), &[&certificate]));
    assert!(register(&answer, &models, NOW).is_ok());
}

#[test]
fn other_formats_prove_no_model() {
    let maker = authority("Acme Root");
    let models = models(&maker.metadata("FIDO_CERTIFIED"));
    let batch = maker.batch(params());
    let refused = |format: &str, statement: &dyn Fn(&[u8]) -> Vec<u8>| {
        register(&answer(MODEL, format, statement), &models, NOW).unwrap_err()
    };
    assert_eq!(refused("none", &|_| Cbor::Map(vec![]).to_bytes()), Refused::Model(Unattested::Nothing));
    for format in ["tpm", "android-key", "android-safetynet", "apple", "fido-u2f", "compound"] {
        let right = |signed: &[u8]| packed(-7, &batch.key.sign(signed).unwrap(), &[&batch.certificate]);
        assert_eq!(refused(format, &right), Refused::Model(Unattested::Format), "{format}");
    }
    for chain in [Cbor::Array(vec![]), Cbor::Array(vec![Cbor::Int(1)]), Cbor::Bytes(b"x"), Cbor::Null] {
        let statement = |signed: &[u8]| {
            let signature = batch.key.sign(signed).unwrap();
            Cbor::Map(vec![
                (Cbor::Text("alg"), Cbor::Int(-7)),
                (Cbor::Text("sig"), Cbor::Bytes(&signature)),
                (Cbor::Text("x5c"), chain.clone()),
            ])
            .to_bytes()
        };
        let none = Refused::Model(Unattested::Certificate("it is none"));
        assert_eq!(refused("packed", &statement), none, "{chain:?}");
    }
    // A key that vouches for itself, rightly.
    let mut key = VirtualKey::new(Model { self_attests: true, ..Model::SECURITY_KEY });
    let options = json!({
        "rp": {"id": "login.example.org"}, "challenge": CHALLENGE, "user": {"id": "dXNlcg"},
        "pubKeyCredParams": [{"alg": -7}],
    });
    let own = key.create(&options, HERE, &mut SeededRng::new(1)).unwrap().to_string();
    assert_eq!(register(&own, &models, NOW).unwrap_err(), Refused::Model(Unattested::ByItself));
}

#[test]
fn a_model_of_which_a_report_warns_is_refused() {
    let maker = authority("Acme Root");
    let batch = maker.batch(params());
    for status in [
        "REVOKED",
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
    ] {
        let models = models(&maker.metadata(status));
        assert_eq!(judged(&batch, &models), Err(Unattested::Unsafe), "{status}");
    }
    for status in
        ["NOT_FIDO_CERTIFIED", "FIDO_CERTIFIED_L3plus", "UPDATE_AVAILABLE", "SELF_ASSERTION_SUBMITTED"]
    {
        assert_eq!(judged(&batch, &models(&maker.metadata(status))), Ok(()), "{status}");
    }
}

#[test]
fn metadata_is_read_as_it_comes_and_as_its_payload() {
    let maker = authority("Acme Root");
    let payload =
        metadata(&[(MODEL, &maker.root, "FIDO_CERTIFIED"), (*b"another of acme.", &maker.root, "REVOKED")]);
    let model = Aaguid::new(MODEL);
    let blob = format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln\n", URL_SAFE_NO_PAD.encode(payload.to_string()));
    for file in [blob.clone(), payload.to_string(), format!("\u{feff}{payload}\n")] {
        let all = Models::read(&file, &[]).unwrap();
        assert_eq!((all.entries.len(), all.overdue(Timestamp::from_secs(NOW))), (2, None));
        assert_eq!(all.overdue(Timestamp::from_secs(NOW + 86400)), Some("2009-02-13"));
        let one = Models::read(&file, &[model]).unwrap();
        assert_eq!(one.entries.len(), 1);
        assert!(
            one.entries[&model].must_be_named,
            "the authority vouches for two, whether or not both are allowed"
        );
        assert!(one.trusts(&maker.root) && !one.trusts(b"another"));
    }
    let missing = Aaguid::new(*b"nobody knows it.");
    assert_eq!(Models::read(&blob, &[model, missing]).unwrap_err(), MetadataError::Unknown(missing));
    for file in ["", "{}", "[]", "a.b", "a.b.c.d", "a.%.c", "a.e30.c", "{\"entries\": 1}"] {
        assert!(matches!(Models::read(file, &[]), Err(MetadataError::Form(_))), "{file}");
    }
    // Older protocols, nobody's model, and certificates that are none.
    let useless = json!({"entries": [
        {"aaid": "1234#5678", "statusReports": []},
        {"aaguid": "00000000-0000-0000-0000-000000000000",
            "metadataStatement": {"attestationRootCertificates": [STANDARD.encode(&maker.root)]}},
        {"aaguid": model.to_string(), "metadataStatement": {"attestationRootCertificates": ["", "AAAA", "%"]}},
        {"aaguid": missing.to_string()},
    ]});
    assert_eq!(Models::read(&useless.to_string(), &[]).unwrap_err(), MetadataError::Empty);
    // Lines may be broken, and a model may stand twice: what warns of it counts.
    let text = STANDARD.encode(&maker.root);
    let broken = format!("{}\n {}", &text[..64], &text[64..]);
    let twice = json!({"entries": [
        {"aaguid": model.to_string(), "statusReports": [{"status": "REVOKED"}]},
        {"aaguid": model.to_string(), "metadataStatement": {"attestationRootCertificates": [broken]}},
    ]});
    assert_eq!(judged(&maker.batch(params()), &models(&twice)), Err(Unattested::Unsafe));
}

#[test]
fn an_aaguid_has_one_form() {
    let text = "6c6f636b-7374-6570-2d76-69727475616c";
    assert_eq!(Aaguid::parse(text), Some(virtual_maker::MODEL));
    assert_eq!(Aaguid::parse(&text.to_uppercase()).unwrap().to_string(), text);
    for wrong in [
        "",
        "6c6f636b737465702d7669727475616c",
        "6c6f636b-7374-6570-2d76-69727475616",
        "6c6f636b-7374-6570-2d76-69727475616g",
        "6c6f636-b7374-6570-2d76-69727475616c",
        "{6c6f636b-7374-6570-2d76-69727475616c}",
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(Aaguid::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn an_authority_is_known_by_its_key_whatever_its_certificate_says() {
    let key = KeyPair::generate().unwrap();
    let again = KeyPair::try_from(key.serialize_der()).unwrap();
    let (old, new) = (authority_of("Acme Root", key), authority_of("Acme Root of tomorrow", again));
    assert_ne!(old.root, new.root);
    let file = metadata(&[(MODEL, &new.root, "FIDO_CERTIFIED")]).to_string();
    let models = Models::read(&file, &[]).unwrap();
    assert!(models.trusts(&old.root) && models.trusts(&new.root));
    assert!(!models.trusts(&authority("Acme Root of tomorrow").root));
}

#[test]
fn virtual_keys_prove_their_model_to_who_asks_and_stay_silent_otherwise() {
    let models = models(&virtual_maker::metadata());
    let mut options = json!({
        "rp": {"id": "login.example.org"}, "challenge": CHALLENGE, "user": {"id": "dXNlcg"},
        "pubKeyCredParams": [{"alg": -8}], "attestation": "direct",
    });
    let create = |options: &Value| {
        let made = VirtualKey::new(Model::ATTESTED).create(options, HERE, &mut SeededRng::new(1)).unwrap();
        register(&made.to_string(), &models, NOW)
    };
    assert_eq!(create(&options).unwrap().aaguid, *b"lockstep-virtual");
    options["attestation"] = json!("none");
    assert_eq!(create(&options).unwrap_err(), Refused::Model(Unattested::Nothing));
}
