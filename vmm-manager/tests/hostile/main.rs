mod play;
#[test]
fn t() {
    let o = play::play(&[0]);
    panic!("{o:?}");
}
