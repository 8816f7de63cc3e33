//! From a list of system calls to a program for the kernel's filter.
//!
//! The numbers are searched by halves: the kernel tries every number when it takes a filter, and
//! with one comparison for each it would be at that for longer than all other steps of a jail take.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W,
    ENOSYS, EPERM, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, seccomp_data,
    sock_filter,
};

use super::calls::{Allowed, Calls, Case, Condition};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const DENIED: u32 = SECCOMP_RET_ERRNO | EPERM.cast_unsigned();
const ABSENT: u32 = SECCOMP_RET_ERRNO | ENOSYS.cast_unsigned();

/// Numbers from `first` to the next one's.
#[derive(Debug)]
struct Span<'a> {
    first: u32,
    verdict: Verdict<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict<'a> {
    Return(u32),
    Check(&'a [Case]),
}

/// At each instruction's place stands what the kernel does with it.
pub(super) fn compile(calls: &Calls) -> Vec<sock_filter> {
    let mut program = vec![
        load(std::mem::offset_of!(seccomp_data, arch)),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        // Other tables have other numbers: whoever uses one means no good.
        give(SECCOMP_RET_KILL_PROCESS),
        load(std::mem::offset_of!(seccomp_data, nr)),
    ];
    search(&spans(calls), &mut program);
    program
}

/// All numbers there are; neighbours that are answered alike are one.
fn spans(calls: &Calls) -> Vec<Span<'_>> {
    let denied = Verdict::Return(DENIED);
    let mut spans = vec![Span { first: 0, verdict: denied }];
    let mut add = |first, verdict| match spans.last_mut() {
        Some(last) if last.verdict == verdict => {}
        Some(last) if last.first == first => last.verdict = verdict,
        _ => spans.push(Span { first, verdict }),
    };
    for (number, allowed) in &calls.known {
        let verdict = match allowed {
            Allowed::Always => Verdict::Return(SECCOMP_RET_ALLOW),
            Allowed::When(cases) => Verdict::Check(cases),
            Allowed::Absent => Verdict::Return(ABSENT),
        };
        add(*number, verdict);
        add(number + 1, denied);
    }
    merge(spans)
}

/// A span whose verdict was replaced may be like the one before it by now.
fn merge(spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    let mut merged: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        if merged.last().is_none_or(|last| last.verdict != span.verdict) {
            merged.push(span);
        }
    }
    merged
}

/// The number is loaded; every way through it ends in a verdict.
fn search(spans: &[Span<'_>], program: &mut Vec<sock_filter>) {
    if let [Span { verdict, .. }] = spans {
        return match verdict {
            Verdict::Return(value) => program.push(give(*value)),
            Verdict::Check(cases) => check(cases, program),
        };
    }
    let (lower, upper) = spans.split_at(spans.len() / 2);
    let Some(middle) = upper.first() else { return };
    let here = program.len();
    program.push(jump(BPF_JGE, middle.first, 0, 0));
    search(lower, program);
    let length = program.len() - here - 1;
    match u8::try_from(length) {
        Ok(over) => program[here].jt = over,
        // Further than a condition can jump: there it meets a jump, and over that else.
        Err(_) => {
            program[here].jf = 1;
            program.insert(here + 1, skip(length));
        }
    }
    search(upper, program);
}

fn check(cases: &[Case], program: &mut Vec<sock_filter>) {
    for case in cases {
        // From its end, since each condition that fails jumps over all that is behind it.
        let mut backwards = vec![give(SECCOMP_RET_ALLOW)];
        for Condition { argument, mask, value } in case.iter().rev() {
            let rest = u8::try_from(backwards.len()).unwrap_or(u8::MAX);
            backwards.push(jump(BPF_JEQ, *value, 0, rest));
            if *mask != u32::MAX {
                backwards.push(instruction(BPF_ALU | BPF_AND | BPF_K, 0, 0, *mask));
            }
            let arguments = std::mem::offset_of!(seccomp_data, args);
            let offset = arguments + usize::from(*argument) * size_of::<u64>() + LOWER_HALF;
            backwards.push(load(offset));
        }
        program.extend(backwards.into_iter().rev());
    }
    program.push(give(DENIED));
}

const LOWER_HALF: usize = if cfg!(target_endian = "big") { 4 } else { 0 };

fn load(offset: usize) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, small(offset))
}

fn jump(condition: u32, value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(BPF_JMP | condition | BPF_K, then, otherwise, value)
}

fn skip(instructions: usize) -> sock_filter {
    instruction(BPF_JMP | BPF_JA, 0, 0, small(instructions))
}

fn give(verdict: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, 0, 0, verdict)
}

#[expect(clippy::cast_possible_truncation, reason = "codes of instructions are a byte long")]
fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[expect(clippy::cast_possible_truncation, reason = "of programs of some hundred instructions")]
fn small(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
