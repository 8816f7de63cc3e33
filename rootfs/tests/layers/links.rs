//! Links that one layer plants and another goes through: 40 and more cases. All that they lead to is the
//! tree's own.

use kiln_rootfs::ApplyError;

use crate::{
    converted::{Refused, layers},
    whiteouts::tar,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    (
        "links::a_link_on_the_way_leads_to_a_place_of_the_tree",
        a_link_on_the_way_leads_to_a_place_of_the_tree,
    ),
    (
        "links::a_link_to_what_is_missing_makes_it_in_the_tree",
        a_link_to_what_is_missing_makes_it_in_the_tree,
    ),
    ("links::links_in_a_circle_lead_nowhere", links_in_a_circle_lead_nowhere),
    ("links::links_lead_no_deeper_than_names", links_lead_no_deeper_than_names),
];

/// Each of them leads to `/in`, whatever it says.
const TO_IN: [&str; 10] = [
    "in",
    "./in",
    "/in",
    "//in/.",
    "../in",
    "../../../../in",
    "/../in",
    "in/../in",
    "a/../in",
    "/a/../../../in",
];

fn a_link_on_the_way_leads_to_a_place_of_the_tree() {
    let mut cases = 0;
    for target in TO_IN {
        let lower = tar(&["in/", "in/old: text", "a/", &format!("door -> {target}")]);
        for (upper, expected) in [
            (&["door/new"][..], &["a/", "door", "in/", "in/new", "in/old"][..]),
            (&["door/d/", "door/d/x"], &["a/", "door", "in/", "in/d/", "in/d/x", "in/old"]),
            (&["door/.wh.old"], &["a/", "door", "in/"]),
            (&["door/.wh..wh..opq"], &["a/", "door", "in/"]),
            (&["linked = door/old"], &["a/", "door", "in/", "in/old", "linked"]),
            (&["door/l -> /etc"], &["a/", "door", "in/", "in/l", "in/old"]),
            (&["door: mine"], &["a/", "door", "in/", "in/old"]),
        ] {
            let converted = layers(&[lower.clone(), tar(upper)]).unwrap();
            assert_eq!(converted.paths(), expected, "{target} {upper:?}");
            cases += 1;
        }
    }
    assert!(cases >= 40);
}

fn a_link_to_what_is_missing_makes_it_in_the_tree() {
    for target in ["/etc/new", "../../etc/new", "etc/new"] {
        let link = format!("door -> {target}");
        let converted = layers(&[tar(&[&link]), tar(&["door/file"])]).unwrap();
        assert_eq!(converted.paths(), ["door", "etc/", "etc/new/", "etc/new/file"], "{target}");
        // Whiteouts and hard links make nothing.
        let converted = layers(&[tar(&[&link]), tar(&["door/.wh.file"])]).unwrap();
        assert_eq!(converted.paths(), ["door"]);
        let refused = layers(&[tar(&[&link]), tar(&["a = door/file"])]).unwrap_err();
        assert!(matches!(refused, Refused::Apply(ApplyError::NoSuchTarget { .. })), "{refused}");
    }
}

fn links_in_a_circle_lead_nowhere() {
    for planted in [&["door -> door"][..], &["door -> b", "b -> /door"], &["door -> ./door/x"]] {
        for upper in ["door/file", "door/.wh.file", "a = door/file"] {
            let refused = layers(&[tar(planted), tar(&[upper])]).unwrap_err();
            assert!(matches!(refused, Refused::Apply(ApplyError::Loop { .. })), "{refused}");
        }
    }
}

/// Each name is short, and where it leads is not.
fn links_lead_no_deeper_than_names() {
    let deep = "d/".repeat(100);
    let lower = tar(&[&format!("{deep}x"), &format!("door -> {deep}")]);
    let upper = |depth: usize| tar(&[&format!("door/{}x", "e/".repeat(depth))]);
    assert!(layers(&[lower.clone(), upper(27)]).is_ok());
    for depth in [28, 60] {
        let refused = layers(&[lower.clone(), upper(depth)]).unwrap_err();
        assert!(matches!(refused, Refused::Apply(ApplyError::TooDeep { .. })), "{refused}");
    }
}
