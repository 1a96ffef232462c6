//! Suppliers' files: sent in, mapped, looked through, put in force, undone, compared.

use crate::client::{Response, connect, raw, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use crate::world::NOW_US;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strowger_model::{Import, ImportState, RevisionState, TariffId, TariffRevision};
use strowger_store::{Actor, Change, Scope};

/// What suppliers send, made by us: semicolons and Windows-1252 with ranges and a letterhead;
/// commas with the country's code apart and months first; UTF-16 with years first; a workbook.
const GERMAN: &[u8] = include_bytes!("../decks/german.csv");
const AMERICAN: &[u8] = include_bytes!("../decks/american.csv");
const ISO: &[u8] = include_bytes!("../decks/iso.txt");
const BOOK: &[u8] = include_bytes!("../decks/book.xlsx");

const PATIENCE: Duration = Duration::from_secs(60);

fn post(server: &Server, path: &str, body: &Value) -> Response {
    send((server.at, 1), "POST", &format!("/api/v1/{path}"), Some(OWNER), &[], &body.to_string())
}

fn get(server: &Server, path: &str) -> Value {
    let response = server.get(&format!("/api/v1/{path}"));
    assert_eq!(response.status, 200, "{path}: {response:?}");
    response.json()
}

/// A file, sent as it is.
fn sent(server: &Server, tariff: &str, more: &str, file: &[u8]) -> Response {
    let head = format!(
        "POST /api/v1/{tariff}/imports?file=deck.csv HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {OWNER}\r\nContent-Type: application/octet-stream\r\n{more}\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        server.at,
        file.len()
    );
    let request = [head.as_bytes(), file].concat();
    raw(&mut connect(server.at, 1), &request).unwrap()
}

fn made(server: &Server, path: &str, body: &Value) -> String {
    let made = post(server, path, body);
    assert_eq!(made.status, 201, "{path}: {made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

/// A price list with these prices published; its path.
fn list(server: &Server, name: &str, kind: &str, prices: &[(&str, &str)]) -> String {
    let body = json!({"tenant": "1", "name": name, "currency": "EUR", "kind": kind});
    let own = format!("tariffs/{}", made(server, "tariffs", &body));
    if !prices.is_empty() {
        assert_eq!(post(server, &format!("{own}/revisions"), &json!({})).status, 201);
        let row =
            |(prefix, price): &(&str, &str)| json!({"prefix": prefix, "price": {"amount": price}});
        let rows: Vec<Value> = prices.iter().map(row).collect();
        assert_eq!(post(server, &format!("{own}/revisions/1/rates"), &json!(rows)).status, 201);
        assert_eq!(post(server, &format!("{own}/revisions/1/publish"), &json!({})).status, 200);
    }
    own
}

/// A good file that waits; its path.
fn waiting(server: &Server, tariff: &str, file: &[u8]) -> String {
    let made = sent(server, tariff, "", file);
    assert_eq!((made.status, &made.json()["state"]), (201, &json!("checked")), "{made:?}");
    format!("imports/{}", made.json()["id"].as_str().unwrap())
}

/// Publishes a file and waits until its rows are written; how it stands then.
fn published(server: &Server, import: &str, body: &Value) -> Value {
    let asked = post(server, &format!("{import}/publish"), body);
    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("publishing")), "{asked:?}");
    settled(server, import)
}

fn settled(server: &Server, import: &str) -> Value {
    let began = Instant::now();
    loop {
        let is = get(server, import);
        if is["state"] != "publishing" {
            return is;
        }
        assert!(began.elapsed() < PATIENCE, "{is}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn undone(server: &Server, import: &str) -> Response {
    send((server.at, 1), "POST", &format!("/api/v1/{import}/undo"), Some(OWNER), &[], "")
}

/// Every price of a list, as it is told.
fn rates(server: &Server, own: &str) -> Vec<Value> {
    let page = get(server, &format!("{own}/rates?limit=1000"));
    page["items"].as_array().unwrap().clone()
}

/// Prefix and price of a number at a time.
fn price(server: &Server, own: &str, number: &str, at: &str) -> Option<String> {
    let found = get(server, &format!("{own}/rates?number={number}&at={at}"));
    let row = found["items"].as_array().unwrap().first()?.clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some(format!("{} {}", text(&row["prefix"]), text(&row["price"]["amount"])))
}

/// Prefix and what becomes of it.
fn moves(differences: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        format!("{} {}", text("prefix"), text("change"))
    };
    differences["rows"]["items"].as_array().unwrap().iter().map(row).collect()
}

/// Before the day from which the files' prices count.
const BEFORE: &str = "2023-11-15T00:00:00Z";
/// Behind it.
const BEHIND: &str = "2023-11-25T00:00:00Z";

#[test]
fn a_file_is_looked_through_put_in_force_and_undone_exactly() {
    let server = Server::start();
    let prices = [("49", "0.02"), ("44", "0.012"), ("43", "0.05"), ("7", "0.10")];
    let own = list(&server, "Beispiel", "supplier", &prices);
    let before = rates(&server, &own);
    let import = waiting(&server, &own, GERMAN);
    let is = get(&server, &import);
    assert_eq!(is["file"], "deck.csv");
    assert_eq!((&is["bytes"], &is["tariff"]), (&json!(GERMAN.len()), &json!(own[8..])));
    assert_eq!(is["report"]["codes"], 7);
    assert_eq!(is["reading"]["mapping"]["columns"]["code"], "Vorwahl");
    let differences = get(&server, &format!("{import}/differences"));
    let wanted = [
        "43 ended",
        "43664 new",
        "43676 new",
        "43677 new",
        "43678 new",
        "44 terms",
        "447 new",
        "49 cheaper",
        "7 ended",
    ];
    assert_eq!(moves(&differences), wanted);
    assert_eq!((&differences["new"], &differences["ended"]), (&json!(5), &json!(2)));
    let only = get(&server, &format!("{import}/differences?change=cheaper"));
    assert_eq!(moves(&only), ["49 cheaper"]);
    let row = &only["rows"]["items"][0];
    assert_eq!(row["destination"], "Deutschland");
    assert_eq!(row["old_price"]["amount"], "0.020000000");
    assert_eq!((&row["new_price"]["amount"], &row["line"]), (&json!("0.010000000"), &json!(4)));
    let first = get(&server, &format!("{import}/differences?limit=6"));
    let next = first["rows"]["next"].as_str().unwrap();
    let rest = get(&server, &format!("{import}/differences?limit=6&next={next}"));
    assert_eq!(moves(&rest), wanted[6..]);
    let sums = get(&server, &format!("{import}/destinations"));
    let names: Vec<_> = sums["items"].as_array().unwrap().iter().map(|d| &d["new"]).collect();
    // Without a name (what ends), Deutschland, Großbritannien, its mobiles, Österreich Mobil.
    assert_eq!(names, [0, 0, 0, 1, 4]);
    // Nothing of it counts, until it is published.
    assert_eq!(rates(&server, &own), before);
    let is = published(&server, &import, &json!({}));
    assert_eq!((&is["state"], &is["revision"]), (&json!("in-force"), &json!(2)), "{is}");
    let at = |number: &str, at: &str| price(&server, &own, number, at);
    assert_eq!(at("4930", BEFORE), Some("49 0.020000000".to_owned()));
    assert_eq!(at("4930", BEHIND), Some("49 0.010000000".to_owned()));
    assert_eq!(at("436771", BEHIND), Some("43677 0.095000000".to_owned()));
    assert_eq!((at("431", BEHIND), at("7495", BEHIND)), (None, None));
    let again = post(&server, &format!("{import}/publish"), &json!({}));
    assert_eq!((again.status, again.field().as_str()), (409, "state"));
    let gone = send((server.at, 1), "DELETE", &format!("/api/v1/{import}"), Some(OWNER), &[], "");
    assert_eq!(gone.status, 409, "{gone:?}");
    let back = undone(&server, &import);
    assert_eq!((back.status, &back.json()["state"]), (200, &json!("undone")), "{back:?}");
    assert_eq!(rates(&server, &own), before, "exactly as it was");
    assert_eq!(undone(&server, &import).status, 409);
    let log = get(&server, &format!("changes?resource=imports&id={}", is["id"].as_str().unwrap()));
    let states = log["items"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|c| c["after"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["undone", "in-force", "publishing", "checked", "uploaded"]);
}

#[test]
fn files_of_every_kind_are_read() {
    let server = Server::start();
    for (file, number, expect) in [
        (AMERICAN, "4915212", "49152 0.080000000"),
        (ISO, "4930", "49 0.009000000"),
        (BOOK, "25420", "254 0.120000000"),
    ] {
        let own = list(&server, "any", "supplier", &[("44", "0.05")]);
        let import = waiting(&server, &own, file);
        let is = published(&server, &import, &json!({}));
        assert_eq!(is["state"], "in-force", "{is}");
        assert_eq!(price(&server, &own, number, BEHIND), Some(expect.to_owned()));
        if file == BOOK {
            assert_eq!(price(&server, &own, "4420", BEHIND), None, "the workbook deletes it");
        }
        if file == ISO {
            let behind = price(&server, &own, "4420", "2024-01-02T00:00:00Z");
            assert_eq!(behind, Some("44 0.050000000".to_owned()), "its price has ended");
        }
    }
}

#[test]
fn a_mapping_is_told_once_and_remembered() {
    let server = Server::start();
    let own = list(&server, "odd", "supplier", &[]);
    let odd = b"A;B;C\n49;ignored;1,5\n44;ignored;2\n";
    let made = sent(&server, &own, "", odd);
    let is = made.json();
    assert_eq!((made.status, &is["state"]), (201, &json!("uploaded")), "{made:?}");
    assert!(is["report"]["problem"].as_str().unwrap().contains("none of the first"), "{is}");
    let import = format!("imports/{}", is["id"].as_str().unwrap());
    let early = post(&server, &format!("{import}/publish"), &json!({}));
    assert_eq!((early.status, early.field().as_str()), (409, "state"));
    assert_eq!(server.get(&format!("/api/v1/{import}/differences")).status, 409);
    let wrong = post(&server, &format!("{import}/mapping"), &json!({"maping": {}}));
    assert_eq!(wrong.status, 400, "{wrong:?}");
    for place in [0, 257] {
        let nowhere = json!({"mapping": {"columns": {"code": place}}});
        let wrong = post(&server, &format!("{import}/mapping"), &nowhere);
        assert_eq!((wrong.status, wrong.field().as_str()), (400, "mapping"), "{wrong:?}");
    }
    let reading = json!({
        "mapping": {"columns": {"code": "A", "price": 3}, "unit": "hundredth"},
        "mode": "partial", "minimum_ms": 30_000, "step_ms": 6_000,
    });
    let mapped = post(&server, &format!("{import}/mapping"), &reading);
    assert_eq!((mapped.status, &mapped.json()["state"]), (200, &json!("checked")), "{mapped:?}");
    let step = post(&server, &format!("{import}/mapping"), &json!({"step_ms": 500}));
    assert_eq!((step.status, step.field().as_str()), (400, "step_ms"));
    // The next one is read in the same way, wherever its columns are.
    let next = waiting(&server, &own, b"C;B;A\n3;x;49\n");
    let is = get(&server, &next);
    assert_eq!(is["reading"]["mode"], "partial");
    let is = published(&server, &next, &json!({}));
    assert_eq!(is["state"], "in-force", "{is}");
    let row = &rates(&server, &own)[0];
    assert_eq!(row["price"]["amount"], "0.030000000");
    assert_eq!((&row["minimum_ms"], &row["step_ms"]), (&json!(30_000), &json!(6_000)));
}

#[test]
fn faults_are_told_by_line_and_keep_a_file_out() {
    let server = Server::start();
    let own = list(&server, "bad", "supplier", &[]);
    let made = sent(&server, &own, "", b"code;price\n49;0,01\n4,9E+11;0,02\n44;cheap\n");
    let is = made.json();
    assert_eq!((made.status, &is["state"]), (201, &json!("mapped")), "{made:?}");
    assert_eq!(is["report"]["faults"], 2);
    let first = is["report"]["first_faults"][0].as_str().unwrap();
    assert!(first.starts_with("line 3, column A (code)"), "{first}");
    let import = format!("imports/{}", is["id"].as_str().unwrap());
    assert_eq!(post(&server, &format!("{import}/publish"), &json!({})).status, 409);
    let gone = send((server.at, 1), "DELETE", &format!("/api/v1/{import}"), Some(OWNER), &[], "");
    assert_eq!(gone.status, 204);
    assert_eq!(server.get(&format!("/api/v1/{import}")).status, 404);
    assert!(!server.deck(import.strip_prefix("imports/").unwrap()).exists());
    let broken = sent(&server, &own, "", b"PK\x03\x04 and nothing else");
    assert_eq!(broken.json()["state"], "uploaded");
    let told = broken.json()["report"]["problem"].as_str().unwrap().to_owned();
    assert!(told.starts_with("the workbook"), "{told}");
    assert_eq!(sent(&server, &own, "", b"").field(), "body");
}

#[test]
fn a_file_counts_from_its_time_on_and_newer_ones_are_undone_first() {
    let server = Server::start();
    let own = list(&server, "timed", "supplier", &[("49", "0.02")]);
    let first = waiting(&server, &own, b"code;price\n49;0,03\n");
    let past =
        post(&server, &format!("{first}/publish"), &json!({"effective": "2020-01-01T00:00:00Z"}));
    assert_eq!((past.status, past.field().as_str()), (422, "effective"));
    let is = published(&server, &first, &json!({"effective": "2023-11-20T00:00:00Z"}));
    assert_eq!(is["state"], "scheduled", "{is}");
    let at = |at: &str| price(&server, &own, "4930", at).unwrap();
    assert_eq!((at(BEFORE), at(BEHIND)), ("49 0.020000000".into(), "49 0.030000000".into()));
    let second = waiting(&server, &own, b"code;price\n49;0,02\n");
    // The price now is the same, and what was promised for later is not.
    let is = published(&server, &second, &json!({}));
    assert_eq!((&is["state"], &is["rows"]), (&json!("in-force"), &json!(1)), "{is}");
    assert_eq!((at(BEFORE), at(BEHIND)), ("49 0.020000000".into(), "49 0.020000000".into()));
    let refused = undone(&server, &first);
    assert_eq!((refused.status, refused.field().as_str()), (409, "state"));
    // Its revision is the import's, and those below it stay as they are.
    for (path, field) in [("revisions/3/undo", "number"), ("revisions/1/undo", "number")] {
        let target = format!("/api/v1/{own}/{path}");
        let refused = send((server.at, 1), "POST", &target, Some(OWNER), &[], "");
        assert_eq!((refused.status, refused.field().as_str()), (409, field), "{path}");
    }
    let row = json!([{"prefix": "1", "price": {"amount": "1"}}]);
    assert_eq!(post(&server, &format!("{own}/revisions/3/rates"), &row).status, 409);
    assert_eq!(undone(&server, &second).status, 200);
    assert_eq!((at(BEFORE), at(BEHIND)), ("49 0.020000000".into(), "49 0.030000000".into()));
    server.now_us.store(NOW_US + 10 * 86_400_000_000, Ordering::Relaxed);
    assert_eq!(get(&server, &first)["state"], "in-force");
    assert_eq!(undone(&server, &first).status, 200);
    assert_eq!((at(BEFORE), at(BEHIND)), ("49 0.020000000".into(), "49 0.020000000".into()));
}

#[test]
fn a_key_counts_once_and_other_tenants_see_nothing() {
    let server = Server::start();
    let own = list(&server, "keyed", "supplier", &[]);
    let key = "Idempotency-Key: k1\r\n";
    let first = sent(&server, &own, key, b"code;price\n49;1\n");
    let again = sent(&server, &own, key, b"code;price\n49;1\n");
    assert_eq!((first.status, again.status), (201, 201), "{again:?}");
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert!(first.header("location").unwrap().ends_with(first.json()["id"].as_str().unwrap()));
    let other = sent(&server, &own, key, b"code;price\n49;2\n");
    assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"));
    let tariff = own.strip_prefix("tariffs/").unwrap();
    let all = get(&server, &format!("imports?tariff={tariff}"));
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    let import = format!("/api/v1/imports/{}", first.json()["id"].as_str().unwrap());
    for (method, path) in [
        ("GET", ""),
        ("GET", "/differences"),
        ("GET", "/destinations"),
        ("GET", "/margins"),
        ("POST", "/publish"),
        ("POST", "/undo"),
        ("DELETE", ""),
    ] {
        let answer = server.ask(method, &format!("{import}{path}"), Some(TENANT));
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    let other = server.ask("GET", "/api/v1/imports", Some(TENANT));
    assert_eq!(other.json()["items"], json!([]));
    let hidden = format!("/api/v1/comparisons?reference={tariff}");
    assert_eq!(server.ask("GET", &hidden, Some(TENANT)).status, 404);
    let media = [("Content-Type", "text/csv")];
    let target = format!("/api/v1/{own}/imports");
    let foreign = send((server.at, 1), "POST", &target, Some(TENANT), &media, "code;price\n1;1\n");
    assert_eq!(foreign.status, 404, "{foreign:?}");
    // A body that says that it is too long is not read.
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {OWNER}\r\n\
         Content-Type: text/csv\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
        server.at
    );
    let refused = raw(&mut connect(server.at, 1), head.as_bytes()).unwrap();
    assert_eq!(refused.status, 413);
}

/// More rows than one transaction takes.
const MANY: u32 = 60_000;

#[test]
fn a_crash_in_the_middle_of_publishing_leaves_nothing_and_is_made_up_for() {
    let server = Server::start();
    let own = list(&server, "crash", "supplier", &[("49", "0.02"), ("1", "0.01")]);
    let rows: String = (0..MANY).map(|n| format!("{};0,0{}\n", 100_000 + n, 1 + n % 9)).collect();
    let import = waiting(&server, &own, format!("code;price\n{rows}").as_bytes());
    let id: i64 = import.strip_prefix("imports/").unwrap().parse().unwrap();
    let tariff = TariffId(own.strip_prefix("tariffs/").unwrap().parse().unwrap());
    // As a process leaves it that ends between two transactions: a draft with some of the rows, and
    // one that is not even of the file.
    server.beside(|store| async move {
        let draft = TariffRevision {
            tariff,
            number: 2,
            state: RevisionState::Draft,
            effective_us: 0,
            note: String::new(),
            created_us: 1,
            published_us: None,
        };
        let mut w = store.write().await.unwrap();
        w.insert_tariff_revision(&draft).await.unwrap();
        let row = w.row::<Import>(Scope::All, id).await.unwrap().unwrap();
        let (state, revision) = (ImportState::Writing, Some(2));
        let effective_us = Some(NOW_US);
        w.update(&Import { state, revision, effective_us, ..row }).await.unwrap();
        let mut left = w.tariff_rates(tariff).await.unwrap();
        w.commit().await.unwrap();
        left.iter_mut().for_each(|rate| rate.price.0 = 9);
        let left: Vec<_> = left
            .into_iter()
            .map(|rate| strowger_store::RevisedRate { rate, revision: 2, removed: false })
            .collect();
        let change = Change::new("tariff-revisions", tariff.0, None, Some(&1), 1);
        store.add_rates(tariff, 2, &left, &Actor::system("test"), &change).await.unwrap().unwrap();
    });
    assert_eq!(price(&server, &own, "4930", BEFORE), Some("49 0.020000000".to_owned()));
    // Any other file that is published wakes the one who publishes, as a start does.
    let other = list(&server, "other", "supplier", &[]);
    published(&server, &waiting(&server, &other, b"code;price\n49;1\n"), &json!({}));
    let is = settled(&server, &import);
    assert_eq!((&is["state"], &is["revision"]), (&json!("in-force"), &json!(3)), "{is}");
    // All rows, and the two that end.
    assert_eq!(is["rows"], MANY + 2);
    assert_eq!(price(&server, &own, "1599990", BEFORE), Some("159999 0.060000000".to_owned()));
    assert_eq!(price(&server, &own, "4930", BEFORE), None);
    assert_eq!(get(&server, &format!("{own}/revisions/2/rates"))["items"], json!([]));
    assert_eq!(undone(&server, &import).status, 200);
    assert_eq!(price(&server, &own, "4930", BEFORE), Some("49 0.020000000".to_owned()));
}

#[test]
fn a_file_that_changed_on_the_disk_is_not_put_in_force() {
    let server = Server::start();
    let own = list(&server, "changed", "supplier", &[]);
    let import = waiting(&server, &own, b"code;price\n49;1\n");
    std::fs::write(server.deck(&import["imports/".len()..]), b"code;price\n49;2\n").unwrap();
    let is = published(&server, &import, &json!({}));
    assert_eq!(is["state"], "failed", "{is}");
    assert!(is["report"]["problem"].as_str().unwrap().contains("send it again"), "{is}");
    assert_eq!(rates(&server, &own), Vec::<Value>::new());
}

#[test]
fn margins_and_suppliers_are_told() {
    let server = Server::start();
    let buying = list(&server, "One", "supplier", &[("49", "0.02"), ("44", "0.01")]);
    list(&server, "Two", "supplier", &[("49", "0.025"), ("4420", "0.005")]);
    let retail = list(
        &server,
        "retail",
        "customer",
        &[("49", "0.05"), ("4915", "0.03"), ("44", "0.02"), ("7", "0.10")],
    );
    let id = |own: &str| own.strip_prefix("tariffs/").unwrap().to_owned();
    let egress = json!({
        "account": "1", "tariff": id(&buying), "targets": ["198.51.100.7:5060"],
    });
    let body = json!({"tenant": "1", "organization": "1", "name": "one", "egress": egress});
    let trunk = made(&server, "trunks", &body);
    let route = json!({"tenant": "1", "prefix": "49", "targets": [{"trunk": trunk}]});
    made(&server, "routes", &route);
    let import = waiting(&server, &buying, b"code;price\n49;0,04\n44;0,50\n");
    let margins = get(&server, &format!("{import}/margins"));
    let mine = margins["tariffs"].as_array().unwrap().iter();
    let mine: Vec<_> = mine.filter(|list| list["tariff"] == json!(id(&retail))).collect();
    // 44 is not routed to the supplier.
    let told = ["sold", "at_loss", "turned_to_loss"].map(|name| mine[0][name].clone());
    assert_eq!(told, [2, 1, 1], "{margins}");
    let losses = margins["losses"]["items"].as_array().unwrap();
    assert_eq!(losses.len(), 1, "{margins}");
    assert_eq!((&losses[0]["prefix"], &losses[0]["is_new"]), (&json!("4915"), &json!(true)));
    assert_eq!(losses[0]["left"]["amount"], "-0.010000000");
    let compared = get(&server, &format!("comparisons?reference={}", id(&retail)));
    let rows = compared["items"].as_array().unwrap();
    let told = |row: &Value| {
        let amount = |name: &str| row[name]["amount"].as_str().unwrap_or("-").to_owned();
        let prefix = row["prefix"].as_str().unwrap().to_owned();
        [prefix, amount("best_price"), amount("second_price"), amount("spread"), amount("left")]
            .join(" ")
    };
    let wanted = [
        "44 0.010000000 - - 0.010000000",
        "49 0.020000000 0.025000000 0.005000000 0.030000000",
        "4915 0.020000000 0.025000000 0.005000000 0.010000000",
        "7 - - - -",
    ];
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), wanted, "{compared}");
    assert_eq!(rows[0]["offers"].as_array().unwrap().len(), 2, "one of them for some numbers");
    assert_eq!(rows[0]["offers"][1]["is_whole"], false);
    let page = get(&server, &format!("comparisons?reference={}&limit=2", id(&retail)));
    let next = page["next"].as_str().unwrap();
    let rest = get(&server, &format!("comparisons?reference={}&limit=2&next={next}", id(&retail)));
    assert_eq!(told(&rest["items"][0]), wanted[2]);
    let some = get(&server, &format!("comparisons?reference={}&prefix=491", id(&retail)));
    assert_eq!(some["items"].as_array().unwrap().len(), 1);
    let missing = server.get("/api/v1/comparisons");
    assert_eq!((missing.status, missing.field().as_str()), (422, "reference"));
}
