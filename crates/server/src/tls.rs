//! TLS: the local certificate authority of the twin, and certificates from files for production.
//!
//! The authority is made at the first start and kept, so that whoever trusts it once trusts it after a restart too. It is bound by
//! X.509 name constraints to names that never exist on the public internet: whoever steals its key still cannot pose as a bank.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_core::time::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files;

/// The file of the authority's certificate.
pub const CA_FILE: &str = "ca.pem";
/// The file of the authority's key.
const CA_KEY_FILE: &str = "ca.key";
/// The file of the system's authorities and ours together.
pub const BUNDLE_FILE: &str = "ca-bundle.pem";

/// The names, with all names below them, that the local authority may certify.
pub const LOCAL_NAMES: [&str; 4] = ["localhost", "lockstep", "test", "internal"];

/// Where the common systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// What went wrong with a certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {cause}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A name that the local authority must not certify.
    #[error(
        "the local CA only certifies localhost, lockstep, and names that end in .localhost, .test or .internal; {0:?} is none of them"
    )]
    Name(String),
    /// The certificate library refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("cannot use this certificate and key: {0}")]
    Use(#[from] rustls::Error),
}

/// The certificate authority of this machine's twins.
#[derive(Debug)]
pub struct LocalCa {
    folder: PathBuf,
    key: KeyPair,
    pem: String,
}

impl LocalCa {
    /// Loads the authority in `folder`, or makes it there.
    pub fn load_or_make(folder: &Path, now: Timestamp) -> Result<Self, TlsError> {
        let key_path = folder.join(CA_KEY_FILE);
        let key = match read(&key_path)? {
            Some(text) => text,
            None => {
                let made = KeyPair::generate()?.serialize_pem();
                let failed = |cause| TlsError::File { path: key_path.clone(), cause };
                // Of several first starts at once, one makes the key and the others take it.
                if files::create_private(&key_path, made.as_bytes()).map_err(failed)? {
                    made
                } else {
                    std::fs::read_to_string(&key_path).map_err(failed)?
                }
            }
        };
        let key = KeyPair::from_pem(&key)
            .map_err(|e| TlsError::Content { path: key_path, cause: e.to_string() })?;
        match read(&folder.join(CA_FILE))? {
            Some(pem) => Ok(Self { folder: folder.to_owned(), key, pem }),
            None => Self::certify(folder, key, now),
        }
    }

    fn certify(folder: &Path, key: KeyPair, now: Timestamp) -> Result<Self, TlsError> {
        let pem = authority(now)?.self_signed(&key)?.pem();
        let path = folder.join(CA_FILE);
        files::write(&path, pem.as_bytes()).map_err(|cause| TlsError::File { path, cause })?;
        let ca = Self { folder: folder.to_owned(), key, pem };
        ca.write_bundle()?;
        Ok(ca)
    }

    /// Returns the authority's certificate file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(CA_FILE)
    }

    /// Returns the file for programs that take one file with everything they trust, if the system's own authorities were found.
    pub fn bundle_file(&self) -> Option<PathBuf> {
        let path = self.folder.join(BUNDLE_FILE);
        path.exists().then_some(path)
    }

    /// Returns the authority's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes the system's authorities and ours into one file: `SSL_CERT_FILE` replaces the system's list rather than adding to it.
    pub fn write_bundle(&self) -> Result<(), TlsError> {
        let Some(system) = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read_to_string(path).ok()) else {
            return Ok(());
        };
        let path = self.folder.join(BUNDLE_FILE);
        files::write(&path, format!("{}\n{}", system.trim_end(), self.pem).as_bytes())
            .map_err(|cause| TlsError::File { path, cause })
    }

    /// Makes a server certificate for `localhost`, the loopback addresses and `names`, and the TLS settings that use it.
    pub fn server_config(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.extend([
            SanType::IpAddress(IpAddr::from([127, 0, 0, 1])),
            SanType::IpAddress(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
        ]);
        for name in names.iter().filter(|name| *name != "localhost" && name.parse::<IpAddr>().is_err()) {
            if !is_local_name(name) {
                return Err(TlsError::Name(name.clone()));
            }
            let dns = name.as_str().try_into()?;
            params.subject_alt_names.push(SanType::DnsName(dns));
        }
        params.distinguished_name = named("localhost");
        set_validity(&mut params, now, Span::days(90));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python 3.13 refuses chains without it.
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let authority = authority(now)?;
        let leaf = params.signed_by(&key, &Issuer::from_params(&authority, &self.key))?;
        let ca = CertificateDer::from_pem_slice(self.pem.as_bytes())
            .map_err(|e| TlsError::Content { path: self.file(), cause: e.to_string() })?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|e| TlsError::Content { path: self.file(), cause: e.to_owned() })?;
        server_config(vec![leaf.der().clone(), ca], key)
    }
}

/// Loads the TLS settings of a production server from PEM files: the chain, leaf first, and its key.
pub fn from_files(chain: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let content = |path: &Path, cause: String| TlsError::Content { path: path.to_owned(), cause };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| content(chain, e.to_string()))?;
    if certificates.is_empty() {
        return Err(content(chain, "there is no certificate in it".to_owned()));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| content(key, e.to_string()))?;
    server_config(certificates, key_der)
}

/// Returns whether the local authority may certify a name.
pub fn is_local_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    LOCAL_NAMES.iter().any(|local| {
        name.strip_suffix(local)
            .is_some_and(|rest| rest.is_empty() || (rest.ends_with('.') && rest.len() > 1))
    })
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The authority's own parameters. The key identifier follows from the key, so these need not be read back from the certificate.
fn authority(now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named("Lockstep local development CA");
    set_validity(&mut params, now, Span::days(3650));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let names = LOCAL_NAMES.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned()));
    let addresses = [
        GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
        GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            128,
        )),
    ];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.chain(addresses).collect(),
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Lockstep");
    name.push(DnType::CommonName, common_name);
    name
}

/// Sets the dates; a day of slack forgives clocks that are a little off.
fn set_validity(params: &mut CertificateParams, now: Timestamp, length: Span) {
    let day = |t: Timestamp| {
        let point = jiff::Timestamp::from_millisecond(t.as_millis()).unwrap_or_default();
        let date = jiff::tz::TimeZone::UTC.to_datetime(point).date();
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(now - Span::days(1));
    params.not_after = day(now + length);
}

fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(TlsError::File { path: path.to_owned(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_authority_certifies_no_public_name() {
        for name in ["localhost", "lockstep", "login.acme.test", "Host.Docker.Internal", "a.localhost"] {
            assert!(is_local_name(name), "{name}");
        }
        for name in ["example.com", "notlocalhost", "test.example.org", ".test", "xtest", ""] {
            assert!(!is_local_name(name), "{name}");
        }
    }

    #[test]
    fn a_restart_keeps_the_authority_and_a_lost_certificate_is_made_again() {
        let folder = files::scratch("ca");
        let now = Timestamp::from_secs(1_800_000_000);
        let first = LocalCa::load_or_make(&folder, now).unwrap();
        let second = LocalCa::load_or_make(&folder, now + Span::days(400)).unwrap();
        assert_eq!(first.pem(), second.pem());
        std::fs::remove_file(first.file()).unwrap();
        let third = LocalCa::load_or_make(&folder, now).unwrap();
        assert_eq!(first.key.public_key_raw(), third.key.public_key_raw());
        assert!(third.server_config(&["login.acme.test".to_owned()], now).is_ok());
        assert!(matches!(
            third.server_config(&["example.com".to_owned()], now),
            Err(TlsError::Name(name)) if name == "example.com"
        ));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
