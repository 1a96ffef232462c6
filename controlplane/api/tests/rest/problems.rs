//! What is refused, and how it says so.

use crate::client::{Response, connect, raw, send};
use crate::rows::OWNER;
use crate::sample::{body, media};
use crate::server::Server;

#[test]
fn every_problem_names_its_field() {
    let server = Server::start();
    let of_calls = server.get("/api/v1/calls?limit=1").json()["next"].as_str().unwrap().to_owned();
    for (target, field) in [
        ("cdrs?from=yesterday", "from"),
        ("cdrs?from=2026-01-01T00:00:00", "from"),
        ("cdrs?until=2026-13-01T00:00:00Z", "until"),
        // As the source's own example of rating again has it.
        ("cdrs?until=2026-09-31T00:00:00Z", "until"),
        ("cdrs?account=me", "account"),
        ("cdrs?limit=0", "limit"),
        ("cdrs?limit=1001", "limit"),
        ("cdrs?limit=", "limit"),
        ("cdrs?next=%C3%BC", "next"),
        ("cdrs?from=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", "from"),
        ("cdrs?form=2026-01-01T00:00:00Z", "form"),
        ("calls?account=1", "account"),
        ("cdrs/1?limit=1", "limit"),
        ("cdrs/one", "id"),
        ("cdrs/1.0", "id"),
        ("cdrs/+1", "id"),
        ("cdrs/%31x", "id"),
        ("cdrs/%ff", "id"),
        ("calls/184467440737095516150", "id"),
        ("trunks/%20", "id"),
    ] {
        let response = server.get(&format!("/api/v1/{target}"));
        assert_eq!(response.status, 400, "{target}: {response:?}");
        assert_eq!(response.field(), field, "{target}");
        let detail = response.problem()["detail"].as_str().unwrap().to_owned();
        assert!(!detail.is_empty(), "{target}");
    }
    assert_eq!(server.ask("GET", "/healthz?x=1", None).field(), "x");
    // What the document cannot say has a status of its own.
    for (target, field) in [
        ("cdrs?next=x", "next"),
        (&format!("cdrs?next={of_calls}"), "next"),
        (&format!("subscribers?next={of_calls}x"), "next"),
        ("cdrs?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
    ] {
        let response = server.get(&format!("/api/v1/{target}"));
        assert_eq!((response.status, response.field().as_str()), (422, field), "{target}");
    }
}

/// A body says what it is, and a key is heeded where the document has one, by every endpoint alike.
#[test]
fn media_types_and_keys_have_one_rule_for_all() {
    let server = Server::start();
    for endpoint in strowger_api::endpoints() {
        let what = format!("{} {}", endpoint.method, endpoint.path);
        let target = endpoint.path.replace("{id}", "1").replace("{name}", "owner");
        let target = target.replace("{login}", "1").replace("{number}", "1");
        let ask = |headers: &[(&str, &str)], body: &str| {
            send((server.at, 1), endpoint.method, &target, Some(OWNER), headers, body)
        };
        let (key, version) = (("Idempotency-Key", "k"), ("If-Match", "\"0\""));
        let mut usual = Vec::new();
        if endpoint.needs_key {
            usual.push(key);
        }
        if endpoint.needs_version {
            usual.push(version);
        }
        if endpoint.takes_body {
            for media in ["", "text/plain", "application/x-www-form-urlencoded", "json"] {
                let said = [usual.as_slice(), &[("Content-Type", media)]].concat();
                let refused = ask(&said, "{}");
                let is = (refused.status, refused.field());
                assert_eq!(is, (415, "content-type".to_owned()), "{what} {media}: {refused:?}");
            }
            for media in endpoint.media {
                let said = [usual.as_slice(), &[("Content-Type", *media)]].concat();
                assert_ne!(ask(&said, "{}").status, 415, "{what} {media}");
            }
        }
        if !endpoint.takes_key {
            let refused = ask(&[key], "");
            let is = (refused.status, refused.field());
            // Those that a stranger asks, or whose token is not asked first, say it too.
            assert_eq!(is, (400, "Idempotency-Key".to_owned()), "{what}: {refused:?}");
        }
    }
}

/// Where the document has a key, the same request again counts once.
#[test]
fn a_key_makes_a_request_count_once_at_every_endpoint_that_takes_one() {
    for endpoint in strowger_api::endpoints().filter(|endpoint| endpoint.takes_key) {
        let server = Server::start_in_world("127.0.0.1:0");
        let what = format!("{} {}", endpoint.method, endpoint.path);
        let target = endpoint.path.replace("{id}", "10");
        let text = body(&endpoint, 10);
        let owner = crate::world::token(strowger_model::Role::Owner);
        let mut headers = vec![("Idempotency-Key", "once")];
        headers.extend(media(&endpoint).map(|media| ("Content-Type", media)));
        let ask = |headers: &[(&str, &str)]| {
            send((server.at, 1), endpoint.method, &target, Some(&owner), headers, &text)
        };
        let (first, again) = (ask(&headers), ask(&headers));
        assert_eq!(first.status, 201, "{what}: {first:?}");
        assert_eq!((again.status, &again.body), (201, &first.body), "{what}");
        let second = ask(&[("Idempotency-Key", "other")]);
        assert_ne!(second.body, first.body, "{what}: it was made a second time, or refused");
    }
}

#[test]
fn an_id_that_nothing_has_is_not_found() {
    let server = Server::start();
    for path in [
        "cdrs/99",
        "cdrs/-1",
        // Beyond i64, and below u64.
        "cdrs/9223372036854775808",
        "calls/-1",
        "calls/99",
        "subscribers/0",
        "trunks/99",
        "accounts/99",
    ] {
        let response = server.get(&format!("/api/v1/{path}"));
        assert_eq!(response.status, 404, "{path}");
        response.problem();
    }
    // An id has one text, and these are none: padded, signed, no whole number.
    for text in ["01", "00", "-0", "+1", "1.0", "1e0", "%201", "x"] {
        let response = server.get(&format!("/api/v1/cdrs/{text}"));
        assert_eq!(response.status, 400, "{text}");
        assert_eq!(response.field(), "id", "{text}");
    }
    assert_eq!(server.ask("POST", "/api/v1/calls/99/hangup", Some(OWNER)).status, 404);
    assert!(server.live.ended.lock().unwrap().is_empty());
    // An escaped digit is the digit.
    assert_eq!(server.get("/api/v1/cdrs/%31").json()["id"], "1");
}

#[test]
fn other_methods_are_told_which_there_are() {
    let server = Server::start();
    for (method, path, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/api/v1/cdrs/1", "GET, HEAD"),
        ("OPTIONS", "/api/v1/cdrs", "GET, HEAD"),
        ("GET", "/api/v1/calls/1/hangup", "POST"),
        ("HEAD", "/api/v1/calls/1/hangup", "POST"),
        ("BREW", "/metrics", "GET, HEAD"),
    ] {
        let response = server.ask(method, path, Some(OWNER));
        assert_eq!(response.status, 405, "{method} {path}");
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
    }
    let head = server.ask("HEAD", "/api/v1/cdrs", Some(OWNER));
    let get = server.get("/api/v1/cdrs");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

/// One request of lines, with the good token.
fn lines(server: &Server, first: &str, more: &[&str], body: &str) -> Response {
    let token = format!("Authorization: Bearer {OWNER}");
    let mut request = format!("{first} HTTP/1.1\r\n{token}\r\nConnection: close\r\n");
    for line in more {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(body);
    let response = raw(&mut connect(server.at, 1), request.as_bytes());
    response.unwrap_or_else(|| panic!("no answer to {first}"))
}

#[test]
fn heads_and_bodies_are_bounded() {
    let server = Server::start();
    let get = "GET /api/v1/cdrs";
    let long = format!("{get}?next={}", "A".repeat(4096));
    assert_eq!(lines(&server, &long, &["Host: x"], "").status, 414);
    let wide = format!("X: {}", "A".repeat(20_000));
    assert_eq!(lines(&server, get, &["Host: x", &wide], "").status, 431);
    let many: Vec<_> = (0..200).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(lines(&server, get, &many, "").status, 431);
    for hosts in [&[][..], &["Host: x", "Host: x"]] {
        assert_eq!(lines(&server, get, hosts, "").field(), "Host");
    }
    let post = "POST /api/v1/calls/1/hangup";
    let body = lines(&server, post, &["Host: x", "Content-Length: 2"], "{}");
    assert_eq!((body.status, body.field().as_str()), (400, "body"));
    let large = lines(&server, post, &["Host: x", "Content-Length: 65537"], "");
    assert_eq!((large.status, large.field().as_str()), (413, "body"));
    let huge = lines(&server, post, &["Host: x", "Content-Length: 99999999999999999999"], "");
    assert_eq!(huge.status, 400);
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunks = format!("{chunk}{chunk}{chunk}0\r\n\r\n");
    let chunked = lines(&server, post, &["Host: x", "Transfer-Encoding: chunked"], &chunks);
    assert_eq!((chunked.status, chunked.field().as_str()), (413, "body"));
    let broken = lines(&server, post, &["Host: x", "Transfer-Encoding: chunked"], "zz\r\n");
    assert_eq!((broken.status, broken.field().as_str()), (400, "body"));
    assert!(server.live.ended.lock().unwrap().is_empty());
}

#[test]
fn no_input_ends_the_server() {
    let server = Server::start();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let good = format!(
        "GET /api/v1/cdrs?from=2026-01-01T00:00:00Z&next=WyJjZHJzIixbMSwxLDBdXQ HTTP/1.1\r\n\
         Host: x\r\nAuthorization: Bearer {OWNER}\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..next() % 4 + 1 {
            let place = usize::try_from(next()).unwrap_or(0) % bytes.len();
            match next() % 3 {
                0 => bytes[place] = next().to_be_bytes()[7],
                1 => drop(bytes.remove(place)),
                _ => bytes.truncate(place.max(1)),
            }
        }
        let mut stream = connect(server.at, 1);
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        std::io::Write::write_all(&mut stream, &bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let response = raw(&mut stream, b"");
        assert!(response.is_none_or(|r| r.status < 500), "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(server.ask("GET", "/healthz", None).status, 200);
}
