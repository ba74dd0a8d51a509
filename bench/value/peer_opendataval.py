#!/usr/bin/env python3
"""OpenDataVal beside the engine, in an environment of its own (it needs an old torch, some gigabytes): V1, V2 and V9.

    python3 bench/value/peer_opendataval.py

kNN-Shapley of digits; retrainings per CPU second of its Data Banzhaf; average precision and F1 of its Data-OOB on digits and
breast cancer with a fifth of the labels moved. Same arrays and same core as the engine's, in turn, imports not counted.
Results go to bench/value/results/opendataval.json.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import venv

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from methods import RESULTS, TARGET, THREADS, load, python, run_engine  # noqa: E402
from run import engine, inside, pinned  # noqa: E402

RUNS = 3
# Our method, theirs, models that theirs trains, the set.
TASKS = {
    "knn": ("knn-shapley", "KNNShapley", 0, "digits"),
    "banzhaf": (None, "DataBanzhaf", 500, "breast_cancer"),
    "oob bc": ("out-of-bag", "DataOob", 1000, "breast_cancer-flipped"),
    "oob digits": ("out-of-bag", "DataOob", 300, "digits-flipped"),
}


def environment():
    folder = TARGET / "opendataval-venv"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        wanted = ["opendataval==1.3.0", "transformers==4.38.2", "numpy<2"]
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *wanted], check=True)
        (folder / "installed").touch()
    return folder / "bin" / "python"


def evaluate(task, folder):
    import numpy as np
    import torch
    from opendataval import dataval
    from opendataval.metrics import accuracy
    from opendataval.model import ClassifierSkLearnWrapper
    from sklearn.linear_model import LogisticRegression

    torch.set_num_threads(1)
    _, name, models, case = TASKS[task]
    x, y, u, v = load(folder / case)
    classes = int(y.max()) + 1

    def one_hot(labels):
        return torch.nn.functional.one_hot(torch.tensor(labels), classes).float()

    options = {"num_models": models} if models else {"k_neighbors": 5}
    method = getattr(dataval, name)(random_state=np.random.RandomState(0), **options)
    data = torch.tensor(x[:, :-1], dtype=torch.float32), one_hot(y), torch.tensor(u[:, :-1], dtype=torch.float32), one_hot(v)
    before = time.process_time()
    method.input_data(*data)
    if models:
        method.input_model(ClassifierSkLearnWrapper(LogisticRegression, classes, C=1.0, max_iter=200))
        method.input_metric(accuracy)
    method.train_data_values()
    values = np.asarray(method.evaluate_data_values(), dtype=float).ravel()
    seconds = time.process_time() - before
    np.save(folder / case / "opendataval.npy", values)
    (folder / "peer.json").write_text(json.dumps({"cpu_s": seconds}))


def judge(task, folder):
    """Correlation with the engine's values, and how both find moved labels."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    case = folder / TASKS[task][3]
    theirs, ours, flipped = (np.load(case / f"{name}.npy") for name in ("opendataval", "values", "flipped"))
    bad = np.isin(np.arange(len(ours)), flipped)
    found = {"correlation": float(np.corrcoef(ours, theirs)[0, 1]), "largest": float(abs(ours - theirs).max())}
    for who, values in (("ours", ours), ("theirs", theirs)):
        lowest = np.argsort(values, kind="stable")[: len(flipped)]
        found[who] = {"ap": float(average_precision_score(bad, -values)), "f1": float(bad[lowest].mean())}
    print(json.dumps(found))


def main():
    if sys.argv[1:2] == ["--inside"]:
        task, *what, folder = sys.argv[2:]
        return globals()[task](*what, pathlib.Path(folder))
    os.environ.update(THREADS, TQDM_DISABLE="1")
    binary, interpreter, theirs = engine(), python(), environment()
    folder = TARGET / "bench-methods"
    inside(pathlib.Path(__file__).with_name("methods.py"), interpreter, "export", folder)
    results = {}
    for task, (ours, _, models, case) in TASKS.items():
        seconds = {"engine": [], "opendataval": []}
        for _ in range(1 if models else RUNS):
            if ours:
                seconds["engine"].append(run_engine(binary, folder / case, "--method", ours))
            pinned([theirs, __file__, "--inside", "evaluate", task, folder])
            seconds["opendataval"].append(json.loads((folder / "peer.json").read_text())["cpu_s"])
        least = {who: min(s) for who, s in seconds.items() if s}
        results[task] = {"cpu_s": least, "models": models}
        line = f"{task:12s} OpenDataVal {least['opendataval']:8.3f} CPU s"
        if ours:
            results[task] |= inside(__file__, interpreter, "judge", task, folder)
            line += f", engine {least['engine']:8.4f}, {least['opendataval'] / least['engine']:7.1f} times; correlation {results[task]['correlation']:.6f}"
        if models:
            line += f"; {models / least['opendataval']:.0f} retrainings per CPU second"
        if "flipped" in case:
            line += "".join(f"; {who} AP {results[task][who]['ap']:.4f} F1 {results[task][who]['f1']:.3f}" for who in ("ours", "theirs"))
        print(line, flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "opendataval.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
