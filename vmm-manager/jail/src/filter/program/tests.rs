use super::*;
use crate::{
    Profile,
    filter::{calls::number, calls_of},
};

const LIMIT: usize = 4096;
const PROFILES: [Profile; 4] =
    [Profile::CloudHypervisor, Profile::Gateway, Profile::Qemu, Profile::VhostDeviceVsock];

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
        Some(Allowed::When(cases)) if cases.iter().any(|case| case.iter().all(holds)) => {
            SECCOMP_RET_ALLOW
        }
        Some(Allowed::Absent) => ABSENT,
        Some(Allowed::When(_)) | None => DENIED,
    }
}

#[test]
fn each_call_is_answered_as_its_list_says() {
    for profile in PROFILES {
        let calls = calls_of(profile);
        let program = compile(&calls);
        assert!(program.len() < LIMIT, "{}", program.len());
        // Each argument that any condition asks for, its neighbours, and what is like it in one half.
        let asked = calls.known.values().flat_map(|allowed| match allowed {
            Allowed::When(cases) => cases.as_slice(),
            Allowed::Always | Allowed::Absent => &[],
        });
        let mut values: Vec<u64> =
            asked.flatten().map(|condition| u64::from(condition.value)).collect();
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
fn a_case_holds_as_a_whole() {
    let mut calls = Calls::default();
    let low = |argument, value| Condition { argument, mask: 0xf, value };
    calls.case(7, &[Condition::is(0, 1), low(1, 2), Condition::is(5, 3)]);
    calls.case(7, &[Condition::is(0, 4), low(1, 5)]);
    calls.case(7, &[Condition::is(3, 6)]);
    let program = compile(&calls);
    let mut allowed = 0;
    let values = [0, 1, 2, 3, 4, 5, 6, 0x12, 0x15];
    for first in values {
        for second in values {
            for fourth in [0, 6] {
                for sixth in values {
                    let arguments = [first, second, 0, fourth, 0, sixth];
                    let answer = run(&program, ARCHITECTURE, 7, arguments);
                    assert_eq!(answer, expected(&calls, 7, arguments), "{arguments:?}");
                    allowed += usize::from(answer == SECCOMP_RET_ALLOW);
                }
            }
        }
    }
    // All with the fourth; of the others those of the first case and those of the second.
    assert_eq!(allowed, 9 * 9 * 9 + 2 + 2 * 9);
}

#[test]
fn a_gateway_has_no_sockets_but_those_that_it_needs() {
    let program = compile(&calls_of(Profile::Gateway));
    let made = |family: i32, kind: i32, protocol: i32| {
        let arguments =
            [family, kind, protocol, 0, 0, 0].map(|value| u64::from(value.cast_unsigned()));
        run(&program, ARCHITECTURE, number(libc::SYS_socket), arguments) == SECCOMP_RET_ALLOW
    };
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in
            [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)]
        {
            assert!(made(family, kind, 0) && made(family, kind | flags, protocol));
        }
        for kind in [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, libc::SOCK_DCCP, 0] {
            assert!(!made(family, kind, 0) && !made(family, kind | flags, libc::IPPROTO_TCP));
        }
        for protocol in [libc::IPPROTO_ICMP, libc::IPPROTO_SCTP, libc::IPPROTO_MPTCP, 136, 255] {
            assert!(!made(family, libc::SOCK_STREAM, protocol), "{protocol}");
            assert!(!made(family, libc::SOCK_DGRAM, protocol), "{protocol}");
        }
    }
    for family in (0..46).filter(|family| ![libc::AF_INET, libc::AF_INET6].contains(family)) {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW] {
            let local = family == libc::AF_UNIX && kind != libc::SOCK_RAW;
            assert_eq!(made(family, kind, 0), local, "{family} {kind}");
        }
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
    for profile in PROFILES {
        let calls = calls_of(profile);
        for call in never {
            assert_eq!(calls.known.get(&number(call)), None, "{call}");
        }
    }
}
