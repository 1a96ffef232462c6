//! The trunks that were called in one direction.
//!
//! There are some thousands of directions, so nearly every look at one waits for memory: what a
//! trunk is found by lies together, and records never move when another one comes.

use super::Record;
use crate::limits::DIRECTION_TRUNKS_MAX;
use strowger_model::TrunkId;

// A place fits into what is kept of it.
const _: () = assert!(DIRECTION_TRUNKS_MAX <= 1 << u16::BITS);

/// A record for each trunk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Part {
    /// Trunks in order of ids, with the places of their records.
    places: Vec<(TrunkId, u16)>,
    /// In the order in which they came.
    records: Vec<Record>,
}

impl Part {
    pub(super) fn get(&self, trunk: TrunkId) -> Option<&Record> {
        self.records.get(self.place(trunk).ok()?)
    }

    pub(super) fn get_mut(&mut self, trunk: TrunkId) -> Option<&mut Record> {
        let place = self.place(trunk).ok()?;
        self.records.get_mut(place)
    }

    /// The record of a trunk, a new one if there is none; `None` when there is no room.
    pub(super) fn get_or_open(&mut self, trunk: TrunkId) -> Option<&mut Record> {
        let place = match self.place(trunk) {
            Ok(place) => place,
            Err(_) if self.records.len() >= DIRECTION_TRUNKS_MAX => return None,
            Err(at) => {
                let place = self.records.len();
                self.places.insert(at, (trunk, u16::try_from(place).ok()?));
                self.records.push(Record::default());
                place
            }
        };
        self.records.get_mut(place)
    }

    /// The place of a trunk's record; `Err` with where the trunk would stand.
    fn place(&self, trunk: TrunkId) -> Result<usize, usize> {
        let at = self.places.binary_search_by_key(&trunk, |(id, _)| *id)?;
        self.places.get(at).map(|(_, place)| usize::from(*place)).ok_or(at)
    }

    /// In order of trunks.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TrunkId, &Record)> {
        self.places.iter().filter_map(|(trunk, place)| {
            self.records.get(usize::from(*place)).map(|record| (*trunk, record))
        })
    }

    pub(super) fn records_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.records.iter_mut()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn each_trunk_has_one_record_and_keeps_it(
            trunks in prop::collection::vec(0i64..100, 1..200),
        ) {
            let (mut part, mut model) = (Part::default(), BTreeMap::new());
            for (last, trunk) in (1u64..).zip(trunks) {
                let has_room = model.len() < DIRECTION_TRUNKS_MAX || model.contains_key(&trunk);
                let record = part.get_or_open(TrunkId(trunk));
                prop_assert_eq!(record.is_some(), has_room);
                if let Some(record) = record {
                    record.last = last;
                    model.insert(trunk, last);
                }
            }
            let told: Vec<(i64, u64)> = part.iter().map(|(id, r)| (id.0, r.last)).collect();
            prop_assert_eq!(told, model.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!((part.len(), part.records_mut().count()), (model.len(), model.len()));
            for trunk in -1..101 {
                let own = model.get(&trunk).copied();
                prop_assert_eq!(part.get(TrunkId(trunk)).map(|record| record.last), own);
                prop_assert_eq!(part.get_mut(TrunkId(trunk)).map(|record| record.last), own);
            }
        }
    }
}
