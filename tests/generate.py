#!/usr/bin/env python3
"""generate.py TENON [FAMILY]: `tenon generate` against models written out here from their equations, in Python's own floats.

A tiny model of each family, with random weights: greedy tokens are equal and logits close; the prompt in chunks equals the whole;
ragged rows equal each row alone; stop tokens end a row; a conversation goes on from its states. On the cpu, and on the emulator
where NVRTC is installed (said aloud where it is not, or where a family has operations without a kernel).
"""
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "minilm"))
import tensors  # noqa: E402

TENON = sys.argv[1]
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
LARGEST_DIFFERENCE = 2e-4  # of logits, whose size is about 1: the devices compute in f32
V, D, H, HKV, DH, F, C, E, K = 61, 64, 4, 2, 32, 96, 40, 4, 2


# ---------------------------------------------------------------- numbers: a vector is a list, a matrix a list of rows
def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def times(matrix, x):
    """matrix [out, in] @ x"""
    return [dot(row, x) for row in matrix]


def transposed(matrix):
    return [list(column) for column in zip(*matrix)]


def add(*vectors):
    return [math.fsum(parts) for parts in zip(*vectors)]


def softmax(x):
    most = max(x)
    e = [math.exp(v - most) for v in x]
    return [v / math.fsum(e) for v in e]


def silu(x):
    return [v / (1 + math.exp(-v)) for v in x]


def gelu(x):
    return [0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x]


def rmsnorm(x, weight, eps=1e-6):
    r = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * r * w for v, w in zip(x, weight)]


def layernorm(x, weight, bias, eps=1e-5):
    mean = math.fsum(x) / len(x)
    centred = [v - mean for v in x]
    r = 1 / math.sqrt(dot(centred, centred) / len(x) + eps)
    return [v * r * w + b for v, w, b in zip(centred, weight, bias)]


def heads(x):
    return [x[i : i + DH] for i in range(0, len(x), DH)]


def rope(x, position, theta=10000.0):
    half, y = len(x) // 2, list(x)
    for i in range(half):
        angle = position * theta ** (-i / half)
        c, s = math.cos(angle), math.sin(angle)
        y[i], y[i + half] = x[i] * c - x[i + half] * s, x[i + half] * c + x[i] * s
    return y


def attend(queries, keys, values, window=0, softcap=0.0):
    """queries [H][DH] at the last of the positions that keys and values [position][HKV][DH] have."""
    result, first = [], max(0, len(keys) - window) if window else 0
    for h, q in enumerate(queries):
        g = h * len(keys[0]) // len(queries)
        scores = [dot(q, keys[t][g]) / math.sqrt(DH) for t in range(first, len(keys))]
        if softcap:
            scores = [softcap * math.tanh(s / softcap) for s in scores]
        p = softmax(scores)
        result += [math.fsum(p[i] * values[first + i][g][j] for i in range(len(p))) for j in range(DH)]
    return result


# ---------------------------------------------------------------- families: a model's text, its weights, a layer by its equations
class Family:
    """Weights by the names of the file; `layers` shapes have {i}. Gives the text of the model and the logits of a token."""

    layers_count = 2
    scalar = False  # position: one for all rows

    def __init__(self, name, seed):
        self.name, self.random = name, random.Random(seed)
        self.weights = {}
        for key, shape in self.top.items():
            self.draw(key, shape)
        for i in range(self.layers_count):
            for key, shape in self.layer_weights.items():
                self.draw(f"layer.{i}.{key}", shape)

    def draw(self, name, shape):
        scale, shift = 1 / math.sqrt(shape[-1]), 0.0
        if "embed" in name or "wpe" in name:
            scale = 0.5
        if name.endswith(("norm", "norm1", "norm2", "norm3", "norm4", "_w")):
            scale, shift = 0.2, 1.0
        values = [self.random.gauss(0, scale) + shift for _ in range(math.prod(shape))]
        values = list(struct.unpack(f"{len(values)}f", struct.pack(f"{len(values)}f", *values)))
        self.weights[name] = (shape, values)

    def __getitem__(self, name):
        shape, values = self.weights[name]
        for extent in reversed(shape[1:]):
            values = [values[i : i + extent] for i in range(0, len(values), extent)]
        return values

    def text(self):
        dims = f'B = "1..8"\nT = "1..{C}"\nC = {C}\nV = {V}\nD = {D}\nH = {H}\nHkv = {HKV}\nDh = {DH}\nF = {F}\nL = {self.layers_count}\n'
        declared = lambda key, shape, name: f'{key} = {{ shape = {list(shape)}, from = "{name}" }}\n'
        top = "".join(declared(key, shape, key) for key, shape in self.top.items())
        layer = "".join(declared(key, shape, "layer.{i}." + key) for key, shape in self.layer_weights.items())
        lines = lambda body: "".join(f"  '{line}',\n" for line in body)
        return f"""tenon = 1
[model]
name = "{self.name}"
dtype = "f32"
[dims]
{dims}[inputs]
tokens = {{ shape = ["B", "T"], dtype = "i32" }}
position = {{ shape = {'[]' if self.scalar else '["B"]'}, dtype = "i32" }}
[weights]
{top}[block.layer]
args = ["x"]
returns = ["x"]
body = [
{lines(self.body)}]
[block.layer.weights]
{layer}[block.layer.state]
{self.states}[graph]
body = [
{lines(self.graph)}]
outputs = ["logits"]
"""

    states = 'k_cache = { shape = ["B", "Hkv", "C", "Dh"] }\nv_cache = { shape = ["B", "Hkv", "C", "Dh"] }\n'

    def logits(self, tokens):
        """Of every position of one row."""
        named = {name: self[name] for name in self.weights}
        caches = [{} for _ in range(self.layers_count)]
        result = []
        for position, token in enumerate(tokens):
            x = self.embed(named, token, position)
            for i in range(self.layers_count):
                weights = {key: named[f"layer.{i}.{key}"] for key in self.layer_weights}
                x = self.layer(weights, x, position, caches[i], i)
            result.append(self.head(named, x))
        return result

    def embed(self, w, token, position):
        return w["embed"][token]

    def head(self, w, x):
        return times(w["head"], rmsnorm(x, w["norm"]))


def remember(cache, key, k, v):
    cache.setdefault(key, ([], []))
    cache[key][0].append(k)
    cache[key][1].append(v)
    return cache[key]


class Gpt2(Family):
    top = {"embed": (V, D), "head": (V, D), "wpe": (C, D), "norm": (D,), "norm_b": (D,)}
    layer_weights = {"ln1_w": (D,), "ln1_b": (D,), "attn_w": (D, 3 * D), "attn_b": (3 * D,), "proj_w": (D, D), "proj_b": (D,),
                     "ln2_w": (D,), "ln2_b": (D,), "fc_w": (D, F), "fc_b": (F,), "out_w": (F, D), "out_b": (D,)}
    body = ["h = layernorm(x, ln1_w, ln1_b, eps=1e-5)",
            "q, k, v = split(h @ attn_w + attn_b, parts=3)",
            "k, v = cache(k_cache, v_cache, heads(k, D // Dh), heads(v, D // Dh), position)",
            "a = attention(heads(q, D // Dh), k, v, causal=true, offset=position)",
            "x = x + (merge_heads(a) @ proj_w + proj_b)",
            "h = layernorm(x, ln2_w, ln2_b, eps=1e-5)",
            'h = gelu(h @ fc_w + fc_b, approximate="tanh")',
            "x = x + (h @ out_w + out_b)"]
    states = 'k_cache = { shape = ["B", "D // Dh", "C", "Dh"] }\nv_cache = { shape = ["B", "D // Dh", "C", "Dh"] }\n'
    graph = ['at = unsqueeze(position, axis=1) + iota(T, dtype="i32")',
             "x = embedding(embed, tokens) + embedding(wpe, at)",
             "x = repeat(layer, L, x)",
             "logits = linear(layernorm(x, norm, norm_b, eps=1e-5), head)"]

    def draw(self, name, shape):
        super().draw(name, shape)
        if len(shape) == 2 and name.endswith("_w"):  # a product's, not a norm's
            self.weights[name] = (shape, [struct.unpack("f", struct.pack("f", (v - 1) * 5 / math.sqrt(shape[0])))[0]
                                          for v in self.weights[name][1]])

    def embed(self, w, token, position):
        return add(w["embed"][token], w["wpe"][position])

    def layer(self, w, x, position, cache, _):
        h = layernorm(x, w["ln1_w"], w["ln1_b"])
        qkv = add(times(transposed(w["attn_w"]), h), w["attn_b"])
        keys, values = remember(cache, "a", heads(qkv[D : 2 * D]), heads(qkv[2 * D :]))
        a = attend(heads(qkv[:D]), keys, values)
        x = add(x, times(transposed(w["proj_w"]), a), w["proj_b"])
        h = layernorm(x, w["ln2_w"], w["ln2_b"])
        h = gelu(add(times(transposed(w["fc_w"]), h), w["fc_b"]))
        return add(x, times(transposed(w["out_w"]), h), w["out_b"])

    def head(self, w, x):
        return times(w["head"], layernorm(x, w["norm"], w["norm_b"]))


class Llama(Family):
    top = {"embed": (V, D), "head": (V, D), "norm": (D,)}
    layer_weights = {"norm1": (D,), "wq": (H * DH, D), "wk": (HKV * DH, D), "wv": (HKV * DH, D), "wo": (D, H * DH),
                     "norm2": (D,), "gate": (F, D), "up": (F, D), "down": (D, F)}
    attention = ["k, v = cache(k_cache, v_cache, k, v, position)",
                 "a = attention(q, k, v, causal=true, offset=position)",
                 "x = x + linear(merge_heads(a), wo)"]
    feed_forward = ["h = rmsnorm(x, norm2, eps=1e-6)",
                    "x = x + linear(silu(linear(h, gate)) * linear(h, up), down)"]
    body = ["h = rmsnorm(x, norm1, eps=1e-6)",
            "at = unsqueeze(position, axis=1)",
            "q = rope(heads(linear(h, wq), H), at)",
            "k = rope(heads(linear(h, wk), Hkv), at)",
            "v = heads(linear(h, wv), Hkv)"] + attention + feed_forward
    graph = ["x = embedding(embed, tokens)",
             "x = repeat(layer, L, x)",
             "logits = linear(rmsnorm(x, norm, eps=1e-6), head)"]

    def qkv(self, w, h, position):
        q = [rope(head, position) for head in heads(times(w["wq"], h))]
        k = [rope(head, position) for head in heads(times(w["wk"], h))]
        return q, k, heads(times(w["wv"], h))

    def layer(self, w, x, position, cache, i):
        q, k, v = self.qkv(w, rmsnorm(x, w["norm1"]), position)
        keys, values = remember(cache, "a", k, v)
        x = add(x, times(w["wo"], attend(q, keys, values)))
        return add(x, self.mix(w, rmsnorm(x, w["norm2"])))

    def mix(self, w, h):
        return times(w["down"], [a * b for a, b in zip(silu(times(w["gate"], h)), times(w["up"], h))])


class ScalarLlama(Llama):
    """With one position for all rows, as the examples have it."""

    scalar = True
    body = [line.replace(", at)", ", position)") for line in Llama.body if not line.startswith("at =")]


class Qwen(Llama):
    layer_weights = dict(Llama.layer_weights, bq=(H * DH,), bk=(HKV * DH,), bv=(HKV * DH,), q_norm=(DH,), k_norm=(DH,))
    body = ["h = rmsnorm(x, norm1, eps=1e-6)",
            "at = unsqueeze(position, axis=1)",
            "q = rope(rmsnorm(heads(linear(h, wq, bq), H), q_norm, eps=1e-6), at, theta=1000000.0)",
            "k = rope(rmsnorm(heads(linear(h, wk, bk), Hkv), k_norm, eps=1e-6), at, theta=1000000.0)",
            "v = heads(linear(h, wv, bv), Hkv)"] + Llama.attention + Llama.feed_forward

    def qkv(self, w, h, position):
        normed = lambda x, weight: [rope(rmsnorm(head, weight), position, 1e6) for head in heads(x)]
        return (normed(add(times(w["wq"], h), w["bq"]), w["q_norm"]), normed(add(times(w["wk"], h), w["bk"]), w["k_norm"]),
                heads(add(times(w["wv"], h), w["bv"])))


class Gemma(Llama):
    """A block is a pair of layers: one that sees a window of 5 keys, one that sees all."""

    layers_count = 1
    layer_weights = {f"{key}_{part}" if "norm" not in key else f"{part}_{key}": shape for part in "ab" for key, shape in
                     dict(Llama.layer_weights, norm3=(D,), norm4=(D,)).items()}
    states = "".join(f'{part}_{kind} = {{ shape = ["B", "Hkv", "C", "Dh"] }}\n' for part in "ab" for kind in ("keys", "values"))
    body = ["at = unsqueeze(position, axis=1)"] + [line for part, window in (("a", 5), ("b", 0)) for line in [
        f"h = rmsnorm(x, {part}_norm1, eps=1e-6)",
        f"q = rope(heads(linear(h, wq_{part}), H), at)",
        f"k = rope(heads(linear(h, wk_{part}), Hkv), at)",
        f"v = heads(linear(h, wv_{part}), Hkv)",
        f"k, v = cache({part}_keys, {part}_values, k, v, position)",
        f"a = attention(q, k, v, causal=true, offset=position, softcap=1.5, window={window})",
        f"x = x + rmsnorm(linear(merge_heads(a), wo_{part}), {part}_norm3, eps=1e-6)",
        f"h = rmsnorm(x, {part}_norm2, eps=1e-6)",
        f'm = gelu(linear(h, gate_{part}), approximate="tanh") * linear(h, up_{part})',
        f"x = x + rmsnorm(linear(m, down_{part}), {part}_norm4, eps=1e-6)"]]
    graph = ["x = embedding(embed, tokens) * sqrt(D)",
             "x = repeat(layer, L, x)",
             "y = linear(rmsnorm(x, norm, eps=1e-6), head)",
             "logits = 3.0 * tanh(y / 3.0)"]

    def embed(self, w, token, position):
        return [v * math.sqrt(D) for v in w["embed"][token]]

    def layer(self, w, x, position, cache, _):
        for part, window in (("a", 5), ("b", 0)):
            h = rmsnorm(x, w[f"{part}_norm1"])
            q, k, v = (heads(times(w[f"w{kind}_{part}"], h)) for kind in "qkv")
            q, k = ([rope(head, position) for head in all_heads] for all_heads in (q, k))
            keys, values = remember(cache, part, k, v)
            a = times(w[f"wo_{part}"], attend(q, keys, values, window, 1.5))
            x = add(x, rmsnorm(a, w[f"{part}_norm3"]))
            h = rmsnorm(x, w[f"{part}_norm2"])
            m = [a * b for a, b in zip(gelu(times(w[f"gate_{part}"], h)), times(w[f"up_{part}"], h))]
            x = add(x, rmsnorm(times(w[f"down_{part}"], m), w[f"{part}_norm4"]))
        return x

    def head(self, w, x):
        return [3 * math.tanh(v / 3) for v in times(w["head"], rmsnorm(x, w["norm"]))]


class Moe(Llama):
    layer_weights = dict(Llama.layer_weights, router=(E, D), gate=(E, F, D), up=(E, F, D), down=(E, D, F))
    body = Llama.body[:-1] + ["r, ids = topk(linear(h, router), 2)",
                              "x = x + experts(h, softmax(r), ids, gate, up, down)"]

    def mix(self, w, h):
        scores = times(w["router"], h)
        chosen = sorted(range(E), key=lambda e: -scores[e])[:K]
        shares = softmax([scores[e] for e in chosen])
        parts = [Llama.mix(self, {key: w[key][e] for key in ("gate", "up", "down")}, h) for e in chosen]
        return add(*([share * v for v in part] for share, part in zip(shares, parts)))


FAMILIES = [Gpt2("gpt2", 1), Llama("llama", 2), ScalarLlama("llama-scalar", 3), Qwen("qwen", 4), Gemma("gemma", 5), Moe("moe", 6)]


# ---------------------------------------------------------------- what is asked of each
class Unable(Exception):
    """The device has no kernel for the family."""


class Bench:
    """A family's files in a folder, and runs of them on a device."""

    def __init__(self, family, device, folder):
        self.family, self.device, self.folder = family, device, pathlib.Path(folder)
        (self.folder / "m.toml").write_text(family.text())
        tensors.write(self.folder / "w.safetensors", {n: ("F32", s, v) for n, (s, v) in family.weights.items()})

    def command(self, *arguments):
        return [TENON, "generate", str(self.folder / "m.toml"), "--device", self.device, "--weights",
                str(self.folder / "w.safetensors"), "--json", "-", "-q", *map(str, arguments)]

    def generate(self, rows, steps, *arguments, position=None):
        """Rows of tokens, ragged or not; returns JSON's tokens, and the logits of prompts and steps as nested lists."""
        width = max(map(len, rows))
        padded = [row + [V + 7] * (width - len(row)) for row in rows]  # padding is no token
        tensors.write(self.folder / "t.safetensors", {"tokens": ("I64", (len(rows), width), sum(padded, [])),
                                                      "lengths": ("I32", (len(rows),), [len(row) for row in rows])})
        if position is not None:
            shape = () if self.family.scalar else (len(rows),)
            tensors.write(self.folder / "p.safetensors", {"position": ("I32", shape, [position] * math.prod(shape))})
            arguments += ("--inputs", self.folder / "p.safetensors")
        run = subprocess.run(self.command("--tokens", self.folder / "t.safetensors", "--steps", steps, "--outputs",
                                          self.folder / "o.safetensors", *arguments), capture_output=True, text=True)
        if run.returncode == 3 and self.device != "cpu":
            raise Unable(run.stderr.split("error: ")[-1].splitlines()[0])
        if run.returncode:
            raise SystemExit(f"{self.family.name} on {self.device}: {run.args}\n{run.stderr}")
        outputs = tensors.read(self.folder / "o.safetensors")
        told = json.loads(run.stdout)
        assert told["tokens"] == nested(outputs["tokens"]), "JSON and file tell other tokens"
        return told, nested(outputs["prefill_logits"]), nested(outputs["decode_logits"])


def nested(tensor):
    _, shape, values = tensor
    values = list(values)
    for extent in reversed(shape[1:]):
        values = [values[i : i + extent] for i in range(0, len(values), extent)] if extent else [[] for _ in range(shape[0])]
    return values


def expected(family, rows, steps):
    """Greedy tokens and all logits, row by row."""
    result = []
    for row in rows:
        tokens = list(row)
        for _ in range(steps + 1):
            logits = family.logits(tokens)
            tokens.append(max(range(V), key=lambda i: logits[-1][i]))
        result.append((tokens[len(row) :], logits))
    return result


def close(what, ours, theirs):
    worst = max(abs(a - b) for x, y in zip(ours, theirs) for a, b in zip(x, y))
    if len(ours) != len(theirs) or not worst <= LARGEST_DIFFERENCE:
        raise SystemExit(f"{what}: {len(ours)} rows of logits for {len(theirs)}, differing by {worst}")


def judge(what, got, rows, wanted):
    told, prefill, decode = got
    for b, (row, (tokens, logits)) in enumerate(zip(rows, wanted)):
        if told["tokens"][b] != tokens:
            raise SystemExit(f"{what}: row {b} has tokens {told['tokens'][b]}, not {tokens}")
        close(f"{what}, prompt {b}", prefill[b][: len(row)], logits[: len(row)])
        if len(tokens) > 1:
            close(f"{what}, steps of row {b}", decode[b], logits[len(row) :])


def check(family, device):
    pick = random.Random(7)
    prompt = lambda n: [pick.randrange(V) for _ in range(n)]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(family, device, folder)
        label = f"{family.name} on {device}"
        rows = [prompt(9), prompt(9)]
        wanted = expected(family, rows, 6)
        got = bench.generate(rows, 6, "--chunk", 4)
        judge(f"{label}, in chunks of 4", got, rows, wanted)
        if device == "cpu" or family.scalar:  # an emulated run compiles and takes seconds
            judge(label, bench.generate(rows, 6), rows, wanted)
            go_on(bench, label, rows, wanted)
            stop(bench, label, rows, wanted)
        if not family.scalar:
            ragged = [prompt(3), prompt(11), prompt(8)]
            wanted = expected(family, ragged, 4)
            judge(f"{label}, ragged", bench.generate(ragged, 4), ragged, wanted)
            judge(f"{label}, ragged in chunks of 4", bench.generate(ragged, 4, "--chunk", 4), ragged, wanted)
    print(f"  {label}: equal, {got[0]['launches_per_token']} launches a token", flush=True)


def go_on(bench, label, rows, wanted):
    """Three steps, and three more from the states of the first."""
    told, _, _ = bench.generate(rows, 2, "--state-out", bench.folder / "s.safetensors")
    last = [[row[-1]] for row in told["tokens"]]
    more, _, _ = bench.generate(last, 3, "--state-in", bench.folder / "s.safetensors", position=told["next_position"][0])
    for b, (tokens, _) in enumerate(wanted):
        if told["tokens"][b] + more["tokens"][b] != tokens:
            raise SystemExit(f"{label}: a conversation that goes on has {told['tokens'][b]} + {more['tokens'][b]}, not {tokens}")


def stop(bench, label, rows, wanted):
    """Every row ends at its stop token, and repeats it while others go on."""
    stops = [wanted[0][0][2], wanted[1][0][4]]
    told, _, decode = bench.generate(rows, 6, *sum((["--stop", id] for id in stops), []))
    ends = [next(i for i, id in enumerate(tokens) if id in stops) for tokens, _ in wanted]
    for b, (tokens, _) in enumerate(wanted):
        cut = tokens[: ends[b] + 1] + [tokens[ends[b]]] * (max(ends) - ends[b])
        if told["tokens"][b] != cut or len(decode[b]) != max(ends):
            raise SystemExit(f"{label}, stop tokens {stops}: {told['tokens'][b]}, not {cut}")


def main():
    devices = ["cpu"]
    found = subprocess.run([TENON, "doctor", "--json"], capture_output=True, text=True).stdout
    if '"nvrtc"' in found and json.loads(found).get("nvrtc", {}).get("found"):
        devices.append("emulator:sm_80")
    else:
        print("NO NVRTC: generated kernels are not run")
    for family in FAMILIES:
        if ONLY in family.name:
            for device in devices:
                try:
                    check(family, device)
                except Unable as why:
                    print(f"  {family.name} on {device}: NOT RUN: {why}", flush=True)


main()
