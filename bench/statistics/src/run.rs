//! One measurement: sums written, then asked for.

use crate::call;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strowger_model::{Digits, TenantId};
use strowger_store::{
    Place, Scope, Statistic, StatisticBy, StatisticQuestion, StatisticSubject, Store, TimeUnit,
};

const TENANT: TenantId = TenantId(1);

/// What to measure.
pub(crate) struct Options {
    engine: String,
    records: u64,
    runs: usize,
    dir: PathBuf,
}

impl Options {
    /// Reads the words of the command line.
    pub(crate) fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options {
            engine: String::new(),
            records: 10_000_000,
            runs: 5,
            dir: PathBuf::from("."),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |text: &String| {
                let number = text.parse::<usize>().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("{text} is no number above 0"))
            };
            match word.as_str() {
                "sqlite" | "postgres" => options.engine.clone_from(word),
                "--records" => options.records = number(value()?)? as u64,
                "--runs" => options.runs = number(value()?)?,
                "--dir" => options.dir = PathBuf::from(value()?),
                other => return Err(format!("unknown word {other}")),
            }
        }
        match options.engine.as_str() {
            "" => Err("name an engine: sqlite or postgres".into()),
            _ => Ok(options),
        }
    }

    fn place(&self) -> Result<Place, String> {
        let url = match self.engine.as_str() {
            "sqlite" => "sqlite:statistics.db".to_owned(),
            _ => std::env::var("STROWGER_TEST_POSTGRES")
                .map_err(|_| "STROWGER_TEST_POSTGRES names no server")?,
        };
        Place::parse(&url, &self.dir, Path::new("")).map_err(|e| said(&e))
    }
}

fn said(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}

/// What is asked, and whether its lines have all calls between them.
fn questions() -> Vec<(&'static str, StatisticQuestion, bool)> {
    use StatisticSubject::{Account, Egress};
    let by = |time, subject, destination| StatisticBy { time, subject, destination };
    let ask = |by| StatisticQuestion {
        tenant: Some(TENANT),
        from_us: call::FROM_US,
        until_us: call::FROM_US + call::DAYS * call::DAY_US,
        by,
        only: None,
        destination: None,
    };
    let (hour, day) = (Some(TimeUnit::Hour), Some(TimeUnit::Day));
    let of = |subject, id, by| StatisticQuestion { only: Some((subject, id)), ..ask(by) };
    let begins = Digits::parse("1").ok();
    vec![
        ("all", ask(by(None, None, false)), true),
        ("days", ask(by(day, None, false)), true),
        ("hours", ask(by(hour, None, false)), true),
        ("trunks", ask(by(None, Some(Egress), false)), true),
        ("trunks by day", ask(by(day, Some(Egress), false)), true),
        ("accounts", ask(by(None, Some(Account), false)), true),
        ("destinations", ask(by(None, None, true)), true),
        ("destinations by day", ask(by(day, None, true)), true),
        ("trunks and destinations", ask(by(None, Some(Egress), true)), true),
        ("an account by day", of(Account, 3, by(day, None, false)), false),
        ("an account by hour", of(Account, 3, by(hour, None, false)), false),
        ("an account's destinations", of(Account, 3, by(None, None, true)), false),
        ("a trunk by hour", of(Egress, 3, by(hour, None, false)), false),
        (
            "a trunk to some destinations by day",
            StatisticQuestion { destination: begins, ..of(Egress, 3, by(day, None, false)) },
            false,
        ),
    ]
}

/// Measures; returns the line of JSON.
#[expect(clippy::print_stderr, reason = "progress for a person")]
pub(crate) fn run(options: &Options) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| said(&e))?;
    let store = runtime.block_on(Store::open_at(&options.place()?)).map_err(|e| said(&e))?;
    let began = Instant::now();
    let (done, answered) = runtime.block_on(fill(&store, options.records))?;
    eprintln!("{}: {done} records counted in {:?}", options.engine, began.elapsed());
    let (mut slowest, mut slowest_name) = (Duration::ZERO, "");
    for (name, question, is_all) in questions() {
        let mut times = Vec::new();
        for _ in 0..options.runs {
            let began = Instant::now();
            let lines = runtime.block_on(ask(&store, &question))?;
            times.push((began.elapsed(), lines.len()));
            if is_all {
                check(&lines, (done, answered)).map_err(|wrong| format!("{name}: {wrong}"))?;
            } else if lines.is_empty() {
                return Err(format!("{name}: no line"));
            }
        }
        times.sort_unstable();
        let (median, lines) = times.get(times.len() / 2).copied().unwrap_or_default();
        let worst = times.last().map(|(time, _)| *time).unwrap_or_default();
        eprintln!("{}: {name}: {median:?}, at most {worst:?}, {lines} lines", options.engine);
        if worst > slowest {
            (slowest, slowest_name) = (worst, name);
        }
    }
    runtime.block_on(store.close());
    Ok(format!(
        "{{\"bench\":\"statistics\",\"engine\":\"{}\",\"ours\":{},\"unit\":\"ms\",\
         \"work\":\"the slowest of {} questions ({slowest_name}), each {} times, about 30 days of \
         {} records: 2,000 accounts, 40 trunks in, 50 out, 600 destinations\"}}",
        options.engine,
        slowest.as_millis(),
        questions().len(),
        options.runs,
        options.records,
    ))
}

/// Writes the sums of so many records, a day in a transaction: each cell is then written once, but
/// for the few that count by the end of calls, or by the month. How many, and how many of them were
/// answered.
async fn fill(store: &Store, records: u64) -> Result<(u64, u64), String> {
    let days = call::DAYS.unsigned_abs();
    let (mut done, mut answered) = (0, 0u64);
    for day in 1..=days {
        // Calls come at equal distances, so each day has as many.
        let next = (records * day).div_ceil(days);
        let mut made = 0;
        let some = (done..next).map_while(|seq| call::record(seq, records)).inspect(|record| {
            made += 1;
            answered += u64::from(record.is_answered());
        });
        store.count_statistics(some).await.map_err(|e| said(&e))?;
        if made != next - done {
            return Err("a call that has no record".into());
        }
        done = next;
    }
    Ok((done, answered))
}

async fn ask(store: &Store, question: &StatisticQuestion) -> Result<Vec<Statistic>, String> {
    let answer = store.reader().statistics(Scope::Tenant(TENANT), question).await;
    let answer = answer.map_err(|e| said(&e))?.map_err(|why| format!("no answer: {why:?}"))?;
    if answer.is_too_much { Err("too many lines".into()) } else { Ok(answer.lines) }
}

/// The lines have every call once between them.
fn check(lines: &[Statistic], (calls, answered): (u64, u64)) -> Result<(), String> {
    let all: i64 = lines.iter().map(|line| line.measures.calls).sum();
    let talked: i64 = lines.iter().map(|line| line.measures.answered).sum();
    let is = (u64::try_from(all), u64::try_from(talked));
    if is == (Ok(calls), Ok(answered)) {
        return Ok(());
    }
    Err(format!("{all} calls and {talked} answered, not {calls} and {answered}"))
}
