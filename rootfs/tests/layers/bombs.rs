//! Layers that ask for more than there is: a typed error, each just above its limit and just below it.
//! 12 and more cases.

use kiln_archive::ReadError;
use kiln_forge::Forge;
use kiln_rootfs::{ApplyError, Compression, LayerError, LayersError, Limits, OverBudget};

use crate::converted::{Refused, layers, layers_with};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("bombs::bytes_have_an_end_in_one_layer_and_in_all", bytes_have_an_end_in_one_layer_and_in_all),
    (
        "bombs::zeros_a_thousand_times_as_many_are_refused",
        zeros_a_thousand_times_as_many_are_refused,
    ),
    (
        "bombs::entries_have_an_end_in_one_layer_and_in_all",
        entries_have_an_end_in_one_layer_and_in_all,
    ),
    ("bombs::words_have_an_end", words_have_an_end),
    ("bombs::holes_have_an_end_in_one_layer_and_in_all", holes_have_an_end_in_one_layer_and_in_all),
    ("bombs::nesting_has_an_end", nesting_has_an_end),
    ("bombs::links_that_wind_have_an_end", links_that_wind_have_an_end),
    ("bombs::marks_that_come_again_cost_nothing", marks_that_come_again_cost_nothing),
    ("bombs::a_frame_with_a_huge_window_is_refused", a_frame_with_a_huge_window_is_refused),
];

const ALL: [Compression; 3] = [Compression::Plain, Compression::Gzip, Compression::Zstd];

fn limits() -> Limits {
    Limits {
        bytes: 1 << 20,
        holes: 1 << 20,
        entries: 100,
        words: 10_000,
        depth: 16,
        windings: 1 << 20,
        ratio: 1000,
        harmless: 1 << 30,
    }
}

fn refused(layers: &[Vec<u8>], compression: Compression, limits: &Limits) -> LayerError {
    match layers_with(layers, compression, limits) {
        Err(Refused::Layers(LayersError::Layer { source, .. })) => source,
        other => panic!("{other:?}"),
    }
}

/// What is whole at `limits` is refused as soon as one of them is one less.
fn check(layers: &[Vec<u8>], limits: Limits, lowered: Limits, is_right: fn(&LayerError) -> bool) {
    for compression in ALL {
        layers_with(layers, compression, &limits).unwrap();
        let error = refused(layers, compression, &lowered);
        assert!(is_right(&error), "{compression}: {error:?}");
    }
}

fn file(name: &str, length: usize) -> Forge {
    Forge::default().member(b'0', name, "", 0o644, &vec![7; length])
}

fn bytes_have_an_end_in_one_layer_and_in_all() {
    let over = |error: &LayerError| {
        matches!(
            error,
            LayerError::OverBudget(OverBudget::Bytes { .. })
                | LayerError::Archive(ReadError::TooLarge { .. })
        )
    };
    let one = file("a", 100_000).end();
    let bytes = one.len() as u64;
    let exactly = Limits { bytes, ..limits() };
    check(std::slice::from_ref(&one), exactly, Limits { bytes: bytes - 1, ..limits() }, over);
    let all = [one.clone(), one.clone(), one];
    let exactly = Limits { bytes: 3 * bytes, ..limits() };
    check(&all, exactly, Limits { bytes: 3 * bytes - 1, ..limits() }, over);
}

fn zeros_a_thousand_times_as_many_are_refused() {
    let zeros = Forge::default().member(b'0', "zeros", "", 0o644, &vec![0; 8 << 20]).end();
    let roomy = Limits { bytes: 1 << 30, ..limits() };
    for compression in [Compression::Gzip, Compression::Zstd] {
        layers_with(std::slice::from_ref(&zeros), compression, &roomy).unwrap();
        let strict = Limits { ratio: 100, harmless: 1 << 20, ..roomy };
        let error = refused(std::slice::from_ref(&zeros), compression, &strict);
        assert!(matches!(error, LayerError::OverBudget(OverBudget::Ratio { .. })), "{error:?}");
        // What is small is no bomb.
        let harmless = Limits { ratio: 100, ..roomy };
        layers_with(std::slice::from_ref(&zeros), compression, &harmless).unwrap();
        let error = refused(std::slice::from_ref(&zeros), compression, &limits());
        assert!(
            matches!(
                error,
                LayerError::Archive(ReadError::TooLarge { .. })
                    | LayerError::OverBudget(OverBudget::Bytes { .. })
            ),
            "{error:?}"
        );
    }
}

fn entries_have_an_end_in_one_layer_and_in_all() {
    let over = |error: &LayerError| {
        matches!(
            error,
            LayerError::OverBudget(OverBudget::Entries { .. })
                | LayerError::Archive(ReadError::TooMany { .. })
        )
    };
    let many = (0..50).fold(Forge::default(), |forge, number| {
        forge.member(b'5', &format!("d{number}"), "", 0o755, b"")
    });
    let many = many.end();
    let exactly = Limits { entries: 50, ..limits() };
    check(std::slice::from_ref(&many), exactly, Limits { entries: 49, ..limits() }, over);
    let twice = [many.clone(), many];
    check(&twice, limits(), Limits { entries: 99, ..limits() }, over);
}

fn words_have_an_end() {
    let over =
        |error: &LayerError| matches!(error, LayerError::OverBudget(OverBudget::Words { .. }));
    // A name of 4, an attribute of 6 and 3,000, a target of 5.
    let value = "x".repeat(3000);
    let archive = Forge::default()
        .pax(&[("SCHILY.xattr.user.a", &value)])
        .member(b'2', "name", "there", 0o777, b"")
        .end();
    let exactly = Limits { words: 3015, ..limits() };
    check(std::slice::from_ref(&archive), exactly, Limits { words: 3014, ..limits() }, over);
}

fn holes_have_an_end_in_one_layer_and_in_all() {
    let over = |error: &LayerError| {
        matches!(
            error,
            LayerError::OverBudget(OverBudget::Holes { .. })
                | LayerError::Archive(ReadError::TooHollow { .. })
        )
    };
    let hole = Forge::default().holes("hole", &[(1 << 19, 0)], 1 << 19, b"").end();
    let twice = [hole.clone(), hole];
    check(&twice, limits(), Limits { holes: (1 << 20) - 1, ..limits() }, over);
    let most = i64::MAX as u64;
    let endless = Forge::default().holes("hole", &[(most, 0)], most, b"").end();
    assert!(over(&refused(&[endless], Compression::Gzip, &Limits::default())));
    let text = most.to_string();
    let body = [format!("1\n{text}\n0\n").into_bytes(), vec![0; 512]].concat();
    let endless = Forge::default()
        .pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "hole"),
            ("GNU.sparse.realsize", &text),
        ])
        .member(b'0', "x", "", 0o644, &body[..512])
        .end();
    assert!(over(&refused(&[endless], Compression::Zstd, &Limits::default())));
}

fn nesting_has_an_end() {
    let over = |error: &LayerError| matches!(error, LayerError::Archive(ReadError::Path { .. }));
    let deep = "d/".repeat(16);
    let archive = Forge::default().member(b'5', &deep, "", 0o755, b"").end();
    check(&[archive], limits(), Limits { depth: 15, ..limits() }, over);
}

/// Cheap to write down, and each time that it is met a long way to follow.
fn links_that_wind_have_an_end() {
    let door = "a/../".repeat(40);
    let archive = Forge::default()
        .member(b'5', "a", "", 0o755, b"")
        .member(b'2', "door", &door[..100], 0o777, b"")
        .member(b'0', "door/x", "", 0o644, b"")
        .member(b'0', "door/y", "", 0o644, b"")
        .end();
    let layers = [archive];
    let whole = Limits { windings: 200, ..limits() };
    layers_with(&layers, Compression::Gzip, &whole).unwrap();
    let lowered = Limits { windings: 199, ..limits() };
    match layers_with(&layers, Compression::Gzip, &lowered) {
        Err(Refused::Apply(ApplyError::Winding { layer: 1, path })) if path == "door/y" => {}
        other => panic!("{other:?}"),
    }
}

fn a_frame_with_a_huge_window_is_refused() {
    // A frame that asks for 2 GiB to be kept: magic, no flags, an exponent of 21.
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3][..], &[0x01, 0, 0]].concat();
    let directory = tempfile::tempdir().unwrap();
    let mut layout = crate::layout::Layout::default();
    layout.packed("latest", "amd64", &[vec![0; 1024]], vec![frame]);
    layout.write(directory.path());
    match crate::converted::image(directory.path(), &limits()) {
        Err(Refused::Layers(LayersError::Layer { source: LayerError::Inflate { .. }, .. })) => {}
        other => panic!("{other:?}"),
    }
}

/// As many as there are names in the directory, and each looked at all of them: 1,600,000,000 looks.
fn marks_that_come_again_cost_nothing() {
    const COUNT: usize = 40_000;
    let lower = Forge::default().member(b'0', "d/e/old", "", 0o644, b"").end();
    let own = (0..COUNT).fold(Forge::default(), |forge, number| {
        forge.member(b'0', &format!("d/e/{number}"), "", 0o644, b"")
    });
    let marks = ["d/.wh..wh..opq", "d/e/.wh..wh..opq", ".wh.d", "d/.wh.e"];
    let upper = (0..COUNT)
        .fold(own, |forge, number| forge.member(b'0', marks[number % marks.len()], "", 0o644, b""));
    let upper = upper.member(b'0', "d/e/last", "", 0o644, b"").end();
    let converted = layers(&[lower, upper]).unwrap();
    let mut paths = converted.reading().paths();
    assert_eq!(paths.len(), 2 + COUNT + 1);
    paths.retain(|path| path.ends_with("old"));
    assert_eq!(paths, [""; 0]);
}
