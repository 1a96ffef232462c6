//! The torture messages of RFC 4475, where the corpus is at hand: the syntax of each is accepted or
//! refused as the RFC says, and those of section 3.3 get the answer that it asks for.

use std::path::{Path, PathBuf};

use strowger_sip::{Index, Message, Refusal, scan};

/// `shared/corpora/rfc4475` beside the project or beside one of the folders above it.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/corpora/rfc4475")).find(|f| f.is_dir())
}

/// Index and grammar, without what a message means.
fn syntax(bytes: &[u8]) -> Result<(), Refusal> {
    let mut index = Index::new();
    Message::parse(bytes, &mut index)?.check_syntax()
}

fn meaning(bytes: &[u8]) -> Option<u16> {
    let mut index = Index::new();
    let verdict = Message::parse(bytes, &mut index).and_then(Message::validate);
    verdict.err().and_then(Refusal::answer).map(|status| status.code())
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn every_message_is_judged_as_the_rfc_says() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no shared/corpora/rfc4475 at hand");
        return;
    };
    let verdicts = std::fs::read_to_string(corpus.join("verdicts.tsv")).unwrap();
    let mut judged = 0;
    for line in verdicts.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let bytes = std::fs::read(corpus.join(columns[0])).unwrap();
        assert_eq!(syntax(&bytes).is_ok(), columns[3] == "Parse", "{line}: {:?}", syntax(&bytes));
        let _ = scan(&bytes);
        judged += 1;
    }
    assert_eq!(judged, 50, "the corpus has fifty messages");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn what_parses_may_still_mean_nothing() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no shared/corpora/rfc4475 at hand");
        return;
    };
    for (file, answer) in [
        ("TC_INSUF_I.dat", Some(400)),
        ("TC_MULTI01_I.dat", Some(400)),
        ("TC_MCL01_I.dat", Some(400)),
        ("TC_UNKSCM_V.dat", Some(416)),
        ("TC_NOVELSC_V.dat", Some(416)),
        ("TC_UNKSM2_V.dat", Some(416)),
        ("TC_BADBRANCH_V.dat", None),
        ("TC_INV2543_I.dat", None),
        ("TC_WSINV.dat", None),
        ("TC_INTMETH.dat", None),
    ] {
        let bytes = std::fs::read(corpus.join(file)).unwrap();
        assert_eq!(meaning(&bytes), answer, "{file}");
    }
}
