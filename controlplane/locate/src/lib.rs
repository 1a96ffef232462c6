//! From the host of a SIP URI to the addresses to try, by RFC 3263.
//!
//! Pure: it asks questions of the domain name system and is told the answers, but knows no socket,
//! no clock and no name server. What is chosen by chance (the weights of RFC 2782) is drawn from a
//! number that is handed in, so the same number gives the same order.
//!
//! How to drive it: [`locate`] with no answers; put the questions of [`Step::Ask`] to a name
//! server, give all [`Answers`] so far to [`locate`] again, until it says [`Step::Found`]. There
//! are at most [`ROUNDS_MAX`] rounds: NAPTR, SRV, addresses. Then [`Located::draw`] for each
//! request, as long as [`Located::ttl_s`] lasts.
//!
//! Sources: RFC 3263 sections 4.1 to 4.3 (choice of transport, port and address, and what follows a
//! failure), RFC 2782 (order of SRV records), RFC 3403 (NAPTR), RFC 3261 19.1.2 (ports). Not kept:
//! RFC 7984 (both families at once), and the services of RFC 7118: no server is called over
//! WebSocket.
//!
//! ENUM stands beside it: [`enum_name`] and [`enum_uri`], from a number to a URI (RFC 6116).
//!
//! Start reading at [`locate`].

mod draw;
mod e164;
mod place;

pub use e164::{enum_name, enum_uri};
pub use place::{Located, Place, draw};

use std::collections::BTreeMap;
use std::net::IpAddr;
use strowger_link::Transport;

/// Most rounds of questions for one name.
pub const ROUNDS_MAX: usize = 3;
/// Most records of one answer that are looked at.
pub const RECORDS_MAX: usize = 32;
/// Most places of one name.
pub const PLACES_MAX: usize = 32;
/// Most addresses of one place.
pub const ADDRESSES_MAX: usize = 16;

/// SIP's port where none is named (RFC 3261 19.1.2).
pub const PORT: u16 = 5060;
/// The same under TLS.
pub const PORT_TLS: u16 = 5061;

/// What a URI says of where its requests go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Wanted {
    /// A host name in lower case, or an address.
    pub host: String,
    /// Port; 0 when none is named.
    pub port: u16,
    /// Transport, when one is named.
    pub transport: Option<Transport>,
    /// A `sips` URI: nothing but TLS will do.
    pub is_secure: bool,
}

/// A question for a name server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Question {
    /// NAPTR records of a name.
    Naptr(String),
    /// SRV records of a name, which has service and transport before the host.
    Srv(String),
    /// A and AAAA records of a name.
    Address(String),
}

/// A NAPTR record (RFC 3403), as far as it counts here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// Smaller first.
    pub order: u16,
    /// Smaller first among equals.
    pub preference: u16,
    /// `s`, in either case: the replacement is a name of SRV records.
    pub flags: String,
    /// Service, such as `SIP+D2U`, in either case.
    pub service: String,
    /// Substitution, of records that have one in place of a replacement.
    pub regexp: String,
    /// Name.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// Smaller first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host; empty or `.` says that the service is decidedly not there.
    pub target: String,
}

/// What a name server says to a question. No record is an answer, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Records {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::Address`].
    Address(Vec<IpAddr>),
}

/// Answers so far, each with how long it is good, seconds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answers {
    known: BTreeMap<Question, (Records, u32)>,
}

impl Answers {
    /// Takes an answer that is good for so long.
    pub fn put(&mut self, question: Question, records: Records, ttl_s: u32) {
        self.known.insert(question, (records, ttl_s));
    }

    fn naptr(&self, name: &str) -> Option<&[Naptr]> {
        match &self.known.get(&Question::Naptr(name.to_owned()))?.0 {
            Records::Naptr(list) => Some(head(list)),
            Records::Srv(_) | Records::Address(_) => Some(&[]),
        }
    }

    fn srv(&self, name: &str) -> Option<&[Srv]> {
        match &self.known.get(&Question::Srv(name.to_owned()))?.0 {
            Records::Srv(list) => Some(head(list)),
            Records::Naptr(_) | Records::Address(_) => Some(&[]),
        }
    }

    fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        match &self.known.get(&Question::Address(name.to_owned()))?.0 {
            Records::Address(list) => Some(list.get(..ADDRESSES_MAX).unwrap_or(list)),
            Records::Naptr(_) | Records::Srv(_) => Some(&[]),
        }
    }

    /// How long everything that was asked is good.
    fn ttl_s(&self) -> u32 {
        self.known.values().map(|(_, ttl_s)| *ttl_s).min().unwrap_or(u32::MAX)
    }
}

fn head<T>(list: &[T]) -> &[T] {
    list.get(..RECORDS_MAX).unwrap_or(list)
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// These must be answered first.
    Ask(Vec<Question>),
    /// All is known.
    Found(Located),
}

/// A name of SRV records with the transport that they stand for.
struct Service {
    name: String,
    transport: Transport,
}

/// Where requests go. `usable` are the transports that we have, the preferred first.
///
/// `answers` holds the answers to the questions of this very host and to no others.
#[must_use]
pub fn locate(wanted: &Wanted, usable: &[Transport], answers: &Answers) -> Step {
    let fallback = match (wanted.transport, wanted.is_secure) {
        (Some(transport), _) => transport,
        (None, true) => Transport::Tls,
        (None, false) => Transport::Udp,
    };
    let port = if wanted.port == 0 { port_of(fallback) } else { wanted.port };
    if let Some(ip) = literal(&wanted.host) {
        return Step::Found(Located::at(fallback, vec![(ip, port).into()], u32::MAX));
    }
    // A port is an address's: there is no other host to look for (RFC 3263 4.2).
    if wanted.port != 0 {
        return at_host(wanted, (fallback, port), answers);
    }
    match services(wanted, usable, answers) {
        Ok(services) => by_services(&services, wanted, (fallback, port), answers),
        Err(question) => Step::Ask(vec![question]),
    }
}

/// The SRV names to ask for: what NAPTR records say, or one for each transport (RFC 3263 4.1).
fn services(
    wanted: &Wanted,
    usable: &[Transport],
    answers: &Answers,
) -> Result<Vec<Service>, Question> {
    let guess = |transport: Transport| {
        Some(Service { name: format!("{}.{}", prefix(transport)?, wanted.host), transport })
    };
    if let Some(transport) = wanted.transport {
        return Ok(guess(transport).into_iter().collect());
    }
    let fits = |transport: &Transport| {
        usable.contains(transport) && (!wanted.is_secure || *transport == Transport::Tls)
    };
    let naptr = answers.naptr(&wanted.host);
    let naptr = naptr.ok_or_else(|| Question::Naptr(wanted.host.clone()))?;
    let mut records: Vec<(&Naptr, Transport)> = naptr
        .iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s"))
        .filter_map(|record| Some((record, transport_of(&record.service)?)))
        .filter(|(_, transport)| fits(transport))
        .collect();
    records.sort_by_key(|(record, _)| (record.order, record.preference));
    if records.is_empty() {
        return Ok(usable.iter().copied().filter(fits).filter_map(guess).collect());
    }
    let service = |(record, transport): (&Naptr, Transport)| Service {
        name: record.replacement.trim_end_matches('.').to_ascii_lowercase(),
        transport,
    };
    Ok(records.into_iter().map(service).collect())
}

/// The places that SRV records name; without any, the host itself (RFC 3263 4.2).
fn by_services(
    services: &[Service],
    wanted: &Wanted,
    fallback: (Transport, u16),
    answers: &Answers,
) -> Step {
    let unknown = services.iter().filter(|service| answers.srv(&service.name).is_none());
    let ask: Vec<Question> = unknown.map(|service| Question::Srv(service.name.clone())).collect();
    if !ask.is_empty() {
        return Step::Ask(ask);
    }
    let records: Vec<(u8, Transport, &Srv)> = (0u8..)
        .zip(services)
        .flat_map(|(rank, service)| {
            let list = answers.srv(&service.name).unwrap_or_default();
            list.iter().map(move |record| (rank, service.transport, record))
        })
        .take(PLACES_MAX)
        .collect();
    if records.is_empty() {
        return at_host(wanted, fallback, answers);
    }
    let mut ask = Vec::new();
    let mut places = Vec::new();
    for (rank, transport, record) in records {
        let host = record.target.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            continue;
        }
        match answers.addresses(&host) {
            Some(addresses) => {
                let addresses = addresses.iter().map(|ip| (*ip, record.port).into()).collect();
                let (priority, weight) = (record.priority, record.weight);
                places.push(Place { rank, transport, priority, weight, addresses });
            }
            None => ask.push(Question::Address(host)),
        }
    }
    if ask.is_empty() {
        places.retain(|place| !place.addresses.is_empty());
        return Step::Found(Located::by_service(places, answers.ttl_s()));
    }
    ask.sort_unstable();
    ask.dedup();
    Step::Ask(ask)
}

fn at_host(wanted: &Wanted, (transport, port): (Transport, u16), answers: &Answers) -> Step {
    match answers.addresses(&wanted.host) {
        Some(addresses) => {
            let addresses = addresses.iter().map(|ip| (*ip, port).into()).collect();
            Step::Found(Located::at(transport, addresses, answers.ttl_s()))
        }
        None => Step::Ask(vec![Question::Address(wanted.host.clone())]),
    }
}

/// The address that a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The port of a transport where none is named.
#[must_use]
pub const fn port_of(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp | Transport::Ws => PORT,
        Transport::Tls | Transport::Wss => PORT_TLS,
    }
}

/// What stands before the host in the name of SRV records.
const fn prefix(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::Udp => Some("_sip._udp"),
        Transport::Tcp => Some("_sip._tcp"),
        Transport::Tls => Some("_sips._tcp"),
        Transport::Ws | Transport::Wss => None,
    }
}

/// The transport of a NAPTR service (RFC 3263 4.1).
fn transport_of(service: &str) -> Option<Transport> {
    let services =
        [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];
    let found = services.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(service));
    found.map(|(_, transport)| transport)
}

#[cfg(test)]
mod tests;
