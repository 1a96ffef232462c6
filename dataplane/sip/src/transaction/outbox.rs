//! A queue of outputs with room for what one event can cause, and no more.

/// First in, first out, at most `N` outputs, no allocation.
///
/// `N` is the greatest number of outputs one event can cause, so a caller who drains the machine
/// before touching it again never fills it. Pushing into a full one is our caller's bug: debug
/// builds assert, release builds drop the newest output.
#[derive(Clone, Debug)]
pub struct Outbox<T, const N: usize> {
    slots: [Option<T>; N],
    head: u8,
    len: u8,
}

impl<T, const N: usize> Outbox<T, N> {
    const SIZE_OK: () = assert!(N > 0 && N <= u8::MAX as usize);

    /// An empty outbox.
    #[must_use]
    pub fn new() -> Outbox<T, N> {
        let () = Self::SIZE_OK;
        Outbox { slots: [const { None }; N], head: 0, len: 0 }
    }

    /// Appends an output.
    pub fn push(&mut self, output: T) {
        debug_assert!(usize::from(self.len) < N, "outbox not drained between events");
        if usize::from(self.len) >= N {
            return;
        }
        let at = (usize::from(self.head) + usize::from(self.len)) % N;
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some(output);
            self.len += 1;
        }
    }

    /// Takes the oldest output.
    pub fn pop(&mut self) -> Option<T> {
        let output = self.slots.get_mut(usize::from(self.head))?.take()?;
        self.head = if usize::from(self.head) + 1 == N { 0 } else { self.head + 1 };
        self.len -= 1;
        Some(output)
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T, const N: usize> Default for Outbox<T, N> {
    fn default() -> Outbox<T, N> {
        Outbox::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn keeps_order_around_its_end() {
        let (mut out, mut model) = (Outbox::<u32, 3>::new(), VecDeque::new());
        for n in 0..40 {
            if n % 5 < 3 && model.len() < 3 {
                out.push(n);
                model.push_back(n);
            } else {
                assert_eq!(out.pop(), model.pop_front());
            }
            assert_eq!(out.is_empty(), model.is_empty());
        }
    }

    #[test]
    #[should_panic(expected = "not drained")]
    #[cfg(debug_assertions)]
    fn overfilling_is_a_bug_of_the_caller() {
        let mut out = Outbox::<u8, 1>::new();
        out.push(1);
        out.push(2);
    }
}
