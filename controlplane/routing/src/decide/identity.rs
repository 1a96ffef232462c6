//! Who the far side sees (spec CLI-01, CLI-04; RFC 3323, RFC 3325).

use super::Attempt;
use super::sender::{Sender, Who};
use crate::limits::IDENTITY_MAX;
use strowger_billing::Caller;
use strowger_link::Branch;
use strowger_model::{Cli, Egress};

/// The caller's identity towards one branch.
pub(super) struct Shown {
    pub(super) from_user: String,
    pub(super) display: String,
    pub(super) asserted: Option<String>,
    pub(super) anonymous: bool,
}

impl Shown {
    /// Puts the identity into a branch.
    pub(super) fn onto(self, branch: &mut Branch) {
        branch.from_user = self.from_user;
        branch.display = self.display;
        branch.asserted = self.asserted;
        branch.anonymous = self.anonymous;
    }

    /// Hides what a called party sees; the asserted identity stays for those we trust.
    fn hidden_if(mut self, anonymous: bool) -> Shown {
        if anonymous {
            self.from_user = "anonymous".to_owned();
            self.display = "Anonymous".to_owned();
        }
        self.anonymous = anonymous;
        self
    }
}

impl<'a> Attempt<'a> {
    /// Towards a subscriber of ours: a name or number that can be called back, nothing asserted.
    pub(super) fn shown_inside(&self, sender: &Sender<'a>) -> Shown {
        let from_user = match sender.who {
            Who::Subscriber(caller) => caller.username.clone(),
            Who::Trunk(..) => self.received_number(sender),
        };
        Shown { from_user, display: self.display(sender), asserted: None, anonymous: false }
            .hidden_if(self.wants_privacy(sender))
    }

    /// Towards a carrier: the caller's number as the carrier wants it, asserted also when hidden.
    pub(super) fn shown_outside(&self, sender: &Sender<'a>, egress: &Egress) -> Shown {
        let number = match sender.who {
            Who::Subscriber(caller) => match caller.numbers.first() {
                Some(number) => egress.caller.apply(number.as_str()),
                None => caller.username.clone(),
            },
            Who::Trunk(..) => egress.caller.apply(&self.received_number(sender)),
        };
        Shown {
            from_user: number.clone(),
            display: self.display(sender),
            asserted: Some(number),
            anonymous: false,
        }
        .hidden_if(self.wants_privacy(sender))
    }

    /// Who called, for the record.
    pub(super) fn caller(&self, sender: &Sender<'a>) -> Caller {
        let (subscriber, trunk, number) = match sender.who {
            Who::Subscriber(caller) => {
                let number = caller.numbers.first().map(ToString::to_string);
                (Some(caller.id), None, number.unwrap_or_else(|| caller.username.clone()))
            }
            Who::Trunk(trunk, _) => (None, Some(trunk.id), self.received_number(sender)),
        };
        Caller {
            account: Some(sender.account.id),
            organization: Some(sender.account.organization),
            subscriber,
            trunk,
            number,
        }
    }

    /// A trunk's caller: what it asserts, else what stands in From; canonical when it is a number.
    fn received_number(&self, sender: &Sender<'a>) -> String {
        let identity = &self.call.caller;
        let text = identity.asserted.first().unwrap_or(&identity.from_user);
        match sender.tenant.normalisation.normalise(text) {
            Ok(number) => number.to_string(),
            Err(_) => cut(text),
        }
    }

    fn display(&self, sender: &Sender<'a>) -> String {
        match sender.who {
            Who::Subscriber(caller) if !caller.display.is_empty() => cut(&caller.display),
            Who::Subscriber(_) | Who::Trunk(..) => cut(&self.call.caller.display),
        }
    }

    /// Privacy asked for in the request (RFC 3323 4.2) or set for the subscriber.
    fn wants_privacy(&self, sender: &Sender<'a>) -> bool {
        let set = match sender.who {
            Who::Subscriber(caller) => matches!(caller.identity.cli, Cli::Hide | Cli::HideAll),
            Who::Trunk(..) => false,
        };
        let hides = |value: &str| {
            ["id", "user", "header"].iter().any(|word| value.trim().eq_ignore_ascii_case(word))
        };
        set || self.call.caller.privacy.split([';', ',']).any(hides)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(IDENTITY_MAX).collect()
}
