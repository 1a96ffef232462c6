//! The table of endpoints: router, OpenAPI document and the matrix of the tests are made of it.

use crate::dispatch::Context;
use crate::form::Form;
use crate::permission::Permission;
use crate::problem::Problem;
use crate::query::Parameter::{self, Account, From, Limit, Next, Until};
use crate::reply::{Accepted, Answer, Created, Document, Health, Json, MetricsText, Page, Respond};
use crate::shape::Components;
use crate::shared::Shared;
use crate::{
    account, allowance, call, cdr, health, money, registration, route_test, stranger, subscriber,
    trace, trunk,
};
use axum::http::Method;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;

/// Below this every path asks for a token, known or not.
pub(crate) const ROOT: &str = "/api/v1";

/// An answer that takes time.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;
/// The responses of an endpoint: status, description, media type, schema.
pub(crate) type Responses = Vec<(u16, &'static str, &'static str, Value)>;

/// Methods that endpoints have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    /// Reads; HEAD reads without the body.
    Get,
    /// Does.
    Post,
}

impl Verb {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
        }
    }

    /// Value of `Allow`.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Verb::Get => "GET, HEAD",
            Verb::Post => "POST",
        }
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Verb::Get => method == Method::GET || method == Method::HEAD,
            Verb::Post => method == Method::POST,
        }
    }
}

/// Who may, and what is done.
pub(crate) enum Access {
    /// Everybody.
    Open(fn(Arc<Shared>) -> Pending),
    /// Everybody on a listener of a loopback address, else a token with the permission.
    Local(Permission, fn(Arc<Shared>) -> Pending),
    /// A token with the permission.
    Token(Permission, fn(Context) -> Pending),
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
    /// The body that it takes.
    pub(crate) body: Option<fn(&mut Components) -> Value>,
    /// A key in `Idempotency-Key` makes the request count once: money moves.
    pub(crate) needs_key: bool,
    pub(crate) summary: &'static str,
    pub(crate) responses: fn(&mut Components) -> Responses,
}

/// Rows of the table. The type of the reply stands in the row and is the type that the function
/// returns, so that the document cannot say anything else than what is sent.
macro_rules! endpoints {
    ($(
        $access:ident $(($permission:literal))? $verb:ident $path:literal [$($parameter:expr),*]
        $module:ident :: $function:ident $(($form:ty))? -> $reply:ty, $summary:literal;
    )+) => {
        &[$(Endpoint {
            verb: Verb::$verb,
            path: $path,
            name: concat!(stringify!($module), ".", stringify!($function)),
            access: Access::$access($(Permission($permission),)? |given| {
                Box::pin(async move {
                    let reply: $reply =
                        $module::$function($(<$form as Form>::read(&given)?,)? given).await?;
                    reply.respond()
                })
            }),
            parameters: &[$($parameter),*],
            body: forms!($($form)?),
            needs_key: keys!($($form)?),
            summary: $summary,
            responses: <$reply as Respond>::describe,
        }),+]
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
        false
    };
    ($form:ty) => {
        <$form as Form>::NEEDS_KEY
    };
}

/// Every endpoint.
#[rustfmt::skip]
pub(crate) static TABLE: &[Endpoint] = endpoints! {
    Open Get "/healthz" []
        health::alive -> Json<health::AliveView>, "Whether the process lives.";
    Open Get "/readyz" []
        health::ready -> Health<health::ReadyView>, "Whether calls can be placed; what is missing.";
    Local("metrics:read") Get "/metrics" []
        health::metrics -> MetricsText, "Metrics for Prometheus.";
    Token("api:read") Get "/api/v1/openapi.json" []
        health::document -> Document, "This document.";
    Token("cdrs:read") Get "/api/v1/cdrs" [From, Until, Account, Limit, Next]
        cdr::list -> Json<Page<cdr::CdrView>>, "Call detail records, newest first.";
    Token("cdrs:read") Get "/api/v1/cdrs/{id}" []
        cdr::one -> Json<cdr::CdrView>, "One call detail record.";
    Token("cdrs:read") Get "/api/v1/cdrs/{id}/trace" []
        trace::of_record -> Json<trace::TraceView>,
        "Why a call was decided as it was, and what became of it.";
    Token("calls:read") Get "/api/v1/calls" [Limit, Next]
        call::list -> Json<Page<call::CallView>>, "Running calls.";
    Token("calls:read") Get "/api/v1/calls/{id}" []
        call::one -> Json<call::CallView>, "One running call.";
    Token("calls:hangup") Post "/api/v1/calls/{id}/hangup" []
        call::hangup -> Accepted<call::HangupView>, "Ends a running call.";
    Token("calls:read") Get "/api/v1/calls/{id}/trace" []
        trace::of_call -> Json<trace::TraceView>,
        "Why a call was decided as it was, by its number; running calls too.";
    Token("registrations:read") Get "/api/v1/registrations" [Limit, Next]
        registration::list -> Json<Page<registration::RegistrationView>>, "Registered contacts.";
    Token("subscribers:read") Get "/api/v1/subscribers" [Limit, Next]
        subscriber::list -> Json<Page<subscriber::SubscriberView>>, "Subscribers.";
    Token("subscribers:read") Get "/api/v1/subscribers/{id}" []
        subscriber::one -> Json<subscriber::SubscriberView>, "One subscriber.";
    Token("trunks:read") Get "/api/v1/trunks" [Limit, Next]
        trunk::list -> Json<Page<trunk::TrunkView>>, "Trunks.";
    Token("trunks:read") Get "/api/v1/trunks/{id}" []
        trunk::one -> Json<trunk::TrunkView>, "One trunk.";
    Token("accounts:read") Get "/api/v1/accounts" [Limit, Next]
        account::list -> Json<Page<account::AccountView>>, "Accounts with their balances.";
    Token("accounts:read") Get "/api/v1/accounts/{id}" []
        account::one -> Json<account::AccountView>, "One account with its balance.";
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
    Token("route-tests:write") Post "/api/v1/route-tests" []
        route_test::run(route_test::RouteTestForm) -> Json<route_test::RouteTestView>,
        "What would become of a call, now or at a time: nothing rings, and nobody pays.";
    Token("statistics:read") Get "/api/v1/statistics/strangers" [Limit]
        stranger::list -> Json<Page<stranger::StrangerView>>,
        "Attempts of unknown senders in the last hour, by minute and source.";
};

/// What the table says of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointInfo {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path; `{id}` is an id.
    pub path: &'static str,
    /// Permission; `None` for everybody.
    pub permission: Option<&'static str>,
    /// The permission is not asked for on a listener of a loopback address.
    pub is_open_on_loopback: bool,
    /// It takes a body.
    pub takes_body: bool,
    /// It takes a key in `Idempotency-Key`.
    pub takes_key: bool,
    /// What it is for.
    pub summary: &'static str,
}

/// All endpoints, for documents and tests.
pub fn endpoints() -> impl Iterator<Item = EndpointInfo> {
    TABLE.iter().map(|endpoint| {
        let (permission, is_open_on_loopback) = match &endpoint.access {
            Access::Open(_) => (None, true),
            Access::Local(permission, _) => (Some(permission.0), true),
            Access::Token(permission, _) => (Some(permission.0), false),
        };
        EndpointInfo {
            method: endpoint.verb.name(),
            path: endpoint.path,
            permission,
            is_open_on_loopback,
            takes_body: endpoint.body.is_some(),
            takes_key: endpoint.needs_key,
            summary: endpoint.summary,
        }
    })
}

/// The paths of the table, each with its endpoints.
pub(crate) fn paths() -> Vec<(&'static str, Vec<&'static Endpoint>)> {
    let mut paths: Vec<(&'static str, Vec<&'static Endpoint>)> = Vec::new();
    for endpoint in TABLE {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => paths.push((endpoint.path, vec![endpoint])),
        }
    }
    paths
}
