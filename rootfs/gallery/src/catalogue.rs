//! The whole gallery.

use crate::{Picture, contents, debian, stacks};

/// All that are made within seconds, by name.
pub fn all() -> Vec<(&'static str, Picture)> {
    vec![
        ("kinds-of-files", contents::every_kind_of_file()),
        ("names", contents::names_that_are_no_text()),
        ("attributes", contents::attributes_lists_and_capabilities()),
        ("owners-and-times", contents::owners_and_times()),
        ("holes", contents::files_with_holes()),
        ("over-4-gib", contents::a_file_of_more_than_4_gib()),
        ("many-names", contents::a_directory_of_many_names()),
        ("hard-links", stacks::hard_links_across_layers()),
        ("whiteouts", stacks::whiteouts()),
        ("opaque", stacks::opaque_directories()),
        ("kinds-replaced", stacks::kinds_that_take_each_others_place()),
        ("merged-usr", stacks::later_layers_through_the_links_of_a_merged_usr()),
        ("127-layers", stacks::as_many_layers_as_docker_makes()),
        ("empty-layers", stacks::layers_that_hold_nothing()),
        ("no-layer", stacks::no_layer_at_all()),
        ("packages", debian::packages_of_debian()),
        ("busybox", debian::a_busybox_with_its_names()),
        ("static", debian::one_static_program_alone()),
    ]
}
