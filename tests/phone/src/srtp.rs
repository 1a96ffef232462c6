//! SRTP with keys in descriptions (RFC 3711, RFC 4568), by one suite: AES_CM_128_HMAC_SHA1_80; and
//! by keys of DTLS, which may be of AES-GCM as well. Own code upon the primitives, so that a
//! mistake of the product is not repeated here.

mod gcm;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::random::Random;
use crate::sdp::{Key, Sdp};
use gcm::Gcm;

/// The suite that this phone speaks.
pub const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// Octets of a master key with its salt.
const MASTER_BYTES: usize = 30;
const TAG_BYTES: usize = 10;
/// Octets of the SRTCP index with its flag.
const WORD_BYTES: usize = 4;
/// Octets of RTCP in the clear.
const RTCP_HEAD_BYTES: usize = 8;

/// What a phone does about encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Srtp {
    /// It knows none, and takes no `RTP/SAVP`.
    #[default]
    Off,
    /// It offers a key beside RTP, and takes either.
    Beside,
    /// It offers and takes `RTP/SAVP` only.
    Only,
    /// It offers and takes keys by DTLS only, with ICE, as a browser does.
    Dtls,
    /// The same, and never begins the handshake.
    DtlsPassive,
    /// The same as [`Srtp::Dtls`], but its certificate is not the one that it names.
    DtlsImpostor,
}

impl Srtp {
    /// Reads a description as far as such a phone can take it.
    #[must_use]
    pub fn read(self, body: &[u8]) -> Option<Sdp> {
        match self {
            Self::Off => Sdp::parse(body),
            Self::Beside => Sdp::parse_secure(body),
            Self::Only => Sdp::parse_secure(body).filter(|sdp| sdp.key.is_some()),
            Self::Dtls | Self::DtlsPassive | Self::DtlsImpostor => Sdp::parse_shaking(body),
        }
    }

    /// Whether keys are agreed on by DTLS.
    #[must_use]
    pub fn is_dtls(self) -> bool {
        matches!(self, Self::Dtls | Self::DtlsPassive | Self::DtlsImpostor)
    }

    /// What our description says of keys: as it was agreed on, else as we offer.
    #[must_use]
    pub fn say(self, ours: &[u8; MASTER_BYTES], remote: Option<&Sdp>) -> Option<Key> {
        let text = to_base64(ours);
        match (self, remote) {
            (Self::Off | Self::Dtls | Self::DtlsPassive | Self::DtlsImpostor, _) => None,
            (_, Some(remote)) => remote.key.as_ref().map(|key| Key { text, ..key.clone() }),
            (Self::Beside, None) => Some(Key { tag: 1, savp: false, text }),
            (Self::Only, None) => Some(Key { tag: 1, savp: true, text }),
        }
    }
}

/// A key of ours, by chance.
#[must_use]
pub fn fresh_key(random: &mut Random) -> [u8; MASTER_BYTES] {
    std::array::from_fn(|_| random.bits().to_be_bytes()[3])
}

/// The media of one call, both ways.
#[derive(Debug)]
pub struct Vault {
    theirs_text: String,
    out: Side,
    back: Side,
    /// Packets that came and were not by the other side's key.
    pub unproven: u64,
}

impl Vault {
    /// Of our key and theirs; `None` when theirs cannot be read.
    #[must_use]
    pub fn new(ours: &[u8; MASTER_BYTES], theirs: &str) -> Option<Self> {
        let back = Side::new(&from_base64(theirs)?);
        Some(Self { theirs_text: theirs.to_owned(), out: Side::new(ours), back, unproven: 0 })
    }

    /// Of keys with salts by DTLS: of AES_CM_128_HMAC_SHA1_80 by their length, or of AES-GCM.
    #[must_use]
    pub fn of_masters(ours: &[u8], theirs: &[u8]) -> Option<Self> {
        let (out, back) = (Side::of_master(ours)?, Side::of_master(theirs)?);
        Some(Self { theirs_text: String::new(), out, back, unproven: 0 })
    }

    /// The other side has another key now. Ours stays, with where it is.
    pub fn change(&mut self, theirs: &str) {
        if self.theirs_text != theirs
            && let Some(key) = from_base64(theirs)
        {
            self.back = Side::new(&key);
            theirs.clone_into(&mut self.theirs_text);
        }
    }

    /// Protects RTP.
    pub fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let (ssrc, sequence) = (word(packet, 8), half(packet, 2));
        let index = self.out.index(ssrc, sequence);
        self.out.last = Some((ssrc, index));
        let keys = match &self.out.rtp {
            Cipher::Gcm(gcm) => return gcm.seal(packet, ssrc, index),
            Cipher::Counter(keys) => keys,
        };
        let mut bytes = packet.to_vec();
        keys.crypt(&mut bytes[12..], ssrc, index);
        let tag = keys.tag(&bytes, &roc(index));
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// Opens RTP; `None` when it is not theirs.
    pub fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let opened = self.try_open(packet);
        self.unproven += u64::from(opened.is_none());
        opened
    }

    fn try_open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if packet.len() < 12 + TAG_BYTES {
            return None;
        }
        let (ssrc, sequence) = (word(packet, 8), half(packet, 2));
        let index = self.back.index(ssrc, sequence);
        let opened = match &self.back.rtp {
            Cipher::Gcm(gcm) => gcm.open(packet, ssrc, index)?,
            Cipher::Counter(keys) => keys.open(packet, ssrc, index)?,
        };
        let is_newer = self.back.last.is_none_or(|last| last.0 != ssrc || last.1 < index);
        if is_newer {
            self.back.last = Some((ssrc, index));
        }
        Some(opened)
    }

    /// Protects RTCP.
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        self.out.rtcp_index += 1;
        let index = self.out.rtcp_index;
        let keys = match &self.out.rtcp {
            Cipher::Gcm(gcm) => return gcm.seal_rtcp(packet, word(packet, 4), index),
            Cipher::Counter(keys) => keys,
        };
        let mut bytes = packet.to_vec();
        keys.crypt(&mut bytes[RTCP_HEAD_BYTES..], word(packet, 4), index.into());
        let last = (index | 1 << 31).to_be_bytes();
        let tag = keys.tag(&bytes, &last);
        bytes.extend_from_slice(&last);
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// Opens RTCP; `None` when it is not theirs.
    pub fn open_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let opened = match &self.back.rtcp {
            Cipher::Gcm(gcm) => gcm.open_rtcp(packet),
            Cipher::Counter(keys) => keys.open_rtcp(packet),
        };
        self.unproven += u64::from(opened.is_none());
        opened
    }
}

impl Keys {
    fn open(&self, packet: &[u8], ssrc: u32, index: u64) -> Option<Vec<u8>> {
        let (bytes, tag) = packet.split_at_checked(packet.len().checked_sub(TAG_BYTES)?)?;
        if self.tag(bytes, &roc(index)) != *tag {
            return None;
        }
        let mut bytes = bytes.to_vec();
        self.crypt(&mut bytes[12..], ssrc, index);
        Some(bytes)
    }

    fn open_rtcp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (bytes, tag) = packet.split_at_checked(packet.len().checked_sub(TAG_BYTES)?)?;
        let (bytes, last) = bytes.split_at_checked(bytes.len().checked_sub(WORD_BYTES)?)?;
        let last: [u8; WORD_BYTES] = last.try_into().ok()?;
        if bytes.len() < RTCP_HEAD_BYTES || self.tag(bytes, &last) != *tag {
            return None;
        }
        let index = u32::from_be_bytes(last) & !(1 << 31);
        let mut bytes = bytes.to_vec();
        let ssrc = word(&bytes, 4);
        self.crypt(&mut bytes[RTCP_HEAD_BYTES..], ssrc, index.into());
        Some(bytes)
    }
}

/// One direction.
#[derive(Debug)]
struct Side {
    rtp: Cipher,
    rtcp: Cipher,
    /// The newest packet: its source and index.
    last: Option<(u32, u64)>,
    rtcp_index: u32,
}

impl Side {
    fn new(master: &[u8; MASTER_BYTES]) -> Self {
        let of = |first| Cipher::Counter(Keys::derive(master, first));
        Self { rtp: of(0), rtcp: of(3), last: None, rtcp_index: 0 }
    }

    fn of_master(master: &[u8]) -> Option<Self> {
        if let Ok(master) = master.try_into() {
            return Some(Self::new(master));
        }
        let of = |first| Gcm::derive(master, first).map(Cipher::Gcm);
        Some(Self { rtp: of(0)?, rtcp: of(3)?, last: None, rtcp_index: 0 })
    }

    /// RFC 3711 3.3.1: the index closest to the newest one of this source.
    fn index(&self, ssrc: u32, sequence: u16) -> u64 {
        let Some((_, newest)) = self.last.filter(|last| last.0 == ssrc) else {
            return sequence.into();
        };
        let near = |round: u64| round << 16 | u64::from(sequence);
        let round = newest >> 16;
        let rounds = [Some(round), round.checked_sub(1), Some(round + 1)];
        let indices = rounds.into_iter().flatten().map(near);
        indices.min_by_key(|index| index.abs_diff(newest)).unwrap_or_default()
    }
}

/// Encryption with its proof.
#[derive(Debug)]
enum Cipher {
    Counter(Keys),
    Gcm(Gcm),
}

/// Session keys.
struct Keys {
    aes: Aes128,
    salt: [u8; 14],
    auth: [u8; 20],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// RFC 3711 4.3.1, labels from `first` on.
    fn derive(master: &[u8; MASTER_BYTES], first: u8) -> Self {
        let aes = |key: [u8; 16]| Aes128::new(&key.into());
        let (key, salt) = master.split_at(16);
        let mut main = [0; 16];
        main.copy_from_slice(key);
        let main = aes(main);
        let stream = |label: u8, bytes: &mut [u8]| {
            let mut iv = [0; 16];
            iv[..14].copy_from_slice(salt);
            iv[7] ^= label;
            xor(&main, u128::from_be_bytes(iv), bytes);
        };
        let (mut own, mut auth, mut salt) = ([0; 16], [0; 20], [0; 14]);
        stream(first, &mut own);
        stream(first + 1, &mut auth);
        stream(first + 2, &mut salt);
        Self { aes: aes(own), salt, auth }
    }

    fn crypt(&self, bytes: &mut [u8], ssrc: u32, index: u64) {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&self.salt);
        let iv = u128::from_be_bytes(salt) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        xor(&self.aes, iv, bytes);
    }

    fn tag(&self, bytes: &[u8], last: &[u8; 4]) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        if let Ok(mut mac) = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.auth) {
            mac.update(bytes);
            mac.update(last);
            tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
        }
        tag
    }
}

fn xor(aes: &Aes128, iv: u128, bytes: &mut [u8]) {
    for (place, bytes) in (0..).zip(bytes.chunks_mut(16)) {
        let mut block = (iv + place).to_be_bytes().into();
        aes.encrypt_block(&mut block);
        bytes.iter_mut().zip(block).for_each(|(byte, key)| *byte ^= key);
    }
}

fn roc(index: u64) -> [u8; 4] {
    u32::try_from(index >> 16).unwrap_or(u32::MAX).to_be_bytes()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u16::from_be_bytes)
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// 30 octets make 40 letters, without padding.
fn to_base64(key: &[u8; MASTER_BYTES]) -> String {
    let groups = key.chunks(3).flat_map(|group| {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]))
    });
    groups.collect()
}

fn from_base64(text: &str) -> Option<[u8; MASTER_BYTES]> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for letter in group {
            let six = LETTERS.iter().position(|known| known == letter)?;
            bits = bits << 6 | u32::try_from(six).ok()?;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_4568_and_the_keys_of_rfc_3711() {
        let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        assert_eq!(to_base64(&from_base64(key).unwrap()), key);
        assert_eq!((from_base64("d0Rm"), from_base64("*")), (None, None));
        let master = [
            0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE,
            0x41, 0x39, 0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A,
            0xAB, 0xE6,
        ];
        let keys = Keys::derive(&master, 0);
        assert_eq!(keys.salt[..4], [0x30, 0xCB, 0xBC, 0x08]);
        assert_eq!(keys.auth[..4], [0xCE, 0xBE, 0x32, 0x1F]);
    }

    #[test]
    fn both_ends_understand_each_other_over_a_round() {
        let (a, b) = ([1; MASTER_BYTES], [2; MASTER_BYTES]);
        let mut one = Vault::new(&a, &to_base64(&b)).unwrap();
        let mut other = Vault::new(&b, &to_base64(&a)).unwrap();
        for sequence in [65_534u16, 65_535, 0, 1] {
            let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7];
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet.extend_from_slice(b"sound");
            let mut sealed = one.seal(&packet);
            assert_eq!(other.open(&sealed), Some(packet));
            sealed[13] ^= 1;
            assert_eq!(other.open(&sealed), None);
        }
        assert_eq!(other.unproven, 4);
        let report = [0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4];
        let sealed = one.seal_rtcp(&report);
        assert_eq!(other.open_rtcp(&sealed).as_deref(), Some(&report[..]));
        assert_eq!(other.open_rtcp(&report), None);
    }
}
