//! What a configuration says, refuses, and is by default.

use super::*;

fn problem(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn shards_have_cores_and_ports_of_their_own() {
    let of = |text: &str| Config::parse(text).unwrap();
    let cores = |text: &str, allowed: &[usize]| of(text).shard_cores(allowed);
    assert_eq!(cores("", &[0]), [None]);
    assert_eq!(cores("", &[0, 3]), [Some(3)]);
    assert_eq!(cores("cores.count = 2", &[0, 1]), [None, None]);
    assert_eq!(cores("cores.count = 2", &[0, 1, 2]), [Some(1), Some(2)]);
    assert_eq!(cores("cores.shards = \"1-2\"", &[0]), [Some(1), Some(2)]);
    let more = "cores.shards = \"1\"\ncores.count = 2";
    assert_eq!(cores(more, &[0, 1]), [Some(1), Some(1)]);
    assert_eq!(of("").media_ports(0), (16_384, 32_767));
    let two = of("cores.count = 2\nmedia.port_min = 20000\nmedia.port_max = 20009");
    assert_eq!([two.media_ports(0), two.media_ports(1)], [(20_000, 20_003), (20_004, 20_007)]);
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn marks_and_the_limit_of_flows_change_something() {
    let interfaces = "media.interfaces = [\"eth0\", \"bond0.100\"]";
    let packets = "media.flow_packets_max = 0";
    for line in ["sip.dscp = [26]", "media.dscp = [34]", packets, interfaces] {
        assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
    }
}

/// Each key with a value that it has not by default.
const KEYS: &[&str] = &[
    "node.number = 3",
    "node.data = \"/srv/x\"",
    "node.run = \"/run/x\"",
    "sip.listen = [\"10.0.0.1:5060\"]",
    "sip.listen = [\"[::1]:5060\"]\nmedia.addresses = [\"::1\"]",
    "sip.advertise = [\"192.0.2.1:5060\"]",
    "sip.tcp = false",
    "sip.guests = [\"dids\"]",
    "[[sip.stream]]\nlisten = \"127.0.0.1:5070\"\ntransport = \"tcp\"",
    "sip.t1_ms = 250",
    "sip.t2_ms = 2000",
    "sip.give_up_ms = 8000",
    "sip.call_s_max = 7200",
    "sip.related_call_ids = true",
    "sip.ask_timeout_ms = 1000",
    "media.addresses = [\"10.0.0.1\"]",
    "media.xdp_generic = true",
    "media.advertise = [\"192.0.2.1\"]",
    "media.port_min = 20000",
    "media.port_max = 20999",
    "cores.shards = \"1\"",
    "cores.control = \"0\"",
    "cores.count = 2",
    "cores.slots = 100",
    "journal.segment_mib = 4",
    "journal.waiting_mib_max = 64",
    "journal.keep_days = 30",
    "journal.group_commit_ms = 20",
    "admin.listen = \"127.0.0.1:9000\"",
    "database.url = \"sqlite:other.db\"",
    "database.url = \"postgres://strowger@db.example/strowger\"",
    "database.url = \"postgresql:///strowger?host=/run/postgresql\"",
    "database.url = \"postgres://h/n\"\ndatabase.password_file = \"db.password\"",
    "database.trace_days = 7",
    "log.level = \"debug\"",
    "trace.messages_mib = 0",
    "trace.hep = \"192.0.2.7:9060\"",
    "trace.hep_agent = 2001",
    "overload.delay_ms = 20",
    "overload.interval_ms = 50",
    "overload.silence_ms = 300",
    "overload.stranger_datagrams = 0",
    "overload.stranger_requests = 10",
    "overload.stranger_challenges = 10",
    "overload.exempt = [\"192.0.2.0/24\", \"2001:db8::/32\"]",
    "overload.units = 1000",
    "overload.ask_ms = 1000",
    "overload.ask_restart_ms = 5000",
    "overload.media_late_ms = 0",
    "overload.sip_buffer_kib = 1024",
    "guard.agents = [\"scanner\"]",
    "guard.served = [\"Acme\"]",
    "guard.honeypots = [\"9009\"]",
    "dns.servers = [\"192.0.2.53:53\"]",
    "targets.allowed = [\"10.0.0.0/8\", \"::1/128\"]",
    "overload.media_buffer_kib = 256",
    "streams.connections_max = 100",
    "streams.per_source_max = 0",
    "streams.connect_ms = 500",
    "streams.ping_s = 0",
    "streams.idle_s = 60",
    "streams.first_ms = 1000",
    "streams.message_ms = 1000",
    "streams.udp_bytes_max = 65535",
    "streams.trust = \"roots.pem\"",
    "streams.handshake_threads = 2",
    "streams.handshakes_per_s = 100",
];

#[test]
fn every_key_changes_something() {
    for line in KEYS {
        assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
    }
}

#[test]
fn media_goes_by_sockets_unless_told_otherwise() {
    let of = |text: &str| Config::parse(text).unwrap().media.backend;
    assert_eq!(of(""), Backend::Sockets);
    assert_eq!(of("media.backend = \"lookup\""), Backend::Lookup);
    assert_eq!(of("media.backend = \"auto\""), Backend::Auto);
    assert_eq!(of("media.backend = \"uring\""), Backend::Uring);
    assert_eq!(of("media.backend = \"tc\"\nmedia.interfaces = [\"eth0\"]"), Backend::Tc);
    assert_eq!(of("media.backend = \"xdp\"\nmedia.interfaces = [\"eth0\"]"), Backend::Xdp);
}

#[test]
fn every_key_of_certificates_changes_something() {
    for line in [
        "acme.names = [\"sip.example.com\"]\nacme.terms_agreed = true",
        "acme.directory = \"https://ca.example/directory\"",
        "acme.trust = \"authority.pem\"",
        "acme.contacts = [\"mailto:a@example.com\"]",
        "acme.folder = \"certificates\"",
        "acme.listen = \"127.0.0.1:8081\"",
    ] {
        assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
    }
}

#[test]
fn every_key_of_facts_changes_something() {
    for line in [
        "facts.trust = \"roots.pem\"",
        "facts.dip.url = \"https://np.example/{number}\"",
        "facts.dip.token_file = \"dip.token\"",
        "facts.dip.pointer = \"/a/0\"",
        "facts.dip.gives = \"number\"",
        "facts.dip.keep_s = 0",
        "facts.dip.keep_nothing_s = 60",
        "facts.enum_suffix = \"e164.arpa\"",
        "facts.hook.url = \"https://app.example/call\"",
        "facts.hook.token_file = \"hook.token\"",
    ] {
        assert_ne!(Config::parse(line).unwrap(), Config::default(), "{line}");
    }
}

#[test]
fn who_is_asked_about_calls_is_checked() {
    let url = |url: &str| format!("facts.dip.url = \"{url}\"");
    let with_token =
        |url: &str| format!("[facts.dip]\nurl = \"{url}\"\ntoken_file = \"dip.token\"");
    for (text, says) in [
        (url("ftp://a/{number}"), "facts.dip.url: must begin with `https://` or `http://`"),
        (url("http://a/"), "facts.dip.url: must have one `{number}`"),
        (url("http://a/{number}{number}"), "facts.dip.url: must have one `{number}`"),
        (url("http://u:p@a/{number}"), "facts.dip.url: must hold no user and no password"),
        (url("http:///{number}"), "facts.dip.url: names no host"),
        (url("http://{number}.a/"), "facts.dip.url: names no host"),
        (url("http://a/ {number}"), "facts.dip.url: has a character that no URL has"),
        (
            with_token("http://np.example/{number}"),
            "facts.dip.url: must begin with `https://`, a token does not travel in clear text",
        ),
        ("facts.hook.url = \"app\"".into(), "facts.hook.url: must begin with `https://`"),
        ("facts.dip.pointer = \"a\"".into(), "facts.dip.pointer: must begin with `/`"),
        (
            "facts.dip.gives = \"both\"".into(),
            "facts.dip.gives: must be prefix or number, is `both`",
        ),
        ("facts.dip.keep_s = 2592001".into(), "facts.dip.keep_s: at most 2592000, 2592001 given"),
        (
            "facts.enum_suffix = \".e164.arpa\"".into(),
            "facts.enum_suffix: `.e164.arpa` is no domain name",
        ),
    ] {
        let said = Config::parse(&text).unwrap_err().to_string();
        assert!(said.contains(says), "{text}: {said}");
    }
    for url in ["http://127.0.0.1:8000/{number}", "http://[::1]/{number}", "https://a/{number}"] {
        Config::parse(&with_token(url)).unwrap();
    }
}

#[test]
fn errors_name_the_key() {
    for (text, says) in [
        ("sip.listne = []", "line 1: sip.listne: unknown field `listne`"),
        ("sip.listen = [\"5060\"]", "line 1: sip.listen: invalid socket address syntax"),
        ("[sip]\nlisten = [\"x\"]", "line 2: sip.listen: invalid socket address syntax"),
        ("[sip]\nlisten = [\n  \"x\",\n]", "line 3: sip.listen: invalid socket"),
        ("[log]\n[media]\nport_min = \"low\"", "line 3: media.port_min: invalid type"),
        ("[phones]\n", "line 1: phones: unknown field `phones`"),
        ("sip = \n", "line 1: sip: "),
        ("= 5", "line 1: "),
        ("sip.guests = [\"all\"]", "line 1: sip.guests: unknown variant `all`"),
        (
            "sip.guests = [\"dids\", \"refuse\"]",
            "sip.guests: one for each of sip.listen, 1 wanted, 2 given",
        ),
        ("sip.dscp = [64]", "sip.dscp: must be 0 to 63, is 64"),
        ("sip.dscp = [1, 2]", "sip.dscp: one for each of sip.listen, 1 wanted, 2 given"),
        ("media.dscp = [255]", "media.dscp: must be 0 to 63, is 255"),
        ("media.dscp = [0, 0]", "media.dscp: one for each of media.addresses, 1 wanted"),
        ("media.flow_packets_max = 49", "media.flow_packets_max: must be 50 to 1000000, is 49"),
        ("sip.listen = []", "sip.listen: at least one address is needed"),
        ("sip.t1_ms = 0", "sip.t1_ms: must be 10 to 10000, is 0"),
        ("sip.t2_ms = 5", "sip.t2_ms: must be 10 to 60000, is 5"),
        (
            "sip.t1_ms = 2000\nsip.give_up_ms = 3000",
            "sip.give_up_ms: must be 4000 to 640000, is 3000",
        ),
        ("sip.call_s_max = 59", "sip.call_s_max: must be 60 to 2592000, is 59"),
        ("media.backend = \"dpdk\"", "line 1: media.backend: unknown variant `dpdk`"),
        (
            "media.backend = \"xdp\"",
            "media.interfaces: media.backend `xdp` needs the interfaces that it is to run at",
        ),
        (
            "media.backend = \"tc\"",
            "media.interfaces: media.backend `tc` needs the interfaces that it is to run at",
        ),
        ("media.interfaces = [\"a/b\"]", "media.interfaces: `a/b` is no name of an interface"),
        ("media.interfaces = [\"\"]", "media.interfaces: `` is no name of an interface"),
        (
            "media.interfaces = [\"a234567890123456\"]",
            "media.interfaces: `a234567890123456` is no name of an interface",
        ),
        ("media.interfaces = [\"eth0\", \"eth0\"]", "media.interfaces: eth0 is named twice"),
        (
            "media.interfaces = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]",
            "media.interfaces: at most 8, 9 given",
        ),
        ("media.port_min = 16385", "media.port_min: must be even, is 16385"),
        ("media.port_max = 100", "media.port_max: must be odd and above media.port_min, is 100"),
        ("cores.shards = \"a\"", "cores.shards: `a` is no core number"),
        ("cores.slots = 70000", "cores.slots: must be 1 to 65535, is 70000"),
        ("node.number = 300", "node.number: must be 0 to 255, is 300"),
        ("journal.segment_mib = 0", "journal.segment_mib: must be 1 to 1024, is 0"),
        ("journal.waiting_mib_max = 31", "journal.waiting_mib_max: must be 32 to 4194304, is 31"),
        ("journal.keep_days = 0", "journal.keep_days: must be 1 to 3650, is 0"),
        ("journal.group_commit_ms = 60", "journal.group_commit_ms: must be 1 to 50, is 60"),
        ("log.level = \"loud\"", "log.level: must be error, warn, info or debug, is `loud`"),
        ("database.trace_days = 0", "database.trace_days: must be 1 to 3650, is 0"),
        (
            "sip.advertise = [\"1.2.3.4:1\", \"1.2.3.4:2\"]",
            "sip.advertise: one address for each of sip.listen, 1 wanted, 2 given",
        ),
    ] {
        let said = problem(text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
}

#[test]
fn errors_of_the_database_name_the_key_and_no_password() {
    for (text, says) in [
        (
            "database.url = \"mysql:x\"",
            "database.url: must begin with `sqlite:`, `postgres://` or `postgresql://`",
        ),
        (
            "database.url = \"postgres:x\"",
            "database.url: must begin with `sqlite:`, `postgres://` or `postgresql://`",
        ),
        ("database.url = \"sqlite:\"", "database.url: names no file"),
        (
            "database.url = \"postgres://u:secret@h/n\"",
            "database.url: must hold no password; database.password_file names its file",
        ),
        (
            "database.url = \"postgres://u:se/cret@h/n\"",
            "database.url: must hold no password; database.password_file names its file",
        ),
        (
            "database.url = \"postgres://h/n?sslmode=require&password=secret\"",
            "database.url: must hold no password; database.password_file names its file",
        ),
        (
            "database.password_file = \"x\"",
            "database.password_file: SQLite has no password, database.url names a file",
        ),
    ] {
        let said = problem(text);
        assert!(said.starts_with(says), "{text}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn errors_of_shards_name_the_key() {
    for (text, says) in [
        (
            "cores.shards = \"1-2\"\ncores.count = 1",
            "cores.count: 2 cores are named in cores.shards for 1 shard",
        ),
        ("cores.count = 33", "cores.count: must be 1 to 32, is 33"),
        (
            "cores.count = 2\nmedia.port_min = 20000\nmedia.port_max = 20005",
            "media.port_max: 6 ports are too few for 2 shards: each has 4 at least",
        ),
    ] {
        let said = problem(text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
}

#[test]
fn errors_of_overload_name_the_key() {
    for (text, says) in [
        ("overload.delay_ms = 0", "overload.delay_ms: must be 1 to 10000, is 0"),
        ("overload.interval_ms = 0", "overload.interval_ms: must be 1 to 10000, is 0"),
        ("overload.silence_ms = 49", "overload.silence_ms: must be 50 to 60000, is 49"),
        (
            "overload.stranger_requests = 1000001",
            "overload.stranger_requests: must be 0 to 1000000, is 1000001",
        ),
        ("overload.exempt = [\"10.0.0.0/33\"]", "line 1: overload.exempt: `10.0.0.0/33` is no"),
        ("overload.exempt = [\"10.0.0.1\"]", "line 1: overload.exempt: `10.0.0.1` is no network"),
        ("overload.units = 15", "overload.units: must be 16 to 100000000, is 15"),
        ("overload.ask_ms = 5", "overload.ask_ms: must be 10 to 60000, is 5"),
        ("overload.ask_restart_ms = 100", "overload.ask_restart_ms: must be 500 to 60000, is 100"),
        ("overload.media_late_ms = 60001", "overload.media_late_ms: must be 0 to 60000, is"),
        ("overload.sip_buffer_kib = 1", "overload.sip_buffer_kib: must be 64 to 1048576, is 1"),
        ("overload.media_buffer_kib = 1", "overload.media_buffer_kib: must be 16 to 1048576, is 1"),
    ] {
        let said = problem(text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
}

#[test]
fn errors_of_connections_name_the_key() {
    let stream = |keys: &str| format!("[[sip.stream]]\n{keys}");
    for (text, says) in [
        (
            stream("listen = \"127.0.0.1:5070\"\ntransport = \"udp\""),
            "line 3: sip.stream.transport: unknown variant `udp`, expected one of `tcp`",
        ),
        (
            stream("listen = \"0.0.0.0:5070\"\ntransport = \"tcp\""),
            "sip.stream: 0.0.0.0:5070 of sip.stream is no address of a host: peers must",
        ),
        (
            stream("listen = \"127.0.0.1:5060\"\ntransport = \"tcp\""),
            "sip.stream: 127.0.0.1:5060 is listened on for TCP already",
        ),
        (
            stream("listen = \"[::1]:5070\"\ntransport = \"tcp\""),
            "media.addresses: no IPv6 address, and [::1]:5070 of sip.stream needs one",
        ),
        (
            stream(
                "listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\n\
                 advertise = \"[2001:db8::1]:0\"",
            ),
            "sip.stream: [2001:db8::1]:0 is not of the family of 127.0.0.1:5070",
        ),
        (
            stream("listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\norigins = [\"x\"]"),
            "sip.stream: origins are for ws and wss, 127.0.0.1:5070 is tcp",
        ),
        (
            stream("listen = \"127.0.0.1:5061\"\ntransport = \"tls\""),
            "sip.stream: 127.0.0.1:5061 is tls and has no certificates",
        ),
        (
            stream(
                "listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\n\
                 certificates = [{ chain = \"a\", key = \"b\" }]",
            ),
            "sip.stream: certificates are for tls and wss, 127.0.0.1:5070 is tcp",
        ),
        (
            stream(
                "listen = \"127.0.0.1:5061\"\ntransport = \"tls\"\nclients = \"required\"\n\
                 certificates = [{ chain = \"a\", key = \"b\" }]",
            ),
            "sip.stream: 127.0.0.1:5061 asks for certificates and has no clients_trust",
        ),
        (
            "streams.connections_max = 0".to_owned(),
            "streams.connections_max: must be 1 to 1000000, is 0",
        ),
        ("streams.connect_ms = 10".to_owned(), "streams.connect_ms: must be 100 to 30000, is"),
        ("streams.idle_s = 5".to_owned(), "streams.idle_s: must be 30 to 1000000, is 5"),
        ("streams.udp_bytes_max = 1".to_owned(), "streams.udp_bytes_max: must be 500 to 65535"),
    ] {
        let said = problem(&text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
    let many = (0..15)
        .map(|n| stream(&format!("listen = \"127.0.0.1:{}\"\ntransport = \"tcp\"\n", 6000 + n)));
    let said = problem(&many.collect::<String>());
    assert_eq!(said, "sip.stream: 17 listeners with those of sip.listen, at most 16");
}

#[test]
fn errors_of_certificates_name_the_key() {
    let stream = |keys: &str| format!("[[sip.stream]]\n{keys}");
    for (text, says) in [
        (
            "acme.names = [\"*.example.com\"]\nacme.terms_agreed = true".to_owned(),
            "acme.names: `*.example.com` is no host name",
        ),
        ("acme.names = [\"host\"]".to_owned(), "acme.names: `host` is no host name"),
        ("acme.names = [\"a.example\"]".to_owned(), "acme.terms_agreed: must be true"),
        (
            "acme.names = [\"a.example\"]\nacme.directory = \"http://x\"".to_owned(),
            "acme.directory: must begin with https://, is `http://x`",
        ),
        (
            stream("listen = \"127.0.0.1:5061\"\ntransport = \"tls\"\nobtained = true"),
            "sip.stream: 127.0.0.1:5061 shows what is obtained, and acme.names is empty",
        ),
        (
            stream("listen = \"127.0.0.1:5070\"\ntransport = \"tcp\"\nobtained = true"),
            "sip.stream: certificates are for tls and wss, 127.0.0.1:5070 is tcp",
        ),
        (
            stream("listen = \"127.0.0.1:5061\"\ntransport = \"ws\"\nrest = true"),
            "sip.stream: rest is for wss, 127.0.0.1:5061 is ws",
        ),
    ] {
        let said = problem(&text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
}

#[test]
fn errors_of_addresses_name_the_key() {
    for (text, says) in [
        ("media.addresses = [\"0.0.0.0\"]", "media.addresses: 0.0.0.0 is no address of a host"),
        ("media.addresses = [\"::\"]", "media.addresses: :: is no address of a host"),
        (
            "sip.listen = [\"[::1]:5060\"]",
            "media.addresses: no IPv6 address, and [::1]:5060 of sip.listen needs one",
        ),
        (
            "media.addresses = [\"::1\"]",
            "media.addresses: no IPv4 address, and 127.0.0.1:5060 of sip.listen needs one",
        ),
        (
            "sip.listen = [\"0.0.0.0:5060\"]",
            "sip.advertise: 0.0.0.0:5060 of sip.listen is no address of a host: peers must be \
             told another one",
        ),
        (
            "sip.listen = [\"[::]:5060\"]\nmedia.addresses = [\"::1\"]",
            "sip.advertise: [::]:5060 of sip.listen is no address of a host: peers must",
        ),
        (
            "sip.listen = [\"0.0.0.0:5060\"]\nsip.advertise = [\"0.0.0.0:5060\"]",
            "sip.advertise: 0.0.0.0 is no address of a host",
        ),
        (
            "sip.advertise = [\"[2001:db8::1]:5060\"]",
            "sip.advertise: [2001:db8::1]:5060 is not of the family of 127.0.0.1:5060",
        ),
        (
            "media.advertise = [\"2001:db8::1\"]",
            "media.advertise: 2001:db8::1 is not of the family of 127.0.0.1",
        ),
        (
            "sip.listen = [\"[::ffff:10.0.0.1]:5060\"]",
            "sip.listen: ::ffff:10.0.0.1 is an IPv4 address, write 10.0.0.1",
        ),
        (
            "media.advertise = [\"::ffff:10.0.0.1\"]",
            "media.advertise: ::ffff:10.0.0.1 is an IPv4 address, write 10.0.0.1",
        ),
        ("sip.listen = [\"[ff02::1]:5060\"]", "sip.listen: ff02::1 is a multicast address"),
        (
            "sip.listen = [\"[fe80::1]:5060\"]",
            "sip.listen: fe80::1 is a link-local address, which means nothing to other links",
        ),
        (
            "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.1:5060\"]",
            "sip.listen: 10.0.0.1:5060 stands there twice",
        ),
    ] {
        let said = problem(text);
        assert!(said.starts_with(says), "{text}: {said}");
    }
}

#[test]
fn a_port_is_no_password() {
    for url in ["postgres://h:5432/n", "postgres://u@h:5432/n", "postgres://[::1]:5432/n?a=@:"] {
        let config = Config::parse(&format!("database.url = \"{url}\"")).unwrap();
        assert_eq!(config.database.url, url);
    }
}
