//! Dry runs of the gates.

use std::fs;

use assay_node::{Home, Node};
use serde_json::{Value, json};

use super::World;

/// A dry run says what the real one then says, and leaves nothing behind.
#[test]
fn a_dry_run_says_what_will_come() {
    let world = World::founded();
    world.says("contribute alice.jsonl --as alice");
    let size = |world: &World| world.document("log --count 1")["size"].clone();
    let before = size(&world);
    let dry = world.document("gate bob.jsonl --net topics --out verdicts.jsonl");
    assert_eq!(size(&world), before, "nothing is logged");
    let real = world.document("contribute bob.jsonl --as bob");
    assert_eq!(dry["verdicts"], real["verdicts"]);
    assert_eq!(dry["against"], "topics");
    let each = dry["each"].as_array().unwrap();
    assert_eq!(each.len() as u64, dry["records"].as_u64().unwrap());
    let lines = fs::read_to_string(world.path("verdicts.jsonl")).unwrap();
    let written: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&written, each);
    let copy = each.iter().find(|v| v["reason"] == "exact_duplicate").unwrap();
    assert_eq!(
        (&copy["at"], &copy["verdict"], &copy["similarity"]),
        (&json!(19), &json!("reject"), &json!(1.0))
    );
    assert!(copy["original"].is_object() && copy["advice"].is_string());
    assert!(each[0]["reason"].is_null() && each[0]["original"].is_null());
}

/// Without a home, by a charter; what a text shows is pointed at.
#[test]
fn a_charter_is_enough() {
    let world = World::bare();
    let rows = [
        "we saw rain and a cold wind before the storm",
        "my mail is joe.bloggs@gmail.com and the forecast was snow",
        "we saw rain and a cold wind before the storm",
    ];
    let rows: String =
        rows.iter().map(|text| format!("{}\n", json!({ "text": text, "label": "weather" }))).collect();
    fs::write(world.path("mine.jsonl"), rows).unwrap();
    let command = "gate mine.jsonl --charter charter.toml --valid valid.jsonl --test test.jsonl";
    let dry = world.document(command);
    let of = |at: usize| &dry["each"][at];
    assert_eq!((&of(1)["verdict"], &of(1)["reason"]), (&json!("hold"), &json!("email_address")));
    assert_eq!(of(1)["span"], json!([11, 31]));
    assert_eq!((&of(2)["reason"], &of(2)["original"]), (&json!("exact_duplicate"), &json!({ "at": 1 })));
    let words = world.says(command);
    assert!(words.contains("1 would pass, 1 be held, 1 be rejected"), "{words}");
    assert!(words.contains("joe.bloggs@gmail.com") && words.contains("like line 1"), "{words}");
}

/// Where the charter wants personal data masked, that is done before anything is signed. What a verdict rests on is kept
/// with it, and what the gates cost is in the report.
#[test]
fn personal_data_are_masked_before_they_are_signed() {
    let world = World::bare();
    let charter = fs::read_to_string(world.path("charter.toml")).unwrap();
    fs::write(world.path("charter.toml"), charter.replace("[gate]", "[gate]\npersonal = \"mask\"")).unwrap();
    world.says("init home --origin example.org/test");
    world.says("datanet create charter.toml --valid valid.jsonl --test test.jsonl --as alice");
    let text = "my mail is joe.bloggs@gmail.com and the forecast was snow";
    let blob = format!("snow fell in the north and then came {}", "QUI4".repeat(30));
    let rows = [json!({ "text": text, "label": "weather" }), json!({ "text": blob, "label": "weather" })];
    fs::write(world.path("mine.jsonl"), rows.map(|row| format!("{row}\n")).concat()).unwrap();
    let refused = world.refuses("contribute mine.jsonl --as bob");
    assert!(refused.contains("1 of 2 records") && refused.contains("--mask"), "{refused}");
    let sent = world.document("contribute mine.jsonl --as bob --mask");
    assert_eq!((&sent["masked"], &sent["verdicts"]["passed"]), (&json!(1), &json!(1)), "{sent:#}");

    let node = Node::open(Home::open(&world.path("home")).unwrap()).unwrap();
    let (net, entry) = ("topics".parse().unwrap(), sent["contributions"][0]["entry"].as_u64().unwrap());
    let masked = node.record(&net, entry, 0).unwrap();
    assert_eq!(masked["text"], "my mail is [email_address] and the forecast was snow");
    let verdicts = node.verdicts(&net, entry).unwrap();
    let (start, end) = verdicts[1].span.unwrap();
    assert!(blob[start as usize..end as usize].starts_with("QUI4") && verdicts[1].score.unwrap() > 0.5);
    assert_eq!((verdicts[0].span, verdicts[0].score), (None, None));
    drop(node);

    let report = world.document("report --net topics");
    let cost = &report["verification"];
    assert!(cost["machine_us_per_record"].as_f64().unwrap() > 0.0, "{cost:#}");
    assert_eq!(cost["machine_us_by_gate"].as_array().unwrap().len(), 7);
}

/// What the charter asks of a record's licence, consent, id and time is asked; the clock is the log's.
#[test]
fn a_record_says_where_it_comes_from() {
    let world = World::bare();
    let asked = "[provenance]\nlicence = \"licence\"\nlicences = [\"CC-BY-4.0\"]\nconsent = \"consent\"\nid = \"key\"\ntime = \"made\"\nearliest = \"2020-01-01\"\n\n[gate]";
    let charter = fs::read_to_string(world.path("charter.toml")).unwrap().replace("[gate]", asked);
    fs::write(world.path("charter.toml"), charter).unwrap();
    world.says("init home --origin example.org/test");
    world.says("datanet create charter.toml --valid valid.jsonl --test test.jsonl --as alice");
    let row = |text: &str, key: &str, made: &str| json!({ "text": text, "label": "weather", "key": key, "made": made });
    let mut rows = [
        row("snow fell in the north and then came rain", "a1", "2026-01-31"),
        row("the wind turned west and the fog was gone by noon", "a1", "2026-01-31T10:00:00Z"),
        row("hail broke the glass of two greenhouses in may", "a2", "9999-01-01"),
        row("the frost came early and killed the last beans", "a3", "2019-12-31"),
        row("a thunderstorm passed over the lake before dawn", "a4", "soon"),
        row("the summer was dry and the river ran low in august", "a5", "2026-02-01"),
    ];
    let write = |rows: &[Value]| {
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(world.path("mine.jsonl"), lines).unwrap();
    };
    write(&rows);
    let refused = world.refuses("contribute mine.jsonl --as bob");
    assert!(refused.contains("no column \"licence\""), "{refused}");
    rows[5]["licence"] = json!("all rights reserved");
    write(&rows);
    let said = "mine.jsonl --licence cc-by-4.0 --consent";
    let dry = world.document(&format!("gate {said}"));
    let reasons: Vec<&Value> = dry["each"].as_array().unwrap().iter().map(|each| &each["reason"]).collect();
    let expected =
        ["repeated_id", "future_time", "early_time", "bad_time", "unknown_licence"].map(|code| json!(code));
    assert!(reasons[0].is_null() && reasons[1..].iter().copied().eq(&expected), "{reasons:?}");
    let words = world.says(&format!("gate {said}"));
    assert!(words.contains("made: \"9999-01-01\"") && words.contains("like line 1"), "{words}");
    let real = world.document(&format!("contribute {said} --as bob"));
    assert_eq!(dry["verdicts"], real["verdicts"]);
    // A node that starts again knows the ids.
    write(&[row("sleet and a north wind kept the boats in the harbour", "a1", "2026-02-01")]);
    let again = world.document(&format!("contribute {said} --as bob"));
    assert_eq!(again["verdicts"]["stopped"][0]["code"], "repeated_id", "{again:#}");
    let other = world.document(&format!("contribute {said} --as carol"));
    assert_eq!(other["verdicts"]["passed"], 1, "{other:#}");
    write(&[
        json!({ "text": "rain", "label": "weather", "key": "b", "made": "2026-02-01", "licence": "CC-BY-4.0", "consent": "no" }),
    ]);
    let no = world.document(&format!("contribute {said} --as dora"));
    assert_eq!(no["verdicts"]["stopped"][0]["code"], "missing_consent", "what a record says stands: {no:#}");
}

/// Flags that the datanet does not ask for are refused: nothing is said that nobody reads. Columns of such names are fields like others.
#[test]
fn what_nobody_asks_is_not_said() {
    let world = World::founded();
    let refused = world.refuses("contribute bob.jsonl --as bob --licence CC-BY-4.0");
    assert!(refused.contains("topics asks for no licence"), "{refused}");
    let padded = json!({ "text": "the fog was gone by noon", "label": "weather", "id": "x", "time": "never", "pad": "x".repeat(20_000) });
    fs::write(world.path("mine.jsonl"), format!("{padded}\n")).unwrap();
    let found = world.document("gate mine.jsonl --net topics");
    assert_eq!(found["each"][0]["reason"], "padded_record");
    let plain = json!({ "text": "the fog was gone by noon", "label": "weather", "id": "x", "time": "never" });
    fs::write(world.path("mine.jsonl"), format!("{plain}\n{plain}\n")).unwrap();
    let found = world.document("gate mine.jsonl --net topics");
    assert_eq!(
        (&found["each"][0]["reason"], &found["each"][1]["reason"]),
        (&Value::Null, &json!("exact_duplicate"))
    );
}

/// What cannot be judged is refused before anything is.
#[test]
fn what_cannot_be_judged_is_refused() {
    let world = World::bare();
    let refused = |arguments: &str| {
        let ran = world.run(&arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        ran.stderr
    };
    assert!(refused("gate bob.jsonl").contains("home"));
    assert!(refused("gate bob.jsonl --charter nowhere.toml").contains("nowhere.toml"));
    fs::write(world.path("odd.jsonl"), "{\"words\": \"rain\"}\n").unwrap();
    assert!(refused("gate odd.jsonl --charter charter.toml").contains("no column \"text\""));
    fs::write(world.path("there.jsonl"), "").unwrap();
    assert!(refused("gate bob.jsonl --charter charter.toml --out there.jsonl").contains("exists already"));
}
