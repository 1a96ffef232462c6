//! Images as bytes: their form, their size, and what is refused.

use std::borrow::Cow;
use std::net::SocketAddr;

use strowger_leg::Body;
use strowger_link::codec::{Wire as _, decode, encode};
use strowger_link::siphash::siphash24;
use strowger_link::token::{self, Token};
use strowger_link::{Cause, Key, LegId, Secret, Tick, Transport};

use super::revival::{CHALLENGE, IN, OUT};
use super::script::{Bench, TOKEN_KEY, config, leg_id};
use crate::dialog::{Dialog, End};
use crate::endpoint::config::Chance;
use crate::endpoint::image::{
    Ack, Answer, Image, Invite, Pending, Shape, Standing, Stray, Strays, put_body,
};
use crate::endpoint::leg::Kept;
use crate::endpoint::proof::Holder;
use crate::endpoint::wallet::Wallet;
use crate::endpoint::{Config, Endpoint, Path, ThawError, Thawed};
use crate::header::Header;
use crate::limits::SEQ_STEP;
use crate::message::{Index, Message};

/// An image of each kind.
fn images() -> Vec<(Thawed, Vec<u8>)> {
    let cut = |script: &str, thawed: Thawed| {
        let mut bench = Bench::new();
        bench.run_open(script);
        (thawed, bench.image().to_vec())
    };
    let offered = "peer> INVITE | Expires: 60\npeer< 100 INVITE\ncall< Offered 4420 sdp";
    let challenged = format!("call> Invite auth\npeer< INVITE sdp\npeer> 407 INVITE | {CHALLENGE}");
    let held = "call> Invite nosdp\npeer< INVITE\npeer> 200 INVITE sdp";
    let reinvite = format!("{IN}\npeer> re-INVITE\npeer< 100 INVITE\ncall< Reoffer sdp");
    vec![
        cut(offered, Thawed::Early),
        cut("call> Invite", Thawed::Early),
        cut(&challenged, Thawed::Early),
        cut(held, Thawed::Unconfirmed),
        cut(&format!("{offered}\ncall> Answer sdp"), Thawed::Unconfirmed),
        cut(IN, Thawed::Confirmed),
        cut(OUT, Thawed::Confirmed),
        cut(&format!("{held}\ncall< Answered sdp\ncall> Confirm sdp"), Thawed::Confirmed),
        cut(&reinvite, Thawed::Confirmed),
        cut(&format!("{reinvite}\ncall> ReofferAnswer sdp"), Thawed::Confirmed),
        cut("call> Invite\npeer< INVITE sdp\ncall> Hangup 0/26", Thawed::Leaving),
        cut(&format!("{offered}\ncall> Hangup 486/17"), Thawed::Leaving),
        cut(&format!("{OUT}\ncall> Hangup 0/16"), Thawed::Leaving),
        cut(&format!("{OUT}\ncall> Reoffer sdp"), Thawed::Confirmed),
        cut(&format!("{reinvite}\ncall> ReofferRefuse 488/31"), Thawed::Confirmed),
    ]
}

fn fresh() -> Endpoint {
    Endpoint::new(Config { chance_key: Key([99; 16]), ..config() })
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    for (thawed, image) in images() {
        let refused = |mut endpoint: Endpoint, leg, image: &[u8]| {
            let before = endpoint.legs();
            let error = endpoint.thaw(leg, image, Tick(5)).unwrap_err();
            assert_eq!((endpoint.legs(), endpoint.transactions()), (before, 0), "{thawed:?}");
            assert_eq!((endpoint.alarms(), endpoint.poll_touched()), (0, None));
            assert_eq!(endpoint.poll_output(), None);
            error
        };
        let leg = leg_id(1);
        let mut other = image.clone();
        other[0] += 1;
        assert_eq!(refused(fresh(), leg, &other), ThawError::Version);
        assert_eq!(refused(fresh(), leg_id(2), &image), ThawError::Token);
        let strange = Config { token_key: Key([1; 16]), ..config() };
        assert_eq!(refused(Endpoint::new(strange), leg, &image), ThawError::Token);
        let full = Config { legs_max: 0, ..config() };
        assert_eq!(refused(Endpoint::new(full), leg, &image), ThawError::Full);
        for len in 0..image.len() {
            assert_eq!(refused(fresh(), leg, &image[..len]), ThawError::Malformed, "{len}");
        }
        let longer = [image.as_slice(), b"x"].concat();
        assert_eq!(refused(fresh(), leg, &longer), ThawError::Malformed);
        let nowhere = LegId { leg: 16, ..leg };
        assert_eq!(refused(fresh(), nowhere, &image), ThawError::Token);
    }
}

#[test]
fn no_room_for_a_transaction_is_said() {
    let mut full = 0;
    for (_, image) in images() {
        let mut endpoint = Endpoint::new(Config { transactions_max: 0, ..config() });
        match endpoint.thaw(leg_id(1), &image, Tick(5)) {
            Ok(_) => assert_eq!(endpoint.legs(), 1),
            Err(error) => {
                assert_eq!((error, endpoint.legs()), (ThawError::Full, 0));
                full += 1;
            }
        }
    }
    // Offered, calling twice, answered, the INVITEs in progress; given up, refused. A BYE is not
    // owed so much.
    assert_eq!(full, 8);
}

#[test]
fn a_leg_whose_invite_came_again_first_is_known() {
    let mut bench = Bench::new();
    bench.run_open("peer> INVITE\npeer< 100 INVITE\ncall< Offered 4420 sdp");
    let image = bench.image().to_vec();
    let token = token::seal(&TOKEN_KEY, leg_id(2)).unwrap();
    // As if another slot had it.
    let renamed = [&image[..1], token.as_str().as_bytes(), &image[18..]].concat();
    assert_eq!(bench.endpoint.thaw(leg_id(2), &renamed, bench.now), Err(ThawError::Known));
    assert_eq!(bench.endpoint.thaw(leg_id(1), &image, bench.now), Err(ThawError::Known));
}

/// Version 2, which the release before wrote. Another form is another version, and a later release
/// reads this one as well.
const GOLDEN: &str = "\
    026163616162616161716c697874646f377800000004c0000201c41304c000020ac413000000000000000004\
    00090063616c6c40706565721a003c7369703a34343230407062782e6578616d706c652e636f6d3e1d002250\
    65657222203c7369703a31303031406578616d706c652e636f6d3e0101007064000000010200000013007369\
    703a31303031403139322e302e322e313000000000000000";

/// What each of [`images`] was in version 2, hashed.
const GOLDEN_HASHES: [u64; 15] = [
    0xddfa_9e45_7c07_9533,
    0x711b_8651_5824_85fe,
    0x133a_baf3_421b_1dea,
    0x3e70_c784_d48a_2f89,
    0xef0e_3006_8a4f_2d91,
    0xdeb3_f2ed_91b5_faa4,
    0xa7e1_0e55_0384_a246,
    0x6d44_aad8_cb5b_0dc3,
    0xb9a5_2f1a_ca6d_f6bd,
    0x1443_af9c_cf07_7b82,
    0x0ba9_2f20_ed20_bf74,
    0xa30d_6a52_c6d3_e72c,
    0xf024_c07d_5c1f_3459,
    0x106b_0bc8_3fe9_f988,
    0x8b6d_06bf_0616_908e,
];

#[test]
fn the_form_is_that_of_version_2_where_there_are_no_strays_and_terms() {
    let key = Key([0; 16]);
    let images = images();
    let before: Vec<(Thawed, Vec<u8>)> =
        images.iter().map(|(thawed, image)| (*thawed, [&[2], &image[1..]].concat())).collect();
    let hashes: Vec<_> = before.iter().map(|(_, image)| siphash24(&key, image)).collect();
    let hex: String = before[5].1.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN, "{hashes:#x?}");
    assert!(images.iter().all(|(_, image)| image[0] == 4));
    assert_eq!(hashes, GOLDEN_HASHES, "{hashes:#x?}");
    let golden: Vec<u8> = (0..GOLDEN.len() / 2)
        .map(|at| u8::from_str_radix(&GOLDEN[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    for (thawed, image) in [(Thawed::Confirmed, golden)].iter().chain(&images).chain(&before) {
        assert_eq!(fresh().thaw(leg_id(1), image, Tick(5)), Ok(*thawed));
    }
}

/// Header fields as carriers and phones send them.
#[test]
#[expect(clippy::print_stdout, reason = "a size to be read")]
fn size_of_images() {
    let typical = "
        peer> INVITE callid=7f1a3c9e5b2d4a68-9c0b@10.20.30.40 fromtag=as58f4201b7a9c \
            | Contact: <sip:+15551234567@198.51.100.23:5060;transport=udp> \
            | Record-Route: <sip:198.51.100.20;lr;ftag=as58f4201b7a9c;did=1a2.5b6c> \
            | Record-Route: <sip:198.51.100.21:5060;lr>
        peer< 100 INVITE
        call< Offered 4420 sdp
        call> Answer sdp
        peer< 200 INVITE sdp
        peer> ACK callid=7f1a3c9e5b2d4a68-9c0b@10.20.30.40 fromtag=as58f4201b7a9c
        call< Confirmed
    ";
    let challenged = format!(
        "call> Invite auth
        peer< INVITE sdp
        peer> 407 INVITE | {CHALLENGE}
        peer< ACK
        peer< INVITE sdp
        peer> 200 INVITE sdp | Contact: <sip:4420@198.51.100.23:5060;transport=udp> \
            | Record-Route: <sip:198.51.100.20;lr;ftag=as58f4201b7a9c;did=1a2.5b6c>
        call< Answered sdp
        peer< ACK
        call< Confirmed"
    );
    for (what, script) in [
        ("in, bare", IN),
        ("out, bare", OUT),
        ("in, two proxies", typical),
        ("out, a proxy with credentials", &challenged),
    ] {
        let mut bench = Bench::new();
        bench.run(script);
        let len = bench.image().len();
        println!("image of a confirmed leg, {what}: {len} bytes");
        assert!(len <= 700, "{what}: {len}");
    }
}

/// Text that a header field may hold.
fn any_text(chance: &mut Chance, len_max: u32) -> Box<[u8]> {
    let len = 1 + chance.up_to(len_max);
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789.-_";
    (0..len).map(|_| letters[chance.up_to(38) as usize]).collect()
}

fn any_uri(chance: &mut Chance) -> Box<[u8]> {
    let user = any_text(chance, 20);
    [b"sip:", &*user, b"@192.0.2.", chance.up_to(255).to_string().as_bytes()].concat().into()
}

fn any_address(chance: &mut Chance) -> SocketAddr {
    let host = u8::try_from(chance.up_to(255)).unwrap();
    let port = u16::try_from(chance.up_to(65_535)).unwrap();
    match chance.up_to(3) {
        0 => SocketAddr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()].into(), port),
        _ => SocketAddr::new([192, 0, 2, host].into(), port),
    }
}

fn any_path(chance: &mut Chance) -> Path {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Wss];
    Path {
        listener: u8::try_from(chance.up_to(255)).unwrap(),
        transport: transports[chance.up_to(3) as usize],
        local: any_address(chance),
        peer: any_address(chance),
        flow: chance.next(),
    }
}

fn any_option<T>(chance: &mut Chance, some: impl FnOnce(&mut Chance) -> T) -> Option<T> {
    (chance.up_to(1) == 0).then(|| some(chance))
}

fn any_standing(chance: &mut Chance, token: &Token) -> Standing<'static> {
    let bracketed =
        |chance: &mut Chance| -> Box<[u8]> { [b"<", &*any_uri(chance), b";lr>"].concat().into() };
    let dialog = Dialog {
        call_id: any_text(chance, 60),
        local: End { address: bracketed(chance), tag: Some(token.as_str().as_bytes().into()) },
        remote: End {
            address: bracketed(chance),
            tag: any_option(chance, |chance| any_text(chance, 30)),
        },
        local_seq: chance.up_to(1_000_000),
        remote_seq: any_option(chance, |chance| chance.up_to(u32::MAX / 2)),
        target: any_uri(chance),
        route_set: (0..chance.up_to(4)).map(|_| bracketed(chance)).collect(),
        secure: chance.up_to(1) == 0,
    };
    let secret = any_option(chance, |chance| Secret {
        username: String::from_utf8(any_text(chance, 20).into()).unwrap(),
        password: String::from_utf8(any_text(chance, 20).into()).unwrap(),
        realm: String::from_utf8(any_text(chance, 20).into()).unwrap(),
    });
    let mut wallet = Wallet::new(secret);
    let challenged = "SIP/2.0 407 P\r\nProxy-Authenticate: Digest realm=\"r\",nonce=\"n\"\r\n\r\n";
    let mut index = Index::new();
    if chance.up_to(1) == 0 {
        wallet.learn(Message::parse(challenged.as_bytes(), &mut index).unwrap(), 407, 0);
        // Which request was challenged last is not kept over a life.
        wallet = decode(&encode(&wallet)).unwrap();
    }
    let lines = any_option(chance, |chance| (Header::Authorization, any_text(chance, 90).into()));
    let lines = Cow::Owned(lines.into_iter().collect());
    let (dialog, wallet) = (Cow::Owned(dialog), Cow::Owned(wallet));
    Standing { caller: chance.up_to(1) == 0, dialog, wallet, lines }
}

/// A message of the peer's INVITE, or our answer to it, in the dialog of `standing`.
fn of_invite(start: &str, chance: &mut Chance, standing: &Standing<'_>) -> Cow<'static, [u8]> {
    let Dialog { call_id, local, remote, .. } = &*standing.dialog;
    let tag = |end: &End| match &end.tag {
        Some(tag) => [b";tag=", &**tag].concat(),
        None => Vec::new(),
    };
    let branch = any_text(chance, 30);
    let text = [
        start.as_bytes(),
        b"\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK",
        &*branch,
        b"\r\nFrom: ",
        &*remote.address,
        &tag(remote),
        b"\r\nTo: ",
        &*local.address,
        &tag(local),
        b"\r\nCall-ID: ",
        &**call_id,
        b"\r\nCSeq: 7 INVITE\r\nContact: <",
        &*any_uri(chance),
        b">\r\nContent-Length: 0\r\n\r\n",
    ];
    Cow::Owned(text.concat())
}

fn any_answer(chance: &mut Chance, standing: &Standing<'_>) -> Answer<'static> {
    let bytes = of_invite("SIP/2.0 200 OK", chance, standing);
    Answer { bytes, reply: any_path(chance) }
}

fn any_refusal(chance: &mut Chance, token: &Token) -> Answer<'static> {
    let standing = any_standing(chance, token);
    let bytes = of_invite("SIP/2.0 486 Busy Here", chance, &standing);
    Answer { bytes, reply: any_path(chance) }
}

fn any_holder(chance: &mut Chance) -> Option<Cow<'static, Holder>> {
    match chance.up_to(2) {
        0 => None,
        1 => Some(Cow::Owned(Holder::Subscriber(chance.up_to(1_000).into()))),
        _ => {
            let (username, realm) = (any_text(chance, 20), any_text(chance, 20));
            Some(Cow::Owned(Holder::Sender { username, realm }))
        }
    }
}

/// An image that a leg may have: only one that still owes something is told.
fn any_image(chance: &mut Chance, token: &Token) -> Image<'static> {
    let shape = any_shape(chance, token);
    let cause = any_option(chance, |_| Cause::new(480, 31));
    let (refusal, asked) = (
        any_option(chance, |chance| any_refusal(chance, token)),
        any_option(chance, |chance| chance.up_to(1_000)),
    );
    let (told, refusal, asked) = match &shape {
        Shape::Offered { .. } | Shape::Held { .. } => (None, None, None),
        Shape::Answered { answer: None, .. } => (None, None, None),
        Shape::Calling { .. } | Shape::Answered { answer: Some(_), .. } => (cause, None, None),
        Shape::Confirmed { pending: Some(_), .. } => (cause, refusal, asked),
        Shape::Confirmed { pending: None, .. } => (None, refusal, asked),
        Shape::Over { bye, .. } => {
            (Some(Cause::new(0, 16)), refusal, asked.or((!bye).then_some(7)))
        }
        Shape::Refused => (None, Some(any_refusal(chance, token)), None),
    };
    let (path, nated) = (any_path(chance), chance.up_to(1) == 0);
    let nated = nated && shape != Shape::Refused;
    let strays = any_strays(chance, &shape);
    let terms = any_terms(chance, &shape);
    // Nothing is left of a refused one but the refusal.
    let holder = any_holder(chance).filter(|_| shape != Shape::Refused);
    Image { nated, path, holder, told, refusal, asked, strays, terms, shape }
}

/// What a leg that has a dialog of its own making may have agreed on with its peer.
fn any_terms(chance: &mut Chance, shape: &Shape<'_>) -> Option<Kept<'static>> {
    if matches!(shape, Shape::Offered { .. } | Shape::Refused) || chance.up_to(1) == 0 {
        return None;
    }
    let mut bytes = Vec::new();
    (chance.up_to(1) == 0).put(&mut bytes);
    (91 + chance.up_to(1_000)).put(&mut bytes);
    let timer = chance.up_to(1) == 0;
    timer.put(&mut bytes);
    if timer {
        (90 + chance.up_to(7_200)).put(&mut bytes);
        (chance.up_to(1) == 0).put(&mut bytes);
        Tick(chance.next() >> 8).put(&mut bytes);
    }
    let told = any_option(chance, |chance| Body::sdp(any_text(chance, 90)));
    put_body(told.as_ref(), &mut bytes);
    Some(decode(&bytes).unwrap())
}

/// Forks beside a dialog of ours.
fn any_strays(chance: &mut Chance, shape: &Shape<'_>) -> Strays {
    let (Shape::Confirmed { .. } | Shape::Over { .. }) = shape else { return Strays::default() };
    let stray = |chance: &mut Chance| Stray {
        tag: any_option(chance, |chance| any_text(chance, 30)),
        cseq: chance.up_to(1_000),
        local_seq: chance.up_to(1_000_000),
        target: any_uri(chance),
        route_set: (0..chance.up_to(2))
            .map(|_| [b"<", &*any_uri(chance), b";lr>"].concat().into())
            .collect(),
    };
    Strays((0..chance.up_to(2)).map(|_| stray(chance)).collect())
}

fn any_shape(chance: &mut Chance, token: &Token) -> Shape<'static> {
    let mut standing = any_standing(chance, token);
    match chance.up_to(7) {
        0 => {
            standing.dialog.to_mut().local.tag = None;
            Shape::Offered { head: of_invite("INVITE sip:x@y SIP/2.0", chance, &standing) }
        }
        1 => Shape::Calling {
            invite: Invite {
                branch: Cow::Owned([b"z9hG4bK", &*any_text(chance, 40)].concat()),
                cseq: chance.up_to(1_000),
                sent_by: any_address(chance),
                late: chance.up_to(1) == 0,
            },
            standing,
        },
        2 => Shape::Held { standing, cseq: chance.up_to(1_000) },
        3 => {
            // Ours is not to be acknowledged by us.
            standing.lines.to_mut().clear();
            Shape::Answered {
                answer: any_option(chance, |chance| any_answer(chance, &standing)),
                standing,
            }
        }
        4 => Shape::Refused,
        other => {
            let body = any_option(chance, |chance| Body::sdp(any_text(chance, 300)));
            let body = body.map(Cow::Owned);
            let ack = any_option(chance, |chance| Ack { cseq: chance.up_to(1_000), body });
            // Lines are kept for the ACK.
            standing.lines.to_mut().retain(|_| ack.is_some());
            if other == 5 {
                return Shape::Over { standing, ack, bye: chance.up_to(1) == 0 };
            }
            let pending = any_option(chance, |chance| any_answer(chance, &standing));
            let pending = pending.map(Pending::Answered);
            Shape::Confirmed { standing, ack, pending }
        }
    }
}

/// `freeze(thaw(x)) == x`, but for the numbers that go on.
#[test]
fn what_is_thawed_freezes_to_the_same() {
    let leg = leg_id(1);
    let token = token::seal(&TOKEN_KEY, leg).unwrap();
    for seed in 0..1_000u16 {
        let mut chance =
            Chance::new(Key([seed.to_le_bytes(); 8].as_flattened().try_into().unwrap()));
        let image = any_image(&mut chance, &token);
        let mut bytes = Vec::new();
        assert!(image.encode(&token, &mut bytes), "fits");
        assert_eq!(Image::decode(&bytes, &token).as_ref(), Ok(&image), "seed {seed}");
        let mut endpoint = fresh();
        let thawed = endpoint.thaw(leg, &bytes, Tick(5));
        assert!(thawed.is_ok(), "seed {seed}: {thawed:?} {image:?}");
        let again = endpoint.freeze(leg).expect("an image");
        let mut expected = image;
        // A BYE was sent, and one to each stray.
        let own = u32::from(matches!(expected.shape, Shape::Over { bye: true, .. }));
        for stray in &mut expected.strays.0 {
            stray.local_seq += SEQ_STEP + 1;
        }
        let sent = own + u32::try_from(expected.strays.0.len()).unwrap();
        if let Some(standing) = expected.shape.standing_mut() {
            standing.dialog.to_mut().local_seq += SEQ_STEP + own;
            standing.wallet.to_mut().skip(SEQ_STEP + sent);
        }
        assert_eq!(Image::decode(&again, &token), Ok(expected), "seed {seed}");
    }
}
