//! Things to look at again: a queue for each span, in order by itself, as time only goes on.

use std::collections::VecDeque;

use strowger_link::Tick;

/// What waits in a queue: when, and for whom.
pub(crate) struct Timers<T> {
    queues: Vec<(u64, VecDeque<(Tick, T)>)>,
}

impl<T> Timers<T> {
    /// Queues for these spans, nanoseconds.
    pub(crate) fn new(spans_ns: &[u64]) -> Timers<T> {
        Timers { queues: spans_ns.iter().map(|span| (*span, VecDeque::new())).collect() }
    }

    /// Looks at `what` again one span of queue `number` after `now`; beyond the last queue never.
    pub(crate) fn push(&mut self, number: usize, now: Tick, what: T) {
        if let Some((span, queue)) = self.queues.get_mut(number) {
            queue.push_back((Tick(now.0 + *span), what));
        }
    }

    /// The next one that is due.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<T> {
        let mut queues = self.queues.iter_mut().map(|(_, queue)| queue);
        let queue = queues.find(|queue| queue.front().is_some_and(|(due, _)| *due <= now))?;
        queue.pop_front().map(|(_, what)| what)
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Option<Tick> {
        self.queues.iter().filter_map(|(_, queue)| Some(queue.front()?.0)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_after_its_span() {
        let mut timers = Timers::new(&[10, 5]);
        timers.push(0, Tick(0), 'a');
        timers.push(1, Tick(1), 'b');
        timers.push(2, Tick(1), 'c');
        assert_eq!(timers.due(), Some(Tick(6)));
        assert_eq!(timers.pop(Tick(5)), None);
        assert_eq!(timers.pop(Tick(10)), Some('a'));
        assert_eq!((timers.pop(Tick(10)), timers.pop(Tick(99))), (Some('b'), None));
    }
}
