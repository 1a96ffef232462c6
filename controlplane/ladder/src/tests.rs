use super::*;
use std::sync::Arc;
use strowger_link::tape::{Tape, words_needed};
use strowger_link::{LegId, Transport};

struct Memory(Arc<Vec<AtomicU64>>);

impl AsRef<[AtomicU64]> for Memory {
    fn as_ref(&self) -> &[AtomicU64] {
        &self.0
    }
}

const KEY: Key = Key([7; 16]);

fn said(wall_us: i64, outgoing: bool, len: usize) -> Said {
    Said {
        wall_us,
        outgoing,
        transport: Transport::Udp,
        listener: 0,
        local: "192.0.2.1:5060".parse().unwrap(),
        peer: "198.51.100.7:5062".parse().unwrap(),
        len: len as u32,
    }
}

fn leg(idx: u16, leg: u8) -> LegId {
    LegId { slot: SlotRef { seg: 0, idx, r#gen: 3 }, leg }
}

fn token(id: LegId) -> String {
    token::seal(&KEY, id).unwrap().as_str().to_owned()
}

fn text(start: &str, call_id: &str, from: &str, to: &str, branch: &str) -> Vec<u8> {
    format!(
        "{start}\r\nv: SIP/2.0/UDP h;branch=z9hG4bK{branch};rport\r\nFrom: \"a;tag=no\" \
         <sip:1@h>;tag={from}\r\nt: <sip:2@h>{to}\r\ni: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn a_ladder_has_both_legs_of_its_call_and_no_others() {
    let memory = Arc::new((0..words_needed(1)).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    let mut tape = Tape::open(Memory(Arc::clone(&memory))).unwrap();
    let (ours, called) = (token(leg(5, 0)), token(leg(5, 1)));
    let other = token(leg(6, 1));
    let messages = [
        (10, false, text("INVITE sip:2@h SIP/2.0", "a", "x", "", "1")),
        (11, true, text("INVITE sip:2@c SIP/2.0", "b", &called, "", &format!("{called}.1"))),
        (12, true, text("INVITE sip:2@c SIP/2.0", "c", &other, "", &format!("{other}.1"))),
        (13, false, text("SIP/2.0 180 Ringing", "b", &called, ";tag=p", &format!("{called}.1"))),
        (14, true, text("SIP/2.0 180 Ringing", "a", "x", &format!(";tag={ours}"), "1")),
        // The same slot in the time of another call, and the same Call-ID of yesterday.
        (99, true, text("BYE sip:2@c SIP/2.0", "z", &called, "", "9")),
        (1, false, text("INVITE sip:2@h SIP/2.0", "a", "y", "", "0")),
    ];
    for (at, outgoing, message) in &messages {
        tape.write(&said(*at, *outgoing, message.len()), message);
    }
    let wanted = Wanted { sip_call_id: b"a", from_us: 5, until_us: 50, token_key: KEY };
    let read = || Reader::attach(Memory(Arc::clone(&memory))).ok();
    let times = |wanted: &Wanted<'_>| -> Vec<i64> {
        find(read, wanted).iter().map(|message| message.said.wall_us).collect()
    };
    assert_eq!(times(&wanted), [10, 11, 13, 14]);
    // Tokens of another table say nothing: the caller's leg is left.
    let strange = Wanted { token_key: Key([8; 16]), ..wanted };
    assert_eq!(times(&strange), [10, 14]);
}

#[test]
fn secrets_are_masked_and_lengths_stay() {
    let masked = |message: &str| {
        let mut bytes = message.as_bytes().to_vec();
        mask(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        String::from_utf8(bytes).unwrap()
    };
    let head = "REGISTER sip:h SIP/2.0\r\nCSeq: 2 REGISTER\r\n";
    let digest = "Authorization: Digest username=\"1\",nonce=\"n\",cnonce=\"c0ffee\", \
                  response=\"0123\",nc=00000001\r\n\r\n";
    let shown = masked(&format!("{head}{digest}"));
    let expect = digest.replace("c0ffee", "xxxxxx").replace("0123", "xxxx");
    assert_eq!(shown, format!("{head}{expect}"));
    let bare = "Proxy-Authorization: Digest response = 0123, cnonce=ab\r\n\r\n";
    assert!(masked(bare).contains("response = xxxx, cnonce=xx\r\n"));
    let invite = "INVITE sip:h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n";
    let keys =
        "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^31 KDR=1\r\nk=clear:a\r\n";
    let shown = masked(&format!("{invite}{keys}"));
    assert!(shown.contains("inline:xxxxxxxx|2^31") && shown.ends_with("k=xxxxxxx\r\n"), "{shown}");
    let ice = "v=0\r\na=ice-ufrag:Fr4g\r\na=ice-pwd:c2VjcmV0\r\na=fingerprint:sha-256 AB\r\n";
    let shown = masked(&format!("{invite}{ice}"));
    let rest = "a=ice-ufrag:Fr4g\r\na=ice-pwd:xxxxxxxx\r\na=fingerprint:sha-256 AB\r\n";
    assert!(shown.ends_with(rest), "{shown}");
    let info = "INFO sip:h SIP/2.0\r\nCSeq: 1 INFO\r\n\r\n";
    let relay = masked(&format!("{info}Signal=5\r\nDuration=160\r\n"));
    assert!(relay.ends_with("\r\n\r\nSignal=x\r\nDuration=160\r\n"), "{relay}");
    assert!(masked(&format!("{info}7")).ends_with("\r\n\r\nx"));
    let text = "MESSAGE sip:h SIP/2.0\r\nCSeq: 1 MESSAGE\r\n\r\nmeet me";
    assert!(masked(text).ends_with("\r\n\r\nxxxxxxx"));
}

#[test]
fn any_bytes_are_masked_without_panic() {
    let mut chance = 3u64;
    for round in 0..2_000 {
        let mut bytes: Vec<u8> = (0..round % 200)
            .map(|_| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b"\r\n:= \"a,cresponse"[(chance >> 40) as usize % 17]
            })
            .collect();
        mask(&mut bytes);
        let _marks = text::marks(&bytes).count();
    }
}

#[test]
fn a_capture_has_true_headers() {
    let bytes = b"OPTIONS sip:h SIP/2.0\r\n\r\n".to_vec();
    let v4 = Message { said: said(1_500_000, true, bytes.len()), bytes: bytes.clone() };
    let v6 = Said { peer: "[2001:db8::1]:5060".parse().unwrap(), ..v4.said };
    let v6 = Message { said: Said { local: "[2001:db8::2]:5060".parse().unwrap(), ..v6 }, bytes };
    let file = pcap(&[v4, v6]);
    assert_eq!(file[..4], [0xD4, 0xC3, 0xB2, 0xA1]);
    let packet = &file[24 + 16..];
    assert_eq!(
        (file[24..28].to_vec(), file[28..32].to_vec()),
        (vec![1, 0, 0, 0], 500_000u32.to_le_bytes().to_vec())
    );
    // A header with its checksum sums up to all ones, and so does what a receiver of UDP adds up.
    let ones = |bytes: &[u8]| {
        let words =
            bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b)));
        let mut sum: u32 = words.sum();
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        sum
    };
    assert_eq!(ones(&packet[..20]), 0xFFFF);
    let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let pseudo = [&packet[12..20], &[0, 17], &packet[24..26], &packet[20..len]].concat();
    assert_eq!(ones(&pseudo), 0xFFFF);
    let packet = &packet[len + 16..];
    let pseudo = [&packet[8..40], &[0, 17], &packet[44..46], &packet[40..]].concat();
    assert_eq!((packet[0], ones(&pseudo)), (0x60, 0xFFFF));
}

#[test]
fn a_hep_packet_reads_back() {
    let bytes = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: me@h\r\n\r\n".to_vec();
    let message = Message { said: said(7_000_009, false, bytes.len()), bytes: bytes.clone() };
    let packet = hep(&message, 2_001);
    assert_eq!(packet[..4], *b"HEP3");
    assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
    let mut chunks = std::collections::BTreeMap::new();
    let mut rest = &packet[6..];
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
        chunks.insert(rest[3], rest[6..len].to_vec());
        rest = &rest[len..];
    }
    assert_eq!(chunks[&1], [2]);
    assert_eq!(chunks[&3], [198, 51, 100, 7]);
    assert_eq!(chunks[&4], [192, 0, 2, 1]);
    assert_eq!(
        (chunks[&7].clone(), chunks[&8].clone()),
        (5062u16.to_be_bytes().to_vec(), 5060u16.to_be_bytes().to_vec())
    );
    assert_eq!(
        (chunks[&9].clone(), chunks[&10].clone()),
        (7u32.to_be_bytes().to_vec(), 9u32.to_be_bytes().to_vec())
    );
    assert_eq!(
        (chunks[&12].clone(), chunks[&17].clone()),
        (2_001u32.to_be_bytes().to_vec(), b"me@h".to_vec())
    );
    assert_eq!(chunks[&15], bytes);
}
