//! Session keys from a master key (RFC 3711 section 4.3, with a derivation rate of zero).

use crate::cipher::Aes;
use crate::master::Master;
use zeroize::Zeroizing;

/// Octets of the key of HMAC-SHA1.
const AUTH_LEN: usize = 20;
/// Where the label stands in the 14 octets of the salt: before an index of 48 bits.
const LABEL_AT: usize = 7;

/// What keys are for: the first of three labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Rtp = 0,
    Rtcp = 3,
}

/// What a cipher is made of.
pub(crate) struct SessionKeys {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) key_len: usize,
    pub(crate) auth: Zeroizing<[u8; AUTH_LEN]>,
    /// With 12 octets only, the last two are zero.
    pub(crate) salt: Zeroizing<[u8; 14]>,
}

impl SessionKeys {
    pub(crate) fn derive(master: &Master, purpose: Purpose) -> Option<SessionKeys> {
        let aes = Aes::new(master.key())?;
        // A salt of 12 octets is continued with zeros (RFC 7714 section 11).
        let mut salt = Zeroizing::new([0; 14]);
        salt.iter_mut().zip(master.salt()).for_each(|(to, from)| *to = *from);
        let label = purpose as u8;
        let key_len = master.suite().key_len();
        let mut keys = SessionKeys {
            key: Zeroizing::new([0; 32]),
            key_len,
            auth: Zeroizing::new([0; AUTH_LEN]),
            salt: Zeroizing::new([0; 14]),
        };
        expand(&aes, &salt, label, keys.key.get_mut(..key_len)?);
        expand(&aes, &salt, label + 1, keys.auth.as_mut_slice());
        expand(&aes, &salt, label + 2, keys.salt.get_mut(..master.suite().salt_len())?);
        Some(keys)
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.key_len).unwrap_or_default()
    }
}

/// Fills `out`, which is zero, with the keystream of a label.
fn expand(aes: &Aes, salt: &[u8; 14], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
    if let Some(octet) = iv.get_mut(LABEL_AT) {
        *octet ^= label;
    }
    aes.xor_keystream(u128::from_be_bytes(iv), out);
}
