#!/usr/bin/env python3
"""study_kernels.py TENON: CUDA kernels that nobody wrote for the emulator run through `tenon emulate`, clean, and compute
what they say: values are compared with a NumPy reference in f64.

TENON_STUDY_KERNELS names their folder. Skipped (77) without it, where NVRTC is not installed, and where neither this Python nor
TENON_PYTHON (/usr/bin/python3) has NumPy.
"""
import json, math, os, pathlib, subprocess, sys, tempfile

try:
    import numpy as np
except ImportError:
    other = os.environ.get("TENON_PYTHON", "/usr/bin/python3")
    if os.path.exists(other) and not os.path.samefile(other, sys.executable):
        os.execv(other, [other, *sys.argv])
    print("skipped: this Python has no NumPy")
    sys.exit(77)

DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
          "U32": np.uint32, "U64": np.uint64, "F16": np.float16}


# --- Numbers

def bf16(values):
    """Rounded to the nearest bf16, as f32."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return (((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16) & 0xffffffff).astype(np.uint32).view(np.float32)


def e4m3(codes):
    """The values of f8e4m3 codes."""
    codes = codes.astype(np.int64)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    size = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7))
    return np.where(codes & 0x80, -size, size)


def nearest_e4m3(values):
    """The codes of the nearest finite f8e4m3, ties to even."""
    table = e4m3(np.arange(0x7f))
    size = np.minimum(np.abs(values), 448)
    above = np.clip(np.searchsorted(table, size), 1, 0x7e)
    middle = (table[above] + table[above - 1]) / 2
    up = (size > middle) | ((size == middle) & (above % 2 == 0))
    return (np.where(up, above, above - 1) | np.where(np.signbit(values), 0x80, 0)).astype(np.uint8)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def relu(x):
    return np.maximum(x, 0)


def same(x):
    return x


# --- Running a kernel

class Bench:
    """Runs kernels of one folder with one program, judges their outputs, remembers a row of the table for each."""

    def __init__(self, tenon, kernels, work):
        self.tenon, self.kernels, self.work = tenon, kernels, pathlib.Path(work)
        self.rows, self.failures = [], []
        self.random = np.random.default_rng(1)

    def normal(self, *shape, scale=1.0):
        """bf16 values."""
        return bf16(self.random.normal(size=shape) * scale)

    def memory(self, kind, dtype, values):
        """An in: or inout: specification of these values."""
        path = self.work / f"{len(list(self.work.iterdir()))}.npy"
        np.save(path, np.ascontiguousarray(values))
        return f"{kind}:{dtype}:{path}"

    def run(self, label, file, arguments, *, kernel=None, target, grid, block, shared=0, flags=(), buffers=(), **expected):
        """`expected`: by name (arg0, arg1, .. or the buffer's) the reference, relative and absolute tolerance."""
        report, outputs = self.work / "report.json", self.work / "outputs.safetensors"
        command = [self.tenon, "emulate", self.kernels / file, "--include", self.kernels, "--target", target, "--grid", grid,
                   "--block", block, "--shared", str(shared), "--check", "all", "--json", report, "--outputs", outputs, *flags]
        if kernel:
            command += ["--kernel", kernel]
        for name, specification in buffers:
            command += ["--buffer", f"{name}={specification}"]
        for argument in arguments:
            command += ["--arg", argument]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            return self.fail(label, f"exit status {done.returncode}\n{' '.join(str(word) for word in command)}\n{done.stderr}")
        results = read_safetensors(outputs)
        error = max(self.judge(label, name, results[name], *what) for name, what in expected.items())
        self.rows.append((label, target, json.loads(report.read_text()), error))
        return results

    def judge(self, label, name, got, expected, relative, absolute):
        """The largest error in units of the tolerance."""
        difference = np.abs(got.reshape(np.shape(expected)).astype(np.float64) - expected)
        units = difference / (relative * np.abs(expected) + absolute)
        worst = np.unravel_index(np.argmax(np.where(np.isnan(units), np.inf, units)), units.shape)
        if not units[worst] <= 1:
            self.fail(label, f"{name}{list(map(int, worst))} is {got.reshape(np.shape(expected))[worst]}, the reference "
                             f"{expected[worst]}; {int(np.sum(~(units <= 1)))} of {units.size} elements differ")
        return units[worst]

    def fail(self, label, why):
        self.failures.append(label)
        print(f"{label}: FAILED: {why}")

    def table(self):
        print(f"{'kernel':34} {'target':7} {'ms':>7} {'instructions':>13} {'bytes read':>11} {'written':>11} {'unique':>11} "
              f"{'conflicts':>9} {'mma Mflop':>9} {'error':>6}")
        for label, target, report, error in self.rows:
            meter = report["meter"]
            print(f"{label:34} {target:7} {report['emulation_us'] / 1000:7.1f} {meter['instructions']:13} "
                  f"{meter['global_bytes_read']:11} {meter['global_bytes_written']:11} "
                  f"{meter['unique_bytes_read'] + meter['unique_bytes_written']:11} {meter['shared_bank_conflicts']:9} "
                  f"{meter['mma_flops'] / 1e6:9.1f} {error:6.2f}")
        print("error: the largest, in units of the tolerance")


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin:8 + size + end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


# --- The kernels: what each computes, at the shape of the table and at one with tails

BF16 = 2.0**-8  # an ulp of bf16: the last rounding, and sums in another order


def pointwise(bench, rows, columns, grid, target):
    x, r = bench.normal(rows, columns), bench.normal(rows, columns)
    s, b = bench.normal(columns), bench.normal(columns)
    reference = gelu(x.astype(np.float64) * s + b) + r
    bench.run(f"a pointwise {rows}x{columns}", "a_pointwise.cu",
              [*(bench.memory("in", "bf16", v) for v in (x, r, s, b)), f"out:bf16:{rows}x{columns}",
               f"i32:{rows * columns // 8}", f"i32:{columns // 8}"],
              target=target, grid=grid, block="256", arg4=(reference, BF16, 4e-3))


def layer_norm(bench, rows, columns, target):
    x, g, b = bench.normal(rows, columns, scale=2) + 1, bench.normal(columns), bench.normal(columns)
    x = bf16(x)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(1, keepdims=True)
    reference = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * g + b
    bench.run(f"b layernorm {rows}x{columns}", "b_layernorm.cu",
              [*(bench.memory("in", "bf16", v) for v in (x, g, b)), f"out:bf16:{rows}x{columns}", f"i32:{columns // 8}",
               "f32:1e-5"],
              target=target, grid=str(rows), block="128", arg3=(reference, BF16, 1e-3))


def gemm80(bench, m, n, k, target):
    a, b = bench.normal(m, k), bench.normal(n, k)
    bias = bench.random.normal(size=n).astype(np.float32)
    reference = a.astype(np.float64) @ b.astype(np.float64).T + bias
    bench.run(f"c gemm {m}x{n}x{k}", "c_gemm80.cu",
              [bench.memory("in", "bf16", a), bench.memory("in", "bf16", b), bench.memory("in", "f32", bias),
               f"out:bf16:{m}x{n}", f"i32:{m}", f"i32:{n}", f"i32:{k}"],
              target=target, grid=f"{-(-n // 128)},{-(-m // 128)}", block="256", shared=3 * 2 * 128 * 32 * 2,
              arg3=(reference, BF16, 1e-3 * k**0.5))


def gemm90(bench, m, n, k, activation, file, kernel):
    a, b = bench.normal(m, k, scale=k**-0.25), bench.normal(n, k, scale=k**-0.25)
    bias = bench.random.normal(size=n).astype(np.float32)
    reference = activation(a.astype(np.float64) @ b.astype(np.float64).T + bias)
    shared = 3 * (128 + 256) * 64 * 2 + 128 * 256 * 2 + 6 * 8 + 1024
    bench.run(f"{file[:file.index('_')]} {kernel} {m}x{n}x{k}", file,
              ["tensormap:a:128x64:128", "tensormap:b:128x64:128", "tensormap:c:64x64:128",
               bench.memory("in", "f32", bias), f"i32:{m}", f"i32:{n}", f"i32:{k}"],
              kernel=kernel, target="sm_90a", grid="4", block="384", shared=shared,
              buffers=[("a", bench.memory("in", "bf16", a)), ("b", bench.memory("in", "bf16", b)), ("c", f"out:bf16:{m}x{n}")],
              c=(reference, BF16, 2e-3))


def attention(bench, batch, heads, key_heads, length):
    shape, key_shape = (batch, heads, length, 128), (batch, key_heads, length, 128)
    q, k, v = bench.normal(*shape), bench.normal(*key_shape), bench.normal(*key_shape)
    scale = 128**-0.5
    wide_k, wide_v = (np.repeat(t.astype(np.float64), heads // key_heads, axis=1) for t in (k, v))
    scores = q.astype(np.float64) @ wide_k.swapaxes(2, 3) * scale
    scores[..., np.triu(np.ones((length, length), bool), 1)] = -np.inf
    largest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - largest)
    sums = weights.sum(-1, keepdims=True)
    box = "tensormap:{}:1x{}x64:128"
    flat = f"{batch * heads}x{length}x128"

    def merged(values):
        return bench.memory("in", "bf16", values.reshape(-1, length, 128))

    bench.run(f"e attention {batch}x{heads}/{key_heads}x{length}x128", "e_attn90.cu",
              [box.format("q", 128), box.format("k", 128), box.format("v", 128), box.format("o", 64),
               f"out:f32:{batch * heads}x{length}", f"i32:{length}", f"i32:{heads}", f"i32:{key_heads}", f"f32:{scale}"],
              target="sm_90a", grid=f"{-(-length // 128)},{heads},{batch}", block="384", shared=5 * 128 * 128 * 2 + 72 + 1024,
              buffers=[("q", merged(q)), ("k", merged(k)), ("v", merged(v)), ("o", f"out:bf16:{flat}")],
              o=((weights / sums @ wide_v).reshape(-1, length, 128), BF16, 8e-3),  # the kernel rounds weights to bf16
              arg4=((largest + np.log(sums)).reshape(-1, length), 1e-5, 1e-5))


def gemv90(bench, n, k, blocks):
    w, x = bench.normal(n, k), bench.normal(k)
    reference = w.astype(np.float64) @ x.astype(np.float64)
    bench.run(f"f gemv {n}x{k}", "f_gemv90.cu",
              [bench.memory("in", "bf16", w), bench.memory("in", "bf16", x), f"inout:f32:{n}", f"out:bf16:{n}", "inout:u32:1",
               f"i32:{n}", f"i32:{k}"],
              target="sm_90a", grid=str(blocks), block="256", flags=["--cooperative"],
              arg2=(np.zeros(n), 0, 1e-30), arg3=(reference, BF16, 1e-4 * k**0.5))


def cooperative(bench, width, blocks, target):
    """rmsnorm, product, silu, product added to the input, fp8 product, argmax, fp8 rounding: one grid barrier after each."""
    at = {name: i * width for i, name in enumerate(["x", "norm", "up", "silu", "fp8", "rounded", "best"])}
    x = bench.random.normal(size=width).astype(np.float32)
    gain, up, down = bench.normal(width), bench.normal(width, width, scale=width**-0.5), bench.normal(width, width, scale=width**-0.5)
    codes = bench.random.integers(0, 256, (width, width)).astype(np.uint8)
    codes[codes & 0x7f == 0x7f] = 0  # no NaN
    weights = np.concatenate([gain, up.ravel(), down.ravel()])
    ops = [(0, 0, width, at["x"], 0, at["norm"]), (1, width, width, at["norm"], width, at["up"]),
           (3, width, 0, at["up"], 0, at["silu"]), (2, width, width, at["silu"], width + width * width, at["x"]),
           (5, width, width, at["x"], 0, at["fp8"]), (4, width, 0, at["fp8"], 0, at["best"]),
           (6, width, 0, at["x"], 0, at["rounded"])]
    buffer = np.zeros(len(at) * width, np.float32)
    buffer[:width] = x

    wide = x.astype(np.float64)
    norm = wide / np.sqrt((wide**2).mean() + 1e-6) * gain
    first = up.astype(np.float64) @ norm
    silu = first / (1 + np.exp(-first))
    residual = wide + down.astype(np.float64) @ silu
    product = e4m3(codes) @ residual
    label = f"g cooperative {width}, {len(ops)} phases"
    results = bench.run(
        label, "g_coop.cu",
        [bench.memory("in", "i32", np.array(ops, np.int32)), f"i32:{len(ops)}", bench.memory("inout", "f32", buffer),
         bench.memory("in", "bf16", weights), bench.memory("in", "u8", codes), "inout:u32:2", "inout:i32:1"],
        target=target, grid=str(blocks), block="256", flags=["--cooperative"], arg6=(np.zeros(1), 0, 1e-30))
    if not results:
        return
    got = results["arg2"]
    for name, expected, relative in [("norm", norm, 1e-5), ("up", first, 1e-4), ("silu", silu, 1e-4), ("x", residual, 1e-4),
                                     ("fp8", product, 1e-4)]:
        bench.judge(label, name, got[at[name]:at[name] + width], expected, relative, relative * np.abs(expected).max())
    best = np.uint64(got[at["best"]:at["best"] + 2].view(np.uint64)[0])
    bench.judge(label, "best", np.array([0xffffffff - int(best & np.uint64(0xffffffff))]),
                np.array([np.argmax(got[at["fp8"]:at["fp8"] + width])]), 0, 0.5)
    rounded = got[at["rounded"]:at["rounded"] + width // 4].view(np.uint8)
    bench.judge(label, "rounded", rounded, nearest_e4m3(got[:width].astype(np.float64)).astype(np.float64), 0, 0.5)


def lanes_in_turn(bench):
    bench.run("its: lane 0 spins for lane 1", "its.cu", ["inout:u32:1", "out:f32:1"], target="sm_90a", grid="1", block="32",
              arg0=(np.ones(1), 0, 1e-30), arg1=(np.ones(1), 0, 1e-30))


def rope(bench, positions, width, target):
    x = bench.random.normal(size=(positions, width)).astype(np.float32)
    angle = np.arange(positions)[:, None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    low, high = x[:, :width // 2].astype(np.float64), x[:, width // 2:].astype(np.float64)
    reference = np.concatenate([low * np.cos(angle) - high * np.sin(angle), low * np.sin(angle) + high * np.cos(angle)], 1)
    bench.run(f"h rope {positions}x{width}", "h_misc.cu",
              [bench.memory("inout", "f32", x), bench.memory("in", "i32", np.arange(positions, dtype=np.int32)), f"i32:{width}",
               "f32:10000"],
              kernel="rope", target=target, grid=str(positions), block=str(width // 2), arg0=(reference, 0, 2e-5))


def local_arrays(bench, steps, target):
    """t[32] starts as o; t[(7 i + idx[i % 8]) % 32] += v[i % 40]; the sum of t[i % 32]."""
    v, idx = bench.random.normal(size=40).astype(np.float32), bench.random.integers(0, 32, 8).astype(np.int32)
    o = bench.random.normal(size=64).astype(np.float32)
    t = o[:32].astype(np.float64)
    for i in range(steps):
        t[(i * 7 + idx[i & 7]) & 31] += v[i % 40]
    expected = o.astype(np.float64)
    expected[0] = sum(t[i & 31] for i in range(steps))  # one thread: a second might read what the first has written
    bench.run(f"h local arrays, {steps} steps", "h_misc.cu",
              [f"struct:{v.tobytes().hex()}{idx.tobytes().hex()}", bench.memory("inout", "f32", o), f"i32:{steps}"],
              kernel="local_", target=target, grid="1", block="1", arg1=(expected, 1e-5, 1e-4))


def math_library(bench, count, steps, target):
    v = bench.random.uniform(0.1, 4, 64).astype(np.float32)
    y = bench.random.uniform(0.1, 4, 64)
    modulus, dividend = 7, 10**12 + 1
    wide, index = v.astype(np.float64), np.arange(64)
    erf = np.vectorize(math.erf)
    single = sum(erf(wide * i) for i in range(steps)) + 2 * np.exp(wide) + np.log(wide) + np.sqrt(wide) + 1 / wide
    single += np.fmod(wide, 3) + np.floor(wide + 0.5) + np.floor(wide) + np.trunc(wide) + np.rint(wide) + 2 * np.abs(wide)
    single += np.log1p(wide) + np.exp2(wide) + np.tanh(wide) + np.sin(wide) + wide / 3 + np.clip(wide, 0, 1)
    single += np.minimum(wide, 2) + np.arctan2(wide, 2) + np.cbrt(wide)
    double = y / wide + np.sqrt(y) + index % modulus + dividend // (index + 1) + y / 3 + np.exp(y)
    bench.run(f"h math library, {count} threads", "h_misc.cu",
              [bench.memory("inout", "f32", v), bench.memory("inout", "f64", y), f"i32:{steps}", f"u64:{modulus}",
               f"i64:{dividend}"],
              kernel="mathx", target=target, grid="2", block=str(count // 2), arg0=(single, 1e-6, 0), arg1=(double, 1e-15, 0))


def integers(bench, target):
    """Four-bit weights to halves, and one of each integer instruction; arithmetic is modulo 2^32."""
    bits = 0xffffffff
    q = [int(x) for x in bench.random.integers(0, 2**32, 32)]
    acc = [int(x) for x in bench.random.integers(-1000, 1000, 33)]
    scales = bench.random.uniform(-2, 2, 64).astype(np.float16)

    def bytes_of(word):
        return list((word & bits).to_bytes(4, "little"))

    def signed(word, width=32):
        return word - (1 << width) if word >> width - 1 else word

    sums, randoms, halves = [], [], []
    for i, v in enumerate(q):
        lo, hi = v & 0x000f000f | 0x64006400, v & 0x00f000f0 | 0x64006400
        for word in (lo, hi):
            halves += list(np.array([word], np.uint32).view(np.float16) * scales[2 * i:2 * i + 2])
        total = acc[i + 1] + sum(signed(a, 8) * signed(b, 8) for a, b in zip(bytes_of(v), bytes_of(acc[i])))
        total += int.from_bytes(bytes((bytes_of(v) + bytes_of(lo))[n] for n in (0, 4, 1, 5)), "little")
        total += (lo << 32 | v) << 7 >> 32 & bits
        total += bin(v).count("1") + 32 - v.bit_length() + int(f"{v:032b}"[::-1], 2)
        total += (signed(v) * 7 >> 32) + (v * 9 >> 32) + abs(signed(v))
        total += int.from_bytes(bytes(a + b & 255 for a, b in zip(bytes_of(v), bytes_of(lo))), "little")
        total += abs(v - lo) + 1
        sums.append(signed(total & bits))
        c, k = v, 0x12345
        for _ in range(10):
            c, k = c * 0xD2511F53 >> 32 ^ k & bits, k + 0x9E3779B9
        randoms.append(c | k << 32)
    results = bench.run("h integers", "h_misc.cu",
                        [bench.memory("in", "u32", np.array(q, np.uint32)), bench.memory("in", "f16", scales), "out:f16:128",
                         bench.memory("inout", "i32", np.array(acc, np.int32)), "out:u64:32"],
                        kernel="intq", target=target, grid="1", block="32", arg2=(np.array(halves, np.float64), 0, 1e-30),
                        arg3=(np.array(sums + acc[32:]), 0, 0.5))
    if results and [int(x) for x in results["arg4"]] != [x & 2**64 - 1 for x in randoms]:
        bench.fail("h integers", "arg4 is not what 64-bit arithmetic gives")


def variables(bench, target):
    """A .const table of zeros; atomics on a .global counter return 0, 1, 3 and 2."""
    bench.run("h variables of a module", "h_misc.cu", ["out:f32:2"], kernel="consts", target=target, grid="1", block="1",
              arg0=(np.array([0, 6]), 0, 1e-30))


def main(tenon):
    folder = os.environ.get("TENON_STUDY_KERNELS")
    if not folder:
        print("skipped: TENON_STUDY_KERNELS does not name a folder of kernels")
        return 77
    doctor = json.loads(subprocess.run([tenon, "doctor", "--json"], capture_output=True, text=True).stdout)
    if not doctor.get("nvrtc", {}).get("found"):
        print("skipped: NVRTC is not installed")
        return 77
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(tenon, pathlib.Path(folder), work)
        for target in ("sm_80", "sm_120"):
            pointwise(bench, 1024, 1024, "64", target)
            pointwise(bench, 37, 120, "3", target)
            layer_norm(bench, 512, 2048, target)
            layer_norm(bench, 7, 1000, target)
            gemm80(bench, 512, 512, 512, target)
            gemm80(bench, 200, 136, 72, target)
            rope(bench, 48, 128, target)
            local_arrays(bench, 100, target)
            math_library(bench, 64, 5, target)
            integers(bench, target)
            variables(bench, target)
        gemm90(bench, 512, 512, 512, gelu, "d_gemm90.cu", "gemm90")
        gemm90(bench, 300, 264, 200, gelu, "d_gemm90.cu", "gemm90")
        for kernel, activation in (("gemm90_a", same), ("gemm90_b", relu), ("gemm90_c", gelu)):
            gemm90(bench, 256, 512, 192, activation, "d3_gemm90.cu", kernel)
        attention(bench, 1, 4, 4, 512)
        attention(bench, 2, 4, 2, 200)
        gemv90(bench, 512, 4096, 4)
        gemv90(bench, 264, 2048, 3)
        cooperative(bench, 512, 4, "sm_90a")
        cooperative(bench, 256, 3, "sm_80")
        lanes_in_turn(bench)
        bench.table()
    print(f"{len(bench.rows)} kernels ran, {len(bench.failures)} failures")
    return 1 if bench.failures else 0


sys.exit(main(os.path.abspath(sys.argv[1])))
