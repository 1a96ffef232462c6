//! Calls to parties behind connections under TLS: a subscriber who registered by TLS or from a
//! browser, and a carrier that we connect to, whose certificate must be for its name.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use strowger_phone::EndedBy;
use strowger_phone::digest::{Challenge, Secret, Use};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::name::NameServer;
use crate::rest::text;
use crate::rows::{TALK, make, refused, set};
use crate::talk::{SOON, desk};
use crate::tls::{Tls, Web, free_port, next_message};

const NAME: &str = "sip.example.com";
const CARRIER: &str = "carrier.test";

/// Certificates of a product below `home`, and listeners by TLS and for browsers.
struct Site {
    tls: SocketAddr,
    web: SocketAddr,
    /// Who vouches for the product.
    trust: String,
    config: String,
}

fn site(home: &Home) -> Site {
    let [tls, web] =
        [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let data = home.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let (trust, key) = pair(NAME);
    std::fs::write(data.join("chain.pem"), &trust).unwrap();
    std::fs::write(data.join("key.pem"), key).unwrap();
    let listener = |at: SocketAddr, transport: &str| {
        format!(
            "[[sip.stream]]\nlisten = \"{at}\"\ntransport = \"{transport}\"\n\
             certificates = [{{ chain = \"chain.pem\", key = \"key.pem\" }}]\n"
        )
    };
    let config = listener(tls, "tls") + &listener(web, "wss");
    Site { tls, web, trust, config }
}

/// A certificate that vouches for itself, and its key.
fn pair(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A party of its own, by whatever carries messages.
enum Party {
    Tls(Tls),
    Web(Web),
}

impl Party {
    fn send(&mut self, message: &Message) {
        let bytes = message.to_bytes();
        match self {
            Party::Tls(tls) => tls.send(&bytes),
            Party::Web(web) => web.send(&bytes),
        }
    }

    fn message(&mut self) -> Message {
        let message = match self {
            Party::Tls(tls) => tls.message(),
            Party::Web(web) => web.message(),
        };
        message.expect("a message")
    }

    fn word(&self) -> &'static str {
        match self {
            Party::Tls(_) => "TLS",
            Party::Web(_) => "WSS",
        }
    }

    /// Registers with digest.
    fn register(&mut self, (user, password): (&str, &str), contact: &str) {
        let mut register = Message::request("REGISTER", "sip:127.0.0.1");
        let via = format!("SIP/2.0/{} phone.invalid;branch=z9hG4bKreg1;rport", self.word());
        register.push("Via", &via);
        register.push("Max-Forwards", "70");
        register.push("From", &format!("<sip:{user}@127.0.0.1>;tag=r"));
        register.push("To", &format!("<sip:{user}@127.0.0.1>"));
        register.push("Call-ID", "register-by-connection");
        register.push("CSeq", "1 REGISTER");
        register.push("Contact", &format!("<{contact}>;expires=300"));
        self.send(&register);
        let asked = self.message();
        assert_eq!(asked.code(), Some(401));
        let challenge = asked.lines("WWW-Authenticate");
        let challenge = challenge.iter().find_map(|value| Challenge::parse(value)).unwrap();
        let used = Use { method: "REGISTER", uri: "sip:127.0.0.1", count: 1, cnonce: "c" };
        register.set("Via", &via.replace("reg1", "reg2"));
        register.set("CSeq", "2 REGISTER");
        let proof = challenge.authorization(Secret { user, password }, used);
        register.push("Authorization", &proof);
        self.send(&register);
        assert_eq!(self.message().code(), Some(200));
    }
}

/// What a party says to a request: nothing to an ACK.
fn reply(request: &Message, contact: &str) -> Option<Message> {
    let mut ok = Message::response(200, request, Some("callee"));
    match request.method() {
        "ACK" => return None,
        "INVITE" => {
            ok.push("Contact", &format!("<{contact}>"));
            ok.set_body(
                "application/sdp",
                b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                  m=audio 40000 RTP/AVP 0\r\n",
            );
        }
        _ => {}
    }
    Some(ok)
}

#[test]
fn who_registered_by_tls_or_from_a_browser_is_called_there() {
    let home = Home::new();
    let site = site(&home);
    let demo = Demo::start_with(&home, &site.config);
    // Who registers by WebSocket is taken for a browser, and this one has no SRTP.
    let plain = json!({
        "tenant": "1", "subscriber": "2", "category": "media", "name": "srtp", "value": "off",
    });
    make(&demo, "settings", &plain);
    let ada = desk(&demo, ALICE);
    for is_web in [false, true] {
        let at = if is_web { site.web } else { site.tls };
        let tls = Tls::connect(at, NAME, &site.trust).unwrap();
        let contact = match is_web {
            false => format!("sip:1002@{};transport=tls", tls.local()),
            true => "sip:1002@browser.invalid;transport=ws".to_owned(),
        };
        let mut bob = if is_web { Party::Web(tls.upgrade(NAME)) } else { Party::Tls(tls) };
        bob.register(BOB, &contact);
        let out = ada.invite("1002").unwrap();
        let invite = bob.message();
        assert_eq!(invite.method(), "INVITE");
        let via = invite.via().unwrap();
        assert!(via.starts_with(&format!("SIP/2.0/{} ", bob.word())), "{via}");
        bob.send(&Message::response(180, &invite, Some("callee")));
        out.wait_ringing(SOON).unwrap();
        bob.send(&reply(&invite, &contact).unwrap());
        out.wait_answer(SOON).unwrap();
        assert_eq!(bob.message().method(), "ACK");
        std::thread::sleep(TALK);
        let hung_up = std::thread::spawn(move || out.bye().unwrap());
        let bye = bob.message();
        assert_eq!(bye.method(), "BYE");
        bob.send(&reply(&bye, &contact).unwrap());
        assert_eq!(hung_up.join().unwrap(), EndedBy::LocalBye);
        // The connection goes, and with it whom it led to.
        drop(bob);
        eventually("nobody is reached any more", || {
            let end = ada.invite("1002").unwrap().wait_end(2 * SOON).ok()?;
            matches!(end, EndedBy::Refused(_)).then_some(())
        });
    }
    assert_tidy(&demo);
    demo.stop();
}

/// A carrier that is called by TLS and shows this certificate.
struct Far {
    at: SocketAddr,
    /// Methods of the requests that came.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Far {
    fn start((chain, key): &(String, String)) -> Far {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let (config, seen) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&seen);
        // It ends with the test's process.
        std::thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                serve(StreamOwned::new(session, tcp), at, &told);
            }
        });
        Far { at, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    at: SocketAddr,
    seen: &Mutex<Vec<String>>,
) {
    let contact = format!("sip:carrier@{at};transport=tls");
    let mut rest = Vec::new();
    while let Some(request) = next_message(&mut stream, &mut rest) {
        seen.lock().unwrap().push(request.method().to_owned());
        if let Some(reply) = reply(&request, &contact) {
            std::io::Write::write_all(&mut stream, &reply.to_bytes()).unwrap();
        }
    }
}

#[test]
fn a_carrier_by_tls_must_show_the_certificate_of_its_name() {
    let (home, names) = (Home::new(), NameServer::start());
    let site = site(&home);
    let (right, wrong) = (pair(CARRIER), pair("other.test"));
    // Both are vouched for: the name alone makes the difference.
    std::fs::write(home.join("data").join("roots.pem"), format!("{}{}", right.0, wrong.0)).unwrap();
    let ours = format!("dns.servers = [\"{}\"]\nstreams.trust = \"roots.pem\"\n", names.at);
    let demo = Demo::start_with(&home, &(ours + &site.config));
    names.address(CARRIER, [127, 0, 0, 1]);
    let ada = desk(&demo, ALICE);
    let lead_to = |far: &Far| {
        let target = format!("{CARRIER}:{}", far.at.port());
        set(&demo, "trunks/1", &json!({"egress": {"transport": "tls", "targets": [target]}}));
        eventually("the name's address is in force", || {
            let hosts = demo.rest.get("/api/v1/trunks/1/hosts");
            let mut all = hosts["items"].as_array()?.iter();
            let host = all.find(|host| text(host, "name") == CARRIER)?;
            (host["addresses"] == json!(["127.0.0.1"])).then_some(())
        });
    };
    let good = Far::start(&right);
    lead_to(&good);
    let out = ada.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(TALK);
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    eventually("all of the call went there", || {
        (good.seen() == ["INVITE", "ACK", "BYE"]).then_some(())
    });
    let bad = Far::start(&wrong);
    lead_to(&bad);
    let code = refused(&ada, "44123");
    assert!((500..600).contains(&code) || code == 408 || code == 480, "{code}");
    assert_eq!(bad.seen(), Vec::<String>::new(), "it was told nothing");
    assert_tidy(&demo);
    demo.stop();
}
