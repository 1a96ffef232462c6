//! What a caller's INVITE brings beside its question: it waits with the attempt, and goes on with
//! each branch that takes it.

use strowger_leg::{Body, Part};
use strowger_link::{HeaderField, Manner};

/// What an INVITE brings beside its plan.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// Session description; `None` = it wants one (late offer).
    pub(crate) offer: Option<Body>,
    /// Credentials for somebody beyond us.
    pub(crate) shown: Vec<HeaderField>,
    /// What stands beside the description.
    pub(crate) parts: Vec<Part>,
    /// Beginning of the caller's Call-ID, where those of branches are to be related to it.
    pub(crate) related: Option<Box<str>>,
}

/// Most bytes of a Call-ID that another one begins with.
pub(crate) const RELATED_LEN_MAX: usize = 64;

/// The beginning of a Call-ID, without the host that may stand behind it: nobody beyond us learns
/// where the caller is.
pub(crate) fn related_to(sip_call_id: &str) -> Option<Box<str>> {
    let own = sip_call_id.split('@').next().unwrap_or_default();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    let own: String = own.chars().filter(|c| is_token(*c)).take(RELATED_LEN_MAX).collect();
    (!own.is_empty()).then(|| own.into())
}

impl Brought {
    pub(crate) fn offer(offer: Option<Body>) -> Brought {
        Brought { offer, ..Brought::default() }
    }
}

/// The parts that go to or come from a party spoken to so; `None` when one does not that must be
/// understood. Nearly always there are none.
pub(crate) fn parts_for(parts: &[Part], manner: &Manner) -> Option<Vec<Part>> {
    let takes = |part: &Part| {
        let Part { body, .. } = part;
        let bodies = manner.bodies.as_deref();
        bodies.is_some_and(|bodies| bodies.takes(&body.content_type, body.data.len()))
    };
    let is_lost = parts.iter().any(|part| part.required && !takes(part));
    (!is_lost).then(|| parts.iter().filter(|part| takes(part)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_is_related_by_its_beginning_and_names_no_host() {
        for (own, expect) in [
            ("a84b4c76e66710@pc33.example", Some("a84b4c76e66710")),
            ("1-22@[2001:db8::1]", Some("1-22")),
            ("b///x\"y@h", Some("bxy")),
            ("@h", None),
            ("", None),
        ] {
            assert_eq!(related_to(own).as_deref(), expect, "{own}");
        }
        let long = "x".repeat(300);
        assert_eq!(related_to(&long).map(|own| own.len()), Some(RELATED_LEN_MAX));
    }
}
