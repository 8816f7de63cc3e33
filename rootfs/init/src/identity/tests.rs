use super::*;

const PASSWD: &str = "\
# a comment
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
app:x:1000:1000:,,,:/home/app:/bin/bash
twin:x:1000:77::/home/twin:/bin/sh
1001:x:7:8::/seven:/bin/sh
homeless:x:1002:1002
broken:x:many:1::/:
  spaced:x:12:13::/spaced:  
";
const GROUP: &str = "\
root:x:0:root
adm:x:4:daemon,app,root
docker:x:999:app,twin
app:x:1000:
broken:x::app
short:x:60
staff:x:50:apprentice,app2
";

type Found<'a> = (u32, u32, &'a [u32], &'a str);

fn check_in(database: &Database, said: &str, expected: Result<Found<'_>, &str>) {
    match (Identity::find(said, database), expected) {
        (Ok(found), Ok((user, group, groups, home))) => {
            assert_eq!((found.user, found.group), (user, group), "{said}");
            assert_eq!((&*found.groups, &*found.home), (groups, home), "{said}");
        }
        (Err(error), Err(message)) => assert!(error.to_string().contains(message), "{error}"),
        (found, expected) => panic!("{said}: {found:?} instead of {expected:?}"),
    }
}

fn check(said: &str, expected: Result<Found<'_>, &str>) {
    check_in(&Database::new(PASSWD.as_bytes(), GROUP.as_bytes()), said, expected);
}

#[test]
fn nobody_is_root_with_roots_groups() {
    check("", Ok((0, 0, &[0, 0, 4], "/root")));
    check("root", Ok((0, 0, &[0, 0, 4], "/root")));
    check("0", Ok((0, 0, &[0, 0, 4], "/root")));
    check(":app", Ok((0, 1000, &[1000], "/root")));
}

#[test]
fn a_user_has_the_groups_that_name_it() {
    check("app", Ok((1000, 1000, &[1000, 4, 999], "/home/app")));
    check("1000", Ok((1000, 1000, &[1000, 4, 999], "/home/app")));
    check("app:", Ok((1000, 1000, &[1000, 4, 999], "/home/app")));
    check("spaced", Ok((12, 13, &[13], "/spaced")));
}

#[test]
fn who_names_a_group_has_no_other() {
    check("app:adm", Ok((1000, 4, &[4], "/home/app")));
    check("app:adm:x", Ok((1000, 4, &[4], "/home/app")));
    check("app:77", Ok((1000, 77, &[77], "/home/app")));
    check("app:short", Ok((1000, 60, &[60], "/home/app")));
    check("5555:docker", Ok((5555, 999, &[999], "/")));
    check("5555:6666", Ok((5555, 6666, &[6666], "/")));
}

#[test]
fn a_number_needs_no_entry_and_is_never_a_name() {
    check("5555", Ok((5555, 0, &[0], "/")));
    check("1001", Ok((1001, 0, &[0], "/")));
    check("+7", Ok((7, 8, &[8], "/seven")));
    check("2147483647", Ok((2_147_483_647, 0, &[0], "/")));
}

#[test]
fn the_home_is_the_first_ones_of_that_number() {
    check("twin", Ok((1000, 77, &[77, 999], "/home/app")));
    check("homeless", Ok((1002, 1002, &[1002], "")));
}

#[test]
fn who_is_not_there_is_named() {
    check("ghost", Err("no user \"ghost\""));
    check("broken", Err("no user \"broken\""));
    check("# a comment", Err("no user"));
    check("app:ghosts", Err("no group \"ghosts\""));
    check("app:broken", Err("no group \"broken\""));
    check("-", Err("no user"));
    for range in ["2147483648", "4294967295", "-1", "99999999999999999999", "0:-1"] {
        check(range, Err("is no id"));
    }
}

#[test]
fn without_files_there_are_numbers_and_root() {
    let empty = Database::default();
    check_in(&empty, "", Ok((0, 0, &[0], "/")));
    check_in(&empty, "12:13", Ok((12, 13, &[13], "/")));
    check_in(&empty, "root", Err("no user \"root\""));
    check_in(&empty, "0:root", Err("no group \"root\""));
}

#[test]
fn bytes_that_are_no_text_are_in_nobodys_way() {
    let database = Database::new(b"\xff\xfe:x:1:1::/:\napp:x:5:6::/\xff:\n", b"\xff:x:1:app\n");
    check_in(&database, "app", Ok((5, 6, &[6, 1], "/\u{fffd}")));
}
