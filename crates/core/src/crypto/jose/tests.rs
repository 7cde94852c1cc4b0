//! What keys and tokens must and must not do, across the files of this folder.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::pem::{PemError, PublicPem};
use super::*;

/// Generating RSA keys is slow, so the tests share one.
static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Alg::RS256).unwrap());

fn key(alg: Alg) -> SigningKey {
    match alg {
        Alg::ES256 | Alg::ES384 => SigningKey::generate(alg).unwrap(),
        _ => SigningKey::from_pkcs8(alg, "k1", &RSA.to_pkcs8().unwrap()).unwrap(),
    }
}

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn check(token: &str, key: &VerifyingKey) -> Result<Verified, JwtError> {
    decode(token, &[key.alg()], |_, _| Some(key))
}

/// A token with any header, rightly signed under HS256.
fn hs256_with_header(header: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", b64(header), b64("{}"));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    format!("{message}.{}", b64(aws_lc_rs::hmac::sign(&key, message.as_bytes())))
}

#[test]
fn what_each_algorithm_signs_its_public_jwk_verifies() {
    for alg in Alg::ALL.into_iter().filter(|alg| *alg != Alg::HS256) {
        let key = key(alg);
        let token = key.sign_jwt("at+jwt", &json!({"sub": "auth0|1"})).unwrap();
        let public = VerifyingKey::from_jwk(alg, &key.public_jwk()).unwrap();
        let verified = check(&token, &public).unwrap();
        assert_eq!(verified.header.kid.as_deref(), Some(key.kid()));
        assert_eq!(verified.header.alg, alg);
        assert!(verified.header.is_type("at+jwt"));
        assert_eq!(verified.claims["sub"], "auth0|1");
    }
}

#[test]
fn the_header_is_alg_typ_kid() {
    let token = key(Alg::RS256).sign_jwt("JWT", &json!({})).unwrap();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(header, br#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
}

#[test]
fn the_public_jwk_has_the_members_that_clients_look_for_and_no_private_one() {
    let names = |alg| -> Vec<String> {
        serde_json::to_value(key(alg).public_jwk()).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(Alg::RS256)), ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!(sorted(names(Alg::ES256)), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(key(Alg::RS256).public_jwk().e.as_deref(), Some("AQAB"));
}

#[test]
fn a_generated_key_is_named_by_its_thumbprint_and_survives_storage() {
    assert_eq!(RSA.kid(), RSA.public_jwk().thumbprint().unwrap());
    for alg in [Alg::RS256, Alg::ES256, Alg::ES384] {
        let key = key(alg);
        let again = SigningKey::from_pkcs8(alg, key.kid(), &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
        let token = again.sign_jwt("JWT", &json!({})).unwrap();
        assert!(check(&token, &key.verifying_key().unwrap()).is_ok());
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let rsa = RSA.to_pkcs8().unwrap();
    assert_eq!(SigningKey::from_pkcs8(Alg::ES256, "k", &rsa).unwrap_err(), KeyError::Malformed(Alg::ES256));
    let p256 = key(Alg::ES256);
    let pkcs8 = p256.to_pkcs8().unwrap();
    assert!(SigningKey::from_pkcs8(Alg::RS256, "k", &pkcs8).is_err());
    assert!(SigningKey::from_pkcs8(Alg::ES384, "k", &pkcs8).is_err());
    assert_eq!(SigningKey::generate(Alg::HS256).unwrap_err(), KeyError::NoKeyPair(Alg::HS256));
    let unmarked = Jwk { alg: None, ..p256.public_jwk() };
    assert!(VerifyingKey::from_jwk(Alg::ES256, &unmarked).is_ok());
    assert_eq!(VerifyingKey::from_jwk(Alg::RS256, &unmarked).unwrap_err(), KeyError::Malformed(Alg::RS256));
    assert_eq!(VerifyingKey::from_jwk(Alg::HS256, &unmarked).unwrap_err(), KeyError::Malformed(Alg::HS256));
}

#[test]
fn a_jwk_marked_for_another_use_is_refused() {
    let jwk = RSA.public_jwk();
    assert_eq!(VerifyingKey::from_jwk(Alg::PS256, &jwk).unwrap_err(), KeyError::OtherUse(Alg::PS256));
    let enc = Jwk { use_: Some("enc".to_owned()), ..jwk };
    assert_eq!(VerifyingKey::from_jwk(Alg::RS256, &enc).unwrap_err(), KeyError::OtherUse(Alg::RS256));
}

#[test]
fn weak_public_keys_are_refused() {
    let jwk = |n: Vec<u8>, e: &str| Jwk {
        kty: "RSA".to_owned(),
        n: Some(b64(n)),
        e: Some(e.to_owned()),
        ..Jwk::default()
    };
    let made = |jwk: &Jwk| VerifyingKey::from_jwk(Alg::RS256, jwk).map(|_| ()).unwrap_err();
    assert_eq!(made(&jwk(vec![0xff; 128], "AQAB")), KeyError::RsaSize { bits: 1024 });
    let mut short = vec![0x7f];
    short.extend([0xff; 255]);
    assert_eq!(made(&jwk(short, "AQAB")), KeyError::RsaSize { bits: 2047 });
    assert_eq!(made(&jwk(vec![0xff; 1025], "AQAB")), KeyError::RsaSize { bits: 8200 });
    for e in ["AQ", "Ag", "", "AA", "AQAAAAE"] {
        assert_eq!(made(&jwk(vec![0xff; 256], e)), KeyError::Malformed(Alg::RS256), "{e}");
    }
    let off_curve = Jwk { x: Some(b64([1; 32])), y: Some(b64([1; 32])), ..key(Alg::ES256).public_jwk() };
    assert!(VerifyingKey::from_jwk(Alg::ES256, &off_curve).is_err());
}

#[test]
fn a_modulus_with_a_sign_byte_is_the_same_key() {
    let jwk = RSA.public_jwk();
    let mut n = vec![0];
    n.extend(URL_SAFE_NO_PAD.decode(jwk.n.as_deref().unwrap()).unwrap());
    let padded = Jwk { n: Some(b64(n)), ..jwk.clone() };
    assert_eq!(padded.thumbprint(), jwk.thumbprint());
    assert!(VerifyingKey::from_jwk(Alg::RS256, &padded).is_ok());
}

#[test]
fn hs256_matches_rfc_7515_a_1() {
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = VerifyingKey::from_secret(&secret).unwrap();
    assert_eq!(check(token, &key).unwrap().claims["iss"], "joe");
}

#[test]
fn es256_matches_rfc_7515_a_3() {
    let jwk: Jwk = serde_json::from_str(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    )
    .unwrap();
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = VerifyingKey::from_jwk(Alg::ES256, &jwk).unwrap();
    assert_eq!(check(token, &key).unwrap().claims["exp"], 1_300_819_380);
}

#[test]
fn hs256_goes_round_and_another_secret_does_not() {
    let token = sign_hs256(b"one", "JWT", &json!({"a": 1})).unwrap();
    assert!(check(&token, &VerifyingKey::from_secret(b"one").unwrap()).is_ok());
    let other = VerifyingKey::from_secret(b"two").unwrap();
    assert_eq!(check(&token, &other), Err(JwtError::Signature));
    assert_eq!(VerifyingKey::from_secret(b"").unwrap_err(), KeyError::EmptySecret);
}

#[test]
fn none_is_refused_in_every_spelling() {
    let key = VerifyingKey::from_secret(b"s").unwrap();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            let header = b64(json!({"alg": alg}).to_string());
            let token = format!("{header}.{}.{signature}", b64("{}"));
            assert_eq!(check(&token, &key), Err(JwtError::AlgNotAllowed), "{token}");
        }
    }
}

#[test]
fn a_public_key_never_serves_as_a_shared_secret() {
    // The classic confusion: HS256 with the text of the RSA key as the secret.
    let public = RSA.verifying_key().unwrap();
    let spki = RSA.public_spki().unwrap();
    let forged = sign_hs256(&spki, "JWT", &json!({"sub": "admin"})).unwrap();
    assert_eq!(check(&forged, &public), Err(JwtError::AlgNotAllowed));
    // Even when a careless caller allows both and returns whatever key it has.
    let careless = decode(&forged, &Alg::ALL, |_, _| Some(&public));
    assert_eq!(careless, Err(JwtError::UnknownKey));
    assert_eq!(decode_any(&forged, &Alg::ALL, [&public]), Err(JwtError::UnknownKey));
}

#[test]
fn a_key_for_one_rsa_scheme_does_not_verify_the_other() {
    let token = key(Alg::PS256).sign_jwt("JWT", &json!({})).unwrap();
    let rs256 = RSA.verifying_key().unwrap();
    assert_eq!(decode(&token, &Alg::ALL, |_, _| Some(&rs256)), Err(JwtError::UnknownKey));
    let message_and_signature = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(message_and_signature.1).unwrap();
    assert!(!rs256.verifies(message_and_signature.0.as_bytes(), &signature));
}

#[test]
fn an_algorithm_outside_the_list_is_refused_before_a_key_is_looked_up() {
    let token = RSA.sign_jwt("JWT", &json!({})).unwrap();
    let outcome = decode(&token, &[Alg::ES256], |_, _| panic!("no key must be looked up"));
    assert_eq!(outcome, Err(JwtError::AlgNotAllowed));
    assert_eq!(decode(&token, &[], |_, _| panic!("no key must be looked up")), Err(JwtError::AlgNotAllowed));
}

#[test]
fn every_changed_character_is_noticed() {
    let key = key(Alg::ES256);
    let public = key.verifying_key().unwrap();
    let token = key.sign_jwt("JWT", &json!({"sub": "a"})).unwrap();
    assert!(check(&token, &public).is_ok());
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        assert!(check(std::str::from_utf8(&changed).unwrap(), &public).is_err(), "character {index}");
    }
}

#[test]
fn other_than_three_clean_parts_is_malformed() {
    let secret = b"s";
    let key = VerifyingKey::from_secret(secret).unwrap();
    let token = sign_hs256(secret, "JWT", &json!({})).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for bad in [
        String::new(),
        "..".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}.{}", parts[2]),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}="),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}\n.{}", parts[0], parts[1], parts[2]),
        token.replace('-', "+").replace('_', "/") + "+/",
    ] {
        let outcome = check(&bad, &key);
        assert!(matches!(outcome, Err(JwtError::Malformed | JwtError::Signature)), "{bad:?}: {outcome:?}");
    }
    for header in
        ["[]", "null", r#""HS256""#, "{}", r#"{"alg":1}"#, r#"{"alg":"HS256","kid":7}"#, "\u{feff}{}"]
    {
        let outcome = check(&hs256_with_header(header, secret), &key);
        assert_eq!(outcome, Err(JwtError::Malformed), "{header}");
    }
    let twice = r#"{"alg":"HS256","alg":"none"}"#;
    assert_eq!(check(&hs256_with_header(twice, secret), &key), Err(JwtError::Malformed));
}

#[test]
fn a_payload_that_is_no_object_is_malformed() {
    let key = VerifyingKey::from_secret(b"s").unwrap();
    for claims in [json!([]), json!("text"), json!(null), json!(7)] {
        let token = sign_hs256(b"s", "JWT", &claims).unwrap();
        assert_eq!(check(&token, &key), Err(JwtError::Malformed), "{claims}");
    }
}

#[test]
fn crit_is_refused_whatever_it_says() {
    let key = VerifyingKey::from_secret(b"s").unwrap();
    for crit in [r#"["b64"]"#, r#"["exp"]"#, "[]", "null", "0"] {
        let token = hs256_with_header(&format!(r#"{{"alg":"HS256","crit":{crit}}}"#), b"s");
        assert_eq!(check(&token, &key), Err(JwtError::Critical), "{crit}");
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_ignored() {
    let theirs = key(Alg::ES256);
    let header = json!({"alg": "ES256", "jwk": theirs.public_jwk(), "jku": "https://evil.example/jwks"});
    let message = format!("{}.{}", b64(header.to_string()), b64("{}"));
    let token = format!("{message}.{}", b64(theirs.sign(message.as_bytes()).unwrap()));
    let ours = key(Alg::ES256).verifying_key().unwrap();
    assert_eq!(check(&token, &ours), Err(JwtError::Signature));
}

#[test]
fn a_token_past_the_size_limit_is_not_looked_at() {
    let key = VerifyingKey::from_secret(b"s").unwrap();
    let token = sign_hs256(b"s", "JWT", &json!({"a": "x".repeat(MAX_TOKEN_BYTES)})).unwrap();
    assert_eq!(check(&token, &key), Err(JwtError::TooLarge));
}

#[test]
fn with_several_keys_kid_picks_and_without_kid_each_is_tried() {
    let (one, two) = (key(Alg::ES256), key(Alg::ES256));
    let (one_public, two_public) = (one.verifying_key().unwrap(), two.verifying_key().unwrap());
    let keys = [&one_public, &two_public];
    let token = two.sign_jwt("JWT", &json!({})).unwrap();
    assert!(decode_any(&token, &[Alg::ES256], keys).is_ok());
    assert_eq!(decode_any(&token, &[Alg::ES256], [&one_public]), Err(JwtError::UnknownKey));

    let message = format!("{}.{}", b64(r#"{"alg":"ES256"}"#), b64("{}"));
    let nameless = format!("{message}.{}", b64(two.sign(message.as_bytes()).unwrap()));
    assert!(decode_any(&nameless, &[Alg::ES256], keys).is_ok());
    assert_eq!(decode_any(&nameless, &[Alg::ES256], [&one_public]), Err(JwtError::Signature));
    assert_eq!(peek_header(&nameless).unwrap().kid, None);
}

#[test]
fn at_hash_matches_the_example_of_openid_connect_core_a_3() {
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(left_half_hash(Alg::RS256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(left_half_hash(Alg::ES384, token).len(), 32);
}

#[test]
fn the_type_is_compared_without_case_and_prefix() {
    let header = |typ: Option<&str>| Header { alg: Alg::RS256, typ: typ.map(str::to_owned), kid: None };
    assert!(header(Some("at+jwt")).is_type("at+jwt"));
    assert!(header(Some("application/AT+JWT")).is_type("at+jwt"));
    assert!(!header(Some("JWT")).is_type("at+jwt"));
    assert!(!header(None).is_type("JWT"));
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN {label}-----\r\n{}\r\n-----END {label}-----\r\n", lines.join("\r\n"))
}

#[test]
fn an_uploaded_pem_verifies_what_its_owner_signs() {
    for alg in [Alg::RS256, Alg::PS256, Alg::ES256, Alg::ES384] {
        let key = key(alg);
        let public = PublicPem::parse(&pem("PUBLIC KEY", &key.public_spki().unwrap())).unwrap();
        assert_eq!(Some(public.thumbprint()), key.public_jwk().thumbprint());
        let verifying = VerifyingKey::from_pem(alg, None, &public).unwrap();
        let token = key.sign_jwt("JWT", &json!({})).unwrap();
        assert!(check(&token, &verifying).is_ok());
    }
    let ec = PublicPem::parse(&pem("PUBLIC KEY", &key(Alg::ES256).public_spki().unwrap())).unwrap();
    assert!(VerifyingKey::from_pem(Alg::RS256, None, &ec).is_err());
}

#[test]
fn a_certificate_gives_its_key_and_its_end() {
    let public = PublicPem::parse(include_str!("testdata/certificate.pem")).unwrap();
    let same = PublicPem::parse(include_str!("testdata/public.pem")).unwrap();
    let pkcs1 = PublicPem::parse(include_str!("testdata/rsa_public.pem")).unwrap();
    assert_eq!(public.thumbprint(), same.thumbprint());
    assert_eq!(public.thumbprint(), pkcs1.thumbprint());
    assert_eq!(public.not_after().map(|t| t.to_iso()).as_deref(), Some("2109-01-14T04:57:09.000Z"));
    assert_eq!(same.not_after(), None);
    assert!(VerifyingKey::from_pem(Alg::RS256, Some("k"), &public).is_ok());
}

#[test]
fn a_private_key_or_nonsense_is_no_public_key() {
    let error = |text: &str| PublicPem::parse(text).map(|_| ()).unwrap_err();
    assert_eq!(error(&pem("PRIVATE KEY", &RSA.to_pkcs8().unwrap())), PemError::PrivateKey);
    assert_eq!(error(&pem("EC PRIVATE KEY", &[1])), PemError::PrivateKey);
    assert_eq!(error(""), PemError::Label);
    assert_eq!(error("-----BEGIN PUBLIC KEY-----"), PemError::Label);
    assert_eq!(error(&pem("X509 CRL", &[1])), PemError::Label);
    assert_eq!(error(&pem("PUBLIC KEY", &[0x30, 0])), PemError::Content);
    let spki = RSA.public_spki().unwrap();
    assert_eq!(error(&pem("CERTIFICATE", &spki)), PemError::Content);
    for length in 0..spki.len() {
        assert_eq!(error(&pem("PUBLIC KEY", &spki[..length])), PemError::Content);
    }
}

#[test]
fn debug_shows_no_key() {
    let key = key(Alg::ES256).with_kid("k1");
    assert_eq!(format!("{key:?}"), "SigningKey { alg: ES256, kid: \"k1\", .. }");
    let secret = VerifyingKey::from_secret(b"hunter2").unwrap();
    assert_eq!(format!("{secret:?}"), "VerifyingKey { alg: HS256, kid: None, .. }");
}
