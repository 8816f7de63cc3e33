//! The real resolver against a forwarder: both ask the same daemon over a control socket, which asks
//! a server over UDP. The forwarder passes bytes on and knows nothing; the resolver reads, rules,
//! judges, has addresses admitted, and writes anew.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            net::{UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Child, Command},
    sync::mpsc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::{
    op::{Message, OpCode, Query},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use kiln_gateway::control::Control;
use kiln_net::{
    control::{
        Ask, CONTROL_FD, DNS_TCP_FD, DNS_UDP_FD, GatewayConfig, MAX_LINE_BYTES, REGISTRY_FD,
        SPLICE_FD, Tell,
    },
    plan::GuestLink,
    policy::{Pattern, Policy, Protocol, Rule},
};

/// Of each kind in a round; all within what a guest may ask at once.
const QUESTIONS: usize = 100;
/// So that a guest's budget is full again.
const PAUSE: Duration = Duration::from_millis(1200);

/// Ratios of median times, one of each round: for names that were not asked for before, with their
/// admission, and for such as are kept.
pub(crate) fn measure(program: &Path, rounds: usize) -> io::Result<Vec<(&'static str, Vec<f64>)>> {
    let directory = tempfile::tempdir()?;
    let server = serve_names()?;
    let resolver = Resolver::start(program, directory.path(), server, rounds)?;
    let forwarder = forward(&directory.path().join("forwarder.sock"), server)?;
    let (mut new, mut kept) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let names: Vec<_> = (0..QUESTIONS).map(|number| host(round, number)).collect();
        let plain = median(forwarder, &names)?;
        new.push(median(resolver.address, &names)? / plain);
        kept.push(median(resolver.address, &names)? / plain);
        std::thread::sleep(PAUSE);
    }
    Ok(vec![("resolver, new names ÷ forwarder", new), ("resolver, kept names ÷ forwarder", kept)])
}

fn host(round: usize, number: usize) -> String {
    format!("host{number}.round{round}.test")
}

/// Seconds.
fn median(to: SocketAddr, names: &[String]) -> io::Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [0; 1500];
    let mut times = Vec::with_capacity(names.len());
    for name in names {
        let question = question(name);
        let began = Instant::now();
        socket.send(&question)?;
        let length = socket.recv(&mut buffer)?;
        times.push(began.elapsed().as_secs_f64());
        let answer = Message::from_vec(&buffer[..length]).map_err(io::Error::other)?;
        assert_eq!(answer.answers.len(), 2, "{name} is answered by {answer:?}");
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{name}.")).expect("a name");
    message.add_query(Query::query(name, RecordType::A));
    message.to_vec().expect("a message")
}

/// Every name has two addresses.
fn serve_names() -> io::Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(asked) = Message::from_vec(&buffer[..length]) else { continue };
            let mut answer = Message::response(asked.metadata.id, OpCode::Query);
            answer.add_queries(asked.queries.clone());
            for last in [1, 2] {
                answer.add_answer(Record::from_rdata(
                    asked.queries[0].name().clone(),
                    300,
                    RData::A(A::new(198, 51, 100, last)),
                ));
            }
            let Ok(answer) = answer.to_vec() else { continue };
            let _ = socket.send_to(&answer, from);
        }
    });
    Ok(address)
}

/// Relays questions to `server`, and admits at once.
fn serve_daemon(control: &Path, server: SocketAddr) -> io::Result<()> {
    let mut stream = UnixStream::connect(control)?;
    stream.write_all(b"{\"hello\":{}}\n")?;
    let reader = BufReader::with_capacity(MAX_LINE_BYTES, stream.try_clone()?);
    let upstream = UdpSocket::bind("127.0.0.1:0")?;
    upstream.connect(server)?;
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        for line in reader.lines().map_while(Result::ok) {
            let tell = match serde_json::from_str(&line)? {
                Ask::Resolve { id, message } => {
                    upstream.send(&STANDARD.decode(message).map_err(io::Error::other)?)?;
                    let length = upstream.recv(&mut buffer)?;
                    Tell::Resolved { id, message: STANDARD.encode(&buffer[..length]) }
                }
                Ask::Admit { id, .. } => Tell::Admitted { id },
                Ask::Dial { id, .. } | Ask::Registry { id } => {
                    Tell::Failed { id, reason: "nothing listens".into() }
                }
            };
            let mut said = serde_json::to_vec(&tell)?;
            said.push(b'\n');
            stream.write_all(&said)?;
        }
        io::Result::Ok(())
    });
    Ok(())
}

/// In a thread of its own, as the gateway has one.
fn forward(control: &Path, server: SocketAddr) -> io::Result<SocketAddr> {
    let listener = UnixListener::bind(control)?;
    listener.set_nonblocking(true)?;
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let control = Control::default();
            let listener = tokio::net::UnixListener::from_std(listener)?;
            tokio::spawn(control.clone().serve(listener));
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
            let _ = started.send(socket.local_addr()?);
            let mut buffer = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await?;
                if let Ok(answer) = control.resolve(&buffer[..length]).await {
                    socket.send_to(&answer, from).await?;
                }
            }
            #[expect(unreachable_code, reason = "says what the errors above are")]
            io::Result::Ok(())
        })
    });
    let address = address.recv().map_err(io::Error::other)?;
    serve_daemon(control, server)?;
    Ok(address)
}

struct Resolver {
    child: Child,
    address: SocketAddr,
}

impl Resolver {
    fn start(
        program: &Path,
        directory: &Path,
        server: SocketAddr,
        rounds: usize,
    ) -> io::Result<Self> {
        let path = directory.join("egress.json");
        std::fs::write(&path, serde_json::to_vec(&config(directory, rounds))?)?;
        let control = directory.join("gateway.sock");
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let address = udp.local_addr()?;
        let sockets: [(i32, OwnedFd); 5] = [
            (CONTROL_FD, UnixListener::bind(&control)?.into()),
            (DNS_UDP_FD, udp.into()),
            (DNS_TCP_FD, TcpListener::bind("127.0.0.1:0")?.into()),
            (SPLICE_FD, TcpListener::bind("127.0.0.1:0")?.into()),
            (REGISTRY_FD, TcpListener::bind("127.0.0.1:0")?.into()),
        ];
        let mut command = Command::new(program);
        command.arg(&path);
        // SAFETY: only dup2 is called between fork and exec, on descriptors that the closure owns.
        unsafe {
            command.pre_exec(move || {
                for (number, socket) in &sockets {
                    if libc::dup2(socket.as_raw_fd(), *number) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let resolver = Self { child: command.spawn()?, address };
        serve_daemon(&control, server)?;
        Ok(resolver)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}

/// A rule for each name, as a lockfile has it.
fn config(directory: &Path, rounds: usize) -> GatewayConfig {
    let names = (0..rounds).flat_map(|round| (0..QUESTIONS).map(move |number| host(round, number)));
    let rules = names.map(|name| Rule {
        pattern: Pattern::Exact(name.parse().expect("a name")),
        port: 443,
        protocol: Protocol::Tls,
    });
    GatewayConfig {
        policy: Policy::Allow(rules.collect()),
        link: GuestLink {
            guest: [198, 19, 255, 254].into(),
            gateway: [198, 19, 255, 253].into(),
            six: None,
        },
        endpoints: Vec::new(),
        never: Vec::new(),
        connections: 16,
        registry: true,
        record: directory.join("egress.log"),
        record_bytes: 1 << 20,
    }
}
