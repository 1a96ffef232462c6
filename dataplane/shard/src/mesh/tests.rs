//! Whose a message is, and what shards say to each other.

use super::*;
use strowger_link::{LegId, SlotRef};

const KEY: Key = Key(*b"0123456789abcdef");
const SHARDS: u8 = 3;

fn mesh(number: u8) -> Mesh {
    let gauges = SharedGauges::default();
    Mesh::new(number, &MeshConfig { shards: SHARDS, token_key: KEY, gauges }).unwrap()
}

fn tag(seg: u8) -> String {
    let slot = SlotRef { seg, idx: 7, r#gen: 9 };
    token::seal(&KEY, LegId { slot, leg: 1 }).unwrap().as_str().to_owned()
}

fn request(method: &str, to_tag: &str, call_id: &str) -> String {
    format!(
        "{method} sip:1001@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\
         From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:1001@192.0.2.9>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn response(branch: &str) -> String {
    format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch={branch}\r\n\
         From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:1001@192.0.2.9>;tag=b\r\n\
         Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
}

fn owner(text: &str) -> u8 {
    mesh(DOOR).owner(&scan(text.as_bytes()).unwrap(), text.as_bytes())
}

#[test]
fn our_tag_or_branch_names_the_shard() {
    for seg in 0..SHARDS {
        for method in ["BYE", "INVITE", "ACK", "CANCEL", "UPDATE", "PRACK", "REFER", "MESSAGE"] {
            let text = request(method, &format!(";tag={}", tag(seg)), "any");
            assert_eq!(owner(&text), seg, "{method}");
        }
        assert_eq!(owner(&response(&format!("z9hG4bK{}.1f", tag(seg)))), seg);
    }
    // A segment that no shard has, a branch of no leg, a forged tag: nobody's, so the door's.
    assert_eq!(owner(&request("BYE", &format!(";tag={}", tag(SHARDS)), "c")), DOOR);
    for branch in ["z9hG4bKr.17", "z9hG4bKacaacaabujspsgy5z", "other"] {
        assert_eq!(owner(&response(branch)), DOOR, "{branch}");
    }
    assert_eq!(owner(&request("BYE", ";tag=foreign", "c")), DOOR);
}

#[test]
fn what_begins_a_call_falls_by_its_call_id_and_all_else_to_the_door() {
    let mut seen = [0; SHARDS as usize];
    for number in 0..300 {
        let id = format!("{number}@example.net");
        let of = owner(&request("INVITE", "", &id));
        seen[usize::from(of)] += 1;
        for method in ["INVITE", "CANCEL"] {
            assert_eq!(owner(&request(method, "", &id)), of);
        }
        // The ACK of a refusal that had no leg yet.
        assert_eq!(owner(&request("ACK", ";tag=stateless", &id)), of);
        for method in ["REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY"] {
            assert_eq!(owner(&request(method, "", &id)), DOOR);
        }
    }
    assert!(seen.iter().all(|of_shard| *of_shard > 60), "{seen:?}");
}

#[test]
fn who_takes_a_place_in_a_call_goes_to_its_shard_with_all_that_follows() {
    let mut mesh = mesh(DOOR);
    let mut owner = |text: &str| mesh.owner(&scan(text.as_bytes()).unwrap(), text.as_bytes());
    for seg in 0..SHARDS {
        for number in 0..20 {
            let id = format!("{seg}-{number}");
            let plain = request("INVITE", "", &id);
            let takes = |tags: &str| {
                plain.replace("Content-Length", &format!("Replaces: x@y;{tags}\r\nContent-Length"))
            };
            let ours = tag(seg);
            assert_eq!(owner(&takes(&format!("to-tag={ours};from-tag=f"))), seg);
            assert_eq!(owner(&takes(&format!("to-tag=t;from-tag={ours};early-only"))), seg);
            assert_eq!(owner(&request("CANCEL", "", &id)), seg);
            assert_eq!(owner(&request("ACK", ";tag=stateless", &id)), seg);
        }
    }
    // A foreign dialog is nobody's: it falls as any other INVITE.
    let plain = request("INVITE", "", "other");
    let foreign = plain.replace("CSeq", "Replaces: x;to-tag=a;from-tag=b\r\nCSeq");
    assert_eq!(owner(&foreign), owner(&plain));
    for number in 0..2 * MOVED_MAX {
        mesh.note_moved(format!("{number}").as_bytes(), 1);
    }
    assert_eq!(mesh.moved.len(), MOVED_MAX);
}

#[test]
fn words_are_read_as_they_were_written() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (local, peer) = (at("192.0.2.9:5060"), at("[2001:db8::1]:5061"));
    let path = Path { listener: 3, transport: Transport::Wss, local, peer, flow: 77 };
    let words = [
        Word::Yours {
            path,
            queued_ns: 5,
            at: Tick(9),
            may_challenge: true,
            name: Some("sip.example".into()),
            data: b"INVITE",
        },
        Word::Carry { path, data: b"" },
        Word::Unreachable(peer),
        Word::Gone { transport: Transport::Tcp, peer, flows: vec![1, 2] },
        Word::Challenged(local),
        Word::Tied { from: 2, listener: 1, local, data: b"BYE" },
    ];
    let mut out = Vec::new();
    for word in words {
        word.write(&mut out);
        assert_eq!(Word::read(&out), Ok(word.clone()));
        for len in 0..out.len() {
            // Cut anywhere it is no other word; the bytes of a message may be any.
            match Word::read(&out[..len]) {
                Ok(
                    Word::Yours { data, .. } | Word::Carry { data, .. } | Word::Tied { data, .. },
                ) => {
                    assert!(data.len() + (out.len() - len) <= 6, "{word:?} at {len}");
                }
                Ok(other) => panic!("{other:?}"),
                Err(Malformed) => {}
            }
        }
    }
    assert_eq!(Word::read(&[9]), Err(Malformed));
}

#[test]
fn numbers_have_bounds() {
    let config = |shards| MeshConfig { shards, token_key: KEY, gauges: SharedGauges::default() };
    assert!(Mesh::new(0, &config(1)).is_none() && Mesh::new(0, &config(33)).is_none());
    assert!(Mesh::new(2, &config(2)).is_none() && Mesh::new(31, &config(32)).is_some());
}
