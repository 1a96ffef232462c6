//! Nonces that need no memory: the time of issue and a keyed MAC over it and the source address.
//!
//! A nonce can be used again by the same address until it is stale. Who wants each count to be
//! used once keeps the highest nonce count of a registration (RFC 7616 3.4, `nc`).

use std::net::IpAddr;

use strowger_link::siphash::{Key, siphash24};
use strowger_link::{MS, SECOND, Tick};

use super::same_secret;
use crate::lex;

/// Bytes of a nonce: 12 digits of milliseconds, 16 of MAC.
pub const NONCE_LEN: usize = 28;

/// What a nonce is worth.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// Ours, for this source, and young enough.
    Fresh,
    /// Ours, for this source, but too old: challenge again with `stale=true`.
    Stale,
    /// Not ours, or made for another source.
    Forged,
}

/// Makes nonces and judges them.
#[derive(Clone)]
pub struct Nonces {
    key: Key,
    validity_ns: u64,
}

impl Nonces {
    /// `key` is secret, the same on all shards, new at each boot.
    #[must_use]
    pub const fn new(key: Key, validity_s: u32) -> Nonces {
        Nonces { key, validity_ns: (validity_s as u64).saturating_mul(SECOND) }
    }

    /// A nonce for whoever sends from `source`.
    #[must_use]
    pub fn issue(&self, source: IpAddr, now: Tick) -> [u8; NONCE_LEN] {
        let millis = (now.0 / MS) & 0xffff_ffff_ffff;
        self.write(source, millis)
    }

    /// Judges the `nonce` of credentials that came from `source`.
    #[must_use]
    pub fn judge(&self, nonce: &[u8], source: IpAddr, now: Tick) -> Verdict {
        let Some(millis) = nonce.get(..12).and_then(millis) else { return Verdict::Forged };
        if !same_secret(nonce, &self.write(source, millis)) {
            return Verdict::Forged;
        }
        let issued = Tick(millis.saturating_mul(MS));
        // A nonce of the future is one of an earlier boot under the same key.
        let fresh = issued <= now && now.ns_since(issued) <= self.validity_ns;
        if fresh { Verdict::Fresh } else { Verdict::Stale }
    }

    fn write(&self, source: IpAddr, millis: u64) -> [u8; NONCE_LEN] {
        let address = match source.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut message = [0; 24];
        let (time, place) = message.split_at_mut(8);
        time.copy_from_slice(&millis.to_le_bytes());
        place.copy_from_slice(&address.octets());
        let mut nonce = [b'0'; NONCE_LEN];
        let (head, tail) = nonce.split_at_mut(12);
        write_hex(head, millis);
        write_hex(tail, siphash24(&self.key, &message));
        nonce
    }
}

/// Never shows the key.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("validity_ns", &self.validity_ns).finish_non_exhaustive()
    }
}

fn millis(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, digit| Some(n << 4 | u64::from(lex::hex(*digit)?)))
}

fn write_hex(out: &mut [u8], mut number: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in out.iter_mut().rev() {
        let nibble = usize::try_from(number & 15).unwrap_or(0);
        *digit = HEX.get(nibble).copied().unwrap_or(b'0');
        number >>= 4;
    }
}
