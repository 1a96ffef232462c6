//! What a supplier's new prices leave of what is sold by way of it.

use super::preview::{Preview, previewed};
use crate::cursor;
use crate::dispatch::Context;
use crate::edit::seen;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, MoneyView, Time, price};
use std::collections::{BTreeMap, BTreeSet};
use strowger_import::{Sold, sold};
use strowger_model::{Digits, FX_ONE, Price, Tariff, TariffId, TariffKind, TenantId};
use strowger_routing::{TariffDeck, World};

const LIST: &str = "deck-margins";
/// Millionths of a whole.
const PPM: i128 = 1_000_000;

view! {
    /// A price list that is sold by way of a supplier.
    DeckSellingView {
        /// Which.
        tariff: Id,
        /// Its name.
        name: String,
        /// Its currency has no exchange rate then: nothing can be said.
        is_unknown: bool,
        /// Prefixes that are sold and bought.
        sold: u64,
        /// Of those, sold below what they cost then.
        at_loss: u64,
        /// Of those, not sold below it before.
        turned_to_loss: u64,
    }
}

view! {
    /// A prefix that is sold below what it costs.
    DeckLossView {
        /// The price list that sells it.
        tariff: Id,
        /// Called numbers.
        prefix: String,
        /// The name of the direction.
        destination: String,
        /// What it is sold at, per minute, in the supplier's currency, without tax.
        sale: MoneyView,
        /// What it cost before; null when it could not be bought.
        before: Option<MoneyView>,
        /// What it costs then.
        after: MoneyView,
        /// What is left of a minute, below zero.
        left: MoneyView,
        /// It was not sold below what it cost before.
        is_new: bool,
    }
}

view! {
    /// What a supplier's file does to margins: prices per minute, without tax, fees, minimums and
    /// discounts, of prefixes that routes lead to the supplier.
    DeckMarginsView {
        /// The moment of the prices.
        at: Time,
        /// Every price list for customers of the tenant.
        tariffs: Vec<DeckSellingView>,
        /// What is sold below what it costs then, by list and prefix.
        losses: Page<DeckLossView>,
    }
}

/// Prefixes of routes that lead to trunks with a tariff.
struct Routed(BTreeSet<Digits>);

impl Routed {
    fn of(world: &World, tenant: TenantId, tariff: TariffId) -> Routed {
        let is_its = |id| {
            let egress = world.trunk(id).and_then(|trunk| trunk.egress.as_ref());
            egress.is_some_and(|egress| egress.tariff == Some(tariff))
        };
        let routes = world.routes_of(tenant);
        let routes = routes.filter(|route| route.targets.iter().any(|t| is_its(t.trunk)));
        Routed(routes.flat_map(|r| r.more_prefixes.iter().copied().chain([r.prefix])).collect())
    }

    /// Whether some number of a prefix is routed.
    fn leads(&self, code: &Digits) -> bool {
        let cut = |len: usize| Digits::parse(code.as_str().get(..len)?).ok();
        let mut outer = (0..=code.len()).filter_map(cut);
        outer.any(|prefix| self.0.contains(&prefix))
            || self.0.range(code..).next().is_some_and(|inner| inner.has_prefix(code))
    }
}

/// A price without tax, in another currency.
fn net(price: Price, tariff: &Tariff, rate: i64) -> Price {
    let vat = if tariff.vat_included { i128::from(tariff.vat_ppm) } else { 0 };
    let gross = i128::from(price.0).saturating_mul(i128::from(rate));
    let net = gross.saturating_mul(PPM) / (PPM.saturating_add(vat)) / i128::from(FX_ONE);
    Price(i64::try_from(net).unwrap_or(i64::MAX))
}

/// The prices of a list at a moment, without tax.
fn prices(deck: &TariffDeck, world: &World, at_us: i64, rate: i64) -> BTreeMap<Digits, Price> {
    let all = deck.prices_at(at_us, world.dictionary());
    all.map(|(code, price)| (code, net(price, deck.tariff(), rate))).collect()
}

/// A list that sells, and what it sells at a loss.
struct Selling {
    id: i64,
    view: DeckSellingView,
    losses: Vec<Sold>,
}

fn selling(world: &World, preview: &Preview) -> Vec<Selling> {
    let (bought, at_us) = (&preview.tariff, preview.at_us);
    let Some(tenant) = world.tenant(bought.tenant) else { return Vec::new() };
    let routed = Routed::of(world, tenant.id, bought.id);
    let own = |prices: BTreeMap<Digits, Price>| -> BTreeMap<Digits, Price> {
        prices.into_iter().map(|(code, price)| (code, net(price, bought, FX_ONE))).collect()
    };
    let before = own(preview.standing.iter().map(|(code, s)| (*code, s.dearest())).collect());
    let after = own(preview.comparison.after(&preview.standing));
    let lists = world.tariffs().filter(|tariff| tariff.tenant == tenant.id);
    let lists = lists.filter(|tariff| tariff.kind == TariffKind::Customer);
    let one = |tariff: &Tariff| {
        let exchange = world.exchange(tenant, tariff.currency, bought.currency, at_us);
        let deck = world.tariff(tariff.id)?;
        let mut view = DeckSellingView {
            tariff: tariff.id.into(),
            name: tariff.name.clone(),
            is_unknown: exchange.is_none(),
            sold: 0,
            at_loss: 0,
            turned_to_loss: 0,
        };
        let sale = exchange.map(|exchange| prices(deck, world, at_us, exchange.rate()));
        let sale = sale.unwrap_or_default();
        let mut losses = Vec::new();
        for sold in sold(&sale, &before, &after) {
            if sold.left().is_none() || !routed.leads(&sold.code) {
                continue;
            }
            view.sold = view.sold.saturating_add(1);
            if sold.is_at_loss() {
                view.at_loss = view.at_loss.saturating_add(1);
                view.turned_to_loss += u64::from(sold.turns_to_loss());
                losses.push(sold);
            }
        }
        Some(Selling { id: tariff.id.0, view, losses })
    };
    lists.filter_map(one).collect()
}

/// `GET /imports/{id}/margins`
pub(crate) async fn margins(cx: Context) -> Result<Json<DeckMarginsView>, Problem> {
    let after: Option<(i64, String)> = cursor::decode(LIST, cx.query.next.as_deref())?;
    let (_, preview) = previewed(&cx).await?;
    let world = seen(&cx.api).await?;
    let (rows, limit) = (cx.rows(), cx.query.limit);
    let work = move || {
        let all = selling(&world, &preview);
        let (tenant, currency) = (preview.tariff.tenant, preview.tariff.currency);
        let losses = all.iter().flat_map(|list| list.losses.iter().map(move |loss| (list, loss)));
        let is_behind = |(list, loss): &(&Selling, &Sold)| {
            let key = (list.id, loss.code.as_str());
            after.as_ref().is_none_or(|(other, code)| key > (*other, code.as_str()))
        };
        let page: Vec<(&Selling, &Sold)> = losses.filter(is_behind).take(rows).collect();
        let money = |units| price(Price(units), currency);
        let view = |(list, loss): &(&Selling, &Sold)| DeckLossView {
            tariff: list.view.tariff,
            prefix: loss.code.to_string(),
            destination: name(&world, tenant, &loss.code),
            sale: money(loss.sale.unwrap_or_default().0),
            before: loss.before.map(|before| money(before.0)),
            after: money(loss.after.unwrap_or_default().0),
            left: money(loss.left().unwrap_or_default()),
            is_new: loss.turns_to_loss(),
        };
        let key =
            |(list, loss): &(&Selling, &Sold)| cursor::encode(LIST, (list.id, loss.code.as_str()));
        let losses = Page::cut(page, limit, view, key);
        let at = Time(preview.at_us);
        DeckMarginsView { at, tariffs: all.into_iter().map(|list| list.view).collect(), losses }
    };
    let view = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())?;
    Ok(Json(view))
}

/// The name of the direction of a prefix.
pub(crate) fn name(world: &World, tenant: TenantId, code: &Digits) -> String {
    let found = world.destination(tenant, &world.chain(code));
    found.map_or_else(String::new, |destination| destination.name.clone())
}
