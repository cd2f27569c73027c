//! How pointers and foreign words are written, in one place so that no control character of a foreign
//! file reaches the terminal.

use serde_json::Value;

/// A key as a segment of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A segment of a JSON pointer as the key it was.
pub(crate) fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// A text of a foreign file in one line, without control characters, not longer than a screen takes.
pub(crate) fn clean(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// A text as code.
pub(crate) fn code(text: &str) -> String {
    let text = clean(text);
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// A value as code; a text without its quotes, unless it is empty.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => code(text),
        other => code(&other.to_string()),
    }
}

/// Values as a list of codes.
pub(crate) fn list<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let values: Vec<_> = values.into_iter().map(value).collect();
    values.join(", ")
}
