//! Spending in calendar periods: a day, a month (spec USER-LIMIT-02, fraud checks 15 and 16).
//!
//! A call counts in the period in which it was admitted, its hold and its charge alike, however
//! long it lasts. So what was charged and what is held together never pass the limit of any period,
//! and midnight takes nothing from a call that runs.
//!
//! The limit of a day may be learnt ([`Learning`]): so many times what the dearest day before it
//! cost (spec fraud check 17). It stands for a whole day: a day does not raise its own limit.
//!
//! The limit of a month may grow ([`Growth`]): by the same amount for each month before it in which
//! calls cost something. The limit of a period is a function of the periods before it, so a call
//! that counts in last month is held against last month's limit.
//!
//! How long calls talked is counted in the same periods (spec SEC-ACC-06, fraud check 18). Who has
//! talked as long as is allowed makes no new call; one that runs is not cut, so nothing is held.

use strowger_model::Amount;

/// Kinds of periods.
pub const PERIODS: usize = 2;
/// The day, as an index of arrays.
pub const DAY: usize = 0;
/// The month.
pub const MONTH: usize = 1;

/// Where periods of one kind begin, microseconds since 1970 UTC: whoever knows the tenant's
/// calendar says so. Told in time, there is always a next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The period before this one.
    pub before_us: i64,
    /// This one.
    pub from_us: i64,
    /// The next one; behind it nothing is known, so it lasts until somebody says more.
    pub next_us: i64,
}

impl Bounds {
    /// The beginning of the period of `at_us`; [`OLDER_US`] for all before the first known.
    const fn begin(&self, at_us: i64) -> i64 {
        if at_us >= self.next_us {
            self.next_us
        } else if at_us >= self.from_us {
            self.from_us
        } else if at_us >= self.before_us {
            self.before_us
        } else {
            OLDER_US
        }
    }
}

/// The periods of a tenant's calendar, by [`DAY`] and [`MONTH`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calendar(pub [Bounds; PERIODS]);

/// Where a period begins that is older than the calendar: nothing is counted in it, and who began a
/// call there gets no more than is held for it.
const OLDER_US: i64 = i64::MIN;
/// Where the period of one without a calendar begins: it never ends.
const ALWAYS_US: i64 = i64::MIN + 1;
const NO_BOUNDS: Bounds = Bounds { before_us: ALWAYS_US, from_us: ALWAYS_US, next_us: i64::MAX };
pub(crate) const NO_CALENDAR: Calendar = Calendar([NO_BOUNDS; PERIODS]);

/// The periods that a call counts in, by their beginnings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Since([i64; PERIODS]);

impl Calendar {
    pub(crate) fn since(&self, at_us: i64) -> Since {
        Since(self.0.map(|bounds| bounds.begin(at_us)))
    }
}

/// How the limit of a month grows with the months before it (source: `maxmonthlycreditinc`,
/// `maxmonthlycreditend`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Growth {
    /// For each month in which calls cost something.
    pub by: Amount,
    /// No further than this; a limit that is above it stays as it is. `None` = without end.
    pub to: Option<Amount>,
    /// From the month of this time on, microseconds since 1970 UTC.
    pub since_us: i64,
}

impl Growth {
    /// The limit behind so many months.
    fn limit(&self, most: Amount, months: u32) -> Amount {
        let grown = most.0.saturating_add(self.by.0.saturating_mul(i64::from(months)));
        Amount(self.to.map_or(grown, |to| grown.min(to.0.max(most.0))))
    }
}

/// How the limit of a day is learnt from the days before it (source: `checkmaxdyndailycredit`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Learning {
    /// So many times the dearest day.
    pub times: u32,
    /// No less than this, for who never spent much.
    pub least: Amount,
}

impl Learning {
    /// What a day may cost behind days of which the dearest cost `peak`.
    #[must_use]
    pub fn limit(&self, peak: Amount) -> Amount {
        Amount(peak.0.max(0).saturating_mul(i64::from(self.times)).max(self.least.0))
    }

    /// The dearest day behind one more that cost `used`. A day that came within a tenth of its
    /// limit teaches nothing: it was cut short, or nearly so, and would lift the limit each day.
    #[must_use]
    pub fn after(&self, peak: Amount, used: Amount) -> Amount {
        let near = i128::from(used.0) * 10 > i128::from(self.limit(peak).0) * 9;
        if near { peak } else { peak.max(used) }
    }
}

/// A limit that is learnt: how, and from which days so far.
#[derive(Clone, Copy, Debug)]
struct Learnt {
    learning: Learning,
    /// Days that began before this are in `peak`; `None` = nobody has said yet what the days before
    /// were, and nothing is limited.
    counted_us: Option<i64>,
    peak: Amount,
}

impl Learnt {
    fn learn(&mut self, period: &Period) {
        let teaches = |counted_us| period.begin_us > ALWAYS_US && period.begin_us >= counted_us;
        if self.counted_us.is_some_and(teaches) {
            self.peak = self.learning.after(self.peak, crate::account::clamp(period.used));
        }
    }
}

/// A limit that grows: how, and by which periods so far.
#[derive(Clone, Copy, Debug)]
struct Growing {
    growth: Growth,
    /// Beginning of the period from which on it grows.
    since_us: i64,
    /// Periods that began before this are in `count`, if they count.
    counted_us: i64,
    /// Periods that count, but for the newest two.
    count: u32,
}

impl Growing {
    /// Whether a period adds something and is not in `count`. One older than the calendar cannot be
    /// told from those that the database has counted.
    fn adds(&self, period: &Period) -> bool {
        period.used > 0
            && period.begin_us > ALWAYS_US
            && period.begin_us >= self.since_us.max(self.counted_us)
    }
}

/// What was spent in one period, what running calls of it can still cost, and how long those talked
/// that have ended.
#[derive(Clone, Copy, Debug)]
struct Period {
    begin_us: i64,
    talk_ms: u64,
    used: i128,
    held: i128,
}

impl Period {
    const fn new(begin_us: i64) -> Period {
        Period { begin_us, talk_ms: 0, used: 0, held: 0 }
    }
}

/// The spending of an account in periods of one kind: the newest two. What ran longer than that is
/// lengthened no more.
#[derive(Clone, Copy, Debug)]
struct Spending {
    most: Option<Amount>,
    /// Longest talk; `None` = no limit.
    talk_ms_max: Option<u64>,
    growing: Option<Growing>,
    learnt: Option<Learnt>,
    before: Period,
    now: Period,
}

impl Spending {
    const NEW: Spending = Spending {
        most: None,
        talk_ms_max: None,
        growing: None,
        learnt: None,
        before: Period::new(OLDER_US),
        now: Period::new(OLDER_US),
    };

    fn period_mut(&mut self, begin_us: i64) -> Option<&mut Period> {
        if begin_us > self.now.begin_us {
            self.leave(self.before);
            self.before = self.now;
            self.now = Period::new(begin_us);
        } else if begin_us < self.now.begin_us && begin_us > self.before.begin_us {
            // Nothing was counted in it so far; so also after a change of the time zone.
            self.leave(self.before);
            self.before = Period::new(begin_us);
        }
        let found = [&mut self.now, &mut self.before].into_iter().find(|p| p.begin_us == begin_us);
        found.filter(|_| begin_us > OLDER_US)
    }

    /// A period is no longer one of the newest two.
    fn leave(&mut self, period: Period) {
        if let Some(growing) = self.growing.as_mut().filter(|growing| growing.adds(&period)) {
            growing.count = growing.count.saturating_add(1);
        }
        if let Some(learnt) = &mut self.learnt {
            learnt.learn(&period);
        }
    }

    /// The limit of a period.
    fn most(&self, begin_us: i64) -> Option<Amount> {
        [self.set_most(begin_us), self.learnt_most(begin_us)].into_iter().flatten().min()
    }

    /// As the days before it taught.
    fn learnt_most(&self, begin_us: i64) -> Option<Amount> {
        let mut learnt = self.learnt.filter(|learnt| learnt.counted_us.is_some())?;
        for period in [self.before, self.now] {
            if period.begin_us < begin_us {
                learnt.learn(&period);
            }
        }
        Some(learnt.learning.limit(learnt.peak))
    }

    /// As it was set, and has grown.
    fn set_most(&self, begin_us: i64) -> Option<Amount> {
        let most = self.most?;
        let Some(growing) = &self.growing else { return Some(most) };
        let newest = [self.before, self.now];
        let before = newest.iter().filter(|p| p.begin_us < begin_us && growing.adds(p)).count();
        let months = growing.count.saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        Some(growing.growth.limit(most, months))
    }

    /// Grows as `growth` says, from the period that begins at `since_us`.
    fn grow(&mut self, growth: Option<Growth>, since_us: i64) {
        let known = self.growing.filter(|known| known.since_us == since_us);
        self.growing = growth.map(|growth| {
            let (counted_us, count) = known.map_or((i64::MIN, 0), |k| (k.counted_us, k.count));
            Growing { growth, since_us, counted_us, count }
        });
    }

    /// Learns as `learning` says; what it has learnt so far stands.
    fn learn(&mut self, learning: Option<Learning>) {
        let known = self.learnt.map(|known| (known.counted_us, known.peak));
        self.learnt = learning.map(|learning| {
            let (counted_us, peak) = known.unwrap_or((None, Amount::ZERO));
            Learnt { learning, counted_us, peak }
        });
    }

    /// The dearest of the periods before `counted_us` cost so much.
    fn taught(&mut self, counted_us: i64, peak: Amount) {
        let Some(learnt) = &mut self.learnt else { return };
        (learnt.counted_us, learnt.peak) = (Some(counted_us), peak);
    }

    /// So many of the periods before `counted_us` count.
    fn grown(&mut self, counted_us: i64, count: u32) {
        let Some(growing) = &mut self.growing else { return };
        (growing.counted_us, growing.count) = (counted_us, count);
    }

    fn period(&self, begin_us: i64) -> Option<Period> {
        if begin_us == OLDER_US {
            return None;
        }
        let found = [self.now, self.before].into_iter().find(|p| p.begin_us == begin_us);
        found.or((begin_us > self.before.begin_us).then_some(Period::new(begin_us)))
    }

    /// Whether calls of a period have talked as long as is allowed.
    fn is_talked_out(&self, begin_us: i64) -> bool {
        let talked = |most| self.period(begin_us).is_some_and(|period| period.talk_ms >= most);
        self.talk_ms_max.is_some_and(talked)
    }

    /// What can be held beyond the holds there are, `own` of which belongs to the asker.
    fn available(&self, begin_us: i64, own: Amount) -> Option<i128> {
        let most = i128::from(self.most(begin_us)?.0);
        Some(match self.period(begin_us) {
            Some(period) => most - period.used - period.held + i128::from(own.0),
            None => own.0.into(),
        })
    }
}

/// The spending of an account in all kinds of periods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spendings([Spending; PERIODS]);

/// What an account has spent in its newest periods, and their limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spent {
    /// Beginning of the period, microseconds since 1970 UTC; `i64::MIN` = before the first call.
    pub begin_us: i64,
    /// Charged for calls that began in it.
    pub used: Amount,
    /// What those that run can still cost.
    pub held: Amount,
    /// Most of both; `None` = no limit.
    pub most: Option<Amount>,
}

impl Spendings {
    pub(crate) const NEW: Spendings = Spendings([Spending::NEW; PERIODS]);

    pub(crate) fn limit(&mut self, most: [Option<Amount>; PERIODS]) {
        for (spending, most) in self.0.iter_mut().zip(most) {
            spending.most = most;
        }
    }

    pub(crate) fn limit_talk(&mut self, most: [Option<u64>; PERIODS]) {
        for (spending, most) in self.0.iter_mut().zip(most) {
            spending.talk_ms_max = most;
        }
    }

    /// Whether calls of one of the periods of `since` have talked as long as is allowed.
    pub(crate) fn is_talked_out(&self, since: Since) -> bool {
        self.0.iter().zip(since.0).any(|(spending, begin_us)| spending.is_talked_out(begin_us))
    }

    /// A call has talked.
    pub(crate) fn talk(&mut self, since: Since, ms: u64) {
        for (spending, begin_us) in self.0.iter_mut().zip(since.0) {
            if let Some(period) = spending.period_mut(begin_us) {
                period.talk_ms = period.talk_ms.saturating_add(ms);
            }
        }
    }

    /// How long calls talked in the periods of `since`.
    pub(crate) fn talked_ms(&self, since: Since) -> [u64; PERIODS] {
        let mut talked_ms = [0; PERIODS];
        for ((ms, spending), begin_us) in talked_ms.iter_mut().zip(&self.0).zip(since.0) {
            *ms = spending.period(begin_us).map_or(0, |period| period.talk_ms);
        }
        talked_ms
    }

    pub(crate) fn grow(&mut self, growth: Option<Growth>, since: Since) {
        let [_, month_us] = since.0;
        if let Some(month) = self.0.get_mut(MONTH) {
            month.grow(growth, month_us);
        }
    }

    pub(crate) fn learn(&mut self, learning: Option<Learning>) {
        if let Some(day) = self.0.get_mut(DAY) {
            day.learn(learning);
        }
    }

    pub(crate) fn taught(&mut self, counted_us: i64, peak: Amount) {
        if let Some(day) = self.0.get_mut(DAY) {
            day.taught(counted_us, peak);
        }
    }

    pub(crate) fn grown(&mut self, counted_us: i64, count: u32) {
        if let Some(month) = self.0.get_mut(MONTH) {
            month.grown(counted_us, count);
        }
    }

    /// The limits of the periods of `since`.
    pub(crate) fn most(&self, since: Since) -> [Option<Amount>; PERIODS] {
        let mut most = [None; PERIODS];
        for ((most, spending), begin_us) in most.iter_mut().zip(&self.0).zip(since.0) {
            *most = spending.most(begin_us);
        }
        most
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.0.iter().any(|spending| spending.most.is_some() || spending.learnt.is_some())
    }

    pub(crate) fn hold(&mut self, since: Since, before: Amount, after: Amount) {
        for (spending, begin_us) in self.0.iter_mut().zip(since.0) {
            if let Some(period) = spending.period_mut(begin_us) {
                period.held += i128::from(after.0) - i128::from(before.0);
            }
        }
    }

    /// A call was charged; what is paid to an account is no spending.
    pub(crate) fn charge(&mut self, since: Since, charge: Amount) {
        for (spending, begin_us) in self.0.iter_mut().zip(since.0) {
            if let Some(period) = spending.period_mut(begin_us) {
                period.used += i128::from(charge.0.max(0));
            }
        }
    }

    /// Adds what another has spent in its newest periods.
    pub(crate) fn absorb_used(&mut self, other: &Spendings) {
        for (spending, other) in self.0.iter_mut().zip(&other.0) {
            for Period { begin_us, used, .. } in [other.before, other.now] {
                if let Some(period) = spending.period_mut(begin_us).filter(|_| used != 0) {
                    period.used += used;
                }
            }
        }
    }

    pub(crate) fn available(&self, since: Since, own: Amount) -> Option<i128> {
        let of_kind = |(spending, begin_us): (&Spending, i64)| spending.available(begin_us, own);
        self.0.iter().zip(since.0).filter_map(of_kind).min()
    }

    /// What was charged in the periods of `since`.
    pub(crate) fn used(&self, since: Since) -> [Amount; PERIODS] {
        let mut used = [Amount::ZERO; PERIODS];
        for ((used, spending), begin_us) in used.iter_mut().zip(&self.0).zip(since.0) {
            *used = spending
                .period(begin_us)
                .map_or(Amount::ZERO, |period| crate::account::clamp(period.used));
        }
        used
    }

    pub(crate) fn spent(&self) -> [Spent; PERIODS] {
        self.0.map(|spending| Spent {
            begin_us: spending.now.begin_us,
            used: crate::account::clamp(spending.now.used),
            held: crate::account::clamp(spending.now.held),
            most: spending.most(spending.now.begin_us),
        })
    }
}
