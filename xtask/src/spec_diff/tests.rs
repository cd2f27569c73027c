//! Documents in which something stands in the wrong place: there are too many to run a command for each.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::{Value, json};

use super::{compare, load, text};
use crate::spec;

fn pointers(value: &Value, pointer: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                // What is not compared cannot break the comparison.
                if !["description", "example", "summary", "tags", "x-d1-errors"].contains(&&**key) {
                    pointers(child, &format!("{pointer}/{}", text::escape(key)), out);
                }
            }
        }
        Value::Array(list) => {
            for (i, child) in list.iter().enumerate() {
                pointers(child, &format!("{pointer}/{i}"), out);
            }
        }
        _ => {}
    }
    out.push(pointer.to_owned());
}

#[test]
fn wrong_types_in_every_place_are_survived() {
    let ours = load::load(&spec::spec_path()).unwrap();
    let mut all = Vec::new();
    pointers(&ours.root, "", &mut all);
    assert!(all.len() > 500, "{}", all.len());
    let wrong = [
        json!(null),
        json!([]),
        json!([[{}], {"x": []}, null]),
        json!({}),
        json!({"": {"": {}}, "/": 1, "~": []}),
        json!(-1.5),
        json!(u64::MAX),
        json!("x"),
        json!(true),
        json!({"$ref": {}}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/paths"}),
        json!({"$ref": "#/components/schemas/%ff%2"}),
    ];
    let (mut read, mut same) = (0, 0);
    let some = all.iter().step_by(7);
    for (pointer, wrong) in some.zip(wrong.iter().cycle()) {
        let mut spec = ours.root.clone();
        *spec.pointer_mut(pointer).unwrap() = wrong.clone();
        if let Ok(theirs) = load::parse(&spec.to_string()) {
            read += 1;
            let result = compare(&ours, &theirs, Path::new("theirs"), &mut std::io::sink());
            same += usize::from(result.unwrap());
        }
    }
    assert!(read > all.len() / 14 && same < read, "{read} {same}");
}
