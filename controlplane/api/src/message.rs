//! The SIP messages of one call, as they went over the wire, for operators.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Answer, Json, Respond};
use crate::shape::{Components, view};
use crate::value::Time;
use crate::{CallId, CallMessages, MessagesOrder, SipMessage};
use axum::http::StatusCode;
use serde_json::{Value, json};
use strowger_model::CdrId;

/// Media type of a capture (IANA).
const PCAP: &str = "application/vnd.tcpdump.pcap";
/// Messages around a record that are its own: a challenge before, copies and last words after.
const BEFORE_US: i64 = 5_000_000;
const AFTER_US: i64 = 70_000_000;

view! {
    /// The messages of a call that are still kept, in order.
    MessagesView {
        /// Messages.
        items: Vec<MessageView>,
    }
}

view! {
    /// One SIP message.
    MessageView {
        /// When it came or went.
        at: Time,
        /// `received` or `sent`.
        direction: String,
        /// `udp`, `tcp`, `tls`, `ws` or `wss`.
        transport: String,
        /// Whence, address and port.
        from: String,
        /// Where to, address and port.
        to: String,
        /// Request line or status line.
        start: String,
        /// The whole message; secrets are `x`, bytes that are no UTF-8 are U+FFFD.
        text: String,
        /// It was too long to be kept whole.
        is_cut: bool,
    }
}

/// A capture for other programs.
pub(crate) struct Capture(Vec<u8>);

impl Respond for Capture {
    fn respond(self) -> Result<Answer, Problem> {
        let body = self.0.into();
        Ok(Answer { status: StatusCode::OK, media: PCAP, body, headers: Vec::new() })
    }

    fn describe(_: &mut Components) -> Vec<(u16, &'static str, &'static str, Value)> {
        vec![(200, "A pcap file.", PCAP, json!({"type": "string", "format": "binary"}))]
    }
}

/// `GET /cdrs/{id}/messages`
pub(crate) async fn of_record(cx: Context) -> Result<Json<MessagesView>, Problem> {
    Ok(Json(shown(&recorded(&cx).await?.messages)))
}

/// `GET /cdrs/{id}/capture`
pub(crate) async fn capture_of_record(cx: Context) -> Result<Capture, Problem> {
    Ok(Capture(recorded(&cx).await?.capture))
}

/// `GET /calls/{id}/messages`
pub(crate) async fn of_call(cx: Context) -> Result<Json<MessagesView>, Problem> {
    Ok(Json(shown(&running(&cx).await?.messages)))
}

/// `GET /calls/{id}/capture`
pub(crate) async fn capture_of_call(cx: Context) -> Result<Capture, Problem> {
    Ok(Capture(running(&cx).await?.capture))
}

async fn recorded(cx: &Context) -> Result<CallMessages, Problem> {
    let record = cx.api.reader.cdr(cx.caller.scope, CdrId(cx.id()?)).await?;
    let record = record.ok_or_else(Problem::not_found)?;
    let order = MessagesOrder {
        call: CallId(record.ask),
        sip_call_id: Some(record.caller.sip_call_id),
        from_us: record.times.started_us.saturating_sub(BEFORE_US),
        until_us: record.times.ended_us.saturating_add(AFTER_US),
    };
    Ok(cx.api.live.messages(order).await?)
}

async fn running(cx: &Context) -> Result<CallMessages, Problem> {
    let id = CallId(cx.id()?);
    let call = cx.api.live.call(cx.caller.scope, id).await?.ok_or_else(Problem::not_found)?;
    let from_us = call.started_us.saturating_sub(BEFORE_US);
    let order = MessagesOrder { call: id, sip_call_id: None, from_us, until_us: i64::MAX };
    Ok(cx.api.live.messages(order).await?)
}

fn shown(messages: &[SipMessage]) -> MessagesView {
    MessagesView { items: messages.iter().map(one).collect() }
}

fn one(message: &SipMessage) -> MessageView {
    let (from, to) = match message.outgoing {
        true => (message.local, message.peer),
        false => (message.peer, message.local),
    };
    let text = String::from_utf8_lossy(&message.bytes).into_owned();
    MessageView {
        at: Time(message.at_us),
        direction: if message.outgoing { "sent" } else { "received" }.to_owned(),
        transport: message.transport.to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        start: text.lines().next().unwrap_or_default().to_owned(),
        is_cut: message.is_cut,
        text,
    }
}
