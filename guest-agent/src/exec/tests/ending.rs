//! How commands end, and what is left of them.

use kiln_proto::agent::v1::{Kill, Signal};

use super::*;

#[tokio::test]
async fn the_exit_code_and_both_streams_arrive() {
    if !is_root() {
        return;
    }
    let told = Host::start(shell("echo out; echo err >&2; exit 7")).finish().await;
    assert_eq!((told.code(), told.stdout(), &*told.stderr), (7, "out\n", &b"err\n"[..]));
    assert!(told.exited().duration_nanos > 0 && !told.exited().timed_out);
}

#[tokio::test]
async fn a_program_starts_with_nothing_of_the_agents() {
    if !is_root() {
        return;
    }
    let script = "cat /proc/self/status | grep -E '^Sig(Blk|Ign|Cgt)'; ls /proc/self/fd | wc -l; env; \
                  cut -d' ' -f1,5,6 /proc/$$/stat; pwd";
    let told = Host::start(command(&["sh", "-c", script])).finish().await;
    let mut lines = told.stdout().lines();
    for name in ["SigBlk", "SigIgn", "SigCgt"] {
        assert_eq!(lines.next(), Some(&*format!("{name}:\t0000000000000000")));
    }
    // The three streams, and the one on which `ls` reads.
    assert_eq!(lines.next(), Some("4"));
    let rest: Vec<&str> = lines.collect();
    for expected in ["PATH=/usr/bin:/bin", "HOME=/root", "/"] {
        assert!(rest.contains(&expected), "{rest:?}");
    }
    let leads = |line: &&str| {
        let ids: Vec<&str> = line.split(' ').collect();
        ids.len() == 3 && ids[0] == ids[1] && ids[0] == ids[2]
    };
    assert!(rest.iter().any(leads), "its own session and process group: {rest:?}");
}

#[tokio::test]
async fn signals_reach_the_main_process_and_kill_reaches_all() {
    if !is_root() {
        return;
    }
    let mut host = Host::start(shell(
        "trap 'echo got it; exit 3' TERM; echo up; while :; do sleep 0.01; done",
    ));
    while !matches!(host.next().await, Some(Event::Stdout(_))) {}
    host.send(exec_request::Event::Signal(Signal { number: libc::SIGTERM })).await;
    let told = host.finish().await;
    assert_eq!((told.code(), told.stdout()), (3, "got it\n"));

    let host = Host::start(shell("trap '' TERM; sleep 600 & sleep 600"));
    host.send(exec_request::Event::Kill(Kill {})).await;
    let told = host.finish().await;
    assert_eq!((told.signal(), told.exited().unkillable), (libc::SIGKILL, 0));
}

#[tokio::test]
async fn the_time_limit_kills_all_of_it() {
    if !is_root() {
        return;
    }
    let start = ExecStart { timeout_millis: 200, ..shell("sleep 600 & sleep 600") };
    let told = Host::start(start).finish().await;
    assert!(told.exited().timed_out && !told.exited().out_of_memory);
    assert_eq!(told.signal(), libc::SIGKILL);
    let limit = Duration::from_millis(200).as_nanos();
    assert!(u128::from(told.exited().duration_nanos) >= limit);
}

#[tokio::test]
async fn a_limit_beyond_all_clocks_is_none() {
    if !is_root() {
        return;
    }
    let start = ExecStart { timeout_millis: u64::MAX, ..shell("echo fine") };
    assert_eq!(Host::start(start).finish().await.stdout(), "fine\n");
}

#[tokio::test]
async fn what_the_main_process_leaves_behind_is_killed() {
    if !is_root() {
        return;
    }
    let told = Host::start(shell("sleep 600 & sleep 601 & echo bye")).finish().await;
    assert_eq!((told.code(), told.stdout()), (0, "bye\n"));
    assert_eq!(told.exited().unkillable, 0);
}

#[tokio::test]
async fn a_host_that_goes_away_takes_the_command_with_it() {
    if !is_root() {
        return;
    }
    let mut host = Host::start(shell("echo $$; exec sleep 600"));
    let pid = loop {
        if let Some(Event::Stdout(chunk)) = host.next().await {
            break String::from_utf8(chunk.data.to_vec()).unwrap();
        }
    };
    drop(host);
    let began = Instant::now();
    while Path::new("/proc").join(pid.trim()).exists() {
        assert!(began.elapsed() < LIMIT, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_pipe_that_an_escaped_process_holds_is_given_up() {
    if !is_root() {
        return;
    }
    // It leaves the group, keeps stdout, and ends by itself.
    let told = Host::start(shell("setsid sleep 2 & sleep 0.2; echo bye")).finish().await;
    assert_eq!((told.code(), told.stdout()), (0, "bye\n"));
    assert!(u128::from(told.exited().duration_nanos) < Duration::from_secs(2).as_nanos());
}

#[tokio::test]
async fn what_cannot_be_killed_is_counted() {
    if !is_root() {
        return;
    }
    let engine = engine(Sessions { haunted: true });
    let told = Host::start_on(&engine, shell("echo bye")).finish().await;
    assert_eq!(told.exited().unkillable, 1);
}
