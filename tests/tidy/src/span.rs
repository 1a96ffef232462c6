//! Code spans of Markdown.

/// The code spans of a text with their lines; fenced blocks are left out. A span may go over the
/// end of a line.
#[must_use]
pub fn spans(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        // A span never goes over an empty line.
        if line.trim().is_empty() {
            open = None;
        }
        for (part, piece) in line.split('`').enumerate() {
            if part > 0 {
                match open.take() {
                    Some(span) => found.push(span),
                    None => open = Some((number, String::new())),
                }
            }
            if let Some((_, span)) = &mut open {
                let gap = if part == 0 && !span.is_empty() { " " } else { "" };
                *span =
                    format!("{span}{gap}{}", if part == 0 { piece.trim_start() } else { piece });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_found() {
        let text = "a `b c` d `e`\n```\n`no`\n```\nf `g\n  h` i ` j\n\n`k`\n";
        let said = spans(text);
        let want = [(1, "b c"), (1, "e"), (5, "g h"), (8, "k")];
        assert_eq!(said, want.map(|(line, span)| (line, span.to_owned())));
    }
}
