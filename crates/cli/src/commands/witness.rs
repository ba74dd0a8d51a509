//! `assay witness`: watches the logs of others, and cosigns those that only grow.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use assay_tlog::VerifierKey;
use assay_web::text::plural_of;
use assay_witness::{Witness, WitnessError, WitnessedLog};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Said;
use super::verify::log_key;
use crate::output::{Failure, print, warn_if_exposed};

const EXAMPLES: &str = "\
Examples:
  assay witness init --home ./w1 --name witness.example/w1
  assay witness add-log --home ./w1 data.example.org/main+1a2b3c4d+AQ...
  assay witness --home ./w1 --listen 127.0.0.1:7380
  assay witness show --home ./w1 --json

A log asks POST http://ADDR/add-checkpoint (c2sp.org/tlog-witness). For TLS put a proxy in front.";

/// Runs a witness: it cosigns the checkpoints of logs that only grow.
///
/// A witness that others run is what keeps the operator of a log from showing two histories. It needs no account, no
/// copy of the log, and remembers one head for each log; it stores that before it answers.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    at: At,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7380")]
    listen: SocketAddr,
}

/// Flags of every action of a witness.
#[derive(clap::Args)]
struct At {
    /// Folder of the witness: its key and what it remembers
    #[arg(long, value_name = "DIR", required = true)]
    home: Option<PathBuf>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a witness with a key of its own.
    #[command(after_help = EXAMPLES)]
    Init {
        #[command(flatten)]
        at: At,
        /// Name in every cosignature, by custom an address such as witness.example/w1
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Lets a log ask: its checkpoints must be signed by this key. The witness must not be running.
    #[command(after_help = EXAMPLES)]
    AddLog {
        /// Key of the log, or a file with it, such as its log.vkey
        #[arg(value_name = "VKEY")]
        key: String,
        #[command(flatten)]
        at: At,
    },
    /// Shows the key of the witness and the logs that it knows. The witness must not be running.
    #[command(after_help = EXAMPLES)]
    Show {
        #[command(flatten)]
        at: At,
    },
}

impl At {
    fn home(&self) -> Result<&PathBuf, Failure> {
        self.home.as_ref().ok_or_else(|| Failure::refused("no --home is given"))
    }

    fn open(&self) -> Result<Witness, Failure> {
        let home = self.home()?;
        let key = home.join(assay_witness::KEY_FILE);
        warn_if_exposed(&key);
        Witness::open(home).map_err(failure)
    }
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        None => Ok((args.at.json, listen(&args.at, args.listen)?)),
        Some(Action::Init { at, name }) => {
            let witness = Witness::create(at.home()?, name).map_err(failure)?;
            Ok((at.json, shown(&witness)?))
        }
        Some(Action::AddLog { key, at }) => Ok((at.json, add(&mut at.open()?, &log_key(key)?)?)),
        Some(Action::Show { at }) => Ok((at.json, shown(&at.open()?)?)),
    }
}

fn add(witness: &mut Witness, key: &VerifierKey) -> Result<Said, Failure> {
    let added = witness.add_log(key).map_err(failure)?;
    let words = match added {
        true => format!("The log {} may ask for cosignatures.\n", key.name()),
        false => format!("The log {} could ask for cosignatures already.\n", key.name()),
    };
    Said::new(json!({ "origin": key.name(), "key": key.to_string(), "added": added }), words)
}

fn shown(witness: &Witness) -> Result<Said, Failure> {
    let logs = witness.logs().map_err(failure)?;
    let mut words = format!("witness  {}\n", witness.key());
    for WitnessedLog { origin, head, .. } in &logs {
        let size = head.as_ref().map_or_else(
            || "nothing cosigned yet".to_owned(),
            |head| format!("cosigned {}", plural_of(head.size, "entry", "entries")),
        );
        let _ = writeln!(words, "log      {origin}  {size}");
    }
    let row = |log: &WitnessedLog| -> Value {
        let head = log.head.as_ref();
        json!({
            "origin": log.origin, "keys": log.keys, "size": head.map(|head| head.size),
            "checkpoint": head.map(|head| String::from_utf8_lossy(&head.note).into_owned()),
        })
    };
    let rows: Vec<Value> = logs.iter().map(row).collect();
    Said::new(json!({ "key": witness.key().to_string(), "logs": rows }), words)
}

/// Serves until the process is told to stop. What it listens on is said before, so that a script can wait for it.
fn listen(at: &At, address: SocketAddr) -> Result<Said, Failure> {
    let witness = at.open()?;
    let (key, logs) = (witness.key().to_string(), witness.logs().map_err(failure)?.len());
    let listener = TcpListener::bind(address).map_err(|e| {
        Failure::failed(format!("{address}: {e}")).hint("choose another address with --listen")
    })?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    let url = format!("http://{address}");
    print(&match at.json {
        true => format!("{}\n", json!({ "listening": url, "key": key, "logs": logs })),
        false => format!("witness  {key}\nlistens  {url}/add-checkpoint for {logs} logs\n"),
    })?;
    assay_witness::run(witness, listener).map_err(Failure::failed)?;
    Said::new(json!({ "stopped": url }), "The witness stopped.\n".to_owned())
}

fn failure(error: WitnessError) -> Failure {
    match error {
        WitnessError::Key(_) | WitnessError::Refused(_) => Failure::refused(error),
        WitnessError::File { .. } => Failure::refused(error)
            .hint("`assay witness init --home DIR --name NAME` makes a witness in a new folder"),
        WitnessError::Store(_) => Failure::failed(error),
    }
}
