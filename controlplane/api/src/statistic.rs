//! Statistics of calls: the figures of spec 13.2, from sums that are written with the records.
//!
//! What each figure is stands at its member below, with the name that the source gives it. Shares
//! are millionths, times milliseconds, so that nothing is lost by rounding on the way.

use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::{shown, view};
use crate::value::{Id, MoneyView, Time, money, price};
use strowger_model::{
    Amount, Audience, Currency, Digits, PRICE_DIGITS, Price, TenantId, Zone, print_decimal,
};
use strowger_store::{
    ASRB_S, Measures, Money, Statistic, StatisticBy, StatisticQuestion, StatisticSubject, TimeUnit,
    UnfitQuestion,
};

const LIST: &str = "statistics";
const DAY_US: i64 = 86_400_000_000;
/// Days that are told of when nobody says which.
const DAYS: i64 = 7;
/// A million.
const PPM: i128 = 1_000_000;
const MINUTE_MS: i128 = 60_000;

/// The words of `asrb_s`: the durations that are counted.
const ASRB_WORDS: &[&str] = &["5", "10", "15", "20", "30", "60", "120"];
const _: () = assert!(ASRB_WORDS.len() == ASRB_S.len());

/// Only of this tenant.
pub(crate) static TENANT: Filter = Filter::id("tenant", "tenant");
/// Only calls of this account.
pub(crate) static ACCOUNT: Filter = Filter::id("account", "account");
/// Only calls that this trunk sent.
pub(crate) static INGRESS: Filter = Filter::id("ingress", "ingress");
/// Only attempts at this trunk.
pub(crate) static EGRESS: Filter = Filter::id("egress", "egress");
/// Only called numbers that begin so.
pub(crate) static DESTINATION: Filter = Filter::number("destination");
/// Least talk of a success.
pub(crate) static ASRB: Filter = Filter::word("asrb_s", ASRB_WORDS);

view! {
    /// What was counted of calls that began in a time.
    StatisticView {
        /// Beginning of the time, on the tenant's clock; null unless `by` names one.
        from: Option<Time>,
        /// Account that called; null unless `by` names it.
        account: Option<Id>,
        /// Trunk that sent the calls; null unless `by` names it.
        ingress: Option<Id>,
        /// Trunk that the calls were sent to, with attempts that failed over from it; null unless
        /// `by` names it.
        egress: Option<Id>,
        /// Prefix of the destination, or the first four digits of numbers that have none; null
        /// unless `by` names it.
        destination: Option<String>,
        /// Attempts (CDRC).
        calls: u64,
        /// Attempts that were answered (SUCC).
        answered: u64,
        /// Answered of all attempts, millionths (ASR; ITU-T E.411, E.425); null without any.
        asr_ppm: Option<u32>,
        /// Attempts that were answered and talked for `asrb_s` or longer, of all, millionths
        /// (ASRB).
        asrb_ppm: Option<u32>,
        /// Attempts that reached the called party, of all, millionths: answered, busy, not
        /// answered, refused there (NER; ITU-T E.425).
        ner_ppm: Option<u32>,
        /// Talk.
        talk_ms: u64,
        /// Talk in minutes, to thousandths (SL).
        minutes: String,
        /// Talk of an answered call on average (ACD, ACL).
        acd_ms: Option<u64>,
        /// From the beginning to the answer, of an answered call on average (ACT).
        act_ms: Option<u64>,
        /// From the beginning to ringing, of a call that rang on average (PDD).
        pdd_ms: Option<u64>,
        /// Calls at a time on average, from their beginning to their end, to thousandths (CCC).
        concurrent: String,
        /// What they cost, in each currency.
        money: Vec<StatisticMoneyView>,
    }
}

view! {
    /// What calls cost in one currency, without tax.
    StatisticMoneyView {
        /// What the callers' accounts pay (EC).
        customer: MoneyView,
        /// What the topmost resellers above them pay.
        reseller: MoneyView,
        /// What suppliers are owed (PC).
        supplier: MoneyView,
        /// What agents earn (SC).
        sales: MoneyView,
        /// What customers pay less what suppliers are owed and agents earn in this currency (PF).
        profit: MoneyView,
        /// The same as a share of what customers pay, millionths (PR); null when they pay nothing.
        profit_ppm: Option<i32>,
        /// What customers pay a minute of talk on average (EP); null without talk, and where there
        /// are several currencies.
        customer_price: Option<MoneyView>,
        /// What suppliers are owed a minute of talk on average (PP).
        supplier_price: Option<MoneyView>,
    }
}

view! {
    /// What was counted of the calls of who pays for them.
    BoughtStatisticView {
        /// Beginning of the time, on the tenant's clock; null unless `by` names one.
        from: Option<Time>,
        /// Account that called; null unless `by` names it.
        account: Option<Id>,
        /// Prefix of the destination; null unless `by` names it.
        destination: Option<String>,
        /// Attempts.
        calls: u64,
        /// Attempts that were answered.
        answered: u64,
        /// Answered of all attempts, millionths.
        asr_ppm: Option<u32>,
        /// Attempts that were answered and talked for `asrb_s` or longer, of all, millionths.
        asrb_ppm: Option<u32>,
        /// Attempts that reached the called party, of all, millionths.
        ner_ppm: Option<u32>,
        /// Talk.
        talk_ms: u64,
        /// Talk in minutes, to thousandths.
        minutes: String,
        /// Talk of an answered call on average.
        acd_ms: Option<u64>,
        /// From the beginning to the answer, of an answered call on average.
        act_ms: Option<u64>,
        /// From the beginning to ringing, of a call that rang on average.
        pdd_ms: Option<u64>,
        /// Calls at a time on average, to thousandths.
        concurrent: String,
        /// What the callers' accounts pay, in each currency, without tax.
        paid: Vec<MoneyView>,
    }
}

shown! {
    /// A line of statistics, as each audience is shown it.
    StatisticShown {
        Operator: StatisticView,
        Reseller: BoughtStatisticView,
        Customer: BoughtStatisticView,
    }
}

/// `GET /statistics`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<StatisticShown>>, Problem> {
    let by = by(cx.query.by.as_deref().unwrap_or_default())?;
    let tenant = tenant(&cx)?;
    let (from_us, until_us) = period(&cx, &cx.api.reader.zone(tenant))?;
    let destination = match cx.query.text("destination") {
        None => None,
        Some(text) => {
            let digits =
                Digits::parse(text).map_err(|e| Problem::field("destination", e.to_string()))?;
            Some(digits)
        }
    };
    let question =
        StatisticQuestion { tenant, from_us, until_us, by, only: only(&cx)?, destination };
    let answer = cx.api.reader.statistics(cx.caller.scope, &question).await?;
    let answer = answer.map_err(unfit)?;
    if answer.is_too_much {
        return Err(Problem::refused("by", "has more lines than an answer can have: ask for less"));
    }
    let asrb = cx.query.text("asrb_s").and_then(|s| ASRB_WORDS.iter().position(|w| *w == s));
    let audience = cx.caller.audience();
    // Where the page before ended.
    let skip: usize = cursor::decode(LIST, cx.query.next.as_deref())?.unwrap_or_default();
    let limit = usize::try_from(cx.query.limit).unwrap_or(usize::MAX);
    let rest = answer.lines.get(skip..).unwrap_or_default();
    let lines = rest.iter().take(limit).map(|line| {
        let shown = Shown { line, by: by.subject, asrb: asrb.unwrap_or_default() };
        match audience {
            Audience::Operator => StatisticShown::Operator(Box::new(shown.whole())),
            Audience::Reseller => StatisticShown::Reseller(Box::new(shown.bought())),
            Audience::Customer | Audience::Supplier | Audience::Subscriber => {
                StatisticShown::Customer(Box::new(shown.bought()))
            }
        }
    });
    let next = (rest.len() > limit).then(|| cursor::encode(LIST, skip.saturating_add(limit)));
    Ok(Json(Page::of(lines.collect(), next)))
}

/// The tenant whose calls are asked for.
fn tenant(cx: &Context) -> Result<Option<TenantId>, Problem> {
    let own = cx.caller.scope.tenant();
    match (own, cx.query.id_of("tenant").map(TenantId)) {
        (Some(own), Some(named)) if own != named => {
            Err(Problem::refused("tenant", format!("tenant {} does not exist", named.0)))
        }
        (own, named) => Ok(named.or(own)),
    }
}

/// Beginning and end, by default the last days to the end of today.
fn period(cx: &Context, zone: &Zone) -> Result<(i64, i64), Problem> {
    let begin_of = |at_us: i64| {
        let local_us = zone.local_us(at_us);
        at_us.saturating_sub(local_us.rem_euclid(DAY_US))
    };
    // Noon of the next day is on it whatever the clocks do in between.
    let tomorrow_us = begin_of(begin_of(cx.api.now_us()).saturating_add(DAY_US * 3 / 2));
    let until_us = cx.query.until_us.unwrap_or(tomorrow_us);
    let first_us = until_us.saturating_sub(DAYS * DAY_US - DAY_US / 2);
    let from_us = cx.query.from_us.unwrap_or_else(|| begin_of(first_us));
    if from_us >= until_us {
        return Err(Problem::refused("until", "is not later than from"));
    }
    Ok((from_us, until_us))
}

/// The one account or trunk that is asked for.
fn only(cx: &Context) -> Result<Option<(StatisticSubject, i64)>, Problem> {
    let named = [
        ("account", StatisticSubject::Account),
        ("ingress", StatisticSubject::Ingress),
        ("egress", StatisticSubject::Egress),
    ];
    let mut found =
        named.into_iter().filter_map(|(name, kind)| Some((kind, cx.query.id_of(name)?)));
    match (found.next(), found.next()) {
        (only, None) => Ok(only),
        (_, Some((kind, _))) => Err(Problem::refused(word(kind), "stands beside another of them")),
    }
}

const fn word(subject: StatisticSubject) -> &'static str {
    match subject {
        StatisticSubject::Account => "account",
        StatisticSubject::Ingress => "ingress",
        StatisticSubject::Egress => "egress",
    }
}

/// What has a line of its own: words with commas between.
fn by(text: &str) -> Result<StatisticBy, Problem> {
    let mut by = StatisticBy::default();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let time = match word {
            "hour" => Some(TimeUnit::Hour),
            "day" => Some(TimeUnit::Day),
            "week" => Some(TimeUnit::Week),
            "month" => Some(TimeUnit::Month),
            _ => None,
        };
        let subject = match word {
            "account" => Some(StatisticSubject::Account),
            "ingress" => Some(StatisticSubject::Ingress),
            "egress" => Some(StatisticSubject::Egress),
            _ => None,
        };
        let is_second = match (time, subject, word) {
            (Some(time), _, _) => by.time.replace(time).is_some(),
            (None, Some(subject), _) => by.subject.replace(subject).is_some(),
            (None, None, "destination") => core::mem::replace(&mut by.destination, true),
            (None, None, _) => {
                let known = "hour, day, week, month, account, ingress, egress, destination";
                return Err(Problem::refused("by", format!("knows {known}")));
            }
        };
        if is_second {
            return Err(Problem::refused("by", "names two of a kind"));
        }
    }
    Ok(by)
}

fn unfit(why: UnfitQuestion) -> Problem {
    let (field, detail) = match why {
        UnfitQuestion::TwoSubjects => ("by", "names others than the one that is asked for"),
        UnfitQuestion::IngressByDestination => {
            ("by", "has no destinations of trunks that send calls; take their accounts")
        }
        UnfitQuestion::AccountsByDestination => {
            ("by", "has destinations of one account only: name it")
        }
        UnfitQuestion::DestinationByHour => ("by", "has destinations by days, not by hours"),
        UnfitQuestion::NoQuarter => ("from", "and until must be at a quarter of an hour"),
        UnfitQuestion::NoDay => {
            ("from", "and until must be where days of the tenant begin, with destinations")
        }
        UnfitQuestion::TooLong => ("from", "is more than 400 days before until"),
        UnfitQuestion::NotForYou => return Problem::denied("calls of trunks are not for you"),
    };
    Problem::refused(field, detail)
}

/// A line that is being shown.
struct Shown<'a> {
    line: &'a Statistic,
    by: Option<StatisticSubject>,
    /// Which of the durations makes a success.
    asrb: usize,
}

/// A sum as REST shows it. A correction may take more away than there is: none is shown then.
fn sum(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn share(part: i64, of: i64) -> Option<u32> {
    let ppm = (i128::from(part) * PPM).checked_div(of.into())?;
    u32::try_from(ppm).ok()
}

fn mean(all: i64, of: i64) -> Option<u64> {
    all.checked_div(of).and_then(|mean| u64::try_from(mean).ok())
}

impl Shown<'_> {
    fn measures(&self) -> &Measures {
        &self.line.measures
    }

    fn subject(&self, is: StatisticSubject) -> Option<Id> {
        self.line.subject.filter(|_| self.by == Some(is)).map(Id::from)
    }

    fn asrb_ppm(&self) -> Option<u32> {
        let over = self.measures().over.get(self.asrb).copied().unwrap_or_default();
        share(over, self.measures().calls)
    }

    fn minutes(&self) -> String {
        print_decimal(self.measures().talk_ms / 60, 3)
    }

    /// Time that all of them took together, over the time that passed.
    fn concurrent(&self) -> String {
        let all = i128::from(self.measures().held_ms) * PPM;
        let thousandths = all.checked_div(self.line.span_us.into()).unwrap_or_default();
        print_decimal(i64::try_from(thousandths).unwrap_or(i64::MAX), 3)
    }

    fn whole(&self) -> StatisticView {
        let m = self.measures();
        let is_one = self.line.money.len() == 1;
        let paid = self.line.money.iter();
        StatisticView {
            from: self.line.from_us.map(Time),
            account: self.subject(StatisticSubject::Account),
            ingress: self.subject(StatisticSubject::Ingress),
            egress: self.subject(StatisticSubject::Egress),
            destination: self.line.destination.clone(),
            calls: sum(m.calls),
            answered: sum(m.answered),
            asr_ppm: share(m.answered, m.calls),
            asrb_ppm: self.asrb_ppm(),
            ner_ppm: share(m.effective, m.calls),
            talk_ms: sum(m.talk_ms),
            minutes: self.minutes(),
            acd_ms: mean(m.talk_ms, m.answered),
            act_ms: mean(m.setup_ms, m.answered),
            pdd_ms: mean(m.ring_ms, m.rang),
            concurrent: self.concurrent(),
            money: paid.map(|(of, paid)| costs(*of, paid, m.talk_ms, is_one)).collect(),
        }
    }

    fn bought(&self) -> BoughtStatisticView {
        let m = self.measures();
        let paid = self.line.money.iter().map(|(of, paid)| money(Amount(paid.customer), *of));
        BoughtStatisticView {
            from: self.line.from_us.map(Time),
            account: self.subject(StatisticSubject::Account),
            destination: self.line.destination.clone(),
            calls: sum(m.calls),
            answered: sum(m.answered),
            asr_ppm: share(m.answered, m.calls),
            asrb_ppm: self.asrb_ppm(),
            ner_ppm: share(m.effective, m.calls),
            talk_ms: sum(m.talk_ms),
            minutes: self.minutes(),
            acd_ms: mean(m.talk_ms, m.answered),
            act_ms: mean(m.setup_ms, m.answered),
            pdd_ms: mean(m.ring_ms, m.rang),
            concurrent: self.concurrent(),
            paid: paid.collect(),
        }
    }
}

fn costs(of: Currency, paid: &Money, talk_ms: i64, is_one: bool) -> StatisticMoneyView {
    let profit = paid.customer.saturating_sub(paid.supplier).saturating_sub(paid.sales);
    let profit_ppm = (i128::from(profit) * PPM).checked_div(paid.customer.into());
    let clamped = |ppm: i128| ppm.clamp(i32::MIN.into(), i32::MAX.into());
    let a_minute = |amount: i64| {
        let scale = 10i128.pow(PRICE_DIGITS.saturating_sub(of.ledger_digits()).into());
        let finer = 10i128.pow(of.ledger_digits().saturating_sub(PRICE_DIGITS).into());
        let all = i128::from(amount) * MINUTE_MS * scale;
        let per_minute = all.checked_div(i128::from(talk_ms) * finer).filter(|_| is_one)?;
        Some(price(Price(i64::try_from(per_minute).ok()?), of))
    };
    StatisticMoneyView {
        customer: money(Amount(paid.customer), of),
        reseller: money(Amount(paid.reseller), of),
        supplier: money(Amount(paid.supplier), of),
        sales: money(Amount(paid.sales), of),
        profit: money(Amount(profit), of),
        profit_ppm: profit_ppm.and_then(|ppm| i32::try_from(clamped(ppm)).ok()),
        customer_price: a_minute(paid.customer),
        supplier_price: a_minute(paid.supplier),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_sample_screen() {
        // 262 attempts, 61 %, 166 s on average are 443 minutes (spec 13.2).
        let (calls, answered) = (262, 160);
        let talk_ms = answered * 166_000;
        let measures = Measures {
            calls,
            answered,
            talk_ms,
            effective: 200,
            held_ms: 3_600_000,
            over: [150, 140, 130, 120, 110, 100, 90],
            ..Measures::default()
        };
        let line = Statistic { measures, span_us: 1_800_000_000, ..Statistic::default() };
        let view = Shown { line: &line, by: None, asrb: 3 }.whole();
        assert_eq!((view.asr_ppm, view.acd_ms), (Some(610_687), Some(166_000)));
        assert_eq!(view.minutes, "442.666");
        assert_eq!((view.asrb_ppm, view.ner_ppm), (Some(458_015), Some(763_358)));
        assert_eq!((view.act_ms, view.pdd_ms), (Some(0), None));
        assert_eq!(view.concurrent, "2.000");
        let nothing = Statistic::default();
        let view = Shown { line: &nothing, by: None, asrb: 0 }.whole();
        assert_eq!((view.asr_ppm, view.acd_ms, view.concurrent.as_str()), (None, None, "0.000"));
    }

    #[test]
    fn profit_and_mean_prices() {
        let eur = Currency::EUR;
        let paid = Money { customer: 900_000_000, supplier: 600_000_000, ..Money::default() };
        let view = costs(eur, &paid, 120_000, true);
        assert_eq!(view.profit.amount, "3.00000000");
        assert_eq!(view.profit_ppm, Some(333_333));
        assert_eq!(view.customer_price.unwrap().amount, "4.500000000");
        assert_eq!(view.supplier_price.unwrap().amount, "3.000000000");
        let view = costs(eur, &Money { customer: 0, ..paid }, 0, true);
        assert_eq!(view.profit.amount, "-6.00000000");
        let sold = costs(eur, &Money { sales: 100_000_000, ..paid }, 0, true);
        assert_eq!(
            (sold.sales.amount.as_str(), sold.profit.amount.as_str()),
            ("1.00000000", "2.00000000")
        );
        assert!(view.profit_ppm.is_none() && view.customer_price.is_none());
        assert!(costs(eur, &paid, 120_000, false).customer_price.is_none());
        let dinar = Currency::new("KWD", 3).unwrap();
        let paid = Money { customer: 1_000_000_000, ..Money::default() };
        assert_eq!(costs(dinar, &paid, 60_000, true).customer_price.unwrap().amount, "1.000000000");
    }

    #[test]
    fn what_has_a_line_of_its_own() {
        let all = by("month,egress,destination").ok().unwrap();
        assert_eq!((all.time, all.destination), (Some(TimeUnit::Month), true));
        assert_eq!(all.subject, Some(StatisticSubject::Egress));
        assert_eq!(by("").ok(), Some(StatisticBy::default()));
        for wrong in ["hour,day", "egress,account", "destination,destination", "sim", "day,x"] {
            assert!(by(wrong).is_err(), "{wrong}");
        }
    }
}
