//! Servers of several kinds, on the loopback.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

use super::{Duration, InvalidQuestion, ResolveError, Resolvers, SocketAddr, Upstreams};

const LOOPBACK: &str = "127.0.0.1:0";

fn upstreams(servers: Vec<SocketAddr>) -> Upstreams {
    Upstreams::new(Resolvers::Named(servers))
}

fn question() -> Vec<u8> {
    let mut question = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    question.extend_from_slice(b"\x03one\x04test\x00\x00\x01\x00\x01");
    question
}

/// The question with other flags, and a word behind it that says who answered.
fn answer(question: &[u8], flags: [u8; 2], word: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2..4].copy_from_slice(&flags);
    answer.extend_from_slice(word);
    answer
}

async fn server(
    answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = socket.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            for answer in answers(&buffer[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    (address, serving)
}

#[tokio::test]
async fn a_question_is_answered_under_its_own_number() {
    let (address, _serving) = server(|asked| {
        assert_eq!(asked[2..], question()[2..], "byte for byte but its number");
        // One of another number first, and one that is no answer.
        let mut forged = answer(asked, [0x81, 0x80], b"forged");
        forged[0] ^= 0xff;
        vec![forged, asked.to_vec(), vec![0; 3], answer(asked, [0x81, 0x80], b"true")]
    })
    .await;
    let upstreams = upstreams(vec![address]);
    let said = upstreams.resolve(question()).await.unwrap();
    assert_eq!(said, answer(&question(), [0x81, 0x80], b"true"));
}

#[tokio::test]
async fn a_server_that_is_silent_or_unable_is_passed_over_and_not_asked_first_again() {
    let silent = UdpSocket::bind(LOOPBACK).await.unwrap();
    let (unable, _unable) = server(|asked| vec![answer(asked, [0x81, 0x82], b"unable")]).await;
    let (able, _able) = server(|asked| vec![answer(asked, [0x81, 0x80], b"able")]).await;
    let servers = vec![silent.local_addr().unwrap(), unable, able];
    let upstreams = upstreams(servers);
    let said = upstreams.resolve(question()).await.unwrap();
    assert!(said.ends_with(b"able") && !said.ends_with(b"unable"), "{said:?}");
    let mut buffer = [0; 64];
    assert!(silent.try_recv(&mut buffer).is_ok(), "it was asked");
    upstreams.resolve(question()).await.unwrap();
    assert!(silent.try_recv(&mut buffer).is_err(), "it was asked first again");
}

#[tokio::test]
async fn where_no_server_is_able_their_word_is_passed_on() {
    let (refuses, _serving) = server(|asked| vec![answer(asked, [0x81, 0x85], b"refused")]).await;
    let said = upstreams(vec![refuses]).resolve(question()).await.unwrap();
    assert!(said.ends_with(b"refused"));
}

#[tokio::test]
async fn what_is_cut_off_is_asked_for_whole() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).await.unwrap();
    let serving = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let cut = answer(&buffer[..length], [0x83, 0x80], b"");
        socket.send_to(&cut, from).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = usize::from(stream.read_u16().await.unwrap());
        let mut asked = vec![0; length];
        stream.read_exact(&mut asked).await.unwrap();
        let whole = answer(&asked, [0x81, 0x80], &vec![7; 40_000]);
        stream.write_u16(u16::try_from(whole.len()).unwrap()).await.unwrap();
        stream.write_all(&whole).await.unwrap();
    });
    let said = upstreams(vec![address]).resolve(question()).await.unwrap();
    assert_eq!(said, answer(&question(), [0x81, 0x80], &vec![7; 40_000]));
    serving.await.unwrap();
}

#[tokio::test]
async fn what_is_no_question_goes_nowhere() {
    let server = UdpSocket::bind(LOOPBACK).await.unwrap();
    let upstreams = upstreams(vec![server.local_addr().unwrap()]);
    let mut update = question();
    update[2] = 0x28;
    for message in [Vec::new(), vec![0; 11], vec![0; 4096], update] {
        let refused = upstreams.resolve(message).await.unwrap_err();
        assert!(matches!(refused, ResolveError::Question(_)), "{refused}");
    }
    let update = upstreams.resolve(answer(&question(), [0x28, 0], b"")).await.unwrap_err();
    assert!(matches!(update, ResolveError::Question(InvalidQuestion::Kind)));
    assert!(server.try_recv(&mut [0; 64]).is_err(), "it was asked");
}

#[tokio::test]
async fn without_an_answer_it_is_said_in_time() {
    let nobody = upstreams(Vec::new()).resolve(question()).await.unwrap_err();
    assert!(matches!(nobody, ResolveError::NoServer));
    let silent = UdpSocket::bind(LOOPBACK).await.unwrap();
    let upstreams = upstreams(vec![silent.local_addr().unwrap()]);
    let began = std::time::Instant::now();
    let error = upstreams.resolve(question()).await.unwrap_err();
    assert!(matches!(error, ResolveError::Silent));
    assert!(began.elapsed() < super::WHOLE + Duration::from_secs(1));
}
