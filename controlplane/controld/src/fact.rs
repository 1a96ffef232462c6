//! What only the outside knows of a call: asked by one task, away from the decider's thread.
//!
//! Questions come by a bounded queue, from the office for a call or from REST for a dry run. One
//! that is on its way already is not asked twice; an answer is kept for as long as its source says,
//! that there is nothing too, so calls after it wait for nobody. Who gives no answer is told of in
//! the log once, until it gives one again. An answer that comes when its call waits no more is kept
//! like any other.
//!
//! The task never ends a wait: the office does by its own time, and REST by its own.

mod dip;
mod enumeration;
mod hook;
mod kept;

use crate::decider::{Order, Orders};
use crate::dns::NameServers;
use crate::radius::Radius;
use crate::resolver::{Resolve, located};
use crate::secret::shown_token;
use dip::Dip;
use enumeration::{Enumeration, keep};
use hook::Hook;
use kept::Kept;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strowger_api::MetricsWriter;
use strowger_fetch::Client;
use strowger_locate::Wanted;
use strowger_office::{Search, Ticket};
use strowger_routing::{Finding, Lack, Query};
use strowger_tuning::Config;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Questions that wait for the task.
const QUEUE_MAX: usize = 1_024;
/// Questions that are asked outside at once.
const RUNNING_MAX: usize = 256;
/// How long one may take; a call waits less.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest list of trusted roots, bytes.
const TRUST_LEN_MAX: u64 = 4 << 20;

/// What a source said, and how long that is good; or why it said nothing.
type Told = Result<(Finding, Duration), String>;

/// A question and who asks it.
struct Question {
    query: Query,
    asker: Asker,
}

enum Asker {
    /// A call that waits.
    Office(Ticket),
    /// Somebody else.
    Other(oneshot::Sender<Finding>),
}

/// Where questions are put. A clone is the same.
#[derive(Clone)]
pub(crate) struct Desk {
    questions: mpsc::Sender<Question>,
    counts: Arc<Counts>,
}

/// What became of questions, for metrics.
#[derive(Default)]
struct Counts {
    /// Answered from what was kept.
    kept: AtomicU64,
    /// Answered by the source.
    told: AtomicU64,
    /// The source failed.
    failed: AtomicU64,
    /// Not asked: too much was.
    full: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Desk {
    /// Puts a question of the office; the answer comes as an order. What finds no room comes back.
    pub(crate) fn put(&self, search: Search) -> Result<(), Ticket> {
        let Search { ticket, query } = search;
        let question = Question { query, asker: Asker::Office(ticket) };
        self.questions.try_send(question).map_err(|_| {
            count(&self.counts.full);
            ticket
        })
    }

    /// Finds something out, within `most`.
    pub(crate) async fn find(&self, query: Query, most: Duration) -> Finding {
        let (reply, answer) = oneshot::channel();
        let question = Question { query, asker: Asker::Other(reply) };
        if self.questions.try_send(question).is_err() {
            count(&self.counts.full);
            return Finding::Unknown(Lack::Full);
        }
        match tokio::time::timeout(most, answer).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(_)) => Finding::Unknown(Lack::Failed),
            Err(_) => Finding::Unknown(Lack::Late),
        }
    }

    /// Families of metrics.
    pub(crate) fn write(&self, writer: &mut MetricsWriter) {
        let help = "Questions about calls to the outside, by what became of them.";
        let mut family = writer.counter("strowger_facts_total", help);
        let Counts { kept, told, failed, full } = &*self.counts;
        for (outcome, value) in [("kept", kept), ("told", told), ("failed", failed), ("full", full)]
        {
            family.sample(&[("outcome", outcome)], value.load(Ordering::Relaxed));
        }
    }
}

/// Who is asked.
#[derive(Clone)]
pub(crate) struct Sources {
    names: NameServers,
    dip: Option<Arc<Dip>>,
    enumeration: Option<Arc<Enumeration<NameServers>>>,
    hook: Option<Arc<Hook>>,
    radius: Option<Radius>,
}

impl Sources {
    /// Those of the configuration.
    ///
    /// # Errors
    /// One line that names the key.
    pub(crate) fn of(config: &Config) -> Result<Sources, String> {
        let (facts, data) = (&config.facts, &config.node.data);
        let is_secure =
            [&facts.dip.url, &facts.hook.url].into_iter().any(|url| url.starts_with("https://"));
        let trust = is_secure.then(|| trust(&data.join(&facts.trust))).transpose()?;
        let client = Client::new(trust.as_deref()).map_err(|e| format!("facts.trust: {e}"))?;
        let dip = match facts.dip.url.is_empty() {
            true => None,
            false => {
                let token = token("facts.dip.token_file", data, &facts.dip.token_file)?;
                Some(Arc::new(Dip::new(&facts.dip, client.clone(), token)))
            }
        };
        let hook = match facts.hook.url.is_empty() {
            true => None,
            false => {
                let token = token("facts.hook.token_file", data, &facts.hook.token_file)?;
                Some(Arc::new(Hook::new(&facts.hook, client, token)))
            }
        };
        let names = NameServers::new(&config.dns.servers);
        let enumeration = (!facts.enum_suffix.is_empty())
            .then(|| Arc::new(Enumeration::new(names.clone(), facts.enum_suffix.clone())));
        Ok(Sources { names, dip, enumeration, hook, radius: None })
    }

    /// With the servers of the rows.
    pub(crate) fn with_radius(mut self, radius: Radius) -> Sources {
        self.radius = Some(radius);
        self
    }

    async fn ask(self, query: Query) -> Told {
        match query {
            Query::Ported(number) => match self.dip {
                Some(dip) => dip.ask(&number).await,
                None => Err("facts.dip.url is empty".to_owned()),
            },
            Query::Reached(number) => match self.enumeration {
                Some(enumeration) => enumeration.ask(&number).await,
                None => Err("facts.enum_suffix is empty".to_owned()),
            },
            Query::Hook(call) => match self.hook {
                Some(hook) => hook.ask(&call).await,
                None => Err("facts.hook.url is empty".to_owned()),
            },
            Query::Place(wanted) => place(&self.names, &wanted).await,
            Query::Radius(call) => match self.radius {
                Some(radius) => Ok((radius.ask(&call).await?, Duration::ZERO)),
                None => Err("radius: no server for access".to_owned()),
            },
        }
    }
}

/// Where requests to a host go.
async fn place(names: &impl Resolve, wanted: &Wanted) -> Told {
    let located = located(names, wanted).await?;
    Ok((Finding::Placed(located.places().to_vec()), keep(located.ttl_s())))
}

fn trust(file: &Path) -> Result<String, String> {
    use std::io::Read;
    let wrong = |e: std::io::Error| format!("facts.trust: {}: {e}", file.display());
    let mut text = String::new();
    let open = std::fs::File::open(file).map_err(wrong)?;
    open.take(TRUST_LEN_MAX).read_to_string(&mut text).map_err(wrong)?;
    Ok(text)
}

fn token(key: &str, data: &Path, file: &Path) -> Result<Option<String>, String> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    shown_token(&data.join(file)).map(Some).map_err(|e| format!("{key}: {e}"))
}

/// Begins to ask; where questions are put comes back.
pub(crate) fn begin(sources: Sources, orders: Orders, runtime: &tokio::runtime::Handle) -> Desk {
    let (desk, questions) = desk();
    let task = Task {
        sources,
        orders,
        counts: Arc::clone(&desk.counts),
        kept: Kept::default(),
        askers: BTreeMap::new(),
        running: JoinSet::new(),
        silent: false,
    };
    runtime.spawn(task.run(questions));
    desk
}

fn desk() -> (Desk, mpsc::Receiver<Question>) {
    let (sender, questions) = mpsc::channel(QUEUE_MAX);
    (Desk { questions: sender, counts: Arc::default() }, questions)
}

struct Task {
    sources: Sources,
    orders: Orders,
    counts: Arc<Counts>,
    kept: Kept,
    /// Who waits for what is on its way; as many as the office's asks and REST's requests.
    askers: BTreeMap<Query, Vec<Asker>>,
    running: JoinSet<(Query, Told)>,
    /// The last question got no answer, and that was said.
    silent: bool,
}

impl Task {
    /// Runs until nobody can ask any more.
    async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => self.take(question),
                    None => return,
                },
                Some(done) = self.running.join_next() => match done {
                    Ok((query, told)) => self.tell(&query, told),
                    Err(e) => {
                        error!("a question to the outside broke off: a bug: {e}");
                        // Each has its own time, which ends.
                        self.askers.clear();
                    }
                },
            }
        }
    }

    fn take(&mut self, Question { query, asker }: Question) {
        if let Some(finding) = self.kept.find(&query, Instant::now()) {
            count(&self.counts.kept);
            return self.answer(asker, finding);
        }
        if let Some(others) = self.askers.get_mut(&query) {
            return others.push(asker);
        }
        if self.running.len() >= RUNNING_MAX {
            count(&self.counts.full);
            return self.answer(asker, Finding::Unknown(Lack::Full));
        }
        self.askers.insert(query.clone(), vec![asker]);
        let sources = self.sources.clone();
        self.running.spawn(async move {
            let told = tokio::time::timeout(PATIENCE, sources.ask(query.clone())).await;
            let told = told.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            (query, told)
        });
    }

    fn tell(&mut self, query: &Query, told: Told) {
        let finding = match told {
            Ok((finding, keep)) => {
                count(&self.counts.told);
                if std::mem::take(&mut self.silent) {
                    info!("what is asked outside about calls is answered again");
                }
                self.kept.put(query, &finding, keep, Instant::now());
                finding
            }
            Err(why) => {
                count(&self.counts.failed);
                if !std::mem::replace(&mut self.silent, true) {
                    warn!("what is asked outside about calls is not answered: {why}");
                }
                Finding::Unknown(Lack::Failed)
            }
        };
        for asker in self.askers.remove(query).unwrap_or_default() {
            self.answer(asker, finding.clone());
        }
    }

    fn answer(&self, asker: Asker, finding: Finding) {
        match asker {
            // What finds no room is as if it had come too late.
            Asker::Office(ticket) => {
                let _full = self.orders.offer(Order::Found(ticket, finding));
            }
            Asker::Other(reply) => {
                // The asker may have gone away.
                let _gone = reply.send(finding);
            }
        }
    }
}

#[cfg(test)]
mod tests;
