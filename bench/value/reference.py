"""The value rule in NumPy and SciPy, on the matrices that the engine wrote.

    theta(t) = argmin  lambda/2 |theta|^2 + t * sum of losses          (softmax, log-loss in nats)
    value_i  = integral over t of  < grad U, H(t)^-1 (-grad loss_i) >   (U: mean log2 p on the benchmark)

t = s (e^(a u) - 1), s being lambda over the largest curvature of a single weight at theta = 0 and t(1) = 1;
Gauss-Legendre nodes in u; truncated Newton and preconditioned conjugate gradients; one right-hand side for
each fold of the benchmark. Two ways of doing it:

plain  what one would write: each node starts from the last one's results, the diagonal of H is the preconditioner,
       the folds' gradients are solved at every node and the values are the mean of theirs.
twin   the engine's algorithm line by line: starts extrapolated along the path, class blocks as preconditioner where
       the matrix is dense, the mean solved well and the folds' deviations from it roughly (in f32 at every second
       node). What the engine gains over this is the machine, not the mathematics.

FOLDER gets PREFIX_values.npy, PREFIX_fold_values.npy and PREFIX_result.json. CPU time is this process's own, without
imports, reading and a small run to warm up.
"""

import argparse
import json
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

TOLERANCES = {  # relative gradient of theta(t); relative residual of the mean and of the folds; nodes between folds
    np.float32: dict(path=3e-4, mean=2e-3, folds=0.1, stride=2),
    np.float64: dict(path=1e-6, mean=1e-5, folds=0.03, stride=1),
}
EXACT = dict(path=1e-10, mean=1e-10, folds=1e-10, stride=1)


class Losses:
    """Softmax losses of rows, and their derivatives in the weights (features x classes)."""

    def __init__(self, x, y, classes, dtype):
        self.x = x.astype(dtype)
        self.xt = self.x.T.tocsr() if sp.issparse(x) else np.ascontiguousarray(self.x.T)
        self.squares = self.xt.multiply(self.xt).tocsr() if sp.issparse(x) else self.xt**2
        self.y, self.rows, self.classes = y, np.arange(len(y)), classes

    def probabilities(self, scores):
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return p

    def nats(self, scores):
        top = scores.max(1)
        return np.log(np.exp(scores - top[:, None]).sum(1)) + top - scores[self.rows, self.y]

    def residuals(self, p):
        r = p.copy()
        r[self.rows, self.y] -= 1
        return r


class Curvature:
    """H = lambda I + t * sum of Hessians at p, on panels of features x groups x classes."""

    def __init__(self, losses, p, t, prior, blocks):
        self.losses, self.p, self.t, self.prior = losses, p, p.dtype.type(t), p.dtype.type(prior)
        spread = self.t * p * (1 - p)
        if blocks:
            x, d = losses.x, losses.x.shape[1]
            grams = np.stack([(x * spread[:, c, None]).T @ x for c in range(losses.classes)])
            self.inverse = np.linalg.inv(grams + self.prior * np.eye(d, dtype=p.dtype))
        else:
            self.diagonal = 1 / (losses.squares @ spread + self.prior)[:, None]
        self.blocks = blocks

    def times(self, v):
        d, groups, classes = v.shape
        a = (self.losses.x @ v.reshape(d, -1)).reshape(-1, groups, classes)
        p = self.p[:, None]
        a -= (p * a).sum(2, keepdims=True)
        a *= self.t * p
        return (self.losses.xt @ a.reshape(-1, groups * classes)).reshape(v.shape) + self.prior * v

    def precondition(self, r):
        if not self.blocks:
            return self.diagonal * r
        return np.matmul(self.inverse, r.transpose(2, 0, 1)).transpose(1, 2, 0)


def dots(a, b):
    if a.shape[1] == 1:
        return np.array([np.vdot(a, b)], dtype=np.float64)
    return np.einsum("dgc,dgc->g", a, b).astype(np.float64)


def solve(h, b, x, tolerance, limit=2000):
    """Conjugate gradients on each group until its residual is small in the preconditioner's norm."""
    r = b - h.times(x) if x.any() else b.copy()
    z = h.precondition(r)
    rz, enough = dots(r, z), tolerance**2 * dots(b, h.precondition(b))
    live = rz > enough
    where, r, p, rz = np.flatnonzero(live), r[:, live], z[:, live], rz[live]
    products = 0
    while where.size and products < limit:
        q = h.times(p)
        products += 1
        step = (rz / dots(p, q)).astype(b.dtype)[None, :, None]
        x[:, where] += step * p
        r -= step * q
        z = h.precondition(r)
        after = dots(r, z)
        p = z + (after / rz).astype(b.dtype)[None, :, None] * p
        rz, live = after, after > enough[where]
        if not live.all():
            where, r, p, rz = where[live], r[:, live], p[:, live], rz[live]
    return x


def minimise(losses, t, prior, theta, tolerance, reference, blocks):
    """Newton's method; directions the more exact the nearer the minimum, steps halved until the objective falls."""
    scores = losses.x @ theta
    noise = 1e-7 if theta.dtype == np.float32 else 1e-14

    def objective(theta, scores):
        return 0.5 * prior * float(np.vdot(theta, theta)) + t * losses.nats(scores).sum(dtype=np.float64)

    value = objective(theta, scores)
    for _ in range(100):
        p = losses.probabilities(scores)
        gradient = losses.xt @ (losses.residuals(p) * theta.dtype.type(t)) + theta.dtype.type(prior) * theta
        norm = np.linalg.norm(gradient) / (t * reference)
        if norm <= tolerance:
            break
        forcing = min(max(min(norm, 0.1), 0.3 * tolerance / norm), 0.5)
        h = Curvature(losses, p, t, prior, blocks)
        down = -gradient[:, None]
        step = solve(h, down, np.zeros_like(down), forcing, limit=300)[:, 0]
        along = losses.x @ step
        while objective(theta + step, scores + along) > value + noise * abs(value) and np.abs(step).max() > 1e-12:
            step, along = step / 2, along / 2
        theta, scores = theta + step, scores + along
        value = objective(theta, scores)
    return theta, scores


class Trail:
    """The last few positions along u, and the polynomial through them."""

    def __init__(self, keep):
        self.points, self.keep = [], keep

    def push(self, u, at):
        self.points = (self.points + [(u, at)])[-self.keep :]

    def guess(self, u, like):
        out = np.zeros_like(like)
        for at, panel in self.points:
            others = [(u - other) / (at - other) for other, _ in self.points if other != at]
            out += like.dtype.type(np.prod(others)) * panel
        return out


def thinned(u, w, stride):
    """Weights for every `stride`-th node, the last among them; those of the rest by linear interpolation."""
    kept = np.arange(len(u))[::-1][::stride][::-1]
    out = np.zeros(len(u))
    for k in range(len(u)):
        after = min(np.searchsorted(kept, k), len(kept) - 1)
        a, b = kept[max(after - 1, 0)], kept[after]
        share = 1.0 if b == k or k < kept[0] or a == b else (u[k] - u[a]) / (u[b] - u[a])
        out[a] += (1 - share) * w[k]
        out[b] += share * w[k]
    return out


def top_eigenvalue(x):
    """Of X'X, by power iteration: the largest curvature of the base model, but for the number of classes."""
    v = np.modf(np.arange(x.shape[1]) * 0.618033988749895)[0] - 0.5
    for _ in range(20):
        v = x.T @ (x @ (v / np.linalg.norm(v)))
    return np.linalg.norm(v)


def value(train, bench, prior, count, fold_of, folds, twin, tolerances):
    """Values of the training rows (n), by fold of the benchmark (n x folds), and the gain measured."""
    d, classes, n = train.x.shape[1], train.classes, len(train.y)
    dtype, m = train.x.dtype, len(bench.y)
    blocks = twin and not sp.issparse(train.x)
    scale = np.clip(prior / (top_eigenvalue(train.x) / classes), 1e-9, 1e3)
    rate = np.log1p(1 / scale)
    u, w = np.polynomial.legendre.leggauss(count)
    u, w = (u + 1) / 2, w / 2
    w = w * scale * rate * np.exp(rate * u)
    fold_weight = thinned(u, w, tolerances["stride"] if twin else 1)
    members = np.zeros((m, folds), dtype)
    if folds:
        members[np.arange(m), fold_of] = 1
    sizes = members.sum(0)
    values, fold_values = np.zeros(n), np.zeros((n, folds))
    zero = np.zeros((d, classes), dtype)
    reference = np.linalg.norm(train.xt @ train.residuals(np.full((n, classes), 1 / classes, dtype)))
    models, means, deviations = Trail(4 if twin else 1), Trail(4 if twin else 1), Trail(3 if twin else 1)
    models.push(0.0, zero)

    def t(u):
        return scale * np.expm1(rate * u)

    def at(u, tolerance):
        theta = minimise(train, t(u), prior, models.guess(u, zero), tolerance, reference, blocks)
        models.push(u, theta[0])
        return theta

    def rowwise(x, residuals):
        return np.einsum("ngc,nc->ng", (train.x @ x.reshape(d, -1)).reshape(n, -1, classes), residuals)

    for k in range(count):
        theta, scores = at(u[k], tolerances["path"])
        p = train.probabilities(scores)
        residuals = -train.residuals(p)
        h = Curvature(train, p, t(u[k]), prior, blocks)
        g = bench.residuals(bench.probabilities(bench.x @ theta)) / dtype.type(-np.log(2))
        mean = (bench.xt @ g / dtype.type(m))[:, None]
        wide = (g[:, None] * (members / sizes)[:, :, None]).reshape(m, -1) if folds else None
        if twin or not folds:
            x = solve(h, mean, means.guess(u[k], mean), tolerances["mean"])
            means.push(u[k], x)
            values += w[k] * rowwise(x, residuals)[:, 0]
        if folds and fold_weight[k]:
            right = (bench.xt @ wide).reshape(d, folds, classes)
            right = right - mean if twin else right
            x = solve(h, right, deviations.guess(u[k], right), tolerances["folds" if twin else "mean"])
            deviations.push(u[k], x)
            fold_values += fold_weight[k] * rowwise(x, residuals)
    if folds and twin:
        fold_values += (values - fold_values @ (sizes / m))[:, None]
    elif folds:
        values = fold_values @ (sizes / m)
    theta, _ = at(1.0, 0.1 * tolerances["path"])
    gain = np.log2(classes) - bench.nats(bench.x @ theta).mean(dtype=np.float64) / np.log(2)
    return values, fold_values, float(gain)


def load(folder, name, classes, dtype):
    def array(part):
        return np.load(os.path.join(folder, f"{name}_{part}.npy"))

    if os.path.exists(os.path.join(folder, f"{name}_x.npy")):
        x = array("x")
    else:
        cols = json.load(open(os.path.join(folder, "result.json")))["cols"]
        indptr = array("indptr")
        parts = (array("data"), array("indices").astype(np.int32), indptr.astype(np.int32))
        x = sp.csr_matrix(parts, shape=(len(indptr) - 1, cols))
    return x, array("y").astype(np.int64), classes, dtype


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("prefix", choices=["plain", "twin", "exact"])
    args = parser.parse_args()
    case = json.load(open(os.path.join(args.folder, "result.json")))
    exact = args.prefix == "exact"
    dtype = np.float64 if case["double"] or exact else np.float32
    tolerances = EXACT if exact else TOLERANCES[dtype]
    # Folds to the last digit cost as many times more as there are; what is paid is the mean.
    folds = 0 if exact and not case["double"] else case["folds"]
    train, bench = (load(args.folder, name, case["classes"], dtype) for name in ("train", "valid"))
    fold_of = np.load(os.path.join(args.folder, "fold_of.npy")).astype(np.int64) if folds else 0
    few = Losses(train[0][:200], train[1][:200], *train[2:])
    value(few, few, case["lambda"], 2, 0, 0, args.prefix != "plain", TOLERANCES[dtype])

    before = time.process_time()
    train, bench = Losses(*train), Losses(*bench)
    twin = args.prefix != "plain"
    values, fold_values, gain = value(train, bench, case["lambda"], case["nodes"], fold_of, folds, twin, tolerances)
    cpu = time.process_time() - before

    np.save(os.path.join(args.folder, f"{args.prefix}_values.npy"), values)
    if folds:
        np.save(os.path.join(args.folder, f"{args.prefix}_fold_values.npy"), fold_values)
    result = dict(cpu_s=cpu, sum_bits=float(values.sum()), gain_bits=gain)
    json.dump(result, open(os.path.join(args.folder, f"{args.prefix}_result.json"), "w"))


if __name__ == "__main__":
    main()
