//! The table of endpoints: router, OpenAPI document and the matrix of the tests are made of it.

use crate::dispatch::{Context, PATCH, Visit};
use crate::form::Form;
use crate::limits::{
    BODY_BYTES_MAX, BULK_BYTES_MAX, LIST_BYTES_MAX, LONG_MS_MAX, PORTED_BYTES_MAX, RATES_BYTES_MAX,
    REQUEST_MS_MAX,
};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::query::Filter;
use crate::query::Parameter::{
    self, Account, Actor, At, By, From, Id, Limit, MosBelow, Next, Number, Only, Resource, Until,
};
use crate::reply::{
    Accepted, Answer, Created, Document, Done, Health, JSON, Json, Made, MetricsText, Page,
    Respond, Versioned,
};
use crate::resource::{
    self, BanSeen, DidSeen, Login, Paying, Resource as Configured, copy_form, create_responses,
    form, import_form, import_responses, list_responses, one_responses, patch, remove_responses,
};
use crate::shape::Components;
use crate::{
    allowance, api_token, call, cdr, certificate, change, comparison, health, import, log_line, me,
    message, money, number_list, ported, registration, replay, rerate, role, route_test, session,
    setting, statistic, status, stranger, tariff, trace, upstream, user,
};
use axum::http::Method;
use serde_json::Value;
use std::pin::Pin;
use strowger_model::{
    CallerRule, Destination, Emergency, ExchangeRate, Holiday, NumberList, Organization,
    PhonebookEntry, PriceRule, RadiusServer, RingGroup, Route, Rule as CallRule, SettingRow,
    Subscriber, Tariff, Tenant, Trunk,
};
use strowger_store::{Numbered, Scope};

/// Media type of comma-separated values (RFC 4180).
pub(crate) const CSV: &str = "text/csv";

/// Media type of a workbook.
pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Media type of a file that may be anything.
pub(crate) const FILE: &str = "application/octet-stream";

/// Below this every path asks for a token, known or not.
pub(crate) const ROOT: &str = "/api/v1";

/// An answer that takes time.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;
/// The responses of an endpoint: status, description, media type, schema.
pub(crate) type Responses = Vec<(u16, &'static str, &'static str, Value)>;

/// Audiences with the views that they are shown; empty when all see one.
pub(crate) type Views = &'static [(&'static str, &'static str)];

/// Methods that endpoints have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    /// Reads; HEAD reads without the body.
    Get,
    /// Does, or makes.
    Post,
    /// Changes some members (merge patch, RFC 7396).
    Patch,
    /// Takes away.
    Delete,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }

    /// Whether `If-Match` must say which version is meant.
    pub(crate) const fn needs_version(self) -> bool {
        match self {
            Verb::Patch => true,
            Verb::Get | Verb::Post | Verb::Delete => false,
        }
    }

    /// Media types of bodies.
    pub(crate) const fn media(self) -> &'static [&'static str] {
        match self {
            Verb::Patch => &[PATCH],
            Verb::Get | Verb::Post | Verb::Delete => &[JSON],
        }
    }

    /// Value of `Allow`.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Verb::Get => "GET, HEAD",
            Verb::Post | Verb::Patch | Verb::Delete => self.name(),
        }
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Verb::Get => method == Method::GET || method == Method::HEAD,
            Verb::Post | Verb::Patch | Verb::Delete => method.as_str() == self.name(),
        }
    }
}

/// Who may, and what is done.
pub(crate) enum Access {
    /// Everybody.
    Open(fn(Visit) -> Pending),
    /// Everybody on a listener of a loopback address, else a token of the whole host with the
    /// permission.
    Local(Permission, fn(Visit) -> Pending),
    /// Everybody: who asks says in the body who he is.
    Stranger(fn(Context) -> Pending),
    /// A token with the permission, within the rule.
    Token(Permission, Rule, fn(Context) -> Pending),
}

/// How far an endpoint reaches for a caller who has its permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Rows in the caller's scope; others are as if they were not there.
    Rows,
    /// Only callers who see the whole tenant, or the host: what belongs to no organization.
    Tenant,
    /// Only callers who see the host.
    Host,
    /// The caller himself, or what is the same for everybody.
    Caller,
}

impl Rule {
    /// Its word in [`EndpointInfo`].
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Rule::Rows => "rows",
            Rule::Tenant => "tenant",
            Rule::Host => "host",
            Rule::Caller => "caller",
        }
    }

    /// Whether a caller with this scope comes in at all.
    pub(crate) const fn admits(self, scope: Scope) -> bool {
        match self {
            Rule::Rows | Rule::Caller => true,
            Rule::Tenant => matches!(scope, Scope::All | Scope::Tenant(_)),
            Rule::Host => matches!(scope, Scope::All),
        }
    }
}

/// What an endpoint does with `Idempotency-Key`, with which a request that is sent again counts
/// once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// It refuses one, because the request would count twice all the same.
    Refused,
    /// It heeds one.
    Heeded,
    /// It must have one: money moves.
    Needed,
}

/// One endpoint.
pub(crate) struct Endpoint {
    pub(crate) verb: Verb,
    /// Path; `{id}` is an id.
    pub(crate) path: &'static str,
    /// Module and function that answers, for the OpenAPI document.
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) parameters: &'static [Parameter],
    /// What its list can be narrowed to.
    pub(crate) filters: &'static [Filter],
    /// The body that it takes.
    pub(crate) body: Option<fn(&mut Components) -> Value>,
    /// The body may be left out.
    pub(crate) is_body_optional: bool,
    /// Media types that the body may have; the client says which.
    pub(crate) media: &'static [&'static str],
    /// What it does with a key in `Idempotency-Key`.
    pub(crate) key: Key,
    /// It takes a version in `If-Match`.
    pub(crate) needs_version: bool,
    /// Largest body, octets.
    pub(crate) body_max: usize,
    /// It reads its body piece by piece.
    pub(crate) is_stream: bool,
    pub(crate) summary: &'static str,
    pub(crate) responses: fn(&mut Components) -> Responses,
    /// Audiences and their views, where they differ.
    pub(crate) views: Views,
}

impl Endpoint {
    /// Time from a request's head to its answer, milliseconds: files of a million prices take
    /// longer than rows do.
    pub(crate) fn ms_max(&self) -> u64 {
        match self.name.split_once('.') {
            Some(("import" | "comparison", _)) => LONG_MS_MAX,
            Some(_) | None if self.is_stream => LONG_MS_MAX,
            Some(_) | None => REQUEST_MS_MAX,
        }
    }
}

/// Rows of the table: who may (`Token("permission")`, with a [`Rule`] behind it where it is not
/// `Rows`), method, path, parameters, the function that answers (with the type of its body), the
/// type of its reply, what it is for. The type of the reply stands in the row and is the type that
/// the function returns, so that the document cannot say anything else than what is sent.
macro_rules! endpoints {
    ($(
        $access:ident $(($permission:literal $(, $rule:ident)?))?
        $verb:ident $path:literal [$($parameter:expr),*]
        $module:ident :: $function:ident $(($form:ty))? -> $reply:ty, $summary:literal;
    )+) => {
        &[$(Endpoint {
            verb: Verb::$verb,
            path: $path,
            name: concat!(stringify!($module), ".", stringify!($function)),
            access: access!($access $(($permission $(, $rule)?))?, |given| {
                Box::pin(async move {
                    let reply: $reply =
                        $module::$function($(<$form as Form>::read(&given)?,)? given).await?;
                    reply.respond()
                })
            }),
            parameters: &[$($parameter),*],
            filters: &[],
            body: forms!($($form)?),
            is_body_optional: optional!($($form)?),
            media: Verb::$verb.media(),
            key: keys!($($form)?),
            needs_version: Verb::$verb.needs_version(),
            body_max: BODY_BYTES_MAX,
            is_stream: false,
            summary: $summary,
            responses: <$reply as Respond>::describe,
            views: <$reply as Respond>::VIEWS,
        }),+]
    };
}

/// Who may.
macro_rules! access {
    (Token($permission:literal), $run:expr) => {
        Access::Token(Permission($permission), Rule::Rows, $run)
    };
    (Token($permission:literal, $rule:ident), $run:expr) => {
        Access::Token(Permission($permission), Rule::$rule, $run)
    };
    (Local($permission:literal), $run:expr) => {
        Access::Local(Permission($permission), $run)
    };
    ($access:ident, $run:expr) => {
        Access::$access($run)
    };
}

/// The schema of an endpoint's body, if it takes one.
macro_rules! forms {
    () => {
        None
    };
    ($form:ty) => {
        Some(<$form as Form>::describe)
    };
}

/// Whether an endpoint's body needs a key.
macro_rules! keys {
    () => {
        Key::Refused
    };
    ($form:ty) => {
        if <$form as Form>::NEEDS_KEY { Key::Needed } else { Key::Refused }
    };
}

/// Whether an endpoint's body may be left out.
macro_rules! optional {
    () => {
        false
    };
    ($form:ty) => {
        <$form as Form>::IS_OPTIONAL
    };
}

/// Every endpoint.
#[rustfmt::skip]
static TABLE: &[Endpoint] = endpoints! {
    Open Get "/healthz" []
        health::alive -> Json<health::AliveView>, "Whether the process lives.";
    Open Get "/readyz" []
        health::ready -> Health<health::ReadyView>, "Whether calls can be placed; what is missing.";
    Local("metrics:read") Get "/metrics" []
        health::metrics -> MetricsText, "Metrics for Prometheus.";
    Token("api:read", Caller) Get "/api/v1/openapi.json" []
        health::document -> Document, "This document.";
    Token("cdrs:read") Get "/api/v1/cdrs" [
            From, Until, Account, Only(&cdr::SUBSCRIBER), Only(&cdr::TRUNK), Only(&cdr::CALLER),
            Only(&cdr::CALLED), Only(&cdr::ANSWERED), Only(&cdr::REASON), Only(&cdr::ONE_SIDED),
            Only(&cdr::UNPROFITABLE), Only(&cdr::UNPRICED), Limit, Next
        ]
        cdr::list -> Json<Page<cdr::CdrShown>>, "Call detail records, newest first.";
    Token("cdrs:read") Get "/api/v1/cdrs/{id}" []
        cdr::one -> Json<cdr::CdrShown>, "One call detail record.";
    Token("cdrs:read") Get "/api/v1/cdrs/{id}/trace" []
        trace::of_record -> Json<trace::TraceView>,
        "Why a call was decided as it was, and what became of it.";
    Token("messages:read") Get "/api/v1/cdrs/{id}/messages" []
        message::of_record -> Json<message::MessagesView>,
        "The SIP messages of a recent call, without secrets.";
    Token("messages:read") Get "/api/v1/cdrs/{id}/capture" []
        message::capture_of_record -> message::Capture,
        "The same as a capture that Wireshark reads.";
    Token("rerates:read", Tenant) Get "/api/v1/cdrs/{id}/adjustments" []
        rerate::of_record -> Json<Page<rerate::AdjustmentView>>,
        "Later ratings of a record's charges.";
    Token("rerates:read", Tenant) Get "/api/v1/rerates" [Limit, Next]
        rerate::list -> Json<Page<rerate::RerateView>>,
        "Runs that rate records again, newest first.";
    Token("rerates:write", Tenant) Post "/api/v1/rerates" []
        rerate::create(rerate::RerateForm) -> Created<rerate::RerateView>,
        "Rates records again by other prices, to be looked at: nothing changes yet.";
    Token("rerates:read", Tenant) Get "/api/v1/rerates/{id}" []
        rerate::one -> Json<rerate::RerateView>, "One run, and how far it is.";
    Token("rerates:read", Tenant) Get "/api/v1/rerates/{id}/sums" [Limit, Next]
        rerate::sums -> Json<Page<rerate::RerateSumView>>, "What a run changes for each account.";
    Token("rerates:read", Tenant) Get "/api/v1/rerates/{id}/lines" [Limit, Next]
        rerate::lines -> Json<Page<rerate::RerateLineView>>, "The charges that a run changes.";
    Token("rerates:publish", Tenant) Post "/api/v1/rerates/{id}/publish" []
        rerate::publish(rerate::PublishForm) -> Accepted<rerate::RerateView>,
        "Lets a prepared run count, with money or for statistics only.";
    Token("rerates:write", Tenant) Post "/api/v1/rerates/{id}/discard" []
        rerate::discard -> Accepted<rerate::RerateView>, "Discards a run that is not published.";
    Token("calls:read") Get "/api/v1/calls" [MosBelow, Limit, Next]
        call::list -> Json<Page<call::CallView>>, "Running calls, and how they sound by now.";
    Token("calls:read") Get "/api/v1/calls/{id}" []
        call::one -> Json<call::CallView>, "One running call.";
    Token("calls:hangup") Post "/api/v1/calls/{id}/hangup" []
        call::hangup -> Accepted<call::HangupView>, "Ends a running call.";
    Token("calls:read") Get "/api/v1/calls/{id}/trace" []
        trace::of_call -> Json<trace::TraceView>,
        "Why a call was decided as it was, by its number; running calls too.";
    Token("messages:read") Get "/api/v1/calls/{id}/messages" []
        message::of_call -> Json<message::MessagesView>,
        "The SIP messages of a running call so far, without secrets.";
    Token("messages:read") Get "/api/v1/calls/{id}/capture" []
        message::capture_of_call -> message::Capture,
        "The same as a capture that Wireshark reads.";
    Token("registrations:read") Get "/api/v1/registrations" [Limit, Next]
        registration::list -> Json<Page<registration::RegistrationView>>, "Registered contacts.";
    Token("trunks:read") Get "/api/v1/trunks/{id}/registrations" []
        upstream::registrations -> Json<Page<upstream::UpstreamView>>,
        "Registrations of ours at a carrier, by login.";
    Token("trunks:read") Get "/api/v1/trunks/{id}/contacts" []
        registration::of_trunk -> Json<Page<registration::TrunkContactView>>,
        "Contacts that a trunk registered with us.";
    Token("registrations:write") Delete "/api/v1/trunks/{id}/contacts"
        [Only(&registration::CONTACT)]
        registration::forget_of_trunk -> Json<registration::ForgottenView>,
        "Forgets where a trunk registered with us: one contact, or all. It may register again.";
    Token("subscribers:read") Get "/api/v1/subscribers/{id}/status" []
        status::of_subscriber -> Json<status::SubscriberStatusView>,
        "How a subscriber stands: contacts, running calls, the last call, what is left to spend.";
    Token("registrations:write") Delete "/api/v1/subscribers/{id}/contacts"
        [Only(&registration::CONTACT)]
        registration::forget_of_subscriber -> Json<registration::ForgottenView>,
        "Forgets where a subscriber is registered: one contact, or all. It may register again.";
    Token("trunks:read") Get "/api/v1/trunks/{id}/hosts" []
        upstream::hosts -> Json<Page<upstream::HostView>>,
        "Host names of a trunk and their addresses.";
    Token("trunks:read") Get "/api/v1/trunks/{id}/failures" []
        upstream::failures -> Json<Page<upstream::TrunkFailureView>>,
        "For what a trunk failed lately: it stands behind others there, and is tried again.";
    Token("trunks:write") Post "/api/v1/trunks/{id}/restore" []
        upstream::restore -> Json<Page<upstream::TrunkFailureView>>,
        "Says that a trunk is as good as new; what it still fails for comes back.";
    Token("routes:read", Host) Get "/api/v1/ported-numbers" [Number]
        ported::look -> Json<ported::PortedView>,
        "How many numbers moved to other operators, and what one is routed by.";
    Token("number-lists:read", Tenant) Get "/api/v1/number-lists/{id}/entries" [Number]
        number_list::look -> Json<number_list::NumberListEntriesView>,
        "How many entries a list of numbers has, and which of them a number begins with.";
    Token("accounts:read") Get "/api/v1/accounts/{id}/balances" []
        money::balances -> Json<Page<money::BalanceView>>, "What an account has, in each unit.";
    Token("accounts:read") Get "/api/v1/accounts/{id}/holds" [Limit, Next]
        money::holds -> Json<Page<money::HoldView>>, "What running calls hold of an account.";
    Token("accounts:read") Get "/api/v1/accounts/{id}/entries" [Limit, Next]
        money::entries -> Json<Page<money::EntryView>>, "What changed a balance, newest first.";
    Token("payments:write") Post "/api/v1/accounts/{id}/payments" []
        money::pay(money::PaymentForm) -> Created<money::MoneyRequestView>,
        "Books a payment; running calls become longer.";
    Token("adjustments:write") Post "/api/v1/accounts/{id}/adjustments" []
        money::adjust(money::AdjustmentForm) -> Created<money::MoneyRequestView>,
        "Gives or takes money by hand; never below the floor.";
    Token("accounts:read") Get "/api/v1/accounts/{id}/allowances" [Limit, Next]
        allowance::list -> Json<Page<allowance::AllowanceView>>, "Free time of an account.";
    Token("allowances:write") Post "/api/v1/accounts/{id}/allowances" []
        allowance::give(allowance::AllowanceForm) -> Created<allowance::AllowanceView>,
        "Gives free time, which calls take before money.";
    Stranger Post "/api/v1/sessions" []
        session::begin(session::LoginForm) -> Made<session::LoginView>, "Logs in.";
    Token("sessions:read") Get "/api/v1/sessions" [Limit, Next]
        session::list -> Json<Page<session::SessionView>>, "Logins that run.";
    Token("me:write", Caller) Delete "/api/v1/sessions/current" []
        session::log_out -> Done, "Logs out.";
    Token("sessions:write") Delete "/api/v1/sessions/{id}" []
        session::end -> Done, "Ends a login.";
    Token("me:read", Caller) Get "/api/v1/me" []
        me::show -> Json<me::MeView>, "Who asks, and what he may.";
    Token("me:write", Caller) Post "/api/v1/me/password" []
        me::change_password(me::ChangeForm) -> Done, "Changes one's own password.";
    Token("me:write", Caller) Post "/api/v1/me/totp" []
        me::enrol(me::ProofForm) -> Json<me::EnrolmentView>, "Gives out a second factor.";
    Token("me:write", Caller) Post "/api/v1/me/totp/confirmations" []
        me::confirm(me::CodeForm) -> Json<me::RecoveryView>,
        "Turns the second factor on, by a code of it.";
    Token("me:write", Caller) Post "/api/v1/me/totp/removals" []
        me::disable(me::ProofForm) -> Done, "Turns the second factor off.";
    Token("roles:read", Caller) Get "/api/v1/roles" []
        role::list -> Json<Page<role::RoleView>>, "Roles and what they may.";
    Token("roles:read", Caller) Get "/api/v1/roles/{name}" []
        role::one -> Json<role::RoleView>, "One role.";
    Token("users:read") Get "/api/v1/users" [Limit, Next]
        user::list -> Json<Page<user::UserView>>, "People who log in.";
    Token("users:write") Post "/api/v1/users" []
        user::create(user::UserForm) -> Made<user::UserView>, "Makes a user.";
    Token("users:read") Get "/api/v1/users/{id}" []
        user::one -> Versioned<user::UserView>, "One user.";
    Token("users:write") Patch "/api/v1/users/{id}" []
        user::change(user::UserPatchForm) -> Versioned<user::UserView>, "Changes a user.";
    Token("users:write") Delete "/api/v1/users/{id}" []
        user::remove -> Done, "Removes a user with his logins and tokens.";
    Token("users:write") Post "/api/v1/users/{id}/password" []
        user::set_password(user::PasswordForm) -> Done, "Sets the password of a user.";
    Token("users:write") Delete "/api/v1/users/{id}/totp" []
        user::clear_totp -> Done, "Turns the second factor of a user off.";
    Token("users:impersonate") Post "/api/v1/users/{id}/impersonations" []
        user::act_for(user::ImpersonationForm) -> Made<session::ImpersonationView>,
        "Begins to act for a user, for an hour at most.";
    Token("tokens:read") Get "/api/v1/tokens" [Limit, Next]
        api_token::list -> Json<Page<api_token::TokenView>>, "Tokens of programs.";
    Token("tokens:write") Post "/api/v1/tokens" []
        api_token::create(api_token::TokenForm) -> Made<api_token::NewTokenView>,
        "Makes a token, of no more than its maker may.";
    Token("tokens:read") Get "/api/v1/tokens/{id}" []
        api_token::one -> Json<api_token::TokenView>, "One token.";
    Token("tokens:write") Delete "/api/v1/tokens/{id}" []
        api_token::revoke -> Done, "Revokes a token and those that were made with it.";
    Token("changes:read") Get "/api/v1/changes" [Resource, Id, Actor, From, Until, Limit, Next]
        change::list -> Json<Page<change::ChangeView>>, "What was changed, newest first.";
    Token("route-tests:write", Tenant) Post "/api/v1/route-tests" []
        route_test::run(route_test::RouteTestForm) -> Json<route_test::RouteTestView>,
        "What would become of a call, now or at a time: nothing rings, and nobody pays.";
    Token("replays:write", Tenant) Post "/api/v1/replays" []
        replay::begin(replay::ReplayForm) -> Accepted<replay::ReplayView>,
        "Decides calls of a time again on changed rows, while everything else goes on.";
    Token("replays:read", Tenant) Get "/api/v1/replays" []
        replay::list -> Json<Page<replay::ReplayView>>, "Replays of this process, oldest first.";
    Token("replays:read", Tenant) Get "/api/v1/replays/{id}" []
        replay::one -> Json<replay::ReplayView>, "One replay, with what it found so far.";
    Token("replays:write", Tenant) Delete "/api/v1/replays/{id}" []
        replay::end -> Done, "Ends a replay and forgets it.";
    Token("settings:read", Tenant) Get "/api/v1/setting-definitions"
        [Only(&setting::CATEGORY), Only(&setting::NAME), Only(&setting::DEPTH),
         Only(&setting::SOURCE_NAME), Only(&setting::TENANT), Only(&setting::ACCOUNT),
         Only(&setting::SUBSCRIBER), Limit, Next]
        setting::definitions -> Json<Page<setting::SettingDefinitionView>>,
        "What there is to set, and what counts at a place: the switch, or one that is named.";
    Token("settings:read", Tenant) Get "/api/v1/setting-definitions/{name}"
        [Only(&setting::TENANT), Only(&setting::ACCOUNT), Only(&setting::SUBSCRIBER)]
        setting::definition -> Json<setting::SettingDefinitionView>,
        "One setting, by category and name with a point between.";
    Token("settings:read", Tenant) Get "/api/v1/source-settings"
        [Only(&setting::CATEGORY), Only(&setting::NAME), Only(&setting::DISPOSITION), Limit, Next]
        setting::sources -> Json<Page<setting::SourceSettingView>>,
        "Where each setting of the source went.";
    Token("settings:read", Tenant) Get "/api/v1/source-settings/{name}" []
        setting::source -> Json<Page<setting::SourceSettingView>>,
        "Where one name of the source went, in each of its categories.";
    Token("statistics:read") Get "/api/v1/statistics"
        [From, Until, By, Only(&statistic::TENANT), Only(&statistic::ACCOUNT),
         Only(&statistic::INGRESS), Only(&statistic::EGRESS), Only(&statistic::DESTINATION),
         Only(&statistic::ASRB), Limit, Next]
        statistic::list -> Json<Page<statistic::StatisticShown>>,
        "What was counted of calls that began in a time, by default in the last 7 days.";
    Token("statistics:read", Host) Get "/api/v1/statistics/strangers" [Limit]
        stranger::list -> Json<Page<stranger::StrangerView>>,
        "Attempts of unknown senders in the last hour, by minute and source.";
    Token("metrics:read", Host) Get "/api/v1/log-lines" [From, Until, Only(&log_line::LEVEL), Limit]
        log_line::list -> Json<Page<log_line::LogLineView>>,
        "The newest lines of the control plane's log, the newest first.";
    Token("metrics:read", Host) Get "/api/v1/certificates" [Limit]
        certificate::list -> Json<Page<certificate::CertificateView>>,
        "Certificates that listeners show, until when they are valid, and what is wrong with them.";
    Token("tariffs:read", Tenant) Get "/api/v1/tariffs/{id}/rates" [Number, At, Limit, Next]
        tariff::in_force -> Json<Page<tariff::RateView>>, "Prices in force, now and later.";
    Token("tariffs:read", Tenant) Get "/api/v1/tariffs/{id}/revisions" [Limit, Next]
        tariff::revisions_of -> Json<Page<tariff::TariffRevisionView>>, "Changes of a price list.";
    Token("tariffs:write", Tenant) Post "/api/v1/tariffs/{id}/revisions" []
        tariff::begin(tariff::DraftForm) -> Made<tariff::TariffRevisionView>,
        "Begins a change: a draft, which takes rows.";
    Token("tariffs:read", Tenant) Get "/api/v1/tariffs/{id}/revisions/{number}" []
        tariff::one_revision -> Versioned<tariff::TariffRevisionView>,
        "One change of a price list.";
    Token("tariffs:read", Tenant) Get "/api/v1/tariffs/{id}/revisions/{number}/rates" [Limit, Next]
        tariff::of_revision -> Json<Page<tariff::RevisedRateView>>, "The rows of a change.";
    Token("tariffs:read", Tenant) Get "/api/v1/tariffs/{id}/revisions/{number}/differences"
        [Limit, Next]
        tariff::differences -> Json<tariff::DifferencesView>, "What a change does to prices.";
    Token("tariffs:write", Tenant) Post "/api/v1/tariffs/{id}/revisions/{number}/publish" []
        tariff::publish(tariff::PublishForm) -> Versioned<tariff::TariffRevisionView>,
        "Lets the rows of a draft count, from now or a later time on.";
    Token("tariffs:write", Tenant) Post "/api/v1/tariffs/{id}/revisions/{number}/undo" []
        tariff::undo -> Versioned<tariff::TariffRevisionView>,
        "Takes a published change back: its rows do not count any more.";
    Token("tariffs:read", Tenant) Get "/api/v1/imports" [Only(&import::TARIFF), Limit, Next]
        import::list -> Json<Page<import::ImportView>>, "Files of prices that were sent in.";
    Token("tariffs:read", Tenant) Get "/api/v1/imports/{id}" []
        import::one -> Json<import::ImportView>, "One file of prices, and how far it is.";
    Token("tariffs:write", Tenant) Delete "/api/v1/imports/{id}" []
        import::remove -> Done, "Deletes a file that was never published.";
    Token("tariffs:write", Tenant) Post "/api/v1/imports/{id}/mapping" []
        import::map(import::Reading) -> Json<import::ImportView>,
        "Says how a file is read, for this one and those to come, and reads it again.";
    Token("tariffs:read", Tenant) Get "/api/v1/imports/{id}/differences"
        [Only(&import::CHANGE), At, Limit, Next]
        import::differences -> Json<import::DeckDifferencesView>,
        "What a file changes in the prices in force, now or at a time.";
    Token("tariffs:read", Tenant) Get "/api/v1/imports/{id}/destinations" [At, Limit, Next]
        import::destinations -> Json<Page<import::DeckDestinationView>>,
        "The same, summed up by destination.";
    Token("tariffs:read", Tenant) Get "/api/v1/imports/{id}/margins" [At, Limit, Next]
        import::margins -> Json<import::DeckMarginsView>,
        "What a supplier's file does to what is sold by way of it.";
    Token("tariffs:write", Tenant) Post "/api/v1/imports/{id}/publish" []
        import::publish(tariff::PublishForm) -> Accepted<import::ImportView>,
        "Puts the prices of a file in force, from now or a later time on.";
    Token("tariffs:write", Tenant) Post "/api/v1/imports/{id}/undo" []
        import::undo -> Json<import::ImportView>,
        "Puts the prices in force again that were before a file.";
    Token("tariffs:read", Tenant) Get "/api/v1/comparisons"
        [Only(&comparison::REFERENCE), Only(&comparison::PREFIX), At, Limit, Next]
        comparison::list -> Json<Page<comparison::ComparisonView>>,
        "What suppliers ask for what a price list sells.";
};

/// The endpoints of a resource of the configuration: list, create, read, change, delete, and with
/// `bulk` an import.
macro_rules! configured {
    ($($resource:ty as $name:literal, $permission:literal $rule:ident / $host:ident,
       $path:literal, $item:literal $(, $bulk:literal)? $(=> $copies:literal)?;)+) => {
        &[$(
            &[
                Endpoint {
                    parameters: &[Limit, Next],
                    filters: <$resource as Configured>::FILTERS,
                    ..configured_one!(Get, $permission, "read", $rule, $path, $name, "list",
                        "All, by id.", resource::list::<$resource>, list_responses::<$resource>)
                },
                Endpoint {
                    body: Some(form::<$resource>),
                    key: Key::Heeded,
                    ..configured_one!(Post, $permission, "write", $host, $path, $name, "create",
                        "Makes one.", resource::create::<$resource>, create_responses::<$resource>)
                },
                configured_one!(Get, $permission, "read", $rule, $item, $name, "one",
                    "One of them.", resource::one::<$resource>, one_responses::<$resource>),
                Endpoint {
                    body: Some(patch::<$resource>),
                    ..configured_one!(Patch, $permission, "write", $rule, $item, $name, "change",
                        "Changes members of one; in force within a second.",
                        resource::change::<$resource>, one_responses::<$resource>)
                },
                Endpoint {
                    needs_version: true,
                    ..configured_one!(Delete, $permission, "write", $host, $item, $name, "remove",
                        "Deletes one that nothing refers to.",
                        resource::remove::<$resource>, remove_responses::<$resource>)
                },
            ],
            $(&[
                Endpoint {
                    body: Some(import_form::<$resource>),
                    key: Key::Heeded,
                    body_max: BULK_BYTES_MAX,
                    ..configured_one!(Post, $permission, "write", $rule, $bulk, $name, "import",
                        "Makes many, all or none.",
                        resource::import::<$resource>, import_responses::<$resource>)
                },
            ],)?
            $(&[
                Endpoint {
                    body: Some(copy_form::<$resource>),
                    key: Key::Heeded,
                    body_max: BULK_BYTES_MAX,
                    ..configured_one!(Post, $permission, "write", $rule, $copies, $name, "copy",
                        "Makes many like one, each with what it has of its own; all or none.",
                        resource::copy::<$resource>, import_responses::<$resource>)
                },
            ],)?
        )+]
    };
}

/// One endpoint of a resource.
macro_rules! configured_one {
    ($verb:ident, $permission:literal, $word:literal, $rule:ident, $path:literal, $name:literal,
     $function:literal, $summary:literal, $run:expr, $responses:expr $(,)?) => {
        Endpoint {
            verb: Verb::$verb,
            path: concat!("/api/v1/", $path),
            name: concat!($name, ".", $function),
            access: Access::Token(Permission(concat!($permission, ":", $word)), Rule::$rule, $run),
            parameters: &[],
            filters: &[],
            body: None,
            is_body_optional: false,
            media: Verb::$verb.media(),
            key: Key::Refused,
            needs_version: Verb::$verb.needs_version(),
            body_max: BODY_BYTES_MAX,
            is_stream: false,
            summary: $summary,
            responses: $responses,
            views: &[],
        }
    };
}

/// The endpoints of the configuration. Behind the permission stand the rule of those that read and
/// change, and of those that make and delete.
#[rustfmt::skip]
static CONFIGURED: &[&[Endpoint]] = configured! {
    Tenant as "tenant", "tenants" Rows / Host, "tenants", "tenants/{id}";
    Organization as "organization", "organizations" Rows / Rows,
        "organizations", "organizations/{id}";
    Paying as "account", "accounts" Rows / Rows,
        "accounts", "accounts/{id}" => "accounts/{id}/copies";
    Subscriber as "subscriber", "subscribers" Rows / Rows,
        "subscribers", "subscribers/{id}", "subscribers/bulk" => "subscribers/{id}/copies";
    Trunk as "trunk", "trunks" Rows / Rows, "trunks", "trunks/{id}" => "trunks/{id}/copies";
    Login as "login", "trunks" Rows / Rows, "trunks/{id}/logins", "trunks/{id}/logins/{login}";
    RingGroup as "ring_group", "ring-groups" Rows / Rows, "ring-groups", "ring-groups/{id}";
    DidSeen as "did", "dids" Rows / Rows, "dids", "dids/{id}", "dids/bulk";
    PhonebookEntry as "phonebook_entry", "phonebook" Tenant / Tenant,
        "phonebook", "phonebook/{id}", "phonebook/bulk";
    Route as "route", "routes" Tenant / Tenant, "routes", "routes/{id}", "routes/bulk";
    Tariff as "tariff", "tariffs" Tenant / Tenant, "tariffs", "tariffs/{id}";
    Numbered<Destination> as "destination", "destinations" Tenant / Tenant,
        "destinations", "destinations/{id}";
    Numbered<Emergency> as "emergency_number", "emergency-numbers" Tenant / Tenant,
        "emergency-numbers", "emergency-numbers/{id}";
    Holiday as "holiday", "tariffs" Tenant / Tenant, "holidays", "holidays/{id}";
    ExchangeRate as "exchange_rate", "tariffs" Tenant / Tenant,
        "exchange-rates", "exchange-rates/{id}";
    PriceRule as "price_rule", "tariffs" Tenant / Tenant,
        "price-rules", "price-rules/{id}", "price-rules/bulk";
    BanSeen as "ban", "bans" Host / Host, "bans", "bans/{id}";
    CallerRule as "caller_rule", "caller-rules" Tenant / Tenant,
        "caller-rules", "caller-rules/{id}", "caller-rules/bulk";
    NumberList as "number_list", "number-lists" Tenant / Tenant,
        "number-lists", "number-lists/{id}";
    CallRule as "rule", "rules" Tenant / Tenant, "rules", "rules/{id}", "rules/bulk";
    SettingRow as "setting", "settings" Tenant / Tenant, "settings", "settings/{id}";
    RadiusServer as "radius_server", "radius-servers" Host / Host,
        "radius-servers", "radius-servers/{id}";
};

/// An endpoint that takes lines for a list of numbers.
macro_rules! list_lines {
    ($path:literal, $function:literal, $run:expr, $summary:literal) => {
        Endpoint {
            body: Some(number_list::lines_form),
            media: &[CSV, FILE],
            body_max: LIST_BYTES_MAX,
            is_stream: true,
            ..configured_one!(
                Post,
                "number-lists",
                "write",
                Tenant,
                $path,
                "number_list",
                $function,
                $summary,
                $run,
                number_list::lines_responses
            )
        }
    };
}

/// What stands beside them.
static BESIDE: &[Endpoint] = &[
    Endpoint {
        body: Some(resource::credentials_form),
        ..configured_one!(
            Post,
            "subscribers",
            "write",
            Rows,
            "subscribers/{id}/credentials",
            "subscriber",
            "credentials",
            "Sets a password, or makes one and shows it this once.",
            resource::credentials,
            resource::credentials_responses
        )
    },
    Endpoint {
        body: Some(tariff::rows_form),
        media: &[JSON, CSV],
        body_max: RATES_BYTES_MAX,
        ..configured_one!(
            Post,
            "tariffs",
            "write",
            Tenant,
            "tariffs/{id}/revisions/{number}/rates",
            "tariff",
            "upload",
            "Adds rows to a draft, all or none: a list, or a file of text/csv.",
            tariff::upload,
            tariff::rows_responses
        )
    },
    Endpoint {
        parameters: &[Only(&import::FILE_NAME)],
        body: Some(import::file_form),
        media: &[FILE, CSV, XLSX],
        body_max: strowger_import::limits::FILE_LEN_MAX,
        is_stream: true,
        key: Key::Heeded,
        ..configured_one!(
            Post,
            "tariffs",
            "write",
            Tenant,
            "tariffs/{id}/imports",
            "import",
            "upload",
            "Sends a supplier's file in, as it came: CSV or XLSX. Nothing counts yet.",
            import::upload,
            import::upload_responses
        )
    },
    Endpoint {
        body: Some(resource::reserve_form),
        ..configured_one!(
            Post,
            "dids",
            "write",
            Rows,
            "dids/reserve",
            "did",
            "reserve",
            "Reserves numbers of the pool for a while, so that somebody can choose among them.",
            resource::reserve,
            resource::reserve_responses
        )
    },
    Endpoint {
        body: Some(ported::list_form),
        media: &[CSV],
        body_max: PORTED_BYTES_MAX,
        ..configured_one!(
            Post,
            "routes",
            "write",
            Host,
            "ported-numbers/replace",
            "ported",
            "replace",
            "Replaces the table of ported numbers: lines of number, prefix, number instead.",
            ported::replace,
            ported::list_responses
        )
    },
    Endpoint {
        body: Some(ported::list_form),
        media: &[CSV],
        body_max: PORTED_BYTES_MAX,
        ..configured_one!(
            Post,
            "routes",
            "write",
            Host,
            "ported-numbers/add",
            "ported",
            "add",
            "Adds to the table of ported numbers; the last word on a number counts.",
            ported::add,
            ported::list_responses
        )
    },
    list_lines!(
        "number-lists/{id}/replace",
        "replace_lines",
        number_list::replace_lines,
        "Replaces what stands on a list of numbers, by a file of a line for each."
    ),
    list_lines!(
        "number-lists/{id}/add",
        "add_lines",
        number_list::add_lines,
        "Adds lines to what stands on a list of numbers."
    ),
    list_lines!(
        "number-lists/{id}/remove",
        "remove_lines",
        number_list::remove_lines,
        "Takes lines off a list of numbers; what is not on it does no harm."
    ),
];

/// Every endpoint there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Endpoint> {
    TABLE.iter().chain(CONFIGURED.iter().copied().flatten()).chain(BESIDE)
}

/// What the table says of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointInfo {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path; `{id}` is an id.
    pub path: &'static str,
    /// Permission; `None` for everybody.
    pub permission: Option<&'static str>,
    /// The permission is not asked for on a listener of a loopback address.
    pub is_open_on_loopback: bool,
    /// How far it reaches for who has the permission: `rows` of his scope, a whole `tenant`, the
    /// `host`, or the `caller` himself; empty for everybody.
    pub rule: &'static str,
    /// It takes a body.
    pub takes_body: bool,
    /// It must have a key in `Idempotency-Key`.
    pub needs_key: bool,
    /// It heeds such a key; where this is false, one is refused.
    pub takes_key: bool,
    /// Media types that its body may have, where it takes one.
    pub media: &'static [&'static str],
    /// It takes a version in `If-Match`.
    pub needs_version: bool,
    /// Audiences with the names of the views that they are shown; empty when all see one.
    pub views: &'static [(&'static str, &'static str)],
    /// What it is for.
    pub summary: &'static str,
}

/// All endpoints, for documents and tests.
pub fn endpoints() -> impl Iterator<Item = EndpointInfo> {
    all().map(|endpoint| {
        let (permission, rule, is_open_on_loopback) = match &endpoint.access {
            Access::Open(_) | Access::Stranger(_) => (None, "", true),
            Access::Local(permission, _) => (Some(permission.0), Rule::Host.name(), true),
            Access::Token(permission, rule, _) => (Some(permission.0), rule.name(), false),
        };
        EndpointInfo {
            method: endpoint.verb.name(),
            path: endpoint.path,
            permission,
            is_open_on_loopback,
            rule,
            takes_body: endpoint.body.is_some(),
            needs_key: endpoint.key == Key::Needed,
            takes_key: endpoint.key != Key::Refused,
            media: endpoint.media,
            needs_version: endpoint.needs_version,
            views: endpoint.views,
            summary: endpoint.summary,
        }
    })
}

/// The paths of the table, each with its endpoints.
pub(crate) fn paths() -> Vec<(&'static str, Vec<&'static Endpoint>)> {
    let mut paths: Vec<(&'static str, Vec<&'static Endpoint>)> = Vec::new();
    for endpoint in all() {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => paths.push((endpoint.path, vec![endpoint])),
        }
    }
    paths
}
