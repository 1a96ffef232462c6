//! The servers of one tenant for one purpose: a socket for each family of addresses, and a task
//! that drives their exchanges.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use strowger_model::RadiusServer;
use strowger_radius::{
    Ended, Exchanges, OPEN_MAX, Output, PACKET_MAX, Reply, Request, Secret, Server,
};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::error;

/// Pause after a socket failed to receive.
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// No server gave one in time.
    Silent,
    /// Too much is asked already, or there is no server.
    Full,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoAnswer::Silent => "no server answers",
            NoAnswer::Full => "too much is asked already",
        })
    }
}

type Answered = Result<(usize, Reply), NoAnswer>;

/// An exchange that is wanted.
struct Wanted {
    requests: Vec<Request>,
    most: Duration,
    reply: oneshot::Sender<Answered>,
}

/// Servers that are asked in turn; its task ends when it is dropped and nothing is open.
pub(super) struct Group {
    /// As they were when it began, those whose secrets do not open too.
    rows: Vec<RadiusServer>,
    /// Those that are asked.
    servers: Vec<(RadiusServer, Secret)>,
    wanted: mpsc::Sender<Wanted>,
}

impl Group {
    /// Begins to listen for their answers.
    pub(super) fn begin(rows: Vec<RadiusServer>, servers: Vec<(RadiusServer, Secret)>) -> Group {
        let server = |(row, secret): &(RadiusServer, Secret)| Server {
            address: row.address,
            secret: secret.clone(),
            again_ms: row.again_ms.into(),
            tries: row.tries,
            dead_ms: u64::from(row.dead_s) * 1_000,
        };
        let exchanges = Exchanges::new(servers.iter().map(server).collect());
        let (wanted, queue) = mpsc::channel(OPEN_MAX);
        tokio::spawn(run(exchanges, servers.iter().map(|(row, _)| row.address).collect(), queue));
        Group { rows, servers, wanted }
    }

    /// Its rows.
    pub(super) fn rows(&self) -> &[RadiusServer] {
        &self.rows
    }

    /// Those that are asked, in turn.
    pub(super) fn servers(&self) -> &[(RadiusServer, Secret)] {
        &self.servers
    }

    /// One exchange, by a request for each server.
    pub(super) async fn ask(&self, requests: Vec<Request>, most: Duration) -> Answered {
        let (reply, answer) = oneshot::channel();
        let wanted = Wanted { requests, most, reply };
        self.wanted.try_send(wanted).map_err(|_| NoAnswer::Full)?;
        answer.await.unwrap_or(Err(NoAnswer::Silent))
    }
}

/// What is open.
struct Task {
    exchanges: Exchanges,
    waiting: BTreeMap<u64, oneshot::Sender<Answered>>,
    numbers: u64,
    began: Instant,
}

async fn run(exchanges: Exchanges, addresses: Vec<SocketAddr>, mut queue: mpsc::Receiver<Wanted>) {
    let four = bound(&addresses, IpAddr::V4(Ipv4Addr::UNSPECIFIED)).await;
    let six = bound(&addresses, IpAddr::V6(Ipv6Addr::UNSPECIFIED)).await;
    let (mut of_four, mut of_six) = (vec![0; PACKET_MAX], vec![0; PACKET_MAX]);
    let (waiting, began) = (BTreeMap::new(), Instant::now());
    let mut task = Task { exchanges, waiting, numbers: 0, began };
    let mut has_ended = false;
    while !(has_ended && task.exchanges.is_idle()) {
        let due = task.exchanges.poll_timeout();
        let due = due.map(|ms| began + Duration::from_millis(ms));
        tokio::select! {
            wanted = queue.recv(), if !has_ended => match wanted {
                Some(wanted) => task.begin(wanted),
                None => has_ended = true,
            },
            (len, from) = receive(four.as_ref(), &mut of_four) => {
                task.exchanges.handle_packet(from, of_four.get(..len).unwrap_or_default());
            }
            (len, from) = receive(six.as_ref(), &mut of_six) => {
                task.exchanges.handle_packet(from, of_six.get(..len).unwrap_or_default());
            }
            () = tokio::time::sleep_until(due.unwrap_or(began)), if due.is_some() => {}
        }
        let now_ms = task.now_ms();
        task.exchanges.handle_timeout(now_ms);
        task.carry_out([four.as_ref(), six.as_ref()]).await;
    }
}

/// A socket of this family, if any of the servers is reached by it.
async fn bound(addresses: &[SocketAddr], any: IpAddr) -> Option<UdpSocket> {
    if !addresses.iter().any(|address| address.is_ipv4() == any.is_ipv4()) {
        return None;
    }
    match UdpSocket::bind(SocketAddr::new(any, 0)).await {
        Ok(socket) => Some(socket),
        Err(e) => {
            error!("no socket for RADIUS servers: {e}");
            None
        }
    }
}

/// The next packet; never one of a socket that is not there.
async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> (usize, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        match socket.recv_from(buffer).await {
            Ok(received) => return received,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl Task {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn begin(&mut self, wanted: Wanted) {
        let Wanted { requests, most, reply } = wanted;
        let now_ms = self.now_ms();
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        self.numbers += 1;
        let deadline_ms = now_ms.saturating_add(most_ms);
        if self.exchanges.begin(self.numbers, requests, deadline_ms, now_ms) {
            self.waiting.insert(self.numbers, reply);
        } else {
            // Who asked may have gone away.
            let _gone = reply.send(Err(NoAnswer::Full));
        }
    }

    async fn carry_out(&mut self, sockets: [Option<&UdpSocket>; 2]) {
        while let Some(output) = self.exchanges.poll_output() {
            match output {
                Output::Send(to, packet) => {
                    let [four, six] = sockets;
                    let socket = if to.is_ipv4() { four } else { six };
                    // A packet that is not sent is one that was lost: it is sent again.
                    let _lost: Option<io::Result<usize>> = match socket {
                        Some(socket) => Some(socket.send_to(&packet, to).await),
                        None => None,
                    };
                }
                Output::End(number, ended) => {
                    let answered = match ended {
                        Ended::Answered(server, reply) => Ok((server, reply)),
                        Ended::Silent => Err(NoAnswer::Silent),
                    };
                    if let Some(reply) = self.waiting.remove(&number) {
                        let _gone = reply.send(answered);
                    }
                }
            }
        }
    }
}
