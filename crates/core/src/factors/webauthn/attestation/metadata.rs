//! What the FIDO metadata service says of models of authenticators (FIDO Metadata Service 3.0, sections 3.1.1 to 3.1.7): who vouches for
//! them, and which are no longer safe.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use webpki::anchor_from_trusted_cert;

use super::{Aaguid, Entry, Models};
use crate::time::Timestamp;

/// Reports after which a model proves nothing any more, unlike those that say how far it is certified.
const UNSAFE: [&str; 5] = [
    "REVOKED",
    "USER_VERIFICATION_BYPASS",
    "ATTESTATION_KEY_COMPROMISE",
    "USER_KEY_REMOTE_COMPROMISE",
    "USER_KEY_PHYSICAL_COMPROMISE",
];

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It has not the form.
    #[error(
        "is no FIDO metadata: neither a BLOB of the metadata service (three parts with dots between) nor its payload in JSON: {0}"
    )]
    Form(String),
    /// It knows no model that could be enrolled.
    #[error("names no model with an AAGUID whose maker's certificates can be read")]
    Empty,
    /// It does not know a model that is allowed.
    #[error(
        "has no entry for the model {0} with a certificate that can be read, so that no key of it could be enrolled"
    )]
    Unknown(Aaguid),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    next_update: Option<String>,
    entries: Vec<PayloadEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayloadEntry {
    #[serde(default)]
    aaguid: Option<String>,
    #[serde(default)]
    metadata_statement: Option<Statement>,
    #[serde(default)]
    status_reports: Vec<Report>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(default)]
    attestation_root_certificates: Vec<String>,
}

#[derive(Deserialize)]
struct Report {
    status: String,
}

impl Models {
    /// Reads the file that the operator has downloaded: a BLOB, or its payload as JSON. `allowed` are the models that may be enrolled; all that
    /// the file knows if there are none. The signature of a BLOB is not looked at: the file is believed like the configuration that names it.
    pub fn read(file: &str, allowed: &[Aaguid]) -> Result<Self, MetadataError> {
        let file = file.trim_start_matches('\u{feff}').trim();
        let form = |why: &dyn std::fmt::Display| MetadataError::Form(why.to_string());
        let payload: Payload = if file.starts_with('{') {
            serde_json::from_str(file).map_err(|error| form(&error))?
        } else {
            let mut parts = file.split('.');
            let (Some(_), Some(payload), Some(_), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(form(&"it has not three parts"));
            };
            let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|error| form(&error))?;
            serde_json::from_slice(&payload).map_err(|error| form(&error))?
        };
        let mut entries: BTreeMap<Aaguid, Entry> = BTreeMap::new();
        // For how many models each certificate vouches.
        let mut vouches: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for entry in payload.entries {
            // Authenticators of older protocols have no AAGUID, and answer to no WebAuthn.
            let Some(aaguid) = entry.aaguid.as_deref().and_then(Aaguid::parse) else { continue };
            let of_model = entries.entry(aaguid).or_default();
            of_model.is_unsafe |= entry.status_reports.iter().any(|r| UNSAFE.contains(&r.status.as_str()));
            let roots = entry.metadata_statement.map(|s| s.attestation_root_certificates).unwrap_or_default();
            for root in roots.iter().filter_map(|text| certificate(text)) {
                if !of_model.roots.contains(&root) {
                    *vouches.entry(root.to_vec()).or_default() += 1;
                    of_model.roots.push(root);
                }
            }
        }
        for entry in entries.values_mut() {
            entry.must_be_named = entry.roots.iter().any(|root| vouches.get(root.as_ref()) != Some(&1));
        }
        let usable = |entry: &Entry| !entry.roots.is_empty();
        if let Some(unknown) = allowed.iter().find(|aaguid| !entries.get(aaguid).is_some_and(usable)) {
            return Err(MetadataError::Unknown(*unknown));
        }
        entries.retain(|aaguid, entry| usable(entry) && (allowed.is_empty() || allowed.contains(aaguid)));
        if entries.is_empty() {
            return Err(MetadataError::Empty);
        }
        Ok(Self { entries, next_update: payload.next_update })
    }

    /// Returns the day on which a newer edition of the file was due, if that day has passed.
    pub fn overdue(&self, now: Timestamp) -> Option<&str> {
        // Days as the service writes them, such as 2026-01-31, sort as texts.
        let today: String = now.to_iso().chars().take(10).collect();
        self.next_update.as_deref().filter(|due| due.len() == today.len() && **due < *today)
    }
}

fn certificate(text: &str) -> Option<CertificateDer<'static>> {
    // Some makers break the lines.
    let text: String = text.split_whitespace().collect();
    let certificate = CertificateDer::from(STANDARD.decode(text).ok()?);
    anchor_from_trusted_cert(&certificate).is_ok().then_some(certificate)
}
