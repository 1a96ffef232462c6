//! Lists of CPU cores as the kernel writes them: `0-3,8`.

/// Core numbers in order, each once.
pub type CoreList = Vec<usize>;

/// Highest core number that is understood.
const CORE_MAX: usize = 1023;

/// Parses `0-3,8`; an empty text is the empty list.
///
/// # Errors
/// A text that names the part that is wrong.
pub fn parse_cores(text: &str) -> Result<CoreList, String> {
    let number = |part: &str| match part.trim().parse::<usize>() {
        Ok(core) if core <= CORE_MAX => Ok(core),
        Ok(_) | Err(_) => Err(format!("`{}` is no core number", part.trim())),
    };
    let mut cores = CoreList::new();
    for part in text.split(',').filter(|part| !text.trim().is_empty() || !part.trim().is_empty()) {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(format!("`{}` runs backwards", part.trim()));
        }
        cores.extend(first..=last);
    }
    cores.sort_unstable();
    cores.dedup();
    Ok(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse_cores(""), Ok(vec![]));
        assert_eq!(parse_cores(" "), Ok(vec![]));
        assert_eq!(parse_cores("3"), Ok(vec![3]));
        assert_eq!(parse_cores("5, 1-3,2"), Ok(vec![1, 2, 3, 5]));
        for bad in ["x", "1-", "-1", "3-1", "1,,2", "4096"] {
            assert!(parse_cores(bad).is_err(), "{bad}");
        }
    }
}
