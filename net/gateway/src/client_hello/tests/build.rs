//! Hellos as no client would send them.

#[derive(Clone, Debug)]
pub(crate) struct Build {
    extensions: Option<Vec<(u16, Vec<u8>)>>,
    ciphers: Vec<u16>,
}

impl Default for Build {
    fn default() -> Self {
        // TLS 1.3 alone, x25519, RSA-PSS.
        let versions = (43, b"\x02\x03\x04".to_vec());
        let groups = (10, b"\0\x02\0\x1d".to_vec());
        let algorithms = (13, b"\0\x02\x08\x04".to_vec());
        Self { extensions: Some(vec![versions, groups, algorithms]), ciphers: vec![0x1301] }
    }
}

impl Build {
    pub(crate) fn named(name: &str) -> Self {
        Self::named_bytes(name.as_bytes())
    }

    pub(crate) fn named_bytes(name: &[u8]) -> Self {
        Self::default().extension(0, &server_name(&[(0, name)]))
    }

    pub(crate) fn extension(mut self, kind: u16, content: &[u8]) -> Self {
        self.extensions.get_or_insert_default().push((kind, content.to_vec()));
        self
    }

    pub(crate) fn without_extensions(mut self) -> Self {
        self.extensions = None;
        self
    }

    /// As browsers have it: values that mean nothing, first and last.
    pub(crate) fn grease(mut self) -> Self {
        self.ciphers.insert(0, 0x0a0a);
        let extensions = self.extensions.get_or_insert_default();
        extensions.insert(0, (0x1a1a, Vec::new()));
        extensions.push((0xeaea, vec![0]));
        self
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut body = b"\x03\x03".to_vec();
        body.extend([7; 32]);
        body.push(32);
        body.extend([9; 32]);
        let ciphers: Vec<u8> =
            self.ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()).collect();
        body.extend(counted(&ciphers));
        body.extend(b"\x01\0");
        if let Some(extensions) = &self.extensions {
            let mut all = Vec::new();
            for (kind, content) in extensions {
                all.extend(kind.to_be_bytes());
                all.extend(counted(content));
            }
            body.extend(counted(&all));
        }
        body
    }

    /// In one record.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        records(&handshake(1, &self.body()), &[])
    }
}

pub(crate) fn server_name(names: &[(u8, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, name) in names {
        list.push(*kind);
        list.extend(counted(name));
    }
    counted(&list)
}

pub(crate) fn server_hello(retry: bool) -> Vec<u8> {
    let mut body = b"\x03\x03".to_vec();
    if retry {
        body.extend(crate::client_hello::retry::RETRY);
    } else {
        body.extend([3; 32]);
    }
    body.extend(b"\0\x13\x01\0");
    body
}

pub(crate) fn alert() -> Vec<u8> {
    b"\x15\x03\x03\0\x02\x01\x70".to_vec()
}

pub(crate) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

/// Cut where `cuts` say.
pub(crate) fn records(message: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([message.len()]) {
        bytes.extend(b"\x16\x03\x01");
        bytes.extend(counted(&message[at..cut]));
        at = cut;
    }
    bytes
}

fn counted(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&length[..], content].concat()
}
