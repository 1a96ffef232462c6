use super::script::Bench;
use super::*;

/// We are called.
const IN: &str = "
    peer> INVITE
    peer< 100 INVITE
    call< Offered 4420 sdp
    call> Answer sdp
    peer< 200 INVITE sdp
    peer> ACK
    call< Confirmed
    restart
    thaw< Confirmed
";

/// We call.
const OUT: &str = "
    call> Invite
    peer< INVITE sdp | CSeq: 1 INVITE
    peer> 200 INVITE sdp | Contact: <sip:b@192.0.2.10>
    call< Answered sdp
    peer< ACK
    call< Confirmed
    restart
    thaw< Confirmed
";

/// A request of a callee.
fn of_callee(bench: &Bench, method: &str, cseq: u32) -> Vec<u8> {
    format!(
        "{method} sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKb{cseq}\r\n\
         From: <sip:4420@192.0.2.10>;tag=b\r\nTo: <sip:1001@192.0.2.1>;tag={}\r\n\
         Call-ID: {}\r\nCSeq: {cseq} {method}\r\n\r\n",
        bench.our_tag(),
        bench.our_call_id(),
    )
    .into_bytes()
}

#[test]
fn the_peer_hangs_up_after_a_restart() {
    check(&format!(
        "{IN}
        peer> BYE
        peer< 200 BYE
        call< Ended 0/16 party"
    ));
    let mut bench = Bench::new();
    bench.run(OUT);
    let bye = of_callee(&bench, "BYE", 1);
    bench.feed(&bye, "192.0.2.10:5060".parse().unwrap());
    bench.run("peer< 200 BYE\ncall< Ended 0/16 party");
}

#[test]
fn we_hang_up_after_a_restart() {
    check(&format!(
        "{IN}
        call> Hangup 0/16
        peer< BYE | CSeq: 101 BYE | BYE sip:1001@192.0.2.10 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
    check(&format!(
        "{OUT}
        restart
        thaw< Confirmed
        call> Hangup 0/16
        peer< BYE | CSeq: 202 BYE | BYE sip:b@192.0.2.10 SIP/2.0
        call< Ended 0/16
        peer> 200 BYE"
    ));
}

#[test]
fn size_of_images() {
    for script in [IN, OUT] {
        let mut bench = Bench::new();
        bench.run(script);
        println!("a confirmed leg: {} bytes", bench.image().len());
        assert!(bench.image().len() <= 700);
    }
}
