//! Of which model a new key is, where that matters: the operator allows some, by AAGUID, and the maker's certificates prove it (WebAuthn
//! section 8.2; FIDO Metadata Service 3.0).
//!
//! Nothing else asks for attestation: it tells sites apart whom a key belongs to less than it tells everybody which key somebody has.

mod certificate;
mod metadata;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    anchor_from_trusted_cert, aws_lc_rs,
};

use self::certificate::Certificate;
use crate::crypto::cbor::Cbor;
use crate::time::Timestamp;

pub use metadata::MetadataError;

/// The most certificates that are looked at. Makers have a root, at times one below it, and the key's own.
const LONGEST_CHAIN: usize = 6;

/// The model of an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aaguid([u8; 16]);

impl Aaguid {
    /// Takes one from its bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Parses the form in which lists have it, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. Zeros are nobody's: they say that a key does not tell.
    pub fn parse(text: &str) -> Option<Self> {
        let lengths = text.split('-').map(str::len);
        if !lengths.eq([8, 4, 4, 4, 12]) {
            return None;
        }
        let hex = text.replace('-', "").to_ascii_lowercase();
        let bytes: [u8; 16] = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
        (bytes != [0; 16]).then_some(Self(bytes))
    }
}

impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = data_encoding::HEXLOWER.encode(&self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// The models whose keys may be enrolled, and who vouches for them.
#[derive(Clone)]
pub struct Models {
    entries: BTreeMap<Aaguid, Entry>,
    next_update: Option<String>,
}

/// Only how many: there are hundreds, with all their certificates.
impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models").field("count", &self.entries.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct Entry {
    /// The certificates that vouch for it, or for those who do.
    roots: Vec<CertificateDer<'static>>,
    /// Whether they vouch for other models too, so that a key's own certificate has to say of which it is.
    must_be_named: bool,
    /// Whether a report says that it proves nothing any more.
    is_unsafe: bool,
}

/// Why a key does not prove a model that may be enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unattested {
    /// It proves nothing, or the browser has kept it back.
    #[error(
        "the key does not prove of which model it is; a browser that asks whether to show make and model of the key has to be allowed to"
    )]
    Nothing,
    /// It vouches for itself.
    #[error("the key vouches for itself, where its maker has to")]
    ByItself,
    /// In a way that is not looked at.
    #[error("the key proves its model in a format that is not supported; packed is")]
    Format,
    /// It is of another one.
    #[error("keys of this model are not allowed")]
    NotAllowed,
    /// Reports warn of it.
    #[error("keys of this model are not safe any more, according to the FIDO metadata")]
    Unsafe,
    /// The certificate is not as it has to be.
    #[error("the certificate of the key's maker cannot be accepted: {0}")]
    Certificate(&'static str),
    /// It is somebody else's.
    #[error("the certificate of the key is not of the maker of this model, or not valid now")]
    Chain,
    /// The signature does not fit.
    #[error("the key's maker has not signed this key")]
    Signature,
}

impl Unattested {
    /// Returns the name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "attestation_missing",
            Self::ByItself => "attestation_by_the_key_itself",
            Self::Format => "attestation_format_not_supported",
            Self::NotAllowed => "model_not_allowed",
            Self::Unsafe => "model_not_safe",
            Self::Certificate(_) => "attestation_certificate_not_accepted",
            Self::Chain => "attestation_chain_not_trusted",
            Self::Signature => "attestation_signature_wrong",
        }
    }
}

/// What a statement has to prove, when, of what.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The models that may be enrolled.
    pub models: &'a Models,
    /// The moment for which certificates have to be valid.
    pub now: Timestamp,
}

impl Models {
    /// Returns whether a certificate, or another one of the same key, vouches for any of them.
    pub fn trusts(&self, certificate: &[u8]) -> bool {
        let certificate = CertificateDer::from(certificate);
        let key = public_key(&certificate);
        let same =
            |root: &CertificateDer<'_>| *root == certificate || (key.is_some() && public_key(root) == key);
        self.entries.values().any(|entry| entry.roots.iter().any(same))
    }
}

impl Demand<'_> {
    /// Checks the statement of a new key of this model (WebAuthn section 8.2, and 7.1 from step 20 on). That of a key that vouches for itself, or for
    /// which nobody does, has been checked before.
    pub(super) fn check(
        self,
        format: &str,
        statement: &Cbor<'_>,
        aaguid: [u8; 16],
        signed: &[u8],
    ) -> Result<(), Unattested> {
        let chain = match (format, statement.at("x5c")) {
            ("none", _) => return Err(Unattested::Nothing),
            // Nothing beside what section 8.2 has: `ecdaaKeyId`, of earlier editions, meant another proof.
            ("packed", _) if statement.entries().is_none_or(|all| !(2..=3).contains(&all.len())) => {
                return Err(Unattested::Format);
            }
            ("packed", Some(Cbor::Array(chain))) => chain,
            ("packed", None) => return Err(Unattested::ByItself),
            ("packed", Some(_)) => return Err(Unattested::Certificate("it is none")),
            _ => return Err(Unattested::Format),
        };
        let entry = self.models.entries.get(&Aaguid(aaguid)).ok_or(Unattested::NotAllowed)?;
        if entry.is_unsafe {
            return Err(Unattested::Unsafe);
        }
        let chain: Option<Vec<&[u8]>> = chain.iter().map(Cbor::as_bytes).collect();
        let chain = chain.filter(|chain| chain.len() <= LONGEST_CHAIN);
        let Some((own, above)) = chain.as_deref().and_then(<[_]>::split_first) else {
            return Err(Unattested::Certificate("it is none"));
        };
        let own = CertificateDer::from(*own);
        let unreadable = Unattested::Certificate("it cannot be read");
        Certificate::parse(&own)
            .ok_or(unreadable)?
            .check(&aaguid, entry.must_be_named)
            .map_err(Unattested::Certificate)?;
        let certificate = EndEntityCert::try_from(&own).map_err(|_| unreadable)?;
        self.check_chain(entry, &own, &certificate, above)?;
        let algorithm = statement.at("alg").and_then(Cbor::as_int).and_then(algorithm);
        let signature = statement.at("sig").and_then(Cbor::as_bytes);
        let (Some(algorithm), Some(signature)) = (algorithm, signature) else {
            return Err(Unattested::Signature);
        };
        certificate.verify_signature(algorithm, signed, signature).map_err(|_| Unattested::Signature)
    }

    fn check_chain(
        self,
        entry: &Entry,
        own: &CertificateDer<'_>,
        certificate: &EndEntityCert<'_>,
        above: &[&[u8]],
    ) -> Result<(), Unattested> {
        // The metadata may name the certificate itself instead of an authority (FIDO Metadata Statements, attestationRootCertificates).
        let is_root = |bytes: &[u8]| entry.roots.iter().any(|root| root.as_ref() == bytes);
        if is_root(own) {
            return Ok(());
        }
        // The last one may be the authority that we know anyway.
        let above = match above.split_last() {
            Some((last, between)) if is_root(last) => between,
            _ => above,
        };
        let above: Vec<CertificateDer<'_>> = above.iter().map(|bytes| CertificateDer::from(*bytes)).collect();
        let anchors: Vec<_> =
            entry.roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let seconds = u64::try_from(self.now.as_secs()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let path = certificate
            .verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &above, now, AnyUse, None, None)
            .map_err(|_| Unattested::Chain)?;
        // Each one certifies the one before it: what is brought along beside the chain, or in another order, is none.
        let whole = path.intermediate_certificates().map(|between| between.der()).eq(above.iter().cloned());
        if whole { Ok(()) } else { Err(Unattested::Chain) }
    }
}

/// The key of a certificate that can be read.
fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let anchor = anchor_from_trusted_cert(certificate).ok()?;
    Some(anchor.subject_public_key_info.to_vec())
}

/// WebAuthn says nothing of the uses that a maker's certificate names.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _uses: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// The algorithm of a COSE number (RFC 9053 section 2, RFC 8812 section 2) as a maker's certificate may use it.
fn algorithm(number: i64) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    Some(match number {
        -7 => aws_lc_rs::ECDSA_P256_SHA256,
        -35 => aws_lc_rs::ECDSA_P384_SHA384,
        -36 => aws_lc_rs::ECDSA_P521_SHA512,
        -8 => aws_lc_rs::ED25519,
        -257 => aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    })
}
