//! ENUM: NAPTR records of a number, then where the URI's host is (RFC 6116, RFC 3263).

use super::Told;
use crate::resolver::{Resolve, located};
use std::time::Duration;
use strowger_locate::{Question, Records, enum_name, enum_uri};
use strowger_model::Digits;
use strowger_routing::{Finding, Reached, wanted_of};

/// Most addresses of one URI that are tried.
const ADDRESSES_MAX: usize = 4;
/// The longest and the shortest that an answer is kept, whatever its records say, seconds.
const KEEP_S: (u32, u32) = (1, 86_400);

/// Name servers, and below which name numbers stand.
pub(super) struct Enumeration<R> {
    resolver: R,
    suffix: String,
}

impl<R: Resolve> Enumeration<R> {
    pub(super) const fn new(resolver: R, suffix: String) -> Enumeration<R> {
        Enumeration { resolver, suffix }
    }

    pub(super) async fn ask(&self, number: &Digits) -> Told {
        let name = enum_name(number.as_str(), &self.suffix);
        let name = name.ok_or_else(|| "ENUM: the name would be too long".to_owned())?;
        let (records, ttl_s) =
            self.resolver.ask(&Question::Naptr(name)).await.map_err(|e| format!("ENUM: {e}"))?;
        let records = match records {
            Records::Naptr(records) => records,
            Records::Srv(_) | Records::Address(_) => Vec::new(),
        };
        let Some((uri, wanted)) =
            enum_uri(number.as_str(), &records).and_then(|uri| wanted_of(&uri))
        else {
            return Ok((Finding::Reached(None), keep(ttl_s)));
        };
        let located = located(&self.resolver, &wanted).await.map_err(|e| format!("ENUM: {e}"))?;
        // Which of equals comes first is the number's own: the answer is kept for all its calls.
        let chance = number.as_str().parse().unwrap_or_default();
        let addresses = located.draw(chance).into_iter().take(ADDRESSES_MAX).collect();
        let reached = Reached { uri, addresses };
        let ttl_s = ttl_s.min(located.ttl_s());
        Ok((Finding::Reached(Some(Box::new(reached))), keep(ttl_s)))
    }
}

/// How long an answer is kept.
pub(super) fn keep(ttl_s: u32) -> Duration {
    Duration::from_secs(ttl_s.clamp(KEEP_S.0, KEEP_S.1).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::Lookup;
    use strowger_link::Transport;
    use strowger_locate::{Naptr, Wanted};

    /// Has these records.
    #[derive(Clone)]
    struct Fake(Vec<(Question, Records)>);

    impl Resolve for Fake {
        fn ask(&self, question: &Question) -> Lookup {
            let known = self.0.iter().find(|(name, _)| name == question);
            let none = match question {
                Question::Naptr(_) => Records::Naptr(Vec::new()),
                Question::Srv(_) => Records::Srv(Vec::new()),
                Question::Address(_) => Records::Address(Vec::new()),
            };
            let said = known.map_or(none, |(_, records)| records.clone());
            Box::pin(async move { Ok((said, 60)) })
        }
    }

    async fn asked(regexp: &str) -> Option<(String, Vec<String>)> {
        let record = Naptr {
            order: 1,
            preference: 1,
            flags: "u".into(),
            service: "E2U+sip".into(),
            regexp: regexp.into(),
            replacement: ".".into(),
        };
        let name = Question::Naptr("3.2.1.4.4.e164.test".into());
        let address = Records::Address(vec!["192.0.2.5".parse().unwrap()]);
        let known = vec![
            (name, Records::Naptr(vec![record])),
            (Question::Address("pbx.test".into()), address),
        ];
        let source = Enumeration::new(Fake(known), "e164.test".into());
        let (finding, keep) = source.ask(&Digits::parse("44123").unwrap()).await.unwrap();
        assert_eq!(keep, Duration::from_secs(60));
        let Finding::Reached(reached) = finding else { panic!("{finding:?}") };
        let reached = *reached?;
        let places = reached.addresses.iter().map(|(over, at)| format!("{over:?} {at}"));
        Some((reached.uri, places.collect()))
    }

    #[tokio::test]
    async fn a_host_has_its_places_for_as_long_as_they_are_good() {
        let address = Records::Address(vec!["192.0.2.5".parse().unwrap()]);
        let known = Fake(vec![(Question::Address("pbx.test".into()), address)]);
        let wanted = |host: &str| Wanted {
            host: host.into(),
            port: 5070,
            transport: Some(Transport::Tcp),
            is_secure: false,
        };
        let (found, kept) = super::super::place(&known, &wanted("pbx.test")).await.unwrap();
        let Finding::Placed(places) = found else { panic!("{found:?}") };
        let shown: Vec<_> = places.iter().map(|p| (p.transport, p.addresses.clone())).collect();
        assert_eq!(shown, [(Transport::Tcp, vec!["192.0.2.5:5070".parse().unwrap()])]);
        assert_eq!(kept, Duration::from_secs(60));
        let (nowhere, _) = super::super::place(&known, &wanted("gone.test")).await.unwrap();
        assert_eq!(nowhere, Finding::Placed(Vec::new()));
    }

    #[tokio::test]
    async fn numbers_become_uris_and_addresses() {
        let found = asked(r"!^\+(.*)$!sip:\1@PBX.test:5070;transport=tcp?Subject=x!").await;
        let uri = "sip:44123@PBX.test:5070;transport=tcp".to_owned();
        assert_eq!(found, Some((uri, vec!["Tcp 192.0.2.5:5070".to_owned()])));
        let found = asked("!^.*$!sip:a@192.0.2.9!").await;
        assert_eq!(found, Some(("sip:a@192.0.2.9".into(), vec!["Udp 192.0.2.9:5060".into()])));
        let found = asked("!^.*$!sips:a@pbx.test!").await;
        assert_eq!(found, Some(("sips:a@pbx.test".into(), vec!["Tls 192.0.2.5:5061".into()])));
        let nowhere = asked("!^.*$!sip:a@elsewhere.test!").await;
        assert_eq!(nowhere, Some(("sip:a@elsewhere.test".into(), vec![])));
        assert_eq!(asked("!^.*$!sip:a@pbx.test;transport=sctp!").await, None);
        assert_eq!(asked("!^.*$!tel:+1!").await, None);
    }
}
