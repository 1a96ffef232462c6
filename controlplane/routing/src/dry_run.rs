//! A call that is only thought: what would become of it, now or at another time.
//!
//! It goes the way of every call: the ask that the dataplane would send is made up, with right
//! credentials, and [`decide`] decides on it. Nothing is changed by that: no nonce is spent, and
//! the till is not asked.

use crate::decide::{Decision, Facts, decide};
use crate::digest;
use crate::location::Locations;
use crate::shared_call::SharedCalls;
use crate::standing::Standing;
use crate::world::World;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use strowger_link::{
    Ask, AskBody, AskId, CallAsk, CallerIdentity, Credentials, HeaderField, Hints, LegId, Octets,
    Tick, Transport,
};
use strowger_model::{IngressAuth, Subscriber, SubscriberId, Trunk, TrunkId};

/// Port of a source that may have any.
const SIP_PORT: u16 = 5060;

/// The call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DryRun {
    /// Who calls.
    pub from: Caller,
    /// The number as the caller dials it, tech prefix included.
    pub called: String,
    /// What stands in From as the caller's number; its own when nothing is said.
    pub caller: Option<String>,
    /// Tells equal targets of a route apart, as the id of an ask does.
    pub draw: u64,
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// A subscriber with right credentials.
    Subscriber(SubscriberId),
    /// A trunk, from one of its sources or from elsewhere.
    Trunk(TrunkId, Option<SocketAddr>),
}

/// Why there is nothing to decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoDryRun {
    /// No such subscriber.
    NoSubscriber,
    /// No such trunk.
    NoTrunk,
    /// The trunk has no source, so no call comes from it.
    NoSource,
}

/// Decides on a call that nobody makes: contacts as of `now`, prices as of `wall_us`, trunks as
/// `standing` says, calls back as `shared` says. The places of a route's targets are told.
///
/// # Errors
/// [`NoDryRun`] when nobody could make it.
pub fn dry_run(
    world: &World,
    locations: &Locations,
    (standing, shared): (&Arc<Standing>, &Arc<SharedCalls>),
    run: &DryRun,
    (now, wall_us): (Tick, i64),
) -> Result<Decision, NoDryRun> {
    let ask = match run.from {
        Caller::Subscriber(id) => {
            of_subscriber(world, run, world.subscriber(id).ok_or(NoDryRun::NoSubscriber)?)
        }
        Caller::Trunk(id, source) => {
            of_trunk(run, world.trunk(id).ok_or(NoDryRun::NoTrunk)?, source)?
        }
    };
    let ask = Ask { deadline: Tick::NEVER, wall_us, ..ask };
    let (standing, shared) = (Arc::clone(standing), Arc::clone(shared));
    let facts = Facts { standing, shared, explain: true, ..Facts::default() };
    let decision = decide(world, locations, &ask, &facts, now, wall_us);
    Ok(Decision { nonce: None, ..decision })
}

fn of_subscriber(world: &World, run: &DryRun, subscriber: &Subscriber) -> Ask {
    let tenant = world.tenant(subscriber.tenant);
    let realm = tenant.map(|tenant| tenant.realm.clone()).unwrap_or_default();
    let algorithms = tenant.map(|tenant| digest::algorithms(subscriber, tenant));
    let uri = format!("sip:{realm}");
    let mut credentials = Credentials {
        // One without a secret is refused as it would be.
        algorithm: algorithms
            .and_then(|algorithms| algorithms.first().copied())
            .unwrap_or(strowger_link::Algorithm::Md5),
        username: subscriber.username.clone(),
        realm: realm.clone(),
        nonce: "dry-run".to_owned(),
        uri,
        method: "INVITE".to_owned(),
        // Nobody spends the count: a dry run's nonce is shown by dry runs only.
        qop: Some("auth".to_owned()),
        cnonce: "dry-run".to_owned(),
        nonce_count: "00000001".to_owned(),
        response: String::new(),
    };
    credentials.response = digest::response(&credentials, subscriber).unwrap_or_default();
    let source = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SIP_PORT));
    ask(run, &subscriber.username, &realm, source, None, Some(credentials))
}

fn of_trunk(run: &DryRun, trunk: &Trunk, source: Option<SocketAddr>) -> Result<Ask, NoDryRun> {
    let own = || {
        let first = trunk.ingress.as_ref()?.sources.first()?;
        let port = if first.port == 0 { SIP_PORT } else { first.port };
        Some(SocketAddr::from((first.network, port)))
    };
    // Guests come from anywhere, by a listener that the trunk takes them at.
    let guests = trunk.ingress.as_ref().filter(|ingress| ingress.auth == IngressAuth::Nobody);
    if let Some(ingress) = guests {
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SIP_PORT));
        let source = source.unwrap_or(anywhere);
        let mut ask = ask(run, "", &source.ip().to_string(), source, None, None);
        ask.hints.listener = ingress.listeners.first().copied().unwrap_or_default();
        return Ok(ask);
    }
    let source = source.or_else(own).ok_or(NoDryRun::NoSource)?;
    let host = source.ip().to_string();
    Ok(ask(run, "", &host, source, Some(trunk.id), None))
}

fn ask(
    run: &DryRun,
    own: &str,
    host: &str,
    source: SocketAddr,
    trunk: Option<TrunkId>,
    credentials: Option<Credentials>,
) -> Ask {
    let from_user = run.caller.clone().unwrap_or_else(|| own.to_owned());
    let field = |name: &str, user: &str| HeaderField {
        name: name.to_owned(),
        value: Octets(format!("<sip:{user}@{host}>").into_bytes()),
    };
    let headers = vec![field("From", &from_user), field("To", &run.called)];
    let call = CallAsk {
        request_uri: format!("sip:{}@{host}", run.called),
        called: run.called.clone(),
        to_user: run.called.clone(),
        caller: CallerIdentity {
            from_user,
            from_host: host.to_owned(),
            display: String::new(),
            asserted: Vec::new(),
            preferred: None,
            remote_party: None,
            privacy: String::new(),
        },
        credentials,
        sip_call_id: "dry-run".to_owned(),
        user_agent: String::new(),
        has_offer: true,
        emergency: false,
        headers,
        diverted: Vec::new(),
        session_s: 0,
    };
    Ask {
        id: AskId(run.draw),
        parent: None,
        leg: LegId::default(),
        hints: Hints {
            listener: 0,
            local: SocketAddr::from((IpAddr::V4(Ipv4Addr::UNSPECIFIED), SIP_PORT)),
            source,
            transport: Transport::Udp,
            host: host.to_owned(),
            sni: None,
            trunk: trunk.map(|id| id.0),
        },
        deadline: Tick::NEVER,
        wall_us: 0,
        body: AskBody::Call(Box::new(call)),
    }
}
