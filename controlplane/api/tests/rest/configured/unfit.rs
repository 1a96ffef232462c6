//! Rows that do not fit, one fault in each: what is answered, and which field is named.

use serde_json::{Value, json};

/// Path, what is changed in a good row, the status, the field that is named.
pub(super) type Unfit = (&'static str, Value, u16, &'static str);

pub(super) fn all() -> impl Iterator<Item = Unfit> {
    let places = subjects().into_iter().chain(carriers()).chain(around_carriers());
    places.chain(authentication()).chain(header_rules()).chain(radius_servers())
}

fn radius_servers() -> Vec<Unfit> {
    let attribute = |holds: &str| json!({"attributes": [{"number": 1, "holds": holds}]});
    let all = [
        (json!({"tenant": "99"}), 422, "tenant"),
        (json!({"purpose": "both"}), 400, "purpose"),
        (json!({"address": "aaa.example:1812"}), 422, "address"),
        (json!({"address": "0.0.0.0:1812"}), 422, "address"),
        (json!({"address": "192.0.2.9"}), 422, "address"),
        (json!({"secret": null}), 400, "secret"),
        (json!({"secret": ""}), 400, "secret"),
        (json!({"tries": 0}), 400, "tries"),
        (json!({"again_ms": 1}), 400, "again_ms"),
        (json!({"dead_ms": 500}), 400, "dead_ms"),
        (json!({"nas_identifier": ""}), 400, "nas_identifier"),
        (attribute("colour"), 400, "attributes[0].holds"),
        (attribute("price"), 422, "attributes[0].holds"),
    ];
    let all = all.into_iter();
    all.map(|(change, status, field)| ("radius-servers", change, status, field)).collect()
}

fn subjects() -> Vec<Unfit> {
    vec![
        ("tenants", json!({"realm": "T1.example"}), 409, "realm"),
        ("tenants", json!({"realm": "t1.example"}), 409, "realm"),
        ("tenants", json!({"currency": "EURO"}), 400, "currency"),
        ("tenants", json!({"timezone": "Europe/Atlantis"}), 422, "timezone"),
        ("tenants", json!({"domains": ["no host"]}), 400, "domains[0]"),
        ("tenants", json!({"name": null}), 400, "name"),
        ("tenants", json!({"id": "9"}), 400, "id"),
        ("tenants", json!({"ring_timeout_ms": 1500}), 400, "ring_timeout_ms"),
        ("organizations", json!({"parent": "99"}), 422, "parent"),
        ("organizations", json!({"parent": "2"}), 422, "parent"),
        ("organizations", json!({"tenant": "99", "parent": null}), 422, "tenant"),
        ("organizations", json!({"kind": "king"}), 400, "kind"),
        ("accounts", json!({"organization": "2"}), 422, "organization"),
        ("accounts", json!({"tariff": "99"}), 422, "tariff"),
        ("accounts", json!({"floor": {"amount": "1", "currency": "USD"}}), 422, "floor.currency"),
        ("accounts", json!({"floor": {"amount": "x"}}), 400, "floor.amount"),
        ("accounts", json!({"floor": {"amount": "0.000000001"}}), 422, "floor.amount"),
        ("accounts", json!({"day_max": {"amount": "-1"}}), 422, "day_max.amount"),
        ("accounts", json!({"balance": {"amount": "1"}}), 400, "balance"),
        ("subscribers", json!({"username": "1001"}), 409, "username"),
        ("subscribers", json!({"numbers": ["4978", "491001"]}), 409, "numbers"),
        ("subscribers", json!({"numbers": ["4978", "4978"]}), 400, "numbers[1]"),
        ("subscribers", json!({"numbers": ["+49"]}), 400, "numbers[0]"),
        ("subscribers", json!({"account": "2"}), 422, "account"),
        ("subscribers", json!({"account": 1}), 400, "account"),
        ("subscribers", json!({"password": "short"}), 400, "password"),
        ("subscribers", json!({"username": "LongName", "password": "longname"}), 422, "password"),
        ("subscribers", json!({"username": "a b"}), 400, "username"),
        ("subscribers", json!({"contacts_max": 17}), 400, "contacts_max"),
        ("subscribers", json!({"expires_ms_min": 0, "expires_ms_max": 0}), 400, "expires_ms_max"),
        (
            "subscribers",
            json!({"forwards": [{"when": "full", "to": "1"}]}),
            400,
            "forwards[0].when",
        ),
        ("subscribers", json!({"barring": {"blocked": ["x"]}}), 400, "barring.blocked[0]"),
        ("subscribers", json!({"colour": "red"}), 400, "colour"),
        ("price-rules", json!({"trunks": ["x"]}), 400, "trunks[0]"),
        ("price-rules", json!({"trunks": ["999"]}), 422, "trunks[0]"),
        ("price-rules", json!({"tech_prefixes": ["x"]}), 400, "tech_prefixes[0]"),
        ("price-rules", json!({"tech_prefixes": ["9", "9"]}), 400, "tech_prefixes[1]"),
    ]
}

/// An egress of the first account with these members.
fn egress(more: Value) -> Value {
    let mut egress = json!({"account": "1", "targets": ["192.0.2.9:5060"]});
    egress.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "egress": egress })
}

/// What the document says of rules about header fields is a 400, what it cannot say a 422.
fn header_rules() -> Vec<Unfit> {
    let rule = |rule: Value| egress(json!({"header_rules": [rule]}));
    let at = "egress.header_rules[0]";
    let member =
        |name: &str| -> &'static str { Box::leak(format!("{at}.{name}").into_boxed_str()) };
    let add = |header: &str| json!({"action": "add", "header": header, "value": "x"});
    let mut all = vec![
        ("trunks", rule(json!({"action": "add", "value": "x"})), 400, member("header")),
        ("trunks", rule(json!({"action": "burn", "header": "X-A"})), 400, member("action")),
        ("trunks", rule(add("X A")), 400, member("header")),
        ("trunks", rule(add("s")), 400, member("header")),
        (
            "trunks",
            rule(json!({"action": "add", "header": "X-A", "value": "\n"})),
            400,
            member("value"),
        ),
        ("trunks", rule(json!({"action": "add", "header": "X-A"})), 422, member("value")),
        ("trunks", rule(json!({"action": "copy", "header": "X-A"})), 422, member("from")),
        (
            "trunks",
            rule(json!({"action": "remove", "header": "X-A", "pattern": "x"})),
            422,
            member("pattern"),
        ),
        (
            "trunks",
            rule(json!({"action": "rewrite", "header": "X-A", "pattern": "(", "value": "x"})),
            422,
            member("pattern"),
        ),
        (
            "trunks",
            rule(json!({
                "action": "rewrite", "header": "X-A", "value": "x",
                "pattern": "((a{1,200}){1,200}){1,200}",
            })),
            422,
            member("pattern"),
        ),
        (
            "trunks",
            rule(json!({
                "action": "remove", "header": "X-A",
                "when": [{"header": "X-B", "test": "absent", "value": "x"}],
            })),
            422,
            member("when[0].value"),
        ),
    ];
    for header in ["Via", "call-id", "CONTACT", "To", "Privacy", "Diversion"] {
        all.push(("trunks", rule(add(header)), 422, member("header")));
    }
    all.extend(rules_of_responses());
    all
}

fn rules_of_responses() -> Vec<Unfit> {
    let rule = |rule: Value| egress(json!({"header_rules": [rule]}));
    vec![
        (
            "trunks",
            rule(json!({
                "action": "rewrite", "header": "X-A", "pattern": "a", "value": "b",
                "on": "response",
            })),
            422,
            "egress.header_rules[0].pattern",
        ),
        (
            "trunks",
            rule(json!({"action": "add", "header": "Server", "value": "b", "on": "response"})),
            422,
            "egress.header_rules[0].header",
        ),
        (
            "trunks",
            rule(json!({"action": "remove", "header": "X-A", "on": "both"})),
            400,
            "egress.header_rules[0].on",
        ),
    ]
}

fn carriers() -> Vec<Unfit> {
    vec![
        ("trunks", json!({"name": "carrier 1"}), 409, "name"),
        (
            "trunks",
            json!({"egress": {"account": "2", "targets": ["192.0.2.9:5060"]}}),
            422,
            "egress.account",
        ),
        (
            "trunks",
            json!({"egress": {"account": "1", "targets": ["192.0.2.9"]}}),
            422,
            "egress.targets[0]",
        ),
        ("trunks", json!({"egress": {"account": "1"}}), 400, "egress.targets"),
        ("trunks", egress(json!({"listener": 3})), 422, "egress.listener"),
        ("trunks", egress(json!({"listener": 2})), 422, "egress.listener"),
        (
            "trunks",
            json!({"ingress": {"account": "1", "listeners": [0, 9]}}),
            422,
            "ingress.listeners[1]",
        ),
        (
            "trunks",
            json!({"ingress": {"account": "1", "listeners": [0, 0]}}),
            400,
            "ingress.listeners[1]",
        ),
        (
            "trunks",
            json!({"egress": {"account": "2", "targets": ["192.0.2.9:5060", "127.0.0.1:5060"]}}),
            422,
            "egress.targets[1]",
        ),
        (
            "trunks",
            json!({"egress": {"account": "2", "targets": ["10.0.0.1:5060"]}}),
            422,
            "egress.targets[0]",
        ),
        (
            "trunks",
            json!({"egress": {"account": "2", "targets": ["169.254.1.1:5060"],
            "allow_private": true}}),
            422,
            "egress.targets[0]",
        ),
        (
            "trunks",
            json!({"ingress": {"account": "1", "sources": [{"network": "10.0.0.1/8"}]}}),
            422,
            "ingress.sources[0].network",
        ),
        (
            "trunks",
            json!({"ingress": {"account": "1", "sources": [{"network": "192.0.2.0/24"}],
            "tech_prefix": "123"}}),
            409,
            "ingress.sources",
        ),
    ]
}

/// What a trunk's calls must show goes with what it has.
fn authentication() -> Vec<Unfit> {
    let of = |more: Value| {
        let mut ingress = json!({"account": "1", "credentials": null, "sources": []});
        ingress.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"ingress": ingress})
    };
    let everybody = json!([{"network": "0.0.0.0/0"}]);
    let somebody = json!([{"network": "192.0.2.7/32"}]);
    vec![
        ("trunks", of(json!({"sources": everybody})), 422, "ingress.sources[0].network"),
        ("trunks", of(json!({"auth": "both", "sources": somebody})), 422, "ingress.auth"),
        ("trunks", of(json!({"auth": "nobody", "sources": somebody})), 422, "ingress.auth"),
        ("trunks", of(json!({"auth": "nobody"})), 422, "ingress.trusted"),
        ("trunks", of(json!({"auth": "all"})), 400, "ingress.auth"),
    ]
}

fn around_carriers() -> Vec<Unfit> {
    vec![
        ("trunks/1/logins", json!({"password": null}), 400, "password"),
        ("trunks/1/logins", json!({"trunk": {}}), 400, "trunk"),
        ("trunks/1/logins", json!({"trunk": "2"}), 422, "trunk"),
        (
            "ring-groups",
            json!({"members": [{"number": "1", "subscriber": "1"}]}),
            422,
            "members[0].subscriber",
        ),
        ("dids", json!({"trunk": "1"}), 422, "trunk"),
        ("dids", json!({"reserved_until": "2030-01-01T00:00:00Z"}), 422, "reserved_until"),
        ("phonebook", json!({"subscriber": "99"}), 422, "subscriber"),
        ("phonebook", json!({"did": "99"}), 422, "did"),
        ("accounts", json!({"partners": ["99"]}), 422, "partners[0]"),
        (
            "trunks",
            json!({"egress": {"account": "1", "targets": ["198.51.100.1:5060"],
            "partners": ["99"]}}),
            422,
            "egress.partners[0]",
        ),
        ("routes", json!({"targets": [{"trunk": "2"}]}), 422, "targets[0].trunk"),
        ("routes", json!({"prefix": "4 4"}), 400, "prefix"),
        ("emergency-numbers", json!({"trunks": []}), 400, "trunks"),
        ("emergency-numbers", json!({"trunks": ["99"]}), 422, "trunks[0]"),
        ("bans", json!({"network": "0.0.0.0/0"}), 422, "network"),
        ("bans", json!({"until": "1999-01-01T00:00:00Z"}), 422, "until"),
        ("rules", json!({"condition": "called == 1"}), 422, "condition"),
        ("rules", json!({"condition": "to_trunk == 1"}), 422, "condition"),
        ("rules", json!({"actions": [{"does": "skip"}]}), 422, "actions[0].does"),
        (
            "rules",
            json!({"actions": [{"does": "set-called", "value": "called +"}]}),
            422,
            "actions[0].value",
        ),
        ("caller-rules", json!({"until": "1999-01-01T00:00:00Z"}), 422, "until"),
        ("caller-rules", json!({"account": null, "prefix": ""}), 422, "prefix"),
        ("caller-rules", json!({"account": "99"}), 422, "account"),
        ("caller-rules", json!({"subscriber": "99"}), 422, "subscriber"),
        ("caller-rules", json!({"subscriber": "1", "called": "44"}), 422, "called"),
        ("number-lists", json!({"account": "99"}), 422, "account"),
        ("number-lists", json!({"account": "1", "trunk": "1"}), 422, "trunk"),
        ("number-lists", json!({"tenant": null}), 422, "tenant"),
        ("number-lists", json!({"side": "both"}), 400, "side"),
        ("number-lists", json!({"name": ""}), 400, "name"),
    ]
}
