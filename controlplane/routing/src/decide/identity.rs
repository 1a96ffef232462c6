//! Who the far side sees (spec CLI-01 to CLI-07; RFC 3323, RFC 3325): one precedence.
//!
//! The number, first that there is:
//!
//! | caller | number |
//! |---|---|
//! | subscriber | `identity.number` of its row |
//! | | with `any_number`: P-Preferred-Identity, else From, if it is a number |
//! | | else of P-Preferred-Identity and From the first that is one of its own numbers |
//! | | with the setting `identity.drawn`: one by lot; From counts if it is not its user name |
//! | | its first number; its user name |
//! | trusted trunk | P-Asserted-Identity, Remote-Party-ID, From |
//! | other trunk | From |
//!
//! Towards a trunk stands before all of them: its `caller_number`; then, of a call that a
//! subscriber forwards who has the setting `identity.forwarder`, that subscriber's; and for a
//! subscriber without
//! `identity.number` the one that is set for all (`identity.number` of settings). What is left is
//! edited by its `caller`. Whether it is shown, and whether an identity is asserted, is
//! [`visible`]. An emergency call always shows its caller.

use super::Attempt;
use super::sender::{Sender, Who};
use crate::limits::IDENTITY_MAX;
use crate::trace::Step;
use strowger_billing::{Caller, Forwarder, Part};
use strowger_link::siphash::{Key, siphash24};
use strowger_link::{Branch, IdentityHeader};
use strowger_model::{Cli, Digits, Egress, IdentityHeader as RowHeader, Ingress, Trunk};

/// The caller's identity towards one branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    from_user: String,
    display: String,
    asserted: Option<String>,
    anonymous: bool,
    header: IdentityHeader,
    from_host: String,
    privacy: String,
}

impl Shown {
    /// Puts the identity into a branch.
    pub(super) fn onto(self, branch: &mut Branch) {
        branch.from_user = self.from_user;
        branch.display = self.display;
        branch.asserted = self.asserted;
        branch.anonymous = self.anonymous;
        branch.manner.identity = self.header;
        branch.manner.from_host = self.from_host;
        branch.manner.privacy = self.privacy;
    }
}

/// What a caller asks for in Privacy (RFC 3323 4.2, RFC 3325 9.3, RFC 7044 10.1). `session` needs
/// no place here: all media goes through us.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Asked {
    id: bool,
    user: bool,
    header: bool,
    history: bool,
    critical: bool,
    none: bool,
}

impl Asked {
    fn parse(privacy: &str) -> Asked {
        // Most ask for nothing.
        if privacy.is_empty() {
            return Asked::default();
        }
        let has = |word: &str| {
            privacy.split([';', ',']).any(|value| value.trim().eq_ignore_ascii_case(word))
        };
        Asked {
            id: has("id"),
            user: has("user"),
            header: has("header"),
            history: has("history"),
            critical: has("critical"),
            none: has("none"),
        }
    }

    const fn hides(self) -> bool {
        self.id || self.user || self.header
    }

    /// Our Privacy value: what was asked for, and at least `id` for a caller who is hidden.
    /// `critical` is kept: the next hop may be less able than we are.
    fn value(self, hidden: bool) -> String {
        if !hidden {
            // RFC 3323 4.2: nobody on the way may change the word `none`.
            let word = match (self.none, self.history) {
                (true, _) => "none",
                (false, true) => "history",
                (false, false) => "",
            };
            return word.to_owned();
        }
        let words = [
            (self.header, "header"),
            (self.user, "user"),
            (self.history, "history"),
            (true, "id"),
            (self.critical, "critical"),
        ];
        let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        words.join(";")
    }
}

/// What of a caller a peer may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Visible {
    /// From is anonymous.
    pub(super) hidden: bool,
    /// The identity header is sent.
    pub(super) asserted: bool,
}

/// The rule of `cli` (spec CLI-04), the caller's wish and the peer's trust:
///
/// | `cli` | hidden | identity header |
/// |---|---|---|
/// | 0 always | never | always |
/// | 1 normal | if asked for | unless hidden from an untrusted peer |
/// | 2 asserted | if asked for | always |
/// | 3 asserted, trusted | if asked for | to trusted peers |
/// | 4 hide | always | to trusted peers |
/// | 5 hide all | always | never |
pub(super) const fn visible(cli: Cli, asks_to_hide: bool, trusted_peer: bool) -> Visible {
    let hidden = match cli {
        Cli::Always => false,
        Cli::Normal | Cli::Asserted | Cli::AssertedTrusted => asks_to_hide,
        Cli::Hide | Cli::HideAll => true,
    };
    let asserted = match cli {
        Cli::Always | Cli::Asserted => true,
        Cli::Normal => !hidden || trusted_peer,
        Cli::AssertedTrusted | Cli::Hide => trusted_peer,
        Cli::HideAll => false,
    };
    Visible { hidden, asserted }
}

impl<'a> Attempt<'a> {
    /// Towards a subscriber of ours: a name or number that can be called back, nothing asserted.
    pub(super) fn shown_inside(&self, sender: &Sender<'a>) -> Shown {
        let from_user = match sender.who {
            Who::Subscriber(caller) => caller.username.clone(),
            Who::Trunk(..) => self.number_of(sender),
        };
        let hidden = self.visible_to(sender, false).hidden;
        self.shown(sender, from_user, None, hidden)
    }

    /// Towards a carrier, of a call of the sender's or of a forward; told where it `is_first`.
    pub(super) fn shown_to(
        &mut self,
        sender: &Sender<'a>,
        (trunk, egress, is_first): (&Trunk, &Egress, bool),
        part: Option<&Part>,
    ) -> Shown {
        let Some(shown) = part.and_then(|part| self.shown_forwarding(part, egress)) else {
            return self.shown_outside(sender, egress);
        };
        if is_first {
            self.note(Step::ForwarderShown { trunk: trunk.id.0 });
        }
        shown
    }

    /// Towards a carrier: the caller's number as the carrier wants it.
    fn shown_outside(&self, sender: &Sender<'a>, egress: &Egress) -> Shown {
        let own = match &egress.caller_number {
            Some(number) => number.as_str(),
            None => self.outside.get_or_init(|| self.number_outside(sender)).as_str(),
        };
        let number = match &egress.caller_number {
            Some(_) => own.to_owned(),
            None => egress.caller.apply(own),
        };
        let Visible { hidden, asserted } = self.visible_to(sender, egress.trusted);
        let header = header_to(egress);
        // We assert only what we know: our own row, or the word of who is trusted.
        let vouched = egress.caller_number.is_some() || is_vouched(sender);
        let is_sent = header.is_some() && asserted && vouched && !number.is_empty();
        let asserted = is_sent.then(|| match &egress.identity_number {
            Some(edit) => edit.apply(own),
            None => number.clone(),
        });
        let mut shown = self.shown(sender, number, asserted, hidden);
        shown.header = header.unwrap_or(IdentityHeader::Asserted);
        shown.from_host = egress.from_host.clone().unwrap_or_default();
        shown
    }

    /// The same of a call that a subscriber forwards, where it is to be shown in place of who
    /// called (spec CLI-07).
    fn shown_forwarding(&self, part: &Part, egress: &Egress) -> Option<Shown> {
        let Forwarder::Subscriber(id) = part.by else { return None };
        let set = &self.world.subscriber_settings(id).identity;
        if !set.forwarder || egress.caller_number.is_some() {
            return None;
        }
        let row = self.world.subscriber(id)?;
        let own = row.identity.number.or(set.number).or_else(|| row.numbers.first().copied());
        let own = own.map_or_else(|| row.username.clone(), |number| number.to_string());
        let number = egress.caller.apply(&own);
        let cli = set.cli.unwrap_or(row.identity.cli);
        let Visible { hidden, asserted } = visible(cli, false, egress.trusted);
        let header = header_to(egress);
        let is_sent = header.is_some() && asserted && !number.is_empty();
        let asserted = is_sent.then(|| match &egress.identity_number {
            Some(edit) => edit.apply(&own),
            None => number.clone(),
        });
        let (from_user, display) = match (hidden, set.display) {
            (true, _) => ("anonymous".to_owned(), "Anonymous".to_owned()),
            (false, true) => (number, cut(&row.display)),
            (false, false) => (number, String::new()),
        };
        Some(Shown {
            from_user,
            display,
            asserted,
            anonymous: hidden,
            header: header.unwrap_or(IdentityHeader::Asserted),
            from_host: egress.from_host.clone().unwrap_or_default(),
            privacy: Asked::default().value(hidden),
        })
    }

    fn shown(
        &self,
        sender: &Sender<'a>,
        from_user: String,
        asserted: Option<String>,
        hidden: bool,
    ) -> Shown {
        let privacy = self.asked().value(hidden);
        let (from_user, display) = match hidden {
            true => ("anonymous".to_owned(), "Anonymous".to_owned()),
            false => (from_user, self.display(sender)),
        };
        let (anonymous, from_host) = (hidden, String::new());
        let header = IdentityHeader::Asserted;
        Shown { from_user, display, asserted, anonymous, header, from_host, privacy }
    }

    fn visible_to(&self, sender: &Sender<'a>, trusted_peer: bool) -> Visible {
        let cli = match sender.who {
            // Help must be able to call back.
            _ if self.is_emergency => Cli::Always,
            Who::Subscriber(_) | Who::Trunk(..) => match sender.subscriber() {
                Some(caller) => sender.settings.identity.cli.unwrap_or(caller.identity.cli),
                None => Cli::Normal,
            },
        };
        visible(cli, self.asks_to_hide(), trusted_peer)
    }

    fn asked(&self) -> Asked {
        Asked::parse(&self.call.caller.privacy)
    }

    /// The caller wants nothing said of the call's way (RFC 7044 10.1; `header` covers it too).
    pub(super) fn hides_way(&self) -> bool {
        let asked = self.asked();
        (asked.history || asked.header) && !self.is_emergency
    }

    /// By Privacy, or by having hidden in From already.
    fn asks_to_hide(&self) -> bool {
        let caller = &self.call.caller;
        self.asked().hides()
            || caller.from_host.eq_ignore_ascii_case("anonymous.invalid")
            || caller.from_user.eq_ignore_ascii_case("anonymous")
    }

    /// Who called, for the record.
    pub(super) fn caller(&self, sender: &Sender<'a>) -> Caller {
        let (subscriber, trunk, number) = match sender.who {
            Who::Subscriber(caller) => {
                let number = caller.numbers.first().map(ToString::to_string);
                (Some(caller.id), None, number.unwrap_or_else(|| caller.username.clone()))
            }
            Who::Trunk(trunk, _) => {
                (sender.behalf.map(|row| row.id), Some(trunk.id), self.number_of(sender))
            }
        };
        Caller {
            account: Some(sender.account.id),
            organization: Some(sender.account.organization),
            subscriber,
            trunk,
            number,
            hidden: self.visible_to(sender, false).hidden,
        }
    }

    /// The caller's number by the precedence of this module; canonical when it is a number.
    pub(super) fn number_of(&self, sender: &Sender<'a>) -> String {
        // A rule's word counts.
        if let Some(number) = &self.caller {
            return number.clone();
        }
        let said = &self.call.caller;
        let canonical = |text: &str| sender.canonical(text).ok();
        match sender.who {
            Who::Subscriber(row) => {
                // A phone's own name is no choice where numbers are drawn.
                let is_drawn = sender.settings.identity.drawn && said.from_user == row.username;
                let from = (!is_drawn).then_some(&said.from_user);
                let claimed = || said.preferred.iter().chain(from);
                let chosen = || match row.identity.any_number {
                    // A user name is no number, whatever it consists of.
                    true => {
                        claimed().filter(|text| **text != row.username).find_map(|t| canonical(t))
                    }
                    false => {
                        let own = |number: &_| row.numbers.contains(number);
                        claimed().filter_map(|text| canonical(text)).find(own)
                    }
                };
                let number = row.identity.number.or_else(chosen);
                let number = number.or_else(|| self.drawn(sender, &row.numbers));
                let number = number.or_else(|| row.numbers.first().copied());
                number.map_or_else(|| row.username.clone(), |number| number.to_string())
            }
            Who::Trunk(_, ingress) => {
                let text = self.said_by(ingress);
                canonical(text).map_or_else(|| cut(text), |number| number.to_string())
            }
        }
    }

    /// One of a subscriber's own numbers, the same for the same ask (spec FAQ-07: numbers that are
    /// nobody's are not shown).
    fn drawn(&self, sender: &Sender<'a>, numbers: &[Digits]) -> Option<Digits> {
        if !sender.settings.identity.drawn {
            return None;
        }
        let lot = siphash24(&Key(*b"numbers of calls"), &self.ask.id.0.to_le_bytes());
        let place = lot.checked_rem(u64::try_from(numbers.len()).ok()?)?;
        numbers.get(usize::try_from(place).ok()?).copied()
    }

    /// What a trunk says the caller's number is: its word in P-Asserted-Identity and
    /// Remote-Party-ID counts if it is trusted.
    pub(super) fn said_by(&self, ingress: &Ingress) -> &'a str {
        let said = &self.call.caller;
        let asserted = said.asserted.first().or(said.remote_party.as_ref());
        asserted.filter(|_| ingress.trusted).unwrap_or(&said.from_user)
    }

    /// The same towards carriers, who may be shown one number of all.
    pub(super) fn number_outside(&self, sender: &Sender<'a>) -> String {
        match (sender.who, sender.settings.identity.number) {
            // Help must be able to call back.
            (Who::Subscriber(row), Some(number))
                if row.identity.number.is_none() && !self.is_emergency && self.caller.is_none() =>
            {
                number.to_string()
            }
            (Who::Subscriber(_) | Who::Trunk(..), _) => self.number_of(sender),
        }
    }

    fn display(&self, sender: &Sender<'a>) -> String {
        match sender.who {
            _ if !sender.settings.identity.display => String::new(),
            Who::Subscriber(caller) if !caller.display.is_empty() => cut(&caller.display),
            Who::Subscriber(_) | Who::Trunk(..) => cut(&self.call.caller.display),
        }
    }

    /// A step for a caller who is not shown to anybody.
    pub(super) fn note_hidden(&mut self, sender: &Sender<'a>) {
        if self.visible_to(sender, true).hidden {
            self.note(Step::CallerHidden {});
        }
    }
}

/// Which header tells a trunk the caller's identity, if any.
const fn header_to(egress: &Egress) -> Option<IdentityHeader> {
    match egress.identity {
        RowHeader::None => None,
        RowHeader::Asserted => Some(IdentityHeader::Asserted),
        RowHeader::Preferred => Some(IdentityHeader::Preferred),
        RowHeader::RemoteParty => Some(IdentityHeader::RemoteParty),
    }
}

/// The number is known to be the caller's: a subscriber has shown credentials, a trusted trunk is
/// believed.
const fn is_vouched(sender: &Sender<'_>) -> bool {
    match sender.who {
        Who::Subscriber(_) => true,
        Who::Trunk(_, ingress) => ingress.trusted,
    }
}

fn cut(text: &str) -> String {
    // No text has more characters than bytes.
    let end = match text.len() > IDENTITY_MAX {
        true => text.char_indices().nth(IDENTITY_MAX).map_or(text.len(), |(end, _)| end),
        false => text.len(),
    };
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of `cli` x wish x trust: `hidden asserted`.
    #[test]
    fn what_a_peer_sees() {
        let table = [
            // (shows, untrusted) (shows, trusted) (hides, untrusted) (hides, trusted)
            (Cli::Always, ["- pai", "- pai", "- pai", "- pai"]),
            (Cli::Normal, ["- pai", "- pai", "hidden -", "hidden pai"]),
            (Cli::Asserted, ["- pai", "- pai", "hidden pai", "hidden pai"]),
            (Cli::AssertedTrusted, ["- -", "- pai", "hidden -", "hidden pai"]),
            (Cli::Hide, ["hidden -", "hidden pai", "hidden -", "hidden pai"]),
            (Cli::HideAll, ["hidden -", "hidden -", "hidden -", "hidden -"]),
        ];
        let word = |on: bool, word: &'static str| if on { word } else { "-" };
        for (cli, expect) in table {
            let cases = [(false, false), (false, true), (true, false), (true, true)];
            for ((hides, trusted), expect) in cases.into_iter().zip(expect) {
                let Visible { hidden, asserted } = visible(cli, hides, trusted);
                let got = format!("{} {}", word(hidden, "hidden"), word(asserted, "pai"));
                assert_eq!(got, expect, "{cli:?} hides {hides} trusted {trusted}");
            }
        }
    }

    #[test]
    fn privacy_values() {
        let check = |asked: &str, hidden: bool, expect: &str| {
            assert_eq!(Asked::parse(asked).value(hidden), expect, "{asked} {hidden}");
        };
        check("", false, "");
        check("", true, "id");
        check("none", false, "none");
        check("id", true, "id");
        check("ID ; User", true, "user;id");
        check("user, header;critical", true, "header;user;id;critical");
        check("critical;none", false, "none");
        check("history", false, "history");
        check("id;history", true, "history;id");
        check("session", false, "");
        // Who must be shown is shown, whatever was asked for.
        check("id", false, "");
        assert!(Asked::parse("header").hides() && Asked::parse("user").hides());
        assert!(!Asked::parse("session;none").hides());
    }
}
