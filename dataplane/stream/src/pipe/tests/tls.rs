//! Handshakes and what goes through them: a client's pipe against a server's.

use super::*;
use crate::tls::{Client, Clients, Identity, Server, Speaks, TlsFault, Unfit};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A root of trust of its own.
struct Root {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn root() -> Root {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "root of a test");
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Root { pem, issuer: Issuer::new(params, key) }
}

impl Root {
    fn identity(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.extended_key_usages = both.to_vec();
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { chain: pem.into_bytes(), key: key.serialize_pem().into_bytes() }
    }

    fn trust(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    fn client(&self) -> Client {
        Client::new(self.trust(), None).unwrap()
    }

    fn server(&self, names: &[&str]) -> Server {
        Server::new(&[self.identity(names)], Clients::Unasked, Speaks::Sip).unwrap()
    }
}

fn accept(server: &Server) -> Pipe {
    Pipe::tls_server(server, Times::default(), at(0))
}

fn connect(client: &Client, name: &str) -> Pipe {
    Pipe::tls_client(client, name, Times::default(), at(0)).unwrap()
}

/// Bytes and jobs of both sides until there are none, in reads of `n`; what both saw.
fn shuttle(a: &mut Pipe, b: &mut Pipe, n: usize, now: Tick) -> (Vec<Seen>, Vec<Seen>) {
    let (mut seen_a, mut seen_b) = (Vec::new(), Vec::new());
    loop {
        let mut moved = false;
        for (pipe, seen) in [(&mut *a, &mut seen_a), (&mut *b, &mut seen_b)] {
            while let Some(job) = pipe.poll_job() {
                let _ = pipe.handle_done(job.run(), now);
                seen.extend(drain(pipe));
                moved = true;
            }
        }
        let (to_b, to_a) = (transmitted(a, now), transmitted(b, now));
        for (pipe, seen, bytes) in [(&mut *a, &mut seen_a, to_a), (&mut *b, &mut seen_b, to_b)] {
            moved |= !bytes.is_empty();
            for read in bytes.chunks(n) {
                let _ = pipe.handle_received(read, now);
                seen.extend(drain(pipe));
            }
        }
        if !moved {
            return (seen_a, seen_b);
        }
    }
}

/// Both ends of a handshake: why each is over, if it is.
fn check(client: &mut Pipe, server: &mut Pipe, expect: [Option<Fault>; 2]) {
    shuttle(client, server, 65_536, at(1));
    assert_eq!([client.over(), server.over()], expect);
    assert_eq!(client.is_open() && server.is_open(), expect == [None; 2]);
}

const fn tls(fault: TlsFault) -> Option<Fault> {
    Some(Fault::Tls(fault))
}

#[test]
fn messages_go_both_ways_however_records_are_cut() {
    let root = root();
    let (server, client) = (root.server(&["sip.example"]), root.client());
    for n in [1, 5, 100, 65_536] {
        let (mut a, mut b) = (connect(&client, "sip.example"), accept(&server));
        let (first, long) = (message("a", ""), message("b", &"x".repeat(60_000)));
        a.send(&first, at(0)).unwrap();
        let (_, seen) = shuttle(&mut a, &mut b, n, at(1));
        assert_eq!(seen, [whole(&first)], "what was sent early goes when it may");
        assert!(a.is_open() && b.is_open());
        assert_eq!(b.server_name(), Some("sip.example"));
        assert!(a.peer_certificate().is_some() && b.peer_certificate().is_none());
        b.send(&long, at(2)).unwrap();
        b.send(&first, at(2)).unwrap();
        let (seen, _) = shuttle(&mut a, &mut b, n, at(2));
        assert_eq!(seen, [whole(&long), whole(&first)]);
    }
}

#[test]
fn a_client_of_tls_1_2_is_served() {
    let root = root();
    let mut trust = rustls::RootCertStore::empty();
    trust.add(CertificateDer::from_pem_slice(root.trust()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(trust)
        .with_no_client_auth();
    let (config, server) = (Arc::new(config), root.server(&["a.example"]));
    for resumed in [false, true] {
        let name = crate::tls::server_name("a.example").unwrap();
        let cover = Cover::over(Start::Client(Arc::clone(&config), name));
        let mut a = Pipe::new(Role::Client, cover, Speech::sip(), Times::default(), at(0));
        let mut b = accept(&server);
        a.send(&message("a", ""), at(0)).unwrap();
        let (_, seen) = shuttle(&mut a, &mut b, 50, at(1));
        assert_eq!((seen, b.resumed()), (vec![whole(&message("a", ""))], Some(resumed)));
    }
}

#[test]
fn an_orderly_end_is_heard_behind_the_last_message() {
    let root = root();
    let (server, client) = (root.server(&["sip.example"]), root.client());
    let (mut a, mut b) = (connect(&client, "sip.example"), accept(&server));
    shuttle(&mut a, &mut b, 100, at(1));
    let last = message("a", "");
    a.send(&last, at(2)).unwrap();
    a.close(at(2));
    let (_, seen) = shuttle(&mut a, &mut b, 65_536, at(2));
    assert_eq!(seen, [whole(&last), Seen::Over(Fault::Ended)]);
    assert_eq!((a.over(), b.over()), (Some(Fault::Closed), Some(Fault::Ended)));
}

#[test]
fn a_server_is_believed_only_by_name_and_trust() {
    let (root, other) = (root(), root());
    let server = root.server(&["sip.example", "192.0.2.1"]);
    check(&mut connect(&root.client(), "192.0.2.1"), &mut accept(&server), [None; 2]);
    let expect = [tls(TlsFault::Certificate), tls(TlsFault::Alert)];
    check(&mut connect(&root.client(), "sip.other"), &mut accept(&server), expect);
    check(&mut connect(&other.client(), "sip.example"), &mut accept(&server), expect);
    let wrong = Pipe::tls_client(&root.client(), "no name", Times::default(), at(0));
    assert_eq!(wrong.err(), Some(Unsent::Name));
}

#[test]
fn a_server_that_awaits_its_certificate_fails_handshakes_until_it_is_there() {
    let root = root();
    let server = Server::awaiting(Clients::Unasked, Speaks::Sip).unwrap();
    let (mut a, mut b) = (connect(&root.client(), "a.example"), accept(&server));
    shuttle(&mut a, &mut b, 65_536, at(1));
    assert_eq!(a.over(), tls(TlsFault::Alert));
    assert!(b.over().is_some());
    assert_eq!(server.reload(&[], Clients::Unasked), Err(Unfit::Identities));
    server.reload(&[root.identity(&["a.example"])], Clients::Unasked).unwrap();
    check(&mut connect(&root.client(), "a.example"), &mut accept(&server), [None; 2]);
}

#[test]
fn the_certificate_is_that_of_the_name_asked_for() {
    let root = root();
    let identities = [&["a.example"][..], &["b.example"], &["*.c.example"]];
    let identities = identities.map(|names| root.identity(names));
    let server = Server::new(&identities, Clients::Unasked, Speaks::Sip).unwrap();
    for name in ["a.example", "b.example", "x.c.example"] {
        check(&mut connect(&root.client(), name), &mut accept(&server), [None; 2]);
    }
    let expect = [tls(TlsFault::Certificate), tls(TlsFault::Alert)];
    check(&mut connect(&root.client(), "d.example"), &mut accept(&server), expect);
}

#[test]
fn clients_show_who_they_are_where_they_must() {
    let (root, other) = (root(), root());
    let identity = root.identity(&["trunk.example"]);
    let known = Client::new(root.trust(), Some(&identity)).unwrap();
    let stranger = other.identity(&["trunk.example"]);
    let stranger = Client::new(root.trust(), Some(&stranger)).unwrap();
    let server =
        |clients| Server::new(&[root.identity(&["sip.example"])], clients, Speaks::Sip).unwrap();
    let must = server(Clients::Required(root.trust().to_vec()));
    let may = server(Clients::Welcome(root.trust().to_vec()));
    for server in [&must, &may] {
        let mut pipe = accept(server);
        check(&mut connect(&known, "sip.example"), &mut pipe, [None; 2]);
        let pem = pem_of(pipe.peer_certificate().unwrap());
        assert_eq!(pem, String::from_utf8(identity.chain.clone()).unwrap().replace('\r', ""));
    }
    check(&mut connect(&root.client(), "sip.example"), &mut accept(&may), [None; 2]);
    let refused = |fault| [tls(TlsFault::Alert), tls(fault)];
    let mut nobody = connect(&root.client(), "sip.example");
    check(&mut nobody, &mut accept(&must), refused(TlsFault::CertificateMissing));
    for server in [&must, &may] {
        let mut pipe = connect(&stranger, "sip.example");
        check(&mut pipe, &mut accept(server), refused(TlsFault::Certificate));
    }
}

fn pem_of(der: &[u8]) -> String {
    let letters = der.chunks(48).map(|line| {
        let line: Vec<u8> = line.chunks(3).flat_map(crate::websocket::encode_group).collect();
        String::from_utf8(line).unwrap() + "\n"
    });
    let body: String = letters.collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

#[test]
fn a_reload_is_seen_by_new_connections_and_not_by_old_ones() {
    let root = root();
    let server = root.server(&["old.example"]);
    let client = root.client();
    let (mut a, mut b) = (connect(&client, "old.example"), accept(&server));
    check(&mut a, &mut b, [None; 2]);
    server.reload(&[root.identity(&["new.example"])], Clients::Unasked).unwrap();
    check(&mut connect(&root.client(), "new.example"), &mut accept(&server), [None; 2]);
    a.send(&message("a", ""), at(3)).unwrap();
    let (_, seen) = shuttle(&mut a, &mut b, 100, at(3));
    assert_eq!(seen, [whole(&message("a", ""))], "the old one lives on");
}

#[test]
fn what_is_unfit_is_named_and_changes_nothing() {
    let root = root();
    let server = root.server(&["a.example"]);
    let (good, other) = (root.identity(&["b.example"]), root.identity(&["c.example"]));
    let with = |chain: &[u8], key: &[u8]| Identity { chain: chain.to_vec(), key: key.to_vec() };
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (identities, why) in [
        (vec![], Unfit::Identities),
        (vec![with(b"", &good.key)], Unfit::Chain),
        (vec![with(&good.key, &good.key)], Unfit::Chain),
        (vec![with(junk, &good.key)], Unfit::Certificate),
        (vec![with(&good.chain, b"no key")], Unfit::Key),
        (vec![with(&good.chain, &good.chain)], Unfit::Key),
        (vec![good.clone(), with(&good.chain, &other.key)], Unfit::Mismatch),
        (vec![with(&good.chain.repeat(9), &good.key)], Unfit::Chain),
    ] {
        let result = server.reload(&identities, Clients::Unasked);
        assert_eq!(result, Err(why), "{identities:?}");
        assert!(!why.to_string().is_empty());
    }
    let trust = Clients::Required(b"nothing".to_vec());
    assert_eq!(server.reload(&[good], trust), Err(Unfit::Trust));
    assert_eq!(Client::new(b"", None).err(), Some(Unfit::Trust));
    check(&mut connect(&root.client(), "a.example"), &mut accept(&server), [None; 2]);
}

#[test]
fn a_session_is_taken_up_by_its_ticket_but_not_past_a_change_of_trust() {
    let root = root();
    let (server, client) = (root.server(&["a.example"]), root.client());
    let connected = |client: &Client| {
        let (mut a, mut b) = (connect(client, "a.example"), accept(&server));
        shuttle(&mut a, &mut b, 65_536, at(1));
        assert!(a.is_open() && b.is_open());
        b.resumed().unwrap()
    };
    assert_eq!([connected(&client), connected(&client)], [false, true]);
    server.reload(&[root.identity(&["a.example"])], Clients::Unasked).unwrap();
    assert!(connected(&client), "tickets outlive a new certificate");
    server
        .reload(&[root.identity(&["a.example"])], Clients::Welcome(root.trust().to_vec()))
        .unwrap();
    assert!(!connected(&client));
}

#[test]
fn what_is_no_tls_is_told_before_a_job_is_made() {
    let root = root();
    let server = root.server(&["a.example"]);
    for bytes in [&b"OPTIONS sip:a SIP/2.0\r\n"[..], b"\x16\x03\x01\xff\xff"] {
        let mut pipe = accept(&server);
        assert_eq!(pipe.handle_received(bytes, at(1)), Err(Fault::Tls(TlsFault::Garbage)));
        assert!(pipe.poll_job().is_none());
    }
    let mut pipe = accept(&server);
    pipe.handle_received(b"\x17\x03\x03\x00\x05abc", at(1)).unwrap();
    assert!(pipe.poll_job().is_none(), "a record is waited for");
    pipe.handle_received(b"de", at(1)).unwrap();
    let done = pipe.poll_job().unwrap().run();
    assert_eq!(pipe.handle_done(done, at(1)), Err(Fault::Tls(TlsFault::Garbage)));
    assert!(!transmitted(&mut pipe, at(1)).is_empty(), "the peer is told by an alert");
}

#[test]
fn a_hello_dripped_in_tiny_records_is_given_up() {
    let root = root();
    let mut pipe = accept(&root.server(&["a.example"]));
    // A hello of 2,000 bytes, one of them in each record.
    let mut bytes = vec![1, 0, 7, 0xd0];
    bytes.resize(2_000, 3);
    let mut jobs = 0;
    for byte in bytes {
        if pipe.handle_received(&[22, 3, 1, 0, 1, byte], at(1)).is_err() {
            break;
        }
        assert!(pipe.wants_read());
        while let Some(job) = pipe.poll_job() {
            assert!(!pipe.wants_read(), "not while the job is out");
            jobs += 1;
            pipe.handle_done(job.run(), at(1)).unwrap();
        }
    }
    assert_eq!(jobs, crate::limits::JOBS_EACH_MAX);
    assert_eq!(pipe.over(), Some(Fault::Tls(TlsFault::Misbehaved)));
}

#[test]
fn a_handshake_has_its_time_and_a_job_may_come_back_too_late_or_not_at_all() {
    let root = root();
    let (server, client) = (root.server(&["a.example"]), root.client());
    let (mut a, mut b) = (connect(&client, "a.example"), accept(&server));
    let done = a.poll_job().unwrap().run();
    a.handle_done(done, at(0)).unwrap();
    b.handle_received(&transmitted(&mut a, at(1)), at(1)).unwrap();
    let job = b.poll_job().unwrap();
    assert!(b.poll_job().is_none(), "one at a time");
    assert_eq!(b.poll_timeout(), Some(at(10_000)));
    assert_eq!(b.handle_timeout(at(10_000)), Err(Fault::OpeningLate));
    assert_eq!(b.handle_done(job.run(), at(10_001)), Err(Fault::OpeningLate));
    let job = connect(&client, "a.example").poll_job().unwrap();
    let mut pipe = connect(&client, "a.example");
    pipe.poll_job().unwrap();
    assert_eq!(pipe.handle_done(job.refused(), at(1)), Err(Fault::Tls(TlsFault::Busy)));
}

#[test]
fn websocket_and_foreign_bytes_go_through_tls() {
    let root = root();
    let identities = [root.identity(&["a.example"])];
    let server = Server::new(&identities, Clients::Unasked, Speaks::Http).unwrap();
    let wss = || Pipe::wss_server(&server, Arc::default(), Times::default(), at(0));
    let chance = [Key([1; 16]), Key([2; 16])];
    let (client, times) = (root.client(), Times::default());
    for n in [1, 65_536] {
        let mut a = Pipe::wss_client(&client, "a.example:443", "/", chance, times, at(0)).unwrap();
        let mut b = wss();
        a.send(b"MESSAGE", at(0)).unwrap();
        let (_, seen) = shuttle(&mut a, &mut b, n, at(1));
        assert_eq!(seen, [whole(b"MESSAGE")]);
        b.ping(at(2)).unwrap();
        let (seen, answered) = shuttle(&mut a, &mut b, n, at(2));
        assert_eq!((seen, answered), (vec![Seen::KeepAlive], vec![Seen::Pong]));
        b.close(at(3));
        let (told, seen) = shuttle(&mut a, &mut b, n, at(3));
        assert_eq!(told, [Seen::Over(Fault::Ended)]);
        assert_eq!(seen, [Seen::Over(Fault::Closed)]);
    }
    let (mut a, mut b) = (connect(&client, "a.example"), wss());
    a.send(b"GET /api/v1 HTTP/1.1\r\n\r\n", at(0)).unwrap();
    let (_, seen) = shuttle(&mut a, &mut b, 65_536, at(1));
    assert_eq!(seen, [Seen::Foreign(b"GET /api/v1 HTTP/1.1\r\n\r\n".to_vec())]);
}

/// Between two records of one handshake message the session knows places in our buffer.
#[test]
fn a_message_is_sent_while_a_ticket_is_half_there() {
    let root = root();
    let mut config = rustls::ServerConfig::clone(&root.server(&["a.example"]).config());
    config.max_fragment_size = Some(64);
    let cover = Cover::over(Start::Server(Arc::new(config)));
    let mut b = Pipe::new(Role::Server, cover, Speech::sip(), Times::default(), at(0));
    let mut a = connect(&root.client(), "a.example");
    loop {
        while let Some(job) = a.poll_job() {
            a.handle_done(job.run(), at(1)).unwrap();
        }
        if a.is_open() {
            break;
        }
        b.handle_received(&transmitted(&mut a, at(1)), at(1)).unwrap();
        let done = b.poll_job().unwrap().run();
        b.handle_done(done, at(1)).unwrap();
        a.handle_received(&transmitted(&mut b, at(1)), at(1)).unwrap();
    }
    b.handle_received(&transmitted(&mut a, at(1)), at(1)).unwrap();
    while let Some(job) = b.poll_job() {
        b.handle_done(job.run(), at(1)).unwrap();
    }
    let ticket = transmitted(&mut b, at(1));
    let (first, rest) = ticket.split_at(100);
    a.handle_received(first, at(2)).unwrap();
    assert_eq!(drain(&mut a), []);
    a.send(&message("a", ""), at(2)).unwrap();
    b.handle_received(&transmitted(&mut a, at(2)), at(2)).unwrap();
    assert_eq!(drain(&mut b), [whole(&message("a", ""))]);
    a.handle_received(rest, at(3)).unwrap();
    assert_eq!((drain(&mut a), a.over()), (vec![], None));
}

#[test]
fn a_changed_byte_ends_the_connection() {
    let root = root();
    let (server, client) = (root.server(&["a.example"]), root.client());
    let (mut a, mut b) = (connect(&client, "a.example"), accept(&server));
    shuttle(&mut a, &mut b, 65_536, at(1));
    a.send(&message("a", ""), at(2)).unwrap();
    let mut bytes = transmitted(&mut a, at(2));
    bytes[20] ^= 1;
    assert_eq!(b.handle_received(&bytes, at(2)), Err(Fault::Tls(TlsFault::Misbehaved)));
    assert_eq!(drain(&mut b), []);
    assert!(!transmitted(&mut b, at(2)).is_empty(), "the peer is told by an alert");
}
