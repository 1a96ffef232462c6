//! Nonces that need no memory: the time of issue, a number, and a keyed MAC over both and the
//! source address. The number makes each nonce another: phones behind one address, or two calls of
//! one phone, that are challenged in the same millisecond both begin to count at 1.
//!
//! A nonce can be used again by the same address until it is stale. Who wants each count to be
//! used once keeps the highest nonce count of a registration (RFC 7616 3.4, `nc`).

use std::cell::Cell;
use std::net::IpAddr;

use strowger_link::siphash::{Key, siphash24};
use strowger_link::{MS, SECOND, Tick};

use super::same_secret;
use crate::lex;

/// Bytes of a nonce: 12 digits of milliseconds, 8 of a number, 16 of MAC.
pub const NONCE_LEN: usize = 36;
/// The first two.
const HEAD_LEN: usize = 20;
const NUMBER_BITS: u32 = 32;

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
    /// Nonces made so far, modulo 2^32.
    made: Cell<u32>,
}

impl Nonces {
    /// `key` is secret, the same on all shards, new at each boot.
    #[must_use]
    pub const fn new(key: Key, validity_s: u32) -> Nonces {
        let validity_ns = (validity_s as u64).saturating_mul(SECOND);
        Nonces { key, validity_ns, made: Cell::new(0) }
    }

    /// A nonce for whoever sends from `source`, unlike any before.
    #[must_use]
    pub fn issue(&self, source: IpAddr, now: Tick) -> [u8; NONCE_LEN] {
        let number = self.made.get();
        self.made.set(number.wrapping_add(1));
        let millis = u128::from((now.0 / MS) & 0xffff_ffff_ffff);
        self.write(source, millis << NUMBER_BITS | u128::from(number))
    }

    /// Judges the `nonce` of credentials that came from `source`.
    #[must_use]
    pub fn judge(&self, nonce: &[u8], source: IpAddr, now: Tick) -> Verdict {
        let Some(head) = nonce.get(..HEAD_LEN).and_then(number) else { return Verdict::Forged };
        if !same_secret(nonce, &self.write(source, head)) {
            return Verdict::Forged;
        }
        let millis = u64::try_from(head >> NUMBER_BITS).unwrap_or(u64::MAX);
        let issued = Tick(millis.saturating_mul(MS));
        // A nonce of the future is one of an earlier boot under the same key.
        let fresh = issued <= now && now.ns_since(issued) <= self.validity_ns;
        if fresh { Verdict::Fresh } else { Verdict::Stale }
    }

    fn write(&self, source: IpAddr, head: u128) -> [u8; NONCE_LEN] {
        let address = match source.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut message = [0; 32];
        let (made, place) = message.split_at_mut(16);
        made.copy_from_slice(&head.to_le_bytes());
        place.copy_from_slice(&address.octets());
        let mut nonce = [b'0'; NONCE_LEN];
        let (start, mac) = nonce.split_at_mut(HEAD_LEN);
        write_hex(start, head);
        write_hex(mac, siphash24(&self.key, &message).into());
        nonce
    }
}

/// Never shows the key.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("validity_ns", &self.validity_ns).finish_non_exhaustive()
    }
}

fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |n, digit| Some(n << 4 | u128::from(lex::hex(*digit)?)))
}

fn write_hex(out: &mut [u8], mut number: u128) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in out.iter_mut().rev() {
        let nibble = usize::try_from(number & 15).unwrap_or(0);
        *digit = HEX.get(nibble).copied().unwrap_or(b'0');
        number >>= 4;
    }
}
