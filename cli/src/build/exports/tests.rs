use clap::Parser;

use super::*;
use crate::{
    archive::Links,
    args::{Cli, Command},
};

fn exports(arguments: &[&str]) -> Result<Exports, ExportsError> {
    let arguments = ["kiln", "build"].iter().chain(arguments).chain(&["."]);
    match Cli::try_parse_from(arguments).unwrap().command {
        Command::Build(arguments) => Exports::of(&arguments),
        other => panic!("not a build: {other:?}"),
    }
}

/// Names of exports, `artifact>place`.
fn check(arguments: &[&str], names: &[&str], deliveries: &[&str]) -> Vec<v1::BuildExport> {
    let found = exports(arguments).unwrap();
    let told: Vec<_> = found.wire.iter().map(|export| export.name.as_str()).collect();
    assert_eq!(told, names, "{arguments:?}");
    let told: Vec<_> = found
        .deliveries
        .iter()
        .map(|Delivery { artifact, to }| match to {
            Place::Docker(_) => format!("{artifact}>docker"),
            Place::Stdout => format!("{artifact}>-"),
            Place::Directory { path, links } => {
                let of_tree = artifact.starts_with("tree");
                assert_eq!(*links == Links::AsTheyAre, of_tree, "{artifact}");
                format!("{artifact}>{}/", path.display())
            }
            Place::File(path) | Place::Device(path) => format!("{artifact}>{}", path.display()),
        })
        .collect();
    assert_eq!(told, deliveries, "{arguments:?}");
    found.wire
}

fn image_of(export: &v1::BuildExport) -> v1::ImageExport {
    match &export.kind {
        Some(Kind::Image(image)) => image.clone(),
        other => panic!("no image: {other:?}"),
    }
}

#[test]
fn one_image_serves_all_that_want_the_same() {
    let wire = check(
        &["-t", "r.test/a", "--push", "-o", "type=oci,dest=a.tar", "-o", "type=docker,dest=b.tar"],
        &["image"],
        &["image.oci.tar>a.tar", "image.docker.tar>b.tar"],
    );
    assert!(image_of(&wire[0]).push);
    assert_eq!(image_of(&wire[0]).names, ["r.test/a"]);
    check(
        &["-o", "type=image", "-o", "type=oci,dest=a.tar,compression=gzip"],
        &["image"],
        &["image.oci.tar>a.tar"],
    );
    check(
        &["-o", "type=oci,dest=a.tar", "-o", "type=oci,dest=b.tar,compression=zstd"],
        &["image", "image-2"],
        &["image.oci.tar>a.tar", "image-2.oci.tar>b.tar"],
    );
    check(
        &["-o", "out", "-o", "type=tar,dest=t.tar", "-o", "type=oci,dest=layout,tar=false"],
        &["tree", "image"],
        &["tree.tar>out/", "tree.tar>t.tar", "image.oci.tar>layout/"],
    );
}

#[test]
fn without_outputs_a_name_or_an_id_wants_an_image() {
    check(&[], &[], &[]);
    check(&["-t", "local/a"], &["image"], &[]);
    check(&["-q"], &["image"], &[]);
    check(&["--iidfile", "f"], &["image"], &[]);
}

#[test]
fn names_of_an_output_are_its_alone() {
    let wire = check(&["-o", "type=image,name=local/b,push=true"], &["image"], &[]);
    assert_eq!(image_of(&wire[0]).names, ["local/b"]);
    let wire = check(
        &["-t", "local/a", "-o", "type=image", "-o", "type=image,name=r.test/b,push=true"],
        &["image", "image-2"],
        &[],
    );
    assert_eq!(image_of(&wire[0]).names, ["local/a"]);
    assert_eq!(image_of(&wire[1]).names, ["r.test/b"]);
    assert!(image_of(&wire[1]).push && !image_of(&wire[0]).push);
}

#[test]
fn a_push_is_for_registries_outside() {
    let wire = check(&["-t", "local/a", "-t", "local/a", "--push"], &["image"], &[]);
    let image = image_of(&wire[0]);
    assert_eq!((image.push, &image.names[..]), (false, &["local/a".to_owned()][..]));
    let wire = check(&["-t", "local/a", "-t", "r.test/a", "--push"], &["image"], &[]);
    assert!(image_of(&wire[0]).push);
}

#[test]
fn what_cannot_be_is_told() {
    let refuse = |arguments: &[&str], words: &str| {
        let told = exports(arguments).unwrap_err().to_string();
        assert!(told.contains(words), "{arguments:?}: {told}");
    };
    refuse(&["--push"], "add --tag");
    refuse(&["-t", "local/a", "-o", "type=registry,push-by-digest=true"], "outside");
    refuse(&["-o", "/dev/null/x"], "--output to /dev/null/x");
    refuse(&["-d", "-o", "out"], "kiln job download");
    refuse(&["-d", "--load"], "--load: nobody waits");
    refuse(&["-d", "--iidfile", "f"], "--iidfile: nobody waits");
    check(&["-d", "-o", "type=tar"], &["tree"], &[]);
}
