use super::*;

const KEY: Key = Key([9; 16]);

/// A frame as a client sends it, by hand: `first` is its first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len => frame.extend([&[0xfe][..], &(len as u16).to_be_bytes()].concat()),
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a server makes of frames one after the other: words and payloads.
fn server(bytes: &[u8]) -> Vec<String> {
    run(&mut Frames::server(), bytes)
}

fn run(frames: &mut Frames, bytes: &[u8]) -> Vec<String> {
    let (mut bytes, mut seen) = (bytes.to_vec(), Vec::new());
    loop {
        frames.release();
        let step = frames.step(&mut bytes);
        let show = |at: usize, len: usize| bytes[at..at + len].escape_ascii().to_string();
        let (word, taken) = match step {
            Step::More if bytes.is_empty() => return seen,
            Step::More => ("more".to_owned(), bytes.len()),
            Step::Part { taken } => ("part".to_owned(), taken),
            Step::Whole { at, len, taken } => (format!("whole {}", show(at, len)), taken),
            Step::Assembled { taken } => {
                (format!("assembled {}", frames.assembled().escape_ascii()), taken)
            }
            Step::Ping { at, len, taken } => (format!("ping {}", show(at, len)), taken),
            Step::Pong { taken } => ("pong".to_owned(), taken),
            Step::Close { taken } => ("close".to_owned(), taken),
            Step::Wrong(code) => (format!("wrong {}", code as u16), bytes.len()),
        };
        bytes.drain(..taken);
        seen.push(word);
    }
}

fn check(first: u8, payload: &[u8], expect: &str) {
    assert_eq!(server(&masked(first, payload)), [expect], "{first:#x}");
}

#[test]
fn examples_of_rfc_6455_5_7() {
    let mut client = Frames::client(KEY);
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(server(&masked), ["whole Hello"]);
    assert_eq!(run(&mut client, b"\x81\x05Hello"), ["whole Hello"]);
    assert_eq!(run(&mut client, b"\x01\x03Hel\x80\x02lo"), ["part", "assembled Hello"]);
    assert_eq!(run(&mut client, b"\x89\x05Hello"), ["ping Hello"]);
    let long = [&b"\x82\x7e\x01\x00"[..], &[b'x'; 256]].concat();
    assert_eq!(run(&mut client, &long), [format!("whole {}", "x".repeat(256))]);
    assert_eq!(run(&mut client, b"\x82\x7f\0\0\0\0\0\x01\0\0"), ["wrong 1009"]);
    assert_eq!(Frames::server().frame(Opcode::Text, b"Hello"), b"\x81\x05Hello");
}

#[test]
fn control_frames_come_between_the_parts_of_a_message() {
    let frames = [
        masked(0x01, b"a"),
        masked(0x89, b"p"),
        masked(0x00, b"b"),
        masked(0x8a, b""),
        masked(0x80, b"c"),
        masked(0x82, &[0xff]),
        masked(0x88, &1000u16.to_be_bytes()),
    ];
    let seen = server(&frames.concat());
    let expect = ["part", "ping p", "part", "pong", "assembled abc", "whole \\xff", "close"];
    assert_eq!(seen, expect);
}

#[test]
fn whoever_breaks_the_protocol_is_told_which_rule() {
    check(0xc1, b"a", "wrong 1002"); // an extension that nobody asked for
    check(0x83, b"a", "wrong 1002"); // opcodes without a meaning
    check(0x8b, b"a", "wrong 1002");
    check(0x80, b"a", "wrong 1002"); // nothing to continue
    check(0x09, b"a", "wrong 1002"); // a ping in parts
    check(0x89, &[b'a'; 126], "wrong 1002"); // a ping too long
    check(0x81, b"\xff", "wrong 1007");
    check(0x88, b"x", "wrong 1002"); // half a code
    check(0x88, &1005u16.to_be_bytes(), "wrong 1002"); // a code that never goes over the wire
    check(0x88, b"\x03\xe8\xff", "wrong 1002"); // a reason that is no text
    check(0x88, b"", "close");
    assert_eq!(server(b"\x81\x05Hello"), ["wrong 1002"], "unmasked");
    let masked_by_server = masked(0x81, b"a");
    assert_eq!(run(&mut Frames::client(KEY), &masked_by_server), ["wrong 1002"]);
    assert_eq!(server(b"\x81\xfe\x00\x7d"), ["wrong 1002"], "a length longer than it need be");
    assert_eq!(server(b"\x81\xff\0\0\0\0\0\0\xff\xff"), ["wrong 1002"]);
    assert_eq!(server(b"\x81\xff\xff\0\0\0\0\0\0\0"), ["wrong 1009"]);
    let again = [masked(0x01, b"a"), masked(0x81, b"b")].concat();
    assert_eq!(server(&again), ["part", "wrong 1002"], "a message within a message");
    let split = [masked(0x01, b"\xe2\x82"), masked(0x80, b"\xac")].concat();
    assert_eq!(server(&split), ["part", "assembled \\xe2\\x82\\xac"], "text may be cut anywhere");
    let torn = [masked(0x01, b"\xe2\x82"), masked(0x80, b"")].concat();
    assert_eq!(server(&torn), ["part", "wrong 1007"]);
}

#[test]
fn parts_together_are_no_longer_than_a_message() {
    let half = vec![b'x'; MESSAGE_LEN_MAX / 2];
    let fits = [masked(0x01, &half), masked(0x00, &half), masked(0x80, b"x")].concat();
    let seen = server(&fits);
    assert_eq!(seen[..2], ["part", "part"]);
    assert_eq!(seen[2].len(), "assembled ".len() + MESSAGE_LEN_MAX);
    let over = [masked(0x01, &half), masked(0x00, &half), masked(0x80, b"xy")].concat();
    assert_eq!(server(&over), ["part", "part", "wrong 1009"]);
}

#[test]
fn what_one_side_makes_the_other_reads_at_every_length() {
    let (mut client, mut server) = (Frames::client(KEY), Frames::server());
    for len in [0, 1, 7, 8, 9, 125, 126, 127, 1_000, 65_535] {
        let payload: Vec<u8> = (0..len).map(|n| b'a' + (n % 26) as u8).collect();
        let expect = [format!("whole {}", payload.escape_ascii())];
        assert_eq!(run(&mut server, &client.message(&payload)), expect, "{len}");
        assert_eq!(run(&mut client, &server.message(&payload)), expect, "{len}");
    }
    assert_eq!(server.message(b"\xff")[0], 0x82, "what is no text is binary");
    assert_eq!(run(&mut client, &server.close(Code::GoingAway)), ["close"]);
    let (a, b) = (client.message(b"same"), client.message(b"same"));
    assert_ne!(a, b, "each frame has a mask of its own");
}

#[test]
fn a_frame_that_is_not_whole_is_waited_for() {
    let frame = masked(0x81, &[b'x'; 200]);
    for len in 0..frame.len() {
        assert_eq!(Frames::server().step(&mut frame[..len].to_vec()), Step::More, "{len}");
    }
}
