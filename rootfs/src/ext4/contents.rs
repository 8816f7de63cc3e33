//! The tree's inodes and their blocks; files' bytes last, by as many threads as there are processors, as
//! where each begins is known beforehand.

use std::{
    fs::File,
    ops::Range,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

use crate::{store::Store, tree::NodeId};

use super::{
    allocation::Allocation, fault::Fault, geometry::BLOCK, inventory, member::Member,
    output::Output, path, plan::Plan, space::Space, write::WriteError,
};

/// Blocks that are worth another part.
const PART: u64 = 4096;
const MOST_THREADS: usize = 8;

/// Some inodes that follow each other, and where their blocks begin.
#[derive(Clone, Debug)]
struct Part {
    places: Range<usize>,
    block: u64,
}

/// Everything but the bytes of files, from `block` on. Returns how many bytes were written.
pub(super) fn write_inodes(plan: &Plan<'_>, file: &File, block: u64) -> Result<u64, WriteError> {
    let mut data = Output::new(file);
    let mut table = Output::new(file);
    each(plan, &Part { places: 0..plan.inventory.inodes.len(), block }, |member| {
        let encoded = member.write(&mut data)?;
        Ok(table.put(plan.geometry.inode_place(member.number), &encoded)?)
    })?;
    Ok(data.flush()? + table.flush()?)
}

/// The bytes of files, when all else is there. `follow` is told how far from the start all is there, in
/// order, while more is written. Returns how many bytes were written.
pub(super) fn write_files(
    plan: &Plan<'_>,
    store: &Store,
    file: &File,
    space: Space<'_>,
    mut follow: impl FnMut(u64),
) -> Result<u64, WriteError> {
    let parts = parts(plan, space);
    let next = AtomicUsize::new(0);
    let work = |done: Sender<usize>| -> Result<u64, WriteError> {
        let mut data = Output::new(file);
        let mut written = 0;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(number) else { return Ok(written) };
            let filled = each(plan, part, |member| member.fill(store, &mut data));
            let flushed = filled.and_then(|()| Ok(data.flush()?));
            if flushed.is_err() {
                // The others need not go on.
                next.store(parts.len(), Ordering::Relaxed);
            }
            written = flushed?;
            // Who follows is there for as long as anyone works.
            let _ = done.send(number);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (done, finished) = channel();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(MOST_THREADS).min(parts.len()))
            .map(|_| {
                let done = done.clone();
                scope.spawn(|| work(done))
            })
            .collect();
        drop(done);
        let mut front = Front { done: vec![false; parts.len()], parts: 0 };
        for number in finished {
            if front.advance(number) {
                follow(parts.get(front.parts).map_or(plan.usage().size, |part| part.block * BLOCK));
            }
        }
        workers.into_iter().try_fold(0, |sum, worker| {
            let written = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(sum + written?)
        })
    })
}

/// Parts that are there, and how many of the first ones without a gap.
struct Front {
    done: Vec<bool>,
    parts: usize,
}

impl Front {
    /// Whether there are more without a gap now.
    fn advance(&mut self, number: usize) -> bool {
        self.done[number] = true;
        let ahead = self.done[self.parts..].iter().take_while(|done| **done).count();
        self.parts += ahead;
        ahead > 0
    }
}

fn parts(plan: &Plan<'_>, mut space: Space<'_>) -> Vec<Part> {
    let inodes = &plan.inventory.inodes;
    let mut parts: Vec<Part> = vec![Part { places: 0..0, block: space.at() }];
    for (place, inode) in inodes.iter().enumerate() {
        match parts.last_mut() {
            Some(part) if space.at() - part.block < PART => part.places.end = place + 1,
            _ => parts.push(Part { places: place..place + 1, block: space.at() }),
        }
        Allocation::of(&inode.need, &mut space);
    }
    parts
}

fn each(
    plan: &Plan<'_>,
    part: &Part,
    mut act: impl FnMut(&Member<'_>) -> Result<(), Fault>,
) -> Result<(), WriteError> {
    let mut space = Space::new(&plan.geometry.taken, part.block);
    for place in part.places.clone() {
        let inode = &plan.inventory.inodes[place];
        let number = inventory::number(place);
        let member =
            Member { plan, inode, number, allocation: Allocation::of(&inode.need, &mut space) };
        act(&member).map_err(|fault| failure(plan, inode.node, fault))?;
    }
    Ok(())
}

fn failure(plan: &Plan<'_>, node: Option<NodeId>, fault: Fault) -> WriteError {
    match fault {
        Fault::Write(source) => WriteError::Write(source),
        Fault::Read(source) => {
            let path = node.map(|id| path::of(plan.tree, id)).unwrap_or_default();
            WriteError::Read { path, source }
        }
    }
}
