use super::*;

const PASSWD: &str = "\
# a comment
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
builder:x:1000:1000:,,,:/home/builder:/bin/bash
1001:x:7:8::/seven:/bin/sh
homeless:x:1002:1002::nowhere:/bin/sh
broken:x:many:1::/:
nobody:x:4294967295:1::/:
short:x:5
";
const GROUP: &str = "\
root:x:0:
adm:x:4:daemon,builder
docker:x:999:builder
builder:x:1000:
broken:x::builder
staff:x:50:rebuilder,builder2
";

fn etc() -> tempfile::TempDir {
    let etc = tempfile::tempdir().unwrap();
    std::fs::write(etc.path().join("passwd"), PASSWD).unwrap();
    std::fs::write(etc.path().join("group"), GROUP).unwrap();
    etc
}

fn check(name: &str, expected: Result<(u32, u32, &[u32], &str), &str>) {
    let etc = etc();
    let found = look_up(&UserName::parse(name).unwrap(), etc.path());
    match (found, expected) {
        (Ok(identity), Ok((uid, gid, groups, home))) => {
            assert_eq!((identity.uid.as_raw(), identity.gid.as_raw()), (uid, gid), "{name}");
            let found: Vec<u32> = identity.groups.iter().map(|group| group.as_raw()).collect();
            assert_eq!((&*found, &*identity.home), (groups, home), "{name}");
        }
        (Err(error), Err(message)) => assert!(error.to_string().contains(message), "{error}"),
        (found, expected) => panic!("{name}: {found:?} instead of {expected:?}"),
    }
}

#[test]
fn users_are_found_in_every_form() {
    check("", Ok((0, 0, &[0], "/root")));
    check("root", Ok((0, 0, &[0], "/root")));
    check("builder", Ok((1000, 1000, &[4, 999, 1000], "/home/builder")));
    check("1000", Ok((1000, 1000, &[4, 999, 1000], "/home/builder")));
    check("builder:adm", Ok((1000, 4, &[], "/home/builder")));
    check("builder:77", Ok((1000, 77, &[], "/home/builder")));
    check("5555", Ok((5555, 0, &[], "/")));
    check("5555:docker", Ok((5555, 999, &[], "/")));
    check("5555:6666", Ok((5555, 6666, &[], "/")));
    check("homeless", Ok((1002, 1002, &[1002], "/")));
}

#[test]
fn a_name_of_digits_is_a_name_first() {
    check("1001", Ok((7, 8, &[8], "/seven")));
}

#[test]
fn who_is_not_there_is_named() {
    check("ghost", Err("no user \"ghost\""));
    check("broken", Err("no user \"broken\""));
    check("nobody", Err("no user \"nobody\""));
    check("short", Err("no user \"short\""));
    check("builder:ghosts", Err("no group \"ghosts\""));
    check("4294967295", Err("no user"));
    check("-1", Err("no user"));
    check("+1", Err("no user"));
    check("99999999999", Err("no user"));
    check("0:-1", Err("no group"));
}

#[test]
fn forms_that_are_none_are_refused() {
    for text in [":", "root:", ":root", "a:b:c", "a\nb", "a,b"] {
        assert!(UserName::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn without_files_there_are_numbers_and_root() {
    let etc = tempfile::tempdir().unwrap();
    let look = |name: &str| look_up(&UserName::parse(name).unwrap(), etc.path());
    assert_eq!(look("").unwrap().uid.as_raw(), 0);
    assert_eq!(look("12:13").unwrap().gid.as_raw(), 13);
    assert!(matches!(look("root"), Err(UnknownUser::User(_))));
}

#[test]
fn files_that_are_none_are_an_error_and_never_a_hang() {
    let etc = tempfile::tempdir().unwrap();
    let passwd = etc.path().join("passwd");
    let look = || look_up(&UserName::parse("root").unwrap(), etc.path());
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &passwd,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(matches!(look(), Err(UnknownUser::Unreadable { .. })));
    std::fs::remove_file(&passwd).unwrap();
    std::fs::write(&passwd, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(look(), Err(UnknownUser::Unreadable { .. })));
}
