//! T1, T2, T4 and what is derived from them.

/// The least T1 that may be set, in milliseconds: below it a retransmission is a flood.
pub const T1_MS_MIN: u32 = 10;
/// The greatest T1, T2 or T4 that may be set, in milliseconds.
pub const TIMER_MS_MAX: u32 = 60_000;
/// The least value of timer D on unreliable transports, in milliseconds.
//= rfc3261#section-17.1.1.2
//# the client transaction does not know the
//# value of T1 in use by the server transaction, so an absolute minimum
//# of 32s is used instead of basing Timer D on T1.
const D_MS_MIN: u32 = 32_000;

/// The number of T1 after which a transaction gives up unless told otherwise (timers B, F and H),
/// and for which an ended one waits for copies (J, L and M).
const GIVE_UP_T1S: u32 = 64;

const _: () = assert!(TIMER_MS_MAX <= u32::MAX / GIVE_UP_T1S);
const _: () = assert!(TIMER_MS_MAX <= u16::MAX as u32);

/// The base values of RFC 3261 section 17 (its table 4), in milliseconds.
///
/// One value per transaction, so that a trunk's settings can differ from another's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    // Every transaction has a copy, so they are as short as TIMER_MS_MAX allows.
    t1_ms: u16,
    t2_ms: u16,
    t4_ms: u16,
    give_up_ms: u32,
}

/// Why a set of base values was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimersError {
    /// T1 is below [`T1_MS_MIN`] or above [`TIMER_MS_MAX`].
    T1,
    /// T2 is below T1 or above [`TIMER_MS_MAX`].
    T2,
    /// T4 is above [`TIMER_MS_MAX`].
    T4,
    /// A transaction would give up before anything is sent again, or after more than 64 of the
    /// greatest T1.
    GiveUp,
}

impl Timers {
    /// T1 500 ms, T2 4 s, T4 5 s.
    //= rfc3261#section-17.1.1.2
    //# The default value for T1 is 500 ms.
    //= rfc3261#section-17.1.2.2
    //# The default value of T2 is 4s,
    //= rfc3261#section-17.1.2.2
    //# The default value of T4 is 5s.
    pub const DEFAULT: Timers =
        Timers { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000, give_up_ms: 500 * GIVE_UP_T1S };

    /// Base values in milliseconds: the round-trip estimate T1, the greatest interval T2 of
    /// retransmissions (INVITE requests excepted), the lifetime T4 of a message in the network.
    ///
    /// # Errors
    /// The value that is out of its bounds; see [`TimersError`].
    pub const fn new(t1_ms: u32, t2_ms: u32, t4_ms: u32) -> Result<Timers, TimersError> {
        if t1_ms < T1_MS_MIN || t1_ms > TIMER_MS_MAX {
            return Err(TimersError::T1);
        }
        if t2_ms < t1_ms || t2_ms > TIMER_MS_MAX {
            return Err(TimersError::T2);
        }
        if t4_ms > TIMER_MS_MAX {
            return Err(TimersError::T4);
        }
        // None is above TIMER_MS_MAX, so the casts keep the values.
        Ok(Timers {
            t1_ms: t1_ms as u16,
            t2_ms: t2_ms as u16,
            t4_ms: t4_ms as u16,
            give_up_ms: t1_ms.saturating_mul(GIVE_UP_T1S),
        })
    }

    /// The same, but what nobody answers or acknowledges is given up after so long, and so it is
    /// settled how often it is sent again. Ended transactions wait for copies of a peer whose
    /// timers are the usual ones, however short this is.
    ///
    /// # Errors
    /// [`TimersError::GiveUp`].
    pub const fn giving_up_after(self, give_up_ms: u32) -> Result<Timers, TimersError> {
        if give_up_ms <= self.t1_ms() || give_up_ms > TIMER_MS_MAX * GIVE_UP_T1S {
            return Err(TimersError::GiveUp);
        }
        Ok(Timers { give_up_ms, ..self })
    }

    /// First interval of timers A, E and G.
    pub(crate) const fn t1_ms(self) -> u32 {
        self.t1_ms as u32
    }

    /// Greatest interval of timers E and G.
    pub(crate) const fn t2_ms(self) -> u32 {
        self.t2_ms as u32
    }

    /// Timers I and K on unreliable transports.
    pub(super) const fn t4_ms(self) -> u32 {
        self.t4_ms as u32
    }

    /// Timers B, F and H: 64*T1, or as set.
    pub(crate) const fn give_up_ms(self) -> u32 {
        self.give_up_ms
    }

    /// Timers J, L and M: 64*T1, and no shorter than we send by ourselves.
    pub(crate) fn linger_ms(self) -> u32 {
        self.t1_ms().saturating_mul(GIVE_UP_T1S).max(self.give_up_ms)
    }

    /// Timer D on unreliable transports: as long as the peer may be in Completed, were its T1
    /// ours, and at least 32 s.
    pub(super) fn d_ms(self) -> u32 {
        self.give_up_ms().max(D_MS_MIN)
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_legal_and_derive_the_values_of_table_4() {
        assert_eq!(Timers::new(500, 4_000, 5_000), Ok(Timers::DEFAULT));
        assert_eq!(Timers::default().give_up_ms(), 32_000);
        assert_eq!(Timers::default().d_ms(), 32_000);
    }

    #[test]
    fn timer_d_never_falls_below_32_seconds_and_follows_a_larger_t1() {
        assert_eq!(Timers::new(100, 4_000, 5_000).map(Timers::d_ms), Ok(32_000));
        assert_eq!(Timers::new(1_000, 4_000, 5_000).map(Timers::d_ms), Ok(64_000));
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_name() {
        assert_eq!(Timers::new(9, 4_000, 5_000), Err(TimersError::T1));
        assert_eq!(Timers::new(60_001, 60_001, 5_000), Err(TimersError::T1));
        assert_eq!(Timers::new(500, 499, 5_000), Err(TimersError::T2));
        assert_eq!(Timers::new(500, 60_001, 5_000), Err(TimersError::T2));
        assert_eq!(Timers::new(500, 4_000, 60_001), Err(TimersError::T4));
        assert!(Timers::new(10, 10, 0).is_ok());
    }

    #[test]
    fn giving_up_is_set_by_itself_and_copies_are_waited_for_all_the_same() {
        let of = |ms| Timers::DEFAULT.giving_up_after(ms);
        let short = of(4_000).unwrap();
        assert_eq!((short.give_up_ms(), short.linger_ms(), short.d_ms()), (4_000, 32_000, 32_000));
        let long = of(90_000).unwrap();
        assert_eq!((long.give_up_ms(), long.linger_ms(), long.d_ms()), (90_000, 90_000, 90_000));
        assert_eq!(of(500), Err(TimersError::GiveUp));
        assert_eq!(of(TIMER_MS_MAX * GIVE_UP_T1S + 1), Err(TimersError::GiveUp));
    }
}
