//! An implementation that is not ours checks our logs, and we check its: `tests/interop/go` on golang.org/x/mod/sumdb,
//! from Debian's packages `golang` and `golang-golang-x-mod-dev`. Skipped, with a message, where they are not installed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros)]

mod published;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use assay_tlog::{
    CosignerSecret, Frontier, Note, NoteError, Receipt, SignerKey, Tile, TileKind, TileWriter, VerifierKey,
    bundle, growth, leaf_hash, open_checkpoint,
};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use published::{publish, put};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/go");
const SIZES: [u64; 7] = [1, 2, 255, 256, 257, 1_000, 70_000];
const ORIGIN: &str = "example.com/datanet";

/// The program, built once; `None` where Go or its library is missing.
fn program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let library = Path::new("/usr/share/gocode/src/golang.org/x/mod/go.mod").is_file();
        if !library || Command::new("go").arg("version").output().is_err() {
            println!("skipped: needs the packages golang and golang-golang-x-mod-dev");
            return None;
        }
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-go");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(".").current_dir(SOURCE);
        // Nothing is fetched: the one library is the one on disk.
        build.envs([("GOPROXY", "off"), ("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local")]);
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(program)
    });
    built.as_deref()
}

fn go(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

fn keys() -> (SignerKey, Vec<CosignerSecret>) {
    let cosigners = [3, 4].map(|i| CosignerSecret::from_seed(&format!("w.example/{i}"), &[i; 32]).unwrap());
    (SignerKey::from_seed(ORIGIN, &[9; 32]).unwrap(), cosigners.into())
}

fn check(program: &Path, folder: &Path, key: &SignerKey, cosigners: &[CosignerSecret]) -> Output {
    let mut args = vec!["check".to_owned(), folder.display().to_string(), key.verifier().to_string()];
    args.extend(cosigners.iter().map(|cosigner| cosigner.verifier().to_string()));
    go(program, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn go_reads_our_logs_and_finds_what_was_changed() {
    let Some(program) = program() else { return };
    let (key, cosigners) = keys();
    let folder = tempfile::tempdir().unwrap();
    for size in SIZES {
        let log = folder.path().join(size.to_string());
        publish(&log, size, ORIGIN, &key, &cosigners);
        let output = check(program, &log, &key, &cosigners);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.starts_with(&format!("OK {size} entries")), "{said}");
    }

    let log = folder.path().join("257");
    for name in publish(&log, 257, ORIGIN, &key, &cosigners) {
        let bytes = fs::read(log.join(&name)).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        put(&log, &name, &changed);
        assert!(
            !check(program, &log, &key, &cosigners).status.success(),
            "a change of {name} went unnoticed"
        );
        put(&log, &name, &bytes);
    }
    assert!(check(program, &log, &key, &cosigners).status.success());
    let stranger = CosignerSecret::from_seed("w.example/3", &[8; 32]).unwrap();
    assert!(!check(program, &log, &key, &[stranger]).status.success());
}

/// A log as Go wrote it, read with our functions alone. The error names what does not hold.
fn read(log: &Path, key: &VerifierKey) -> Result<u64, String> {
    let head = fs::read(log.join("checkpoint")).map_err(|e| e.to_string())?;
    let head = open_checkpoint(&head, key, key.name()).map_err(|e| e.to_string())?;
    let (mut writer, mut frontier, mut entries) = (TileWriter::new(), Frontier::new(), Vec::new());
    let mut files = Vec::new();
    for tile in growth(0, head.size).filter(|tile| tile.kind() == TileKind::Entries) {
        let bytes = fs::read(log.join(tile.path())).map_err(|e| e.to_string())?;
        let page: Vec<Vec<u8>> = bundle::parse(&bytes, tile.width())
            .map_err(|e| e.to_string())?
            .iter()
            .map(|e| e.to_vec())
            .collect();
        page.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
        files.extend(writer.grow(&page).map_err(|e| e.to_string())?);
        entries.extend(page);
    }
    if frontier.root() != head.root || writer.root() != head.root {
        return Err("root".into());
    }
    for (tile, bytes) in files.iter().filter(|(tile, _)| growth(0, head.size).any(|t| t == *tile)) {
        if fs::read(log.join(tile.path())).ok().as_ref() != Some(bytes) {
            return Err(tile.path());
        }
    }
    for index in [0, head.size / 3, head.size - 1] {
        let proof = fs::read(log.join(format!("receipts/{index}.tlog-proof"))).map_err(|e| e.to_string())?;
        let receipt = Receipt::parse(&proof).map_err(|e| e.to_string())?;
        receipt.verify(&entries[index as usize], key, key.name()).map_err(|e| e.to_string())?;
    }
    Ok(head.size)
}

#[test]
fn we_read_logs_that_go_wrote() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    for size in SIZES {
        let log = folder.path().join(size.to_string());
        let output = go(program, &["write", &log.display().to_string(), &size.to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key: VerifierKey = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert_eq!(read(&log, &key), Ok(size));
        // Go lays out the same tiles as we do, no more and no fewer.
        let ours = growth(0, size).filter(|tile| log.join(tile.path()).is_file()).count();
        assert_eq!(ours, growth(0, size).count());

        let bundle: Tile = growth(0, size).next().unwrap();
        let path = log.join(bundle.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(&log, &key), Err("root".into()), "a changed entry of {size}");
    }
}

/// Go takes two things that we do not, both by design: Base 64 whose unused bits are set, which would give one
/// signature many spellings, and, after a right signature of a key, a wrong one of the same key, which the specification
/// wants checked.
fn go_is_laxer(bytes: &[u8], ours: &NoteError) -> bool {
    let lax = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let lax = GeneralPurpose::new(&STANDARD, lax);
    let text = String::from_utf8_lossy(bytes);
    let block = text.rsplit("\n\n").next().unwrap_or_default();
    match ours {
        NoteError::SignatureLine(line) => {
            let encoded = block.lines().nth(line - 1).and_then(|line| line.rsplit(' ').next());
            encoded.is_some_and(|encoded| lax.decode(encoded).is_ok())
        }
        NoteError::BadSignature(name) => block.lines().filter(|l| l.contains(name.as_str())).count() > 1,
        _ => false,
    }
}

#[test]
fn go_and_we_take_the_same_notes() {
    let Some(program) = program() else { return };
    let key = SignerKey::from_seed("a.example/k", &[1; 32]).unwrap();
    let other = SignerKey::from_seed("b.example/k", &[2; 32]).unwrap();
    let seeds: Vec<Vec<u8>> = [
        Note::sign("one\nline\n", &[&key]),
        Note::sign("two\n\nparts\n", &[&other, &key]),
        Note::sign("\u{2014} \u{85}\u{a0} caf\u{e9}\n", &[&key, &other, &key]),
        Note::sign("unknown\n", &[&other]),
    ]
    .into_iter()
    .map(|note| note.unwrap().to_string().into_bytes())
    .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let mut notes = seeds.clone();
    while notes.len() < 6_000 {
        let mut note = seeds[rng.next_u32() as usize % seeds.len()].clone();
        for _ in 0..1 + rng.next_u32() % 3 {
            mutate(&mut note, &seeds, &mut rng);
        }
        notes.push(note);
    }
    let verdicts = open_by_go(program, key.verifier(), &notes);
    assert_eq!(verdicts.len(), notes.len());
    let (mut taken, mut laxer) = (0, 0);
    for (note, go_takes) in notes.iter().zip(verdicts) {
        let ours = Note::parse(note)
            .and_then(|note| note.verify(std::slice::from_ref(key.verifier())).map(|keys| keys.len()));
        taken += usize::from(go_takes && ours.is_ok());
        match (&ours, go_takes) {
            (Ok(_), true) | (Err(_), false) => {}
            (Err(error), true) if go_is_laxer(note, error) => laxer += 1,
            _ => panic!("Go says {go_takes}, we {ours:?}, of {:?}", String::from_utf8_lossy(note)),
        }
    }
    assert!(taken > 100 && taken < notes.len() - 1_000, "{taken} of {} taken", notes.len());
    println!(
        "{} notes: {taken} taken by both, {laxer} by Go alone, for the two reasons that are known",
        notes.len()
    );
}

fn open_by_go(program: &Path, key: &VerifierKey, notes: &[Vec<u8>]) -> Vec<bool> {
    let mut command = Command::new(program);
    command.args(["open", &key.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for note in notes {
        stdin.write_all(&(note.len() as u32).to_be_bytes()).unwrap();
        stdin.write_all(note).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout.trim_ascii().iter().map(|mark| *mark == b'+').collect()
}

fn mutate(note: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    const PIECES: [&[u8]; 12] = [
        b"\n",
        b"\n\n",
        b" ",
        b"+",
        b"=",
        b"A",
        b"\t",
        b"\r",
        b"\x7f",
        b"\xff",
        "\u{2014} ".as_bytes(),
        "\u{2003}".as_bytes(),
    ];
    let at = rng.next_u32() as usize % (note.len() + 1);
    let end = (at + rng.next_u32() as usize % 40).min(note.len());
    match rng.next_u32() % 6 {
        0 if at < note.len() => note[at] ^= 1 << (rng.next_u32() % 8),
        1 => note.truncate(at),
        2 => drop(note.drain(at..end)),
        3 => {
            let copy = note[at..end].to_vec();
            note.splice(at..at, copy);
        }
        4 => {
            // A whole signature line once more, its own or another note's.
            let seed = &seeds[rng.next_u32() as usize % seeds.len()];
            let line = seed.split_inclusive(|b| *b == b'\n').next_back().unwrap_or_default();
            note.extend_from_slice(line);
        }
        _ => drop(note.splice(at..at, PIECES[rng.next_u32() as usize % PIECES.len()].iter().copied())),
    }
}
