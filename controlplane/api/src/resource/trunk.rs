//! Trunks with their facets.

use super::password::{self, Password};
use super::subscriber::{BARRING, USERNAME};
use super::tenant::{PREFIX_EDIT, RING_MAX};
use super::{Draft, Resource};
use crate::codec::{
    AnyCause, AnyPort, Flag, Host, HostAndPort, Ident, Int, LIMIT, List, NAME, NUMBER, Network,
    Opt, Seconds, Target, words,
};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use strowger_model::{
    AccountId, CauseMap, DigestPolicy, Egress, EgressTarget, IdentityHeader, Ingress,
    OrganizationId, SourceMatch, TenantId, Transport, Trunk, TrunkCredentials, TrunkId,
};
use strowger_routing::{Change, RowName, World};

/// Most statuses or cause maps in one list.
const STATUSES_MAX: usize = 300;
/// A final status that is no success.
const STATUS: Int = Int(300, 699);

object! {
    /// Source addresses.
    SOURCE: SourceMatch as "Source", no_source();
    /// Network, for example `192.0.2.0/24`.
    network: Need Network => self;
    /// Source port; null is any.
    port: Free AnyPort => port;
}

fn no_source() -> SourceMatch {
    SourceMatch { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 32, port: 0 }
}

object! {
    /// Credentials that a trunk shows us.
    CREDENTIALS: TrunkCredentials as "TrunkCredentials", no_credentials();
    /// Digest user name and address of record.
    username: Need USERNAME => username;
    /// Kept only as digest secrets; with a new user name a new one is needed.
    password: Secret Password => self;
    /// Digest algorithms accepted from it.
    digest: Free words::<DigestPolicy>() => digest;
}

fn no_credentials() -> TrunkCredentials {
    let (ha1_md5, ha1_sha256) = (None, None);
    TrunkCredentials { username: String::new(), ha1_md5, ha1_sha256, digest: DigestPolicy::Both }
}

object! {
    /// One status read as another.
    CAUSE: CauseMap as "CauseMap", CauseMap { status: 0, to_status: 0, to_q850: 0 };
    /// SIP status.
    status: Need Int(400, 699) => status;
    /// SIP status instead.
    to_status: Need Int(400, 699) => to_status;
    /// Q.850 value instead; null is that of the new status.
    to_q850: Free AnyCause => self;
}

object! {
    /// How a trunk sends us calls.
    INGRESS: Ingress as "Ingress", Ingress::new(AccountId(0));
    /// Where its requests come from.
    sources: Free List(&SOURCE, 256) => sources;
    /// Host names whose addresses are sources too.
    hosts: Free List(HostAndPort, 64) => hosts;
    /// It registers with us, or shows these credentials with each call; null is neither.
    credentials: Free Opt(&CREDENTIALS) => credentials;
    /// Account that pays.
    account: Need Ident => account;
    /// Prefix that its called numbers carry and that is taken off.
    tech_prefix: Free Opt(NUMBER) => tech_prefix;
    /// How its called numbers are changed before they are normalised.
    called: Free &PREFIX_EDIT => called;
    /// Most calls at once from it; 0 is no limit.
    calls_max: Free LIMIT => calls_max;
    /// Most attempts per second from it; 0 is no limit.
    cps_max: Free LIMIT => cps_max;
    /// What it says of the caller's identity is believed.
    trusted: Free Flag => trusted;
    /// What it may call.
    barring: Free &BARRING => barring;
    /// What it is told instead, by what it would be told.
    causes: Free List(&CAUSE, STATUSES_MAX) => causes;
    /// Our final answers to it carry a Reason header.
    reason: Free Flag => reason;
}

object! {
    /// How a trunk takes calls.
    EGRESS: Egress as "Egress", Egress::new(AccountId(0));
    /// Tried in order: addresses with their port, host names, or `registered` for the contacts that
    /// it registered with us.
    targets: Need List(Target, 16) => targets;
    /// Transport to all of them.
    transport: Free words::<Transport>() => transport;
    /// Listener to leave by, by its place in `sip.listen`; null is one of the right family.
    listener: Free Opt(Int(0, 255)) => listener;
    /// The supplier's account.
    account: Need Ident => account;
    /// What the supplier charges us.
    tariff: Free Opt(Ident) => tariff;
    /// How the called number is changed for it.
    called: Free &PREFIX_EDIT => called;
    /// How the calling number is changed for it.
    caller: Free &PREFIX_EDIT => caller;
    /// Most concurrent calls; 0 is no limit.
    calls_max: Free LIMIT => calls_max;
    /// Most attempts per second; 0 is no limit.
    cps_max: Free LIMIT => cps_max;
    /// Time to a final answer; 0 is the tenant's ring time.
    ring_timeout_ms: Free Seconds(0, RING_MAX) => ring_timeout_s;
    /// Time to the first provisional answer; 0 is the transaction's own.
    first_timeout_ms: Free Seconds(0, 300) => first_timeout_s;
    /// Preference among equal targets of a route, thousandths, larger first.
    q: Free Int(0, 1000) => q;
    /// Which header tells it the caller's identity.
    identity: Free words::<IdentityHeader>() => identity;
    /// It is told the identity of callers who hide.
    trusted: Free Flag => trusted;
    /// Shown as the caller in place of everybody.
    caller_number: Free Opt(NUMBER) => caller_number;
    /// Host in From and the identity header; null is ours.
    from_host: Free Opt(Host) => from_host;
    /// What it may be sent.
    barring: Free &BARRING => barring;
    /// Statuses after which the next hop is tried; empty is the default set.
    continue_on: Free List(STATUS, STATUSES_MAX) => continue_on;
    /// Statuses that end the hunt.
    stop_on: Free List(STATUS, STATUSES_MAX) => stop_on;
    /// What its answers mean, by status.
    causes: Free List(&CAUSE, STATUSES_MAX) => causes;
    /// Our CANCEL and BYE to it carry a Reason header.
    reason: Free Flag => reason;
}

object! {
    /// A peer. Deleted or switched off, its running calls go on.
    TRUNK: Trunk as "Trunk", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Organization that it belongs to.
    organization: Need Ident => organization;
    /// Shown name, unique in the tenant.
    name: Need NAME => name;
    /// Carries calls.
    enabled: Free Flag => enabled;
    /// How it sends us calls; null when it does not.
    ingress: Free Opt(&INGRESS) => ingress;
    /// How it takes calls from us; null when it does not.
    egress: Free Opt(&EGRESS) => egress;
}

fn blank() -> Trunk {
    Trunk {
        id: TrunkId(0),
        tenant: TenantId(0),
        organization: OrganizationId(0),
        name: String::new(),
        enabled: true,
        ingress: None,
        egress: None,
    }
}

/// Credentials keep what is made of the password that was given; without one, what they had.
fn keep_credentials(row: &mut Trunk, draft: &Draft<'_, Trunk>) -> Result<(), Problem> {
    let Some(credentials) = row.ingress.as_mut().and_then(|i| i.credentials.as_mut()) else {
        return Ok(());
    };
    let field = "ingress.credentials.password";
    let given = draft.given.get("ingress").and_then(|i| i.get("credentials"));
    let given = given.and_then(|c| c.get("password")).and_then(Value::as_str);
    let before = draft.before.and_then(|b| b.ingress.as_ref()?.credentials.as_ref());
    match (given, before) {
        (Some(password), _) => {
            let Some(tenant) = draft.world.tenant(row.tenant) else { return Ok(()) };
            let name = credentials.username.clone();
            let set = &draft.world.settings().tenant(row.tenant).subscriber;
            let hashes = password::hashes(field, &name, &tenant.realm, password, set)?;
            (credentials.ha1_md5, credentials.ha1_sha256) = hashes;
            Ok(())
        }
        (None, Some(before)) if before.username == credentials.username => Ok(()),
        (None, Some(_)) => Err(Problem::refused(field, "must be set with a new user name")),
        (None, None) => Err(Problem::refused(field, "is missing")),
    }
}

impl Resource for Trunk {
    type Row = Trunk;
    const PATH: &'static str = "trunks";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::text("name"),
        Filter::flag("enabled"),
    ];

    fn object() -> &'static Object<Self> {
        &TRUNK
    }

    fn of(row: Trunk) -> Self {
        row
    }

    fn row(&self) -> &Trunk {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = TrunkId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), Some(self.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Trunk(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        keep_credentials(self, draft)?;
        let is_registered = self.ingress.as_ref().is_some_and(|i| i.credentials.is_some());
        let registered = |target: &EgressTarget| matches!(target, EgressTarget::Registered);
        let targets = self.egress.iter().flat_map(|egress| &egress.targets);
        match targets.enumerate().find(|(_, target)| registered(target)) {
            Some((place, _)) if !is_registered => {
                let field = format!("egress.targets[{place}]");
                Err(Problem::refused(&field, "needs ingress.credentials to register with"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Trunk(Box::new(self.clone())))
    }

    fn dependents(&self, _world: &World) -> Vec<Change> {
        Vec::new()
    }
}
