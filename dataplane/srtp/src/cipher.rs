//! HOT PATH
//!
//! Encryption and authentication of one packet under an index: AES in counter mode with HMAC-SHA1
//! (RFC 3711 sections 4.1.1 and 4.2.1, RFC 6188), AES-GCM (RFC 7714 sections 8 and 9).

use crate::Fault;
use crate::derive::{Purpose, SessionKeys};
use crate::master::Master;
use crate::packet::{Head, RTCP_HEADER};
use crate::suite::Suite;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use hmac::{HmacReset, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Octets of a block of AES.
const BLOCK: usize = 16;
/// Blocks that are encrypted at once.
const BLOCKS: usize = 8;
/// Octets of the SRTCP index with its flag.
pub(crate) const WORD: usize = 4;
/// The flag of SRTCP that is encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// Octets of a tag of GCM.
const GCM_TAG: usize = 16;

/// AES with either length of key.
pub(crate) enum Aes {
    Short(Aes128),
    Long(Aes256),
}

impl Aes {
    /// `None` for a key of another length.
    pub(crate) fn new(key: &[u8]) -> Option<Aes> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Aes::Short),
            32 => Aes256::new_from_slice(key).ok().map(Aes::Long),
            _ => None,
        }
    }

    /// Adds the keystream that begins at the counter block `iv`.
    pub(crate) fn xor_keystream(&self, iv: u128, data: &mut [u8]) {
        let mut counter = iv;
        for run in data.chunks_mut(BLOCK * BLOCKS) {
            let mut stream: [Block; BLOCKS] = core::array::from_fn(|_| {
                let block = counter.to_be_bytes();
                counter = counter.wrapping_add(1);
                block.into()
            });
            let used = run.len().div_ceil(BLOCK);
            let Some(stream) = stream.get_mut(..used) else { return };
            match self {
                Aes::Short(aes) => aes.encrypt_blocks(stream),
                Aes::Long(aes) => aes.encrypt_blocks(stream),
            }
            for (data, key) in run.chunks_mut(BLOCK).zip(stream.iter()) {
                xor(data, key);
            }
        }
    }
}

fn xor(data: &mut [u8], key: &[u8]) {
    if let (Ok(data), Ok(key)) = (<&mut [u8; BLOCK]>::try_from(&mut *data), key.try_into()) {
        *data = (u128::from_ne_bytes(*data) ^ u128::from_ne_bytes(key)).to_ne_bytes();
        return;
    }
    data.iter_mut().zip(key).for_each(|(data, key)| *data ^= key);
}

/// One direction of RTP or of RTCP.
pub(crate) enum Cipher {
    Counter(Counter),
    Gcm(Gcm),
}

pub(crate) struct Counter {
    aes: Aes,
    /// The salt where it stands in a counter block.
    salt: u128,
    mac: HmacReset<Sha1>,
    tag_len: usize,
}

pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

impl Cipher {
    pub(crate) fn new(master: &Master, purpose: Purpose) -> Option<Cipher> {
        let keys = SessionKeys::derive(master, purpose)?;
        let suite = master.suite();
        let tag_len = match purpose {
            Purpose::Rtp => suite.tag_len(),
            Purpose::Rtcp => suite.rtcp_tag_len(),
        };
        Cipher::of(suite, &keys, tag_len)
    }

    pub(crate) fn of(suite: Suite, keys: &SessionKeys, tag_len: usize) -> Option<Cipher> {
        if !suite.is_gcm() {
            let mut salt = [0; 16];
            salt.iter_mut().zip(keys.salt.iter()).for_each(|(to, from)| *to = *from);
            return Some(Cipher::Counter(Counter {
                aes: Aes::new(keys.key())?,
                salt: u128::from_be_bytes(salt),
                mac: HmacReset::new_from_slice(keys.auth.as_slice()).ok()?,
                tag_len,
            }));
        }
        let algorithm = if keys.key_len == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, keys.key()).ok()?);
        let salt = keys.salt.first_chunk().copied()?;
        Some(Cipher::Gcm(Gcm { key, salt }))
    }

    /// Octets that RTP grows by.
    pub(crate) const fn tag_len(&self) -> usize {
        match self {
            Cipher::Counter(counter) => counter.tag_len,
            Cipher::Gcm(_) => GCM_TAG,
        }
    }

    /// Protects the RTP packet in the first `len` octets of `room`; its length then.
    pub(crate) fn seal_rtp(
        &mut self,
        (room, len): (&mut [u8], usize),
        head: Head,
        index: u64,
    ) -> Result<usize, Fault> {
        let whole = len + self.tag_len();
        let packet = room.get_mut(..whole).ok_or(Fault::Malformed)?;
        let (packet, tag) = packet.split_at_mut(len);
        match self {
            Cipher::Counter(counter) => {
                let payload = packet.get_mut(head.len..).ok_or(Fault::Malformed)?;
                counter.aes.xor_keystream(counter.iv(head.ssrc, index), payload);
                let computed = counter.mac_of(packet, &roc(index));
                tag.iter_mut().zip(computed).for_each(|(to, from)| *to = from);
            }
            Cipher::Gcm(gcm) => {
                let (header, payload) = packet.split_at_mut(head.len);
                let nonce = gcm.nonce(head.ssrc, index);
                gcm.seal(nonce, header, payload, tag)?;
            }
        }
        Ok(whole)
    }

    /// Proves and opens a protected RTP packet; its length then.
    pub(crate) fn open_rtp(
        &mut self,
        packet: &mut [u8],
        head: Head,
        index: u64,
    ) -> Result<usize, Fault> {
        let len = packet.len().checked_sub(self.tag_len()).ok_or(Fault::Malformed)?;
        match self {
            Cipher::Counter(counter) => {
                let (packet, tag) = packet.split_at_mut(len);
                counter.prove(packet, &roc(index), tag)?;
                let payload = packet.get_mut(head.len..).ok_or(Fault::Malformed)?;
                counter.aes.xor_keystream(counter.iv(head.ssrc, index), payload);
            }
            Cipher::Gcm(gcm) => {
                let nonce = gcm.nonce(head.ssrc, index);
                let (header, sealed) = packet.split_at_mut(head.len);
                gcm.open(nonce, header, sealed)?;
            }
        }
        Ok(len)
    }

    /// Protects the RTCP packet in the first `len` octets of `room`; its length then.
    pub(crate) fn seal_rtcp(
        &mut self,
        (room, len): (&mut [u8], usize),
        (ssrc, index): (u32, u32),
    ) -> Result<usize, Fault> {
        let whole = len + self.tag_len() + WORD;
        let packet = room.get_mut(..whole).ok_or(Fault::Malformed)?;
        let (packet, rest) = packet.split_at_mut(len);
        let (header, payload) = packet.split_at_mut(RTCP_HEADER);
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Cipher::Counter(counter) => {
                counter.aes.xor_keystream(counter.iv(ssrc, index.into()), payload);
                let computed = counter.mac_of(packet, &word);
                let added = word.into_iter().chain(computed);
                rest.iter_mut().zip(added).for_each(|(to, from)| *to = from);
            }
            Cipher::Gcm(gcm) => {
                let (tag, place) = rest.split_at_mut(GCM_TAG);
                let nonce = gcm.nonce(ssrc, index.into());
                gcm.seal(nonce, &joined(header, word), payload, tag)?;
                place.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            }
        }
        Ok(whole)
    }

    /// The index that a protected RTCP packet says. One that says that it is not encrypted is not
    /// what was agreed on.
    pub(crate) fn rtcp_index(&self, packet: &[u8]) -> Result<u32, Fault> {
        let behind = match self {
            Cipher::Counter(counter) => counter.tag_len,
            Cipher::Gcm(_) => 0,
        };
        let end = packet.len().checked_sub(behind).ok_or(Fault::Malformed)?;
        let word = packet.get(..end).and_then(|text| text.last_chunk::<WORD>());
        let word = u32::from_be_bytes(*word.ok_or(Fault::Malformed)?);
        if word & ENCRYPTED == 0 { Err(Fault::Forged) } else { Ok(word ^ ENCRYPTED) }
    }

    /// Proves and opens a protected RTCP packet under its index; its length then.
    pub(crate) fn open_rtcp(
        &mut self,
        packet: &mut [u8],
        (ssrc, index): (u32, u32),
    ) -> Result<usize, Fault> {
        let word = (index | ENCRYPTED).to_be_bytes();
        let len = packet.len().checked_sub(self.tag_len() + WORD).ok_or(Fault::Malformed)?;
        let (packet, rest) = packet.split_at_mut(len);
        match self {
            Cipher::Counter(counter) => {
                let tag = rest.get(WORD..).ok_or(Fault::Malformed)?;
                counter.prove(packet, &word, tag)?;
                let payload = packet.get_mut(RTCP_HEADER..).ok_or(Fault::Malformed)?;
                counter.aes.xor_keystream(counter.iv(ssrc, index.into()), payload);
            }
            Cipher::Gcm(gcm) => {
                let header = packet.split_at_mut_checked(RTCP_HEADER);
                let (header, payload) = header.ok_or(Fault::Malformed)?;
                let tag = rest.get(..GCM_TAG).ok_or(Fault::Malformed)?;
                let nonce = gcm.nonce(ssrc, index.into());
                gcm.open_apart(nonce, &joined(header, word), payload, tag)?;
            }
        }
        Ok(len)
    }
}

impl Counter {
    fn iv(&self, ssrc: u32, index: u64) -> u128 {
        self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16
    }

    fn mac_of(&mut self, packet: &[u8], behind: &[u8; 4]) -> [u8; 20] {
        Mac::update(&mut self.mac, packet);
        Mac::update(&mut self.mac, behind);
        self.mac.finalize_reset().into_bytes().into()
    }

    fn prove(&mut self, packet: &[u8], behind: &[u8; 4], tag: &[u8]) -> Result<(), Fault> {
        let computed = self.mac_of(packet, behind);
        let computed = computed.get(..self.tag_len).ok_or(Fault::Malformed)?;
        if bool::from(computed.ct_eq(tag)) { Ok(()) } else { Err(Fault::Forged) }
    }
}

impl Gcm {
    /// RFC 7714 sections 8.1 and 9.1: SSRC and index, under the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut octets = [0; 12];
        let plain = u128::from(ssrc) << 48 | u128::from(index);
        let [_, _, _, _, plain @ ..] = plain.to_be_bytes();
        for ((to, plain), salt) in octets.iter_mut().zip(plain).zip(self.salt) {
            *to = plain ^ salt;
        }
        Nonce::assume_unique_for_key(octets)
    }

    fn seal(
        &self,
        nonce: Nonce,
        clear: &[u8],
        payload: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), Fault> {
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(clear), payload);
        let sealed = sealed.map_err(|_| Fault::Malformed)?;
        tag.iter_mut().zip(sealed.as_ref()).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    /// Opens a payload with its tag behind it.
    fn open(&self, nonce: Nonce, clear: &[u8], sealed: &mut [u8]) -> Result<(), Fault> {
        let opened = self.key.open_in_place(nonce, Aad::from(clear), sealed);
        opened.map(drop).map_err(|_| Fault::Forged)
    }

    /// Opens a payload whose tag stands apart.
    fn open_apart(
        &self,
        nonce: Nonce,
        clear: &[u8],
        payload: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Fault> {
        let tag: [u8; GCM_TAG] = tag.try_into().map_err(|_| Fault::Malformed)?;
        let clear = Aad::from(clear);
        let opened = self.key.open_in_place_separate_tag(nonce, clear, tag.into(), payload, 0..);
        opened.map(drop).map_err(|_| Fault::Forged)
    }
}

/// The header of RTCP and the word behind it, which GCM proves together.
fn joined(header: &[u8], word: [u8; WORD]) -> [u8; RTCP_HEADER + WORD] {
    let mut whole = [0; RTCP_HEADER + WORD];
    let octets = header.iter().take(RTCP_HEADER).copied().chain(word);
    whole.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
    whole
}

/// The rollover counter of an index; the upper 32 of its 48 bits, so the cast keeps it.
const fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
