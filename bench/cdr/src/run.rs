//! One measurement: several runs into one database, which grows with each.

use crate::call;
use crate::cpu::Cpu;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strowger_billing::{Mode, records};
use strowger_link::CallFacts;
use strowger_link::codec::decode;
use strowger_model::{
    Cdr, Currency, DigestAlgorithm, Digits, Normalisation, Price, Tenant, TenantId,
};
use strowger_store::{Place, Position, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Origin of the calls' record ids, and of their journal.
const ORIGIN: u32 = 1;

/// Records before the first clock starts.
const WARM: u64 = 1_000;

/// What to measure.
pub(crate) struct Options {
    engine: String,
    records: u64,
    runs: usize,
    /// The store's own, unless said otherwise.
    batch: Option<usize>,
    dir: PathBuf,
}

impl Options {
    /// Reads the words of the command line.
    pub(crate) fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options {
            engine: String::new(),
            records: 100_000,
            runs: 5,
            batch: None,
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
                "--batch" => options.batch = Some(number(value()?)?),
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
            "sqlite" => "sqlite:cdr.db".to_owned(),
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

/// What of a run goes where.
#[derive(Default)]
struct Spent {
    compose: Duration,
    store: Duration,
}

/// Measures; returns the line of JSON.
#[expect(clippy::print_stderr, reason = "progress for a person")]
pub(crate) fn run(options: &Options) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| said(&e))?;
    let store = runtime.block_on(open(options))?;
    let batch = options.batch.unwrap_or_else(|| store.batch_usual());
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    // Connections, prepared statements and known accounts are there before the first clock starts.
    let mut done = runtime.block_on(warm_up(&store))?;
    for run in 1..=options.runs {
        let frames: Option<Vec<Vec<u8>>> =
            (done + 1..=done + options.records).map(|seq| call::frame(ORIGIN, seq)).collect();
        let frames = frames.ok_or("a call that has no frame")?;
        let mut spent = Spent::default();
        Cpu::lead_server();
        let (began, cpu) = (Instant::now(), Cpu::now());
        let mut storing = None;
        for some in frames.chunks(batch) {
            // As the intake: the next batch is rated while the database writes this one.
            let rated = rate(some, &mut spent)?;
            wait(&runtime, storing.take(), &mut spent)?;
            let to = done + some.len() as u64;
            storing = Some(runtime.spawn(store_batch(store.clone(), rated, done, to)));
            done = to;
        }
        wait(&runtime, storing, &mut spent)?;
        let rate = options.records as u128 * 1_000_000_000 / began.elapsed().as_nanos().max(1);
        let cpu = Cpu::now().since(cpu);
        // Nanoseconds a record are milliseconds a million records.
        let per_million = |time: Duration| time.as_nanos() / u128::from(options.records);
        let cost = (per_million(cpu.client), per_million(cpu.server));
        eprintln!(
            "{} run {run}: {rate} records/s; rated in {:?}, waited for the database {:?}; \
             processor ms for a million records: client {}, server {}",
            options.engine, spent.compose, spent.store, cost.0, cost.1
        );
        rates.push(rate);
        costs.push(cost);
    }
    runtime.block_on(check(&store, done))?;
    runtime.block_on(store.close());
    rates.sort_unstable();
    costs.sort_unstable_by_key(|cost| cost.0 + cost.1);
    let (client, server) = costs.get(costs.len() / 2).copied().unwrap_or_default();
    let at = |place: usize| rates.get(place).copied().unwrap_or_default();
    let Options { engine, records, runs, .. } = options;
    Ok(format!(
        "{{\"bench\":\"cdr\",\"engine\":\"{engine}\",\"ours\":{},\"min\":{},\"max\":{},\
         \"unit\":\"records/s\",\"client_ms_per_million\":{client},\
         \"server_ms_per_million\":{server},\"work\":\"decode, compose, rate and store {records} \
         records of 97 columns, 2 charges among them, durable, {batch} to a transaction, {runs} \
         runs\"}}",
        at(rates.len() / 2),
        at(0),
        at(rates.len().saturating_sub(1)),
    ))
}

/// The records of some frames.
fn rate(frames: &[Vec<u8>], spent: &mut Spent) -> Result<Vec<Cdr>, String> {
    let began = Instant::now();
    let mut batch: Vec<Cdr> = Vec::with_capacity(frames.len());
    for frame in frames {
        let facts = decode::<CallFacts>(frame).map_err(|_| "a frame that cannot be read")?;
        batch.extend(records(&facts, Mode::CalledLeg));
    }
    spent.compose += began.elapsed();
    Ok(batch)
}

async fn store_batch(store: Store, batch: Vec<Cdr>, from: u64, to: u64) -> Result<(), String> {
    let at = |seq| Position { seq, segment: 1, offset: seq };
    let stored = store.ingest(ORIGIN, at(from), at(to), &batch, 1).await;
    stored.map(|_| ()).map_err(|e| said(&e))
}

fn wait(
    runtime: &Runtime,
    storing: Option<JoinHandle<Result<(), String>>>,
    spent: &mut Spent,
) -> Result<(), String> {
    let Some(storing) = storing else { return Ok(()) };
    let began = Instant::now();
    let stored = runtime.block_on(storing).map_err(|e| said(&e))?;
    spent.store += began.elapsed();
    stored
}

/// Takes a few records; returns how many.
async fn warm_up(store: &Store) -> Result<u64, String> {
    let frames: Option<Vec<Vec<u8>>> = (1..=WARM).map(|seq| call::frame(ORIGIN, seq)).collect();
    let frames = frames.ok_or("a call that has no frame")?;
    let batch = rate(&frames, &mut Spent::default())?;
    store_batch(store.clone(), batch, 0, WARM).await?;
    Ok(WARM)
}

async fn open(options: &Options) -> Result<Store, String> {
    let store = Store::open_at(&options.place()?).await.map_err(|e| said(&e))?;
    let tenant = Tenant {
        id: TenantId(1),
        name: "Bench".into(),
        realm: "bench.example".into(),
        domains: Vec::new(),
        currency: Currency::new("EUR", 2).ok_or("no euro")?,
        timezone: "UTC".into(),
        algorithms: vec![DigestAlgorithm::Sha256],
        country_prefix: Digits::parse("49").map_err(|_| "no digits")?,
        normalisation: Normalisation::default(),
        internal_price: Price(0),
        ring_timeout_s: 60,
        talk_s_max: 7_200,
        media_start_timeout_s: 0,
        media_timeout_s: 300,
        subscriber_day_max: None,
        trunk_day_max: None,
    };
    let mut w = store.write().await.map_err(|e| said(&e))?;
    w.insert_tenant(&tenant).await.map_err(|e| said(&e))?;
    w.commit().await.map_err(|e| said(&e))?;
    Ok(store)
}

/// Every record is there, once, and the books agree with them.
async fn check(store: &Store, records: u64) -> Result<(), String> {
    let reader = store.reader();
    let there = reader.cdr_count().await.map_err(|e| said(&e))?;
    if u64::try_from(there) != Ok(records) {
        return Err(format!("{there} records are there, not {records}"));
    }
    let report = reader.books_check().await.map_err(|e| said(&e))?;
    match report.findings.first() {
        None => Ok(()),
        Some(finding) => Err(format!("the books do not agree: {finding}")),
    }
}
