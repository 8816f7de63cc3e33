//! The power goes: what was answered is there afterwards, and nothing is half.

use std::path::Path;

use kiln_faults::{Operation, Order, PowerLoss, read_records};

use crate::{
    given::{is_full, open},
    process::Process,
    script::{End, STEPS},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_power_keeps_what_it_answered() {
    let cuts = if is_full() { 2000 } else { 100 };
    let process = Process::new();
    let process = tokio::task::spawn_blocking(move || {
        assert!(process.run(&process.plan().recording()).success());
        process
    });
    let process = process.await.unwrap();
    assert_eq!(process.told().done, STEPS);
    let records = read_records(&process.log()).unwrap();
    let mut whole = PowerLoss::new(&process.home());
    for record in &records {
        whole.apply(record);
    }
    let unseen = whole.differences(is_volatile).unwrap();
    assert!(unseen.is_empty(), "written past the recorder: {unseen:?}");

    // A store that was never whole is made anew: what counts begins with the first step's writes.
    let begin = records.iter().position(|record| record.operation == Operation::Mark).unwrap();
    let mut disk = PowerLoss::new(&process.home());
    let mut done = 0;
    let mut dice = dice(41);
    let mut cut = 0;
    for (number, record) in records.iter().enumerate() {
        disk.apply(record);
        if record.operation == Operation::Mark {
            done = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
        }
        while number >= begin
            && cut < cuts
            && number - begin >= cut * (records.len() - begin) / cuts
        {
            let order = if cut % 2 == 0 { Order::Kept } else { Order::Lost };
            println!("cut {cut}, {order:?}, after record {number} and {done} steps");
            let image = disk.cut(order, &mut dice);
            let found = Process::new();
            image.build(&found.home()).unwrap();
            let store = open(&found.home());
            let script = process.told().script.unwrap();
            script.holds(&store, done, End::PowerLost).await;
            script.goes_on(&store, &found.home()).await;
            cut += 1;
        }
    }
    assert_eq!((cut, done), (cuts, STEPS));
}

/// The database's shared memory is mapped, not written, and made anew after a loss of power.
fn is_volatile(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm")
}

/// A number below its argument, always the same ones of one seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}
