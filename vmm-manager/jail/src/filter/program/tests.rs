use super::*;
use crate::{
    Profile,
    filter::{calls::number, calls_of},
};

const LIMIT: usize = 4096;

/// What the kernel would do, in as few words as the programs here need.
fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    let (mut at, mut value) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let code = u32::from(code);
        if code == BPF_LD | BPF_W | BPF_ABS {
            let offset = k as usize;
            value = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap());
        } else if code == BPF_ALU | BPF_AND | BPF_K {
            value &= k;
        } else if code == BPF_JMP | BPF_JEQ | BPF_K {
            at += usize::from(if value == k { jt } else { jf });
        } else if code == BPF_JMP | BPF_JGE | BPF_K {
            at += usize::from(if value >= k { jt } else { jf });
        } else if code == BPF_JMP | BPF_JA {
            at += k as usize;
        } else if code == BPF_RET | BPF_K {
            return k;
        } else {
            panic!("{code:x} is no instruction of ours");
        }
    }
}

fn expected(calls: &Calls, number: u32, arguments: [u64; 6]) -> u32 {
    let holds = |condition: &Condition| {
        let argument = arguments[usize::from(condition.argument)] & 0xffff_ffff;
        argument & u64::from(condition.mask) == u64::from(condition.value)
    };
    match calls.known.get(&number) {
        Some(Allowed::Always) => SECCOMP_RET_ALLOW,
        Some(Allowed::When(conditions)) if conditions.iter().any(holds) => SECCOMP_RET_ALLOW,
        Some(Allowed::Absent) => ABSENT,
        Some(Allowed::When(_)) | None => DENIED,
    }
}

#[test]
fn each_call_is_answered_as_its_list_says() {
    for profile in [Profile::CloudHypervisor, Profile::Qemu, Profile::VhostDeviceVsock] {
        let calls = calls_of(profile);
        let program = compile(&calls);
        assert!(program.len() < LIMIT, "{}", program.len());
        // Each argument that any condition asks for, its neighbours, and what is like it in one half.
        let asked = calls.known.values().flat_map(|allowed| match allowed {
            Allowed::When(conditions) => conditions.as_slice(),
            Allowed::Always | Allowed::Absent => &[],
        });
        let mut values: Vec<u64> = asked.map(|condition| u64::from(condition.value)).collect();
        values.extend([0, 1, 5, u64::from(u32::MAX), u64::MAX]);
        values.extend(values.clone().iter().flat_map(|value| [value ^ 1, value | 1 << 32]));
        let numbers = (0..1000).chain([1 << 30, (1 << 30) + 59, u32::MAX]);
        for number in numbers {
            for value in &values {
                let arguments = [*value; 6];
                let answer = run(&program, ARCHITECTURE, number, arguments);
                assert_eq!(answer, expected(&calls, number, arguments), "{number} {value:x}");
            }
        }
        let other = run(&program, 0x4000_0003, 0, [0; 6]);
        assert_eq!(other, SECCOMP_RET_KILL_PROCESS);
    }
}

#[test]
fn a_list_may_be_long() {
    let mut calls = Calls::default();
    for call in 0..900 {
        calls.one_of(call * 2, 0, &[7]);
    }
    let program = compile(&calls);
    for call in 0..1900 {
        for value in [7, 8] {
            let answer = run(&program, ARCHITECTURE, call, [value; 6]);
            assert_eq!(answer, expected(&calls, call, [value; 6]), "{call} {value}");
        }
    }
}

#[test]
fn what_ends_a_jail_is_in_no_list() {
    let never = [
        libc::SYS_ptrace,
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_setuid,
        libc::SYS_kill,
    ];
    for profile in [Profile::CloudHypervisor, Profile::Qemu, Profile::VhostDeviceVsock] {
        let calls = calls_of(profile);
        for call in never {
            assert_eq!(calls.known.get(&number(call)), None, "{call}");
        }
    }
}
