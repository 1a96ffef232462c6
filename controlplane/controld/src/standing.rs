//! How our registrations, host names and trunks stand, in REST's words.

use crate::resolver;
use strowger_api::{HostStanding, LoginCause, LoginPhase, LoginStanding, TrunkFailure};
use strowger_link::{Tick, UpstreamCause, UpstreamPhase, UpstreamState};
use strowger_model::{EgressTarget, TrunkId};
use strowger_office::Office;
use strowger_routing::{Failing, Login, World};

/// The logins of a trunk that register. `now` and `wall_us` are one moment on both clocks.
pub(crate) fn logins(
    office: &Office,
    trunk: TrunkId,
    now: Tick,
    wall_us: i64,
) -> Vec<LoginStanding> {
    let mut logins: Vec<&Login> =
        office.world().logins(trunk).iter().filter(|login| login.row.register).collect();
    logins.sort_by_key(|login| login.row.id);
    let wall = |tick: Tick| {
        let ahead_us = i64::try_from(tick.ns_since(now) / 1_000).unwrap_or(i64::MAX);
        let behind_us = i64::try_from(now.ns_since(tick) / 1_000).unwrap_or(i64::MAX);
        wall_us.saturating_add(ahead_us).saturating_sub(behind_us)
    };
    let states = office.upstream_states();
    let is_away = |login: &Login| login.row.subscriber.is_some_and(|id| !office.is_here(id, now));
    let phase_of = |login: &Login, state: Option<&UpstreamState>| match state {
        None if is_away(login) => LoginPhase::Away,
        None => LoginPhase::Unknown,
        Some(state) => phase(state.phase),
    };
    let shown = |login: &&Login| {
        let state = states.get(&login.row.id.0);
        standing(login, (state, phase_of(login, state)), wall)
    };
    logins.iter().map(shown).collect()
}

fn standing(
    login: &Login,
    (state, phase): (Option<&UpstreamState>, LoginPhase),
    wall: impl Fn(Tick) -> i64,
) -> LoginStanding {
    let until_us = state.filter(|s| s.until != Tick::NEVER).map(|s| wall(s.until));
    let registered = state.is_some_and(|s| s.phase == UpstreamPhase::Registered);
    LoginStanding {
        login: login.row.id,
        username: login.row.username.clone(),
        phase,
        since_us: state.map(|s| wall(s.since)),
        expires_us: until_us.filter(|_| registered),
        next_us: until_us.filter(|_| !registered),
        cause: state.and_then(|s| cause(s.cause)),
        status: state.map(|s| s.status).filter(|status| *status != 0),
    }
}

const fn phase(phase: UpstreamPhase) -> LoginPhase {
    match phase {
        UpstreamPhase::Trying => LoginPhase::Trying,
        UpstreamPhase::Registered => LoginPhase::Registered,
        UpstreamPhase::Failed => LoginPhase::Failed,
        UpstreamPhase::Refused => LoginPhase::Refused,
        UpstreamPhase::Left => LoginPhase::Left,
    }
}

const fn cause(cause: UpstreamCause) -> Option<LoginCause> {
    Some(match cause {
        UpstreamCause::None => return None,
        UpstreamCause::Status => LoginCause::Status,
        UpstreamCause::Silent => LoginCause::Silent,
        UpstreamCause::Unreachable => LoginCause::Unreachable,
        UpstreamCause::WrongPassword => LoginCause::WrongPassword,
        UpstreamCause::NoPassword => LoginCause::NoPassword,
        UpstreamCause::ForeignChallenge => LoginCause::ForeignChallenge,
        UpstreamCause::NotBound => LoginCause::NotBound,
        UpstreamCause::NoAddress => LoginCause::NoAddress,
        UpstreamCause::Unwritable => LoginCause::Unwritable,
        UpstreamCause::Full => LoginCause::Full,
    })
}

/// For what a trunk failed lately.
pub(crate) fn failures(office: &Office, trunk: TrunkId) -> Vec<TrunkFailure> {
    let own = office.standing().failing().filter(|failing| failing.trunk == trunk);
    let failure = |failing: Failing| TrunkFailure {
        direction: failing.direction.map(|d| d.digits()).unwrap_or_default(),
        failures: failing.failures,
        tries: failing.tries,
        again_us: failing.again_us,
    };
    own.map(failure).collect()
}

/// The host names of a trunk and of its registrars.
pub(crate) fn hosts(
    world: &World,
    trunk: TrunkId,
    known: &resolver::Standings,
) -> Vec<HostStanding> {
    let Some(row) = world.trunk(trunk) else { return Vec::new() };
    let ingress = row.ingress.iter().flat_map(|ingress| &ingress.hosts);
    let targets = row.egress.iter().flat_map(|egress| &egress.targets);
    let egress = targets.filter_map(|target| match target {
        EgressTarget::Host(host) => Some(host),
        EgressTarget::Address(_) | EgressTarget::Registered => None,
    });
    let logins = world.logins(trunk).iter().filter_map(|login| login.row.registrar.as_ref());
    let mut names: Vec<&str> =
        ingress.chain(egress).chain(logins).map(|host| host.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let Ok(known) = known.lock() else { return Vec::new() };
    let standing = |name: &str| {
        let of = known.get(name).cloned().unwrap_or_default();
        HostStanding {
            name: name.to_owned(),
            // A written address is its own.
            addresses: world.names().addresses(name),
            confirmed_us: (of.confirmed_us != 0).then_some(of.confirmed_us),
            failure: of.failure,
        }
    };
    names.into_iter().map(standing).collect()
}
