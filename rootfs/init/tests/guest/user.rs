//! Users as docker resolves them, and what they may do.

use crate::stage::Guest;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("user::it_has_dockers_numbers_and_home", it_has_dockers_numbers_and_home),
    ("user::one_that_is_unknown_is_125", one_that_is_unknown_is_125),
    ("user::it_has_no_privileges", it_has_no_privileges),
    ("user::it_may_open_its_streams", it_may_open_its_streams),
    ("user::it_may_listen_on_port_80", it_may_listen_on_port_80),
    ("user::an_image_without_users_has_numbers", an_image_without_users_has_numbers),
];

const WHO: &str = "echo $(id -u) $(id -g) $(id -G) $HOME";

fn it_has_dockers_numbers_and_home() {
    for (user, expected) in [
        ("", "0 0 0 /root\n"),
        ("root", "0 0 0 /root\n"),
        ("app", "1000 1000 1000 4 50 /home/app\n"),
        ("1000", "1000 1000 1000 4 50 /home/app\n"),
        ("app:adm", "1000 4 4 /home/app\n"),
        ("app:77", "1000 77 77 /home/app\n"),
        ("5555", "5555 0 0 /\n"),
        ("5555:extra", "5555 50 50 /\n"),
        ("5555:6666", "5555 6666 6666 /\n"),
    ] {
        let guest = Guest::script(WHO).user(user);
        guest.run().check(0, expected);
    }
}

fn one_that_is_unknown_is_125() {
    for (user, why) in [
        ("ghost", "there is no user \"ghost\" in /etc/passwd"),
        ("app:ghosts", "there is no group \"ghosts\" in /etc/group"),
        ("4294967295", "4294967295 is no id"),
    ] {
        let outcome = Guest::script(WHO).user(user).run();
        outcome.check(125, "");
        assert!(outcome.console.contains(why), "{}", outcome.console);
    }
}

fn it_has_no_privileges() {
    let zero = "0000000000000000";
    let expected = format!("CapInh:\t{zero}\nCapPrm:\t{zero}\nCapEff:\t{zero}\nCapAmb:\t{zero}\n");
    Guest::script(
        "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status; touch /x 2>/dev/null && echo x",
    )
    .user("app")
    .run()
    .check(1, &expected);
}

fn it_may_open_its_streams() {
    Guest::script("echo one; echo two >/dev/stdout; echo three >/dev/stderr; cat /dev/stdin")
        .user("app")
        .run()
        .check(0, "one\ntwo\nthree\n");
}

fn it_may_listen_on_port_80() {
    let script = "nc -l -p 80 >/dev/null &
        for i in $(seq 100); do
            cat /proc/net/tcp /proc/net/tcp6 | grep -q ':0050 .* 0A ' && echo listens && exit
            sleep 0.1
        done";
    Guest::script(script).user("app").run().check(0, "listens\n");
}

fn an_image_without_users_has_numbers() {
    let bare = || Guest::script(WHO).without("etc/passwd").without("etc/group");
    bare().run().check(0, "0 0 0 /\n");
    bare().user("12:13").run().check(0, "12 13 13 /\n");
    bare().user("app").run().check(125, "");
}
