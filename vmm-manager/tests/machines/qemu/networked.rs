//! A machine whose network was made elsewhere.

use kiln_vmm_manager::vmm::VmSpec;

use super::{USER, qemu, spec};
use crate::{
    given::{
        behaviour,
        network::{Given, HELPED},
    },
    stage::{Stage, within},
};

async fn networked(stage: &Stage) -> (VmSpec, Given) {
    let given = Given::new(stage.shim.program.parent().unwrap());
    let spec = spec(stage).await;
    let network = given.network(&spec.directory, &USER).await;
    (VmSpec { network: Some(network), ..spec }, given)
}

/// Whose supervisors are started by the helper that is none.
fn helped() -> Stage {
    let mut stage = Stage::new();
    stage.shim.program.set_file_name(HELPED);
    stage
}

pub(crate) async fn a_machine_of_qemu_has_a_gateway() {
    let stage = helped();
    let (spec, given) = networked(&stage).await;
    within(behaviour::a_machine_has_its_network(&qemu(&stage).await, spec, &given)).await;
}

pub(crate) async fn a_machine_of_qemu_without_its_gateway_is_not_made() {
    let stage = helped();
    let (spec, _given) = networked(&stage).await;
    within(behaviour::what_cannot_be_a_gateway_is_an_error(&qemu(&stage).await, spec)).await;
}

pub(crate) async fn a_network_is_the_helpers_to_give() {
    let stage = Stage::new();
    let (spec, _given) = networked(&stage).await;
    within(behaviour::a_network_is_the_helpers_to_give(&qemu(&stage).await, spec)).await;
}
