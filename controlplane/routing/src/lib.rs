//! Who may call, where a call goes and at what price: decisions on an immutable world.
//!
//! Pure but for two machines: [`World`] is a snapshot of all rows, [`decide`] answers a call from
//! it, [`Locations`] is the registrar, which [`register`] drives, and [`Standing`] knows how trunks
//! did lately; both are sans-IO. No clock, no
//! socket, no SQL, no thread; it never holds money (the till does, see [`AdmitPlan`]) and never
//! waits for anybody: what only the outside knows is a [`Query`].
//!
//! How to drive it:
//! 1. [`World::build`] from rows at boot, [`World::changed`] for each change after; swap the root.
//! 2. [`Locations::load`] at boot; drain [`Locations::poll_output`] to the store after each call;
//!    [`Locations::handle_timeout`] at [`Locations::poll_timeout`].
//! 3. A call: [`decide`]; spend [`Decision::nonce`] in [`Locations::nonces_mut`]; for
//!    [`Verdict::Go`] ask the till for [`Plan::admit`], then [`finish`] or [`reject`]; for the rest
//!    [`Verdict::into_answer`].
//! 4. A REGISTER: [`register`]; a request of a call whose sender has to prove to be its party:
//!    [`request`]; a transfer: [`transferred`] and [`decide`]; then [`Verdict::into_answer`].
//! 5. [`edge`] whenever trunks, bans or emergency numbers change; [`upstreams`] whenever logins do.
//!    [`Standing::sent`] for each call that goes out ([`Standing::took`] for one that targets
//!    share), [`Standing::ended`] and [`Standing::talked`] for each that has ended.
//! 6. [`World::with_logins`], [`World::with_names`] and [`World::with_ported`] for what rows alone
//!    do not say: passwords in clear, addresses of names ([`named_hosts`] says which), and ported
//!    numbers.
//!
//! Standards: RFC 3261 10.3 (registrar), 19.1.4 (comparison of URIs), RFC 7616 and RFC 8760
//! (digest), RFC 3325 (asserted identity), RFC 3398 (causes).
//!
//! Where to start: the pipeline in `decide.rs`.

mod caller;
mod decide;
mod deck;
pub mod digest;
mod dry_run;
mod edge;
mod fact;
mod gruu;
mod header;
mod joint;
mod keep;
pub mod limits;
mod list;
mod location;
mod login;
mod names;
mod nonce;
mod page;
mod perimeter;
mod place;
mod prefix;
mod probe;
mod refusal;
mod register;
mod replay;
mod request;
mod rerate;
mod rule;
mod settings;
mod shared_call;
mod standing;
mod tariff;
#[cfg(test)]
mod testing;
mod trace;
mod uri;
mod world;

pub use caller::{CallerAt, CallerRules};
pub use decide::{
    AddressCaps, AdmitPlan, Again, Decision, Facts, Limit, LimitOf, NO_LEASE, Payer, Plan,
    RoutePlace, Sent, TalkTime, Verdict, decide, finish, picked_up, redirected, reject, rerouted,
    transferred,
};
pub use deck::{Deck, Place};
pub use dry_run::{Caller, DryRun, NoDryRun, dry_run};
pub use edge::{EdgeSettings, bans_end, denied, edge};
pub use fact::{AskedCall, FACTS_MAX, Fact, Finding, HookSays, Lack, Query, RadiusSays, Reached};
pub use header::{BadHeaderRule, GUARDED, OWNED};
pub use keep::{keep_id, kept, way};
pub use list::{ListEntries, NumberLists};
pub use location::{Locations, Output, Reach, RegisterError, Registrant, Touched, reach};
pub use login::{Login, Logins, named_hosts, upstreams, upstreams_of};
pub use names::{NAME_ADDRESSES_MAX, NAMES_MAX, NamedHost, Names};
pub use nonce::{NonceCounts, NonceUse};
pub use page::PageMap;
pub use perimeter::{OffLimits, Perimeter};
pub use place::{place_of, resolved, wanted_of};
pub use prefix::{Chain, Dictionary, DictionaryFull, PrefixId};
pub use probe::{PROBES_MAX, probes};
pub use refusal::Refusal;
pub use register::register;
pub use replay::{
    REPLAY_DESTINATIONS_MAX, REPLAY_MOVES_MAX, Replay, ReplayLine, Replayed, Sides, Sums, Way,
};
pub use request::request;
pub use rerate::{NotRerated, OtherPrices, recommission, rerate};
pub use rule::{BadRule, Rules};
pub use settings::{SETTING_ROWS_MAX, Settings};
pub use shared_call::{CALLED_BACK_US, SharedCall, SharedCalls};
pub use standing::{
    CallPair, Counts, Direction, Due, Ended, Failing, Figures, Recalled, SECOND_TRIES_MAX,
    SECOND_TRY_US, Standing, Talked, TalkedDay, Turn, View, local_day,
};
pub use tariff::{Found, Taken, TariffDeck, Wanted};
pub use trace::{Audience, Cap, RowNames, Said, Step, TRACE_VERSION, Thing, Trace, aftermath};
pub use uri::SipUri;
pub use world::{BuildError, Change, Holder, Listener, Problem, RowName, Rows, World, check_rate};
