#!/usr/bin/env python3
"""V12: what an attacker gains who copies, splits or distorts. 20 contributors of 60 records of scikit-learn's digits.

    python3 bench/value/copies.py

His share of all positive value after the attack, over his share before: with two and four copies of each of his records,
four near copies, three names, and with his records moved away from the rest along their own directions, labels kept (the
outlier attack of arXiv 2409.05657). Rules: values of records summed by contributor (kNN-Shapley, influence, path), the
path with the weight of a record shared among its copies, and the Shapley value of contributors as players. The duplicates
are known here, as a gate would find them. Results go to bench/value/results/copies.json.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from methods import RESULTS, TARGET, load, python, run_engine  # noqa: E402
from run import engine, inside  # noqa: E402

COUNT, EACH, ATTACKERS = 20, 60, 2
RULES = {
    "knn-shapley": ["--method", "knn-shapley"],
    "influence": ["--method", "influence"],
    "path": ["--method", "path"],
    "path, weight shared": ["--method", "path", "--weights", "weights.npy"],
    "group-shapley": ["--method", "group-shapley"],
}
ATTACKS = ("honest", "2 copies", "4 copies", "4 near copies", "3 names", "outliers")


def attack(name, x, y, attacker):
    """Records, labels, the name that sends each, and the original that each is a copy of."""
    import numpy as np

    mine = np.arange(attacker * EACH, (attacker + 1) * EACH)
    names = np.repeat(np.arange(COUNT), EACH)
    original = np.arange(len(y))
    if name == "3 names":
        names[mine] = np.where(mine % 3 == 0, attacker, COUNT - 1 + mine % 3)
    if name == "outliers":
        x = x.copy()
        middle = x.mean(0)
        x[mine, :-1] = np.clip(middle[:-1] + 2 * (x[mine, :-1] - middle[:-1]), 0, 1)
    if "copies" in name:
        more = np.tile(mine, int(name[0]) - 1)
        copies = x[more].copy()
        if "near" in name:
            noise = np.random.default_rng(1).uniform(-1 / 16, 1 / 16, copies[:, :-1].shape)
            copies[:, :-1] = np.clip(copies[:, :-1] + noise, 0, 1)
        x, y = np.vstack([x, copies]), np.concatenate([y, y[more]])
        names, original = np.concatenate([names, names[more]]), np.concatenate([original, more])
    return x, y, names, original


def make(name, attacker, folder):
    import numpy as np

    x, y, u, v = load(folder / "digits")
    x, y, names, original = attack(name, x, y, int(attacker))
    target = folder / "copies"
    target.mkdir(parents=True, exist_ok=True)
    weights = 1.0 / np.bincount(original)[original]
    parts = {"x": x, "y": y, "valid_x": u, "valid_y": v, "groups": names, "weights": weights}
    for part, array in parts.items():
        np.save(target / f"{part}.npy", array.astype(np.float64))


def share(attacker, folder):
    """The attacker's part of all positive value, his names together."""
    import numpy as np

    values, names = np.load(folder / "copies" / "values.npy"), np.load(folder / "copies" / "groups.npy").astype(int)
    sums = values if len(values) != len(names) else np.bincount(names, values)
    positive = np.maximum(sums, 0)
    print(json.dumps(float((positive[int(attacker)] + positive[COUNT:].sum()) / positive.sum())))


def main():
    if sys.argv[1:2] == ["--inside"]:
        task, *what, folder = sys.argv[2:]
        return globals()[task](*what, pathlib.Path(folder))
    binary, interpreter = engine(), python()
    folder = TARGET / "bench-methods"
    inside(pathlib.Path(__file__).with_name("methods.py"), interpreter, "export", folder)
    gains = {rule: {name: [] for name in ATTACKS} for rule in RULES}
    for attacker in range(ATTACKERS):
        before = {}
        for name in ATTACKS:
            inside(__file__, interpreter, "make", name, attacker, folder)
            for rule, flags in RULES.items():
                run_engine(binary, folder / "copies", *flags)
                part = inside(__file__, interpreter, "share", attacker, folder)
                gains[rule][name].append(part / before.setdefault(rule, part))
    print(f"\nshare after / before, mean of {ATTACKERS} attackers" + "".join(f"{name:>15s}" for name in ATTACKS[1:]))
    for rule, of in gains.items():
        print(f"  {rule:40s}" + "".join(f"{sum(of[name]) / ATTACKERS:15.4f}" for name in ATTACKS[1:]))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "copies.json").write_text(json.dumps(gains, indent=1) + "\n")


if __name__ == "__main__":
    main()
