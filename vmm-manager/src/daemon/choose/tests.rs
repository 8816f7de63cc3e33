use std::{collections::BTreeMap, time::Duration};

use clap::Parser as _;

use super::*;
use crate::config::Flags;

/// A host of which everything is known.
#[derive(Debug, Default)]
struct Known {
    verdicts: BTreeMap<Pair, ProbeVerdict>,
    asked: Vec<Pair>,
}

impl Known {
    fn verdict_of(&mut self, pair: Pair) -> ProbeVerdict {
        self.asked.push(pair);
        self.verdicts.get(&pair).cloned().unwrap_or_else(|| {
            ProbeVerdict::No(Hindrance::Program { reason: "it is not there".to_owned() })
        })
    }
}

#[async_trait]
impl Trial for Known {
    async fn is_there(&mut self, pair: Pair) -> Result<(), Hindrance> {
        match self.verdict_of(pair) {
            ProbeVerdict::No(hindrance @ Hindrance::Program { .. }) => Err(hindrance),
            _ => Ok(()),
        }
    }

    async fn verdict(&mut self, pair: Pair) -> anyhow::Result<ProbeVerdict> {
        Ok(self.verdict_of(pair))
    }
}

fn works() -> ProbeVerdict {
    ProbeVerdict::Works { after: Duration::from_secs(1) }
}

fn null_only() -> ProbeVerdict {
    ProbeVerdict::NullGuestsOnly { reason: "no guest came up".to_owned() }
}

const CLOUD: Pair = Pair::CloudHypervisorKvm;
const KVM: Pair = Pair::QemuKvm;
const TCG: Pair = Pair::QemuTcg;

/// `Ok` with what is chosen, or `Err` with what the refusal says, after the candidates that were
/// looked at.
async fn check(
    flags: &str,
    verdicts: &[(Pair, ProbeVerdict)],
    asked: &[Pair],
    expected: Result<Pair, &[&str]>,
) {
    let arguments = ["kilnd"].into_iter().chain(flags.split_whitespace());
    let drivers = DriverConfig::read(&Flags::try_parse_from(arguments).unwrap()).unwrap();
    let mut known = Known { verdicts: verdicts.iter().cloned().collect(), asked: Vec::new() };
    let chosen = choose(&drivers, &mut known).await;
    assert_eq!(known.asked, asked, "{flags}");
    match (chosen, expected) {
        (Ok(choice), Ok(pair)) => assert_eq!(choice.pair, pair, "{flags}"),
        (Err(error), Err(words)) => {
            let said = error.to_string();
            for word in words {
                assert!(said.contains(word), "{flags}: {said}");
            }
        }
        (chosen, expected) => panic!("{flags}: {chosen:?}, not {expected:?}"),
    }
}

#[tokio::test]
async fn the_best_that_works_is_taken_and_nothing_after_it_is_tried() {
    let all = [(CLOUD, works()), (KVM, works()), (TCG, works())];
    check("", &all, &[CLOUD], Ok(CLOUD)).await;
    check("--allow-emulation", &all, &[CLOUD], Ok(CLOUD)).await;
    check("", &all[1..], &[CLOUD, KVM], Ok(KVM)).await;
    let poor = [(CLOUD, null_only()), (KVM, null_only()), (TCG, works())];
    check("--allow-emulation", &poor, &[CLOUD, KVM, TCG], Ok(TCG)).await;
}

#[tokio::test]
async fn what_was_asked_for_is_tried_alone() {
    let all = [(CLOUD, works()), (KVM, works()), (TCG, works())];
    check("--vmm cloud-hypervisor", &all, &[CLOUD], Ok(CLOUD)).await;
    check("--vmm qemu", &all, &[KVM], Ok(KVM)).await;
    check("--vmm qemu --accelerator kvm", &all, &[KVM], Ok(KVM)).await;
    check("--accelerator kvm", &all, &[CLOUD], Ok(CLOUD)).await;
    check("--accelerator tcg --allow-emulation", &all, &[TCG], Ok(TCG)).await;
}

#[tokio::test]
async fn emulation_is_never_chosen_silently() {
    let poor = [(CLOUD, null_only()), (KVM, null_only()), (TCG, works())];
    let refusal = ["cloud-hypervisor under kvm", "null guests only", "--allow-emulation"];
    check("", &poor, &[CLOUD, KVM], Err(&refusal)).await;
    check("--vmm qemu", &poor, &[KVM], Err(&["qemu under tcg: emulation is not allowed"])).await;
    check("--accelerator kvm --allow-emulation", &poor, &[CLOUD, KVM], Err(&["qemu"])).await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_the_reason_and_the_mending() {
    let mending = ["it is not there", "--cloud-hypervisor"];
    check("--vmm cloud-hypervisor", &[(KVM, works())], &[CLOUD], Err(&mending)).await;
    let closed = ProbeVerdict::No(Hindrance::Kvm { reason: "there is no /dev/kvm".to_owned() });
    let mending = ["there is no /dev/kvm", "firmware"];
    check("--vmm qemu --accelerator kvm", &[(KVM, closed)], &[KVM], Err(&mending)).await;
    let mending = ["qemu under tcg", "install qemu-system-x86"];
    check("--accelerator tcg --allow-emulation", &[], &[TCG], Err(&mending)).await;
}

#[tokio::test]
async fn the_choice_says_what_was_passed_over() {
    let drivers = Flags::try_parse_from(["kilnd", "--allow-emulation"]).unwrap();
    let drivers = DriverConfig::read(&drivers).unwrap();
    let mut known = Known::default();
    known.verdicts.extend([(KVM, null_only()), (TCG, works())]);
    let Choice { pair, passed_over } = choose(&drivers, &mut known).await.unwrap();
    assert_eq!(pair, TCG);
    let passed: Vec<_> = passed_over.iter().map(|passed| passed.pair).collect();
    assert_eq!(passed, [CLOUD, KVM]);
    assert_eq!(passed_over[1].why.to_string(), "null guests only: no guest came up");
}
