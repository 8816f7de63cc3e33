//! Images of every kind become root filesystems that boot: each runs its image's command as its user, in
//! its directory, with its exact environment, and ends with its status.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_forge::Forge;
use kiln_gallery::{Form, Picture, contents, debian};
use kiln_tests::{Host, Stage, Story, stories};
use serde_json::json;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        images_of_every_kind_boot.limit(Duration::from_secs(5400)),
        a_system_with_systemd_boots.limit(Duration::from_secs(1800)).only_full(),
        two_hundred_thousand_files_boot.limit(Duration::from_secs(3600)).only_full(),
    ]
}

/// Told without `--full`.
const FEW: [&str; 1] = ["packages"];
/// Of the image alone; nothing else has it.
const PROGRAM: &str = "/.kiln-gallery/busybox";
const SCRIPT: &str = r#"P=/.kiln-gallery/busybox
echo begin; $P id; $P pwd; $P tr '\0' '\n' </proc/$$/environ; echo end; exit "$STATUS""#;

async fn images_of_every_kind_boot(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let mut wrong = Vec::new();
    for (number, (name, picture)) in kiln_gallery::all().into_iter().enumerate() {
        if !stage.settings().full && !FEW.contains(&name) {
            continue;
        }
        let directory = stage.directory().join(name);
        std::fs::create_dir(&directory)?;
        if let Err(error) = boots(&host, &directory, picture, Seat::of(number)).await {
            wrong.push(format!("{name}: {error:#}"));
        }
        std::fs::remove_dir_all(directory)?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    host.vms_are_gone().await?;
    host.stop().await
}

/// As whom a picture's command runs, and how it ends.
struct Seat {
    user: &'static str,
    id: &'static str,
    home: &'static str,
    workdir: &'static str,
    status: i32,
}

impl Seat {
    fn of(number: usize) -> Self {
        let status = i32::try_from(number % 120).unwrap_or_default();
        match number % 3 {
            0 => Self { user: "", id: "uid=0 gid=0 groups=0", home: "/", workdir: "/", status },
            1 => Self {
                user: "1234:5678",
                id: "uid=1234 gid=5678 groups=5678",
                home: "/",
                workdir: "/a place/that is new",
                status,
            },
            _ => Self {
                user: "70000",
                id: "uid=70000 gid=0 groups=0",
                home: "/",
                workdir: "/tmp",
                status,
            },
        }
    }
}

async fn boots(host: &Host, directory: &Path, picture: Picture, seat: Seat) -> anyhow::Result<()> {
    let Seat { user, id, home, workdir, status } = seat;
    let env = [
        "EMPTY=".to_owned(),
        "TEXT=a b  \"c\" 'd' $e \\n \u{fc}".to_owned(),
        format!("STATUS={status}"),
    ];
    let picture = with_program(picture).runs(json!({
        "Entrypoint": [PROGRAM, "sh"], "Cmd": ["-c", SCRIPT],
        "Env": env, "User": user, "WorkingDir": workdir,
    }));
    let hung = picture.form(Form::Archive).hang();
    let output = directory.join("app.ext4");
    let record = directory.join("app.json");
    let made = host
        .kiln(["rootfs", "--no-harden", "--metadata"])
        .argument(&record)
        .argument("--output")
        .argument(&output)
        .argument(hung.image())
        .limit(Duration::from_secs(900))
        .run()
        .await?;
    ensure!(made.code == Some(0), "{made}");
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(&record)?)?;
    ensure!(record["boot_check"]["state"] == "up", "{record}");
    let booted =
        host.kiln(["boot"]).argument(&output).limit(Duration::from_secs(600)).run().await?;
    let console = booted.stdout_text();
    ensure!(booted.code == Some(status), "{booted}");
    let told = console.split_once("begin\n").and_then(|(_, rest)| rest.split_once("end\n"));
    let (told, _) = told.with_context(|| format!("no words of the command: {booted}"))?;
    let mut lines = told.lines();
    let own = lines.next().unwrap_or_default().to_owned();
    // busybox adds names where the image has them.
    let plain: String = own.split('(').next().unwrap_or_default().to_owned();
    ensure!(own == id || (own.contains('(') && id.starts_with(&plain)), "{own:?}, not {id:?}");
    ensure!(lines.next() == Some(workdir), "{console}");
    let mut found: Vec<_> = lines.filter(|line| !line.starts_with("HOSTNAME=")).collect();
    let home = if user.is_empty() { home_of_root(told, home) } else { home };
    let home = format!("HOME={home}");
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut expected: Vec<_> = env.iter().map(String::as_str).chain([path, &home]).collect();
    found.sort_unstable();
    expected.sort_unstable();
    ensure!(found == expected, "{found:?}, not {expected:?}");
    Ok(())
}

/// An image with a database of users says where root is at home.
fn home_of_root<'a>(told: &str, otherwise: &'a str) -> &'a str {
    if told.contains("HOME=/root") { "/root" } else { otherwise }
}

/// What it runs, above all that it has.
fn with_program(mut picture: Picture) -> Picture {
    let layer = Forge::default()
        .member(b'5', ".kiln-gallery/", "", 0o755, b"")
        .member(b'0', ".kiln-gallery/busybox", "", 0o755, &debian::busybox())
        .end();
    picture.layers.push(layer);
    Picture::of(picture.layers).packed(picture.compressions)
}

/// The image's own process 1, which starts the image's command as a service.
async fn a_system_with_systemd_boots(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let system = debian::a_system_with_systemd();
    let script = "echo begin; id -un; pwd; echo \"$TEXT\"; echo end; systemctl --no-block poweroff";
    let hung = system
        .runs(json!({
            "Cmd": ["sh", "-c", script], "Env": ["TEXT=a b  \"c\" 'd' $e %n"],
            "WorkingDir": "/var/tmp",
        }))
        .form(Form::Archive)
        .hang();
    let output = stage.directory().join("system.ext4");
    let words = ["rootfs", "--memory", "1G", "--init", "systemd", "--boot-timeout", "600s", "-o"];
    let made = host
        .kiln(words)
        .argument(&output)
        .argument(hung.image())
        .limit(Duration::from_secs(1200))
        .run()
        .await?;
    ensure!(made.code == Some(0), "{made}");
    let booted = host.kiln(["boot", "--memory", "1G"]).argument(&output);
    let booted = booted.limit(Duration::from_secs(600)).run().await?;
    let console = booted.stdout_text().replace('\r', "");
    ensure!(booted.code == Some(0), "{booted}");
    // The journal says whose each line is.
    let told = console.lines().filter_map(|line| line.split_once("]: ")).map(|(_, said)| said);
    let told: Vec<_> = told.skip_while(|said| *said != "begin").take(5).collect();
    let expected = ["begin", "root", "/var/tmp", "a b  \"c\" 'd' $e %n", "end"];
    ensure!(told == expected, "{told:?}, not {expected:?}: {booted}");
    host.vms_are_gone().await?;
    host.stop().await
}

async fn two_hundred_thousand_files_boot(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "P=/.kiln-gallery/busybox; $P find /d* -type f | $P wc -l; $P cat /d399/file-499";
    let picture = with_program(contents::two_hundred_thousand_files());
    let hung = picture
        .runs(json!({ "Entrypoint": [PROGRAM, "sh"], "Cmd": ["-c", script] }))
        .form(Form::Archive)
        .hang();
    let output = stage.directory().join("many.ext4");
    let made = host
        .kiln(["rootfs", "--no-harden", "-o"])
        .argument(&output)
        .argument(hung.image())
        .limit(Duration::from_secs(1800))
        .run()
        .await?;
    ensure!(made.code == Some(0), "{made}");
    let booted =
        host.kiln(["boot"]).argument(&output).limit(Duration::from_secs(900)).run().await?;
    ensure!(booted.code == Some(0), "{booted}");
    let told = booted.stdout_text();
    ensure!(told.contains("200000\n") && told.contains("d399/file-499"), "{booted}");
    host.vms_are_gone().await?;
    host.stop().await
}
