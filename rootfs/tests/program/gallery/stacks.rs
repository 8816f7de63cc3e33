//! What layers do to each other.

use kiln_gallery::{Form, stacks};

use super::{ALL, Test};
use crate::{
    comparison::{Reader, check},
    reading::Reading,
};

pub(crate) const TESTS: &[Test] = &[
    ("gallery::stacks::hard_links_across_layers", ALL, hard_links_across_layers),
    ("gallery::stacks::whiteouts", ALL, whiteouts),
    ("gallery::stacks::opaque_directories", ALL, opaque_directories),
    ("gallery::stacks::kinds_that_take_each_others_place", ALL, kinds_that_take_each_others_place),
    (
        "gallery::stacks::later_layers_through_the_links_of_a_merged_usr",
        ALL,
        later_layers_through_the_links_of_a_merged_usr,
    ),
    ("gallery::stacks::as_many_layers_as_docker_makes", ALL, as_many_layers_as_docker_makes),
    ("gallery::stacks::layers_that_hold_nothing", ALL, layers_that_hold_nothing),
    ("gallery::stacks::no_layer_at_all", ALL, no_layer_at_all),
];

#[track_caller]
fn check_paths(read: &Reading, expected: &[&str]) {
    let paths = read.0.keys().map(|path| crate::reading::unhex(path));
    let paths: Vec<_> = paths.map(|path| String::from_utf8(path).unwrap()).skip(1).collect();
    assert_eq!(paths, expected);
}

fn hard_links_across_layers(reader: Reader) {
    let read = check(reader, &stacks::hard_links_across_layers());
    check_paths(&read, &["/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"]);
    assert_eq!(read.fact("/f").first, read.fact("/e").first);
    assert_eq!(read.fact("/j").first, read.fact("/h").first);
    assert_ne!(read.fact("/h").first, read.fact("/e").first);
}

fn whiteouts(reader: Reader) {
    let read = check(reader, &stacks::whiteouts());
    check_paths(&read, &["/a", "/b", "/b/d", "/g"]);
}

fn opaque_directories(reader: Reader) {
    let read = check(reader, &stacks::opaque_directories());
    check_paths(&read, &["/a", "/a/c", "/a/c/new", "/e", "/e/g"]);
}

fn kinds_that_take_each_others_place(reader: Reader) {
    let read = check(reader, &stacks::kinds_that_take_each_others_place());
    check_paths(&read, &["/a", "/c", "/c/x", "/c/y", "/d", "/e"]);
}

fn later_layers_through_the_links_of_a_merged_usr(reader: Reader) {
    let read = check(reader, &stacks::later_layers_through_the_links_of_a_merged_usr());
    let expected = ["/bin", "/lib", "/lib64", "/self", "/top", "/usr", "/usr/bin"];
    let below = ["/usr/bin/tool", "/usr/bin/tool-too", "/usr/lib", "/usr/lib/loader"];
    check_paths(&read, &[&expected[..], &below, &["/usr/lib/module"]].concat());
}

fn as_many_layers_as_docker_makes(reader: Reader) {
    let read = check(reader, &stacks::as_many_layers_as_docker_makes());
    assert_eq!(read.0.len(), 1 + 127 + 2);
    assert!(read.find("/only-126").is_some());
}

fn layers_that_hold_nothing(reader: Reader) {
    check_paths(&check(reader, &stacks::layers_that_hold_nothing()), &["/a"]);
}

fn no_layer_at_all(reader: Reader) {
    for form in [Form::Directory, Form::Archive, Form::Docker] {
        check_paths(&check(reader, &stacks::no_layer_at_all().form(form)), &[]);
    }
}
