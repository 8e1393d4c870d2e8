#!/usr/bin/env python3
"""emulate_examples.py TENON: kernels executed on the emulator with every check on, judged by the f64 evaluator, their counters held to
the plan: each example with fewer layers and narrower, and of each family of kernels shapes that tiles do not divide, in f32, f16
and bf16. Exit status 77 (skipped) where NVRTC is not installed; TENON_TARGETS names the architectures (sm_80 and sm_120 otherwise),
TENON_LONG_CHECKS=1 adds lengths, and more runs in other orders and numerics. A second argument chooses runs by a part of their labels."""
import concurrent.futures, glob, json, math, os, re, subprocess, sys, tempfile, time

tenon = os.path.abspath(sys.argv[1])
only = sys.argv[2] if len(sys.argv) > 2 else ""  # of the runs' labels
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
targets = os.environ.get("TENON_TARGETS", "sm_80 sm_120").split()
long = os.environ.get("TENON_LONG_CHECKS") == "1"

# What each example becomes: dims that the file fixes, then those bound at the command line, the last ones in long checks alone. Head
# sizes stay, and how many queries share keys. A new example needs its line here.
tokens = [["T=1"], ["T=37"], ["T=128"]]
reduced = {
    "attention_primitives": ({"H": 2}, tokens),
    "ffn": ({"D": 136, "F": 264}, tokens),
    "gpt2": ({"L": 2, "D": 128, "H": 2, "F": 512, "V": 211}, tokens),
    "llama-3-8b": ({"L": 2, "C": 128, "D": 256, "H": 4, "Hkv": 1, "F": 320, "V": 131}, tokens),
    "gemma-2-2b": ({"L": 1, "C": 160, "W": 24, "D": 128, "H": 2, "Hkv": 1, "F": 136, "V": 67}, tokens),
    "gpt-175b": ({"L": 1, "D": 192, "H": 2, "F": 256, "V": 67}, tokens[1:2]),
    "gpt-oss-20b": ({"L": 1, "C": 160, "W": 24, "D": 136, "H": 4, "Hkv": 1, "F": 72, "E": 7, "V": 67}, tokens),
    "llama-3-70b": ({"L": 1, "C": 160, "D": 128, "H": 4, "Hkv": 1, "F": 96, "V": 67}, tokens[:1]),
    "llama-3.2-1b": ({"L": 2, "C": 128, "D": 256, "H": 4, "Hkv": 1, "F": 320, "V": 131}, tokens),
    "minilm": ({"L": 2, "D": 96, "H": 3, "F": 384, "V": 203}, [["B=1", "T=1"], ["B=3", "T=13"]]),
    "mistral-7b": ({"L": 1, "C": 160, "W": 24, "D": 128, "H": 4, "Hkv": 1, "F": 96, "V": 67}, tokens),
    "qwen2.5-0.5b": ({"L": 2, "C": 128, "D": 448, "H": 7, "Hkv": 1, "F": 320, "V": 131}, tokens),
    "qwen3-0.6b": ({"L": 1, "C": 160, "D": 96, "H": 2, "Hkv": 1, "F": 96, "V": 67}, tokens),
    "seeds/attention": ({"H": 2}, [["B=2"]]),
    "seeds/mlp": ({}, [[]]),
    "seeds/o_proj": ({}, [[]]),
    "seeds/qwen2.5-0.5b-step": ({"L": 1, "C": 160, "V": 67}, [[]]),
}


def reduce_model(path, dims):
    """The example's text with the values of `dims` in place of its own."""
    text = open(path).read()
    for name, value in dims.items():
        text, found = re.subn(rf"(?m)^({name}\s*=) *\d+", rf"\1 {value}", text)
        assert found == 1, f"{path} has no dim {name} with a fixed value"
    return text


class Family:
    """A model that grows by equations over inputs and weights of given shapes; every result is an output."""

    def __init__(self, name, dtype):
        self.head = f'tenon = 1\n[model]\nname = "{name}"\ndtype = "{dtype}"\n'
        self.inputs, self.weights, self.states, self.body, self.outputs = [], [], [], [], []

    def declare(self, kind, shape, dtype, more=""):
        name = f"t{len(self.inputs) + len(self.weights) + len(self.states)}"
        kind.append(f"{name} = {{ shape = {list(shape)}" + (f', dtype = "{dtype}"' if dtype else "") + more + " }")
        return name

    def input(self, *shape, dtype=None):
        return self.declare(self.inputs, shape, dtype)

    def weight(self, *shape):
        return self.declare(self.weights, shape, None)

    def quantised(self, scheme, group, *shape):
        return self.declare(self.weights, shape, None, f', quant = {{ scheme = "{scheme}", group = {group} }}')

    def state(self, *shape):
        return self.declare(self.states, shape, None)

    def add(self, equation, results=1):
        names = [f"y{len(self.outputs) + i}" for i in range(results)]
        self.body.append(f"  '{', '.join(names)} = {equation}',\n")
        self.outputs += names

    def text(self):
        tables = (("inputs", self.inputs), ("weights", self.weights), ("state", self.states))
        text = self.head + "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in tables if rows)
        return text + f"[graph]\nbody = [\n{''.join(self.body)}]\noutputs = {json.dumps(self.outputs)}\n"


def products(dtype):
    """Matrix products with each kind of head and tail; m, n, k around the tiles' edges."""
    f = Family("products", dtype)
    f.add(f"{f.input(1, 17)} @ {f.weight(17, 7)}")
    f.add(f"linear({f.input(7, 33)}, {f.weight(17, 33)}, {f.weight(17)})")
    f.add(f"gelu({f.input(17, 65)} @ {f.weight(65, 33)} + {f.weight(33)})")
    f.add(f"gelu({f.input(33, 136)} @ {f.weight(136, 72)} + {f.weight(72)}, approximate=\"tanh\")")
    f.add(f"{f.input(33, 65)} + ({f.input(33, 129)} @ {f.weight(129, 65)} + {f.weight(65)})")
    f.add(f"{f.input(65, 40)} + linear({f.input(65, 1032)}, {f.weight(40, 1032)})")
    x = f.input(65, 72)
    f.add(f"silu(linear({x}, {f.weight(129, 72)})) * linear({x}, {f.weight(129, 72)})")
    x = f"rmsnorm({f.input(129, 96)}, {f.weight(96)})"
    f.add(f"silu(linear({x}, {f.weight(40, 96)})) * linear({x}, {f.weight(40, 96)})")
    f.add(f"gelu(layernorm({f.input(2, 17, 80)}, {f.weight(80)}, {f.weight(80)}) @ {f.weight(80, 136)} + {f.weight(136)})")
    f.add(f"linear(layernorm({f.input(33, 65)}, {f.weight(65)}, {f.weight(65)}), {f.weight(129, 65)})")
    f.body.append(f"  'q, k, v = split({f.input(2, 7, 64)} @ {f.weight(64, 192)} + {f.weight(192)}, parts=3)',\n")
    for part in "qkv":
        f.add(f"heads({part}, 2)")
    f.add(f"silu(rmsnorm(heads({f.input(1, 37, 65)} @ {f.weight(65, 192)} + {f.weight(192)}, 3), {f.weight(64)}))")
    f.add(f"{f.input(3, 7, 17)} @ {f.input(3, 17, 33)}")
    f.add(f"{f.input(3, 33, 40)} @ transpose({f.input(3, 17, 40)})")
    return f


def few_rows(dtype):
    """Products of 1 to 16 rows: weights either way round, every alignment, k shorter and longer than a block's threads; vectors."""
    f = Family("few_rows", dtype)
    for m, n, k in ((1, 7, 8), (1, 40, 896), (1, 33, 97), (2, 17, 4864), (3, 130, 100), (5, 64, 264), (8, 48, 520), (13, 24, 1032), (16, 33, 72)):
        f.add(f"{f.input(m, n)} + linear({f.input(m, k)}, {f.weight(n, k)}, {f.weight(n)})")
        f.add(f"gelu({f.input(m, k)} @ {f.weight(k, n)} + {f.weight(n)})")
    for m, n, k in ((1, 96, 2048), (4, 65, 136), (11, 40, 264)):
        x = f"rmsnorm({f.input(m, k)}, {f.weight(k)})"
        f.add(f"silu(linear({x}, {f.weight(n, k)})) * linear({x}, {f.weight(n, k)})")
        f.add(f"layernorm({f.input(m, k)}, {f.weight(k)}, {f.weight(k)}) @ {f.weight(k, n)}")
        f.add(f"linear(silu({f.input(m, k)}) * {f.input(m, k)}, {f.weight(n, k)})")
    f.add(f"{f.input(40)} @ {f.weight(40, 24)}")
    f.add(f"{f.weight(24, 264)} @ {f.input(264)}")
    f.add(f"{f.input(97)} @ {f.input(97)}")
    f.add(f"{f.input(3, 24, 40)} @ {f.input(40)}")
    f.add(f"{f.input(40)} @ {f.input(3, 40, 24)}")
    position = f.input(dtype="i32")
    for rows in (1, 6):
        x = f.input(1, rows, 128)
        q, k, v = (f"heads(linear({x}, {f.weight(n * 64, 128)}), {n})" for n in (4, 2, 2))
        f.body.append(f"  'k, v = cache({f.state(1, 2, 80, 64)}, {f.state(1, 2, 80, 64)}, rope({k}, {position}), {v}, {position})',\n")
        f.add(f"attention(rope({q}, {position}), k, v, causal=true, offset={position})")
    for rows, size in ((1, 64), (3, 20), (5, 256), (16, 96)):  # heads of q and k normalised
        x = f"n{len(f.outputs)}"
        f.body.append(f"  '{x} = rmsnorm({f.input(1, rows, 72)}, {f.weight(72)})',\n")
        q, k, v = (f"heads(linear({x}, {f.weight(n * size, 72)}), {n})" for n in (2, 1, 1))
        q, k = (f"rope(rmsnorm({heads}, {f.weight(size)}, eps={eps}), {position})" for heads, eps in ((q, "1e-5"), (k, "1e-6")))
        f.body.append(f"  'k, v = cache({f.state(1, 1, 80, size)}, {f.state(1, 1, 80, size)}, {k}, {v}, {position})',\n")
        f.add(f"attention({q}, k, v, causal=true, offset={position})")
    f.add(f"rmsnorm(heads({f.input(1, 2, 40)} @ {f.weight(40, 64)}, 2), {f.weight(32)})")
    f.add(f"silu(rmsnorm(heads(linear({f.input(1, 7, 33)}, {f.weight(15, 33)}, {f.weight(15)}), 3)))")
    return f


def rows(dtype):
    """Normalisations and reductions of short, odd and long rows, and across rows."""
    f = Family("rows", dtype)
    for height, width in ((1, 1), (7, 17), (33, 129), (5, 1000), (3, 4099)):
        f.add(f"softmax({f.input(height, width)})")
        f.add(f"layernorm({f.input(height, width)}, {f.weight(width)}, {f.weight(width)})")
    f.add(f"rmsnorm({f.input(17, 65)} + {f.input(17, 65)}, {f.weight(65)})")
    f.add(f"log_softmax({f.input(7, 333)})")
    f.add(f"softmax({f.input(3, 33, 7)}, axis=1)")
    for operation in ("sum", "max", "mean"):
        f.add(f"{operation}({f.input(7, 129)})")
        f.add(f"{operation}({f.input(65, 33)}, axis=0)")
    f.add(f"sum({f.input(5, 7, 11)}, axis=none)")
    f.add(f"argmax({f.input(7, 129)})")
    return f


def elements(dtype):
    """Pointwise chains with broadcasts, and movement: transposes, slices, joins, padding, gathers."""
    f = Family("elements", dtype)
    for count in (1, 7, 1023):
        x = f.input(count)
        f.add(f"gelu({x} * 0.5 + 1.0) - tanh({x})")
    f.add(f"where(less({f.input(7, 33)}, {f.input(33)}), {f.input(7, 1)}, exp({f.input(7, 33)}))")
    f.add(f"maximum({f.input(3, 1, 17)}, {f.input(5, 1)}) * sigmoid({f.input(17)})")
    f.add(f"erf({f.input(129, 8)}) / sqrt(abs({f.input(129, 8)}) + 1.0)")
    f.add(f"transpose({f.input(33, 65)})")
    f.add(f"transpose({f.input(3, 17, 7, 8)}, perm=[2, 0, 3, 1])")
    f.add(f"slice({f.input(7, 65)}, axis=1, start=3, stop=64)")
    f.add(f"slice({f.input(9, 65)}, axis=0, start=1, stop=9, step=2)")
    f.add(f"concat({f.input(3, 7)}, {f.input(3, 17)}, {f.input(3, 1)}, axis=1)")
    f.add(f"pad({f.input(5, 7)}, before=[1, 2], after=[0, 3], value=1.5)")
    f.add(f"embedding({f.weight(33, 17)}, {f.input(2, 7, dtype='i32')})")
    f.add(f"expand({f.input(1, 17)}, shape=[7, 17]) + {f.input(7, 1)}")
    f.add(f"cast({f.input(129)}, dtype=\"f32\")")
    f.add(f"rope({f.input(1, 3, 7, 64)}, 5)")
    f.add('iota(9, dtype="i32")')
    f.add(f"{f.input(2, 5, 9, dtype='i32')} @ {f.input(9, 7, dtype='i32')}")
    return f


def attentions(dtype):
    """Attention with shared keys, masks, windows and the rest, over lengths that tiles do not divide, with and without a cache."""
    f = Family("attentions", dtype)

    def add(heads, shared, queries, keys, size, size_v=None, batch=1, **options):
        q, k = f.input(batch, heads, queries, size), f.input(batch, shared, keys, size)
        v = f.input(batch, shared, keys, size_v or size)
        f.add(f"attention({q}, {k}, {v}" + "".join(f", {key}={value}" for key, value in options.items()) + ")")

    add(2, 2, 65, 65, 64, causal="true")
    add(6, 2, 17, 129, 64, causal="true", offset=112)
    add(4, 1, 1, 333, 128)
    add(2, 1, 33, 7, 96, batch=2)
    add(2, 2, 7, 33, 80)
    add(2, 2, 65, 65, 64, causal="true", scale=0.25)
    add(3, 1, 17, 65, 32, causal="true", offset=48)
    add(2, 2, 33, 65, 64, mask=f.input(33, 65))
    add(2, 2, 17, 33, 64, mask=f.input(2, 1, 1, 33, dtype="bool"), batch=2)
    for size, size_v in ((8, 8), (5, 11), (24, 40), (40, 8), (56, 56), (112, 112), (136, 136), (192, 128), (256, 256), (64, 264)):
        add(4, 2, 33, 65, size, size_v, causal="true", offset=20)
    for queries in (1, 17, 65):
        add(2, 1, queries, 33, 512)
    add(2, 2, 65, 65, 64, causal="true", window=17)
    add(6, 2, 17, 129, 64, causal="true", window=40, offset=112)
    add(2, 2, 129, 129, 32, window=65)
    add(4, 1, 1, 333, 128, causal="true", window=100, offset=332, sinks=f.input(4))
    add(2, 1, 33, 65, 96, softcap=2.0)
    add(2, 1, 65, 129, 256, softcap=0.5, causal="true", window=33, offset=64)
    add(2, 2, 65, 65, 80, alibi=f.input(2), causal="true")
    add(6, 2, 7, 33, 64, alibi=f.input(6), offset=26)
    add(2, 2, 33, 65, 64, sinks=f.input(2))
    add(6, 3, 33, 65, 72, sinks=f.input(6), alibi=f.input(6), softcap=3.0, window=20, causal="true", mask=f.input(33, 65))
    add(2, 2, 33, 65, 512, 512, sinks=f.input(2), alibi=f.input(2), softcap=3.0, window=20, mask=f.input(65, dtype="bool"))
    ragged = f.input(3, dtype="i32")
    add(4, 2, 17, 33, 64, batch=3, causal="true", offset=ragged)
    add(4, 2, 1, 33, 40, batch=3, causal="true", offset=ragged, window=5, sinks=f.input(4))
    position = f.input(dtype="i32")
    for queries in (1, 7):
        caches = f"{f.state(1, 2, 80, 64)}, {f.state(1, 2, 80, 64)}"
        q, k, v = f.input(1, 6, queries, 64), f.input(1, 2, queries, 64), f.input(1, 2, queries, 64)
        f.body.append(f"  'k, v = cache({caches}, rope({k}, {position}), {v}, {position})',\n")
        f.add(f"attention(rope({q}, {position}), k, v, causal=true, offset={position})")
    return f


def mixtures(dtype):
    """Mixtures of experts, odd in every extent: few rows and many, one choice and several, more experts than choices."""
    f = Family("mixtures", dtype)
    for rows, experts, chosen, size, hidden in ((1, 9, 4, 72, 40), (3, 2, 1, 17, 33), (7, 5, 2, 64, 24), (67, 3, 2, 40, 65), (129, 40, 1, 33, 17)):
        x = f.input(rows, size)
        f.body.append(f"  'w, ids = topk(linear({x}, {f.weight(experts, size)}), {chosen})',\n")
        weights = ", ".join(f.weight(experts, *shape) for shape in ((hidden, size), (hidden, size), (size, hidden)))
        f.add(f"{x} + experts({x}, softmax(w), ids, {weights})")
    return f


def decodes(dtype):
    """Few queries on many keys, which blocks share: full and ragged caches, features, pages; around shares and steps of keys."""
    f = Family("decodes", dtype)

    def add(heads, shared, queries, keys, size, size_v=None, batch=1, **options):
        q, k = f.input(batch, heads, queries, size), f.input(batch, shared, keys, size)
        v = f.input(batch, shared, keys, size_v or size)
        f.add(f"attention({q}, {k}, {v}" + "".join(f", {key}={value}" for key, value in options.items()) + ")")

    for heads, shared, keys in ((8, 8, 193), (8, 2, 400), (14, 2, 700), (16, 1, 1600)):
        add(heads, shared, 1, keys, 64)
        add(heads, shared, 1, keys, 64, causal="true", offset=keys - 60)
    for size, size_v in ((8, 8), (40, 24), (96, 96), (128, 128), (33, 21), (256, 256), (512, 512)):
        add(4, 1, 1, 385, size, size_v, causal="true", offset=384)
    ragged = f"iota(4, dtype=\"i32\") * 130 - 1"  # sees nothing; within, at the end of and across shares
    for options in ({}, {"window": 200}, {"sinks": f.input(8), "softcap": 3.0}, {"alibi": f.input(8), "mask": f.input(2, 401)}):
        add(8, 2, 2, 401, 64, batch=4, causal="true", offset=ragged, **options)
    for page in (16, 48, 256):
        count = -(-600 // page)
        for shared in (1, 2):
            pools = f"{f.state(4 * count, shared, page, 64)}, {f.state(4 * count, shared, page, 64)}"
            q, k, v = f.input(4, 4, 2, 64), f.input(4, shared, 2, 64), f.input(4, shared, 2, 64)
            table = f.input(4, count, dtype="i32")
            f.body.append(f"  'k, v = cache({pools}, {k}, {v}, {ragged} + 1, pages={table})',\n")
            f.add(f"attention({q}, k, v, causal=true, offset={ragged} + 1)")
    return f


def quantised(dtype):
    """Products, gates, joined products and tables of quantised weights: groups and lines of any length, both layouts, few rows and many."""
    f = Family("quantised", dtype)
    for scheme in ("int4", "int8"):
        for rows in (1, 3, 17, 65):
            f.add(f"linear({f.input(rows, 256)}, {f.quantised(scheme, 64, 33, 256)})")
        for rows in (1, 33):
            f.add(f"gelu(linear({f.input(rows, 66)}, {f.quantised(scheme, 6, 17, 66)}, {f.weight(17)}))")
            f.add(f"linear({f.input(rows, 42)}, {f.quantised(scheme, 3, 40, 42)})")
            f.add(f"{f.input(rows, 40)} @ {f.quantised(scheme, 16, 40, 48)}")
            x = f.input(rows, 128)
            f.add(f"silu(linear({x}, {f.quantised(scheme, 32, 72, 128)})) * linear({x}, {f.quantised(scheme, 32, 72, 128)})")
            x = f"rmsnorm({f.input(rows, 96)}, {f.weight(96)})"
            f.body.append(f"  'n{len(f.outputs)} = {x}',\n")
            norm = f"n{len(f.outputs)}"
            f.add(f"linear({norm}, {f.quantised(scheme, 32, 40, 96)})")
            f.add(f"linear({norm}, {f.quantised(scheme, 32, 24, 96)})")
        table = f.quantised(scheme, 8, 33, 40)
        f.add(f"embedding({table}, {f.input(2, 7, dtype='i32')})")
        f.add(f"linear({f.input(5, 40)}, {table})")
        f.add(f"exp({f.quantised(scheme, 4, 5, 12)})")
        f.add(f"{f.quantised(scheme, 8, 5, 24)} @ {f.input(24, 3)}")
    return f


def narrow(dtype):
    """8-bit floats and integers of every width: conversions, arithmetic, rows, products."""
    f = Family("narrow", dtype)
    for other in ("f8e4m3", "f8e5m2"):
        x = f.input(7, 33, dtype=other)
        f.add(f"cast({f.input(7, 33)} * 100.0, dtype=\"{other}\")")
        f.add(f"relu({x}) + {x}")
        f.add(f"cast(transpose({x}), dtype=\"{dtype}\")")
        f.add(f"softmax({x})")
        f.add(f"linear({x}, {f.input(5, 33, dtype=other)})")
    for other in ("i8", "u8", "i32", "i64"):
        x = f.input(7, 33, dtype=other)
        f.add(f"{x} * {x} + 100")
        f.add(f"cast({f.input(7, 33)} * 100.0, dtype=\"{other}\")")
        f.add(f"sum({x})")
        f.add(f"{x} @ {f.input(33, 5, dtype=other)}")
    return f


def runs(folder):
    """(label, model, dims, architecture, environment) of everything that is to be run."""
    def write(name, text):
        path = os.path.join(folder, name + ".toml")
        with open(path, "w") as file:
            file.write(text)
        return path

    models = []
    folder_of_models = os.path.join(root, "examples/models")
    for path in sorted(glob.glob(os.path.join(folder_of_models, "**/*.toml"), recursive=True)):
        name = os.path.relpath(path, folder_of_models)[:-5]
        dims, bindings = reduced[name]
        print(f"{name}: reduced to " + ", ".join(f"{key}={value}" for key, value in dims.items()))
        model = write(name.replace("/", "-"), reduce_model(path, dims))
        models += [(f"{name} {' '.join(bound)}", model, bound) for bound in (bindings if long else bindings[:2])]
    models += [(f"{family.__name__} {dtype}", write(f"{family.__name__}-{dtype}", family(dtype).text()), [])
               for family in (products, few_rows, rows, elements, attentions, decodes, mixtures, quantised, narrow) for dtype in ("f32", "f16", "bf16")]
    variants = ({"TENON_EMULATOR_NUMERICS": "hardware"}, {"TENON_EMULATOR_SEED": "1"}, {"TENON_EMULATOR_ONE_LANE": "1"})
    for label, model, bound in models:
        for target in targets:
            yield label, model, bound, target, {}
        chosen = label.endswith(("bf16", "T=37")) if long else label in ("gpt2 T=37", "products bf16")
        for variant in variants if chosen else ():
            yield label, model, bound, targets[0], variant


# A counter counts sectors of 32 bytes: each end of a tensor may add one, and a plan's kernel has at most so many tensors.
margin = 32 * 16


def counter_problem(kernel):
    """What is wrong with a kernel's counters beside its plan; none where it keeps partial results in scratch memory."""
    metered, read, written = kernel["metered"], kernel["bytes_read"], kernel["bytes_written"]
    scratch = kernel["scratch_bytes"]
    if not written <= metered["unique_bytes_written"] <= written + scratch + margin:
        return f"wrote {metered['unique_bytes_written']} bytes, planned {written} and {scratch} of scratch"
    if metered["unique_bytes_read"] > 1.05 * read + scratch + margin:
        return f"read {metered['unique_bytes_read']} bytes, planned {read} and {scratch} of scratch"
    return ""


def flops_problem(kernel, m, n, k):
    """A product's tensor cores do what m x n x k takes, rounded up to their own m16n8k16 at least, to a large tile at most. Few rows
    need none, and are the 8 of it where they take them."""
    def flops(*tile):
        return 2 * math.prod(-(-extent // step) * step for extent, step in zip((m, n, k), tile))

    done, least, most = kernel["metered"]["mma_flops"], flops(8, 16, 16) if kernel["family"] == "gemv" else flops(16, 8, 16), flops(128, 128, 128)
    if kernel["family"] == "gemv" and done == 0:
        return ""
    whole = done % (2 * 16 * 8 * 16) == 0
    return "" if least <= done <= most and whole else f"{done} flops of tensor cores, not {least} to {most}"


def product_problems(label, kernels):
    """Of the example that is products alone."""
    if not label.startswith("ffn T="):
        return []
    m, d, f = int(label[6:]), reduced["ffn"][0]["D"], reduced["ffn"][0]["F"]
    into, out = kernels
    return [problem for problem in (flops_problem(into, m, f, d), flops_problem(out, m, d, f)) if problem]


def run(job):
    label, model, bound, architecture, variant = job
    command = [tenon, "check", model, "--device", f"emulator:{architecture}", "--meter", "--json", "-", "-q"]
    for value in bound:
        command += ["--dim", value]
    environment = {**os.environ, "TENON_EMULATOR_CHECKS": "all", "TENON_EMULATOR_THREADS": "1", **variant}
    started = time.time()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    label += f" for {architecture}" + "".join(f" {name}={value}" for name, value in variant.items())
    problems, kernels = [], []
    if done.returncode:
        problems.append(f"exit status {done.returncode}: {done.stderr[:3000]}")
    try:
        report = json.loads(done.stdout)
        kernels = report["kernels"]
        problems += [f"{kernel['name']}: {kernel['verdict']} {kernel['outputs']}" for kernel in kernels if kernel["verdict"] != "passed"]
        problems += [f"{finding['kernel']}: {finding['message']}" for finding in report["findings"]]
        problems += [f"{kernel['name']} ({kernel['family']}): {problem}" for kernel in kernels
                     if "metered" in kernel and (problem := counter_problem(kernel))]
    except json.JSONDecodeError:
        problems.append("no report")
    if not kernels:
        problems.append("no kernels")
    else:
        problems += product_problems(job[0], kernels)
    return label, len(kernels), problems, time.time() - started


doctor = json.loads(subprocess.run([tenon, "doctor", "--json"], capture_output=True, text=True).stdout)
if not doctor.get("nvrtc", {}).get("found"):
    print("skipped: NVRTC is not installed")
    sys.exit(77)
kernels = failed = passed = 0
with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    jobs = [job for job in runs(folder) if only in job[0]]
    for label, count, problems, seconds in pool.map(run, jobs):
        print(f"{label}: {count} kernels, {seconds:.1f} s", flush=True)
        for problem in problems:
            print("  " + problem)
        kernels += count
        failed += bool(problems)
        passed += not problems
print(f"{kernels} kernels executed")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
