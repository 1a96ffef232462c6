//! Who may call, where a call goes and at what price: decisions on an immutable world.
//!
//! Pure but for one machine: [`World`] is a snapshot of all rows, [`decide`] answers a call from
//! it, and [`Locations`] is the registrar, a sans-IO machine that [`register`] drives. No clock, no
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
//! 4. A REGISTER: [`register`], then [`Verdict::into_answer`].
//! 5. [`edge`] whenever trunks, bans or emergency numbers change; [`upstreams`] whenever logins do.
//! 6. [`World::with_logins`] and [`World::with_names`] for what rows alone do not say: passwords
//!    in clear and addresses of names ([`named_hosts`] says which).
//!
//! Standards: RFC 3261 10.3 (registrar), 19.1.4 (comparison of URIs), RFC 7616 and RFC 8760
//! (digest), RFC 3325 (asserted identity), RFC 3398 (causes).
//!
//! Where to start: the pipeline in `decide.rs`.

mod decide;
mod deck;
pub mod digest;
mod dry_run;
mod edge;
pub mod limits;
mod location;
mod login;
mod names;
mod nonce;
mod page;
mod prefix;
mod refusal;
mod register;
mod settings;
mod tariff;
#[cfg(test)]
mod testing;
mod trace;
mod uri;
mod world;

pub use decide::{
    AdmitPlan, Decision, Facts, Limit, LimitOf, NO_LEASE, Payer, Plan, Query, TalkTime, Verdict,
    decide, finish, reject,
};
pub use deck::Deck;
pub use dry_run::{Caller, DryRun, NoDryRun, dry_run};
pub use edge::{EdgeSettings, bans_end, denied, edge};
pub use location::{Locations, Output, Reach, RegisterError, Registrant, reach};
pub use login::{Login, Logins, named_hosts, upstreams};
pub use names::{NAME_ADDRESSES_MAX, NAMES_MAX, Names};
pub use nonce::{NonceCounts, NonceUse};
pub use page::PageMap;
pub use prefix::{Chain, Dictionary, DictionaryFull, PrefixId};
pub use refusal::Refusal;
pub use register::register;
pub use settings::{SETTING_ROWS_MAX, Settings};
pub use tariff::TariffDeck;
pub use trace::{Audience, RowNames, Said, Step, TRACE_VERSION, Thing, Trace, aftermath};
pub use uri::SipUri;
pub use world::{BuildError, Change, Holder, Listener, Problem, RowName, Rows, World, check_rate};
