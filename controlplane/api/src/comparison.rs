//! What suppliers ask for what a price list of reference sells.

use crate::cursor;
use crate::dispatch::Context;
use crate::edit::seen;
use crate::import::name;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, MoneyView, price};
use std::collections::{BTreeMap, BTreeSet};
use strowger_import::{Offer, Rival, Supplier, rivals};
use strowger_model::{Currency, Digits, FX_ONE, Price, Tariff, TariffId, TariffKind};
use strowger_routing::{TariffDeck, World};
use strowger_store::Cell;

const LIST: &str = "comparisons";
/// The price list whose prefixes are compared.
pub(crate) static REFERENCE: Filter = Filter::id("reference", "reference");
/// Only prefixes below this one.
pub(crate) static PREFIX: Filter = Filter::number("prefix");

view! {
    /// What a supplier asks for the numbers of a prefix, per minute, in the currency of the
    /// reference.
    OfferView {
        /// The supplier's price list.
        tariff: Id,
        /// Its name.
        name: String,
        /// Its cheapest price for some of them.
        least: MoneyView,
        /// Its dearest: what a minute may cost at worst.
        most: MoneyView,
        /// Every one of them has a price; else only numbers of longer prefixes have.
        is_whole: bool,
    }
}

view! {
    /// A prefix of the reference, and what suppliers ask for it.
    ComparisonView {
        /// Called numbers.
        prefix: String,
        /// The name of the direction.
        destination: String,
        /// Price of the reference, per minute.
        reference: MoneyView,
        /// The list of the supplier whose dearest price is lowest, of those that price every
        /// number; null when there is none: a gap.
        best: Option<Id>,
        /// What it asks at worst.
        best_price: Option<MoneyView>,
        /// What the second best asks at worst.
        second_price: Option<MoneyView>,
        /// How much more that is.
        spread: Option<MoneyView>,
        /// What the best leaves of the reference; below zero it is dearer.
        left: Option<MoneyView>,
        /// What each asks, the cheapest first; suppliers without any price are left out.
        offers: Vec<OfferView>,
    }
}

fn wanted<'q>(cx: &'q Context, column: &str) -> Option<&'q Cell> {
    cx.query.wanted.iter().find(|wanted| wanted.column == column).map(|wanted| &wanted.value)
}

fn reference(cx: &Context) -> Result<TariffId, Problem> {
    match wanted(cx, "reference") {
        Some(Cell::Int(Some(id))) => Ok(TariffId(*id)),
        Some(Cell::Int(None) | Cell::Text(_)) | None => {
            Err(Problem::refused("reference", "is missing: which price list?"))
        }
    }
}

fn prefix(cx: &Context) -> Digits {
    match wanted(cx, "prefix") {
        Some(Cell::Text(Some(text))) => Digits::parse(text).unwrap_or(Digits::EMPTY),
        Some(Cell::Text(None) | Cell::Int(_)) | None => Digits::EMPTY,
    }
}

/// Prefixes of a page of the reference, and what of a supplier's deck matters for them: prices of
/// prefixes around and below.
struct Part {
    own: BTreeMap<Digits, Price>,
    around: BTreeSet<Digits>,
}

impl Part {
    fn new(own: BTreeMap<Digits, Price>) -> Part {
        let cut = |code: &Digits, len: usize| Digits::parse(code.as_str().get(..len)?).ok();
        let all = |code: &Digits| {
            let code = *code;
            (0..=code.len()).filter_map(move |len| cut(&code, len)).collect::<Vec<_>>()
        };
        let around = own.keys().flat_map(all).collect();
        Part { own, around }
    }

    fn matters(&self, code: &Digits) -> bool {
        let below = || {
            let before = self.own.range(..=code).next_back();
            before.is_some_and(|(outer, _)| self.has_outer(code, outer))
        };
        self.around.contains(code) || below()
    }

    /// Whether a prefix of the page is one of `code`. The nearest one before it in order of digits,
    /// or one around that, is.
    fn has_outer(&self, code: &Digits, nearest: &Digits) -> bool {
        let shared = code.as_bytes().iter().zip(nearest.as_bytes()).take_while(|(a, b)| a == b);
        let shared = shared.count();
        let cut = |len: usize| Digits::parse(code.as_str().get(..len)?).ok();
        (0..=shared).filter_map(cut).any(|outer| self.own.contains_key(&outer))
    }

    fn of(
        &self,
        deck: &TariffDeck,
        world: &World,
        at_us: i64,
        rate: i64,
    ) -> BTreeMap<Digits, Price> {
        let all = deck.prices_at(at_us, world.dictionary());
        let mine = all.filter(|(code, _)| self.matters(code));
        mine.map(|(code, price)| (code, exchanged(price, rate))).collect()
    }
}

fn exchanged(price: Price, rate: i64) -> Price {
    let units = i128::from(price.0).saturating_mul(i128::from(rate)) / i128::from(FX_ONE);
    Price(i64::try_from(units).unwrap_or(i64::MAX))
}

/// What is asked for.
struct Asked {
    reference: Tariff,
    prefix: Digits,
    after: Option<Digits>,
    at_us: i64,
    rows: usize,
}

/// A list of a supplier, and its prices as far as they matter.
struct Seller {
    id: TariffId,
    name: String,
    prices: BTreeMap<Digits, Price>,
}

fn compared(world: &World, asked: &Asked) -> (Vec<Rival>, Vec<Seller>) {
    let of = &asked.reference;
    let (Some(deck), Some(tenant)) = (world.tariff(of.id), world.tenant(of.tenant)) else {
        return (Vec::new(), Vec::new());
    };
    let own = deck.prices_at(asked.at_us, world.dictionary());
    let own = own.filter(|(code, _)| {
        code.has_prefix(&asked.prefix) && asked.after.is_none_or(|after| *code > after)
    });
    let own: BTreeMap<Digits, Price> = own.collect();
    let part = Part::new(own.into_iter().take(asked.rows).collect());
    let lists = world.tariffs().filter(|list| {
        list.tenant == of.tenant && list.kind == TariffKind::Supplier && list.id != of.id
    });
    let seller = |list: &Tariff| {
        let exchange = world.exchange(tenant, list.currency, of.currency, asked.at_us)?;
        let deck = world.tariff(list.id)?;
        let prices = part.of(deck, world, asked.at_us, exchange.rate());
        Some(Seller { id: list.id, name: list.name.clone(), prices })
    };
    let sellers: Vec<Seller> = lists.filter_map(seller).collect();
    let suppliers: Vec<Supplier<'_>> =
        sellers.iter().map(|s| Supplier { name: &s.name, prices: &s.prices }).collect();
    (rivals(&part.own, &suppliers), sellers)
}

fn shown(
    rival: &Rival,
    sellers: &[Seller],
    currency: Currency,
    destination: String,
) -> ComparisonView {
    let money = |units: i64| price(Price(units), currency);
    let mut offers: Vec<(&Seller, Offer)> =
        sellers.iter().zip(&rival.offers).filter_map(|(s, offer)| Some((s, (*offer)?))).collect();
    offers.sort_by_key(|(_, offer)| (!offer.is_whole, offer.most));
    let mut whole = offers.iter().filter(|(_, offer)| offer.is_whole);
    let (first, second) = (whole.next(), whole.next());
    let most = |found: Option<&(&Seller, Offer)>| found.map(|(_, offer)| offer.most.0);
    let (best, next) = (most(first), most(second));
    ComparisonView {
        prefix: rival.code.to_string(),
        destination,
        reference: money(rival.reference.0),
        best: first.map(|(seller, _)| seller.id.into()),
        best_price: best.map(money),
        second_price: next.map(money),
        spread: best.zip(next).map(|(best, next)| money(next.saturating_sub(best))),
        left: best.map(|best| money(rival.reference.0.saturating_sub(best))),
        offers: offers
            .into_iter()
            .map(|(seller, offer)| OfferView {
                tariff: seller.id.into(),
                name: seller.name.clone(),
                least: money(offer.least.0),
                most: money(offer.most.0),
                is_whole: offer.is_whole,
            })
            .collect(),
    }
}

/// `GET /comparisons`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<ComparisonView>>, Problem> {
    let after: Option<String> = cursor::decode(LIST, cx.query.next.as_deref())?;
    let after = after.map(|text| Digits::parse(&text).map_err(|_| cursor::no_cursor()));
    let reference = reference(&cx)?;
    let row = cx.api.reader.row::<Tariff>(cx.caller.scope, reference.0).await?;
    let asked = Asked {
        reference: row.ok_or_else(Problem::not_found)?,
        prefix: prefix(&cx),
        after: after.transpose()?,
        at_us: cx.query.at_us.unwrap_or_else(|| cx.api.now_us()),
        rows: cx.rows(),
    };
    let (world, limit) = (seen(&cx.api).await?, cx.query.limit);
    // Many lists are gone through: one at a time.
    let _turn = cx.api.decks.turn().await?;
    let work = move || {
        let (rivals, sellers) = compared(&world, &asked);
        let Tariff { tenant, currency, .. } = asked.reference;
        let view =
            |rival: &Rival| shown(rival, &sellers, currency, name(&world, tenant, &rival.code));
        Page::cut(rivals, limit, view, |rival| cursor::encode(LIST, rival.code.as_str()))
    };
    let page = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())?;
    Ok(Json(page))
}
