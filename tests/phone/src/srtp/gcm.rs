//! AES-GCM for SRTP (RFC 7714), with either length of key.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const SALT_BYTES: usize = 12;
const RTP_HEAD_BYTES: usize = 12;
const RTCP_HEAD_BYTES: usize = 8;
const WORD_BYTES: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; SALT_BYTES],
}

impl std::fmt::Debug for Gcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gcm")
    }
}

impl Gcm {
    /// RFC 7714 11: session keys by the counter mode of RFC 3711 4.3.1, labels from `first` on.
    pub(super) fn derive(master: &[u8], first: u8) -> Option<Self> {
        let (key, salt) = master.split_at_checked(master.len().checked_sub(SALT_BYTES)?)?;
        let stream = |label: u8, len: usize| -> Option<Vec<u8>> {
            let mut iv = [0; 16];
            iv[..SALT_BYTES].copy_from_slice(salt);
            iv[7] ^= label;
            let iv = u128::from_be_bytes(iv);
            let mut bytes = Vec::new();
            for place in 0..2 {
                let mut block = (iv + place).to_be_bytes().into();
                match key.len() {
                    16 => Aes128::new_from_slice(key).ok()?.encrypt_block(&mut block),
                    32 => Aes256::new_from_slice(key).ok()?.encrypt_block(&mut block),
                    _ => return None,
                }
                bytes.extend_from_slice(&block);
            }
            bytes.truncate(len);
            Some(bytes)
        };
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let own = UnboundKey::new(algorithm, &stream(first, key.len())?).ok()?;
        let salt = stream(first + 2, SALT_BYTES)?.try_into().ok()?;
        Some(Self { key: LessSafeKey::new(own), salt })
    }

    /// RFC 7714 8.1 and 9.1: two empty octets, the source, then what tells packets apart.
    fn nonce(&self, ssrc: u32, count: u64) -> Nonce {
        let mut iv = [0; SALT_BYTES];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&count.to_be_bytes()[2..]);
        iv.iter_mut().zip(self.salt).for_each(|(octet, salt)| *octet ^= salt);
        Nonce::assume_unique_for_key(iv)
    }

    fn sealed(&self, nonce: Nonce, aad: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut bytes = rest.to_vec();
        match self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut bytes) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    pub(super) fn seal(&self, packet: &[u8], ssrc: u32, index: u64) -> Vec<u8> {
        let (head, rest) = packet.split_at(RTP_HEAD_BYTES);
        [head, &self.sealed(self.nonce(ssrc, index), head, rest)].concat()
    }

    pub(super) fn open(&self, packet: &[u8], ssrc: u32, index: u64) -> Option<Vec<u8>> {
        let (head, rest) = packet.split_at_checked(RTP_HEAD_BYTES)?;
        let mut rest = rest.to_vec();
        let nonce = self.nonce(ssrc, index);
        let plain = self.key.open_in_place(nonce, Aad::from(head), &mut rest).ok()?;
        Some([head, plain].concat())
    }

    pub(super) fn seal_rtcp(&self, packet: &[u8], ssrc: u32, index: u32) -> Vec<u8> {
        let (head, rest) = packet.split_at(RTCP_HEAD_BYTES);
        let last = (index | ENCRYPTED).to_be_bytes();
        let aad = [head, &last].concat();
        [head, &self.sealed(self.nonce(ssrc, index.into()), &aad, rest), &last].concat()
    }

    pub(super) fn open_rtcp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (bytes, last) = packet.split_at_checked(packet.len().checked_sub(WORD_BYTES)?)?;
        let (head, rest) = bytes.split_at_checked(RTCP_HEAD_BYTES)?;
        let index = u32::from_be_bytes(last.try_into().ok()?) & !ENCRYPTED;
        let ssrc = u32::from_be_bytes(head[4..].try_into().ok()?);
        let aad = [head, last].concat();
        let mut rest = rest.to_vec();
        let nonce = self.nonce(ssrc, index.into());
        let plain = self.key.open_in_place(nonce, Aad::from(&aad), &mut rest).ok()?;
        Some([head, plain].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Vault;

    #[test]
    fn both_lengths_of_key_are_understood_by_both_ends() {
        for len in [28, 44] {
            let (a, b) = (vec![1; len], vec![2; len]);
            let mut one = Vault::of_masters(&a, &b).unwrap();
            let mut other = Vault::of_masters(&b, &a).unwrap();
            let mut packet = vec![0x80, 0, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 7];
            packet.extend_from_slice(b"sound");
            let mut sealed = one.seal(&packet);
            assert_eq!(sealed.len(), packet.len() + 16);
            assert_eq!(other.open(&sealed), Some(packet));
            sealed[13] ^= 1;
            assert_eq!(other.open(&sealed), None);
            let report = [0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4];
            let sealed = one.seal_rtcp(&report);
            assert_eq!(other.open_rtcp(&sealed).as_deref(), Some(&report[..]));
            assert_eq!(other.open_rtcp(&report), None);
        }
        assert!(Vault::of_masters(&[1; 29], &[2; 29]).is_none());
    }
}
