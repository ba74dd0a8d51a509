//! The whole path of a record by commands, and the books at its end.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{World, units};

/// Verdicts, reviews, model, values, answers, settlement: each as its command tells it.
#[test]
fn a_tiny_datanet_walks_the_whole_path() {
    let world = World::founded();
    let alice = world.document("contribute alice.jsonl --as alice --receipt alice-receipt.json");
    assert_eq!(alice["verdicts"]["passed"], 22);
    let bob = world.document("contribute bob.jsonl --as bob --receipt bob-receipt.json");
    let verdicts = &bob["verdicts"];
    assert_eq!(
        (&verdicts["passed"], &verdicts["held"], &verdicts["rejected"]),
        (&18.into(), &2.into(), &4.into())
    );
    let stopped: BTreeMap<&str, &Value> = verdicts["stopped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["code"].as_str().unwrap(), &s["at"]))
        .collect();
    assert_eq!(stopped["exact_duplicate"], &serde_json::json!([19, 20, 21]));
    assert_eq!(stopped["unknown_label"], &serde_json::json!([24]));
    world.document("contribute mallory.jsonl --as mallory");

    let held = world.document("review next --count 5");
    assert_eq!(held["waiting"], 2);
    let names: Vec<String> = held["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| format!("{}/{}", h["held"]["contribution"], h["held"]["index"]))
        .collect();
    assert!(held["next"][0]["original"]["text"].as_str().unwrap().contains("slowly"));
    world.document("key new carol");
    world.document("review appoint carol --as alice");
    assert_eq!(
        world.document(&format!("review decide {} pass --reason own_work --as carol", names[0]))["waiting"],
        1
    );
    world.document(&format!("review decide {} reject --reason copy --as alice", names[1]));

    let snapshot = world.document("snapshot --net topics");
    assert_eq!((&snapshot["records"], &snapshot["contributors"]), (&59.into(), &3.into()));
    let card = &world.document("train")["card"];
    assert!(
        card["snapshot"]["bits"].as_f64().unwrap() > 0.1
            && card["base"]["bits"].as_f64().unwrap().abs() < 1e-9,
        "{card:#}"
    );
    let valued = world.document("value");
    assert!(valued["closure"]["relative"].as_f64().unwrap() < 1e-3);
    let standings: BTreeMap<&str, i64> = valued["contributors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["standing"].as_str().unwrap(), 1))
        .collect();
    assert!(standings.contains_key("paid") && standings.contains_key("harmful"), "{valued:#}");

    world.document("deposit carol 1.5 --reference wire-1");
    let asked = world.document("ask --as carol --file questions.jsonl");
    let answers: Vec<&str> = asked["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["answered"]["answer"].as_str().unwrap())
        .collect();
    assert_eq!(answers, ["food", "sports", "weather", "food"]);
    assert_eq!((units(&asked, "/price"), units(&asked, "/free")), (50_000, 1_300_000));

    let settled = world.document("settle");
    assert_eq!(settled["epoch"], 1);
    assert_eq!(units(&settled, "/totals/fees"), 200_000);
    the_books_close(&world);
    a_stranger_agrees(&world);
    receipts_hold(&world, asked["answers"][0]["receipt"].as_str().unwrap());

    let attacks = "--share 200000 --attacks label-flips,exact-copies --out attacked";
    let attacked = world.document(&format!("redteam --net topics {attacks}"));
    assert_eq!(
        (&attacked["community"]["records"], &attacked["community"]["owned"]),
        (&47.into(), &12.into())
    );
    let flips = &attacked["attacks"][0];
    assert_eq!((&flips["name"], &flips["passed"]), (&"label-flips".into(), &12.into()), "{flips:#}");
    assert_eq!(attacked["attacks"][1]["passed"], 0);
    assert_eq!(attacked["rules"]["price_micro"], "50000", "the charter's");
}

/// Every statement adds up place by place, agrees with the balances, and all money is what came in less what went out.
fn the_books_close(world: &World) {
    world.document("withdraw 0.25 --as carol --reference out-1");
    let balances = world.document("balance");
    let mut all = 0;
    for account in balances["accounts"].as_array().unwrap() {
        let name = account["name"].as_str().unwrap();
        let statement = &world.document(&format!("statement {name}"))["statement"];
        for (place, totals) in statement["places"].as_object().unwrap() {
            let [opening, received, given, closing] =
                ["opening", "received", "given", "closing"].map(|k| units(totals, &format!("/{k}")));
            assert_eq!(opening + received - given, closing, "{name} {place}");
            let there = account["places"].get(place).map_or(0, |p| p.as_str().unwrap().parse().unwrap());
            assert_eq!(closing, there, "{name} {place}");
        }
        all += account["places"]
            .as_object()
            .unwrap()
            .values()
            .map(|v| v.as_str().unwrap().parse::<i128>().unwrap())
            .sum::<i128>();
        let moved: i128 =
            statement["lines"].as_array().unwrap().iter().map(|line| moved(account, line)).sum();
        let user = format!("/places/user~1{}", account["account"].as_str().unwrap());
        assert_eq!(moved, units(account, &user), "the lines of {name} make its free money");
    }
    assert_eq!(all, 1_500_000 - 250_000);
    // Values of single records are public now, and sum to what the settlement went by.
    for name in ["alice", "bob", "mallory"] {
        let statement = world.document(&format!("statement {name} --epoch 1"));
        let records = statement["records"][0]["records"].as_array().unwrap();
        let sum: i64 = records.iter().map(|r| r["value_microbits"].as_i64().unwrap()).sum();
        assert_eq!(statement["statement"]["settled"][0]["row"]["value_microbits"], sum);
    }
}

/// What a line of a statement means for the free money of an account.
fn moved(account: &Value, line: &Value) -> i128 {
    let user = format!("user/{}", account["account"].as_str().unwrap());
    let amount = units(line, "/amount");
    i128::from(line["to"] == user.as_str()) * amount - i128::from(line["from"] == user.as_str()) * amount
}

/// Verification by the files alone, and what one flipped byte does to it.
fn a_stranger_agrees(world: &World) {
    let head = world.document("log head");
    let key = head["key"].as_str().unwrap();
    for dir in ["home", "home/public"] {
        let verified = world.document(&format!("verify {dir} --key {key}"));
        assert_eq!((&verified["size"], &verified["root"]), (&head["size"], &head["root"]));
        assert_eq!(verified["key_from_folder"], false);
        assert_eq!(units(&verified, "/balances/external"), -1_250_000);
    }
    assert!(world.says("verify home").contains("get it elsewhere and give --key"));
    let table = fs::read_dir(world.path("home/public/tables")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&table).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&table, bad).unwrap();
    let error = world.refuses("verify home");
    assert!(
        error.contains(table.file_name().unwrap().to_str().unwrap()) && error.contains("hint: "),
        "{error}"
    );
    fs::write(&table, good).unwrap();
    assert!(world.refuses("verify home --key example.org/x+00000000+AAAA").contains("--key"));
}

fn receipts_hold(world: &World, answer: &str) {
    let checked = world.document("receipt verify alice-receipt.json --records alice.jsonl");
    assert_eq!((&checked["entry"], &checked["records_checked"]), (&3.into(), &true.into()));
    // A stranger needs the key and nothing of the home.
    let said = world.run(&[
        "receipt",
        "verify",
        "bob-receipt.json",
        "--key",
        "home/public/log.vkey",
        "--home",
        "nowhere",
    ]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("The receipt holds"));
    assert!(world.refuses("receipt verify alice-receipt.json --records bob.jsonl").contains("does not hold"));
    world.says(&format!("receipt verify {answer} --answer food"));
    assert!(world.refuses(&format!("receipt verify {answer} --answer sports")).contains("is another"));
    assert!(world.refuses("receipt verify questions.jsonl").contains("receipt: "));
    #[cfg(unix)]
    for file in ["alice-receipt.json", "home/keys/alice.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(world.path(file)).unwrap().permissions().mode() & 0o077, 0, "{file}");
    }
}

/// The same in words, as far as a person reads them; nothing that somebody wrote acts on the terminal.
#[test]
fn people_read_what_happened() {
    let world = World::founded();
    world.says("contribute alice.jsonl --as alice");
    let offered = world.says("contribute bob.jsonl --as bob --receipt receipt.json");
    insta::assert_snapshot!("contribute", offered);
    let held = world.says("review next --count 2");
    assert!(held.contains('\u{fffd}') && !held.contains('\u{202e}'), "{held}");
    assert!(!held.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!world.document("review next --count 2").to_string().is_empty());
    let raw = world.says("review next --count 2 --json");
    assert!(!raw.contains('\u{202e}') && raw.contains("\\u202e"));

    world.says("contribute mallory.jsonl --as mallory");
    world.says("snapshot");
    let card = world.says("train");
    assert!(card.contains("random pool, same size") && card.contains("against the base"), "{card}");
    let values = world.says("value --top 2");
    assert!(values.contains("the values add up to") && values.contains("... 1 more"), "{values}");
    world.says("key new carol");
    assert!(world.says("deposit carol 2000000u --reference in-1").contains("2.00 OPEN (2,000,000u)"));
    let answer = world.run(&["ask", "--as", "carol", "--text", "bread and butter from the oven"]);
    assert!(answer.stdout.starts_with("answer   food"), "{} {}", answer.stdout, answer.stderr);
    assert!(answer.stdout.contains("paid     0.05 OPEN (50,000u) each; carol has 1.95 OPEN"));
    let settled = world.says("settle");
    assert!(
        settled.contains("1 question answered for 0.050000 OPEN") && settled.contains("harmful"),
        "{settled}"
    );
    let statement = world.says("statement carol");
    assert!(statement.contains("question asked") && statement.contains("\u{2212}0.050000"), "{statement}");
    assert!(world.says("statement mallory").contains("proven to harm"));
    assert!(world.says("datanet show").contains("next "));
    assert_eq!(world.says("log --from 0 --count 3").lines().count(), 3);
    let log = world.document("log --from 0 --count 2");
    assert_eq!(log["entries"][0]["cause"]["command"]["intent"]["command"]["kind"], "found");
    let keys = world.says("key list");
    let seed = fs::read_to_string(world.path("home/keys/carol.key")).unwrap();
    assert!(keys.contains("carol") && !keys.contains(seed.trim()));
}

/// A file larger than one contribution has a receipt for each part, and any of them is checked against the file.
#[test]
fn a_large_file_has_several_receipts() {
    let world = World::founded();
    let mut lines = String::new();
    for i in 0..2_003 {
        lines.push_str(&format!("{{\"text\":\"soup number {i} of the kitchen\",\"label\":\"food\"}}\n"));
    }
    fs::write(world.path("large.jsonl"), lines).unwrap();
    let sent = world.document("contribute large.jsonl --as alice --receipt r.json");
    let sizes: Vec<u64> =
        sent["contributions"].as_array().unwrap().iter().map(|c| c["records"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [2_000, 3]);
    for receipt in ["r.json", "r-2.json"] {
        let checked = world.document(&format!("receipt verify {receipt} --records large.jsonl"));
        assert_eq!(checked["records_checked"], true);
    }
}

/// Numbers that came as text (one odd cell in a CSV column) are still numbers, record by record.
#[test]
fn a_table_of_numbers_walks_to_an_answer() {
    let world = World::bare();
    let charter = super::community::CHARTER
        .replace("text = \"text\"", "features = [\"x\", \"y\"]")
        .replace("[\"food\", \"sports\", \"weather\"]", "[\"left\", \"right\"]");
    fs::write(world.path("charter.toml"), charter).unwrap();
    let table = |shift: f64, bad: bool| {
        let mut out = "x,y,label\n".to_owned();
        for i in 0..40 {
            let side = if i % 2 == 0 { -1.0 } else { 1.0 };
            let name = if i % 2 == 0 { "left" } else { "right" };
            let y = if bad && i == 7 {
                "n/a".to_owned()
            } else {
                (f64::from(i) * 0.37 + shift).sin().to_string()
            };
            out.push_str(&format!("{},{y},{name}\n", side + 0.3 * (f64::from(i) + shift).cos()));
        }
        out
    };
    for (name, shift, bad) in [("mine", 0.0, true), ("valid", 0.5, false), ("test", 0.9, false)] {
        fs::write(world.path(&format!("{name}.csv")), table(shift, bad)).unwrap();
    }
    world.says("init home");
    world.says("datanet create charter.toml --valid valid.csv --test test.csv");
    let sent = world.document("contribute mine.csv --as alice");
    assert_eq!(sent["verdicts"]["rejected"], 1, "{sent:#}");
    assert_eq!(sent["verdicts"]["stopped"][0]["at"], serde_json::json!([9]));
    for step in ["snapshot", "train", "value", "key new carol", "deposit carol 1 --reference a"] {
        world.says(step);
    }
    let asked = world.run(&["ask", "--as", "carol", "--record", r#"{"x": 1.1, "y": 0}"#, "--json"]);
    let asked: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(asked["answers"][0]["answered"]["answer"], "right");
}
