//! Help as people read it.

use super::World;

fn help(command: &str) -> String {
    World::bare().says(&format!("{command} --help"))
}

#[test]
fn help_says_what_there_is() {
    insta::assert_snapshot!("help", help(""));
}

#[test]
fn help_of_commands() {
    for command in ["contribute", "ask", "review decide", "deposit", "verify"] {
        insta::assert_snapshot!(format!("help-{}", command.replace(' ', "-")), help(command));
    }
}

/// Every command of a node shows examples, takes --json, and says what it does.
#[test]
fn every_command_has_examples() {
    let commands = [
        "init",
        "key",
        "datanet",
        "gate",
        "contribute",
        "review",
        "snapshot",
        "train",
        "value",
        "audit",
        "ask",
        "settle",
        "statement",
        "deposit",
        "withdraw",
        "balance",
        "verify",
        "publish",
        "receipt",
        "log",
        "witness",
        "backup",
        "restore",
        "migrate",
    ];
    let top = help("");
    for command in commands {
        assert!(top.contains(&format!("\n  {command} ")), "{command} is not in the help");
        let own = help(command);
        assert!(own.contains("Examples:\n  assay "), "{own}");
        assert!(own.contains("--json") || own.contains("Commands:"), "{own}");
    }
}
