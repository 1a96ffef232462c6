//! Objects by a number that is never mistaken for that of an earlier object in the same place.

/// The number of an object in a [`Slab`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Id {
    at: u32,
    life: u32,
}

impl Id {
    /// Below all others.
    pub(super) const FIRST: Id = Id { at: 0, life: 0 };
    /// Above all others.
    pub(super) const LAST: Id = Id { at: u32::MAX, life: u32::MAX };
}

#[derive(Debug)]
struct Place<T> {
    life: u32,
    value: Option<T>,
}

/// A bounded set of objects, each found in one step.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len_max: usize,
}

impl<T> Slab<T> {
    pub(super) fn new(len_max: usize) -> Slab<T> {
        Slab { places: Vec::new(), free: Vec::new(), len_max }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes `value` in; `None` when there are `len_max` already.
    pub(super) fn insert(&mut self, value: T) -> Option<Id> {
        if let Some(at) = self.free.pop() {
            let place = self.places.get_mut(usize::try_from(at).ok()?)?;
            place.value = Some(value);
            return Some(Id { at, life: place.life });
        }
        if self.places.len() >= self.len_max {
            return None;
        }
        let at = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place { life: 0, value: Some(value) });
        Some(Id { at, life: 0 })
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let place = self.places.get_mut(usize::try_from(id.at).ok()?)?;
        place.value.as_mut().filter(|_| place.life == id.life)
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let place = self.places.get(usize::try_from(id.at).ok()?)?;
        place.value.as_ref().filter(|_| place.life == id.life)
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let place = self.places.get_mut(usize::try_from(id.at).ok()?)?;
        if place.life != id.life {
            return None;
        }
        let value = place.value.take()?;
        place.life = place.life.wrapping_add(1);
        self.free.push(id.at);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_dies_with_its_object() {
        let mut slab = Slab::new(2);
        let (a, b) = (slab.insert('a').unwrap(), slab.insert('b').unwrap());
        assert_eq!((slab.insert('c'), slab.len()), (None, 2));
        assert_eq!((slab.remove(a), slab.remove(a), slab.get(a)), (Some('a'), None, None));
        let c = slab.insert('c').unwrap();
        assert_eq!(slab.get_mut(a), None);
        assert_eq!(slab.get_mut(c), Some(&mut 'c'));
        assert_eq!(slab.get(b), Some(&'b'));
    }
}
