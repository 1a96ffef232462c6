//! A set of RTP payload types.

use std::fmt;

/// A set of payload types, 0-127, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadTypes(u128);

impl PayloadTypes {
    /// No payload type.
    pub const NONE: PayloadTypes = PayloadTypes(0);
    /// Every payload type.
    pub const ALL: PayloadTypes = PayloadTypes(u128::MAX);

    /// Adds one; numbers above 127 are no payload types and are ignored.
    pub const fn insert(&mut self, payload_type: u8) {
        self.0 |= bit(payload_type);
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, payload_type: u8) -> bool {
        self.0 & bit(payload_type) != 0
    }

    /// Those in either set.
    #[must_use]
    pub const fn union(self, other: PayloadTypes) -> PayloadTypes {
        PayloadTypes(self.0 | other.0)
    }

    /// The set as bits, payload type 0 lowest.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The payload types in rising order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..128).filter(move |payload_type| self.contains(*payload_type))
    }
}

const fn bit(payload_type: u8) -> u128 {
    if payload_type < 128 { 1 << payload_type } else { 0 }
}

impl FromIterator<u8> for PayloadTypes {
    fn from_iter<I: IntoIterator<Item = u8>>(payload_types: I) -> PayloadTypes {
        let mut set = PayloadTypes::NONE;
        payload_types.into_iter().for_each(|payload_type| set.insert(payload_type));
        set
    }
}

impl fmt::Debug for PayloadTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::PayloadTypes;

    #[test]
    fn a_set_of_payload_types() {
        let set: PayloadTypes = [8, 0, 127, 128, 255].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 8, 127]);
        assert!(!set.contains(128) && !PayloadTypes::ALL.contains(128));
        assert_eq!(format!("{set:?}"), "{0, 8, 127}");
        assert_eq!(set.union(PayloadTypes::ALL), PayloadTypes::ALL);
        assert_eq!(PayloadTypes::ALL.iter().count(), 128);
    }
}
