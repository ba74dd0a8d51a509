#!/usr/bin/env python3
"""A corpus of near duplicates whose truth is known, out of text that the machine has.

    python3 bench/dedup/corpus.py FOLDER [--texts 150000] [--copies 10000] [--seed 1] [--adversarial]

Paragraphs of 25 to 300 words come from manuals, documentation, comments and notes, wherever there are any (`SOURCES`); a
paragraph is left out where more than a tenth of its runs of 5 words were seen before, so that what is left is not
alike. Then copies are planted, each of another text, and everything is shuffled.

Plain: `exact`; `norm` (case, white space, punctuation); `e05`, `e15`, `e30` (that share of the words replaced, dropped or joined
by another, 2:1:1); and `half`, which is no copy: the first half of one text and the second of another that is not in the corpus.
Adversarial: `typos` (a slip in every fifth word), `lookalikes` (a sixth of the letters from other scripts), `invisible`
(characters that print nothing, inside a third of the words), `shuffled` (sentences), `embedded` (between two parts of another
text), `every sixth` (word changed) and `accents` (on a quarter of the vowels).

Writes `corpus.jsonl` ({"id", "text"}) and `truth.jsonl` ({"src", "dup", "kind"}) and prints what there is as JSON.
The same seed and paragraphs (`paragraphs.json` beside the folder) give the same corpus.
"""

import argparse
import bz2
import gzip
import html
import json
import lzma
import multiprocessing
import os
import pathlib
import random
import re
import sys
import zlib

HOME = pathlib.Path.home()
SOURCES = [
    ("manuals", "/usr/share/man", r"\.\d\w*(\.gz|\.xz|\.bz2)?$"),
    ("documents", "/usr/share/doc", r""),
    ("info", "/usr/share/info", r""),
    ("Rust manuals", HOME / ".rustup/toolchains", r"/share/doc/.*\.html$"),
    ("Rust comments", HOME / ".cargo/registry/src", r"\.(rs|md)$"),
    ("Python comments", sys.prefix, r"\.py$"),
    ("Python comments", "/usr/lib/python3", r"\.py$"),
    ("Perl", "/usr/share/perl", r"\.(pod|pm)$"),
    ("notes", "/usr/local", r"\.(md|rst|txt|py)$"),
    ("notes", "/opt", r"\.(md|rst|txt|py)$"),
    ("notes", "/usr/lib", r"\.(md|rst|txt|py|pod)$"),
    ("notes", "/usr/share", r"\.(md|rst|txt|pod)$"),
]
LARGEST = 4_000_000
WORD = re.compile(r"\w+")
PLAIN = ["exact", "norm", "e05", "e15", "e30", "half"]
ADVERSARIAL = ["typos", "lookalikes", "invisible", "shuffled", "embedded", "every sixth", "accents"]
# Letters that print like ASCII ones (UTS 39): Cyrillic, Greek, Armenian, Cherokee, Lisu, mathematical, full width.
LOOKALIKES = {
    "a": "аɑα𝐚ａ", "b": "Ь𝐛ｂ", "c": "сϲⅽ𝐜", "d": "ԁⅾ𝒅", "e": "еҽ𝐞ｅ", "g": "ɡց𝐠", "h": "һհ𝐡", "i": "іιⅰ𝐢ｉ", "j": "јϳ𝐣",
    "k": "𝐤ｋ", "l": "ⅼ𝐥ｌ", "m": "ⅿ𝐦ｍ", "n": "ո𝐧ｎ", "o": "оοօ𝐨ｏ", "p": "рρ𝐩ｐ", "q": "ԛզ𝐪", "r": "г𝐫ｒ", "s": "ѕꜱ𝐬ｓ", "t": "𝐭ｔ",
    "u": "ս𝐮υ", "v": "ѵν𝐯", "w": "ԝա𝐰", "x": "хⅹ𝐱", "y": "уү𝐲ｙ", "A": "АΑᎪ𝐀", "B": "ВΒᏴ", "C": "СᏟⅭ", "E": "ЕΕᎬ", "H": "НΗᎻ",
    "I": "ІΙ", "K": "КΚᏦ", "M": "МΜᎷ", "N": "Νꓠ", "O": "ОΟՕ", "P": "РΡᏢ", "S": "ЅՏ", "T": "ТΤᎢ", "X": "ХΧ", "Y": "УΥ", "Z": "ΖᏃ",
}
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202a\u202c\u034f\u2063"
ACCENTS = {"a": "áàâäãå", "e": "éèêë", "i": "íìîï", "o": "óòôöõ", "u": "úùûü", "c": "çč", "n": "ñń", "s": "šś"}


def read(path):
    try:
        if os.path.islink(path) or os.path.getsize(path) > LARGEST:
            return ""
        data = pathlib.Path(path).read_bytes()
        for ending, unpack in ((".gz", gzip.decompress), (".xz", lzma.decompress), (".bz2", bz2.decompress)):
            if path.endswith(ending):
                data = unpack(data)
        return "" if b"\0" in data[:4096] else data.decode("utf-8", "ignore")
    except (OSError, EOFError, lzma.LZMAError, zlib.error):
        return ""


def prose(path, text):
    """The parts of a file that people wrote for people; what else slips in is sorted out by its letters."""
    name = re.sub(r"\.(gz|xz|bz2)$", "", path)
    if name.endswith(".py"):
        return "\n\n".join(re.findall(r'"""(.*?)"""', text, re.S))
    if name.endswith(".rs"):
        return re.sub(r"^(?:[ \t]*//[/!] ?(.*)|.*)$", r"\1", text, flags=re.M)
    if "<html" in text[:2000].lower():
        return html.unescape("\n\n".join(re.sub(r"<[^>]*>", "", part) for part in re.findall(r"<p[ >](.*?)</p>", text, re.S)))
    if re.search(r"\.\d\w*$", name):
        text = re.sub(r"^[.'](?:(?:B|I|BR|IR|RB|RI|Nm|Ar|Fl|Xr|Em|Sy) (.*)|.*)$", r"\1", text, flags=re.M)
        return re.sub(r"\\f[BIRP]|\\f\(..|\\[&|^]|\\\(..|\\s[+-]?\d", "", text).replace("\\-", "-")
    return text


def paragraphs(path):
    """The paragraphs of a file that are long enough and mostly letters, each with its words."""
    found = []
    for paragraph in re.split(r"\n\s*\n", prose(path, read(path))):
        if not 100 <= len(paragraph) <= 4_000:
            continue
        text = re.sub(r"[ \t]+", " ", paragraph).strip()
        words = WORD.findall(text.lower())
        if not 25 <= len(words) <= 300 or sum(map(str.isdigit, words)) > 0.3 * len(words):
            continue
        if sum(map(len, words)) + text.count(" ") >= 0.8 * len(text):
            found.append((text, words))
    return found


def files():
    """Every file of the sources once, in order, with the name of its source."""
    seen = set()
    for source, root, pattern in SOURCES:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for path in (os.path.join(folder, name) for name in sorted(names)):
                if re.search(pattern, path) and (real := os.path.realpath(path)) not in seen:
                    seen.add(real)
                    yield source, path


def distinct(wanted):
    """Paragraphs unlike each other, in the order of the sources."""
    seen, kept, counts = set(), [], {}
    sources, paths = zip(*files())
    with multiprocessing.Pool() as pool:
        for source, found in zip(sources, pool.imap(paragraphs, paths, chunksize=32)):
            for text, words in found:
                runs = set(map(hash, zip(words, words[1:], words[2:], words[3:], words[4:])))
                if len(runs & seen) > 0.1 * len(runs):
                    continue
                seen |= runs
                kept.append(text)
                counts[source] = counts.get(source, 0) + 1
                if len(kept) == wanted:
                    return kept, counts
    return kept, counts


class Editor:
    """Makes copies. Every kind draws from a generator of its own, so that one kind does not change another."""

    def __init__(self, seed, kind, vocabulary):
        self.random = random.Random(f"{seed} {kind}")
        self.vocabulary = vocabulary

    def word(self):
        return self.random.choice(self.vocabulary)

    def each_word(self, text, share, change):
        return re.sub(r"\S+", lambda m: change(m[0]) if self.random.random() < share else m[0], text)

    def each_letter(self, text, share, table):
        pick = lambda c: self.random.choice(table[c]) if c in table and self.random.random() < share else c  # noqa: E731
        return "".join(map(pick, text))

    def edit(self, text, share):
        def change(word):
            draw = self.random.random()
            return self.word() if draw < 0.5 else "" if draw < 0.75 else f"{word} {self.word()}"

        return self.each_word(text, share, change).strip()

    def norm(self, text):
        way = self.random.randrange(4)
        if way == 0:
            return text.upper() if self.random.random() < 0.5 else text.lower()
        if way == 1:
            return re.sub(r"\s+", lambda _: self.random.choice([" ", "  ", "\n", "\t", "\r\n"]), text)
        if way == 2:
            return re.sub(r"[,.;:!?](?=\s|$)", lambda m: self.random.choice(["", m[0]]), text)
        return text.title()

    def half(self, text, other):
        first, second = text.split(" "), other.split(" ")
        return " ".join(first[: len(first) // 2] + second[len(second) // 2 :])

    def slip(self, word):
        if len(word) < 3:
            return word
        at = self.random.randrange(len(word) - 1)
        letter = self.random.choice("abcdefghijklmnopqrstuvwxyz")
        ways = (word[:at] + letter + word[at + 1 :], word[:at] + word[at + 1 :], word[:at] + letter + word[at:],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :])
        return self.random.choice(ways)

    def shuffled(self, text):
        sentences = re.split(r"(?<=[.;:!?])\s+|\n+", text)
        if len(sentences) < 3:
            return None
        order = sentences[:]
        while order == sentences and len(set(sentences)) > 1:
            self.random.shuffle(order)
        return " ".join(order)

    def embedded(self, text, other):
        words = other.split(" ")
        at = self.random.randrange(len(words) + 1)
        return " ".join([*words[:at], text, *words[at:]])

    def invisible(self, word):
        at = self.random.randrange(1, len(word)) if len(word) > 1 else 0
        return word[:at] + self.random.choice(INVISIBLE) + word[at:]

    def every_sixth(self, text):
        count = iter(range(len(text)))
        return re.sub(r"\S+", lambda m: self.word() if next(count) % 6 == 5 else m[0], text)

    def copy(self, kind, text, other):
        match kind:
            case "exact":
                return text
            case "norm":
                return self.norm(text)
            case "half":
                return self.half(text, other)
            case "typos":
                return self.each_word(text, 0.2, self.slip)
            case "lookalikes":
                return self.each_letter(text, 1 / 6, LOOKALIKES)
            case "invisible":
                return self.each_word(text, 1 / 3, self.invisible)
            case "shuffled":
                return self.shuffled(text)
            case "embedded":
                return self.embedded(text, other)
            case "every sixth":
                return self.every_sixth(text)
            case "accents":
                return self.each_letter(text, 0.25, ACCENTS)
        return self.edit(text, int(kind[1:]) / 100)


def harvest(cache, wanted):
    """The paragraphs, kept beside the corpora: looking for them takes minutes."""
    path = cache / "paragraphs.json"
    if path.exists():
        return json.loads(path.read_text())
    base, counts = distinct(wanted)
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([base, counts]))
    return base, counts


def make(folder, texts, copies, seed, adversarial):
    kinds = ADVERSARIAL if adversarial else PLAIN
    base, counts = harvest(folder.parent, 161_000)
    draw = random.Random(seed)
    draw.shuffle(base)
    # Others stand in halves and embeddings and are not in the corpus themselves.
    texts = min(texts, max(0, len(base) - copies))
    copies = min(copies, texts // len(kinds))
    base, others = base[:texts], base[texts : texts + copies]
    vocabulary = " ".join(base[:20_000]).split()
    rows, sources = [(text, None, None) for text in base], iter(draw.sample(range(texts), texts))
    for kind in kinds:
        editor, made = Editor(seed, kind, vocabulary), 0
        while made < copies:
            source = next(sources, None)
            if source is None:
                break
            copy = editor.copy(kind, base[source], others[made % len(others)])
            if copy is not None:
                rows.append((copy, source, kind))
                made += 1
    places = draw.sample(range(len(rows)), len(rows))
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "corpus.jsonl", "w") as corpus:
        for place, row in sorted(zip(places, rows)):
            corpus.write(json.dumps({"id": str(place), "text": row[0]}, ensure_ascii=False) + "\n")
    with open(folder / "truth.jsonl", "w") as truth:
        for place, (_, source, kind) in zip(places, rows):
            if kind:
                truth.write(json.dumps({"src": places[source], "dup": place, "kind": kind}) + "\n")
    size = (folder / "corpus.jsonl").stat().st_size
    return {"texts": len(rows), "bytes": size, "copies": copies, "seed": seed, "sources": counts}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--texts", type=int, default=150_000)
    parser.add_argument("--copies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--adversarial", action="store_true")
    args = parser.parse_args()
    print(json.dumps(make(args.folder, args.texts, args.copies, args.seed, args.adversarial)))


if __name__ == "__main__":
    main()
