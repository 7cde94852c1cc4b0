//! What an authenticator says of itself and signs (WebAuthn section 6.1).

use crate::crypto::cbor::Cbor;

/// Authenticator data, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct AuthenticatorData<'a> {
    pub(super) rp_id_hash: &'a [u8],
    pub(super) flags: Flags,
    pub(super) sign_count: u32,
    /// The new credential, at an enrolment.
    pub(super) attested: Option<Attested<'a>>,
}

/// The flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u8);

impl Flags {
    pub(super) const USER_PRESENT: u8 = 1;
    pub(super) const USER_VERIFIED: u8 = 1 << 2;
    pub(super) const BACKUP_ELIGIBLE: u8 = 1 << 3;
    pub(super) const BACKED_UP: u8 = 1 << 4;
    pub(super) const ATTESTED: u8 = 1 << 6;
    pub(super) const EXTENSIONS: u8 = 1 << 7;

    pub(super) const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// A new credential.
#[derive(Debug, PartialEq)]
pub(super) struct Attested<'a> {
    pub(super) aaguid: &'a [u8],
    pub(super) credential_id: &'a [u8],
    /// The public key, as it stands there.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Takes authenticator data apart. What the flags do not announce must not be there, and the other way round.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_at_checked(32)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let flags = Flags(flags);
        let mut attested = None;
        if flags.has(Flags::ATTESTED) {
            let (found, after) = Attested::parse(rest)?;
            (attested, rest) = (Some(found), after);
        }
        if flags.has(Flags::EXTENSIONS) {
            // We ask for no extension; what comes unasked is only passed over.
            let (extensions, after) = Cbor::first(rest)?;
            extensions.entries()?;
            rest = after;
        }
        let sign_count = u32::from_be_bytes(*count);
        rest.is_empty().then_some(Self { rp_id_hash, flags, sign_count, attested })
    }
}

impl<'a> Attested<'a> {
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (aaguid, rest) = bytes.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (credential_id, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let (_, after) = Cbor::first(rest)?;
        let public_key = &rest[..rest.len() - after.len()];
        Some((Self { aaguid, credential_id, public_key }, after))
    }
}
