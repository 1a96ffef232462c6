//! How a running call sounds, false answers, strict sources and floods of media: by REST and by
//! what two hand-made peers send and hear.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::forwarder::Impairment;
use strowger_phone::message::Message;
use strowger_phone::{Config, EndedBy, Pattern, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::dialog::{hang_up, peers};
use crate::rest::text;
use crate::rows::set;
use crate::talk::{SOON, Talk, desk};
use crate::why::{strowger, trace_of};
use crate::wire::{Dialing, Wire, sdp};

const PACKET: Duration = Duration::from_millis(20);
const EXPIRES_S: u32 = 300;

/// The media of one peer.
struct Side(UdpSocket);

impl Side {
    fn new() -> Side {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Side(socket)
    }

    fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Sends packets `numbers` of its stream, one in 20 ms.
    fn speak(&self, to: SocketAddr, numbers: core::ops::Range<u16>, sound: fn(u16, usize) -> u8) {
        let began = Instant::now();
        for (nth, number) in (0u32..).zip(numbers) {
            self.0.send_to(&rtp(number, sound), to).unwrap();
            std::thread::sleep((PACKET * (nth + 1)).saturating_sub(began.elapsed()));
        }
    }

    /// How many packets wait, or come soon.
    fn hears(&self) -> usize {
        let mut buffer = [0; 2_048];
        core::iter::from_fn(|| self.0.recv(&mut buffer).ok()).count()
    }
}

/// 20 ms of A-law.
fn rtp(number: u16, sound: fn(u16, usize) -> u8) -> Vec<u8> {
    let stamp = u32::from(number) * 160;
    let mut packet = vec![0x80, 8];
    packet.extend(number.to_be_bytes());
    packet.extend(stamp.to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend((0..160).map(|place| sound(number, place)));
    packet
}

/// A tone of 200 Hz, whose every packet is the same.
fn tone(_: u16, place: usize) -> u8 {
    if place % 40 < 20 { 0x2a } else { 0xaa }
}

/// No two packets of it are alike.
fn voice(number: u16, place: usize) -> u8 {
    let mixed = (u32::from(number) * 160 + place as u32).wrapping_mul(2_654_435_761);
    (mixed >> 24) as u8
}

/// Where a description wants its audio.
fn told(message: &Message) -> SocketAddr {
    let body = String::from_utf8(message.body.clone()).unwrap();
    let line = body.lines().find(|line| line.starts_with("m=audio")).unwrap().to_owned();
    SocketAddr::from(([127, 0, 0, 1], line.split(' ').nth(1).unwrap().parse().unwrap()))
}

/// A call of the edge that the far side answers.
struct Call {
    near: Side,
    far_side: Side,
    dialing: Dialing,
    ok: Message,
    /// Our ports, as the caller and the called one were told.
    to_caller: SocketAddr,
    to_called: SocketAddr,
}

impl Call {
    /// `before` is what the far side sends while it rings, in the session of its 183.
    fn new((edge, far): (&Wire, &Wire), before: Option<fn(u16, usize) -> u8>) -> Call {
        let (near, far_side) = (Side::new(), Side::new());
        let dialing = edge.invite_with("44700", &sdp(near.at()));
        let invite = far.expect("INVITE");
        let to_called = told(&invite);
        if let Some(sound) = before {
            far.respond(&invite, 183, &[], Some(&sdp(far_side.at())));
            edge.expect("183 INVITE");
            far_side.speak(to_called, 1..40, sound);
        }
        far.respond(&invite, 200, &[], Some(&sdp(far_side.at())));
        let ok = edge.expect("200 INVITE");
        edge.within(&dialing, &ok, "ACK", &[]);
        far.expect("ACK");
        let to_caller = told(&ok);
        Call { near, far_side, dialing, ok, to_caller, to_called }
    }
}

fn number(value: &Value, path: &str) -> u64 {
    let found = value.pointer(path).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[test]
fn a_running_call_says_how_it_sounds() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ada = desk(&demo, ALICE);
    let rough = Impairment { loss_per_mille: 250, ..Impairment::NONE };
    let bob = Config { media_impairment: Some(rough), ..Config::new(BOB.0, BOB.1, demo.sip) };
    let bob = Phone::new(Config { patience: SOON, ..bob }).unwrap();
    bob.register(EXPIRES_S).unwrap();
    let out = ada.invite("1002").unwrap();
    let inc = bob.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    inc.start_sending(u64::MAX, Pattern::Marked).unwrap();
    let bad = eventually("the call is told to be bad", || {
        let call = demo.rest.list("/api/v1/calls").pop()?;
        (call["audio"] == "bad").then_some(call)
    });
    // Ada's voice reaches us whole, Bob's does not; both are seen while they talk.
    assert_eq!(number(&bad, "/caller_media/lost"), 0, "{bad:#}");
    assert!(number(&bad, "/called_media/lost") >= 10, "{bad:#}");
    assert!(number(&bad, "/called_media/mos_hundredths") < 310, "{bad:#}");
    assert!(number(&bad, "/mos_hundredths") < 310, "{bad:#}");
    assert_eq!(bad["false_answer"], json!(null));
    let worse = |below: u16| {
        let found = demo.rest.get(&format!("/api/v1/calls?mos_below={below}"));
        found["items"].as_array().unwrap().len()
    };
    assert_eq!((worse(400), worse(101)), (1, 0));
    let shown = strowger(&demo, &["get", "calls", text(&bad, "id")]);
    assert!(shown.out.contains("called_media.mos_hundredths"), "{}", shown.out);
    let listed = strowger(&demo, &["list", "calls", "mos_below=400"]);
    assert!(listed.out.contains("MOS_HUNDREDTHS"), "{}", listed.out);
    // Some seconds later there is more of it.
    let before = number(&bad, "/caller_media/received");
    eventually("more of the call is told", || {
        let call = demo.rest.get(&format!("/api/v1/calls/{}", text(&bad, "id")));
        (number(&call, "/caller_media/received") >= before + 100).then_some(())
    });
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(demo.rest.cdrs(1)[0]["audio"], "bad");
    assert_tidy(&demo);
    demo.stop();
}

/// Octets of media and of signalling, and how long media took of the turns that are timed.
fn load(demo: &Demo) -> [u64; 4] {
    demo.rest.fresh_counters();
    ["media_octets", "sip_octets", "timed_media_us", "timed_us"].map(|name| demo.rest.shard(name))
}

#[test]
fn media_is_most_of_the_load_where_it_is_relayed_and_none_where_it_is_not() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let before = load(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(200);
    talk.end_after(Duration::from_millis(300));
    let relayed = load(&demo);
    let [media, sip, of_media, all] = [0, 1, 2, 3].map(|at| relayed[at] - before[at]);
    // 172 octets come and go for each packet; the messages of the call have some thousands.
    assert!(media >= 2 * 200 * 2 * 172 && sip >= 2_000, "{media} {sip}");
    assert!(media > 9 * sip, "{media} octets of media, {sip} of signalling");
    assert!(of_media > 0 && of_media <= all, "{of_media} us of {all} us");
    let row = json!({"category": "media", "name": "path", "value": "direct"});
    crate::rows::make(&demo, "settings", &row);
    std::thread::sleep(crate::rows::IN_FORCE);
    let before = load(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(50);
    talk.end_after(Duration::from_millis(300));
    let direct = load(&demo);
    assert_eq!(direct[0], before[0], "no octet of media was ours");
    assert!(direct[1] - before[1] >= 2_000);
    demo.stop();
}

#[test]
fn an_answer_that_is_false_is_named_and_ended_where_a_trunk_wants_it() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let both = (&edge, &far);

    // It rings before the answer, and a human speaks behind it.
    let call = Call::new(both, Some(tone));
    call.far_side.speak(call.to_called, 40..140, voice);
    hang_up(both, &call.dialing, &call.ok);
    let cdr = demo.rest.cdrs(1)[0].clone();
    assert_eq!((&cdr["false_answer"], number(&cdr, "/called_media/rang_ms")), (&json!(null), 0));
    assert!(number(&cdr, "/called_media/silent_ms") < 1_000, "{cdr:#}");

    // It rings on.
    let call = Call::new(both, Some(tone));
    call.far_side.speak(call.to_called, 40..140, tone);
    hang_up(both, &call.dialing, &call.ok);
    let cdr = demo.rest.cdrs(2)[1].clone();
    assert_eq!(cdr["false_answer"], "rings-on", "{cdr:#}");
    assert!((1_000..4_000).contains(&number(&cdr, "/called_media/rang_ms")), "{cdr:#}");

    // Nothing comes from who answered, though the caller speaks.
    let call = Call::new(both, None);
    call.near.speak(call.to_caller, 1..260, voice);
    hang_up(both, &call.dialing, &call.ok);
    let cdr = demo.rest.cdrs(3)[2].clone();
    assert_eq!((&cdr["false_answer"], &cdr["audio"]), (&json!("silent"), &json!("caller-only")));
    let why = trace_of(&demo, &cdr).to_string();
    for said in ["the answer was false: nothing came behind it", "nobody heard the called party"] {
        assert!(why.contains(said), "{why}");
    }

    // A trunk whose false answers end calls.
    set(&demo, "trunks/1", &json!({"egress": {"dialog": {"end_false_answer": true}}}));
    let call = Call::new(both, Some(tone));
    call.far_side.speak(call.to_called, 40..150, tone);
    let bye = far.expect("BYE");
    far.respond(&bye, 200, &[], None);
    let bye = edge.expect("BYE");
    edge.respond(&bye, 200, &[], None);
    let cdr = demo.rest.cdrs(4)[3].clone();
    assert_eq!(text(&cdr, "outcome.reason"), "false-answer", "{cdr:#}");
    assert_eq!(text(&cdr, "outcome.party"), "switch", "{cdr:#}");
    assert_eq!(cdr["false_answer"], "rings-on");
    // And a human is let speak.
    let call = Call::new(both, Some(tone));
    call.far_side.speak(call.to_called, 40..140, voice);
    hang_up(both, &call.dialing, &call.ok);
    assert_eq!(demo.rest.cdrs(5)[4]["outcome"]["reason"], "normal");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_strict_trunk_is_heard_from_where_it_says_alone() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    for (strict, heard) in [(false, 20), (true, 0)] {
        set(&demo, "trunks/1", &json!({"egress": {"dialog": {"strict_media": strict}}}));
        let call = Call::new((&edge, &far), None);
        call.far_side.speak(call.to_called, 1..11, voice);
        assert_eq!(call.near.hears(), 10);
        // The same stream from another port, after a silence that a NAT may make.
        std::thread::sleep(Duration::from_millis(2_200));
        let elsewhere = Side::new();
        elsewhere.speak(call.to_called, 200..220, voice);
        assert_eq!(call.near.hears(), heard, "strict: {strict}");
        hang_up((&edge, &far), &call.dialing, &call.ok);
    }
    let dropped: Vec<u64> =
        demo.rest.cdrs(2).iter().map(|cdr| number(cdr, "/called_media/dropped")).collect();
    assert_eq!(dropped, [0, 20]);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_flow_that_floods_is_cut_and_harms_no_other() {
    let home = Home::new();
    let demo = Demo::start_with(&home, "log.level = \"info\"\nmedia.flow_packets_max = 200\n");
    let (edge, far, _) = peers(&demo);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let call = Call::new((&edge, &far), None);
    // The party itself, and a stranger who found its port: 20 packets each, 150 times.
    let stranger = Side::new();
    for round in 0..150u16 {
        for nth in 0..20 {
            let packet = rtp(round * 20 + nth, voice);
            call.near.0.send_to(&packet, call.to_caller).unwrap();
            stranger.0.send_to(&packet, call.to_caller).unwrap();
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    // At most one second's share for each second that has begun.
    let passed = call.far_side.hears();
    assert!((200..=1_000).contains(&passed), "{passed}");
    talk.heard(50);
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("media_flooded") >= 500, "{}", demo.rest.shard("media_flooded"));
    assert!(demo.rest.shard("media_stranger") >= 500, "{}", demo.rest.shard("media_stranger"));
    talk.end_after(Duration::from_millis(1_000));
    hang_up((&edge, &far), &call.dialing, &call.ok);
    assert_tidy(&demo);
    demo.stop();
}
