//! Command line of `phone`.

use std::net::SocketAddr;

use strowger_phone::Algorithm;
use strowger_phone::carrier::Script;
use strowger_phone::flows::FLOWS;

pub(crate) const USAGE: &str = "\
usage: phone COMMAND [OPTION VALUE]...

  register             register once and say what was granted; the contact stays until it expires
  call NUMBER          call, send audio, hang up; tells how much of it came back
  answer               register, take one call, echo its audio until the other side hangs up
  carrier              answer calls as the far end of a trunk
  flow [NAME...]       run the product's flows against a demo (all without names)
  fleet                many calls at a time, by both their phones: how they ended, silences, losses
  help                 this text

  --server IP:PORT     SIP address of the product (127.0.0.1:5060)
  --user NAME          user and digest user name
  --password-env VAR   environment variable with the password
  --password-file F    file with the password in its first line
  --bind IP:PORT       own SIP address (127.0.0.1:0; carrier: 127.0.0.1:5090)
  --algorithm NAME     accept only MD5 or SHA-256
  --expires S          registration time in seconds (3600)
  --ptime MS           packet time, 10 to 60 (20)
  --seconds N          call, fleet: time of audio (5); answer and carrier: longest wait (3600)
  --calls N            carrier: end after so many calls; fleet: make so many (1)
  --rate N             fleet: calls begun in a second (20)
  --packets N          fleet: audio packets a second and direction (10)
  --to PREFIX          fleet: numbers called begin with it, the carrier answers (44)
  --peer NAME          fleet: instead call this user, who registers
  --peer-password-env VAR, --peer-password-file F    as for --user
  --script NUM=WHAT    carrier: echo, early, slow, busy, noanswer, silent, or a code; repeatable
  --ring-timeout S     flow: when the product gives up an unanswered call (30)
  --carrier IP:PORT    flow, fleet: where the product expects its carrier (127.0.0.1:5090)";

pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) server: SocketAddr,
    pub(crate) bind: SocketAddr,
    pub(crate) carrier: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) expires_s: u32,
    pub(crate) ptime_ms: u32,
    pub(crate) seconds: Option<u64>,
    pub(crate) calls: u32,
    pub(crate) ring_timeout_s: u64,
    pub(crate) scripts: Vec<(String, Script)>,
    pub(crate) per_s: u32,
    pub(crate) packets_per_s: u32,
    pub(crate) to: String,
    pub(crate) peer: String,
    pub(crate) peer_password: String,
}

pub(crate) enum Command {
    Help,
    Register,
    Call { number: String },
    Answer,
    Carrier,
    Flow { names: Vec<String> },
    Fleet,
}

impl Args {
    /// Reads the arguments behind the program's name.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        let mut words = words;
        while let Some(word) = words.next() {
            if matches!(word.as_str(), "--help" | "-h") {
                plain = vec!["help".to_owned()];
                options.clear();
                break;
            }
            if word.starts_with('-') {
                let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                options.push((word, value));
            } else {
                plain.push(word);
            }
        }
        let command = command(plain)?;
        let carrier = SocketAddr::from(([127, 0, 0, 1], 5090));
        let is_carrier = matches!(command, Command::Carrier);
        let mut args = Self {
            server: SocketAddr::from(([127, 0, 0, 1], 5060)),
            bind: if is_carrier { carrier } else { SocketAddr::from(([127, 0, 0, 1], 0)) },
            carrier,
            user: if is_carrier { "carrier".to_owned() } else { String::new() },
            password: String::new(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            expires_s: 3_600,
            ptime_ms: 20,
            seconds: None,
            calls: 1,
            ring_timeout_s: 30,
            scripts: Vec::new(),
            per_s: 20,
            packets_per_s: 10,
            to: "44".to_owned(),
            peer: String::new(),
            peer_password: String::new(),
            command,
        };
        for (name, value) in &options {
            args.set(name, value)?;
        }
        args.check()?;
        Ok(args)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bad = || format!("{name} does not take {value:?}");
        match name {
            "--server" => self.server = value.parse().map_err(|_| bad())?,
            "--bind" => self.bind = value.parse().map_err(|_| bad())?,
            "--carrier" => self.carrier = value.parse().map_err(|_| bad())?,
            "--user" => value.clone_into(&mut self.user),
            "--password-env" => self.password = from_environment(value)?,
            "--password-file" => self.password = first_line(value)?,
            "--peer" => value.clone_into(&mut self.peer),
            "--peer-password-env" => self.peer_password = from_environment(value)?,
            "--peer-password-file" => self.peer_password = first_line(value)?,
            "--to" => value.clone_into(&mut self.to),
            "--rate" => self.per_s = within(value, 1..=1_000).ok_or_else(bad)?,
            "--packets" => self.packets_per_s = within(value, 1..=100).ok_or_else(bad)?,
            "--algorithm" => self.algorithms = vec![Algorithm::parse(value).ok_or_else(bad)?],
            "--expires" => self.expires_s = value.parse().map_err(|_| bad())?,
            "--ptime" => self.ptime_ms = within(value, 10..=60).ok_or_else(bad)?,
            "--seconds" => self.seconds = Some(value.parse().map_err(|_| bad())?),
            "--calls" => self.calls = value.parse().map_err(|_| bad())?,
            "--ring-timeout" => self.ring_timeout_s = value.parse().map_err(|_| bad())?,
            "--script" => {
                let (number, what) = value.split_once('=').ok_or_else(bad)?;
                let script = super::script(what).ok_or_else(bad)?;
                self.scripts.push((number.to_owned(), script));
            }
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Register | Command::Call { .. } | Command::Answer | Command::Fleet
                if self.user.is_empty() =>
            {
                Err("--user is needed".to_owned())
            }
            Command::Flow { names } => {
                let unknown = names.iter().find(|n| FLOWS.iter().all(|(name, _)| name != n));
                let all: Vec<&str> = FLOWS.iter().map(|(name, _)| *name).collect();
                unknown.map_or(Ok(()), |n| Err(format!("no flow {n}; there are {}", all.join(" "))))
            }
            Command::Help
            | Command::Register
            | Command::Call { .. }
            | Command::Answer
            | Command::Carrier
            | Command::Fleet => Ok(()),
        }
    }
}

fn within(value: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    value.parse().ok().filter(|number| range.contains(number))
}

fn from_environment(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("the environment has no {name}"))
}

fn first_line(file: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn command(mut plain: Vec<String>) -> Result<Command, String> {
    if plain.is_empty() {
        return Err("a command is needed".to_owned());
    }
    let name = plain.remove(0);
    let command = match name.as_str() {
        "flow" => return Ok(Command::Flow { names: plain }),
        "call" => match plain.pop() {
            Some(number) => Command::Call { number },
            None => return Err("call needs a number".to_owned()),
        },
        "register" => Command::Register,
        "answer" => Command::Answer,
        "carrier" => Command::Carrier,
        "fleet" => Command::Fleet,
        "help" => Command::Help,
        _ => return Err(format!("unknown command {name}")),
    };
    match plain.first() {
        Some(more) => Err(format!("{more:?} is too much")),
        None => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn good_lines_are_read() {
        let args = parse("call 1002 --user 1001 --server 127.0.0.1:5062 --seconds 2").unwrap();
        assert!(matches!(args.command, Command::Call { number } if number == "1002"));
        assert_eq!((args.server.port(), args.seconds, args.ptime_ms), (5062, Some(2), 20));
        let args = parse("carrier --script 1=busy --script 2=503").unwrap();
        assert_eq!((args.bind.port(), args.scripts.len()), (5090, 2));
        assert!(matches!(parse("call --help").unwrap().command, Command::Help));
        assert!(parse("flow cancel busy").is_ok());
    }

    #[test]
    fn wrong_usage_is_told() {
        for (line, expect) in [
            ("", "a command is needed"),
            ("dance", "unknown command dance"),
            ("call --user 1001", "call needs a number"),
            ("call 1 2 --user 1001", "\"1\" is too much"),
            ("register", "--user is needed"),
            ("register --user", "--user needs a value"),
            ("register --user 1 --password secret", "unknown option --password"),
            ("register --user 1 --password-env NO_SUCH_VARIABLE", "the environment has no"),
            ("fleet --calls 2", "--user is needed"),
            ("fleet --user 1 --rate 0", "--rate does not take \"0\""),
            ("call 1 --user 1 --ptime 5", "--ptime does not take \"5\""),
            ("carrier --script 1=dance", "--script does not take"),
            ("flow nothing", "no flow nothing; there are register_both"),
        ] {
            let error = parse(line).err().unwrap_or_default();
            assert!(error.contains(expect), "{line}: {error}");
        }
    }
}
