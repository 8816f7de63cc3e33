//! An order as a driver gives it, and orders that no driver gives.

use std::path::{Path, PathBuf};

use kiln_jail::{
    Access::{self, Device, Execute, Files, Read, Sockets, Write},
    Jail, JailPath, JailUser, Profile,
};
use kiln_shim::{Descriptor, GIVEN, MAJOR, Order, Program, Source, Stdout};

use crate::stage::{FIRST, JOB, KEEPER, PROGRAM, Stage, UNJAILED};

/// It would be started.
pub(crate) fn good(stage: &Stage) -> Order {
    let at = |path: PathBuf, access| JailPath { path, access };
    let (job, home) = (stage.job(), &stage.policy.home);
    let jail = Jail {
        user: Some(JailUser { id: FIRST, keeper: KEEPER.gid }),
        paths: vec![
            at(PROGRAM.into(), Execute),
            at("/etc/ld.so.cache".into(), Read),
            at(stage.root().join("image/kernel"), Read),
            at(home.join("sources/s"), Read),
            at(home.join("jobs/one/outputs/rootfs"), Read),
            at(job.join("disk"), Write),
            at(job.join("run"), Sockets),
            at("/dev/null".into(), Device),
        ],
        profile: Profile::Qemu,
        file_bytes: 1 << 30,
    };
    let program = Program {
        name: "vmm".to_owned(),
        path: PROGRAM.into(),
        arguments: Vec::new(),
        stdout: Stdout::Null,
        stderr_bytes: 1024,
        descriptors: Vec::new(),
        network: false,
        parting_millis: 0,
        jail: Some(jail),
    };
    Order {
        major: MAJOR,
        instance: stage.policy.instance.clone(),
        name: JOB.to_owned(),
        driver: "qemu".to_owned(),
        directory: job,
        programs: vec![program],
        main: "vmm".to_owned(),
        cgroups: Vec::new(),
        oom_file: None,
        memory_limit_bytes: None,
        sockets: vec!["run/vsock.sock".to_owned()],
        start_limit_millis: 10_000,
        linger_millis: 10_000,
    }
}

/// Of a guest that is none.
pub(crate) fn unjailed(stage: &Stage, arguments: &[&str]) -> Order {
    let mut order = good(stage);
    order.programs[0].path = UNJAILED.into();
    order.programs[0].arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    order.programs[0].jail = None;
    order
}

/// Each with one thing in it that the policy has not.
pub(crate) fn bad(stage: &Stage) -> Vec<(String, Order)> {
    let mut all = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Order)| {
        let mut order = good(stage);
        change(&mut order);
        // By their letters: two spellings of one path are the same to `Path`.
        assert_ne!(format!("{order:?}"), format!("{:?}", good(stage)), "{what}");
        all.push((what.to_owned(), order));
    };
    let (home, job) = (stage.policy.home.display().to_string(), stage.job().display().to_string());
    for major in [0, 2, u32::MAX] {
        add("major", &|order| order.major = major);
    }
    for instance in ["", "other", "..", "../x"] {
        add("instance", &|order| instance.clone_into(&mut order.instance));
    }
    let long = "n".repeat(65);
    for name in ["", ".", "..", "../other", "a/b", "/etc", "a b", "jöb", "j\n", "other", &long] {
        add("name", &|order| name.clone_into(&mut order.name));
    }
    for driver in ["a\nb", &long] {
        add("driver", &|order| driver.clone_into(&mut order.driver));
    }
    let below =
        |suffixes: &[&str]| suffixes.iter().map(|s| format!("{job}{s}")).collect::<Vec<_>>();
    let mut directories = below(&["/", "/.", "/..", "/run", "/../other", "x"]);
    directories.extend(["/", "/etc", "/root", "", "job", ".", &home].map(str::to_owned));
    directories.extend(["/vms", "/vms/other", "/vms/./job", "//vms/job"].map(|s| home.clone() + s));
    for directory in &directories {
        // The same directory by another spelling is as good to `Path`, and no other to us.
        if Path::new(directory) != stage.job() {
            add("directory", &|order| order.directory = directory.into());
        }
    }
    let cgroups = "/sys/fs/cgroup";
    let mine = format!("kiln-{}", stage.policy.instance);
    for cgroup in [
        cgroups.to_owned(),
        format!("{cgroups}/memory"),
        format!("{cgroups}/memory/{mine}"),
        format!("{cgroups}/memory/{mine}/other"),
        format!("{cgroups}/memory/{mine}/job/.."),
        format!("{cgroups}/memory/{mine}/job/../../../other"),
        format!("{cgroups}/memory/kiln-0badcafe/job"),
        format!("{cgroups}/unified/{mine}/job"),
        "/etc".to_owned(),
        "/".to_owned(),
        String::new(),
        job.clone(),
    ] {
        add("cgroup", &|order| order.cgroups = vec![cgroup.clone().into()]);
        add("oom file", &|order| order.oom_file = Some(format!("{cgroup}/memory.events").into()));
    }
    add("oom file", &|order| order.oom_file = Some("/etc/shadow".into()));
    for socket in ["", ".", "..", "../x", "/x", "a/b", "run/", "run/..", "run/a/b", "run/../x"] {
        add("socket", &|order| order.sockets = vec![socket.to_owned()]);
        let source = || Source::Listen { socket: socket.to_owned() };
        let descriptors = || vec![Descriptor { number: 100, source: source() }];
        add("listen", &|order| order.programs[0].descriptors = descriptors());
    }
    for number in [-1, 0, 1, 2, 3, 99, 164, 200, i32::MAX] {
        let source = || Source::Listen { socket: "s".to_owned() };
        let descriptors = || vec![Descriptor { number, source: source() }];
        add("descriptor", &|order| order.programs[0].descriptors = descriptors());
    }
    add("no program", &|order| order.programs.clear());
    add("main", &|order| "other".clone_into(&mut order.main));
    add("many programs", &|order| {
        let program = order.programs[0].clone();
        order.programs.extend((0..8).map(|n| Program { name: n.to_string(), ..program.clone() }));
    });
    add("kept", &|order| order.programs[0].stderr_bytes = usize::MAX);
    // There is no network here; and who may have which part of one that there is, the policy's own
    // tests say.
    add("network", &|order| order.programs[0].network = true);
    add("a gateway's calls", &|order| {
        order.programs[0].jail.as_mut().unwrap().profile = Profile::Gateway;
    });
    for name in GIVEN.into_iter().chain(["", "namespace", "../tap"]) {
        let source = || Source::Given { name: name.to_owned() };
        let descriptors = || vec![Descriptor { number: 100, source: source() }];
        add("part of a network", &|order| order.programs[0].descriptors = descriptors());
    }
    programs(&mut add);
    users(&mut add);
    paths(&mut add, &home, &job);
    all
}

fn programs(add: &mut impl FnMut(&str, &dyn Fn(&mut Order))) {
    let jailed = [
        "/bin/sh",
        "/usr/bin/python3",
        "/usr/bin/passwd",
        "/bin/../usr/bin/env",
        "/usr/bin/./env",
        "/usr//bin/env",
        "env",
        "",
        "/",
        "/nonexistent",
        "/proc/self/exe",
    ];
    for path in jailed {
        add("program", &|order| order.programs[0].path = path.into());
    }
    let unjailed = ["/bin/sh", PROGRAM, "/bin/../bin/sleep", "/usr/bin/sleep", "sleep", "", "/"];
    for path in unjailed {
        add("program without a jail", &|order| {
            order.programs[0].path = path.into();
            order.programs[0].jail = None;
        });
    }
}

fn users(add: &mut impl FnMut(&str, &dyn Fn(&mut Order))) {
    let ids = [0, 1, 1000, KEEPER.uid, FIRST - 1, FIRST + 1024, u32::MAX - 1, u32::MAX];
    for id in ids {
        add("user", &|order| user(order).as_mut().unwrap().id = id);
    }
    for keeper in [0, 1, 1000, FIRST, u32::MAX] {
        add("keeper", &|order| user(order).as_mut().unwrap().keeper = keeper);
    }
    add("no user", &|order| *user(order) = None);
    add("two users", &|order| {
        let mut second = order.programs[0].clone();
        "second".clone_into(&mut second.name);
        second.jail.as_mut().unwrap().user.as_mut().unwrap().id = FIRST + 1;
        order.programs.push(second);
    });
    add("one without a jail", &|order| {
        let mut second = order.programs[0].clone();
        "second".clone_into(&mut second.name);
        second.path = UNJAILED.into();
        second.jail = None;
        order.programs.push(second);
    });
}

fn user(order: &mut Order) -> &mut Option<JailUser> {
    &mut order.programs[0].jail.as_mut().unwrap().user
}

fn paths(add: &mut impl FnMut(&str, &dyn Fn(&mut Order)), home: &str, job: &str) {
    let elsewhere = [
        "/etc/shadow",
        "/etc/../etc/shadow",
        "/usr/../etc/shadow",
        "/root/.ssh/id_ed25519",
        "/proc/1/environ",
        "/proc/self/mem",
        "/sys/kernel/mm/ksm/run",
        "/run/kiln/kilnd.sock",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/../dev/kvm",
        "/",
        "",
        "relative",
        "../disk",
    ]
    .map(str::to_owned);
    let at_home = [
        "",
        "/vms",
        "/vms/other",
        "/vms/other/disk",
        "/store/db",
        "/instance",
        "/jobs",
        "/jobs/one/log",
        "/jobs/one/outputs",
        "/jobs/one/outputs/../log",
        "/jobs/one/outputs/rootfs.partial",
        "/jobs/one/outputs/rootfs/x",
    ];
    let of_job = ["/../other/disk", "/../../store/db", "/..", "/run/../../other/x"];
    let own = ["/./disk", "//disk", "/link", "/run/link"];
    let bad = elsewhere
        .into_iter()
        .chain(at_home.map(|suffix| format!("{home}{suffix}")))
        .chain(of_job.map(|suffix| format!("{job}{suffix}")));
    let bad: Vec<String> = bad.collect();
    for access in [Read, Execute, Write, Device, Sockets, Files] {
        for path in &bad {
            add(&format!("{access:?} of {path}"), &|order| give(order, path, access));
        }
    }
    // Tenants' bytes are data.
    for path in ["sources/s", "jobs/one/outputs/rootfs"].map(|path| format!("{home}/{path}")) {
        for access in [Execute, Write] {
            add(&format!("{access:?} of {path}"), &|order| give(order, &path, access));
        }
    }
    // Links that kilnd put there, and other spellings.
    for access in [Read, Execute] {
        for path in own.iter().map(|suffix| format!("{job}{suffix}")) {
            add(&format!("{access:?} of {path}"), &|order| give(order, &path, access));
        }
        for link in ["sources/link", "jobs/one/outputs/link"] {
            add(&format!("{access:?} of the link {link}"), &|order| {
                give(order, &format!("{home}/{link}"), access);
            });
        }
    }
    for path in own.iter().take(2).map(|suffix| format!("{job}{suffix}")) {
        for access in [Write, Sockets, Files, Device] {
            add(&format!("{access:?} of {path}"), &|order| give(order, &path, access));
        }
    }
}

fn give(order: &mut Order, path: &str, access: Access) {
    order.programs[0].jail.as_mut().unwrap().paths.push(JailPath { path: path.into(), access });
}
