//! What a column may be, and the names that suppliers give it.

use crate::cell::word::words;
use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Name of the destination.
    Destination,
    /// Codes with the country's.
    Code,
    /// The country's code alone.
    CountryCode,
    /// What follows the country's code.
    AreaCode,
    /// Price per minute.
    Price,
    /// Price per minute in peak hours.
    Peak,
    /// Price per minute at all other times.
    OffPeak,
    /// ISO code of the price's currency.
    Currency,
    /// First day of the price.
    Effective,
    /// Last day of the price.
    Expiry,
    /// Increments in one cell: `60/1`.
    Increments,
    /// The first increment or minimum, seconds.
    Minimum,
    /// The further increments, seconds.
    Step,
    /// Price of a connection.
    Fee,
    /// What changes: new, increase, blocked, delete.
    Change,
}

impl Field {
    /// All of them.
    pub const ALL: [Field; 15] = [
        Field::Destination,
        Field::Code,
        Field::CountryCode,
        Field::AreaCode,
        Field::Price,
        Field::Peak,
        Field::OffPeak,
        Field::Currency,
        Field::Effective,
        Field::Expiry,
        Field::Increments,
        Field::Minimum,
        Field::Step,
        Field::Fee,
        Field::Change,
    ];

    /// Its name in a mapping.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Field::Destination => "destination",
            Field::Code => "code",
            Field::CountryCode => "country_code",
            Field::AreaCode => "area_code",
            Field::Price => "price",
            Field::Peak => "peak",
            Field::OffPeak => "off_peak",
            Field::Currency => "currency",
            Field::Effective => "effective",
            Field::Expiry => "expiry",
            Field::Increments => "increments",
            Field::Minimum => "minimum",
            Field::Step => "step",
            Field::Fee => "fee",
            Field::Change => "change",
        }
    }

    /// What a name in a head means: the whole name, or the name without what stands in brackets
    /// and without units.
    #[must_use]
    pub fn of(name: &str) -> Option<Field> {
        let exact = |name: &str| {
            let found = NAMES.iter().find(|(_, names)| names.contains(&name));
            found.map(|(field, _)| *field)
        };
        let whole = words(name);
        let outside = name.split(['(', '[', '\n']).next().unwrap_or_default();
        let unit = |word: &&str| !UNITS.contains(word);
        let bare: Vec<&str> = whole.split(' ').filter(unit).collect();
        exact(&whole).or_else(|| exact(&words(outside))).or_else(|| exact(&bare.join(" ")))
    }
}

/// Names of columns, as [`words`]: English, German, French, Spanish, Italian, Portuguese, Russian.
/// Columns of comments are none: they hold free text.
const NAMES: [(Field, &[&str]); 15] = [
    (
        Field::Destination,
        &[
            "destination",
            "destination name",
            "zone",
            "zone name",
            "country",
            "description",
            "area name",
            "location",
            "name",
            "ziel",
            "zielname",
            "land",
            "zielland",
            "bezeichnung",
            "pays",
            "libelle",
            "destino",
            "pais",
            "nombre",
            "destinazione",
            "paese",
            "descrizione",
            "descricao",
            "направление",
            "страна",
            "название",
        ],
    ),
    (
        Field::Code,
        &[
            "code",
            "codes",
            "dial code",
            "dial codes",
            "dialcode",
            "dialing code",
            "dialling code",
            "dialed digits",
            "prefix",
            "prefixes",
            "breakout",
            "breakouts",
            "destination code",
            "full code",
            "e164",
            "digits",
            "vorwahl",
            "vorwahlen",
            "rufnummer",
            "kennzahl",
            "ziffern",
            "prefixe",
            "indicatif",
            "codigo",
            "codigos",
            "prefijo",
            "prefisso",
            "codice",
            "prefixo",
            "код",
            "коды",
            "префикс",
            "dst code",
        ],
    ),
    (
        Field::CountryCode,
        &[
            "country code",
            "countrycode",
            "cc",
            "landesvorwahl",
            "landeskennzahl",
            "laendervorwahl",
            "landervorwahl",
            "indicatif pays",
            "code pays",
            "codigo de pais",
            "codigo pais",
            "prefisso paese",
            "codigo do pais",
            "код страны",
        ],
    ),
    (
        Field::AreaCode,
        &[
            "area code",
            "area codes",
            "areacode",
            "city code",
            "city codes",
            "ndc",
            "region code",
            "ortsvorwahl",
            "ortskennzahl",
            "netzkennzahl",
            "indicatif regional",
            "code ville",
            "codigo de area",
            "prefisso locale",
            "код города",
            "код зоны",
        ],
    ),
    (
        Field::Price,
        &[
            "price",
            "rate",
            "rates",
            "price per minute",
            "rate per minute",
            "price min",
            "rate min",
            "new rate",
            "new price",
            "cost",
            "tariff",
            "preis",
            "minutenpreis",
            "preis pro minute",
            "preis min",
            "neuer preis",
            "prix",
            "prix minute",
            "prix par minute",
            "tarif",
            "precio",
            "precio por minuto",
            "tarifa",
            "prezzo",
            "tariffa",
            "preco",
            "цена",
            "тариф",
            "стоимость",
            "rate usd",
            "rate eur",
            "price usd",
            "price eur",
            "rate 1 min",
            "full rate",
            "voice rate",
        ],
    ),
    (
        Field::Peak,
        &[
            "peak",
            "peak rate",
            "peak price",
            "rate peak",
            "price peak",
            "hauptzeit",
            "preis hauptzeit",
            "heures pleines",
            "hora punta",
            "ora di punta",
        ],
    ),
    (
        Field::OffPeak,
        &[
            "off peak",
            "offpeak",
            "off peak rate",
            "offpeak rate",
            "off peak price",
            "offpeak price",
            "rate off peak",
            "price off peak",
            "nebenzeit",
            "preis nebenzeit",
            "heures creuses",
            "hora valle",
        ],
    ),
    (
        Field::Currency,
        &[
            "currency",
            "curr",
            "ccy",
            "wahrung",
            "waehrung",
            "devise",
            "moneda",
            "valuta",
            "moeda",
            "валюта",
        ],
    ),
    (
        Field::Effective,
        &[
            "effective",
            "effective date",
            "effective from",
            "eff date",
            "valid from",
            "start date",
            "from date",
            "date effective",
            "effective date time",
            "validity date",
            "gultig ab",
            "gueltig ab",
            "ab datum",
            "date d effet",
            "date effet",
            "valable des",
            "fecha efectiva",
            "fecha de inicio",
            "vigencia",
            "valido desde",
            "data inizio",
            "decorrenza",
            "valido dal",
            "data de inicio",
            "дата начала",
            "действует с",
        ],
    ),
    (
        Field::Expiry,
        &[
            "expiry",
            "expiry date",
            "expires",
            "expiration",
            "expiration date",
            "end date",
            "valid to",
            "valid until",
            "valid till",
            "effective to",
            "effective till",
            "gultig bis",
            "gueltig bis",
            "date de fin",
            "date fin",
            "fecha fin",
            "fecha de fin",
            "valido hasta",
            "data fine",
            "valido fino al",
            "data de fim",
            "дата окончания",
            "действует до",
        ],
    ),
    (
        Field::Increments,
        &[
            "increment",
            "increments",
            "billing increment",
            "billing increments",
            "billing",
            "rounding",
            "rounding rules",
            "interval",
            "intervals",
            "billing interval",
            "charging interval",
            "billing terms",
            "taktung",
            "takt",
            "abrechnungstakt",
            "increment de facturation",
            "cadence",
            "incremento",
            "facturacion",
            "arrotondamento",
            "тарификация",
            "шаг тарификации",
        ],
    ),
    (
        Field::Minimum,
        &[
            "minimum",
            "min duration",
            "minimum duration",
            "first increment",
            "initial increment",
            "first interval",
            "initial interval",
            "interval 1",
            "min time",
            "minimum time",
            "min charge duration",
            "minimum seconds",
            "mindestdauer",
            "erster takt",
            "duree minimale",
            "duracion minima",
            "durata minima",
        ],
    ),
    (
        Field::Step,
        &[
            "step",
            "next increment",
            "subsequent increment",
            "additional increment",
            "next interval",
            "subsequent interval",
            "interval n",
            "interval 2",
            "billing step",
            "further increment",
            "weiterer takt",
            "folgetakt",
            "pas",
            "incremento siguiente",
            "scatto",
        ],
    ),
    (
        Field::Fee,
        &[
            "connection fee",
            "connect fee",
            "setup fee",
            "connection charge",
            "call setup",
            "setup",
            "connect charge",
            "set up fee",
            "per call",
            "call fee",
            "verbindungsgebuhr",
            "verbindungsentgelt",
            "frais de connexion",
            "cargo de conexion",
            "establecimiento",
            "scatto alla risposta",
            "плата за соединение",
        ],
    ),
    (
        Field::Change,
        &[
            "change",
            "changes",
            "rate change",
            "price change",
            "status",
            "code status",
            "change type",
            "change code",
            "action",
            "change status",
            "anderung",
            "aenderung",
            "preisanderung",
            "changement",
            "evolution",
            "statut",
            "cambio",
            "estado",
            "variazione",
            "stato",
            "alteracao",
            "изменение",
            "статус",
        ],
    ),
];

/// Words that say in what a column is counted.
const UNITS: [&str; 14] = [
    "usd", "eur", "gbp", "chf", "in", "per", "min", "minute", "sec", "seconds", "s", "pro", "par",
    "por",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_several_languages() {
        for (name, field) in [
            ("Dial Code", Field::Code),
            ("PREFIX", Field::Code),
            ("Vorwahl", Field::Code),
            ("Código", Field::Code),
            ("Код", Field::Code),
            ("Country Code", Field::CountryCode),
            ("Area Codes", Field::AreaCode),
            ("Rate (USD/min)", Field::Price),
            ("Price per minute EUR", Field::Price),
            ("Preis", Field::Price),
            ("Prix/minute", Field::Price),
            ("Gültig ab", Field::Effective),
            ("Effective Date", Field::Effective),
            ("Expiry date", Field::Expiry),
            ("Billing Increments", Field::Increments),
            ("Connection fee [EUR]", Field::Fee),
            ("Änderung", Field::Change),
            ("Currency", Field::Currency),
            ("Peak rate (EUR/min)", Field::Peak),
            ("Off-Peak", Field::OffPeak),
        ] {
            assert_eq!(Field::of(name), Some(field), "{name}");
        }
        for name in ["", "Old rate", "Previous price", "49151", "ASR"] {
            assert_eq!(Field::of(name), None, "{name}");
        }
    }

    #[test]
    fn labels_are_those_of_mappings() {
        for field in Field::ALL {
            let label = serde_json::to_string(&field).unwrap();
            assert_eq!(label, format!("\"{}\"", field.label()));
        }
    }

    #[test]
    fn no_name_means_two_things() {
        let mut seen = std::collections::BTreeMap::new();
        for (field, names) in NAMES {
            for name in names {
                assert_eq!(words(name), *name);
                assert_eq!(seen.insert(*name, field), None, "{name}");
            }
        }
        assert_eq!(NAMES.map(|(field, _)| field), Field::ALL);
    }
}
