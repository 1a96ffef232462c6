use super::*;

fn step(bytes: &[u8]) -> Step {
    Framer::new().step(bytes)
}

fn message(fields: &str) -> String {
    format!("OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n{fields}\r\n")
}

/// How long the body of a message with these header fields is, or its refusal.
fn check(fields: &str, expect: Result<usize, Refusal>) {
    let head = message(fields);
    let got = content_length(head.as_bytes());
    assert_eq!(got, expect, "{fields:?}");
    let step = step(head.as_bytes());
    match expect {
        Ok(0) => assert_eq!(step, Step::Message(head.len()), "{fields:?}"),
        Ok(_) => assert_eq!(step, Step::More, "{fields:?}"),
        Err(refusal) => assert_eq!(step, Step::Refused(head.len(), refusal), "{fields:?}"),
    }
}

#[test]
fn content_length_is_read_as_the_grammar_allows() {
    check("Content-Length: 0\r\n", Ok(0));
    check("l:5\r\n", Ok(5));
    check("L \t:  0017 \r\n", Ok(17));
    check("CONTENT-LENGTH   : 150\r\n", Ok(150));
    check("Content-Length:\r\n 8\r\n", Ok(8));
    check("Content-Length:\r\n\t\r\n 8\r\nTo: x\r\n", Ok(8));
    check("Content-Length: 8\r\n \r\nTo: x\r\n", Ok(8));
    check("X: a\r\n Content-Length: 9\r\nl: 3\r\n", Ok(3));
    check("Content-Length: 4\r\nl: 4\r\n", Ok(4));
    check("X: Content-Length: 9\r\nContent-Lengths: 1\r\nl: 2\r\n", Ok(2));
}

#[test]
fn without_a_good_content_length_the_end_is_not_known() {
    check("", Err(Refusal::LengthMissing));
    check(" Content-Length: 0\r\n", Err(Refusal::LengthMissing));
    check("Content-Type: l\r\nContent: 9\r\nLine\r\n", Err(Refusal::LengthMissing));
    check("Content-Length:\r\n", Err(Refusal::LengthBad));
    check("Content-Length: -999\r\n", Err(Refusal::LengthBad));
    check("Content-Length: +1\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 1 2\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 1\r\n 2\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 5, 5\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 13\r\nContent-Length: 5\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 0\nX: y\r\n", Err(Refusal::LengthBad));
    check("Content-Length: 4294967301\r\n", Err(Refusal::TooLong));
    check("Content-Length: 99999999999999999999999999\r\n", Err(Refusal::TooLong));
}

#[test]
fn a_line_ends_with_both_its_bytes() {
    // To the parser the second name is a part of the first field's value; so it is here.
    check("X: a\nl: 7\r\nl: 0\r\n", Ok(0));
    check("X: a\rl: 7\r\nl: 0\r\n", Ok(0));
    assert_eq!(step(b"OPTIONS sip:a SIP/2.0\nl: 0\n\n"), Step::More);
}

#[test]
fn a_message_has_a_longest_length() {
    let head = message("Content-Length: 00000\r\n");
    let rest = MESSAGE_LEN_MAX - head.len();
    let fit = message(&format!("Content-Length: {rest}\r\n"));
    assert_eq!(step(fit.as_bytes()), Step::More);
    let over = message(&format!("Content-Length: {}\r\n", rest + 1));
    assert_eq!(step(over.as_bytes()), Step::Refused(over.len(), Refusal::TooLong));

    let pad = HEAD_LEN_MAX - message("l: 0\r\nX: \r\n").len();
    let fit = message(&format!("l: 0\r\nX: {}\r\n", "x".repeat(pad)));
    assert_eq!(step(fit.as_bytes()), Step::Message(HEAD_LEN_MAX));
    let over = message(&format!("l: 0\r\nX: {}\r\n", "x".repeat(pad + 1)));
    let refused = Step::Refused(HEAD_LEN_MAX, Refusal::HeadTooLong);
    assert_eq!(step(over.as_bytes()), refused);
    assert_eq!(step(&over.as_bytes()[..HEAD_LEN_MAX + 1]), refused);
    assert_eq!(step(&over.as_bytes()[..HEAD_LEN_MAX]), Step::More);
}

#[test]
fn what_begins_no_message_is_told_at_once() {
    assert_eq!(step(b""), Step::More);
    assert_eq!(step(b"\r"), Step::More);
    assert_eq!(step(b"\r\nINVITE"), Step::EmptyLine);
    assert_eq!(step(b"\rINVITE"), Step::Garbage);
    assert_eq!(step(b"\n"), Step::Garbage);
    assert_eq!(step(b"\x16\x03\x01\x02\x00"), Step::Garbage, "a TLS client at a port without");
    assert_eq!(step(b"\0\0\0\0"), Step::Garbage);
    assert_eq!(step(b"!interesting-Method"), Step::More);
}

#[test]
fn messages_follow_each_other() {
    let (first, second) = (message("l: 2\r\n") + "ab", message("l: 0\r\n"));
    let bytes = format!("{first}{second}");
    let mut framer = Framer::new();
    assert_eq!(framer.step(bytes.as_bytes()), Step::Message(first.len()));
    assert_eq!(framer.step(&bytes.as_bytes()[first.len()..]), Step::Message(second.len()));
    assert_eq!(framer, Framer::new());
}

#[test]
fn each_byte_alone_makes_the_same_message() {
    let bytes = message("l: 3\r\n") + "abc";
    let mut framer = Framer::new();
    for len in 0..bytes.len() {
        assert_eq!(framer.step(&bytes.as_bytes()[..len]), Step::More, "{len}");
    }
    assert_eq!(framer.step(bytes.as_bytes()), Step::Message(bytes.len()));
}
