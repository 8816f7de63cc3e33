//! How a command is started.

use kiln_tests::{Ended, Stage, Story, stories};
use kiln_vmm_manager::guest::RefusalReason;

use super::{give_back, lent};

pub(super) fn stories() -> Vec<Story> {
    stories![
        arguments_arrive_as_they_are,
        the_environment_is_what_it_was_told,
        it_starts_where_it_was_told,
        it_runs_as_whom_it_was_told,
        what_cannot_start_is_refused,
        it_inherits_nothing_of_the_agents,
        many_run_side_by_side,
    ]
}

async fn arguments_arrive_as_they_are(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let long = "x".repeat(100_000);
    let odd = [
        "",
        " ",
        "a b",
        "\"",
        "'",
        "$HOME",
        "${x}",
        "$(reboot)",
        "`reboot`",
        "a\nb",
        "\\",
        "-n",
        "--",
        "*",
        "~",
        ";",
        "|",
        "é\u{1f525}",
        "\u{1}\u{7f}",
        &long,
    ];
    let argv = ["printf", "%s\\0"].iter().chain(&odd).copied();
    let printed = vm.command(argv).run().await?.printed()?;
    assert_eq!(printed.split_terminator('\0').collect::<Vec<_>>(), odd);
    give_back(vm).await
}

async fn the_environment_is_what_it_was_told(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let value = "a \"b\" 'c' $HOME ${PATH} $(reboot) `reboot` \\n\n=é";
    let printed = vm
        .command(["env", "-0"])
        .env("VALUE", value)
        .env("EMPTY", "")
        .env("odd.name-1", "x")
        .run()
        .await?
        .printed()?;
    // HOME is the agent's one addition, when nobody has said it.
    let is_told = |variable: &&str| !variable.starts_with("PATH=") && *variable != "HOME=/root";
    let mut variables: Vec<&str> = printed.split_terminator('\0').filter(is_told).collect();
    variables.sort_unstable();
    assert_eq!(variables, ["EMPTY=", &format!("VALUE={value}"), "odd.name-1=x"]);
    give_back(vm).await
}

async fn it_starts_where_it_was_told(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    for (workdir, expected) in [("", "/\n"), ("/usr/share", "/usr/share\n"), ("/proc/..", "/\n")] {
        let ran = vm.command(["pwd", "-P"]).workdir(workdir).run().await?;
        assert_eq!(ran.printed()?, expected, "{workdir:?}");
    }
    give_back(vm).await
}

async fn it_runs_as_whom_it_was_told(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    for (user, expected) in [
        ("", "0 0 0\n"),
        ("root", "0 0 0\n"),
        ("nobody", "65534 65534 65534\n"),
        ("nobody:daemon", "65534 1 1\n"),
        ("1234", "1234 0 0\n"),
        ("1234:5678", "1234 5678 5678\n"),
        ("daemon:65534", "1 65534 65534\n"),
    ] {
        let script = "echo $(id -u) $(id -g) $(id -G)";
        let ran = vm.command(["sh", "-c", script]).user(user).run().await?;
        assert_eq!(ran.printed()?, expected, "{user:?}");
    }
    let ran = vm.command(["cat", "/etc/shadow"]).user("nobody").run().await?;
    assert!(ran.printed().is_err(), "nobody reads /etc/shadow");
    give_back(vm).await
}

async fn what_cannot_start_is_refused(stage: &Stage) -> anyhow::Result<()> {
    use RefusalReason::{BadWorkdir, NotExecutable, NotFound, UnknownUser};
    let vm = lent(stage).await?;
    vm.sh("printf '#!/no/such/interpreter\n' > /tmp/script; chmod +x /tmp/script")
        .await?
        .printed()?;
    for (argv, user, workdir, expected) in [
        (["no-such-command"].as_slice(), "", "", NotFound),
        (&["/no/such/path"], "", "", NotFound),
        (&["/tmp/script"], "", "", NotExecutable),
        (&["/etc/passwd"], "", "", NotExecutable),
        (&["/etc"], "", "", NotExecutable),
        (&["true"], "nobody-at-all", "", UnknownUser),
        (&["true"], "root:no-such-group", "", UnknownUser),
        (&["true"], "", "/no/such/directory", BadWorkdir),
        (&["true"], "", "/etc/passwd", BadWorkdir),
    ] {
        let argv = argv.iter().copied();
        let command = vm.command(argv.clone()).user(user).workdir(workdir);
        match command.ended().await? {
            Ended::Refused { reason, message } => {
                assert_eq!(reason, expected, "{:?}: {message}", argv.collect::<Vec<_>>());
                assert!(!message.is_empty());
            }
            Ended::Ran(ran) => panic!("{:?} ran: {ran:?}", argv.collect::<Vec<_>>()),
        }
    }
    give_back(vm).await
}

async fn it_inherits_nothing_of_the_agents(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    // `ls` opens the directory that it lists.
    assert_eq!(vm.command(["ls", "/proc/self/fd"]).run().await?.printed()?, "0\n1\n2\n3\n");
    let script = "sed -n 's/^Sig\\(Blk\\|Ign\\):\\s*//p' /proc/self/status; umask; ulimit -c";
    assert_eq!(vm.sh(script).await?.printed()?, "0000000000000000\n0000000000000000\n0022\n0\n");
    give_back(vm).await
}

async fn many_run_side_by_side(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let mut running = Vec::new();
    for number in 0..20_u32 {
        let script = format!("read line; echo {number} $line; exit {number}");
        running.push(vm.command(["sh", "-c", &script]).stdin("").start().await?);
    }
    // All twenty wait; the last one is answered first.
    for (number, (input, output)) in running.iter_mut().enumerate().rev() {
        input.stdin("go\n".into()).await?;
        let (printed, code) = super::stream::all(output).await?;
        assert_eq!(printed, format!("{number} go\n"));
        assert_eq!(code, i32::try_from(number)?);
    }
    give_back(vm).await
}
