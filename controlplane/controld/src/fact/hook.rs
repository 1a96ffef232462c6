//! The operator's own program: a call goes out as JSON, what is to be done comes back.
//!
//! The answer is read strictly: what is not one of its few forms is none, so that a typing error
//! never lets a call through that was to be refused.
//!
//! ```json
//! {"action": "continue", "called": "4420", "caller": "4477", "talk_ms": 60000}
//! {"action": "refuse", "status": 603}
//! ```

use super::Told;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use strowger_fetch::{Bounds, Client};
use strowger_routing::{AskedCall, Finding, HookSays};

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: super::PATIENCE, bytes: 16_384 };

/// Whom to ask.
pub(super) struct Hook {
    client: Client,
    url: String,
    token: Option<String>,
}

/// A call as it is told. Ids are texts, as in REST.
#[derive(Serialize)]
struct CallTold<'a> {
    call_id: &'a str,
    tenant: String,
    account: String,
    organization: String,
    subscriber: Option<String>,
    trunk: Option<String>,
    called: &'a str,
    received: &'a str,
    caller: &'a str,
    from: &'a str,
    source: String,
    local: bool,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
enum Answer {
    Continue {
        #[serde(default)]
        called: Option<String>,
        #[serde(default)]
        caller: Option<String>,
        #[serde(default)]
        talk_ms: Option<u64>,
    },
    Refuse {
        status: u16,
    },
}

impl Hook {
    pub(super) fn new(set: &strowger_tuning::Hook, client: Client, token: Option<String>) -> Hook {
        Hook { client, url: set.url.clone(), token }
    }

    pub(super) async fn ask(&self, call: &AskedCall) -> Told {
        let json = serde_json::to_vec(&told(call)).map_err(|e| format!("hook: {e}"))?;
        let token = self.token.as_deref();
        let answer = self.client.post_json(&self.url, token, json.into(), BOUNDS).await;
        let answer = answer.map_err(|e| format!("hook: {}", crate::run::chain(&e)))?;
        let says = read(answer.status().as_u16(), answer.body());
        // It may think otherwise of the next call.
        Ok((Finding::Hook(says.map_err(|why| format!("hook: {why}"))?), Duration::ZERO))
    }
}

fn told(call: &AskedCall) -> CallTold<'_> {
    CallTold {
        call_id: &call.sip_call_id,
        tenant: call.tenant.0.to_string(),
        account: call.account.0.to_string(),
        organization: call.organization.0.to_string(),
        subscriber: call.subscriber.map(|id| id.0.to_string()),
        trunk: call.trunk.map(|id| id.0.to_string()),
        called: &call.called,
        received: &call.received,
        caller: &call.caller,
        from: &call.from,
        source: call.source.to_string(),
        local: call.local,
    }
}

fn read(status: u16, body: &[u8]) -> Result<HookSays, String> {
    if status != 200 {
        return Err(format!("status {status}"));
    }
    match serde_json::from_slice(body).map_err(|e| e.to_string())? {
        Answer::Continue { called, caller, talk_ms } => {
            Ok(HookSays::Continue { called, caller, talk_ms })
        }
        Answer::Refuse { status } if (400..700).contains(&status) => Ok(HookSays::Refuse(status)),
        Answer::Refuse { status } => Err(format!("status {status} is not one of 400 to 699")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::{AccountId, OrganizationId, SubscriberId, TenantId};

    #[test]
    fn a_call_as_it_is_told() {
        let call = AskedCall {
            sip_call_id: "a@b".into(),
            tenant: TenantId(1),
            account: AccountId(2),
            organization: OrganizationId(3),
            subscriber: Some(SubscriberId(4)),
            trunk: None,
            called: "4420".into(),
            received: "+44 20".into(),
            caller: "1001".into(),
            from: "ada".into(),
            source: "192.0.2.1".parse().unwrap(),
            local: false,
        };
        let json = serde_json::to_string(&told(&call)).unwrap();
        let expect = concat!(
            r#"{"call_id":"a@b","tenant":"1","account":"2","organization":"3","#,
            r#""subscriber":"4","trunk":null,"#,
            r#""called":"4420","received":"+44 20","caller":"1001","from":"ada","#,
            r#""source":"192.0.2.1","local":false}"#
        );
        assert_eq!(json, expect);
    }

    #[test]
    fn answers_are_read_strictly() {
        let says = |called: Option<&str>, caller: Option<&str>, talk_ms| {
            let [called, caller] = [called, caller].map(|text| text.map(str::to_owned));
            Some(HookSays::Continue { called, caller, talk_ms })
        };
        let go = |called, caller| says(called, caller, None);
        for (status, body, expect) in [
            (200, r#"{"action":"continue"}"#, go(None, None)),
            (200, r#"{"action":"continue","called":"44"}"#, go(Some("44"), None)),
            (200, r#"{"action":"continue","caller":"1","called":null}"#, go(None, Some("1"))),
            (200, r#"{"action":"continue","talk_ms":60000}"#, says(None, None, Some(60_000))),
            (200, r#"{"action":"continue","talk_ms":-1}"#, None),
            (200, r#"{"action":"continue","talk_ms":"60000"}"#, None),
            (200, r#"{"action":"refuse","status":603}"#, Some(HookSays::Refuse(603))),
            (200, r#"{"action":"refuse","status":200}"#, None),
            (200, r#"{"action":"refuse"}"#, None),
            (200, r#"{"action":"refuse","status":603,"calld":"44"}"#, None),
            (200, r#"{"action":"continue","calld":"44"}"#, None),
            (200, r#"{"action":"allow"}"#, None),
            (200, "{}", None),
            (200, "", None),
            (204, r#"{"action":"continue"}"#, None),
            (500, r#"{"action":"continue"}"#, None),
        ] {
            assert_eq!(read(status, body.as_bytes()).ok(), expect, "{status} {body}");
        }
    }
}
