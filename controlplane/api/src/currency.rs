//! Currencies of ISO 4217 in use, with the digits of their smallest coin.

use strowger_model::Currency;

/// Those without a smaller coin.
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
/// Those with two digits.
const TWO_DIGITS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV \
    BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN \
    ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR \
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN \
    NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
    SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES \
    WST XCD YER ZAR ZMW ZWG";
/// Those with three.
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
/// Those with four.
const FOUR_DIGITS: &str = "CLF UYW";

/// All codes.
pub(crate) fn codes() -> Vec<&'static str> {
    let kinds = [NO_DIGITS, TWO_DIGITS, THREE_DIGITS, FOUR_DIGITS];
    kinds.iter().flat_map(|codes| codes.split_ascii_whitespace()).collect()
}

/// The currency with this code.
pub(crate) fn currency(code: &str) -> Option<Currency> {
    let kinds = [(NO_DIGITS, 0), (TWO_DIGITS, 2), (THREE_DIGITS, 3), (FOUR_DIGITS, 4)];
    let kind = kinds.iter().find(|(codes, _)| codes.split(' ').any(|known| known == code));
    kind.and_then(|(_, digits)| Currency::new(code, *digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_those_of_iso_4217() {
        let digits = |code| currency(code).map(|currency| currency.minor_digits());
        for (code, expect) in [
            ("EUR", Some(2)),
            ("USD", Some(2)),
            ("JPY", Some(0)),
            ("KWD", Some(3)),
            ("CLF", Some(4)),
            ("QQQ", None),
            ("eur", None),
            ("", None),
            ("EUR USD", None),
            (" ", None),
        ] {
            assert_eq!(digits(code), expect, "{code}");
        }
    }
}
