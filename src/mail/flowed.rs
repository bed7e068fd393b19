//! `format=flowed` text put back into its paragraphs (RFC 3676), quote depth kept.

/// What to do with the space a line was broken at (RFC 3676 §4.1, the `DelSp` parameter).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakSpace {
    Keep,
    Delete,
}

/// Joins flowed lines; a quoted line keeps its `>` marks followed by one space. Line ends are LF.
pub fn unflow(text: &str, break_space: BreakSpace) -> String {
    let mut joined = String::with_capacity(text.len());
    // The depth of the paragraph that still flows on.
    let mut flowing: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        let unquoted = content.trim_start_matches('>');
        let depth = content.len() - unquoted.len();
        // RFC 3676 §4.4: one space was stuffed before text that would else be read as a mark.
        let text = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        // RFC 3676 §4.3: the signature separator ends in a space and never flows.
        let is_separator = text == "-- ";
        if flowing.is_some_and(|above| above != depth || is_separator) {
            // RFC 3676 §4.5: a change of depth ends the paragraph, whatever its last line said.
            end_paragraph(&mut joined);
            flowing = None;
        }
        if flowing.is_none() {
            push_marks(&mut joined, depth, text);
        }
        let flows = text.ends_with(' ') && !is_separator;
        match break_space {
            BreakSpace::Delete if flows => joined.push_str(text.strip_suffix(' ').unwrap_or(text)),
            BreakSpace::Keep | BreakSpace::Delete => joined.push_str(text),
        }
        flowing = flows.then_some(depth);
        if !flows {
            joined.push_str(end);
        }
    }
    joined
}

fn push_marks(joined: &mut String, depth: usize, text: &str) {
    joined.extend(std::iter::repeat_n('>', depth));
    if depth > 0 && !text.is_empty() {
        joined.push(' ');
    }
}

fn end_paragraph(joined: &mut String) {
    joined.truncate(joined.trim_end_matches(' ').len());
    joined.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(unflow(text, BreakSpace::Keep), expected, "{text:?}");
    }

    #[test]
    fn soft_lines_join_and_hard_lines_stay() {
        check("a long \nline \nends\nhere\n", "a long line ends\nhere\n");
        check("a \n\nb", "a \nb");
        assert_eq!(unflow("日本 \n語\n", BreakSpace::Delete), "日本語\n");
    }

    #[test]
    fn quotes_join_within_their_depth_only() {
        check("> quoted \n> text\nanswer\n", "> quoted text\nanswer\n");
        check("> quoted \nanswer\n", "> quoted\nanswer\n");
        check(">> a \n>> b\n> c\n", ">> a b\n> c\n");
        check(">\n> x\n", ">\n> x\n");
    }

    #[test]
    fn stuffing_goes_and_the_signature_separator_never_flows() {
        check(" >not quoted\n From me\n", ">not quoted\nFrom me\n");
        check("text \n-- \nBob\n", "text\n-- \nBob\n");
        check("-- \nBob\n", "-- \nBob\n");
    }
}
