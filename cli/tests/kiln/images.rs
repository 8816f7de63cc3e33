//! `kiln image`: what the registry has, and bringing images in and out.

use std::{collections::HashMap, fs, path::Path, process::Stdio, time::Duration};

use kiln_proto::v1;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::{
    command::{bare, finish, kiln, run},
    fake::{Death, Fake, ImagePlan, Outside, Plan, image, pattern},
};

const DEBIAN: &str = "docker.io/library/debian:12";
const PRIVATE: &str = "registry.example/team/app:1";

fn fake(images: ImagePlan) -> Fake {
    Fake::start(Plan { images, ..Plan::default() })
}

fn keeping(references: &[&str]) -> ImagePlan {
    let images = references.iter().map(|reference| image(reference)).collect();
    ImagePlan { images, ..ImagePlan::default() }
}

fn outside(reference: &str, outside: Outside) -> ImagePlan {
    let outside = HashMap::from([(reference.to_owned(), outside)]);
    ImagePlan { outside, ..keeping(&["local/app:1"]) }
}

fn layers() -> Outside {
    Outside::Layers(vec![("sha256:a".to_owned(), 4 << 20), ("sha256:b".to_owned(), 2 << 20)])
}

async fn succeed(fake: &Fake, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = image_command(fake, arguments).await;
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
    stdout
}

async fn image_command(fake: &Fake, arguments: &[&str]) -> (i32, String, String) {
    let (code, stdout, stderr) = run(fake, &[&["image"], arguments].concat()).await;
    (code, String::from_utf8(stdout).unwrap(), stderr)
}

async fn refused(fake: &Fake, arguments: &[&str], words: &str) {
    let (code, stdout, stderr) = image_command(fake, arguments).await;
    assert_eq!((code, stdout.as_str()), (125, ""), "{arguments:?}: {stderr}");
    assert!(stderr.contains(words), "{arguments:?}: {stderr}");
}

fn references(fake: &Fake) -> Vec<String> {
    fake.state.images.kept.lock().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn images_are_listed_page_by_page() {
    let fake = fake(keeping(&[DEBIAN, "local/app:1", "local/app:2", "local/b:1", "local/c@x"]));
    let table = succeed(&fake, &["ls"]).await;
    let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let names: Vec<_> = lines.iter().map(|line: &Vec<&str>| (line[0], line[1])).collect();
    let expected = [
        ("REPOSITORY", "TAG"),
        ("docker.io/library/debian", "12"),
        ("local/app", "1"),
        ("local/app", "2"),
        ("local/b", "1"),
    ];
    assert_eq!(names, expected);
    assert_eq!(lines[1][2].len(), 12);
    let table = succeed(&fake, &["ls", "--all", "--no-trunc", "local/c"]).await;
    assert!(table.lines().nth(1).unwrap().starts_with("local/c"), "{table}");
    assert!(table.contains("<none>") && table.contains(&image("local/c@x").digest), "{table}");
    let names = succeed(&fake, &["list", "-q", "local/app"]).await;
    assert_eq!(names, "local/app:1\nlocal/app:2\n");
    let objects = succeed(&fake, &["ls", "--json"]).await;
    let objects: Vec<Value> =
        objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 4);
    assert_eq!(objects[0]["name"], "docker.io/library/debian");
    assert_eq!(objects[0]["tag"], "12");
    assert_eq!(objects[0]["confirmed_at"], Value::Null);
    assert_eq!(objects[0]["platforms"][0], "linux/amd64");
    assert_eq!(succeed(&fake, &["ls", "-q", "nothing"]).await, "");
}

#[tokio::test]
async fn images_are_inspected() {
    let fake = fake(keeping(&["local/app:1"]));
    let story = succeed(&fake, &["inspect", "local/app:1"]).await;
    for line in ["Name         local/app:1\n", "Command      [\"sh\"]\n", ", 2 MiB\n"] {
        let line = line.trim_start_matches(", ");
        assert!(story.contains(line), "{line}: {story}");
    }
    let json = succeed(&fake, &["inspect", "--json", "local/app:1"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["manifest"]["schemaVersion"], 2);
    assert_eq!(json["config"]["architecture"], "amd64");
    assert_eq!(json["parts"][0]["platform"], Value::Null);
    let raw = succeed(&fake, &["inspect", "--raw", "local/app:1"]).await;
    assert_eq!(raw, r#"{"schemaVersion": 2}"#);
    let (code, stdout, stderr) =
        image_command(&fake, &["inspect", "--raw", "local/none:1", "local/app:1"]).await;
    assert_eq!((code, stdout.as_str()), (125, r#"{"schemaVersion": 2}"#));
    assert_eq!(stderr, "kiln: local/none:1: there is no image local/none:1\n");
}

#[tokio::test]
async fn names_come_and_go() {
    let fake = fake(keeping(&[DEBIAN]));
    assert_eq!(succeed(&fake, &["tag", DEBIAN, "local/base:1"]).await, "");
    assert_eq!(references(&fake), [DEBIAN, "local/base:1"]);
    refused(&fake, &["tag", DEBIAN, "docker.io/library/x:1"], "target: only local/").await;
    refused(&fake, &["tag", "local/none:1", "local/x:1"], "there is no image").await;
    let (code, stdout, stderr) =
        image_command(&fake, &["rm", "local/none:1", "local/base:1"]).await;
    assert_eq!((code, stdout.as_str()), (125, "local/base:1\n"));
    assert_eq!(stderr, "kiln: local/none:1: there is no image local/none:1\n");
    assert_eq!(succeed(&fake, &["rm", "-f", "local/none:1", DEBIAN]).await, format!("{DEBIAN}\n"));
    assert_eq!(references(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn what_nothing_names_is_pruned() {
    let fake = fake(keeping(&[DEBIAN, "local/app:1", "local/c@x"]));
    let told = succeed(&fake, &["prune"]).await;
    assert_eq!(told, "images 1, blobs 3, 3 MiB given back\n");
    let told = succeed(&fake, &["prune", "--mirrored", "--json"]).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["images"], 1);
    assert_eq!(references(&fake), ["local/app:1"]);
    assert_eq!(*fake.state.images.prunes.lock().unwrap(), [false, true]);
}

#[tokio::test]
async fn an_image_is_pulled() {
    let fake = fake(outside(DEBIAN, layers()));
    let told = succeed(&fake, &["pull", "--platform", "linux/arm64", DEBIAN]).await;
    assert_eq!(told, format!("{DEBIAN}@{}\n", image(DEBIAN).digest));
    let asked = fake.state.images.pulls.lock().unwrap()[0].clone();
    assert_eq!((asked.reference.as_str(), asked.platform.as_str()), (DEBIAN, "linux/arm64"));
    let json = succeed(&fake, &["pull", "-q", "--json", DEBIAN]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["fetched_bytes"], 6 << 20);
    assert_eq!(json["stale"], false);
    assert_eq!(json["image"]["name"], "docker.io/library/debian");
    assert_eq!(references(&fake), [DEBIAN, "local/app:1"]);
}

#[tokio::test]
async fn a_stale_image_is_told() {
    let fake = fake(outside(DEBIAN, Outside::Stale));
    let (code, stdout, stderr) = image_command(&fake, &["pull", DEBIAN]).await;
    assert_eq!((code, stdout), (0, format!("{DEBIAN}@{}\n", image(DEBIAN).digest)));
    let words = format!(
        "kiln: {DEBIAN} is what was stored: its registry was not asked or did not answer\n"
    );
    assert_eq!(stderr, words);
}

#[tokio::test]
async fn a_registrys_refusal_says_what_to_do() {
    for (outcome, words) in [
        (Outside::Answers(401, "who are you?"), "kilnd needs a credential for registry.example"),
        (Outside::Answers(403, "not you"), "kiln: not you; if it is private, "),
        (Outside::Answers(404, "no such thing"), "kiln: no such thing\n"),
        (Outside::Answers(429, "slowly"), "kiln: slowly\n"),
        (Outside::Answers(500, "it failed"), "kiln: it failed\n"),
        (Outside::Down, "kiln: the registry does not answer\n"),
    ] {
        let fake = fake(outside(PRIVATE, outcome));
        refused(&fake, &["pull", PRIVATE], words).await;
        refused(&fake, &["push", "local/app:1", PRIVATE], words).await;
        // It is no kilnd that went away: nothing is tried twice.
        assert_eq!(fake.state.images.pulls.lock().unwrap().len(), 1);
        assert_eq!(references(&fake), ["local/app:1"]);
    }
}

#[tokio::test]
async fn an_image_is_pushed() {
    let fake = fake(outside(PRIVATE, layers()));
    let told = succeed(&fake, &["push", "local/app:1", PRIVATE]).await;
    assert_eq!(told, format!("{PRIVATE}@{}\n", image("local/app:1").digest));
    let json = succeed(&fake, &["push", "--json", "local/app:1", PRIVATE]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["target"], &json["sent_bytes"]), (&PRIVATE.into(), &(6 << 20).into()));
    refused(&fake, &["push", "local/app:1"], "target: is missing").await;
    refused(&fake, &["push", "local/none:1", PRIVATE], "there is no image local/none:1").await;
}

#[tokio::test]
async fn pulls_pushes_and_imports_outlive_kilnd() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("app.tar");
    fs::write(&tar, pattern(1, 4 << 20)).unwrap();
    let tar = tar.to_str().unwrap();
    for (arguments, reference) in [
        (&["pull", DEBIAN][..], DEBIAN),
        (&["push", "local/app:1", DEBIAN], "local/app:1"),
        (&["import", tar, "local/new:1"], "local/new:1"),
    ] {
        let plan = Plan {
            images: outside(DEBIAN, layers()),
            deaths: vec![Death::InTransfer(3 << 20, Duration::from_millis(200))],
            ..Plan::default()
        };
        let fake = Fake::start(plan);
        let (code, stdout, stderr) = image_command(&fake, arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        assert_eq!(stderr.matches("; reconnecting").count(), 1, "{stderr}");
        assert!(stdout.contains(&image(reference).digest), "{stdout}");
    }
}

#[tokio::test]
async fn tars_are_imported() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("app.tar");
    let bytes = pattern(1, 300_000);
    fs::write(&at, &bytes).unwrap();
    let fake = fake(ImagePlan::default());
    let told = succeed(&fake, &["import", text(&at), "local/app:1"]).await;
    assert_eq!(told, format!("local/app:1@{}\n", image("local/app:1").digest));
    let stdin = fs::File::open(&at).unwrap();
    let child = kiln(&fake, &["image", "import", "--json", "-"]).stdin(stdin).spawn().unwrap();
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((&json["name"], &json["tag"]), (&"local/named".into(), &"1".into()));
    let imports = fake.state.images.imports.lock().unwrap();
    let targets: Vec<_> = imports.iter().map(|(target, _)| target.as_str()).collect();
    assert_eq!(targets, ["local/app:1", "local/named:1"]);
    assert!(imports.iter().all(|(_, arrived)| arrived[..] == bytes[..]));
}

#[tokio::test]
async fn what_cannot_be_imported_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("app.tar");
    fs::write(&at, pattern(1, 4 << 20)).unwrap();
    let fake = fake(ImagePlan { room: Some(1 << 20), ..ImagePlan::default() });
    refused(&fake, &["import", text(&at)], "no room for this image").await;
    refused(&fake, &["import", "/nowhere.tar"], "cannot open /nowhere.tar").await;
    refused(&fake, &["import", text(directory.path())], "is no file").await;
    assert!(fake.state.images.imports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stdin_cannot_be_imported_twice() {
    let plan = Plan {
        deaths: vec![Death::InTransfer(1 << 20, Duration::from_millis(50))],
        ..Plan::default()
    };
    let fake = Fake::start(plan);
    let mut command = kiln(&fake, &["image", "import", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = tokio::spawn(async move { stdin.write_all(&pattern(1, 8 << 20)).await });
    let (code, _, stderr) = finish(child).await;
    feed.abort();
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("cannot be read a second time"), "{stderr}");
}

#[tokio::test]
async fn an_image_is_exported() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("app.tar");
    let export = pattern(2, 300_000);
    let fake = fake(ImagePlan { export: export.clone(), ..keeping(&["local/app:1"]) });
    let told =
        succeed(&fake, &["export", "local/app:1", "--platform", "all", "-o", text(&at)]).await;
    assert_eq!(told, "");
    assert!(fs::read(&at).unwrap() == export);
    assert_eq!(fake.state.images.exports.lock().unwrap()[0].platform, "all");
    let (code, stdout, stderr) = run(&fake, &["image", "export", "local/app:1"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout == export);
    let none = directory.path().join("none.tar");
    refused(&fake, &["export", "local/none:1", "-o", text(&none)], "there is no image").await;
    refused(&fake, &["export", "local/app:1", "-o", "/nowhere/x"], "cannot write to").await;
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_broken_export_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("app.tar");
    fs::write(&at, "old").unwrap();
    let (export, break_export) = (pattern(2, 300_000), Some(100_000));
    let fake = fake(ImagePlan { export, break_export, ..keeping(&["local/app:1"]) });
    refused(&fake, &["export", "local/app:1", "-o", text(&at)], "a blob is damaged").await;
    assert_eq!(fs::read(&at).unwrap(), b"old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_registry_tells_its_address() {
    let registry = v1::HostRegistry {
        address: "127.0.0.1:35000".to_owned(),
        guest_address: "registry.kiln:5000".to_owned(),
        stored_bytes: 3 << 30,
        quota_bytes: 8 << 30,
        ..v1::HostRegistry::default()
    };
    let of = |registry| {
        let registry = v1::GetRegistryResponse {
            registry: Some(registry),
            mirrors: vec!["docker.io".to_owned()],
        };
        fake(ImagePlan { registry, ..ImagePlan::default() })
    };
    let fake = of(registry.clone());
    assert_eq!(succeed(&fake, &["registry"]).await, "127.0.0.1:35000\n");
    let long = succeed(&fake, &["registry", "--long"]).await;
    assert!(long.contains("For guests   registry.kiln:5000\n"), "{long}");
    let json: Value = serde_json::from_str(&succeed(&fake, &["registry", "--json"]).await).unwrap();
    assert_eq!(json["address"], "127.0.0.1:35000");
    assert_eq!(json["mirrors"][0], "docker.io");
    let (_, stdout, _) = run(&fake, &["host", "--json"]).await;
    let host: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(host["registry"]["guest_address"], "registry.kiln:5000");
    let silent = of(v1::HostRegistry { address: String::new(), ..registry });
    refused(&silent, &["registry"], "--registry-listen none").await;
}

#[tokio::test]
async fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = bare();
        let (code, stdout, _) = finish(command.args(["completions", shell]).spawn().unwrap()).await;
        let script = String::from_utf8(stdout).unwrap();
        assert_eq!(code, 0);
        for word in ["inspect", "prune", "import", "mirrored", "no-trunc"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
