//! The name of the host's registry.

use hickory_proto::{op::ResponseCode, rr::RecordType};
use kiln_net::{control::REGISTRY_NAME, policy::Policy};

use crate::{
    gateway::{Setup, allow},
    guest::{addresses, ask, code, is_refused},
};

#[test]
fn it_is_the_gateways_whatever_the_policy_and_nothing_of_it_is_recorded() {
    for policy in [Policy::None, allow(), Policy::Record, Policy::Internet] {
        let four = Setup::of(policy.clone()).start();
        assert_eq!(addresses(&ask(four.udp, REGISTRY_NAME, RecordType::A)), ["192.0.2.1"]);
        for kind in [RecordType::AAAA, RecordType::HTTPS] {
            let answer = ask(four.udp, REGISTRY_NAME, kind);
            assert_eq!((code(&answer), answer.answers.len()), (ResponseCode::NoError, 0));
        }
        let six = Setup::of(policy).with_six().start();
        let answer = ask(six.udp, "Registry.Kiln", RecordType::AAAA);
        assert_eq!(addresses(&answer), ["2001:db8:1::1"]);
        for gateway in [four, six] {
            assert_eq!(gateway.memory.asked(), [""; 0]);
            // The rules let it through without.
            assert_eq!(gateway.memory.admitted(), []);
            assert_eq!(gateway.refusals(), []);
        }
    }
}

#[test]
fn nothing_beside_it_is_told() {
    let gateway = Setup::of(Policy::None).start();
    let beside = ["data.registry.kiln", "registry.kiln.evil.test", "kiln", "xregistry.kiln"];
    for name in beside {
        assert!(is_refused(&ask(gateway.udp, name, RecordType::A)), "{name}");
    }
    assert!(is_refused(&ask(gateway.udp, REGISTRY_NAME, RecordType::TXT)));
    assert_eq!(gateway.refusals().len(), beside.len() + 1);
    let without = Setup { registry: false, ..Setup::of(Policy::None) }.start();
    assert!(is_refused(&ask(without.udp, REGISTRY_NAME, RecordType::A)));
}
