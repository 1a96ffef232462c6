//! The control plane: who calls, where it goes, what it may cost.

use super::{Turn, done};
use crate::{frames, plan};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::sync::Arc;
use strowger_link::{Algorithm, AnswerBody, Ask, AskBody, Credentials, Down, Tick, Up};
use strowger_model::Amount;
use strowger_office::{Office, Output};
use strowger_routing::{Facts, Locations, Verdict, decide, digest as routing_digest};

const WALL_US: i64 = 1_790_000_000_000_000;
const URI: &str = "sip:442079460000@strowger.sim";

fn hex(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join(":").as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The credentials of the first subscriber of the simulator's operator, used for the `count`th
/// time.
fn credentials(method: &str, count: u32) -> Credentials {
    let (user, nonce, cnonce) = (plan::USERS[0], "0123456789abcdef0123456789abcdef", "0a4f113b");
    let nonce_count = format!("{count:08x}");
    let ha1 = hex(&[user, plan::REALM, &plan::password(user)]);
    let ha2 = hex(&[method, URI]);
    Credentials {
        algorithm: Algorithm::Sha256,
        username: user.into(),
        realm: plan::REALM.into(),
        nonce: nonce.into(),
        uri: URI.into(),
        method: method.into(),
        qop: Some("auth".into()),
        cnonce: cnonce.into(),
        response: hex(&[&ha1, nonce, &nonce_count, cnonce, "auth", &ha2]),
        nonce_count,
    }
}

/// The ask of a subscriber that calls a number of a carrier.
fn ask(id: u64) -> Ask {
    let mut ask = frames::ask(id);
    ask.hints.local = plan::SWITCH;
    ask.hints.source = plan::phone_address(0);
    ask.hints.host = plan::REALM.into();
    ask.wall_us = WALL_US;
    if let AskBody::Call(call) = &mut ask.body {
        call.request_uri = URI.into();
        call.called = "442079460000".into();
        call.to_user = "442079460000".into();
        call.caller.from_host = plan::REALM.into();
        call.credentials = Some(credentials("INVITE", id as u32));
    }
    ask
}

/// Credentials of a REGISTER against the stored secret.
pub(super) fn digest() -> Option<Turn> {
    let world = plan::world([false; 2], false)?;
    Some(Box::new(move |meter| {
        let (Some(row), Some(tenant)) = (world.subscribers().next(), world.tenants().next()) else {
            return Err("no subscriber".into());
        };
        let shown = credentials("REGISTER", 1);
        let mut verdict = routing_digest::Verdict::Wrong;
        meter(&mut || verdict = routing_digest::verify(black_box(&shown), row, tenant));
        done(verdict == routing_digest::Verdict::Right, "not right")
    }))
}

/// The decision by itself.
pub(super) fn decision() -> Option<Turn> {
    let (world, locations, facts) =
        (plan::world([false; 2], false)?, Locations::default(), Facts::default());
    Some(Box::new(move |meter| {
        let ask = ask(1);
        let mut made = None;
        meter(&mut || {
            made = Some(decide(&world, &locations, black_box(&ask), &facts, Tick(1), WALL_US));
        });
        let verdict = made.map(|decision| decision.verdict);
        done(matches!(verdict, Some(Verdict::Go(_))), "no plan")
    }))
}

/// All that the decider does for a call that comes to nothing: the ask is read, decided, admitted,
/// answered, written; its end gives everything back.
pub(super) fn office() -> Option<Turn> {
    let world = plan::world([false; 2], false)?;
    let mut office = Office::new(1, Arc::clone(&world));
    for account in world.accounts() {
        office.load(account, Amount(100_000_000_000), Tick(0));
    }
    let mut number = 0u64;
    Some(Box::new(move |meter| {
        number += 1;
        let now = Tick(0).plus_ms(number);
        let up = Up::Ask(Box::new(ask(number))).to_bytes();
        let (mut answer, mut id) = (Vec::new(), None);
        meter(&mut || {
            let Ok(up) = Up::from_bytes(&up) else { return };
            if let Up::Ask(ask) = &up {
                id = Some(ask.id);
            }
            office.handle_up(up, now, WALL_US);
            while let Some(output) = office.poll_output() {
                if let Output::Down(down) = output {
                    answer = down.to_bytes();
                }
            }
            if let Some(id) = id {
                office.handle_up(Up::Abandoned(id), now, WALL_US);
            }
        });
        while office.poll_output().is_some() {}
        let is_go = match Down::from_bytes(&answer) {
            Ok(Down::Answer(answer)) => matches!(answer.body, AnswerBody::Go(_)),
            Ok(_) | Err(_) => false,
        };
        done(is_go, "no plan")
    }))
}
