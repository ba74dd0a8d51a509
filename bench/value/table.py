#!/usr/bin/env python3
"""One table of all tests of value, V1 to V12: what the engine reaches, what its peers reach in the same run, and the ratio.

    python3 bench/value/table.py [--only V1,V4] [--no-run]

Runs the benches beside this file, one after the other (most of an hour on one core; pyDVL, dattri, scikit-learn and
OpenDataVal are installed from PyPI first), and prints a table in Markdown. `--no-run` prints what the last runs wrote.
Each row says how far the results agree before it says who was quicker. V11, deep models, does not apply: the engine
values data for linear models. V13 to V15 have benches of their own.
"""

import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results"
# Bench: the tests that read what it writes.
BENCHES = {
    "methods": ("V1", "V4", "V7", "V9"),
    "retrain": ("V2", "V3"),
    "answers": ("V5", "V6"),
    "run": ("V8",),
    "removal": ("V10",),
    "copies": ("V12",),
    "peer_opendataval": ("V1", "V2", "V9"),
}


def read(name):
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def against(found):
    """Peers' times and how many times the engine's, from `cpu_s` by name."""
    ours = found["cpu_s"]["engine"]
    peers = {name: s for name, s in found["cpu_s"].items() if name != "engine"}
    agreed = "; ".join(f"{name} {a['correlation']:.7f}" for name, a in found["agreement"].items())
    cells = ", ".join(f"{name} {1e3 * s:.0f} ms" for name, s in peers.items())
    return f"{1e3 * ours:.1f} ms", cells, ratios(s / ours for s in peers.values()), f"correlation with {agreed}"


def ratios(values):
    return ", ".join(f"{r:.1f}" for r in values)


def v1():
    ours, cells, times, agreed = against(read("methods")["knn"])
    if theirs := read("opendataval"):
        knn = theirs["knn"]
        cells += f", OpenDataVal {1e3 * knn['cpu_s']['opendataval']:.0f} ms"
        times += f", {knn['cpu_s']['opendataval'] / knn['cpu_s']['engine']:.1f}"
        agreed += f"; OpenDataVal {knn['correlation']:.7f}"
    yield "V1 kNN-Shapley, digits, CPU", "12 ms", ours, cells, times, agreed


def retrained(case):
    found = read("retrain")[case]
    ours = found["engine"]["per_s"]
    peers = {name: p for name, p in found.items() if name != "engine"}
    agreed = "; ".join(f"losses within {p['largest_loss_difference']:.0e} of {name}'s" for name, p in peers.items())
    return ours, {name: p["per_s"] for name, p in peers.items()}, agreed


def v2():
    ours, peers, agreed = retrained("breast_cancer")
    if theirs := read("opendataval"):
        peers["OpenDataVal"] = theirs["banzhaf"]["models"] / theirs["banzhaf"]["cpu_s"]["opendataval"]
    yield rates("V2 retrainings per CPU s, breast cancer", "10,000", ours, peers, agreed)


def v3():
    yield rates("V3 retrainings per CPU s, digits", "500", *retrained("digits"))


def rates(test, target, ours, peers, agreed):
    cells = ", ".join(f"{name} {rate:,.0f}" for name, rate in peers.items())
    return test, target, f"{ours:,.0f}", cells, ratios(ours / rate for rate in peers.values()), agreed


def v4():
    found = read("methods")
    for name, kind in (("influence --precision auto", "f64, product in f32"), ("influence --precision double", "f64"), ("influence --precision single", "f32")):
        yield (f"V4 influence matrix, digits, {kind}, CPU", "40 ms", *against(found[name]))


def predicted(test, kind, targets):
    """Linear datamodelling scores by method; `kind` says of what."""
    for case, target in zip(("digits", "digits-flipped"), targets, strict=True):
        found = read("answers")[f"lds {case}"]
        score = {name: of[kind] for name, of in found["lds"].items()}
        best = max(score, key=score.get)
        others = ", ".join(f"{name} {s:.3f}" for name, s in sorted(score.items(), key=lambda of: -of[1]) if name != best)
        agreed = ", ".join(f"{name.replace('_', ' ')} {a:.3g}" for name, a in found["agreement"].items())
        yield f"{test}, {case}", target, f"{best} {score[best]:.4f}", others, "", agreed


def v5():
    yield from predicted("V5 LDS of each answer", "each", ("0.971", "0.972"))


def v6():
    yield from predicted("V6 LDS of the mean loss", "mean", ("0.866", "0.963"))


def v7():
    ranks = read("methods")["ranks"]
    shown = ", ".join(f"{name} {r:.4f}" for name, r in ranks.items())
    yield "V7 rank agreement of two runs of Banzhaf, 2,000 retrainings", "0.98", f"{min(ranks.values()):.4f}", shown, "", ""


def v8():
    for case in ("digits", "scicite", "banking77-folds"):
        if found := read(case):
            of = found["results"]["engine"]
            gap = abs(of["sum_bits"] - of["gain_bits"]) / abs(of["gain_bits"])
            agreed = "; ".join(f"{pair} {a['pearson']:.7f}" for pair, a in found["agreement"].items() if pair.startswith("engine"))
            cells = f"plain NumPy {found['cpu_s']['plain']:.2f} s against {found['cpu_s']['engine']:.2f} s"
            yield f"V8 closure of the path, {case}", "1e-3", f"{gap:.1e}", cells, f"{found['ratio_plain']:.1f}", agreed


def v9():
    flips, theirs = read("methods")["flips"], read("opendataval") or {}
    for case, task in (("digits-flipped", "oob digits"), ("breast_cancer-flipped", "oob bc")):
        of = {name.split()[1]: f for name, f in flips.items() if name.startswith(case + " ")}
        best = max(of, key=lambda name: of[name]["ap"])
        shown = "; ".join(f"{name} {f['ap']:.3f} / {f['f1']:.3f}, {1e3 * f['cpu_s']:.0f} ms" for name, f in of.items() if name != best)
        if task in theirs:
            t = theirs[task]
            shown += f"; OpenDataVal's Data-OOB {t['theirs']['ap']:.3f} / {t['theirs']['f1']:.3f}, {1e3 * t['cpu_s']['opendataval']:.0f} ms"
        ours = f"{best} {of[best]['ap']:.3f} / {of[best]['f1']:.3f}, {1e3 * of[best]['cpu_s']:.0f} ms"
        yield f"V9 moved labels found, {case}, AP / F1", {"digits-flipped": "0.994"}.get(case, "0.965"), ours, shown, "", ""


def v10():
    found = read("removal")
    low = {name: of["low 20%"][0] for name, of in found.items() if isinstance(of, dict)}
    high = {name: of["high 40%"][0] for name, of in found.items() if isinstance(of, dict)}
    for test, target, of, best in (("lowest 20% out, accuracy", "0.970", low, max), ("highest 40% out, accuracy", "0.692", high, min)):
        name = best(of, key=of.get)
        others = ", ".join(f"{other} {a:.3f}" for other, a in of.items() if other != name)
        bounds = f"everything {found['everything'][0]:.3f}, oracle {found['oracle'][0]:.3f}"
        yield f"V10 {test}", target, f"{name} {of[name]:.3f}", others, "", bounds


def v12():
    found = read("copies")
    for attack in ("2 copies", "4 copies", "4 near copies", "3 names", "outliers"):
        mean = {rule: sum(of[attack]) / len(of[attack]) for rule, of in found.items()}
        ours = "path, weight shared"
        others = ", ".join(f"{rule} {gain:.2f}" for rule, gain in mean.items() if rule != ours)
        yield f"V12 gain by {attack}", "1.000" if "near" not in attack else "1.05", f"{mean[ours]:.4f}", others, "", ""


def run(wanted):
    for bench, tests in BENCHES.items():
        script = HERE / f"{bench}.py"
        if script.exists() and wanted & set(tests):
            print(f"\n== {bench}.py", flush=True)
            subprocess.run([sys.executable, script], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = sorted({test for tests in BENCHES.values() for test in tests}, key=lambda test: int(test[1:]))
    parser.add_argument("--only", default=",".join(every))
    parser.add_argument("--no-run", action="store_true")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(every):
        parser.error(f"no test {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    if not args.no_run:
        run(set(wanted))
    print("\n| test | agreement | target | engine | others, same run | times the engine's |\n|---|---|---|---|---|---|")
    for test in wanted:
        try:
            for name, *row, agreed in globals()[test.lower()]():
                print("| " + " | ".join((name, agreed, *row)) + " |", flush=True)
        except (TypeError, KeyError) as missing:  # A bench that was not run, or not whole, leaves no such result.
            print(f"| {test} | not run: {missing} | | | | |")


if __name__ == "__main__":
    main()
