//! Packets: written with their authenticators, read only when these are right.

use core::fmt;
use md5::{Digest, Md5};

/// Octets of the largest packet (RFC 2865 section 3).
pub const PACKET_MAX: usize = 4_096;
/// Octets of the longest value of an attribute (RFC 2865 section 5).
pub const ATTRIBUTE_MAX: usize = 253;
/// Octets before the attributes.
const HEADER: usize = 20;
/// Octets of the longest password (RFC 2865 section 5.2).
const PASSWORD_MAX: usize = 128;
/// Octets that a hash takes in at a time.
const BLOCK: usize = 64;

/// Types of attributes.
pub mod kind {
    /// Who asks (RFC 2865 section 5.1).
    pub const USER_NAME: u8 = 1;
    /// His password, hidden (5.2).
    pub const USER_PASSWORD: u8 = 2;
    /// Who sends the request (5.4).
    pub const NAS_IP_ADDRESS: u8 = 4;
    /// What for: a call that is to be checked is 10 (5.6).
    pub const SERVICE_TYPE: u8 = 6;
    /// A word for a person (5.18).
    pub const REPLY_MESSAGE: u8 = 18;
    /// What belongs to a session and comes back with its accounting (5.25).
    pub const CLASS: u8 = 25;
    /// A vendor's own (5.26).
    pub const VENDOR_SPECIFIC: u8 = 26;
    /// Longest session, seconds (5.27).
    pub const SESSION_TIMEOUT: u8 = 27;
    /// Whom the user called (5.30).
    pub const CALLED_STATION_ID: u8 = 30;
    /// Whence he called (5.31).
    pub const CALLING_STATION_ID: u8 = 31;
    /// Who sends the request, by name (5.32).
    pub const NAS_IDENTIFIER: u8 = 32;
    /// Start 1, stop 2, interim 3 (RFC 2866 section 5.1, RFC 2869 section 2.1).
    pub const ACCT_STATUS_TYPE: u8 = 40;
    /// How long it has been tried to send this, seconds (5.2).
    pub const ACCT_DELAY_TIME: u8 = 41;
    /// Which session (5.5).
    pub const ACCT_SESSION_ID: u8 = 44;
    /// How long it lasted, seconds (5.7).
    pub const ACCT_SESSION_TIME: u8 = 46;
    /// Why it ended (5.10).
    pub const ACCT_TERMINATE_CAUSE: u8 = 49;
    /// Which sessions belong together (5.11).
    pub const ACCT_MULTI_SESSION_ID: u8 = 50;
    /// When it happened, seconds since 1970 UTC (RFC 2869 section 5.3).
    pub const EVENT_TIMESTAMP: u8 = 55;
    /// By what the user comes: by no line is 5 (RFC 2865 section 5.41).
    pub const NAS_PORT_TYPE: u8 = 61;
    /// HMAC-MD5 over the packet (RFC 3579 section 3.2).
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
}

/// What both sides know and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// `None` when it is empty: RFC 2865 section 3 forbids that.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Secret> {
        (!secret.is_empty()).then(|| Secret(secret.to_vec()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// May he?
    AccessRequest = 1,
    /// He may.
    AccessAccept = 2,
    /// He may not.
    AccessReject = 3,
    /// What he did.
    AccountingRequest = 4,
    /// It is written down.
    AccountingResponse = 5,
    /// He must answer a question first.
    AccessChallenge = 11,
}

impl Code {
    /// Whether such a request may have such an answer.
    #[must_use]
    pub const fn is_answered_by(self, answer: Code) -> bool {
        use Code::{AccessAccept, AccessChallenge, AccessReject, AccountingResponse};
        match self {
            Code::AccessRequest => matches!(answer, AccessAccept | AccessReject | AccessChallenge),
            Code::AccountingRequest => matches!(answer, AccountingResponse),
            AccessAccept | AccessReject | AccountingResponse | AccessChallenge => false,
        }
    }

    const fn of(byte: u8) -> Option<Code> {
        Some(match byte {
            1 => Code::AccessRequest,
            2 => Code::AccessAccept,
            3 => Code::AccessReject,
            4 => Code::AccountingRequest,
            5 => Code::AccountingResponse,
            11 => Code::AccessChallenge,
            _ => return None,
        })
    }
}

/// Why a packet is not made, or not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPacket {
    /// It is shorter or longer than it says, or than any may be.
    #[error("the packet has another length than it may have")]
    Length,
    /// It is no answer to a request.
    #[error("the packet is no answer")]
    Code,
    /// Its attributes do not fit into it.
    #[error("an attribute of the packet is cut")]
    Attribute,
    /// Who sent it does not know the secret.
    #[error("the authenticator of the packet is wrong")]
    Authenticator,
    /// It has no Message-Authenticator, and must have one.
    #[error("the packet has no Message-Authenticator")]
    Unsigned,
    /// A value is longer than an attribute holds.
    #[error("a value is too long for an attribute")]
    TooLong,
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// RFC 2104.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut block = [0u8; BLOCK];
    let hashed = md5(&[key]);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let inner: Vec<&[u8]> = parts.to_vec();
    let ipad = block.map(|byte| byte ^ 0x36);
    let opad = block.map(|byte| byte ^ 0x5c);
    let mut all: Vec<&[u8]> = vec![&ipad];
    all.extend(inner);
    md5(&[&opad, &md5(&all)])
}

/// Equal, in a time that does not tell where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// A request that is being made.
#[derive(Clone, Debug)]
pub struct Request {
    code: Code,
    authenticator: [u8; 16],
    attributes: Vec<u8>,
}

impl Request {
    /// May somebody? `authenticator` is random and never used again (RFC 2865 section 3).
    #[must_use]
    pub const fn access(authenticator: [u8; 16]) -> Request {
        Request { code: Code::AccessRequest, authenticator, attributes: Vec::new() }
    }

    /// What somebody did.
    #[must_use]
    pub const fn accounting() -> Request {
        let code = Code::AccountingRequest;
        Request { code, authenticator: [0; 16], attributes: Vec::new() }
    }

    /// What it is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// [`BadPacket::TooLong`]; the request is as it was.
    pub fn put(&mut self, kind: u8, value: &[u8]) -> Result<(), BadPacket> {
        let length = u8::try_from(value.len().saturating_add(2)).ok();
        let length = length.filter(|_| value.len() <= ATTRIBUTE_MAX).ok_or(BadPacket::TooLong)?;
        // With room for what is added at the end.
        let whole = HEADER + 18 + self.attributes.len() + usize::from(length);
        if whole > PACKET_MAX {
            return Err(BadPacket::TooLong);
        }
        self.attributes.extend([kind, length]);
        self.attributes.extend(value);
        Ok(())
    }

    /// Adds a number.
    ///
    /// # Errors
    /// [`BadPacket::TooLong`].
    pub fn put_number(&mut self, kind: u8, value: u32) -> Result<(), BadPacket> {
        self.put(kind, &value.to_be_bytes())
    }

    /// Adds an attribute of a vendor (RFC 2865 section 5.26).
    ///
    /// # Errors
    /// [`BadPacket::TooLong`].
    pub fn put_vendor(&mut self, vendor: u32, kind: u8, value: &[u8]) -> Result<(), BadPacket> {
        let length = u8::try_from(value.len().saturating_add(2)).map_err(|_| BadPacket::TooLong)?;
        let whole = [&vendor.to_be_bytes()[..], &[kind, length], value].concat();
        self.put(kind::VENDOR_SPECIFIC, &whole)
    }

    /// Adds a password, hidden by the secret (RFC 2865 section 5.2).
    ///
    /// # Errors
    /// [`BadPacket::TooLong`] beyond 128 octets.
    pub fn put_password(&mut self, password: &[u8], secret: &Secret) -> Result<(), BadPacket> {
        if password.len() > PASSWORD_MAX {
            return Err(BadPacket::TooLong);
        }
        let mut hidden = Vec::with_capacity(PASSWORD_MAX);
        let mut last = self.authenticator;
        let blocks = password.len().div_ceil(16).max(1);
        for place in 0..blocks {
            let mask = md5(&[&secret.0, &last]);
            let clear = password.iter().skip(place * 16).copied().chain(core::iter::repeat(0));
            for ((to, mask), clear) in last.iter_mut().zip(mask).zip(clear) {
                *to = mask ^ clear;
            }
            hidden.extend(last);
        }
        self.put(kind::USER_PASSWORD, &hidden)
    }

    /// The packet with this identifier, and the authenticator that its answer is checked by.
    pub(crate) fn build(&self, id: u8, secret: &Secret) -> (Vec<u8>, [u8; 16]) {
        let is_signed = self.code == Code::AccessRequest;
        let length = HEADER + self.attributes.len() + if is_signed { 18 } else { 0 };
        // `put` keeps it below the largest packet.
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let mut packet = Vec::with_capacity(PACKET_MAX);
        packet.extend([self.code as u8, id, length[0], length[1]]);
        packet.extend(self.authenticator);
        if is_signed {
            packet.extend([kind::MESSAGE_AUTHENTICATOR, 18]);
            packet.extend([0; 16]);
        }
        packet.extend(&self.attributes);
        if is_signed {
            let signature = hmac(&secret.0, &[&packet]);
            write(&mut packet, HEADER + 2, &signature);
            return (packet, self.authenticator);
        }
        let authenticator = md5(&[&packet, &secret.0]);
        write(&mut packet, 4, &authenticator);
        (packet, authenticator)
    }
}

fn write(packet: &mut [u8], at: usize, bytes: &[u8; 16]) {
    for (to, from) in packet.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// Its type, see [`kind`].
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// What a server answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What it is.
    pub code: Code,
    attributes: Vec<u8>,
}

/// The identifier of a packet, before anything of it is believed.
pub(crate) fn id_of(packet: &[u8]) -> Option<u8> {
    packet.get(1).copied()
}

impl Reply {
    /// Reads the answer to a request with this authenticator.
    ///
    /// # Errors
    /// [`BadPacket`]; such a packet is as if it had not come (RFC 2865 section 3).
    pub fn read(packet: &[u8], request: &[u8; 16], secret: &Secret) -> Result<Reply, BadPacket> {
        let (header, _) = packet.split_first_chunk::<HEADER>().ok_or(BadPacket::Length)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        // What follows the length is padding.
        let packet = packet.get(..length.min(PACKET_MAX)).ok_or(BadPacket::Length)?;
        let attributes = packet.get(HEADER..).filter(|_| packet.len() == length);
        let attributes = attributes.ok_or(BadPacket::Length)?;
        let code = match Code::of(header[0]) {
            Some(Code::AccessRequest | Code::AccountingRequest) | None => {
                return Err(BadPacket::Code);
            }
            Some(code) => code,
        };
        let signed = md5(&[header.get(..4).unwrap_or_default(), request, attributes, &secret.0]);
        if !is_same(&signed, header.get(4..).unwrap_or_default()) {
            return Err(BadPacket::Authenticator);
        }
        let reply = Reply { code, attributes: attributes.to_vec() };
        reply.check_signature(packet, request, secret)?;
        Ok(reply)
    }

    fn check_signature(
        &self,
        packet: &[u8],
        request: &[u8; 16],
        secret: &Secret,
    ) -> Result<(), BadPacket> {
        let (mut at, mut signature) = (HEADER, None);
        let mut rest = self.attributes.as_slice();
        while let Some((attribute, behind)) = split(rest) {
            if attribute.kind == kind::MESSAGE_AUTHENTICATOR && signature.is_none() {
                signature = Some((at + 2, attribute.value.to_vec()));
            }
            at += attribute.value.len() + 2;
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(BadPacket::Attribute);
        }
        match (self.code, signature) {
            (Code::AccountingResponse, None) => Ok(()),
            (_, None) => Err(BadPacket::Unsigned),
            (_, Some((place, told))) => {
                let mut whole = packet.to_vec();
                write(&mut whole, 4, request);
                write(&mut whole, place, &[0; 16]);
                let is_right = is_same(&hmac(&secret.0, &[&whole]), &told);
                is_right.then_some(()).ok_or(BadPacket::Authenticator)
            }
        }
    }

    /// Its attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        let mut rest = self.attributes.as_slice();
        core::iter::from_fn(move || {
            let (attribute, behind) = split(rest)?;
            rest = behind;
            Some(attribute)
        })
    }

    /// The values of a vendor's attribute of this type, in order; one may hold several (RFC 2865
    /// section 5.26).
    pub fn vendor_values(&self, vendor: u32, kind: u8) -> impl Iterator<Item = &[u8]> {
        let own = self.attributes().filter(|one| one.kind == kind::VENDOR_SPECIFIC);
        let held = own.filter_map(move |one| {
            let (head, rest) = one.value.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*head) == vendor).then_some(rest)
        });
        let split_up = held.flat_map(|mut rest| {
            core::iter::from_fn(move || {
                let (attribute, behind) = split(rest)?;
                rest = behind;
                Some(attribute)
            })
        });
        split_up.filter(move |one| one.kind == kind).map(|one| one.value)
    }

    /// The first number of this type.
    #[must_use]
    pub fn number(&self, kind: u8) -> Option<u32> {
        let found = self.attributes().find(|attribute| attribute.kind == kind)?;
        found.value.try_into().ok().map(u32::from_be_bytes)
    }
}

fn split(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (kind, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let value = bytes.get(2..length)?;
    Some((Attribute { kind, value }, bytes.get(length..)?))
}

#[cfg(test)]
pub(crate) mod tests;
