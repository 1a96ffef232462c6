//! Who diverted a call, as trunks are told: Diversion (RFC 5806), History-Info (RFC 7044), or
//! both, with the reasons and causes that RFC 7544 maps to each other.
//!
//! The list is one: what a trusted trunk told of the way to us, then our own forwards, the last one
//! first. Who is not to be shown is left out of Diversion towards an untrusted peer; in
//! History-Info its place stays, without a name, for the indices are a tree.

use super::Attempt;
use super::sender::{Sender, Who};
use super::way::{Diversion, Place};
use crate::trace::Step;
use crate::uri::escape_user;
use strowger_link::{DivertReason, HeaderField, Octets};
use strowger_model::{Egress, ForwardHeaders, Profile, Tenant};

/// Most diversions of one call that are told of; the first ones are left out.
const DIVERSIONS_MAX: usize = 16;
/// In place of a URI that is shown to nobody (RFC 7044 10.1.2).
const NOBODY: &str = "sip:anonymous@anonymous.invalid";

impl<'a> Attempt<'a> {
    /// What a trusted trunk says of the way to us; nobody else is believed.
    pub(super) fn diverted_before(&mut self, sender: &Sender<'a>) -> Vec<Diversion> {
        let believed = match sender.who {
            Who::Subscriber(_) => false,
            Who::Trunk(_, ingress) => ingress.trusted,
        };
        if !believed || self.call.diverted.is_empty() {
            return Vec::new();
        }
        let count = self.call.diverted.len();
        self.note(Step::DivertedBefore { diversions: i64::try_from(count).unwrap_or_default() });
        let one = |told: &strowger_link::Diverted| Diversion {
            user: told.user.clone(),
            reason: told.reason,
            count: told.count,
            hidden: told.hidden,
        };
        self.call.diverted.iter().map(one).collect()
    }
}

/// How one trunk is told.
pub(super) struct Teller<'a> {
    how: ForwardHeaders,
    egress: &'a Egress,
    host: &'a str,
    /// The caller wants no header to tell of him, or of the call's way.
    all_hidden: bool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(
        egress: &'a Egress,
        tenant: &'a Tenant,
        settings: &Profile,
        all_hidden: bool,
    ) -> Teller<'a> {
        let how = match egress.forward_headers {
            ForwardHeaders::AsSet if settings.identity.diversion => ForwardHeaders::Diversion,
            ForwardHeaders::AsSet => ForwardHeaders::None,
            how @ (ForwardHeaders::None
            | ForwardHeaders::Diversion
            | ForwardHeaders::HistoryInfo
            | ForwardHeaders::Both) => how,
        };
        let host = egress.from_host.as_deref().unwrap_or(&tenant.realm);
        Teller { how, egress, host, all_hidden }
    }

    /// The fields for a call that was diverted; none for one that was not.
    pub(super) fn fields(&self, place: &Place, target: &str) -> Vec<HeaderField> {
        let all = place.diversions.get(..DIVERSIONS_MAX).unwrap_or(&place.diversions);
        if all.is_empty() {
            return Vec::new();
        }
        let (diversion, history) = match self.how {
            ForwardHeaders::AsSet | ForwardHeaders::None => (false, false),
            ForwardHeaders::Diversion => (true, false),
            ForwardHeaders::HistoryInfo => (false, true),
            ForwardHeaders::Both => (true, true),
        };
        let mut fields = Vec::new();
        if diversion {
            fields.extend(all.iter().filter_map(|one| self.diversion(one)));
        }
        if history {
            fields.push(self.history(all, target));
        }
        fields
    }

    const fn hides(&self, one: &Diversion) -> bool {
        one.hidden || self.all_hidden
    }

    fn uri(&self, one: &Diversion) -> String {
        let user = escape_user(&self.egress.caller.apply(&one.user));
        format!("sip:{user}@{}", self.host)
    }

    /// Untrusted peers are not told of who hides.
    fn diversion(&self, one: &Diversion) -> Option<HeaderField> {
        if self.hides(one) && !self.egress.trusted {
            return None;
        }
        let privacy = if self.hides(one) { ";privacy=full" } else { "" };
        let (uri, reason, count) = (self.uri(one), word(one.reason), one.count.max(1));
        let value = format!("<{uri}>;reason={reason};counter={count}{privacy}");
        Some(HeaderField { name: "Diversion".to_owned(), value: Octets(value.into_bytes()) })
    }

    /// One entry for each that diverted, the first one first, and one for where the call goes now.
    fn history(&self, all: &[Diversion], target: &str) -> HeaderField {
        let mut index = "1".to_owned();
        let mut entries = Vec::with_capacity(all.len() + 1);
        let mut before: Option<&Diversion> = None;
        for one in all.iter().rev() {
            let uri = if self.hides(one) && !self.egress.trusted {
                NOBODY.to_owned()
            } else {
                self.uri(one)
            };
            entries.push(entry(&with_cause(&uri, before), self.headers(one), &index, before));
            index.push_str(".1");
            before = Some(one);
        }
        entries.push(entry(&with_cause(target, before), String::new(), &index, before));
        let value = entries.join(", ");
        HeaderField { name: "History-Info".to_owned(), value: Octets(value.into_bytes()) }
    }

    /// What stands behind the URI of who diverted: a wish to be hidden, and the answer that made
    /// the call go on (RFC 7044 5.2, 10.2).
    fn headers(&self, one: &Diversion) -> String {
        let mut headers = Vec::new();
        if self.hides(one) {
            headers.push("Privacy=history".to_owned());
        }
        if let Some(status) = answer(one.reason) {
            headers.push(format!("Reason=SIP%3Bcause%3D{status}"));
        }
        if headers.is_empty() { String::new() } else { format!("?{}", headers.join("&")) }
    }
}

/// An entry's index, and `mp`: which entry it was mapped from.
fn entry(uri: &str, headers: String, index: &str, before: Option<&Diversion>) -> String {
    let from = before.and_then(|_| index.strip_suffix(".1"));
    let from = from.map(|from| format!(";mp={from}")).unwrap_or_default();
    format!("<{uri}{headers}>;index={index}{from}")
}

/// A target with the cause that it was diverted to for (RFC 4458).
fn with_cause(uri: &str, before: Option<&Diversion>) -> String {
    match before {
        Some(one) => format!("{uri};cause={}", cause(one.reason)),
        None => uri.to_owned(),
    }
}

/// The words of RFC 5806 10.
const fn word(reason: DivertReason) -> &'static str {
    match reason {
        DivertReason::Unknown => "unknown",
        DivertReason::Unconditional => "unconditional",
        DivertReason::Busy => "user-busy",
        DivertReason::NoAnswer => "no-answer",
        DivertReason::Deflection => "deflection",
        DivertReason::Unavailable => "unavailable",
        DivertReason::FollowMe => "follow-me",
    }
}

/// The causes of RFC 4458 by the table of RFC 7544.
const fn cause(reason: DivertReason) -> u16 {
    match reason {
        DivertReason::Unknown | DivertReason::FollowMe => 404,
        DivertReason::Unconditional => 302,
        DivertReason::Busy => 486,
        DivertReason::NoAnswer => 408,
        DivertReason::Deflection => 480,
        DivertReason::Unavailable => 503,
    }
}

/// The answer that a forward stands for; one without an attempt before it has none.
const fn answer(reason: DivertReason) -> Option<u16> {
    match reason {
        DivertReason::Busy => Some(486),
        DivertReason::NoAnswer => Some(408),
        DivertReason::Unknown
        | DivertReason::Unconditional
        | DivertReason::Deflection
        | DivertReason::Unavailable
        | DivertReason::FollowMe => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use strowger_model::{AccountId, PrefixEdit};

    fn tell(how: ForwardHeaders, trusted: bool, all_hidden: bool, list: &[Diversion]) -> String {
        let caller = PrefixEdit { add: "+".to_owned(), ..PrefixEdit::default() };
        let egress = Egress { forward_headers: how, trusted, caller, ..Egress::new(AccountId(1)) };
        let (tenant, settings) = (testing::tenant(1, "h"), Profile::default());
        let place = Place { part: None, chain: Vec::new(), diversions: list.to_vec() };
        let teller = Teller::new(&egress, &tenant, &settings, all_hidden);
        let fields = teller.fields(&place, "sip:44@192.0.2.1");
        let said = |f: &HeaderField| format!("{}: {}", f.name, String::from_utf8_lossy(&f.value.0));
        fields.iter().map(said).collect::<Vec<_>>().join("\n")
    }

    fn diversion(user: &str, reason: DivertReason, hidden: bool) -> Diversion {
        Diversion { user: user.to_owned(), reason, count: 1, hidden }
    }

    #[test]
    fn one_list_in_both_forms() {
        use ForwardHeaders::{Both, Diversion, HistoryInfo, None};
        let list = [
            diversion("33", DivertReason::Busy, false),
            diversion("22", DivertReason::Unconditional, true),
        ];
        assert_eq!(tell(Both, true, false, &[]), "");
        assert_eq!(tell(None, true, false, &list), "");
        // The last first in one form, last in the other.
        assert_eq!(
            tell(Diversion, true, false, &list),
            "Diversion: <sip:+33@h>;reason=user-busy;counter=1\n\
             Diversion: <sip:+22@h>;reason=unconditional;counter=1;privacy=full"
        );
        assert_eq!(
            tell(HistoryInfo, true, false, &list),
            "History-Info: <sip:+22@h?Privacy=history>;index=1, \
             <sip:+33@h;cause=302?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1, \
             <sip:44@192.0.2.1;cause=486>;index=1.1.1;mp=1.1"
        );
        // Towards a stranger who hides is left out, or has no name.
        assert_eq!(
            tell(Both, false, false, &list),
            "Diversion: <sip:+33@h>;reason=user-busy;counter=1\n\
             History-Info: <sip:anonymous@anonymous.invalid?Privacy=history>;index=1, \
             <sip:+33@h;cause=302?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1, \
             <sip:44@192.0.2.1;cause=486>;index=1.1.1;mp=1.1"
        );
        // A caller who asks for it hides them all.
        assert_eq!(tell(Diversion, false, true, &list), "");
        assert!(!tell(HistoryInfo, false, true, &list).contains("+33"));
    }

    #[test]
    fn what_is_set_decides_where_the_row_does_not() {
        let list = [diversion("33", DivertReason::NoAnswer, false)];
        assert_eq!(
            tell(ForwardHeaders::AsSet, true, false, &list),
            "Diversion: <sip:+33@h>;reason=no-answer;counter=1"
        );
        let many = vec![list[0].clone(); 40];
        let all = tell(ForwardHeaders::Diversion, true, false, &many);
        assert_eq!(all.lines().count(), DIVERSIONS_MAX);
    }
}
