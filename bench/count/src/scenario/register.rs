//! Registrations over both planes: the shard over memory, and the office that answers it.

use super::{Turn, done};
use crate::io::MemoryIo;
use crate::rig::{IN_MEMORY, Rig};
use crate::{Meter, peer, plan};
use std::net::SocketAddr;
use std::sync::Arc;
use strowger_link::{Algorithm, Credentials, MS};
use strowger_model::Subscriber;
use strowger_office::Office;
use strowger_routing::{World, digest};

/// Between two registrations, milliseconds: a transaction lives for 160 of them.
const STEP_MS: u64 = 200;
/// Longer than 64 T1.
const LINGER_MS: u64 = 40_000;
/// Registrations before anything is counted: by then as many transactions end as begin.
const BEFORE: u32 = 200;
/// Wall clock at tick 0, microseconds.
const WALL_AT_0_US: i64 = 1_790_000_000_000_000;
const CNONCE: &str = "0a4f113b";

/// Each registration begins without credentials and is challenged.
pub(super) fn fresh() -> Option<Turn> {
    turns(Phone::register)
}

/// Each uses the nonce of its first challenge once more.
pub(super) fn again() -> Option<Turn> {
    turns(Phone::refresh)
}

type Way = fn(&mut Phone, &mut Switch, Meter<'_>) -> Result<(), String>;

fn turns(way: Way) -> Option<Turn> {
    let mut switch = Switch::new()?;
    let mut phones: Vec<Phone> = (0..plan::USERS.len() - 1).map(Phone::new).collect();
    let mut turn = move |meter: Meter<'_>| {
        phones.rotate_left(1);
        let phone = phones.first_mut().ok_or("no phone")?;
        way(phone, &mut switch, meter)
    };
    for _ in 0..BEFORE {
        turn(&mut |work| work()).ok()?;
    }
    Some(Box::new(turn))
}

/// Both planes.
pub struct Switch {
    rig: Rig<MemoryIo>,
    office: Office,
    world: Arc<World>,
}

impl Switch {
    /// Nobody is registered. `None` only if a constant were wrong.
    #[must_use]
    pub fn new() -> Option<Switch> {
        let world = plan::world([false; 2], false)?;
        let office = Office::new(1, Arc::clone(&world));
        Some(Switch { rig: Rig::new(MemoryIo::default(), IN_MEMORY)?, office, world })
    }

    /// Time passes until no transaction is left.
    pub fn linger(&mut self) {
        let io = self.rig.shard.io_mut();
        io.now = io.now.plus_ms(LINGER_MS);
        self.rig.shard.turn();
    }

    /// A datagram comes in, and whatever it asks is answered; what left for its sender.
    fn hear(&mut self, meter: Meter<'_>, from: SocketAddr, data: String) -> Option<String> {
        let Switch { rig, office, .. } = self;
        let io = rig.shard.io_mut();
        io.arrive(from, data.into_bytes());
        let (now, wall_us) = (io.now, WALL_AT_0_US + (io.now.0 / 1_000) as i64);
        meter(&mut || {
            rig.shard.turn();
            if rig.decide_by(office, now, wall_us) > 0 {
                rig.shard.turn();
            }
        });
        while office.poll_output().is_some() {}
        let left = rig.shard.io_mut().take_leaving();
        let mut to_it = left.into_iter().filter(|(to, _)| *to == from);
        to_it.next().map(|(_, data)| String::from_utf8_lossy(&data).into_owned())
    }

    fn subscriber(&self, name: &str) -> Option<&Subscriber> {
        self.world.subscribers().find(|row| row.username == name)
    }
}

/// A phone of one of the simulator's subscribers.
pub struct Phone {
    user: &'static str,
    at: SocketAddr,
    cseq: u32,
    nonce: String,
    count: u32,
}

impl Phone {
    /// The phone of `USERS[index]`.
    #[must_use]
    pub fn new(index: usize) -> Phone {
        let user = plan::USERS.get(index).copied().unwrap_or_default();
        Phone { user, at: plan::phone_address(index), cseq: 0, nonce: String::new(), count: 0 }
    }

    /// It registers without credentials, then with those it is asked for.
    ///
    /// # Errors
    /// What did not come.
    pub fn register(&mut self, switch: &mut Switch, meter: Meter<'_>) -> Result<(), String> {
        let io = switch.rig.shard.io_mut();
        io.now = io.now.plus_ns(STEP_MS * MS);
        let asked = switch.hear(meter, self.at, self.request(None)).ok_or("no challenge")?;
        let md5 = asked.lines().find(|l| l.starts_with("WWW-Auth") && l.contains("MD5"));
        let nonce = md5.and_then(|line| line.split_once("nonce=\"")?.1.split_once('"'));
        (self.nonce, self.count) = (nonce.ok_or(asked.clone())?.0.to_owned(), 0);
        self.prove(switch, meter)
    }

    /// It registers with the nonce that it has.
    ///
    /// # Errors
    /// What did not come.
    pub fn refresh(&mut self, switch: &mut Switch, meter: Meter<'_>) -> Result<(), String> {
        if self.count == 0 {
            return self.register(switch, meter);
        }
        let io = switch.rig.shard.io_mut();
        io.now = io.now.plus_ns(STEP_MS * MS);
        self.prove(switch, meter)
    }

    fn prove(&mut self, switch: &mut Switch, meter: Meter<'_>) -> Result<(), String> {
        self.count += 1;
        let mut shown = self.credentials();
        let row = switch.subscriber(self.user).ok_or("no subscriber")?;
        shown.response = digest::response(&shown, row).ok_or("no secret")?;
        let request = self.request(Some(&shown));
        let said = switch.hear(meter, self.at, request).unwrap_or_default();
        let is_bound = said.starts_with("SIP/2.0 200 ") && peer::value(&said, "Contact").is_some();
        done(is_bound, &format!("not registered: {said}"))
    }

    fn credentials(&self) -> Credentials {
        Credentials {
            algorithm: Algorithm::Md5,
            username: self.user.into(),
            realm: plan::REALM.into(),
            nonce: self.nonce.clone(),
            uri: format!("sip:{}", plan::REALM),
            method: "REGISTER".into(),
            qop: Some("auth".into()),
            cnonce: CNONCE.into(),
            nonce_count: format!("{:08x}", self.count),
            response: String::new(),
        }
    }

    fn request(&mut self, shown: Option<&Credentials>) -> String {
        self.cseq += 1;
        let (Phone { user, at, cseq, .. }, realm) = (&*self, plan::REALM);
        let authorization = shown.map_or(String::new(), |c| {
            format!(
                "Authorization: Digest username=\"{user}\",realm=\"{realm}\",nonce=\"{}\",\
                 uri=\"{}\",response=\"{}\",algorithm=MD5,cnonce=\"{}\",qop=auth,nc={}\r\n",
                c.nonce, c.uri, c.response, c.cnonce, c.nonce_count
            )
        });
        format!(
            "REGISTER sip:{realm} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {at};branch=z9hG4bKregister{user}{cseq:08};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{realm}>;tag=from{user}\r\n\
             To: <sip:{user}@{realm}>\r\n\
             Call-ID: {user}-4f1d-9a0c-register@{}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{at}>\r\n\
             Expires: 3600\r\n\
             User-Agent: Example Phone 3.1\r\n\
             {authorization}Content-Length: 0\r\n\r\n",
            at.ip()
        )
    }
}
