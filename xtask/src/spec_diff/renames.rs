//! Which name of theirs may stand for an open name of ours: a question such as `state` or `newCardState` is
//! closed by seeing that the two are one.

use std::collections::BTreeSet;

/// The types that a schema takes; none stands for every type.
pub(super) type Types<'a> = Option<BTreeSet<&'a str>>;

/// A name that one side has alone, with the types of what it names.
pub(super) type Name<'n> = (&'n str, Types<'n>);

/// For each name of ours the one of theirs that may stand for the same: one that holds it, or is held by
/// it, or the last of its type where one is left on both sides.
pub(super) fn renames(ours: &[Name<'_>], theirs: &[Name<'_>]) -> Vec<Option<usize>> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let fits = |(_, a): &Name<'_>, (_, b): &Name<'_>| a.is_none() || b.is_none() || a == b;
    let mut found = vec![None; ours.len()];
    let mut taken = BTreeSet::new();
    for (own, slot) in ours.iter().zip(&mut found) {
        let wanted = plain(own.0);
        let alike = theirs.iter().enumerate().filter(|(at, other)| {
            let name = plain(other.0);
            // A name of a letter or two is in every other.
            let alike = name.contains(&wanted) || name.len() > 2 && wanted.contains(&name);
            alike && fits(own, other) && !taken.contains(at)
        });
        *slot = alike
            .min_by_key(|(_, other)| plain(other.0).len().abs_diff(wanted.len()))
            .map(|(at, _)| at);
        taken.extend(*slot);
    }
    let open: Vec<_> = (0..ours.len()).filter(|at| found[*at].is_none()).collect();
    let left: Vec<_> = (0..theirs.len()).filter(|at| !taken.contains(at)).collect();
    if let ([own], [other]) = (&open[..], &left[..])
        && fits(&ours[*own], &theirs[*other])
    {
        found[*own] = Some(*other);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_matched_by_its_words_and_else_when_it_is_the_last() {
        let text: Types<'_> = Some(["string"].into());
        let flag: Types<'_> = Some(["boolean"].into());
        let find = |ours: &[&'static str], theirs: &[(&'static str, &Types<'static>)]| {
            let ours: Vec<Name<'_>> = ours.iter().map(|n| (*n, text.clone())).collect();
            let theirs: Vec<Name<'_>> = theirs.iter().map(|(n, t)| (*n, (*t).clone())).collect();
            renames(&ours, &theirs)
        };
        let both = &[("newCardState", &text), ("productRef", &text)];
        assert_eq!(find(&["state"], both), [Some(0)]);
        assert_eq!(
            find(&["newCardProductId", "state"], both),
            [Some(1), Some(0)]
        );
        let reasons = &[("operationReasonCode", &text), ("operation_reason", &text)];
        assert_eq!(find(&["reason", "reasonCode"], reasons), [Some(1), Some(0)]);
        assert_eq!(
            find(&["state"], &[("status", &text)]),
            [Some(0)],
            "the last"
        );
        assert_eq!(
            find(&["state"], &[("newState", &flag)]),
            [None],
            "of another type"
        );
        let two = &[("a", &text), ("b", &text)];
        assert_eq!(find(&["state"], two), [None], "it cannot be told which");
        assert_eq!(find(&["state", "name"], &[("b", &text)]), [None, None]);
        assert_eq!(find(&["state"], &[]), [None]);
    }
}
