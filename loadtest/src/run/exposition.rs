//! Reads what `/metrics` says: Prometheus' text format, and OpenMetrics as far as it is the same. One pass, nothing kept but
//! the series that are asked for.

/// One line with a value.
#[derive(Debug, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    /// What stands between the braces.
    labels: &'a str,
    pub(super) value: f64,
}

impl<'a> Point<'a> {
    /// The value of a label, as it is written.
    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.labels;
        while let Some((key, behind)) = rest.split_once("=\"") {
            let end = quoted_end(behind)?;
            if key.trim_start_matches([',', ' ']) == name {
                return Some(&behind[..end]);
            }
            rest = &behind[end + 1..];
        }
        None
    }
}

/// The points of a page. Lines that are none are passed over.
pub(super) fn points(page: &str) -> impl Iterator<Item = Point<'_>> {
    page.lines().filter(|line| !line.starts_with('#')).filter_map(point)
}

fn point(line: &str) -> Option<Point<'_>> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let end = braces_end(rest)?;
            (&rest[..end], &rest[end + 1..])
        }
        None => ("", rest),
    };
    // Behind the value may stand a time and an exemplar.
    let value = rest.split_ascii_whitespace().next()?;
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().ok()? };
    (!name.is_empty()).then_some(Point { name, labels, value })
}

fn braces_end(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(['}', '"'])?;
        if text.as_bytes()[at] == b'}' {
            return Some(at);
        }
        from = at + 1 + quoted_end(&text[at + 1..])? + 1;
    }
}

/// Where a quoted text ends, from behind its first quotation mark.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_read_with_labels_times_and_exemplars() {
        let page = "# HELP a Something.\n# TYPE a counter\na 1\na{x=\"1\",le=\"+Inf\"} 2.5e3 1395066363000\n\
                    b_bucket{note=\"a\\\"}b\",le=\"0.5\"} 7 # {trace_id=\"ab\"} 0.4\nbroken\nc NaN\n";
        let found: Vec<_> = points(page).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!((found[0].name, found[0].value, found[0].label("x")), ("a", 1.0, None));
        assert_eq!(
            (found[1].label("x"), found[1].label("le"), found[1].value),
            (Some("1"), Some("+Inf"), 2500.0)
        );
        assert_eq!((found[2].name, found[2].label("le"), found[2].value), ("b_bucket", Some("0.5"), 7.0));
        assert_eq!(found[2].label("note"), Some("a\\\"}b"));
        assert!(found[3].value.is_nan());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z{}\"=\\\\ ,0-9#\n]{0,60}") {
            points(&text).for_each(|point| { let _ = point.label("a"); });
        }
    }
}
