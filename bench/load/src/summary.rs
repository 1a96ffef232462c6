//! Rounds of two sides compared: the median of the rounds' ratios, not the ratio of medians, as
//! what disturbs a machine disturbs both halves of a round.

use std::fs;

use serde_json::{Value, json};

use crate::words::Words;

/// Least rounds that a ratio is told of without a word of doubt.
const ROUNDS_MIN: usize = 7;

/// `summary --bench NAME --ours FILE [--peer FILE] --metric POINTER [--bar N] [--limit N]
/// [--show P,P,...] [--must P=Q,P=0,...]`: each file has a report of the generator a line, in the
/// order of the rounds.
pub(crate) fn run(words: &[String]) -> Result<Value, String> {
    let mut words = Words::parse(words)?;
    let (bench, metric) = (words.need("bench")?, words.need("metric")?);
    let ours = read(&words.need("ours")?)?;
    let peer = words.text("peer").map(|file| read(&file)).transpose()?;
    let bar: Option<f64> = words.value("bar")?;
    let limit: Option<f64> = words.value("limit")?;
    let show = words.text("show").unwrap_or_default();
    let show: Vec<&str> = show.split(',').filter(|word| !word.is_empty()).collect();
    let must = words.text("must").unwrap_or_default();
    let must: Vec<&str> = must.split(',').filter(|word| !word.is_empty()).collect();
    let name = words.text("peer-name");
    words.done()?;
    let mine = column(&ours, &metric)?;
    let mut told = json!({
        "bench": bench, "metric": metric, "rounds": ours.len(),
        "ours": spread(&mine),
        "work": { "ours": shown(&ours, &show) },
        "broken": { "ours": broken(&ours, &must)? },
    });
    if let Some(limit) = limit {
        told["limit"] = json!(limit);
        told["reached"] = json!(median(&mine) <= limit);
    }
    let Some(peer) = peer else { return Ok(told) };
    let theirs = column(&peer, &metric)?;
    if theirs.len() != mine.len() {
        return Err(format!("{} rounds of ours, {} of the peer's", mine.len(), theirs.len()));
    }
    let ratios: Vec<f64> = mine.iter().zip(&theirs).map(|(ours, peer)| ours / peer).collect();
    told["peer"] = spread(&theirs);
    told["peer_name"] = json!(name);
    told["ratio"] = spread(&ratios);
    told["work"]["peer"] = shown(&peer, &show);
    told["broken"]["peer"] = broken(&peer, &must)?;
    if let Some(bar) = bar {
        told["bar"] = json!(bar);
        told["reached"] = json!(median(&ratios) <= bar);
    }
    if mine.len() < ROUNDS_MIN {
        told["doubt"] = json!(format!("fewer than {ROUNDS_MIN} rounds"));
    }
    Ok(told)
}

/// `field --file FILE --at POINTER`: one value out of a file's last report.
pub(crate) fn field(words: &[String]) -> Result<Value, String> {
    let mut words = Words::parse(words)?;
    let (file, at) = (words.need("file")?, words.need("at")?);
    words.done()?;
    let rounds = read(&file)?;
    let value = rounds.last().and_then(|round| round.pointer(&format!("/{at}")));
    value.cloned().ok_or_else(|| format!("nothing at {at} in {file}"))
}

fn read(file: &str) -> Result<Vec<Value>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let parse =
        |line: &str| serde_json::from_str(line).map_err(|error| format!("{file}: {error}: {line}"));
    let rounds = text.lines().map(parse).collect::<Result<Vec<Value>, _>>()?;
    if rounds.is_empty() {
        return Err(format!("{file}: no round"));
    }
    Ok(rounds)
}

/// The number at a JSON pointer (its first slash left out) in each round.
fn column(rounds: &[Value], pointer: &str) -> Result<Vec<f64>, String> {
    let number = |round: &Value| {
        let value = round.pointer(&format!("/{pointer}")).and_then(Value::as_f64);
        value.ok_or_else(|| format!("no number at {pointer} in {round}"))
    };
    rounds.iter().map(number).collect()
}

fn shown(rounds: &[Value], pointers: &[&str]) -> Value {
    let pairs = pointers.iter().map(|pointer| {
        let told = column(rounds, pointer).map_or(Value::Null, |column| spread(&column));
        ((*pointer).to_owned(), told)
    });
    Value::Object(pairs.collect())
}

/// In how many rounds each rule did not hold: `P=Q` of two pointers, or of a pointer and a number.
/// A figure of rounds that did other work than was asked for is no figure.
fn broken(rounds: &[Value], must: &[&str]) -> Result<Value, String> {
    let mut told = serde_json::Map::new();
    for rule in must {
        let (left, right) = rule.split_once('=').ok_or_else(|| format!("{rule}: P=Q is wanted"))?;
        let left = column(rounds, left)?;
        let right = match right.parse::<f64>() {
            Ok(number) => vec![number; rounds.len()],
            Err(_) => column(rounds, right)?,
        };
        let times = left.iter().zip(&right).filter(|(a, b)| (*a - *b).abs() > 0.5).count();
        if times > 0 {
            told.insert((*rule).to_owned(), json!(times));
        }
    }
    Ok(Value::Object(told))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get((sorted.len() - 1) / 2), sorted.get(sorted.len() / 2));
    low.zip(high).map_or(f64::NAN, |(low, high)| f64::midpoint(*low, *high))
}

/// Median, least and most.
fn spread(values: &[f64]) -> Value {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    json!({ "median": median(values), "min": least, "max": most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, lines: &str) -> String {
        let path = std::env::temp_dir().join(format!("strowger-{}-{name}", std::process::id()));
        fs::write(&path, lines).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn summary(words: &str) -> Result<Value, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        run(&words)
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ours = file("ours", "{\"s\":{\"ns\":10}}\n{\"s\":{\"ns\":100}}\n{\"s\":{\"ns\":30}}\n");
        let peer =
            file("peer", "{\"s\":{\"ns\":20}}\n{\"s\":{\"ns\":100}}\n{\"s\":{\"ns\":100}}\n");
        let words = format!("--bench b --metric s/ns --ours {ours} --peer {peer} --bar 0.4");
        let told = summary(&words).unwrap();
        assert_eq!(told["ratio"], json!({ "median": 0.5, "min": 0.3, "max": 1.0 }));
        assert_eq!((&told["reached"], &told["ours"]["median"]), (&json!(false), &json!(30.0)));
        assert!(told["doubt"].is_string());
        let ruled = summary(&format!("{words} --must s/ns=s/ns,s/ns=100")).unwrap();
        assert_eq!(ruled["broken"], json!({ "ours": {"s/ns=100": 2}, "peer": {"s/ns=100": 1} }));
        fs::write(&peer, "{\"s\":{\"ns\":20}}\n").unwrap();
        assert!(summary(&words).unwrap_err().contains("3 rounds of ours, 1 of the peer's"));
        fs::write(&peer, "{\"s\":{\"ns\":null}}\n").unwrap();
        assert!(summary(&words).unwrap_err().starts_with("no number at s/ns"));
        fs::remove_file(ours).unwrap();
        fs::remove_file(peer).unwrap();
    }
}
