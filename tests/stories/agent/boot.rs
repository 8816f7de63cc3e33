//! A root filesystem that the guest boots.

use kiln_proto::agent::v1::{BootCommand, BootProbe, boot_probe::Kind, exec_refused::Reason};
use kiln_tests::{BootEnd, BootingVm, RootImage, Stage, Story, stories};

pub(super) fn stories() -> Vec<Story> {
    stories![
        a_root_filesystem_is_booted_by_its_init.nested(),
        its_init_finds_a_machine_of_its_own,
        a_boot_is_taken_up_again,
        a_wish_to_end_is_its_inits,
        an_init_of_its_own_is_booted,
        what_cannot_be_booted_is_refused,
        a_tenant_who_kills_the_agent_loses_the_guest,
    ]
}

fn refused(end: BootEnd) -> (Reason, String) {
    match end {
        BootEnd::Refused(refused) => (refused.reason(), refused.message),
        other => panic!("{other:?}"),
    }
}

async fn machine(stage: &Stage, image: &RootImage, init: &str) -> anyhow::Result<BootingVm> {
    let ext4 = image.ext4(stage.settings(), stage.directory(), init).await?;
    BootingVm::start(stage.settings(), &ext4).await
}

async fn a_root_filesystem_is_booted_by_its_init(stage: &Stage) -> anyhow::Result<()> {
    let image =
        RootImage::of_script("echo out; echo err >&2; sleep 1; printf 'no newline'; exit 3");
    let vm = machine(stage, &image, "direct").await?;
    let mut boot = vm.boot("", None).await?;
    let up = boot.is_up().await?;
    assert_eq!((&*up.by, up.degraded), ("init", false));
    let end = boot.ended().await?;
    assert!(matches!(end, BootEnd::Exited(3)), "{end:?}");
    assert_eq!(boot.console, "kiln-init: ready\nout\nerr\nno newline");
    vm.has_powered_off().await
}

async fn its_init_finds_a_machine_of_its_own(stage: &Stage) -> anyhow::Result<()> {
    // Nothing of the guest's own root is in sight, and the disk is not written to.
    let script = "test -e /usr/bin/dpkg && echo golden; readlink /proc/1/exe; cat /proc/1/cgroup
        tr '\\0' ' ' < /proc/1/environ; echo; grep -c . /proc/mounts; touch /kept && ls /kept
        ls /proc/1/fd | grep -c .; echo done; exec sleep 86400";
    let vm = machine(stage, &RootImage::of_script(script), "direct").await?;
    let before = vm.sh("test -e /usr/bin/dpkg && cat /proc/self/cgroup").await?;
    assert_ne!(before, "0::/\n", "the agent's commands have groups of their own");
    let mut boot = vm.boot("", None).await?;
    boot.has_said("done\n").await?;
    let said: Vec<&str> = boot.console.lines().collect();
    assert_eq!(said[..2], ["kiln-init: ready", "/.kiln/init"], "{said:?}");
    assert_eq!(said[2..4], ["0::/", "HOME=/ TERM=linux "], "{said:?}");
    assert_eq!(said[5], "/kept", "{said:?}");
    // Commands run in it from now on.
    let printed = vm.sh("ls /kept; readlink /proc/1/root; cat /proc/self/mounts").await?;
    assert!(printed.starts_with("/kept\n/\noverlay / overlay rw"), "{printed}");
    assert!(!printed.contains("kiln-boot/lower /"), "the agent's mounts are in sight: {printed}");
    let printed = vm.sh("readlink /proc/self/ns/mnt; readlink /proc/1/ns/mnt").await?;
    let mut lines = printed.lines();
    assert_eq!(lines.next(), lines.next(), "another namespace than the machine's");
    // The button is the init's.
    vm.press_power_button().await?;
    let end = boot.ended().await?;
    assert!(matches!(end, BootEnd::Exited(143 | 137)), "{end:?}");
    vm.has_powered_off().await
}

async fn a_boot_is_taken_up_again(stage: &Stage) -> anyhow::Result<()> {
    let image = RootImage::of_script("echo one; while ! test -e /go; do sleep 1; done; echo two");
    let vm = machine(stage, &image, "direct").await?;
    let mut boot = vm.boot("", None).await?;
    boot.is_up().await?;
    boot.has_said("one\n").await?;
    drop(boot);
    let offset = "kiln-init: ready\n".len();
    let mut again = vm.boot_from(u64::try_from(offset)?, "", None).await?;
    assert_eq!(again.is_up().await?.by, "init");
    again.has_said("one\n").await?;
    vm.sh("touch /go").await?;
    let end = again.ended().await?;
    assert!(matches!(end, BootEnd::Exited(0)), "{end:?}");
    assert_eq!(again.console, "one\ntwo\n");
    vm.has_powered_off().await
}

async fn a_wish_to_end_is_its_inits(stage: &Stage) -> anyhow::Result<()> {
    let script =
        "trap 'echo asked; exit 5' TERM; nc -l -p 8080 -e true & while :; do sleep 1; done";
    let vm = machine(stage, &RootImage::of_script(script), "direct").await?;
    let probe = BootProbe { kind: Some(Kind::Port(8080)) };
    let mut boot = vm.boot("", Some(probe)).await?;
    assert_eq!(boot.is_up().await?.by, "port");
    boot.signal(15).await?;
    let end = boot.ended().await?;
    assert!(matches!(end, BootEnd::Exited(5)), "{end:?}");
    assert_eq!(boot.console, "kiln-init: ready\nasked\n");
    vm.has_powered_off().await
}

async fn an_init_of_its_own_is_booted(stage: &Stage) -> anyhow::Result<()> {
    let script = "#!/bin/sh\nmount -t proc proc /proc\necho I am $$\nsleep 2\ntouch /srv/ready\n\
                  while ! test -e /srv/off; do sleep 1; done\necho off\nsleep 1\npoweroff -f\n";
    let image = RootImage::of_script("true").file("sbin/start", script);
    let vm = machine(stage, &image, "/sbin/start").await?;
    let argv = ["test", "-e", "/srv/ready"].map(str::to_owned).into();
    let probe = BootProbe { kind: Some(Kind::Command(BootCommand { argv })) };
    let mut boot = vm.boot("/sbin/start", Some(probe)).await?;
    assert_eq!(boot.is_up().await?.by, "command");
    vm.sh("touch /srv/off").await?;
    let end = boot.ended().await?;
    assert!(matches!(end, BootEnd::Lost), "{end:?}");
    assert_eq!(boot.console, "I am 1\noff\n");
    vm.has_powered_off().await
}

/// One machine each: it boots once.
async fn what_cannot_be_booted_is_refused(stage: &Stage) -> anyhow::Result<()> {
    let image = RootImage::of_script("true").file("sbin/broken", "#!/no/such/interpreter\n");
    let ext4 = image.ext4(stage.settings(), stage.directory(), "none").await?;
    for (init, reason, named) in [
        ("/no/such", Reason::NotFound, "/no/such"),
        ("/etc", Reason::NotExecutable, "/etc"),
        ("/sbin/broken", Reason::NotExecutable, "interpreter"),
    ] {
        let vm = BootingVm::start(stage.settings(), &ext4).await?;
        let (seen, message) = refused(vm.boot(init, None).await?.ended().await?);
        assert_eq!(seen, reason, "{message}");
        assert!(message.contains(named), "{message}");
        vm.shut_down().await?;
    }
    let noise = stage.directory().join("noise");
    std::fs::write(&noise, vec![7; 1 << 20])?;
    let vm = BootingVm::start(stage.settings(), &noise).await?;
    let (reason, message) = refused(vm.boot("", None).await?.ended().await?);
    assert_eq!(reason, Reason::Invalid, "{message}");
    assert!(message.contains("no ext4"), "{message}");
    vm.shut_down().await
}

async fn a_tenant_who_kills_the_agent_loses_the_guest(stage: &Stage) -> anyhow::Result<()> {
    let script = "for id in /proc/[0-9]*; do grep -q '^@kiln-agent' $id/cmdline 2>/dev/null && agent=${id#/proc/}
        done; kill -9 $agent; exec sleep 86400";
    let vm = machine(stage, &RootImage::of_script(script), "direct").await?;
    let mut boot = vm.boot("", None).await?;
    let end = boot.ended().await?;
    assert!(matches!(end, BootEnd::Lost), "{end:?}");
    vm.end().await
}
