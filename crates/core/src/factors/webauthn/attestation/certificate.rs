//! The certificate by which a maker vouches for a model (WebAuthn section 8.2.1), as far as a chain's verifier does not look at it.

use crate::crypto::der::{Der, tag};

/// id-fido-gen-ce-aaguid, 1.3.6.1.4.1.45724.1.1.4
const AAGUID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04];
/// id-ce-basicConstraints, 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
// The attributes of a subject, below 2.5.4.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const COUNTRY: &[u8] = &[0x55, 0x04, 0x06];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const UNIT: &[u8] = &[0x55, 0x04, 0x0b];

/// What the fields of a certificate say.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    version: u8,
    subject: Vec<(&'a [u8], &'a [u8])>,
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug)]
struct Extension<'a> {
    id: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate (RFC 5280 section 4.1).
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut outer = Der::new(bytes);
        let mut certificate = outer.enter(tag::SEQUENCE)?;
        let mut fields = certificate.enter(tag::SEQUENCE)?;
        // Left out, it is version 1; what is written is one less.
        let version = match fields.take_if(0xa0) {
            Some(version) => match Der::new(version).take(tag::INTEGER)? {
                [version] => version.checked_add(1)?,
                _ => return None,
            },
            None => 1,
        };
        fields.take(tag::INTEGER)?;
        for _signature_issuer_validity in 0..3 {
            fields.take(tag::SEQUENCE)?;
        }
        let subject = attributes(fields.enter(tag::SEQUENCE)?)?;
        fields.take(tag::SEQUENCE)?;
        let (_issuer, _subject) = (fields.take_if(0x81), fields.take_if(0x82));
        let extensions = match fields.take_if(0xa3) {
            Some(all) => extensions(Der::new(all).enter(tag::SEQUENCE)?)?,
            None => Vec::new(),
        };
        (outer.is_empty() && fields.is_empty()).then_some(Self { version, subject, extensions })
    }

    /// Checks what WebAuthn section 8.2.1 wants of it. `must_name` is whether it has to say for which model it vouches.
    pub(super) fn check(&self, aaguid: &[u8; 16], must_name: bool) -> Result<(), &'static str> {
        if self.version != 3 {
            return Err("it is not of version 3");
        }
        let country = self.attribute(COUNTRY)?;
        if country.len() != 2 || !country.iter().all(u8::is_ascii_uppercase) {
            return Err("its subject names no country");
        }
        if self.attribute(ORGANIZATION)?.is_empty() || self.attribute(COMMON_NAME)?.is_empty() {
            return Err("its subject names no maker");
        }
        if self.attribute(UNIT)? != b"Authenticator Attestation" {
            return Err("its subject's unit is not Authenticator Attestation");
        }
        if self.extension(BASIC_CONSTRAINTS)?.is_none_or(|constraints| !is_end(constraints.value)) {
            return Err("its basic constraints do not say that it is no authority");
        }
        match self.extension(AAGUID)? {
            Some(named) if named.critical => Err("the extension that names its model is critical"),
            Some(named) => {
                let mut value = Der::new(named.value);
                let fits = value.take(tag::OCTETS) == Some(aaguid) && value.is_empty();
                if fits { Ok(()) } else { Err("it vouches for another model") }
            }
            None if must_name => Err("it does not say for which model, and its issuer vouches for several"),
            None => Ok(()),
        }
    }

    /// Returns the only value of an attribute of the subject.
    fn attribute(&self, id: &[u8]) -> Result<&'a [u8], &'static str> {
        let mut all = self.subject.iter().filter(|(found, _)| *found == id).map(|(_, value)| *value);
        match (all.next(), all.next()) {
            (Some(value), None) => Ok(value),
            _ => Err("its subject lacks a name, or has it twice"),
        }
    }

    fn extension(&self, id: &[u8]) -> Result<Option<&Extension<'a>>, &'static str> {
        let mut all = self.extensions.iter().filter(|extension| extension.id == id);
        match (all.next(), all.next()) {
            (found, None) => Ok(found),
            _ => Err("it has an extension twice"),
        }
    }
}

fn attributes<'a>(mut names: Der<'a>) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut all = Vec::new();
    while !names.is_empty() {
        let mut set = names.enter(tag::SET)?;
        while !set.is_empty() {
            let mut pair = set.enter(tag::SEQUENCE)?;
            let (id, (_, value)) = (pair.take(tag::OID)?, pair.value()?);
            all.push((id, value));
        }
    }
    Some(all)
}

fn extensions<'a>(mut list: Der<'a>) -> Option<Vec<Extension<'a>>> {
    let mut all = Vec::new();
    while !list.is_empty() {
        let mut one = list.enter(tag::SEQUENCE)?;
        let id = one.take(tag::OID)?;
        let critical = one.take_if(tag::BOOLEAN).is_some_and(|critical| critical != [0]);
        all.push(Extension { id, critical, value: one.take(tag::OCTETS)? });
    }
    Some(all)
}

/// Whether basic constraints say that a certificate is no authority's (RFC 5280 section 4.2.1.9): the default, so mostly nothing is written.
fn is_end(value: &[u8]) -> bool {
    let mut outer = Der::new(value);
    let Some(mut fields) = outer.enter(tag::SEQUENCE) else { return false };
    let authority = fields.take_if(tag::BOOLEAN).is_some_and(|authority| authority != [0]);
    outer.is_empty() && fields.is_empty() && !authority
}
