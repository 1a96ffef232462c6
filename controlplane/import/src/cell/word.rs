//! Words, as they stand in heads and cells, brought to one form.

/// Small letters without marks; what is neither letter nor digit parts words.
pub(crate) fn words(text: &str) -> String {
    let mut words = String::new();
    for char in text.chars().flat_map(char::to_lowercase) {
        match plain(char) {
            Some(plain) => words.push_str(plain),
            None if char.is_alphanumeric() => words.push(char),
            // Marks that follow their letter.
            None if ('\u{300}'..='\u{36f}').contains(&char) => {}
            None if words.ends_with(' ') || words.is_empty() => {}
            None => words.push(' '),
        }
    }
    words.truncate(words.trim_end().len());
    words
}

fn plain(char: char) -> Option<&'static str> {
    Some(match char {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'ç' | 'č' | 'ć' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ě' | 'ę' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' | 'ń' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ő' => "o",
        'ù' | 'ú' | 'û' | 'ü' | 'ű' => "u",
        'ß' => "ss",
        _ => return None,
    })
}

/// What a cell says of the change of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// It has the price that stands beside it: new, dearer, cheaper, as before.
    Priced,
    /// It is no more in the deck.
    Ended,
    /// It must not be called.
    Blocked,
}

const PRICED: &[&str] = &[
    "new",
    "neu",
    "nouveau",
    "nuevo",
    "nuovo",
    "novo",
    "increase",
    "increased",
    "inc",
    "up",
    "erhohung",
    "hausse",
    "augmentation",
    "aumento",
    "decrease",
    "decreased",
    "dec",
    "down",
    "senkung",
    "baisse",
    "diminution",
    "reduccion",
    "riduzione",
    "reducao",
    "unchanged",
    "same",
    "no change",
    "nochange",
    "not changed",
    "current",
    "change",
    "changed",
    "unverandert",
    "inchange",
    "sin cambio",
    "invariato",
    "open",
    "opened",
    "active",
    "i",
    "d",
    "n",
    "u",
    "c",
    "add",
    "added",
    "update",
    "updated",
    "effective",
    "new code",
    "new rate",
    "rate increase",
    "rate decrease",
    "rate change",
    "unblocked",
    "без изменений",
    "повышение",
    "понижение",
    "новый",
    "=",
    "",
];
const ENDED: &[&str] = &[
    "delete",
    "deleted",
    "del",
    "remove",
    "removed",
    "end",
    "ended",
    "expired",
    "discontinued",
    "obsolete",
    "withdrawn",
    "geloscht",
    "entfernt",
    "entfallen",
    "supprime",
    "retire",
    "eliminado",
    "eliminato",
    "removido",
    "code removed",
    "code deleted",
    "удален",
    "удалить",
];
const BLOCKED: &[&str] = &[
    "blocked",
    "block",
    "closed",
    "close",
    "barred",
    "suspended",
    "not available",
    "unavailable",
    "no route",
    "not offered",
    "n a",
    "na",
    "gesperrt",
    "geschlossen",
    "bloque",
    "ferme",
    "bloqueado",
    "cerrado",
    "bloccato",
    "chiuso",
    "fechado",
    "закрыт",
    "заблокирован",
];

/// The change that a word means; `None` = not known.
pub(crate) fn change(text: &str) -> Option<Change> {
    let word = words(text);
    let is = |list: &[&str]| list.contains(&word.as_str());
    if is(PRICED) {
        Some(Change::Priced)
    } else if is(ENDED) {
        Some(Change::Ended)
    } else if is(BLOCKED) {
        Some(Change::Blocked)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_form() {
        assert_eq!(words(" Gültig  ab: (Datum) "), "gultig ab datum");
        assert_eq!(words("PRÉFIXE/Préfixe"), "prefixe prefixe");
        assert_eq!(words("Код"), "код");
        assert_eq!(words("--"), "");
    }

    #[test]
    fn changes_are_known_in_several_languages() {
        assert_eq!(change("No Change"), Some(Change::Priced));
        assert_eq!(change("Erhöhung"), Some(Change::Priced));
        assert_eq!(change("GELÖSCHT"), Some(Change::Ended));
        assert_eq!(change("N/A"), Some(Change::Blocked));
        assert_eq!(change("perhaps"), None);
    }
}
