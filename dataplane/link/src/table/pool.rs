//! The owner's list of free chunks: process memory, rebuilt from the slots.

/// Which chunks are free. Each is given back at most once, whatever numbers come in.
pub(super) struct ChunkPool {
    free: Vec<u32>,
    held: Vec<bool>,
}

impl ChunkPool {
    /// A pool of `count` chunks nobody holds.
    pub(super) fn all_free(count: u32) -> ChunkPool {
        let mut pool =
            ChunkPool { free: Vec::new(), held: vec![false; usize::try_from(count).unwrap_or(0)] };
        pool.rebuild();
        pool
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// Somebody holds the chunk already; complete after [`ChunkPool::rebuild`].
    pub(super) fn claim(&mut self, number: u32) {
        if let Some(held) = self.held_mut(number) {
            *held = true;
        }
    }

    /// Makes the free list anew from what is held.
    pub(super) fn rebuild(&mut self) {
        self.free = Vec::with_capacity(self.held.len());
        let numbers = (0u32..).zip(&self.held).filter(|(_, held)| !**held);
        self.free.extend(numbers.map(|(number, _)| number));
        // The lowest last, so that it is taken first: few pages are touched.
        self.free.reverse();
    }

    /// Fills `numbers` with free chunks; `None` = too few, none taken.
    pub(super) fn take(&mut self, numbers: &mut [u32]) -> Option<()> {
        let rest = self.free.len().checked_sub(numbers.len())?;
        let ChunkPool { free, held } = self;
        for (to, number) in numbers.iter_mut().zip(free.drain(rest..)) {
            *to = number;
            let place = usize::try_from(number).ok().and_then(|number| held.get_mut(number));
            place.into_iter().for_each(|held| *held = true);
        }
        Some(())
    }

    /// Gives a chunk back; nothing if nobody holds it.
    pub(super) fn give(&mut self, number: u32) {
        if let Some(held) = self.held_mut(number)
            && *held
        {
            *held = false;
            self.free.push(number);
        }
    }

    fn held_mut(&mut self, number: u32) -> Option<&mut bool> {
        self.held.get_mut(usize::try_from(number).ok()?)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
impl ChunkPool {
    pub(super) fn free_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.free.iter().copied()
    }
}
