use super::*;

fn order() -> Order {
    let descriptor = |number, source| Descriptor { number, source };
    let program = |name: &str, stdout, descriptors| Program {
        name: name.to_owned(),
        path: "/bin/sleep".into(),
        arguments: vec!["1000".to_owned()],
        stdout,
        stderr_bytes: 8192,
        descriptors,
        network: false,
        parting_millis: 0,
        jail: None,
    };
    let pair = || Source::Pair { name: "p".to_owned() };
    let listen = Source::Listen { socket: "qmp.sock".to_owned() };
    let heard =
        Source::Heard { say: "hello\n".to_owned(), keep_bytes: 4096, ends: vec!["bye".to_owned()] };
    Order {
        major: MAJOR,
        instance: "0badcafe".to_owned(),
        name: "job".to_owned(),
        driver: "test".to_owned(),
        directory: "/vm".into(),
        programs: vec![
            program("bridge", Stdout::Null, vec![descriptor(100, pair())]),
            program(
                "qemu",
                Stdout::Serial { bytes: 65536 },
                vec![descriptor(100, pair()), descriptor(101, listen), descriptor(102, heard)],
            ),
        ],
        main: "qemu".to_owned(),
        cgroups: vec![],
        oom_file: None,
        memory_limit_bytes: None,
        sockets: vec!["vhost.sock".to_owned()],
        start_limit_millis: 1000,
        linger_millis: 1000,
    }
}

fn check(change: impl FnOnce(&mut Order), expected: &str) {
    let mut order = order();
    change(&mut order);
    let line = serde_json::to_vec(&order).unwrap();
    let said = match Order::parse(&line) {
        Ok(parsed) => {
            assert_eq!(parsed, order);
            String::new()
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(said, expected);
}

#[test]
fn an_order_is_understood_or_refused_with_its_fault() {
    check(|_| {}, "");
    check(|order| order.major += 1, "it is of protocol 2, and this supervisor speaks 1");
    check(|order| order.directory = "vm".into(), "the directory vm is not absolute");
    check(|order| order.main = "vmm".to_owned(), "vmm is no program of it");
    check(|order| order.programs.clear(), "0 programs are too many, or too few");
    check(|order| order.sockets.push("../x".to_owned()), "../x cannot be a name");
    check(|order| order.sockets.push("a/".to_owned()), "a/ cannot be a name");
    check(|order| order.sockets.push(String::new()), " cannot be a name");
    check(|order| order.programs[0].name = "qemu".to_owned(), "qemu stands for two things");
    check(
        |order| order.programs[0].stdout = Stdout::Serial { bytes: 1 },
        "the serial console stands for two things",
    );
    check(
        |order| order.programs[1].stdout = Stdout::Serial { bytes: 1 << 30 },
        "1073741824 bytes are more than is ever kept",
    );
    check(
        |order| order.programs[0].descriptors[0].number = 7,
        "descriptor 7 is not one of 100 to 163",
    );
    check(|order| order.programs[1].descriptors[1].number = 100, "100 stands for two things");
    check(|order| order.programs[0].parting_millis = 5000, "");
    check(
        |order| order.programs[0].parting_millis = 5001,
        "5001 milliseconds are longer than a machine's end may take",
    );
    check(|order| order.programs[0].descriptors.clear(), "the pair p does not have two ends");
}

#[test]
fn each_part_of_a_network_goes_to_one_program() {
    let give = |order: &mut Order, program: usize, number, name: &str| {
        let source = Source::Given { name: name.to_owned() };
        order.programs[program].descriptors.push(Descriptor { number, source });
    };
    check(
        |order| {
            for (number, name) in (110..).zip(GIVEN) {
                give(order, usize::from(name == "tap"), number, name);
            }
        },
        "",
    );
    check(|order| give(order, 0, 164, "tap"), "descriptor 164 is not one of 100 to 163");
    for name in ["", "TAP", "tap0", "namespace", "dns-udp4", "../tap"] {
        let expected = format!("{name} is no part of a machine's network");
        check(|order| give(order, 0, 110, name), &expected);
    }
    for other in [0, 1] {
        check(
            |order| {
                give(order, 0, 110, "splice");
                give(order, other, 111, "splice");
            },
            "splice stands for two things",
        );
    }
    let expected =
        "bridge is to be in the machine's network and has no jail with a user of its own";
    check(|order| order.programs[0].network = true, expected);
}

#[test]
fn a_field_that_is_not_known_is_refused() {
    let mut value = serde_json::to_value(order()).unwrap();
    value["uid"] = 1000.into();
    let error = Order::parse(value.to_string().as_bytes()).unwrap_err();
    assert!(matches!(error, InvalidOrder::Json(_)), "{error:?}");
    for junk in ["", "{", "null", "[]", r#"{"major":1}"#] {
        assert!(matches!(Order::parse(junk.as_bytes()), Err(InvalidOrder::Json(_))), "{junk}");
    }
}
