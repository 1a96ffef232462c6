use super::*;
use crate::message::Index;

const NOW: Tick = Tick(1_000_000_000_000);
const CONTACT: &str = "sip:c1@192.0.2.1:5060";
const NONCE: &str = "WWW-Authenticate: Digest realm=\"r\",nonce=";

fn secret(password: &str) -> Option<Secret> {
    Some(Secret { username: "us".into(), password: password.into(), realm: String::new() })
}

fn login(addresses: &[&str]) -> Login {
    Login {
        registrar: "sip:carrier.example".into(),
        aor: "sip:us@carrier.example".into(),
        contact: CONTACT.into(),
        secret: secret("pw"),
        expires_s: 600,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    }
}

fn registration(login: Login) -> Registration {
    Registration::new(login, Key([3; 16]), NOW)
}

/// What was wanted, in words.
fn drain(machine: &mut Registration) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(output) = machine.poll_output() {
        told.push(match output {
            Output::Register { to } => {
                let written = written(machine);
                let expires = written.lines().find_map(|line| line.strip_prefix("Expires: "));
                let shown = if written.contains("Authorization: ") { " shown" } else { "" };
                let to = to.to_string();
                format!("{} for {}{shown}", to.trim_end_matches(":5060"), expires.unwrap())
            }
            Output::Standing(Standing { phase, cause, status, .. }) => {
                let fine = format!("{phase:?} {status}");
                if cause == Cause::None { fine } else { format!("{fine} {cause:?}") }
            }
        });
    }
    told
}

fn written(machine: &mut Registration) -> String {
    let sent_by = "192.0.2.1:5060".parse().unwrap();
    let via = OwnVia { transport: "UDP", sent_by, branch: b"z9hG4bKr" };
    let bytes = machine.write(via, "Strowger").unwrap();
    let mut index = Index::new();
    Message::parse(&bytes, &mut index).unwrap().validate().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn hear(machine: &mut Registration, status: u16, fields: &str, now: Tick) {
    let text = format!("SIP/2.0 {status} X\r\n{}\r\n", fields.replace('|', "\r\n"));
    let text = text.replace("\r\n\r\n", "\r\n") + "\r\n";
    let mut index = Index::new();
    machine.handle_response(Message::parse(text.as_bytes(), &mut index).unwrap(), now);
}

fn bound(expires_s: u32) -> String {
    format!("Contact: <{CONTACT}>;expires={expires_s}|")
}

/// A machine in each state.
fn states() -> Vec<(&'static str, Registration)> {
    let two = || registration(login(&["192.0.2.8:5060", "192.0.2.9:5060"]));
    let registering = || {
        let mut machine = two();
        machine.handle_timeout(NOW);
        machine
    };
    let registered = || {
        let mut machine = registering();
        hear(&mut machine, 200, &bound(600), NOW);
        machine
    };
    let refreshing = || {
        let mut machine = registered();
        machine.handle_timeout(machine.poll_timeout().unwrap());
        machine
    };
    let refused = || {
        let mut machine = registering();
        hear(&mut machine, 403, "", NOW);
        machine
    };
    let waiting = || {
        let mut machine = registering();
        hear(&mut machine, 500, "", NOW);
        hear(&mut machine, 500, "", NOW);
        machine
    };
    let leaving = || {
        let mut machine = registered();
        machine.leave(NOW);
        machine
    };
    let gone = || {
        let mut machine = two();
        machine.leave(NOW);
        machine
    };
    let all = [
        ("new", two()),
        ("registering", registering()),
        ("registered", registered()),
        ("refreshing", refreshing()),
        ("waiting", waiting()),
        ("refused", refused()),
        ("leaving", leaving()),
        ("gone", gone()),
    ];
    let quiet = |(name, mut machine): (&'static str, Registration)| {
        drain(&mut machine);
        (name, machine)
    };
    all.into_iter().map(quiet).collect()
}

type Event = fn(&mut Registration);

/// Long after every wait.
const LATER: Tick = Tick(NOW.0 + 20_000_000_000_000);

const EVENTS: [(&str, Event); 11] = [
    ("100", |m| hear(m, 100, "", NOW)),
    ("200", |m| hear(m, 200, &bound(300), NOW)),
    ("200 without us", |m| hear(m, 200, "Contact: <sip:x@192.0.2.7>|", NOW)),
    ("401", |m| hear(m, 401, &format!("{NONCE}\"1\"|"), NOW)),
    ("403", |m| hear(m, 403, "", NOW)),
    ("423", |m| hear(m, 423, "Min-Expires: 1800|", NOW)),
    ("503", |m| hear(m, 503, "Retry-After: 7|", NOW)),
    ("silent", |m| m.handle_failure(Failure::Silent, NOW)),
    ("time", |m| m.handle_timeout(LATER)),
    ("change", |m| m.change(Login { secret: secret("other"), ..m.login().clone() })),
    ("leave", |m| m.leave(NOW)),
];

/// What each state makes of each event; events that change nothing are left out.
const TABLE: &str = "
registering: 200 -> registered: Registered 200
refreshing: 200 -> registered: Registered 200
leaving: 200 -> gone:
registering: 200 without us -> waiting: Refused 200 NotBound
refreshing: 200 without us -> waiting: Refused 200 NotBound
leaving: 200 without us -> gone:
registering: 401 -> registering: 192.0.2.8 for 600 shown
refreshing: 401 -> registering: 192.0.2.8 for 600 shown
leaving: 401 -> leaving: 192.0.2.8 for 0 shown
registering: 403 -> waiting: Refused 403 Status
refreshing: 403 -> waiting: Refused 403 Status
leaving: 403 -> gone: Left 403
registering: 423 -> registering: 192.0.2.8 for 1800
refreshing: 423 -> registering: 192.0.2.8 for 1800
leaving: 423 -> gone: Left 423
registering: 503 -> registering: 192.0.2.9 for 600, Failed 503 Status
refreshing: 503 -> registering: 192.0.2.9 for 600, Registered 503 Status
leaving: 503 -> gone: Left 503
registering: silent -> registering: 192.0.2.9 for 600, Failed 0 Silent
refreshing: silent -> registering: 192.0.2.9 for 600, Registered 0 Silent
leaving: silent -> gone:
new: time -> registering: 192.0.2.8 for 600
registered: time -> registering: 192.0.2.8 for 600, Trying 200
refreshing: time -> registering: Trying 200
waiting: time -> registering: 192.0.2.8 for 600, Failed 500 Status
refused: time -> registering: 192.0.2.8 for 600, Refused 403 Status
leaving: time -> gone:
new: change -> registering: 192.0.2.8 for 600
registering: change -> registering:
registered: change -> registering: 192.0.2.8 for 600
refreshing: change -> registering:
waiting: change -> registering: 192.0.2.8 for 600, Failed 500 Status
refused: change -> registering: 192.0.2.8 for 600, Failed 403 Status
new: leave -> gone: Left 0
registering: leave -> leaving: Left 0
registered: leave -> leaving: 192.0.2.8 for 0, Left 200
refreshing: leave -> leaving: Left 200
waiting: leave -> gone: Left 500 Status
refused: leave -> gone: Left 403 Status
";

#[test]
fn every_state_and_event() {
    let mut table = String::new();
    for (event_name, event) in EVENTS {
        for (state_name, mut machine) in states() {
            let before = (machine.state, machine.bound);
            event(&mut machine);
            let told = drain(&mut machine);
            let due = machine.poll_timeout();
            assert!(due.is_none_or(|at| at >= NOW), "{state_name} {event_name}");
            if told.is_empty() && (machine.state, machine.bound) == before {
                continue;
            }
            let state = state_word(machine.state);
            let line = format!("{state_name}: {event_name} -> {state}: {}", told.join(", "));
            table.push_str(line.trim_end());
            table.push('\n');
        }
    }
    assert_eq!(table.trim(), TABLE.trim(), "\n{table}");
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Waiting { .. } => "waiting",
        State::Registering(_) => "registering",
        State::Registered { .. } => "registered",
        State::Leaving(_) => "leaving",
        State::Gone => "gone",
    }
}

#[test]
fn a_register_says_what_10_2_wants() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    let first = written(&mut machine);
    for line in [
        "REGISTER sip:carrier.example SIP/2.0",
        "To: <sip:us@carrier.example>",
        "CSeq: 1 REGISTER",
        "Contact: <sip:c1@192.0.2.1:5060>",
        "Expires: 600",
        "Max-Forwards: 70",
    ] {
        assert!(first.lines().any(|l| l == line), "no {line} in\n{first}");
    }
    hear(&mut machine, 401, &format!("{NONCE}\"1\",qop=\"auth\",algorithm=SHA-256|"), NOW);
    let second = written(&mut machine);
    let of = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_string)
    };
    for same in ["Call-ID: ", "From: "] {
        assert_eq!(of(&first, same), of(&second, same));
    }
    assert_eq!(of(&second, "CSeq: ").unwrap(), "2 REGISTER");
    let value = of(&second, "Authorization: ").unwrap();
    let shown = crate::digest::Credentials::parse(value.as_bytes()).unwrap();
    let sha = crate::digest::Algorithm::Sha256;
    let ha1 = crate::digest::Ha1::compute(sha, b"us", b"r", b"pw");
    assert_eq!(shown.verify(&ha1, b"REGISTER"), crate::digest::Check::Match);
    assert_eq!(shown.uri, b"sip:carrier.example");
    assert!(!format!("{machine:?}").contains("pw"), "{machine:?}");
}

/// What the registrar says, and the lifetime that is believed, seconds; 0: not bound.
#[test]
fn the_registrar_decides_how_long() {
    for (fields, granted_s) in [
        ("Contact: <sip:c1@192.0.2.1:5060>;expires=120|", 120),
        ("Contact: <sip:c1@192.0.2.1:5060>|Expires: 90|", 90),
        ("Contact: <sip:c1@192.0.2.1:5060>|", 600),
        ("Contact: <sip:c1@192.0.2.1:5060>;expires=0|", 0),
        ("Contact: <sip:c1@192.0.2.1:5060>;expires=99999999|", EXPIRES_S_MAX),
        // Others' bindings are not ours.
        ("Contact: <sip:x@192.0.2.7>;expires=9, <sip:c1@192.0.2.1:5060>;expires=77|", 77),
        ("Contact: <sip:x@192.0.2.7>;expires=9|", 0),
        // An address translator has put another address in.
        ("Contact: <sip:c1@198.51.100.1:1024>;expires=60|", 60),
        (
            "Contact: <sip:c1@198.51.100.1>;expires=5|Contact: <sip:c1@192.0.2.1:5060>;expires=50|",
            50,
        ),
        ("Expires: 300|", 300),
        ("", 600),
        ("Contact: *|", 0),
    ] {
        let mut machine = registration(login(&["192.0.2.8:5060"]));
        machine.handle_timeout(NOW);
        hear(&mut machine, 200, fields, NOW);
        let standing = machine.standing();
        if granted_s == 0 {
            assert_eq!((standing.phase, standing.cause), (Phase::Refused, Cause::NotBound));
            continue;
        }
        let until = NOW.plus_ms(u64::from(granted_s) * 1_000);
        assert_eq!((standing.phase, standing.until), (Phase::Registered, until), "{fields}");
        let refresh_ms = machine.poll_timeout().unwrap().ms_since(NOW);
        let part = refresh_ms / u64::from(granted_s) / 10;
        assert!((70..=80).contains(&part), "{fields}: {part} percent");
    }
}

#[test]
fn waits_grow_and_obey_retry_after() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    let mut now = NOW;
    for full_ms in [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
    {
        hear(&mut machine, 500, "", now);
        let at = machine.poll_timeout().unwrap();
        let wait_ms = at.ms_since(now);
        assert!((full_ms / 2..=full_ms).contains(&wait_ms), "{wait_ms} of {full_ms}");
        now = at;
        machine.handle_timeout(now);
    }
    for (retry_after, least_ms, most_ms) in
        [("900 (busy);duration=5", 900_000, 900_000), ("99999999", 3_600_000, 3_600_000)]
    {
        hear(&mut machine, 503, &format!("Retry-After: {retry_after}|"), now);
        let wait_ms = machine.poll_timeout().unwrap().ms_since(now);
        assert!((least_ms..=most_ms).contains(&wait_ms), "{retry_after}: {wait_ms}");
        now = machine.poll_timeout().unwrap();
        machine.handle_timeout(now);
    }
    hear(&mut machine, 200, &bound(600), now);
    machine.handle_timeout(machine.poll_timeout().unwrap());
    hear(&mut machine, 500, "", now);
    let wait_ms = machine.poll_timeout().unwrap().ms_since(now);
    assert!(wait_ms <= 2_000, "a success forgets: {wait_ms}");
}

#[test]
fn a_wrong_password_is_shown_once_and_tried_again_seldom() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    drain(&mut machine);
    let asked = |nonce: &str| format!("{NONCE}\"{nonce}\"|");
    hear(&mut machine, 401, &asked("1"), NOW);
    assert_eq!(drain(&mut machine), ["192.0.2.8 for 600 shown"]);
    hear(&mut machine, 401, &asked("2"), NOW);
    assert_eq!(drain(&mut machine), ["Refused 401 WrongPassword"]);
    let wait_ms = machine.poll_timeout().unwrap().ms_since(NOW);
    assert!((REFUSED_MS_MIN / 2..=REFUSED_MS_MIN).contains(&wait_ms), "{wait_ms}");
    // The right one is tried at once.
    machine.change(Login { secret: secret("right"), ..machine.login().clone() });
    assert_eq!(drain(&mut machine)[0], "192.0.2.8 for 600");
}

#[test]
fn challenges_that_cannot_be_answered() {
    for (password, realm, cause) in
        [(None, "", Cause::NoPassword), (secret("pw"), "else", Cause::ForeignChallenge)]
    {
        let secret = password.map(|secret| Secret { realm: realm.into(), ..secret });
        let mut machine = registration(Login { secret, ..login(&["192.0.2.8:5060"]) });
        machine.handle_timeout(NOW);
        hear(&mut machine, 401, &format!("{NONCE}\"1\"|"), NOW);
        let standing = machine.standing();
        assert_eq!((standing.phase, standing.cause), (Phase::Refused, cause));
    }
}

#[test]
fn an_interval_too_brief_is_raised_once() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    drain(&mut machine);
    hear(&mut machine, 423, "Min-Expires: 3600|", NOW);
    assert_eq!(drain(&mut machine), ["192.0.2.8 for 3600"]);
    hear(&mut machine, 423, "Min-Expires: 7200|", NOW);
    assert_eq!(drain(&mut machine), ["Refused 423 Status"]);
    for wrong in ["Min-Expires: 10|", "Min-Expires: 99999999|", "Min-Expires: x|", ""] {
        let mut machine = registration(login(&["192.0.2.8:5060"]));
        machine.handle_timeout(NOW);
        hear(&mut machine, 423, wrong, NOW);
        assert_eq!(machine.standing().phase, Phase::Refused, "{wrong}");
    }
}

/// A registrar whose nonces are good for one request challenges the second attempt anew.
#[test]
fn an_interval_too_brief_behind_a_challenge_is_challenged_again() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    let asked = |nonce: &str| format!("{NONCE}\"{nonce}\"|");
    hear(&mut machine, 401, &asked("1"), NOW);
    hear(&mut machine, 423, "Min-Expires: 900|", NOW);
    hear(&mut machine, 401, &asked("2"), NOW);
    drain(&mut machine);
    hear(&mut machine, 200, &bound(900), NOW);
    assert_eq!(drain(&mut machine), ["Registered 200"]);
}

#[test]
fn each_address_is_tried_before_it_waits() {
    let all = ["192.0.2.8:5060", "192.0.2.9:5060", "[2001:db8::1]:5060"];
    let mut machine = registration(login(&all));
    machine.handle_timeout(NOW);
    machine.handle_failure(Failure::Silent, NOW);
    machine.handle_failure(Failure::Unreachable, NOW);
    hear(&mut machine, 503, "", NOW);
    assert_eq!(
        drain(&mut machine),
        [
            "Trying 0",
            "192.0.2.8 for 600",
            "192.0.2.9 for 600",
            "Failed 0 Silent",
            "[2001:db8::1] for 600",
            "Failed 0 Unreachable",
            "Failed 503 Status",
        ]
    );
    assert!(machine.poll_timeout().is_some());
}

#[test]
fn a_binding_outlives_a_refresh_that_failed_until_its_end() {
    let mut machine = registration(login(&["192.0.2.8:5060"]));
    machine.handle_timeout(NOW);
    hear(&mut machine, 200, &bound(60), NOW);
    let refresh = machine.poll_timeout().unwrap();
    machine.handle_timeout(refresh);
    machine.handle_failure(Failure::Silent, refresh.plus_ms(1));
    let standing = machine.standing();
    assert_eq!((standing.phase, standing.cause), (Phase::Registered, Cause::Silent));
    drain(&mut machine);
    let mut now = refresh;
    for _ in 0..20 {
        now = machine.poll_timeout().unwrap().max(now);
        machine.handle_timeout(now);
        if now >= NOW.plus_ms(60_000) {
            break;
        }
        machine.handle_failure(Failure::Silent, now);
    }
    assert_eq!(now, NOW.plus_ms(60_000), "told in time");
    assert_eq!(machine.standing().phase, Phase::Failed);
}

/// Whatever comes, in whatever order: one REGISTER at a time, CSeq grows, no storm, and a leave
/// ends it in time.
#[test]
fn random_events_keep_its_laws() {
    let mut dice = Chance::new(Key([5; 16]));
    for _ in 0..400 {
        let addresses = ["192.0.2.8:5060", "192.0.2.9:5060"];
        let count = usize::try_from(dice.up_to(2)).unwrap();
        let mut machine = registration(login(&addresses[..count]));
        let (mut now, mut out, mut cseq, mut sent) = (NOW, false, 0, 0);
        for step in 0..60 {
            match dice.up_to(11) {
                0 => hear(&mut machine, 200, &bound(dice.up_to(700)), now),
                1 => hear(&mut machine, 401, &format!("{NONCE}\"{}\"|", dice.up_to(3)), now),
                2 => hear(&mut machine, 423, "Min-Expires: 900|", now),
                3 => hear(&mut machine, 403, "", now),
                4 => hear(&mut machine, 500, "Retry-After: 20|", now),
                5 => hear(&mut machine, 100, "", now),
                6 => machine.handle_failure(Failure::Silent, now),
                7 => machine.handle_failure(Failure::Full, now),
                8 if step > 40 => machine.leave(now),
                9 => {
                    machine.change(Login { expires_s: dice.up_to(900), ..machine.login().clone() })
                }
                _ => {
                    now = machine.poll_timeout().filter(|at| *at > now).unwrap_or(now.plus_ms(1));
                    machine.handle_timeout(now);
                }
            }
            out = out && matches!(machine.state, State::Registering(_) | State::Leaving(_));
            while let Some(output) = machine.poll_output() {
                if let Output::Register { .. } = output {
                    let number = written(&mut machine);
                    let number = number.lines().find_map(|l| l.strip_prefix("CSeq: ")).unwrap();
                    let number: u32 = number.split(' ').next().unwrap().parse().unwrap();
                    assert!(number > cseq);
                    (cseq, sent) = (number, sent + 1);
                }
            }
            assert!(machine.poll_timeout().is_none_or(|at| at > now || step == 0 || at >= NOW));
            assert!(machine.bound.is_none_or(|b| b <= now.plus_ms(86_400_000)));
        }
        assert!(sent <= 61, "at most one REGISTER for each event");
        machine.leave(now);
        machine.handle_timeout(now.plus_ms(LEAVE_MS_MAX));
        assert!(machine.is_gone());
        assert_eq!(machine.poll_timeout(), None);
    }
}
