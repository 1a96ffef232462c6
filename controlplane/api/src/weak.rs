//! Passwords that are guessed first, of people and of devices alike: what stands on every list of
//! guesses, what is hardly more than the name beside it, runs, and pieces that come again.

/// Characters that a name must be joined by, before a password that has it inside says more than
/// the name.
const BESIDE_NAME_MIN: usize = 4;
/// A piece of so many characters that comes again makes no password of them.
const PIECE_MAX: usize = 4;
/// Fewest characters of a run that is looked for on keyboards.
const RUN_MIN: usize = 6;

/// Rows of keyboards, and columns from the top; from either end.
const ROWS: [&str; 8] = [
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// Words that passwords are made of by adding digits and marks, in order.
const WORDS: [&str; 58] = [
    "abc",
    "access",
    "account",
    "admin",
    "administrator",
    "asterisk",
    "baseball",
    "changeme",
    "charlie",
    "computer",
    "default",
    "demo",
    "dragon",
    "extension",
    "football",
    "freedom",
    "freepbx",
    "guest",
    "hello",
    "iloveyou",
    "internet",
    "jordan",
    "letmein",
    "login",
    "master",
    "michael",
    "monkey",
    "mypassword",
    "operator",
    "p@ssw0rd",
    "p@ssword",
    "pass",
    "passw0rd",
    "passwd",
    "password",
    "pbx",
    "phone",
    "princess",
    "private",
    "qwerty",
    "root",
    "secret",
    "secure",
    "server",
    "shadow",
    "sip",
    "softphone",
    "starwars",
    "sunshine",
    "superman",
    "support",
    "switch",
    "telephone",
    "test",
    "trunk",
    "user",
    "voip",
    "welcome",
];

/// Most characters that are added to such a word without making it better.
const ADDED_MAX: usize = 6;

/// Why a password is guessed first, as words behind the name of its field; `None` when it is not.
/// `name` is the name that stands beside it.
pub(crate) fn why(password: &str, name: &str) -> Option<&'static str> {
    let text: Vec<char> = password.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    if is_of_name(&text, &name) {
        return Some("is little more than the name");
    }
    if is_repeated(&text) {
        return Some("is a short piece again and again");
    }
    if is_run(&text) || ROWS.iter().any(|row| is_within(row, &text)) {
        return Some("is a run of neighbours");
    }
    is_worn(&text).then_some("is one of those that are guessed first")
}

/// The name, forwards or backwards, with next to nothing beside it.
fn is_of_name(text: &[char], name: &[char]) -> bool {
    if name.is_empty() || text.len() >= name.len().saturating_add(BESIDE_NAME_MIN) {
        return false;
    }
    let back: Vec<char> = name.iter().rev().copied().collect();
    text.windows(name.len()).any(|part| part == name || part == back)
}

/// A piece of at most [`PIECE_MAX`] characters, and again, and again.
fn is_repeated(text: &[char]) -> bool {
    (1..=PIECE_MAX).any(|len| {
        let again = text.get(len..).unwrap_or_default();
        again.len() >= len && again.iter().zip(text).all(|(one, before)| one == before)
    })
}

/// Each character is the one behind, or before, the last.
fn is_run(text: &[char]) -> bool {
    let steps = |step: i64| {
        text.windows(2).all(|pair| match pair {
            [one, next] => {
                let (one, next) = (i64::from(u32::from(*one)), i64::from(u32::from(*next)));
                // On a telephone, and on a keyboard, 0 stands behind 9.
                let is_round = [one, next] == [0x39, 0x30] || [one, next] == [0x30, 0x39];
                next - one == step || is_round
            }
            _ => true,
        })
    };
    text.len() >= RUN_MIN && (steps(1) || steps(-1))
}

/// It stands in a row of keys, from either end.
fn is_within(row: &str, text: &[char]) -> bool {
    let back: String = row.chars().rev().collect();
    let text: String = text.iter().collect();
    text.len() >= RUN_MIN && (row.contains(&text) || back.contains(&text))
}

/// A worn word with digits and marks at its ends.
fn is_worn(text: &[char]) -> bool {
    let text: String = text.iter().collect();
    let is_added = |c: char| !c.is_alphabetic();
    let inner = text.trim_matches(is_added);
    // Marks inside of a worn word stand for letters, and may stand at its ends.
    let is_known = |word: &str| WORDS.binary_search(&word).is_ok();
    let added = text.chars().count().saturating_sub(inner.chars().count());
    (added <= ADDED_MAX && is_known(inner)) || is_known(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_guessed_first_is_told_why() {
        let name = "is little more than the name";
        let again = "is a short piece again and again";
        let run = "is a run of neighbours";
        let worn = "is one of those that are guessed first";
        for (password, beside, expect) in [
            ("Alice-1001", "alice-1001", Some(name)),
            ("1001-ecila", "alice-1001", Some(name)),
            ("alice1", "alice", Some(name)),
            ("alice-1001", "1001", None),
            ("10011001", "1001", Some(again)),
            ("aaaaaaaa", "x", Some(again)),
            ("abcabcab", "x", Some(again)),
            ("12345678", "x", Some(run)),
            ("9876543210", "x", Some(run)),
            ("67890123", "x", Some(run)),
            ("ABCDEFGH", "x", Some(run)),
            ("qwertyui", "x", Some(run)),
            ("lkjhgfdsa", "x", Some(run)),
            ("1qaz2wsx", "x", Some(run)),
            ("password", "x", Some(worn)),
            ("Passw0rd", "x", Some(worn)),
            ("P@ssw0rd!", "x", Some(worn)),
            ("welcome123", "x", Some(worn)),
            ("asterisk2024!", "x", Some(worn)),
            ("secret1234567", "x", None),
            ("correct horse", "x", None),
            ("demo1001x", "1001", None),
            ("first secret", "x", None),
            ("w3fk9a7pzq", "w3", None),
        ] {
            assert_eq!(why(password, beside), expect, "{password}");
        }
    }

    #[test]
    fn worn_words_are_in_order() {
        let mut sorted = WORDS;
        sorted.sort_unstable();
        assert_eq!(sorted, WORDS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_judged(password: String, name: String) {
            let _either = why(&password, &name);
        }

        #[test]
        fn what_we_make_is_not_weak(letters in "[a-km-np-z2-9]{20}") {
            // A piece or a run of twenty characters has no chance to be seen.
            prop_assert_eq!(why(&letters, "1001"), None);
        }
    }
}
