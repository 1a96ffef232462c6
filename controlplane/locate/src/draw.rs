//! The order of places of one priority, by their weights (RFC 2782).

use crate::place::Place;
use strowger_link::siphash::{Key, siphash24};

/// Tells draws apart from other uses of the same number.
const DRAW: Key = Key(*b"weights of hosts");

/// Draws one after the other without putting back.
///
/// RFC 2782, "Weight": those of weight 0 stand first; a number between 0 and the sum of all weights
/// is drawn, both included, and the first record is taken at which the running sum reaches it. So a
/// weight of 0 has a small chance beside others.
pub(crate) fn by_weight(equals: &[Place], chance: u64) -> Vec<&Place> {
    let mut left: Vec<&Place> = equals.iter().collect();
    left.sort_by_key(|place| place.weight != 0);
    let mut drawn = Vec::with_capacity(left.len());
    let mut round = 0u64;
    while !left.is_empty() {
        let sum: u64 = left.iter().map(|place| u64::from(place.weight)).sum();
        let dice = siphash24(&DRAW, &[chance.to_le_bytes(), round.to_le_bytes()].concat());
        // All weights 0: the order of the name server.
        let number = if sum == 0 { 0 } else { dice % (sum + 1) };
        let mut running = 0;
        let at = left.iter().position(|place| {
            running += u64::from(place.weight);
            running >= number
        });
        drawn.push(left.remove(at.unwrap_or(0)));
        round += 1;
    }
    drawn
}
