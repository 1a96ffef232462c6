//! Which contacts the dataplane keeps alive, and how (spec SIP-NAT-01, `udpkeepalive`).

use crate::location::{Reach, reach, wire_transport};
use crate::world::{Holder, World};
use strowger_link::siphash::siphash24;
use strowger_link::{KeepMode, Kept, Key, MS, Tick};
use strowger_model::{Binding, KeepAlive, Nat, Profile, SendTo, Transport};

/// The way to a contact as is set for whose it is.
#[must_use]
pub fn way(world: &World, who: Holder, binding: &Binding) -> Reach {
    let Some(settings) = settings_of(world, who) else {
        return reach(binding, SendTo::default());
    };
    let reach = reach(binding, settings.nat.send_to);
    let nated = match settings.media.nat {
        Nat::Auto => reach.nated,
        Nat::Always => true,
        Nat::Never => false,
    };
    Reach { nated, ..reach }
}

/// How a contact is kept alive from `now` to its end at `until`; `None` when it is not: it is
/// behind no NAT, it keeps a connection alive itself, it stands behind proxies of its own, or
/// nothing is to be sent.
#[must_use]
pub fn kept(world: &World, who: Holder, binding: &Binding, now: Tick, until: Tick) -> Option<Kept> {
    let settings = settings_of(world, who)?;
    let how = match settings.nat.keep_alive {
        KeepAlive::Crlf => KeepMode::Crlf,
        KeepAlive::Options => KeepMode::Options,
        KeepAlive::None => return None,
    };
    let nated = way(world, who, binding).nated;
    if !nated || binding.transport != Transport::Udp || !binding.path.is_empty() {
        return None;
    }
    let transport = wire_transport(binding.transport);
    Some(Kept {
        id: keep_id(who, &binding.uri),
        listener: world.listener(binding.listener, transport, binding.source)?,
        transport,
        peer: binding.source,
        uri: binding.uri.clone(),
        how,
        every_ms: settings.nat.keep_alive_ms,
        left_ms: until.ns_since(now) / MS,
    })
}

/// The name of a contact in the table of the dataplane.
#[must_use]
pub fn keep_id(who: Holder, uri: &str) -> u64 {
    let (kind, id) = match who {
        Holder::Subscriber(id) => (0, id.0),
        Holder::Trunk(id) => (1, id.0),
        Holder::RingGroup(id) => (2, id.0),
        Holder::Did(id) => (3, id.0),
    };
    siphash24(&Key([0; 16]), format!("{kind} {id} {uri}").as_bytes())
}

fn settings_of(world: &World, who: Holder) -> Option<&Profile> {
    match who {
        Holder::Subscriber(id) => Some(world.subscriber_settings(id)),
        Holder::Trunk(id) => {
            let account = world.trunk(id)?.ingress.as_ref()?.account;
            Some(world.account_settings(account))
        }
        Holder::RingGroup(_) | Holder::Did(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::world::Rows;
    use strowger_model::{SettingId, SettingRow, SubscriberId};

    const WHO: Holder = Holder::Subscriber(SubscriberId(1));

    fn world(settings: &[(&str, &str)]) -> World {
        let row = |(path, value): &(&str, &str)| {
            let (category, name) = path.split_once('.').unwrap();
            SettingRow {
                id: SettingId(1),
                category: category.to_owned(),
                name: name.to_owned(),
                tenant: None,
                account: None,
                subscriber: None,
                value: (*value).to_owned(),
            }
        };
        World::build(Rows {
            tenants: vec![testing::tenant(1, testing::REALM)],
            organizations: vec![testing::organization(1, None)],
            accounts: vec![testing::account(1, None)],
            subscribers: vec![testing::subscriber(1, "1001")],
            settings: settings.iter().map(row).collect(),
            listeners: vec![testing::listener("192.0.2.1:5060")],
            ..Rows::default()
        })
        .unwrap()
    }

    fn check(settings: &[(&str, &str)], change: impl Fn(&mut Binding), expect: &str) {
        let mut binding = testing::binding("sip:1001@10.0.0.1:5060", "203.0.113.5:4001");
        change(&mut binding);
        let now = Tick::default().plus_ms(5_000);
        let until = now.plus_ms(60_000);
        let kept = kept(&world(settings), WHO, &binding, now, until);
        let words = kept.map(|k| {
            assert_eq!(k.id, keep_id(WHO, &binding.uri));
            format!("{} {:?} every {} for {}", k.peer, k.how, k.every_ms, k.left_ms)
        });
        assert_eq!(words.as_deref().unwrap_or("-"), expect, "{settings:?}");
    }

    #[test]
    fn only_contacts_behind_a_nat_are_kept_alive() {
        let crlf = "203.0.113.5:4001 Crlf every 25000 for 60000";
        check(&[], |_| {}, crlf);
        check(&[], |b| b.uri = "sip:1001@203.0.113.5:5060".into(), "-");
        let by_via = |b: &mut Binding| {
            b.uri = "sip:1001@203.0.113.5:5060".into();
            b.nated = true;
        };
        check(&[], by_via, crlf);
        check(&[("media.nat", "never")], |_| {}, "-");
        check(&[("media.nat", "always")], |b| b.uri = "sip:1@203.0.113.5".into(), crlf);
        check(&[("nat.keep_alive", "none")], |_| {}, "-");
        let options = "203.0.113.5:4001 Options every 60000 for 60000";
        check(&[("nat.keep_alive", "options"), ("nat.keep_alive_ms", "60000")], |_| {}, options);
        check(&[], |b| b.path = vec!["<sip:10.0.0.9;lr>".into()], "-");
        check(&[], |b| b.transport = Transport::Tcp, "-");
        let other = keep_id(Holder::Subscriber(SubscriberId(2)), "sip:a@b");
        assert_ne!(keep_id(WHO, "sip:a@b"), other);
    }
}
