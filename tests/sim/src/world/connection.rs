//! What happens to connections: who makes them, what they carry, how they break.

use super::{Event, World};
use crate::agent::Agent;
use crate::fault::Plant;
use crate::io::stream_listener;
use crate::plan::switch_for;
use crate::stream::{Done, End, Heard, Wires};
use std::net::SocketAddr;
use std::rc::Rc;
use strowger_link::Tick;
use strowger_port::net::{Closed, ConnId};

impl World {
    /// An agent wants a connection.
    pub(super) fn connect(&mut self, who: usize, now: Tick) {
        let Some(addr) = self.agents.get(who).map(|agent| agent.addr) else { return };
        let listener = 2 + u8::from(addr.is_ipv6());
        let wire = self.wires.add(Wires::wire(who, addr, switch_for(addr), listener));
        self.tell(wire, End::Switch, Heard::Opened, now);
    }

    /// Something other than bytes goes to an end.
    fn tell(&mut self, wire: u64, to: End, heard: Heard, now: Tick) {
        if let Some(at) = self.wires.way(&mut self.net, wire, to, now) {
            self.push(at, Event::Stream(wire, to, heard));
        }
    }

    /// Bytes go to an end.
    pub(super) fn carry(&mut self, wire: u64, to: End, bytes: &[u8], now: Tick) {
        for (at, piece) in self.wires.pieces(&mut self.net, wire, to, bytes, now) {
            self.push(at, Event::Stream(wire, to, Heard::Bytes(now, piece)));
        }
    }

    /// Something comes to an end.
    pub(super) fn stream(&mut self, wire: u64, to: End, heard: Heard, now: Tick) {
        match to {
            End::Switch => self.switch_hears(wire, heard, now),
            End::Agent => self.agent_hears(wire, heard, now),
        }
        self.collect_agents(now);
    }

    fn switch_hears(&mut self, number: u64, heard: Heard, now: Tick) {
        let up = self.switch.is_some();
        let Some(wire) = self.wires.wire_mut(number) else { return };
        let machine = Rc::clone(&self.plugs.machine);
        match (heard, wire.conn) {
            // Nobody listens.
            (Heard::Opened, None) if !up => {
                self.tell(number, End::Agent, Heard::Closed(Closed::Refused), now);
            }
            (Heard::Opened, None) => {
                let (listener, local, peer) = (wire.listener, wire.local, wire.peer);
                wire.conn = Some(machine.borrow_mut().sockets.accept(listener, local, peer));
                self.tell(number, End::Agent, Heard::Opened, now);
            }
            (Heard::Opened, Some(conn)) => {
                machine.borrow_mut().sockets.connected(conn, wire.local);
            }
            (Heard::Bytes(_, bytes), Some(conn)) => {
                let (bytes, breaks) = self.wires.arrive(number, End::Switch, bytes);
                if !bytes.is_empty() {
                    machine.borrow_mut().sockets.received(conn, bytes);
                }
                if breaks {
                    self.cut(number, now);
                }
            }
            (Heard::Writable, Some(conn)) => machine.borrow_mut().sockets.writable(conn),
            (Heard::Closed(how), Some(conn)) => {
                machine.borrow_mut().sockets.closed(conn, how);
                self.wires.remove(number);
            }
            (Heard::Bytes(..) | Heard::Writable | Heard::Closed(_), None) => {}
        }
        self.wake_switch(now);
    }

    fn agent_hears(&mut self, number: u64, heard: Heard, now: Tick) {
        let Some(wire) = self.wires.wire_mut(number) else { return };
        let (who, by_switch) = (wire.agent, wire.by_switch);
        match heard {
            Heard::Opened => {
                self.agent(who, |agent| agent.line_up(number));
                if by_switch {
                    self.tell(number, End::Switch, Heard::Opened, now);
                }
            }
            Heard::Bytes(sent_at, bytes) => {
                let (bytes, breaks) = self.wires.arrive(number, End::Agent, bytes);
                self.agent(who, |agent| agent.handle_bytes(number, &bytes, sent_at, now));
                if breaks {
                    self.cut(number, now);
                }
            }
            Heard::Closed(_) => {
                self.wires.remove(number);
                self.agent(who, |agent| agent.line_down(number, now));
            }
            Heard::Writable => {}
        }
    }

    /// What the switch has done with its connections.
    pub(super) fn send_out_streams(&mut self, now: Tick) {
        let done = std::mem::take(&mut self.plugs.machine.borrow_mut().sockets.done);
        for done in done {
            match done {
                Done::Open(conn, listener, peer) => self.switch_connects(conn, listener, peer, now),
                Done::Sent(conn, bytes) => {
                    let Some(wire) = self.wires.of(conn) else { continue };
                    let peer = self.wires.wire_mut(wire).map(|wire| wire.peer);
                    if let Some(peer) = peer {
                        self.timers.see(peer, &bytes, now, &mut self.book.breaches);
                    }
                    for bytes in self.tamper_stream(bytes) {
                        self.carry(wire, End::Agent, &bytes, now);
                    }
                }
                Done::Stalled(conn) => {
                    let pause_ms = self.wires.pause_ms();
                    if let Some(wire) = self.wires.of(conn) {
                        let event = Event::Stream(wire, End::Switch, Heard::Writable);
                        self.push(now.plus_ms(pause_ms), event);
                    }
                }
                Done::Close(conn) => {
                    if let Some(wire) = self.wires.of(conn) {
                        self.tell(wire, End::Agent, Heard::Closed(Closed::Ended), now);
                        if let Some(wire) = self.wires.wire_mut(wire) {
                            wire.conn = None;
                        }
                    }
                }
            }
        }
    }

    /// The switch connects to whom it knows by address: who speaks TCP listens.
    fn switch_connects(&mut self, conn: ConnId, listener: u8, peer: SocketAddr, now: Tick) {
        let listens = |agent: &Agent| agent.addr == peer && agent.is_reliable();
        let who = self.agents.iter().position(listens);
        let local = stream_listener(listener, &self.plugs.machine.borrow().listeners);
        let (Some(who), Some(local)) = (who, local) else {
            let at = now.plus_ms(1);
            return self.push(at, Event::SwitchSees(conn, Closed::Refused));
        };
        let mut wire = Wires::wire(who, peer, local, listener);
        (wire.by_switch, wire.conn) = (true, Some(conn));
        let number = self.wires.add(wire);
        self.tell(number, End::Agent, Heard::Opened, now);
    }

    /// A connection breaks: both ends see it a moment later, and what was under way is lost.
    pub(super) fn cut(&mut self, number: u64, now: Tick) {
        let Some(wire) = self.wires.remove(number) else { return };
        self.net.lost += 1;
        let (agent_ms, switch_ms) = (self.wires.pause_ms(), self.wires.pause_ms());
        self.push(now.plus_ms(agent_ms), Event::AgentSees(wire.agent, number));
        if let Some(conn) = wire.conn {
            self.push(now.plus_ms(switch_ms), Event::SwitchSees(conn, Closed::Broken));
        }
    }

    /// The switch died: who is connected sees that, but of a host without power nobody hears, and
    /// phones begin anew by themselves.
    pub(super) fn cut_all(&mut self, now: Tick, power: bool) {
        for (number, wire) in self.wires.clear() {
            if !power {
                let pause_ms = self.wires.pause_ms();
                self.push(now.plus_ms(pause_ms), Event::AgentSees(wire.agent, number));
            }
        }
    }

    /// Faults planted on what the switch sends by connections.
    fn tamper_stream(&mut self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        match self.plant {
            Some(Plant::StreamRepeats) if bytes.starts_with(b"BYE ") => vec![bytes.clone(), bytes],
            Some(Plant::StreamOctetLost) if self.dice.percent(3) => {
                vec![bytes.get(1..).unwrap_or_default().to_vec()]
            }
            Some(_) | None => vec![bytes],
        }
    }
}
