//! The operator's services that a machine may reach, each by its name and at one address.

use std::{collections::BTreeMap, net::SocketAddr};

use kiln_net::{name::Name, policy::Endpoint};

/// Nothing else is ever dialled for a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints(BTreeMap<(Name, u16), SocketAddr>);

impl Endpoints {
    pub(crate) fn new(all: impl IntoIterator<Item = (Endpoint, SocketAddr)>) -> Self {
        let entries = all.into_iter();
        Self(entries.map(|(Endpoint { name, port }, address)| ((name, port), address)).collect())
    }

    /// The address as it was configured.
    pub(crate) fn find(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        self.0.get(&(endpoint.name.clone(), endpoint.port)).copied()
    }

    pub(crate) fn names(&self) -> Vec<Endpoint> {
        let names = self.0.keys();
        names.map(|(name, port)| Endpoint { name: name.clone(), port: *port }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_by_its_name_and_port_alone() {
        let endpoint = |name: &str, port| Endpoint { name: name.parse().unwrap(), port };
        let address = "192.0.2.1:5000".parse().unwrap();
        let endpoints = Endpoints::new([(endpoint("mirror.kiln", 443), address)]);
        assert_eq!(endpoints.find(&endpoint("MIRROR.kiln.", 443)), Some(address));
        for (name, port) in [("mirror.kiln", 80), ("x.mirror.kiln", 443), ("kiln", 443)] {
            assert_eq!(endpoints.find(&endpoint(name, port)), None, "{name}:{port}");
        }
        assert_eq!(endpoints.names(), [endpoint("mirror.kiln", 443)]);
    }
}
