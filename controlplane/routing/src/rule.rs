//! Rules about calls, compiled: conditions in CEL, a closed set of actions (spec RULE-01).
//!
//! Compiled once, when a row enters a world. A stage of a tenant is an index: by what a condition
//! needs of one field (an account, a trunk, the beginning of the called number) rules are found
//! that may work on a call, so that thousands of rules do not cost each call thousands of looks.
//! Carried out they are in `decide/rule.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strowger_condition::{BadExpression, Env, Expression, Field, Kind, Need, Schema, Trouble};
use strowger_model::{
    NUMBER_MAX, RULE_ACTIONS_MAX, RULES_MAX, Rule, RuleDeed, RuleId, RuleStage, TenantId,
};

/// Fields of a call, in the order in which they become known.
pub(crate) const FIELDS: &[(&str, Kind)] = &[
    ("called", Kind::Text),
    ("received", Kind::Text),
    ("from", Kind::Text),
    ("source", Kind::Text),
    ("weekday", Kind::Int),
    ("hour", Kind::Int),
    ("minute", Kind::Int),
    ("caller", Kind::Text),
    ("account", Kind::Int),
    ("organization", Kind::Int),
    ("subscriber", Kind::Int),
    ("trunk", Kind::Int),
    ("country", Kind::Text),
    ("class", Kind::Text),
    ("local", Kind::Flag),
    ("to_trunk", Kind::Int),
    ("dialled", Kind::Text),
];

/// The fields that are known at a stage.
const fn known(stage: RuleStage) -> usize {
    match stage {
        RuleStage::Received => 7,
        RuleStage::Known => 12,
        RuleStage::Routing => 15,
        RuleStage::Routed => 17,
    }
}

const _: () = assert!(known(RuleStage::Routed) == FIELDS.len());

/// The values of a call's fields. What is not known yet is empty, and no rule asks for it.
#[derive(Clone, Default, Debug)]
pub(crate) struct CallFields {
    pub(crate) called: String,
    pub(crate) received: String,
    pub(crate) from: String,
    pub(crate) source: String,
    pub(crate) weekday: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) caller: String,
    pub(crate) account: i64,
    pub(crate) organization: i64,
    pub(crate) subscriber: i64,
    pub(crate) trunk: i64,
    pub(crate) country: String,
    pub(crate) class: &'static str,
    pub(crate) local: bool,
    pub(crate) to_trunk: i64,
    pub(crate) dialled: String,
}

impl Env for CallFields {
    fn flag(&self, _: Field) -> bool {
        self.local
    }

    fn int(&self, field: Field) -> i64 {
        match field {
            4 => self.weekday,
            5 => self.hour,
            6 => self.minute,
            8 => self.account,
            9 => self.organization,
            10 => self.subscriber,
            11 => self.trunk,
            15 => self.to_trunk,
            _ => 0,
        }
    }

    fn text(&self, field: Field) -> &str {
        match field {
            0 => &self.called,
            1 => &self.received,
            2 => &self.from,
            3 => &self.source,
            7 => &self.caller,
            12 => &self.country,
            13 => self.class,
            16 => &self.dialled,
            _ => "",
        }
    }
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Refuse(u16),
    SetCalled(Expression),
    SetDialled(Expression),
    SetCaller(Expression),
    Skip,
    Redirect(Expression),
}

/// A rule ready to work.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) row: Rule,
    pub(crate) deeds: Vec<Deed>,
    condition: Expression,
}

impl Compiled {
    /// Whether the rule works on such a call.
    pub(crate) fn works(&self, fields: &CallFields) -> Result<bool, Trouble> {
        self.condition.flag(fields)
    }
}

/// What is wrong with a rule, and in which member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}")]
pub struct BadRule {
    /// The member, for example `actions[1].value`.
    pub at: String,
    /// What is wrong with it.
    pub why: String,
}

fn bad(at: impl Into<String>, why: impl Into<String>) -> BadRule {
    BadRule { at: at.into(), why: why.into() }
}

fn compile(row: &Rule) -> Result<Compiled, BadRule> {
    let schema = Schema { fields: FIELDS, known: known(row.stage) };
    let expression = |at: String, text: &str, kind| {
        let compiled = Expression::compile(text, schema, kind);
        compiled.map_err(|error: BadExpression| bad(at, error.to_string()))
    };
    let condition = expression("condition".to_owned(), &row.condition, Kind::Flag)?;
    if row.actions.len() > RULE_ACTIONS_MAX {
        return Err(bad("actions", format!("has more than {RULE_ACTIONS_MAX} entries")));
    }
    let deed = |(at, action): (usize, &strowger_model::RuleAction)| {
        let at = |member: &str| format!("actions[{at}].{member}");
        let value = || expression(at("value"), &action.value, Kind::Text);
        let is_routed = row.stage == RuleStage::Routed;
        let fits = match action.does {
            RuleDeed::SetCalled => !is_routed,
            RuleDeed::SetDialled | RuleDeed::Skip => is_routed,
            RuleDeed::SetCaller => row.stage != RuleStage::Received,
            RuleDeed::Refuse | RuleDeed::Redirect => !is_routed,
        };
        if !fits {
            return Err(bad(at("does"), "cannot be done at this stage"));
        }
        let sets = !matches!(action.does, RuleDeed::Refuse | RuleDeed::Skip);
        if !sets && !action.value.is_empty() {
            return Err(bad(at("value"), "is for actions that set something"));
        }
        let refuses = action.does == RuleDeed::Refuse;
        if refuses != (400..700).contains(&action.status) || !refuses && action.status != 0 {
            return Err(bad(at("status"), "is 400 to 699 to refuse, and 0 otherwise"));
        }
        Ok(match action.does {
            RuleDeed::Refuse => Deed::Refuse(action.status),
            RuleDeed::SetCalled => Deed::SetCalled(value()?),
            RuleDeed::SetDialled => Deed::SetDialled(value()?),
            RuleDeed::SetCaller => Deed::SetCaller(value()?),
            RuleDeed::Skip => Deed::Skip,
            RuleDeed::Redirect => Deed::Redirect(value()?),
        })
    };
    let deeds = row.actions.iter().enumerate().map(deed).collect::<Result<_, _>>()?;
    Ok(Compiled { row: row.clone(), deeds, condition })
}

/// All rules, by tenant and stage.
#[derive(Clone, Default, Debug)]
pub struct Rules {
    all: BTreeMap<RuleId, Arc<Compiled>>,
    /// How many each tenant has.
    counts: BTreeMap<TenantId, usize>,
    stages: BTreeMap<(TenantId, RuleStage), Arc<Stage>>,
}

impl Rules {
    /// All rules in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.values().map(|compiled| &compiled.row)
    }

    /// A rule.
    #[must_use]
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.all.get(&id).map(|compiled| &compiled.row)
    }

    /// Whether there is none at any stage, so that nobody has to be asked whose they would be.
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The rules of a stage; `None` when there are none, which costs nothing.
    pub(crate) fn stage(&self, tenant: TenantId, stage: RuleStage) -> Option<&Stage> {
        self.stages.get(&(tenant, stage)).map(Arc::as_ref)
    }

    /// Takes a rule in; [`Rules::index`] must follow for its tenant.
    pub(crate) fn put(&mut self, row: &Rule) -> Result<(), BadRule> {
        let compiled = compile(row)?;
        if let Some(old) = self.all.insert(row.id, Arc::new(compiled)) {
            self.uncount(old.row.tenant);
        }
        let count = self.counts.entry(row.tenant).or_default();
        *count += 1;
        if *count > RULES_MAX {
            return Err(bad("tenant", format!("has more than {RULES_MAX} rules")));
        }
        Ok(())
    }

    /// Takes a rule out, and it works no more.
    pub(crate) fn remove(&mut self, id: RuleId) {
        if let Some(old) = self.all.remove(&id) {
            self.uncount(old.row.tenant);
            self.index(&BTreeSet::from([old.row.tenant]));
        }
    }

    fn uncount(&mut self, tenant: TenantId) {
        if let Some(count) = self.counts.get_mut(&tenant) {
            *count = count.saturating_sub(1);
        }
    }

    /// Makes the stages of these tenants again, all of them in one walk.
    pub(crate) fn index(&mut self, tenants: &BTreeSet<TenantId>) {
        self.stages.retain(|(of, _), _| !tenants.contains(of));
        let mut stages: BTreeMap<(TenantId, RuleStage), Vec<Arc<Compiled>>> = BTreeMap::new();
        for rule in self.all.values() {
            let Rule { tenant, stage, enabled, .. } = rule.row;
            if enabled && tenants.contains(&tenant) {
                stages.entry((tenant, stage)).or_default().push(Arc::clone(rule));
            }
        }
        for (place, mut rules) in stages {
            rules.sort_by_key(|rule| (rule.row.position, rule.row.id));
            self.stages.insert(place, Arc::new(Stage::of(rules)));
        }
    }
}

/// The rules of one stage of one tenant, in order.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    rules: Vec<Arc<Compiled>>,
    /// Places of those that need nothing of a single field.
    always: Vec<usize>,
    ints: BTreeMap<Field, BTreeMap<i64, Vec<usize>>>,
    texts: BTreeMap<Field, BTreeMap<String, Vec<usize>>>,
    begins: BTreeMap<Field, Beginnings>,
}

/// Rules by what a text must begin with.
#[derive(Debug, Default)]
struct Beginnings {
    /// Bit n: one of n bytes is looked for.
    lengths: u64,
    places: BTreeMap<String, Vec<usize>>,
}

/// Longest beginning that is looked for by itself, bytes.
const BEGINNING_MAX: usize = 63;
const _: () = assert!(NUMBER_MAX < BEGINNING_MAX);

impl Stage {
    fn of(rules: Vec<Arc<Compiled>>) -> Stage {
        let mut stage = Stage::default();
        for (at, rule) in rules.iter().enumerate() {
            match best(rule.condition.needs()) {
                Some(Need::Int(field, value)) => {
                    stage.ints.entry(field).or_default().entry(value).or_default().push(at);
                }
                Some(Need::Text(field, value)) => {
                    let texts = stage.texts.entry(field).or_default();
                    texts.entry(value.to_owned()).or_default().push(at);
                }
                Some(Need::Begins(field, value)) => {
                    let begins = stage.begins.entry(field).or_default();
                    begins.lengths |= 1 << value.len();
                    begins.places.entry(value.to_owned()).or_default().push(at);
                }
                None => stage.always.push(at),
            }
        }
        stage.rules = rules;
        stage
    }

    /// The next rule from a place on that may work on such a call, and its place.
    pub(crate) fn next(&self, from: usize, fields: &CallFields) -> Option<(usize, &Compiled)> {
        let first =
            |places: &Vec<usize>| places.get(places.partition_point(|at| *at < from)).copied();
        let ints = self.ints.iter().filter_map(|(field, map)| map.get(&fields.int(*field)));
        let texts = self.texts.iter().filter_map(|(field, map)| map.get(fields.text(*field)));
        let begins = self.begins.iter().flat_map(|(field, map)| map.of(fields.text(*field)));
        let places = [&self.always].into_iter().chain(ints).chain(texts).chain(begins);
        let at = places.filter_map(first).min()?;
        self.rules.get(at).map(|rule| (at, rule.as_ref()))
    }

    /// How many rules it has.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.rules.len()
    }
}

impl Beginnings {
    fn of<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s Vec<usize>> {
        let lengths =
            (0..=text.len().min(BEGINNING_MAX)).filter(|len| self.lengths >> len & 1 == 1);
        lengths.filter_map(|len| self.places.get(text.get(..len)?))
    }
}

/// What finds a rule best: one value before a beginning, a long one before a short one.
fn best(needs: Vec<Need<'_>>) -> Option<Need<'_>> {
    let worth = |need: &Need<'_>| match need {
        Need::Int(..) | Need::Text(..) => Some(usize::MAX),
        Need::Begins(_, text) => (1..=BEGINNING_MAX).contains(&text.len()).then_some(text.len()),
    };
    needs.into_iter().filter(|need| worth(need).is_some()).max_by_key(worth)
}

#[cfg(test)]
mod tests;
