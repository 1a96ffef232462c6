//! Rows and requests for this crate's tests.

use crate::digest;
use strowger_link::{Algorithm, Credentials, Hints, Transport};
use strowger_model::{AccountId, DigestPolicy, OrganizationId, Subscriber, SubscriberId, TenantId};

pub(crate) const REALM: &str = "demo.example";

/// A subscriber of tenant 1 and account 1 whose password is `demo` and the user name.
pub(crate) fn subscriber(id: i64, username: &str) -> Subscriber {
    let password = format!("demo{username}");
    Subscriber {
        id: SubscriberId(id),
        tenant: TenantId(1),
        account: AccountId(1),
        organization: OrganizationId(1),
        username: username.to_owned(),
        numbers: Vec::new(),
        short: None,
        display: format!("Phone {username}"),
        ha1_md5: Some(digest::ha1_md5(username, REALM, &password)),
        ha1_sha256: Some(digest::ha1_sha256(username, REALM, &password)),
        digest: DigestPolicy::Both,
        ring_timeout_s: 0,
        calls_max: 0,
        enabled: true,
        expires_s_min: 60,
        expires_s_max: 3600,
        contacts_max: 4,
        hide_number: false,
    }
}

/// What a phone that knows `password` sends.
pub(crate) fn credentials(username: &str, method: &str, password: &str) -> Credentials {
    let ha1 = digest::ha1_md5(username, REALM, password);
    let mut credentials = Credentials {
        algorithm: Algorithm::Md5,
        username: username.to_owned(),
        realm: REALM.to_owned(),
        nonce: "nonce".to_owned(),
        uri: format!("sip:{REALM}"),
        method: method.to_owned(),
        qop: Some("auth".to_owned()),
        cnonce: "cnonce".to_owned(),
        nonce_count: "00000001".to_owned(),
        response: String::new(),
    };
    credentials.response = digest::response_md5(&credentials, &ha1);
    credentials
}

pub(crate) fn hints(source: &str) -> Hints {
    Hints {
        listener: 0,
        local: "192.0.2.1:5060".parse().unwrap(),
        source: source.parse().unwrap(),
        transport: Transport::Udp,
        host: REALM.to_owned(),
        sni: None,
        trunk: None,
    }
}
