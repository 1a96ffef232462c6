//! Requests of strangers that give themselves away: by the name of their program, or by calling a
//! number that nobody is called at.

use super::Limits;
use strowger_sip::{Method, Scan};

/// Most names of programs, and most numbers.
pub const UNWANTED_MAX: usize = 256;
/// Most bytes of a User-Agent that are looked at.
const AGENT_MAX: usize = 128;
/// Most lines of a request that are looked through for one.
const LINES_MAX: usize = 64;
/// A shorter name is one program's whole name, a longer one is part of it.
const WHOLE_BELOW: usize = 5;

/// What gives a request away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    /// The program calls itself a scanner, or is none of those that alone are served.
    Agent,
    /// It calls a number that is there to be called by nobody.
    Number,
}

/// The lists, ready to be looked through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unwanted {
    /// In lower case.
    agents: Vec<Box<[u8]>>,
    /// The same of those that alone are served; empty = all.
    served: Vec<Box<[u8]>>,
    numbers: Vec<Box<[u8]>>,
}

impl Unwanted {
    pub(crate) fn new(limits: &Limits) -> Unwanted {
        let list = |list: &[String]| -> Vec<Box<[u8]>> {
            let filled = list.iter().filter(|text| !text.is_empty()).take(UNWANTED_MAX);
            filled.map(|text| text.to_ascii_lowercase().into_bytes().into()).collect()
        };
        let Limits { agents, served, honeypots, .. } = limits;
        Unwanted { agents: list(agents), served: list(served), numbers: list(honeypots) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.served.is_empty() && self.numbers.is_empty()
    }

    /// The sign that a request bears.
    pub(crate) fn sign(&self, scan: &Scan<'_>, data: &[u8]) -> Option<Sign> {
        if scan.method == Some(Method::Invite) && self.has_number(scan.called_user()) {
            return Some(Sign::Number);
        }
        if self.agents.is_empty() && self.served.is_empty() {
            return None;
        }
        let agent = user_agent(data);
        let is_known = |list: &[Box<[u8]>]| agent.is_some_and(|agent| has_agent(list, agent));
        let is_served = self.served.is_empty() || is_known(&self.served);
        (!is_served || is_known(&self.agents)).then_some(Sign::Agent)
    }

    /// Signs that callers put before a number do not hide it.
    fn has_number(&self, user: &[u8]) -> bool {
        let user = user.strip_prefix(b"+").unwrap_or(user);
        self.numbers.iter().any(|number| user.starts_with(number))
    }
}

/// Whether a list names a program.
fn has_agent(list: &[Box<[u8]>], agent: &[u8]) -> bool {
    let mut lower = [0; AGENT_MAX];
    let agent = agent.get(..AGENT_MAX).unwrap_or(agent);
    for (to, from) in lower.iter_mut().zip(agent) {
        *to = from.to_ascii_lowercase();
    }
    let agent = lower.get(..agent.len()).unwrap_or_default();
    list.iter().any(|name| match name.len() {
        0..WHOLE_BELOW => **name == *agent,
        len => agent.windows(len).any(|part| *part == **name),
    })
}

/// The value of User-Agent as far as its first line goes.
fn user_agent(data: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"user-agent";
    // The start line is none, and an empty line ends the head.
    let lines = data.split(|byte| *byte == b'\n').skip(1).take(LINES_MAX);
    let mut head = lines.take_while(|line| !line.trim_ascii().is_empty());
    head.find_map(|line| {
        let (name, rest) = line.split_at_checked(NAME.len())?;
        let value = rest.trim_ascii_start().strip_prefix(b":")?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_sip::scan;

    fn check(request: &str, expect: Option<Sign>) {
        check_serving(&[], request, expect);
    }

    fn check_serving(served: &[&str], request: &str, expect: Option<Sign>) {
        let list = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<String>>();
        let unwanted = Unwanted::new(&Limits {
            agents: list(&["friendly-scanner", "SipVicious", "smap", ""]),
            served: list(served),
            honeypots: list(&["9009", "", "0000"]),
            ..Limits::default()
        });
        let data = request.replace('\n', "\r\n");
        let scanned = scan(data.as_bytes()).unwrap();
        assert_eq!(unwanted.sign(&scanned, data.as_bytes()), expect, "{request}");
    }

    #[test]
    fn programs_and_numbers_give_themselves_away() {
        let request = |method: &str, user: &str, line: &str| {
            format!("{method} sip:{user}@192.0.2.1 SIP/2.0\nTo: <sip:{user}@x>\n{line}\n\n")
        };
        let options = |line: &str| request("OPTIONS", "100", line);
        for line in [
            "User-Agent: friendly-scanner",
            "user-agent:Friendly-Scanner 1.0",
            "USER-AGENT : the sipvicious suite",
            "User-Agent: smap",
            "User-Agent: SMAP ",
        ] {
            check(&options(line), Some(Sign::Agent));
        }
        for line in [
            "User-Agent: smapper",
            "User-Agent: friendly phone",
            "Server: friendly-scanner",
            "User-Agent:",
            "User-Agentx: sipvicious",
            "\nUser-Agent: sipvicious",
        ] {
            check(&options(line), None);
        }
        check(&request("INVITE", "900972595", "X: y"), Some(Sign::Number));
        check(&request("INVITE", "+900972595", "X: y"), Some(Sign::Number));
        check(&request("REGISTER", "9009", "X: y"), None);
        check(&request("INVITE", "1900", "X: y"), None);
        let long = format!("User-Agent: {}sipvicious", "x".repeat(AGENT_MAX));
        check(&options(&long), None);
    }

    #[test]
    fn where_some_are_served_no_others_are() {
        let says = |line: &str| format!("REGISTER sip:x SIP/2.0\nTo: <sip:1@x>\n{line}\n\n");
        let served = ["Acme", "scanner"];
        check_serving(&served, &says("User-Agent: ACME"), None);
        check_serving(&served, &says("User-Agent: Acme 2"), Some(Sign::Agent));
        check_serving(&served, &says("User-Agent: My Scanner 2"), None);
        check_serving(&served, &says("User-Agent: other"), Some(Sign::Agent));
        check_serving(&served, &says("X: y"), Some(Sign::Agent));
        // Who is on both lists is not served.
        check_serving(&served, &says("User-Agent: friendly-scanner"), Some(Sign::Agent));
    }

    #[test]
    fn empty_lists_name_nobody() {
        let unwanted = Unwanted::new(&Limits { agents: vec![String::new()], ..Limits::default() });
        assert!(unwanted.is_empty());
        let data = b"INVITE sip:1@x SIP/2.0\r\nUser-Agent: sipvicious\r\n\r\n";
        assert_eq!(unwanted.sign(&scan(data).unwrap(), data), None);
        assert_eq!(user_agent(b"INVITE"), None);
        assert_eq!(user_agent(b""), None);
    }
}
