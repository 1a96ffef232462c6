//! Rules of a tenant at the four stages of a call (spec NUM-DIAL-01, RULE-01).
//!
//! Calls to emergency numbers pass all of them by: what is an emergency number before a rule is
//! never handed to one. A rule whose values do not allow its condition or its value to be said
//! does nothing, and the trace says so, as the source's hook that failed had no effect.

use super::called::{Called, Party};
use super::sender::{Sender, Who};
use super::{Attempt, Stop, tenant_named};
use crate::limits::{CALLED_MAX, FOREIGN_URI_MAX};
use crate::refusal::Refusal;
use crate::rule::{CallFields, Deed};
use crate::trace::Step;
use crate::uri::SipUri;
use core::cell::OnceCell;
use strowger_billing::Settlement;
use strowger_link::{Branch, HeaderField, Octets};
use strowger_model::{Digits, RuleStage, Tenant, TenantId, TrunkId};
use strowger_numbering::Ranges;

/// What rules of a stage made of a call.
#[derive(Default)]
struct Made {
    called: Option<String>,
    dialled: Option<String>,
    caller: Option<String>,
}

/// Why rules end before a call.
enum Ended {
    Refused(u16),
    Redirected(String),
    Skipped,
}

impl<'a> Attempt<'a> {
    /// Stage 1: nothing is known but the request.
    pub(super) fn rules_received(&mut self) -> Result<(), Stop> {
        if self.world.rules().is_empty() {
            return Ok(());
        }
        let Some(tenant) = self.tenant_asked() else { return Ok(()) };
        if !self.has_rules(tenant.id, RuleStage::Received) {
            return Ok(());
        }
        let call = self.call;
        let said = if call.called.is_empty() { &call.to_user } else { &call.called };
        let own = self.text_of_trunk(said);
        if self.is_help(tenant, said) || own.is_some_and(|own| self.is_help(tenant, &own)) {
            return Ok(());
        }
        let mut fields = self.fields_received(tenant, said);
        let made = match self.work(tenant.id, RuleStage::Received, &mut fields) {
            Ok(made) => made,
            Err(ended) => {
                // A peer's call leaves a record, a stranger's does not.
                if self.ask.hints.trunk.is_some() {
                    self.known = Some(Settlement::free(tenant.id));
                }
                return Err(self.ended(ended));
            }
        };
        self.called = made.called;
        Ok(())
    }

    /// Stage 2: it is known who calls.
    pub(super) fn rules_known(&mut self, sender: &Sender<'a>) -> Result<(), Stop> {
        let tenant = sender.tenant;
        if !self.has_rules(tenant.id, RuleStage::Known) {
            return Ok(());
        }
        let said = self.received(sender);
        let own = self.own_text(sender, &said);
        if own.is_some_and(|own| self.is_help(tenant, &own)) {
            return Ok(());
        }
        let mut fields = self.fields_known(sender, &said);
        let made = self.work(tenant.id, RuleStage::Known, &mut fields);
        let made = made.map_err(|ended| self.ended(ended))?;
        if made.called.is_some() {
            self.called = made.called;
        }
        self.call_as(sender, made.caller);
        Ok(())
    }

    /// Stage 3: the number is canonical. A number that rules changed is looked up again.
    pub(super) fn rules_routing(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
        party: Option<Party<'a>>,
    ) -> Result<(Called, Option<Party<'a>>), Stop> {
        let tenant = sender.tenant;
        if !self.has_rules(tenant.id, RuleStage::Routing) {
            return Ok((called, party));
        }
        let number = called.number.as_ref().map_or(called.text.as_str(), Digits::as_str);
        let mut fields = self.fields_known(sender, number);
        fields.local = party.is_some();
        range_of(&mut fields, called.number.ok());
        let made = self.work(tenant.id, RuleStage::Routing, &mut fields);
        let made = made.map_err(|ended| self.ended(ended))?;
        self.call_as(sender, made.caller);
        let Some(text) = made.called else { return Ok((called, party)) };
        let called = self.called_of(tenant, text);
        self.note_called(sender, &called);
        let looks = sender.settings.call.local_numbers;
        let party = self.find_local(tenant.id, sender.scope(), &called, looks);
        Ok((called, party))
    }

    /// Stage 4: a branch to a trunk; `false` leaves it out.
    pub(super) fn rules_routed(
        &mut self,
        sender: &Sender<'a>,
        (trunk, number): (TrunkId, &Digits),
        branch: &mut Branch,
    ) -> bool {
        let tenant = sender.tenant.id;
        if self.is_emergency || !self.has_rules(tenant, RuleStage::Routed) {
            return true;
        }
        let mut fields = self.fields_known(sender, number.as_str());
        range_of(&mut fields, Some(*number));
        fields.to_trunk = trunk.0;
        fields.dialled.clone_from(&branch.dialed);
        let Ok(made) = self.work(tenant, RuleStage::Routed, &mut fields) else { return false };
        if let Some(dialled) = made.dialled {
            branch.target.uri = super::hop::with_user(&branch.target.uri, &dialled);
            branch.dialed = dialled;
        }
        if let Some(caller) = made.caller.filter(|_| !branch.anonymous) {
            if branch.asserted.is_some() {
                branch.asserted = Some(caller.clone());
            }
            branch.from_user = caller;
        }
        true
    }

    fn has_rules(&self, tenant: TenantId, stage: RuleStage) -> bool {
        self.world.rules().stage(tenant, stage).is_some()
    }

    /// The tenant that a request is for, as far as that is known before its sender is.
    fn tenant_asked(&self) -> Option<&'a Tenant> {
        let world = self.world;
        let trunk = self.ask.hints.trunk.and_then(|id| world.trunk(TrunkId(id)));
        let of_trunk = trunk.and_then(|trunk| world.tenant(trunk.tenant));
        let realm = self.call.credentials.as_ref().map(|shown| shown.realm.as_str());
        let of_realm = || realm.and_then(|realm| world.tenant_of_realm(realm));
        of_trunk.or_else(of_realm).or_else(|| tenant_named(world, self.ask))
    }

    /// What a trunk's text is without its tech prefix, if it sends one.
    fn text_of_trunk(&self, said: &str) -> Option<String> {
        let id = TrunkId(self.ask.hints.trunk?);
        let trunk = self.world.sending_trunk(id, self.ask.hints.source, said)?;
        let ingress = trunk.ingress.as_ref()?;
        let own = said.strip_prefix(ingress.tech_prefix.as_ref()?.as_str())?;
        Some(ingress.called.apply(own))
    }

    fn is_help(&self, tenant: &Tenant, text: &str) -> bool {
        let called = self.called_of(tenant, text.to_owned());
        self.emergency_of(tenant.id, &called).is_some()
    }

    /// Carries out the rules of a stage in order; what one sets, the next sees.
    fn work(
        &mut self,
        tenant: TenantId,
        stage: RuleStage,
        fields: &mut CallFields,
    ) -> Result<Made, Ended> {
        let world = self.world;
        let mut made = Made::default();
        let Some(rules) = world.rules().stage(tenant, stage) else { return Ok(made) };
        let mut from = 0;
        while let Some((at, rule)) = rules.next(from, fields) {
            from = at + 1;
            let id = rule.row.id.0;
            match rule.works(fields) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => {
                    self.note(Step::RuleUnable { call_rule: id });
                    continue;
                }
            }
            self.note(Step::RuleHolds { call_rule: id });
            for deed in &rule.deeds {
                self.act(id, deed, fields, &mut made)?;
            }
            if rule.row.last {
                break;
            }
        }
        Ok(made)
    }

    fn act(
        &mut self,
        call_rule: i64,
        deed: &Deed,
        fields: &mut CallFields,
        made: &mut Made,
    ) -> Result<(), Ended> {
        let (value, step) = match deed {
            Deed::Refuse(status) => {
                self.note(Step::RuleRefuses { call_rule, sip: i64::from(*status) });
                return Err(Ended::Refused(*status));
            }
            Deed::Skip => {
                self.note(Step::RuleSkips { call_rule, trunk: fields.to_trunk });
                return Err(Ended::Skipped);
            }
            Deed::SetCalled(value) => (value, Step::RuleCalled { call_rule }),
            Deed::SetDialled(value) => {
                (value, Step::RuleDialled { call_rule, trunk: fields.to_trunk })
            }
            Deed::SetCaller(value) => (value, Step::RuleCaller { call_rule }),
            Deed::Redirect(value) => {
                let uri = value.text(fields).ok().filter(|uri| is_uri(uri));
                let Some(uri) = uri else {
                    self.note(Step::RuleUnable { call_rule });
                    return Ok(());
                };
                self.note(Step::RuleRefuses { call_rule, sip: 302 });
                return Err(Ended::Redirected(uri));
            }
        };
        let text = value.text(fields).ok().filter(|text| fits(text));
        let Some(text) = text else {
            self.note(Step::RuleUnable { call_rule });
            return Ok(());
        };
        self.note(step);
        let (field, kept) = match deed {
            Deed::SetCalled(_) => (&mut fields.called, &mut made.called),
            Deed::SetDialled(_) => (&mut fields.dialled, &mut made.dialled),
            Deed::SetCaller(_) => (&mut fields.caller, &mut made.caller),
            Deed::Refuse(_) | Deed::Skip | Deed::Redirect(_) => return Ok(()),
        };
        field.clone_from(&text);
        *kept = Some(text);
        Ok(())
    }

    fn ended(&mut self, ended: Ended) -> Stop {
        match ended {
            Ended::Refused(status) => Stop::Refuse(Refusal::Rule(status)),
            Ended::Redirected(uri) => {
                let value = Octets(format!("<{uri}>").into_bytes());
                Stop::Redirect(vec![HeaderField { name: "Contact".to_owned(), value }])
            }
            // Rules of one trunk alone leave it out.
            Ended::Skipped => Stop::Refuse(Refusal::Internal),
        }
    }

    /// From here on the caller has another number.
    pub(super) fn call_as(&mut self, sender: &Sender<'a>, number: Option<String>) {
        if number.is_none() {
            return;
        }
        self.caller = number;
        self.outside = OnceCell::new();
        let caller = self.caller(sender);
        if let Some(known) = &mut self.known {
            known.caller = caller;
        }
    }

    fn fields_received(&self, tenant: &Tenant, called: &str) -> CallFields {
        let number = Digits::EMPTY;
        let (weekday, minutes) = self.world.clock(tenant, &number).weekday_and_minute(self.wall_us);
        CallFields {
            called: called.to_owned(),
            received: self.call.called.clone(),
            from: self.call.caller.from_user.clone(),
            source: self.ask.hints.source.ip().to_canonical().to_string(),
            weekday: i64::from(weekday) + 1,
            hour: i64::from(minutes / 60),
            minute: i64::from(minutes % 60),
            ..CallFields::default()
        }
    }

    fn fields_known(&self, sender: &Sender<'a>, called: &str) -> CallFields {
        let (organization, subscriber, trunk) = match sender.who {
            Who::Subscriber(row) => (row.organization, row.id.0, 0),
            Who::Trunk(row, _) => {
                let subscriber = sender.behalf.map_or(0, |row| row.id.0);
                (sender.organization(), subscriber, row.id.0)
            }
        };
        CallFields {
            caller: self.number_of(sender),
            account: sender.account.id.0,
            organization: organization.0,
            subscriber,
            trunk,
            ..self.fields_received(sender.tenant, called)
        }
    }
}

/// What is known of a number's range.
fn range_of(fields: &mut CallFields, number: Option<Digits>) {
    let Some(number) = number else { return };
    let ranges = Ranges::shipped();
    fields.class = ranges.class(&number).word();
    fields.country = ranges.country(&number).map_or(String::new(), |country| country.to_string());
}

/// A SIP URI that may stand in a Contact.
fn is_uri(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>,\"".contains(&byte);
    text.len() <= FOREIGN_URI_MAX && text.bytes().all(is_plain) && SipUri::parse(text).is_some()
}

/// What may stand in a URI's user, and is no longer than a called text may be.
pub(super) fn fits(text: &str) -> bool {
    (1..=CALLED_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
