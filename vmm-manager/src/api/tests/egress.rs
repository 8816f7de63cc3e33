//! What a job may reach, asked for, refused and told.

use std::sync::Arc;

use kiln_net::{
    policy::{Ceiling, EndpointFlag, Policy},
    record::{EgressRecord, Flow, Reason, Refusal, Refused, Transport},
};
use kiln_proto::v1;
use tonic::Code;

use super::service::{Service, spec};
use crate::{
    config::Resolvers,
    job::Outcome,
    network::{
        NetworkLease, Networkless,
        fake::{FakeKernel, networks_with},
    },
};

fn asking(policy: &str) -> v1::JobSpec {
    let policy: Policy = policy.parse().unwrap();
    v1::JobSpec { egress: Some(crate::api::outgoing::egress::policy(&policy)), ..spec() }
}

async fn service(widest: &str) -> Service {
    let endpoints = vec!["cache.kiln:80=127.0.0.1:1".parse::<EndpointFlag>().unwrap().endpoint];
    let ceiling = Ceiling { widest: widest.parse().unwrap(), endpoints };
    let resolvers = Resolvers::Named(vec!["192.0.2.53:53".parse().unwrap()]);
    let networks = networks_with(&Arc::new(FakeKernel::default()), ceiling, resolvers).await;
    Service::start_with(Ok(networks)).await
}

async fn host(service: &Service) -> v1::GetHostResponse {
    service.host.clone().get_host(v1::GetHostRequest {}).await.unwrap().into_inner()
}

async fn refused(service: &Service, policy: &str, field: &str, words: &str) {
    let refused = service.create_with_key(asking(policy), "key").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().starts_with(field), "{refused}");
    assert!(refused.message().contains(words), "{refused}");
    assert!(service.list().await.is_empty(), "what was refused is there");
}

#[tokio::test]
async fn without_a_network_none_is_given() {
    let service = Service::start().await;
    refused(&service, "internet", "spec.egress.mode: ", "have no network").await;
    refused(&service, "allow=one.test", "spec.egress.mode: ", "ask for none").await;
    let told = host(&service).await;
    assert_eq!((told.network, told.no_network.as_str()), (None, "kilnd runs with --no-network"));
    let job = service.create(asking("none")).await.unwrap();
    assert_eq!(job.spec.unwrap().egress.unwrap().mode(), v1::EgressMode::None);
}

#[tokio::test]
async fn nobody_gets_above_the_ceiling_and_the_rule_is_named() {
    let service = service("allow=*.one.test,two.test:22/tcp").await;
    refused(&service, "internet", "spec.egress.mode: ", "`internet` is beyond").await;
    refused(&service, "record", "spec.egress.mode: ", "`record` is beyond").await;
    refused(&service, "allow=one.test", "spec.egress.rules: ", "one.test:443 is beyond").await;
    let one_of_two = "allow=a.one.test,three.test:80";
    refused(&service, one_of_two, "spec.egress.rules: ", "three.test:80 is beyond").await;
    // The key was left free.
    let job = service.create_with_key(asking("allow=a.one.test,cache.kiln:80"), "key").await;
    let egress = job.unwrap().spec.unwrap().egress.unwrap();
    assert_eq!(egress.rules, ["a.one.test:443", "cache.kiln:80"]);
    let network = host(&service).await.network.unwrap();
    assert_eq!(network.ceiling.unwrap().rules, ["two.test:22/tcp", "*.one.test:443"]);
    assert_eq!(network.endpoints, ["cache.kiln:80"]);
}

#[tokio::test]
async fn without_root_that_is_why_there_is_no_network() {
    let service = Service::start_with(Err(Networkless::WithoutRoot)).await;
    refused(&service, "internet", "spec.egress.mode: ", "have no network").await;
    let told = host(&service).await;
    assert_eq!(told.network, None);
    assert!(told.no_network.starts_with("kilnd runs without root"), "{}", told.no_network);
}

#[tokio::test]
async fn how_networks_are_is_told() {
    let kernel = Arc::new(FakeKernel::default());
    kernel.troubles.lock().unwrap().0.push("the host has a route".to_owned());
    let ceiling = Ceiling { widest: Policy::Record, endpoints: Vec::new() };
    let resolvers = Resolvers::Named(vec!["[2001:db8::53]:5353".parse().unwrap()]);
    let networks = networks_with(&kernel, ceiling, resolvers).await;
    let service = Service::start_with(Ok(Arc::clone(&networks))).await;
    let directory = tempfile::tempdir().unwrap();
    let mut lease = NetworkLease::begin(&networks, "job", directory.path(), &Policy::Record);
    lease.made(0).await.unwrap();
    let told = host(&service).await;
    let expected = v1::HostNetwork {
        ceiling: Some(crate::api::outgoing::egress::policy(&Policy::Record)),
        endpoints: Vec::new(),
        pools: vec!["198.51.100.0/24".to_owned(), "2001:db8:1::/64".to_owned()],
        leases: 1,
        link: Some(link("192.0.2.1", "192.0.2.2")),
        link6: Some(link("2001:db8::1", "2001:db8::2")),
        resolvers: vec!["[2001:db8::53]:5353".to_owned()],
        troubles: vec!["the host has a route".to_owned()],
    };
    assert_eq!((told.network, told.no_network.as_str()), (Some(expected), ""));
    lease.release().await;
    assert_eq!(host(&service).await.network.unwrap().leases, 0);
}

fn link(gateway: &str, guest: &str) -> v1::GuestLink {
    v1::GuestLink { gateway: gateway.to_owned(), guest: guest.to_owned() }
}

#[tokio::test]
async fn the_order_of_rules_is_no_other_request() {
    let service = service("internet").await;
    let first = service.create_with_key(asking("allow=a.test,b.test"), "key").await.unwrap();
    let again = service.create_with_key(asking("allow=b.test:443/tls,A.test"), "key").await;
    assert_eq!(again.unwrap().id, first.id);
    let other = service.create_with_key(asking("allow=a.test"), "key").await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
}

fn record() -> EgressRecord {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7);
    let flow = Flow {
        name: Some("one.test".parse().unwrap()),
        address: "203.0.113.1".parse().unwrap(),
        port: 443,
        transport: Transport::Tcp,
        protocol: Some(kiln_net::policy::Protocol::Tls),
        connections: 1,
        sent_bytes: 2,
        received_bytes: 3,
        first: time,
        last: time,
    };
    let refusal = Refusal {
        what: Refused::Query { name: "two.test".to_owned(), kind: "A".to_owned() },
        reason: Reason::NotAllowed,
        times: 4,
        first: None,
        last: Some(time),
    };
    let (flows, refusals) = (vec![flow], vec![refusal]);
    EgressRecord { flows, refusals, more_flows: 5, ..EgressRecord::default() }
}

#[tokio::test]
async fn what_happened_is_told_of_one_job_and_not_in_lists() {
    let service = service("internet").await;
    let (job, running) = service.run(asking("record")).await;
    assert_eq!(service.get(&job.id).await.unwrap().egress, None);
    running.job.record_egress(record()).await.unwrap();
    running.end(Outcome::Completed).await;
    let told = service.get(&job.id).await.unwrap().egress.unwrap();
    let flow = &told.flows[0];
    let to = (flow.name.as_str(), flow.address.as_str(), flow.port, flow.protocol.as_str());
    assert_eq!(to, ("one.test", "203.0.113.1", 443, "tls"));
    let refusal = &told.refusals[0];
    let what = (refusal.name.as_str(), refusal.query_kind.as_str(), refusal.reason.as_str());
    assert_eq!((what, refusal.times), (("two.test", "A", "not_allowed"), 4));
    assert_eq!((told.more_flows, refusal.first_at), (5, None));
    assert!(service.list().await.iter().all(|job| job.egress.is_none()));
}
