#!/usr/bin/env python3
"""Writes the micro-kernels of the golden corpus: GROUP.ptx and GROUP.inputs.safetensors beside this file.

A kernel exercises one instruction (or one idiom) on values chosen to show its edges. What a real card makes of them is recorded
once (tests/gpu.sh --record) and replayed by the emulator for ever. The line above an entry says how to run it:

  //! NAME block=256 cluster=1 shared=0 args=in:a,in:b,out:d:1024 compare=bits

Arguments, in the order of the parameters: in:TENSOR (of the inputs file, its name prefixed by the kernel's where it is the kernel's own),
out:NAME:BYTES (zero at first), map:TENSOR:TYPE:DIMS:BOX:SWIZZLE:FILL (a tensor map over an input or output; DIMS and BOX as 64x16, innermost
first). Compare: `bits`; `nan` and, of f64, `f64nan` (bits, any NaN equals any NaN); `edges` (f32: zeros, infinities and NaN where the card has them); `finite` (NaN where
the card has it, for functions that promise nothing far from zero); `rel=X` or `abs=X` (f32); `f16rel=X`, `bf16rel=X`.
"""
import json
import math
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent
THREADS = 256

# --- values -------------------------------------------------------------------------------------------------------------


def f32_bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


F32_EDGES = [0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001,
             0x00000001, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x3F7FFFFF, 0x33800000]
F16_EDGES = [0x0000, 0x8000, 0x3C00, 0xBC00, 0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF,
             0x3BFF, 0x1000]
BF16_EDGES = [0x0000, 0x8000, 0x3F80, 0xBF80, 0x7F80, 0xFF80, 0x7FC0, 0xFFC1, 0x7F81, 0x0001, 0x807F, 0x0080, 0x7F7F, 0xFF7F,
              0x3F7F, 0x3380]
F64_EDGES = [0, 1 << 63, 0x3FF0000000000000, 0xBFF0000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000,
             0x7FF0000000000001, 1, 0x800FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF,
             0x3FEFFFFFFFFFFFFF, 0x3CA0000000000000, 0x41EFFFFFFFE00000]
EDGES = {
    "f32": F32_EDGES, "f64": F64_EDGES,
    "f16": F16_EDGES, "bf16": BF16_EDGES,
    "b16": [0, 1, 2, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0xFFFE, 7, 31, 32, 0x5555, 0xAAAA, 15, 16, 0x1234],
    "b32": [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0xFFFFFFFE, 7, 31, 32, 33, 0x55555555, 0xAAAAAAAA, 0x12345678,
            0xFEDCBA98],
    "b64": [0, 1, 2, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1, (1 << 64) - 2, 7, 63, 64, 0xFFFFFFFF, 0x100000000,
            0x5555555555555555, 0xAAAAAAAAAAAAAAAA, 0x123456789ABCDEF0],
}
BITS = {"f32": 32, "f64": 64, "f16": 16, "bf16": 16, "b16": 16, "b32": 32, "b64": 64}


def representation(kind):
    """The kind of values that a PTX type draws from."""
    if kind in EDGES:
        return kind
    if kind in ("f16x2", "bf16x2"):
        return kind[:-2]
    width = kind.lstrip("usb").split("x")[0]
    return "b" + width


def random_value(kind, rng):
    if kind == "f32":
        return f32_bits(rng.choice((-1, 1)) * math.ldexp(1 + rng.random(), rng.choice((0, 0, 1, -1, 3, -8, 20, -30, 100, -120))))
    if kind == "f64":
        value = rng.choice((-1, 1)) * math.ldexp(1 + rng.random(), rng.choice((0, 0, 1, -1, 3, -8, 40, -60, 900, -1000)))
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    if kind == "f16":
        return struct.unpack("<H", struct.pack("<e", rng.choice((-1, 1)) * math.ldexp(1 + rng.random(), rng.randint(-8, 8))))[0]
    if kind == "bf16":
        return random_value("f32", rng) >> 16
    return rng.getrandbits(BITS[kind])


def column(kind, position, seed, count=THREADS):
    """`count` values of one operand: all pairs of edges over two operands in the first half of threads and random ones after."""
    rng = random.Random(seed)
    edges = EDGES[kind]
    values = []
    for i in range(count):
        if i < 128:
            # Operand 0 walks fast, 1 slowly, 2 out of step: 128 of the pairs, both orders over the operands.
            index = (i % 16, i // 8, (i * 7) // 3)[position] % 16
            values.append(edges[index])
        else:
            values.append(random_value(kind, rng))
    return values


def pack(values, bits):
    return struct.pack("<%d%s" % (len(values), {8: "B", 16: "H", 32: "I", 64: "Q"}[bits]), *values)


# --- files --------------------------------------------------------------------------------------------------------------


class Group:
    def __init__(self, name, version="8.4", target="sm_90a"):
        self.name = name
        self.text = ["// %s: written by generate.py; do not edit." % name, ".version %s" % version, ".target %s" % target, ".address_size 64", ""]
        self.inputs = {}
        self.count = 0

    def tensor(self, name, data):
        assert len(data) % 4 == 0
        self.inputs[name] = data
        return name

    def kernel(self, name, args, body, block=THREADS, compare="bits", shared=0, cluster=1, grid=1):
        parameters = []
        for i, arg in enumerate(args):
            if arg.startswith("map:"):
                parameters.append(".param .align 64 .b8 p%d[128]" % i)
            else:
                parameters.append(".param .u64 p%d" % i)
        self.text.append("//! %s grid=%d block=%d cluster=%d shared=%d args=%s compare=%s" %
                         (name, grid, block, cluster, shared, ",".join(args), compare))
        self.text.append(".visible .entry %s(%s)" % (name, ", ".join(parameters)))
        self.text.append("{")
        self.text += ["  " + line for line in body]
        self.text += ["}", ""]
        self.count += 1

    def save(self):
        (HERE / (self.name + ".ptx")).write_text("\n".join(self.text))
        header, offset, blobs = {}, 0, []
        for name in sorted(self.inputs):
            data = self.inputs[name]
            header[name] = {"dtype": "I32", "shape": [len(data) // 4], "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
            blobs.append(data)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        (HERE / (self.name + ".inputs.safetensors")).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
        print("%-12s %3d kernels, %d bytes of inputs" % (self.name, self.count, offset))


# --- one instruction over columns of values -----------------------------------------------------------------------------

REGISTER = {8: "b16", 16: "b16", 32: "b32", 64: "b64", 1: "pred"}


def width(kind):
    if kind.endswith("x2") and kind[0] in "fb" and kind not in ("e4m3x2", "e5m2x2"):
        return 32
    if kind in ("u16x2", "s16x2"):
        return 32
    if kind in ("e4m3x2", "e5m2x2"):
        return 16
    if kind == "bf16":
        return 16
    if kind == "tf32":
        return 32
    return int(kind.lstrip("usbf"))


def elementwise(group, name, instruction, result, operands, compare=None, immediate="", setup=(), columns=None):
    """d = instruction a, b, c for each thread; operands are kinds of values."""
    args, body = [], []
    body.append(".reg .b64 %base, %at, %index; .reg .b32 %thread; .reg .pred %p, %q, %r;")
    body.append(".reg .%s %%d;" % REGISTER[width(result)])
    body.append("mov.u32 %thread, %tid.x; cvt.u64.u32 %index, %thread;")
    names = []
    for i, kind in enumerate(operands):
        bits = width(kind)
        values = representation(kind)
        per_thread = bits // BITS[values]
        key = "%s.%d.%d" % (values, i, per_thread)
        if columns and columns.get(i):
            key = "%s.%d" % (name, i)
            group.tensor(key, columns[i])
        elif key not in group.inputs:
            group.tensor(key, pack(column(values, i, "seed %s" % key, THREADS * per_thread)[:THREADS * per_thread], BITS[values]))
        args.append("in:" + key)
        register = "%" + "abc"[i]
        names.append(register)
        body.append(".reg .%s %s;" % (REGISTER[bits], register))
        body.append("ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, %d, %%base; ld.global.b%d %s, [%%at];" %
                    (i, bits // 8, bits, register))
    body += list(setup)
    body.append(instruction if "%d" in instruction else "%s %s;" % (instruction, ", ".join(["%d"] + names) + immediate))
    args.append("out:d:%d" % (THREADS * max(width(result), 16) // 8))
    body.append("ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, %d, %%base; st.global.b%d [%%at], %%d; ret;" %
                (len(operands), width(result) // 8, width(result)))
    group.kernel(name, args, body, compare=compare or "bits")


def label(instruction):
    return instruction.replace(".", "_").replace("::", "_").replace(" ", "_")


def simple(group, instruction, result, operands, **more):
    elementwise(group, label(instruction), instruction, result, operands, **more)


def integers():
    g = Group("integer")
    for t in ("s16", "u16", "s32", "u32", "s64", "u64"):
        for op in ("add", "sub", "mul.lo", "mul.hi", "div", "rem", "min", "max"):
            simple(g, "%s.%s" % (op, t), t, [t, t])
    for t in ("s16", "u16", "s32", "u32"):
        simple(g, "mul.wide." + t, t[0] + str(2 * int(t[1:])), [t, t])
    for t in ("s32", "u32", "s64", "u64"):
        simple(g, "mad.lo." + t, t, [t, t, t])
        simple(g, "mad.hi." + t, t, [t, t, t])
    for t in ("s32", "u32"):
        simple(g, "mad.wide." + t, t[0] + "64", [t, t, t[0] + "64"])
        simple(g, "sad." + t, t, [t, t, t])
        simple(g, "bfe." + t, t, [t, "u32", "u32"])
        simple(g, "bfind." + t, "u32", [t])
        simple(g, "bfind.shiftamt." + t, "u32", [t])
        simple(g, "dp4a.%s.%s" % (t, t), t, [t, t, t])
        simple(g, "dp2a.lo.%s.%s" % (t, t), t, [t, t, t])
        simple(g, "dp2a.hi.%s.%s" % (t, t), t, [t, t, t])
    # Positions and lengths beyond 255 mean nothing.
    positions = pack([(i * 7) % 80 if i % 5 else 255 - i % 50 for i in range(THREADS)], 32)
    lengths = pack([(i * 11) % 70 if i % 7 else 200 + i % 56 for i in range(THREADS)], 32)
    simple(g, "bfe.s64", "s64", ["s64", "u32", "u32"], columns={1: positions, 2: lengths})
    simple(g, "bfe.u64", "u64", ["u64", "u32", "u32"], columns={1: positions, 2: lengths})
    simple(g, "add.sat.s32", "s32", ["s32", "s32"])
    simple(g, "sub.sat.s32", "s32", ["s32", "s32"])
    simple(g, "mad.hi.sat.s32", "s32", ["s32", "s32", "s32"])
    for t in ("u16x2", "s16x2"):
        simple(g, "add." + t, t, [t, t])
        simple(g, "min." + t, t, [t, t])
        simple(g, "max." + t, t, [t, t])
    for t in ("s16", "s32", "s64"):
        simple(g, "abs." + t, t, [t])
        simple(g, "neg." + t, t, [t])
    for t in ("b16", "b32", "b64"):
        for op in ("and", "or", "xor"):
            simple(g, "%s.%s" % (op, t), t, [t, t])
        simple(g, "not." + t, t, [t])
        simple(g, "cnot." + t, t, [t])
        simple(g, "shl." + t, t, [t, "u32"])
    for t in ("s16", "u16", "s32", "u32", "s64", "u64"):
        simple(g, "shr." + t, t, [t, "u32"])
    for t in ("b32", "b64"):
        simple(g, "clz." + t, "u32", [t])
        simple(g, "popc." + t, "u32", [t])
        simple(g, "brev." + t, t, [t])
    elementwise(g, "bfi_b32", "bfi.b32 %d, %a, %b, %c, 9;", "b32", ["b32", "b32", "u32"])
    elementwise(g, "bfi_b64", "bfi.b64 %d, %a, %b, %c, 21;", "b64", ["b64", "b64", "u32"], columns={2: positions})
    for table in (0x96, 0xE8, 0xCA, 0x1B):
        elementwise(g, "lop3_%02x" % table, "lop3.b32 %%d, %%a, %%b, %%c, 0x%02x;" % table, "b32", ["b32", "b32", "b32"])
    simple(g, "prmt.b32", "b32", ["b32", "b32", "b32"])
    for mode in ("f4e", "b4e", "rc8", "ecl", "ecr", "rc16"):
        simple(g, "prmt.b32." + mode, "b32", ["b32", "b32", "b32"])
    for direction in ("l", "r"):
        for mode in ("wrap", "clamp"):
            simple(g, "shf.%s.%s.b32" % (direction, mode), "b32", ["b32", "b32", "u32"])
    simple(g, "fns.b32", "b32", ["b32", "u32", "s32"], columns={1: pack([i % 32 for i in range(THREADS)], 32), 2: pack([(i // 32 - 4) & 0xFFFFFFFF for i in range(THREADS)], 32)})
    simple(g, "szext.wrap.s32", "s32", ["s32", "u32"])
    simple(g, "szext.clamp.u32", "u32", ["u32", "u32"])
    simple(g, "bmsk.wrap.b32", "b32", ["u32", "u32"])
    simple(g, "bmsk.clamp.b32", "b32", ["u32", "u32"])
    elementwise(g, "carry_chain", "add.cc.u32 %a, %a, %b; addc.cc.u32 %b, %b, %c; addc.u32 %d, %a, %c; xor.b32 %d, %d, %b;", "u32", ["u32", "u32", "u32"])
    elementwise(g, "borrow_chain", "sub.cc.u32 %a, %a, %b; subc.cc.u32 %b, %b, %c; subc.u32 %d, %a, %c; xor.b32 %d, %d, %b;", "u32", ["u32", "u32", "u32"])
    elementwise(g, "mad_carry", "mad.lo.cc.u32 %a, %a, %b, %c; madc.hi.u32 %d, %a, %b, %c;", "u32", ["u32", "u32", "u32"])
    g.save()


def floats():
    g = Group("float")
    for rounding in ("rn", "rz", "rm", "rp"):
        for flush in ("", ".ftz"):
            for op, n in (("add", 2), ("sub", 2), ("mul", 2), ("fma", 3), ("div", 2), ("rcp", 1), ("sqrt", 1)):
                simple(g, "%s.%s%s.f32" % (op, rounding, flush), "f32", ["f32"] * n)
        for op, n in (("add", 2), ("mul", 2), ("fma", 3), ("div", 2), ("rcp", 1), ("sqrt", 1)):
            simple(g, "%s.%s.f64" % (op, rounding), "f64", ["f64"] * n, compare="f64nan" if n > 1 else "bits")
    for op, n in (("add", 2), ("mul", 2), ("fma.rn", 3)):
        simple(g, op + ".sat.f32", "f32", ["f32"] * n)
        simple(g, op + ".ftz.sat.f32", "f32", ["f32"] * n)
    for op in ("min", "max"):
        for more in ("", ".ftz", ".NaN", ".ftz.NaN", ".NaN.xorsign.abs", ".xorsign.abs"):
            simple(g, "%s%s.f32" % (op, more), "f32", ["f32", "f32"])
        simple(g, op + ".f64", "f64", ["f64", "f64"], compare="f64nan")
        for t in ("f16", "f16x2", "bf16", "bf16x2"):
            simple(g, "%s.%s" % (op, t), t, [t, t])
            simple(g, "%s.NaN.%s" % (op, t), t, [t, t])
    for t in ("f32", "f64", "f16", "f16x2", "bf16", "bf16x2"):
        simple(g, "abs." + t, t, [t])
        simple(g, "neg." + t, t, [t])
    simple(g, "abs.ftz.f32", "f32", ["f32"])
    simple(g, "neg.ftz.f32", "f32", ["f32"])
    for t in ("f16", "f16x2"):
        for op in ("add", "sub", "mul"):
            for more in ("", ".ftz", ".sat"):
                simple(g, "%s%s.%s" % (op, more, t), t, [t, t])
        for more in ("", ".ftz", ".sat", ".relu"):
            simple(g, "fma.rn%s.%s" % (more, t), t, [t, t, t])
    for t in ("bf16", "bf16x2"):
        for op in ("add", "sub", "mul"):
            simple(g, "%s.%s" % (op, t), t, [t, t])
        simple(g, "fma.rn." + t, t, [t, t, t])
        simple(g, "fma.rn.relu." + t, t, [t, t, t])
    # Of several NaN the card hands on one by its place in the machine instruction, and the compiler may swap operands: no order to rely on.
    nans = [0x7FF0000000000001, 0x7FF8000000000000, 0x7FF8000000000005, 0xFFF8000000000003, 0x7FF4000000000009, 0x3FF0000000000000]
    chosen = [pack([nans[i // 6 ** position % 6] for i in range(THREADS)], 64) for position in range(3)]
    for op, n in (("add.rn", 2), ("mul.rn", 2), ("div.rn", 2), ("min", 2), ("max", 2), ("fma.rn", 3)):
        elementwise(g, "nan_of_%s_f64" % label(op), op + ".f64 %%d, %s;" % ", ".join(["%a", "%b", "%c"][:n]), "f64", ["f64"] * n, columns=dict(enumerate(chosen[:n])), compare="f64nan")
    simple(g, "copysign.f32", "f32", ["f32", "f32"])
    simple(g, "copysign.f64", "f64", ["f64", "f64"])
    for kind in ("finite", "infinite", "number", "notanumber", "normal", "subnormal"):
        elementwise(g, "testp_" + kind, "testp.%s.f32 %%p, %%a; selp.b32 %%d, 1, 0, %%p;" % kind, "b32", ["f32"])
    g.save()


def conversions():
    g = Group("convert")
    for rounding in ("rni", "rzi", "rmi", "rpi"):
        simple(g, "cvt.%s.f32.f32" % rounding, "f32", ["f32"])
        simple(g, "cvt.%s.f64.f64" % rounding, "f64", ["f64"])
        simple(g, "cvt.%s.f16.f16" % rounding, "f16", ["f16"])
        for t in ("s32", "u32", "s64", "u64", "s16", "u16"):
            simple(g, "cvt.%s.%s.f32" % (rounding, t), t, ["f32"])
    for t in ("s32", "u32", "s64", "u64"):
        simple(g, "cvt.rzi.%s.f64" % t, t, ["f64"])
        simple(g, "cvt.rzi.%s.f16" % t, t, ["f16"])
        for rounding in ("rn", "rz", "rm", "rp"):
            simple(g, "cvt.%s.f32.%s" % (rounding, t), "f32", [t])
        simple(g, "cvt.rn.f64." + t, "f64", [t])
        simple(g, "cvt.rn.f16." + t, "f16", [t])
    simple(g, "cvt.rzi.ftz.s32.f32", "s32", ["f32"])
    simple(g, "cvt.sat.f32.f32", "f32", ["f32"])
    simple(g, "cvt.ftz.f32.f32", "f32", ["f32"])
    simple(g, "cvt.f64.f32", "f64", ["f32"])
    for rounding in ("rn", "rz", "rm", "rp"):
        simple(g, "cvt.%s.f32.f64" % rounding, "f32", ["f64"])
    simple(g, "cvt.f32.f16", "f32", ["f16"])
    simple(g, "cvt.f32.bf16", "f32", ["bf16"])
    for rounding in ("rn", "rz"):
        simple(g, "cvt.%s.f16.f32" % rounding, "f16", ["f32"])
        simple(g, "cvt.%s.bf16.f32" % rounding, "bf16", ["f32"])
        simple(g, "cvt.%s.relu.f16.f32" % rounding, "f16", ["f32"])
        simple(g, "cvt.%s.relu.bf16.f32" % rounding, "bf16", ["f32"])
        simple(g, "cvt.%s.f16x2.f32" % rounding, "f16x2", ["f32", "f32"])
        simple(g, "cvt.%s.bf16x2.f32" % rounding, "bf16x2", ["f32", "f32"])
        simple(g, "cvt.%s.relu.bf16x2.f32" % rounding, "bf16x2", ["f32", "f32"])
    simple(g, "cvt.rn.f16.f64", "f16", ["f64"])
    simple(g, "cvt.rna.tf32.f32", "b32", ["f32"])
    for kind in ("e4m3x2", "e5m2x2"):
        simple(g, "cvt.rn.satfinite.%s.f32" % kind, "b16", ["f32", "f32"])
        simple(g, "cvt.rn.satfinite.relu.%s.f32" % kind, "b16", ["f32", "f32"])
        simple(g, "cvt.rn.satfinite.%s.f16x2" % kind, "b16", ["f16x2"])
        simple(g, "cvt.rn.f16x2." + kind, "f16x2", ["b16"], columns={0: pack([(i * 257) & 0xFFFF for i in range(THREADS)], 16)})
    for source in ("s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"):
        register = "b16" if source[1:] in ("8", "16") else "b" + source[1:]
        for target in ("s8", "u8", "s16", "u16", "s32", "u64"):
            if target == source:
                continue
            out = "b16" if target[1:] in ("8", "16") else "b" + target[1:]
            simple(g, "cvt.%s.%s" % (target, source), out, [register])
            narrower = int(target[1:]) < int(source[1:])
            if narrower or (source[0] == "s" and target[0] == "u") or (source[1:] == target[1:]):
                simple(g, "cvt.sat.%s.%s" % (target, source), out, [register])
    g.save()


def approximations():
    g = Group("approximate")
    spread = pack([f32_bits(s * math.ldexp(1 + (i * 37 % 128) / 128, i % 12 - 6)) for i in range(128) for s in (1, -1)], 32)
    angles = pack([f32_bits(-3.2 + 6.4 * i / 255) for i in range(THREADS)], 32)
    for flush in ("", ".ftz"):
        simple(g, "ex2.approx%s.f32" % flush, "f32", ["f32"], columns={0: spread}, compare="rel=4.8e-7")
        simple(g, "lg2.approx%s.f32" % flush, "f32", ["f32"], columns={0: spread}, compare="abs=4.8e-7")
        simple(g, "rcp.approx%s.f32" % flush, "f32", ["f32"], columns={0: spread}, compare="rel=2.4e-7")
        simple(g, "rsqrt.approx%s.f32" % flush, "f32", ["f32"], columns={0: spread}, compare="rel=3e-7")
        simple(g, "sqrt.approx%s.f32" % flush, "f32", ["f32"], columns={0: spread}, compare="rel=3.6e-7")
        simple(g, "sin.approx%s.f32" % flush, "f32", ["f32"], columns={0: angles}, compare="abs=1e-6")
        simple(g, "cos.approx%s.f32" % flush, "f32", ["f32"], columns={0: angles}, compare="abs=1e-6")
        simple(g, "div.approx%s.f32" % flush, "f32", ["f32", "f32"], columns={0: spread, 1: angles}, compare="rel=4e-7")
        simple(g, "div.full%s.f32" % flush, "f32", ["f32", "f32"], columns={0: spread, 1: angles}, compare="rel=4e-7")
    simple(g, "tanh.approx.f32", "f32", ["f32"], columns={0: spread}, compare="rel=6e-4")
    for op in ("ex2.approx", "lg2.approx", "rcp.approx", "rsqrt.approx", "sqrt.approx", "tanh.approx", "sin.approx", "cos.approx"):
        for flush in (("", ".ftz") if not op.startswith("tanh") else ("",)):
            elementwise(g, label(op) + flush.replace(".", "_") + "_edges", op + flush + ".f32 %d, %a;", "f32", ["f32"],
                        compare="finite" if op.startswith(("sin", "cos")) else "edges")
    simple(g, "ex2.approx.f16", "f16", ["f16"], compare="f16rel=1e-3")
    simple(g, "ex2.approx.f16x2", "f16x2", ["f16x2"], compare="f16rel=1e-3")
    simple(g, "ex2.approx.ftz.bf16", "bf16", ["bf16"], compare="bf16rel=8e-3")
    simple(g, "tanh.approx.f16", "f16", ["f16"], compare="f16rel=2e-3")
    simple(g, "tanh.approx.bf16", "bf16", ["bf16"], compare="bf16rel=8e-3")
    simple(g, "rcp.approx.ftz.f64", "f64", ["f64"], compare="f64rel=1e-6")
    simple(g, "rsqrt.approx.f64", "f64", ["f64"], compare="f64rel=1e-6")
    g.save()


def comparisons():
    g = Group("compare")
    for t, ops in (("f32", ("eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")),
                   ("f64", ("lt", "geu")), ("f16", ("lt", "neu")), ("bf16", ("gt", "leu")),
                   ("s32", ("eq", "ne", "lt", "le", "gt", "ge")), ("u32", ("lt", "ge", "lo", "hi", "ls", "hs")), ("s16", ("lt",)), ("u16", ("ge",)),
                   ("s64", ("gt",)), ("u64", ("le",)), ("b32", ("eq", "ne"))):
        for op in ops:
            elementwise(g, "setp_%s_%s" % (op, t), "setp.%s.%s %%p, %%a, %%b; selp.b32 %%d, 1, 0, %%p;" % (op, t), "b32", [t, t])
    elementwise(g, "setp_ftz", "setp.lt.ftz.f32 %p, %a, %b; selp.b32 %d, 1, 0, %p;", "b32", ["f32", "f32"])
    for combine in ("and", "or", "xor"):
        elementwise(g, "setp_" + combine, "setp.ne.b32 %%r, %%c, 0; setp.lt.%s.s32 %%p|%%q, %%a, %%b, %%r; selp.b32 %%d, 1, 0, %%p; @%%q add.u32 %%d, %%d, 2;" % combine,
                    "b32", ["s32", "s32", "b32"])
    for result in ("u32", "s32", "f32"):
        simple(g, "set.lt.%s.f32" % result, "b32", ["f32", "f32"])
        simple(g, "set.ge.%s.s32" % result, "b32", ["s32", "s32"])
    simple(g, "set.eq.f16.f16", "f16", ["f16", "f16"])
    simple(g, "set.lt.bf16.bf16", "bf16", ["bf16", "bf16"])
    simple(g, "slct.b32.s32", "b32", ["b32", "b32", "s32"])
    simple(g, "slct.f32.f32", "f32", ["f32", "f32", "f32"])
    simple(g, "slct.ftz.u64.f32", "u64", ["u64", "u64", "f32"])
    g.save()


# --- warps --------------------------------------------------------------------------------------------------------------


def warps():
    g = Group("warp")
    for mode, clamp in (("bfly", 31), ("up", 0), ("down", 31), ("idx", 31)):
        for c in (clamp, clamp | 0x1800, clamp | 0x1000):
            elementwise(g, "shfl_%s_%x" % (mode, c), "and.b32 %%b, %%b, 31; shfl.sync.%s.b32 %%d|%%p, %%a, %%b, 0x%x, 0xffffffff; @!%%p xor.b32 %%d, %%d, 0x80000000;" % (mode, c),
                        "b32", ["b32", "b32"], columns={1: pack([(i // 32) + 1 for i in range(THREADS)], 32)})
    parity = ["and.b32 %b, %a, 1; setp.ne.u32 %p, %b, 0;"]
    elementwise(g, "vote_ballot", "vote.sync.ballot.b32 %d, %p, 0xffffffff;", "b32", ["b32", "b32"], setup=parity)
    for mode in ("all", "any", "uni"):
        elementwise(g, "vote_" + mode, "vote.sync.%s.pred %%q, %%p, 0xffffffff; selp.b32 %%d, 1, 0, %%q;" % mode, "b32", ["b32", "b32"], setup=parity)
    low = pack([(i * i) % 7 for i in range(THREADS)], 32)
    elementwise(g, "match_any", "match.any.sync.b32 %d, %a, 0xffffffff;", "b32", ["b32"], columns={0: low})
    elementwise(g, "match_all", "match.all.sync.b32 %d|%p, %a, 0xffffffff; @%p xor.b32 %d, %d, 5;", "b32", ["b32"], columns={0: low})
    elementwise(g, "match_any_half", "setp.lt.u32 %p, %thread, 1000; activemask.b32 %d; match.any.sync.b32 %d, %a, %d;", "b32", ["b32"], columns={0: low})
    for op, t in (("add", "s32"), ("add", "u32"), ("min", "s32"), ("max", "s32"), ("min", "u32"), ("max", "u32"), ("and", "b32"), ("or", "b32"), ("xor", "b32")):
        elementwise(g, "redux_%s_%s" % (op, t), "redux.sync.%s.%s %%d, %%a, 0xffffffff;" % (op, t), "b32", ["b32"])
    elementwise(g, "elect", "elect.sync %d|%p, 0xffffffff; @%p add.u32 %d, %d, 100;", "b32", ["b32"])
    elementwise(g, "elect_upper", "mov.u32 %d, 7; and.b32 %thread, %thread, 31; setp.ge.u32 %q, %thread, 11; @%q bra UPPER; bra DONE; UPPER: elect.sync %d|%p, 0xfffff800; @%p add.u32 %d, %d, 100; DONE:", "b32", ["b32"])
    for name, what in (("lanemask_lt", "mov.u32 %d, %lanemask_lt;"), ("lanemask_ge", "mov.u32 %d, %lanemask_ge;"), ("laneid", "mov.u32 %d, %laneid;")):
        elementwise(g, name, what, "b32", ["b32"])
    elementwise(g, "bar_red_popc", "and.b32 %b, %a, 1; setp.ne.u32 %p, %b, 0; bar.red.popc.u32 %d, 0, %p;", "b32", ["b32", "b32"])
    elementwise(g, "bar_red_or", "setp.eq.u32 %p, %a, 0x12345678; bar.red.or.pred %q, 0, %p; selp.b32 %d, 1, 0, %q;", "b32", ["b32"])
    elementwise(g, "bar_red_and", "setp.ne.u32 %p, %a, 0; bar.red.and.pred %q, 0, %p; selp.b32 %d, 1, 0, %q;", "b32", ["b32"])
    g.save()


def small_floats(rng, count, encode):
    return [encode(rng.choice((-4, -3, -2, -1.5, -1, -0.5, 0, 0.25, 0.5, 1, 1.5, 2, 3, 4))) for _ in range(count)]


def encode_f16(x):
    return struct.unpack("<H", struct.pack("<e", x))[0]


def encode_bf16(x):
    return f32_bits(x) >> 16


def encode_f8(x, mantissa, bias):
    """Of a small value that the format holds exactly."""
    if x == 0:
        return 0
    sign, x = (0x80, -x) if x < 0 else (0, x)
    m, e = math.frexp(x)
    return sign | ((e - 1 + bias) << mantissa) | int((m * 2 - 1) * (1 << mantissa))


ENCODERS = {"f16": (16, encode_f16), "bf16": (16, encode_bf16), "tf32": (32, f32_bits), "e4m3": (8, lambda x: encode_f8(x, 3, 7)),
            "e5m2": (8, lambda x: encode_f8(x, 2, 15)), "s8": (8, lambda x: int(x * 4) & 0xFF), "u8": (8, lambda x: int(abs(x) * 4) & 0xFF)}


def exact_values(kind, count, seed):
    rng = random.Random(seed)
    bits, encode = ENCODERS[kind]
    return pack(small_floats(rng, count, encode), bits)


def wide_values(kind, count, seed):
    """Values over many binades: sums that tensor cores truncate."""
    rng = random.Random(seed)
    if kind in ("f16", "bf16", "tf32"):
        encode = ENCODERS[kind][1]
        values = [encode(rng.choice((-1, 1)) * math.ldexp(1 + rng.getrandbits(5) / 32, rng.randint(-9, 6))) for _ in range(count)]
        return pack(values, ENCODERS[kind][0])
    if kind == "e4m3":
        return pack([rng.choice([v for v in range(256) if v & 0x7F != 0x7F]) for _ in range(count)], 8)
    if kind == "e5m2":
        return pack([rng.choice([v for v in range(256) if (v >> 2) & 0x1F != 0x1F]) for _ in range(count)], 8)
    return pack([rng.getrandbits(8) for _ in range(count)], 8)


def load_registers(parameter, register, count):
    lines = ["ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, %d, %%base;" % (parameter, 4 * count)]
    lines += ["ld.global.b32 %%%s%d, [%%at+%d];" % (register, i, 4 * i) for i in range(count)]
    return lines


def store_registers(parameter, register, count):
    lines = ["ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, %d, %%base;" % (parameter, 4 * count)]
    lines += ["st.global.b32 [%%at+%d], %%%s%d;" % (4 * i, register, i) for i in range(count)]
    return lines


def braces(register, count):
    return "{" + ", ".join("%%%s%d" % (register, i) for i in range(count)) + "}"


def mma():
    """Each thread's fragments come as 32-bit registers from memory and go back so: layouts and sums alike are the card's."""
    g = Group("mma")
    shapes = [  # shape, d, a, b, c, registers of a, b, c
        ("m16n8k8", "f32", "bf16", "bf16", "f32", 2, 1, 4), ("m16n8k16", "f32", "bf16", "bf16", "f32", 4, 2, 4),
        ("m16n8k8", "f32", "f16", "f16", "f32", 2, 1, 4), ("m16n8k16", "f32", "f16", "f16", "f32", 4, 2, 4),
        ("m16n8k16", "f16", "f16", "f16", "f16", 4, 2, 2),
        ("m16n8k4", "f32", "tf32", "tf32", "f32", 2, 1, 4), ("m16n8k8", "f32", "tf32", "tf32", "f32", 4, 2, 4),
        ("m16n8k32", "f32", "e4m3", "e4m3", "f32", 4, 2, 4), ("m16n8k32", "f32", "e5m2", "e5m2", "f32", 4, 2, 4),
        ("m16n8k32", "f32", "e4m3", "e5m2", "f32", 4, 2, 4),
        ("m16n8k16", "s32", "s8", "s8", "s32", 2, 1, 4), ("m16n8k32", "s32", "s8", "s8", "s32", 4, 2, 4),
        ("m16n8k32", "s32", "u8", "s8", "s32", 4, 2, 4), ("m16n8k32", "s32", "u8", "u8", "s32", 4, 2, 4),
    ]
    for shape, d, a, b, c, na, nb, nc in shapes:
        name = "mma_%s_%s_%s_%s" % (shape, d, a, b)
        for variant, values in (("exact", exact_values), ("wide", wide_values)):
            per = 32 // ENCODERS[a][0]
            g.tensor("%s_%s.a" % (name, variant), values(a, 32 * na * per, name + variant + "a"))
            g.tensor("%s_%s.b" % (name, variant), values(b, 32 * nb * per, name + variant + "b"))
            rng = random.Random(name + variant + "c")
            if c == "f32":
                data = pack([f32_bits(rng.randint(-8, 8) if variant == "exact" else rng.uniform(-1, 1) * 2.0 ** rng.randint(-12, 12)) for _ in range(32 * nc)], 32)
            elif c == "f16":
                data = pack([encode_f16(rng.randint(-8, 8) if variant == "exact" else rng.uniform(-4, 4)) for _ in range(64 * nc)], 16)
            else:
                data = pack([rng.randint(-100, 100) & 0xFFFFFFFF if variant == "exact" else rng.getrandbits(32) for _ in range(32 * nc)], 32)
            g.tensor("%s_%s.c" % (name, variant), data)
            body = [".reg .b64 %base, %at, %index; .reg .b32 %thread;",
                    ".reg .b32 %%a<%d>; .reg .b32 %%b<%d>; .reg .b32 %%c<%d>;" % (na, nb, nc),
                    "mov.u32 %thread, %tid.x; cvt.u64.u32 %index, %thread;"]
            body += load_registers(0, "a", na) + load_registers(1, "b", nb) + load_registers(2, "c", nc)
            f32_result = d == "f32"
            if f32_result:  # the operands of mma are f32 registers
                body.append(".reg .f32 %%f<%d>;" % nc)
                body += ["mov.b32 %%f%d, %%c%d;" % (i, i) for i in range(nc)]
            r = "f" if f32_result else "c"
            body.append("mma.sync.aligned.%s.row.col.%s.%s.%s.%s %s, %s, %s, %s;" % (shape, d, a, b, c, braces(r, nc), braces("a", na), braces("b", nb), braces(r, nc)))
            if f32_result:
                body += ["mov.b32 %%c%d, %%f%d;" % (i, i) for i in range(nc)]
            body += store_registers(3, "c", nc) + ["ret;"]
            exact = variant == "exact" or d == "s32"
            g.kernel("%s_%s" % (name, variant), ["in:%s_%s.%s" % (name, variant, x) for x in "abc"] + ["out:d:%d" % (32 * 4 * nc)], body, block=32,
                     compare="bits" if exact else "sum")
    # Rows through shared memory and back.
    image = pack(list(range(1024)), 16)
    g.tensor("rows", image)
    prologue = [".reg .b64 %base, %at, %index; .reg .b32 %thread, %row, %to; .reg .b32 %v<8>; .shared .align 128 .b8 tile[2048];",
                "mov.u32 %thread, %tid.x; cvt.u64.u32 %index, %thread;",
                "ld.param.u64 %base, [p0]; mad.lo.u64 %at, %index, 64, %base; mov.u32 %row, tile; mad.lo.u32 %to, %thread, 64, %row;"]
    for i in range(4):
        prologue.append("ld.global.v4.b32 {%%v0,%%v1,%%v2,%%v3}, [%%at+%d]; st.shared.v4.b32 [%%to+%d], {%%v0,%%v1,%%v2,%%v3};" % (16 * i, 16 * i))
    prologue.append("bar.sync 0; mul.lo.u32 %to, %thread, 48; and.b32 %to, %to, 2032; add.u32 %row, %row, %to;")
    for count in (1, 2, 4):
        for trans in ("", ".trans"):
            body = prologue + ["ldmatrix.sync.aligned.m8n8.x%d%s.shared.b16 %s, [%%row];" % (count, trans, braces("v", count))]
            body += store_registers(1, "v", count) + ["ret;"]
            g.kernel("ldmatrix_x%d%s" % (count, trans.replace(".", "_")), ["in:rows", "out:d:%d" % (128 * count)], body, block=32)
            body = prologue[:-1] + ["bar.sync 0; ld.shared.v4.b32 {%v0,%v1,%v2,%v3}, [%to]; bar.sync 0; mov.u32 %row, tile; mul.lo.u32 %to, %thread, 48; and.b32 %to, %to, 2032; add.u32 %row, %row, %to;",
                                    "stmatrix.sync.aligned.m8n8.x%d%s.shared.b16 [%%row], %s;" % (count, trans, braces("v", count)), "bar.sync 0; mov.u32 %row, tile; mad.lo.u32 %to, %thread, 64, %row;"]
            body.append("ld.param.u64 %base, [p1]; mad.lo.u64 %at, %index, 64, %base;")
            for i in range(4):
                body.append("ld.shared.v4.b32 {%%v0,%%v1,%%v2,%%v3}, [%%to+%d]; st.global.v4.b32 [%%at+%d], {%%v0,%%v1,%%v2,%%v3};" % (16 * i, 16 * i))
            body.append("ret;")
            g.kernel("stmatrix_x%d%s" % (count, trans.replace(".", "_")), ["in:rows", "out:d:2048"], body, block=32)
    body = [".reg .b64 %base, %at, %index; .reg .b32 %thread, %v0, %v1; mov.u32 %thread, %tid.x; cvt.u64.u32 %index, %thread;"] + load_registers(0, "v", 1)
    body += ["movmatrix.sync.aligned.m8n8.trans.b16 %v0, %v0;"] + store_registers(1, "v", 1) + ["ret;"]
    g.kernel("movmatrix", ["in:rows", "out:d:128"], body, block=32)
    g.save()


# --- Hopper -------------------------------------------------------------------------------------------------------------

# Copies p0's `bytes` to the tile in shared memory, 16 bytes a thread and step, by `threads` threads.


def fill_shared(bytes_, threads, parameter=0):
    lines = ["ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, 16, %%base; mad.lo.u32 %%to, %%thread, 16, %%tile;" % parameter]
    for offset in range(0, bytes_, 16 * threads):
        lines.append("ld.global.v4.b32 {%%v0,%%v1,%%v2,%%v3}, [%%at+%d]; st.shared.v4.b32 [%%to+%d], {%%v0,%%v1,%%v2,%%v3};" % (offset, offset))
    return lines


def dump_shared(bytes_, threads, parameter):
    lines = ["ld.param.u64 %%base, [p%d]; mad.lo.u64 %%at, %%index, 16, %%base; mad.lo.u32 %%to, %%thread, 16, %%tile;" % parameter]
    for offset in range(0, bytes_, 16 * threads):
        lines.append("ld.shared.v4.b32 {%%v0,%%v1,%%v2,%%v3}, [%%to+%d]; st.global.v4.b32 [%%at+%d], {%%v0,%%v1,%%v2,%%v3};" % (offset, offset))
    return lines




def hopper_head(bytes_, alignment=1024):
    return [".shared .align %d .b8 tile[%d]; .shared .align 8 .b64 full;" % (alignment, bytes_)] + HOPPER_REGISTERS


HOPPER_REGISTERS = [".reg .b64 %base, %at, %index, %da, %db, %map, %state; .reg .b32 %thread, %tile, %to, %bar, %n; .reg .b32 %v<4>; .reg .pred %p, %first;",
                    "mov.u32 %thread, %tid.x; cvt.u64.u32 %index, %thread; mov.u32 %tile, tile; setp.eq.u32 %first, %thread, 0;"]


def wgmma():
    """Shared memory is a plain image of exact small values; the descriptor alone says what is read. D shows it."""
    g = Group("wgmma")
    SW = {"none": 0, "128": 1, "64": 2, "32": 3}
    span = {"none": 16, "128": 128, "64": 64, "32": 32}

    def case(name, kind, n, a_desc, b_desc, a_major=0, b_major=0, acc="f32", registers_a=False, variant="exact", scale="1, 1", accumulate=False):
        bits = ENCODERS[kind][0]
        k = 256 // bits
        half = 16384
        values = exact_values if variant == "exact" else wide_values
        tile = "%s_%s" % (kind, variant)
        if tile not in g.inputs:
            g.tensor(tile, values(kind, 2 * half * 8 // bits, tile))
        nd = n // 2 if acc != "f16" else n // 4
        body = hopper_head(2 * half)
        is_float = acc == "f32"
        body.append(".reg .b32 %%d<%d>; .reg .f32 %%f<%d>; .reg .b32 %%a<4>;" % (nd, max(nd, 1)))
        body += fill_shared(2 * half, 128)
        body.append("fence.proxy.async; bar.sync 0;")
        if registers_a:
            body += load_registers(0, "a", 4)
        body += ["mov.b32 %%d%d, %d;" % (i, f32_bits(1.0) if is_float and accumulate else 0) for i in range(nd)]
        if is_float:
            body += ["mov.b32 %%f%d, %%d%d;" % (i, i) for i in range(nd)]
        for reg, base, (lead, stride, mode) in (("da", 0, a_desc), ("db", half, b_desc)):
            body.append("add.u32 %%to, %%tile, %d; and.b32 %%to, %%to, 0x3ffff; shr.u32 %%to, %%to, 4; cvt.u64.u32 %%%s, %%to;" % (base, reg))
            body.append("or.b64 %%%s, %%%s, 0x%x;" % (reg, reg, (lead >> 4) << 16 | (stride >> 4) << 32 | SW[mode] << 62))
        r = "f" if is_float else "d"
        types = "%s.%s.%s" % (acc, kind, kind)
        operands = "%s, %s, %%db, %s" % (braces(r, nd), braces("a", 4) if registers_a else "%da", "%p")
        if kind in ("s8", "u8"):
            tail = ""
        else:
            tail = ", " + scale
            if bits == 16:
                tail += ", %d" % b_major if registers_a else ", %d, %d" % (a_major, b_major)
        body.append("setp.%s.u32 %%p, %%thread, 4096;" % ("lt" if accumulate else "gt"))
        body.append("wgmma.fence.sync.aligned;")
        body.append("wgmma.mma_async.sync.aligned.m64n%dk%d.%s %s%s;" % (n, k, types, operands, tail))
        body.append("wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;")
        if is_float:
            body += ["mov.b32 %%d%d, %%f%d;" % (i, i) for i in range(nd)]
        body += store_registers(1, "d", nd) + ["ret;"]
        g.kernel(name, ["in:" + tile, "out:d:%d" % (128 * 4 * nd)], body, block=128, compare="bits" if variant == "exact" or acc == "s32" else "sum")

    # K-major: 8 rows of `span` bytes are one atom; SBO is the distance of groups of 8 rows; without swizzle LBO that of the two chunks of 16 bytes.
    for mode in SW:
        stride = 8 * span[mode]
        k_major = (128, 256, mode) if mode == "none" else (16, stride, mode)
        case("kmajor_%s_bf16" % mode, "bf16", 64, k_major, k_major)
        # Other distances, so that both fields are seen.
        spread = (2048, 384, mode) if mode == "none" else (16, 2 * stride, mode)
        case("kmajor_%s_spread" % mode, "bf16", 32, spread, k_major)
        mn = (256, 128, mode) if mode == "none" else (4096, stride, mode)
        case("mnmajor_b_%s" % mode, "bf16", 64, k_major, mn, b_major=1)
        case("mnmajor_a_%s" % mode, "bf16", 64, mn, k_major, a_major=1)
        mn2 = (1024, 2048, mode) if mode == "none" else (2 * 8 * span[mode] + 1024, 2048, mode)
        case("mnmajor_ab_%s" % mode, "f16", 128, mn2, (2048, mn[1], mode) if mode == "32" else mn, a_major=1, b_major=1)
    standard = (16, 1024, "128")
    for n in (8, 24, 96, 256):
        case("n%d" % n, "bf16", n, standard, (16, 256, "32"))
    for kind in ("f16", "tf32", "e4m3", "e5m2"):
        case("kind_" + kind, kind, 64, standard, standard)
        case("wide_" + kind, kind, 64, standard, standard, variant="wide")
        case("registers_" + kind, kind, 32, standard, standard, registers_a=True)
    case("wide_bf16", "bf16", 64, standard, standard, variant="wide")
    case("kind_s8", "s8", 64, standard, standard, acc="s32")
    case("kind_u8", "u8", 32, standard, standard, acc="s32")
    case("kind_f16_f16", "f16", 64, standard, standard, acc="f16")
    case("registers_bf16", "bf16", 64, standard, standard, registers_a=True)
    case("registers_bf16_mn", "bf16", 64, standard, (4096, 1024, "128"), registers_a=True, b_major=1)
    case("negate_a", "bf16", 64, standard, standard, scale="-1, 1")
    case("negate_b", "bf16", 64, standard, standard, scale="1, -1")
    case("accumulate", "bf16", 64, standard, standard, accumulate=True)
    g.save()


def tensors():
    """Boxes of tensors into shared memory and back, over edges and with every swizzle; the image of shared memory is the output."""
    g = Group("tensor")
    words = pack([i * 0x9E3779B1 & 0xFFFFFFFF for i in range(8192)], 32)
    g.tensor("words", words)
    halves = pack([encode_f16(i % 2000) for i in range(16384)], 16)
    g.tensor("halves", halves)
    small = pack([i & 0xFF for i in range(32768)], 8)
    g.tensor("small", small)
    shared_bytes = 16384

    def load(name, tensor, kind, dims, box, swizzle="none", fill="zero", at=None, cluster=1, multicast=0):
        rank = len(dims)
        at = at or [0] * rank
        size = {"b32": 4, "f32": 4, "tf32": 4, "f32ftz": 4, "tf32ftz": 4, "f64": 8, "f16": 2, "bf16": 2, "u8": 1}[kind]
        box_bytes = size
        for extent in box:
            box_bytes *= extent
        body = hopper_head(shared_bytes) + [".reg .b32 %x<5>; .reg .b16 %mask;"]
        body += ["mad.lo.u32 %to, %thread, 16, %tile; mov.u32 %v0, 0x5a5a5a5a;"]
        for offset in range(0, shared_bytes, 16 * 128):
            body.append("st.shared.v4.b32 [%%to+%d], {%%v0,%%v0,%%v0,%%v0};" % offset)
        body.append("mov.u32 %bar, full; mov.b64 %map, p0; cvta.param.u64 %map, %map;")
        body += ["mov.u32 %%x%d, %d;" % (i, v) for i, v in enumerate(at)]
        body.append("@%first mbarrier.init.shared::cta.b64 [%bar], 1; @%first fence.mbarrier_init.release.cluster; fence.proxy.async; bar.sync 0;")
        if cluster > 1:
            body.append("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;")
        body.append("@!%%first bra WAIT; mbarrier.arrive.expect_tx.shared::cta.b64 %%state, [%%bar], %d;" % box_bytes)
        coordinates = "{" + ", ".join("%%x%d" % i for i in range(rank)) + "}"
        if multicast:
            body.append("mov.u32 %n, %cluster_ctarank; setp.eq.u32 %p, %n, 0; mov.b16 %mask, " + str(multicast) + ";")
            body.append("@%%p cp.async.bulk.tensor.%dd.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%%tile], [%%map, %s], [%%bar], %%mask;" % (rank, coordinates))
        else:
            body.append("cp.async.bulk.tensor.%dd.shared::cluster.global.mbarrier::complete_tx::bytes [%%tile], [%%map, %s], [%%bar];" % (rank, coordinates))
        body.append("WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p, [%bar], 0; @!%p bra WAIT;")
        if cluster > 1:
            body.append("mov.u32 %%n, %%ctaid.x; mul.lo.u32 %%n, %%n, %d; cvt.u64.u32 %%state, %%n;" % shared_bytes)
        lines = dump_shared(shared_bytes, 128, 1)
        if cluster > 1:
            lines[0] += " add.u64 %at, %at, %state;"
        body += lines
        if cluster > 1:
            body.append("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;")
        body.append("ret;")
        spec = "map:%s:%s:%s:%s:%s:%s" % (tensor, kind, "x".join(map(str, dims)), "x".join(map(str, box)), swizzle, fill)
        g.kernel(name, [spec, "out:d:%d" % (shared_bytes * cluster)], body, block=128, grid=cluster, cluster=cluster)

    load("load_1d", "words", "b32", [1000], [64], at=[128])
    load("load_1d_over", "words", "b32", [1000], [256], at=[900])
    load("load_1d_before", "words", "b32", [1000], [64], at=[-20])
    for swizzle, width_ in (("none", 64), ("32", 8), ("64", 16), ("128", 32)):
        load("load_2d_" + swizzle, "words", "b32", [64, 100], [width_, 24], swizzle, at=[0, 3])
        load("load_2d_%s_over" % swizzle, "words", "b32", [64, 100], [width_, 24], swizzle, at=[64 - width_ // 2, 90])
        load("load_2d_%s_before" % swizzle, "words", "b32", [64, 100], [width_, 24], swizzle, at=[-4, -5])
    load("load_2d_half_128", "halves", "f16", [128, 100], [64, 32], "128", at=[64, 80])
    load("load_2d_half_nan", "halves", "f16", [128, 100], [64, 32], "128", "nan", at=[96, 80])
    load("load_2d_f32_nan", "words", "f32", [64, 100], [32, 16], "128", "nan", at=[48, 92])
    load("load_2d_bf16_nan", "halves", "bf16", [128, 100], [64, 32], "128", "nan", at=[96, 80])
    load("load_2d_f64_nan", "words", "f64", [32, 100], [16, 16], "128", "nan", at=[24, 92])
    # Of tf32 the engine rounds: ties, what rounds up to infinity, numbers below the normal ones, NaN.
    heads = [0x3F800000, 0x3F802000, 0xBF800000, 0xBF802000, 0x00000000, 0x00002000, 0x80002000, 0x007FE000, 0x7F7FE000, 0xFF7FE000, 0x7F800000,
             0xFF800000, 0x7FC00000, 0x7FFFE000, 0x00800000, 0x34567000]
    tails = [0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFE, 0x1FFF, 0x800]
    g.tensor("edges", pack([h | t for h in heads for t in tails], 32))
    for kind in ("tf32", "f32ftz", "tf32ftz"):
        load("load_2d_" + kind, "words", kind, [64, 100], [32, 24], "128", at=[40, 3])
        load("load_edges_" + kind, "edges", kind, [128], [128])
    load("load_2d_bytes_128", "small", "u8", [256, 100], [128, 40], "128", at=[208, 70])
    load("load_2d_ragged_rows", "words", "b32", [36, 50], [12, 20], at=[28, 40])
    load("load_3d", "words", "b32", [32, 12, 10], [16, 5, 3], at=[24, 9, 8])
    load("load_3d_128", "halves", "bf16", [64, 16, 8], [64, 10, 3], "128", at=[0, 9, 6])
    load("load_4d", "words", "b32", [16, 6, 5, 7], [8, 3, 2, 3], at=[12, -1, 4, 5])
    load("load_5d", "words", "b32", [8, 4, 5, 3, 6], [8, 2, 3, 2, 2], at=[4, 3, -1, 2, 5])
    load("load_multicast", "words", "b32", [64, 100], [32, 24], "128", at=[0, 3], cluster=2, multicast=3)

    def store(name, kind, dims, box, swizzle="none", at=None, reduce=""):
        rank = len(dims)
        at = at or [0] * rank
        size = {"b32": 4, "s32": 4, "u32": 4, "f32": 4, "f16": 2, "bf16": 2}[kind]
        total = size
        for extent in dims:
            total *= extent
        body = hopper_head(shared_bytes) + [".reg .b32 %x<5>;"]
        body += fill_shared(shared_bytes, 128, 1)
        body += ["mov.b64 %map, p2; cvta.param.u64 %map, %map;"]
        body += ["mov.u32 %%x%d, %d;" % (i, v) for i, v in enumerate(at)]
        body.append("fence.proxy.async; bar.sync 0; @!%first bra DONE;")
        coordinates = "{" + ", ".join("%%x%d" % i for i in range(rank)) + "}"
        opcode = "cp.reduce.async.bulk.tensor.%dd.global.shared::cta.%s.bulk_group" % (rank, reduce) if reduce else "cp.async.bulk.tensor.%dd.global.shared::cta.bulk_group" % rank
        for _ in range(2 if reduce else 1):
            body.append("%s [%%map, %s], [%%tile];" % (opcode, coordinates))
        body.append("cp.async.bulk.commit_group; cp.async.bulk.wait_group 0; DONE: ret;")
        spec = "map:d:%s:%s:%s:%s:zero" % (kind, "x".join(map(str, dims)), "x".join(map(str, box)), swizzle)
        source = "halves" if size == 2 else "words"
        g.kernel(name, ["out:d:%d" % total, "in:" + source, spec], body, block=128)

    for swizzle, width_ in (("none", 64), ("32", 8), ("64", 16), ("128", 32)):
        store("store_2d_" + swizzle, "b32", [64, 60], [width_, 24], swizzle, at=[64 - width_ // 2, 50])
    store("store_3d", "b32", [32, 12, 10], [16, 5, 3], at=[24, 9, 8])
    store("store_reduce_add", "u32", [64, 60], [32, 16], at=[40, 50], reduce="add")
    store("store_reduce_max", "u32", [64, 60], [32, 16], at=[0, 0], reduce="max")
    store("store_reduce_f16", "f16", [64, 60], [32, 16], at=[0, 0], reduce="add")
    g.save()


def barriers():
    """mbarriers and bulk copies: what waits answer in each state, and what lies in memory."""
    g = Group("mbarrier")
    head = hopper_head(2048, 16) + [".reg .b32 %r<8>; .reg .b64 %s<4>;", "mov.u32 %bar, full;",
                          "mov.u32 %r0, 0; mov.u32 %r1, 0; mov.u32 %r2, 0; mov.u32 %r3, 0; mov.u32 %r4, 0; mov.u32 %r5, 0; mov.u32 %r6, 0; mov.u32 %r7, 0;"]

    def probe(register, parity):
        return "mbarrier.test_wait.parity.shared::cta.b64 %%p, [%%bar], %d; selp.b32 %%%s, 1, 2, %%p;" % (parity, register)

    def one(name, script):
        body = head + ["@!%first bra DONE;"] + script + store_registers(0, "r", 8) + ["DONE: ret;"]
        g.kernel(name, ["out:d:32"], body, block=32)

    init = "mbarrier.init.shared::cta.b64 [%%bar], %d;"
    arrive = "mbarrier.arrive.shared::cta.b64 %s0, [%bar];"
    one("fresh", [init % 2, probe("r0", 0), probe("r1", 1)])
    one("phases", [init % 2, arrive, probe("r0", 0), arrive, probe("r1", 0), probe("r2", 1), arrive, arrive, probe("r3", 0), probe("r4", 1)])
    one("arrive_count", [init % 5, "mbarrier.arrive.shared::cta.b64 %s0, [%bar], 3;", probe("r0", 0), "mbarrier.arrive.shared::cta.b64 %s0, [%bar], 2;", probe("r1", 0)])
    one("pending_count", [init % 5, arrive, "mbarrier.pending_count.b64 %r0, %s0;", arrive, "mbarrier.pending_count.b64 %r1, %s0;"])
    one("token", [init % 1, arrive, "mbarrier.test_wait.shared::cta.b64 %p, [%bar], %s0; selp.b32 %r0, 1, 2, %p; mov.b64 %s1, %s0;", arrive,
                  "mbarrier.test_wait.shared::cta.b64 %p, [%bar], %s0; selp.b32 %r1, 1, 2, %p;"])
    one("arrive_drop", [init % 3, "mbarrier.arrive_drop.shared::cta.b64 %s0, [%bar];", arrive, probe("r0", 0), arrive, probe("r1", 0), arrive, probe("r2", 1), arrive, probe("r3", 1)])
    one("transactions", [init % 1, "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%bar], 64;", arrive, probe("r0", 0),
                         "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%bar], 48;", probe("r1", 0), "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%bar], 16;", probe("r2", 0)])
    one("expect_and_arrive", [init % 1, "mbarrier.arrive.expect_tx.shared::cta.b64 %s0, [%bar], 32;", probe("r0", 0),
                              "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%bar], 32;", probe("r1", 0)])
    one("again", [init % 1, arrive, "mbarrier.inval.shared::cta.b64 [%bar];", init % 2, probe("r0", 0), probe("r1", 1), arrive, arrive, probe("r2", 0)])
    g.tensor("words", pack([i * 0x9E3779B1 & 0xFFFFFFFF for i in range(1024)], 32))
    for size, source, target in ((16, 0, 0), (256, 16, 32), (1024, 512, 1024)):
        body = hopper_head(2048, 16) + ["mov.u32 %bar, full;"]
        body += fill_shared(2048, 128)
        body.append("@%first mbarrier.init.shared::cta.b64 [%bar], 1; fence.proxy.async; bar.sync 0; @!%first bra WAIT;")
        body.append("ld.param.u64 %%base, [p0]; add.u64 %%base, %%base, %d; add.u32 %%to, %%tile, %d;" % (2048 + source, target))
        body.append("mbarrier.arrive.expect_tx.shared::cta.b64 %%state, [%%bar], %d; cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%%to], [%%base], %d, [%%bar];" % (size, size))
        body.append("WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p, [%bar], 0; @!%p bra WAIT;")
        body += dump_shared(2048, 128, 1) + ["ret;"]
        g.kernel("bulk_load_%d" % size, ["in:words", "out:d:2048"], body, block=128)
        body = hopper_head(2048, 16) + fill_shared(2048, 128)
        body.append("fence.proxy.async; bar.sync 0; @!%%first bra DONE; ld.param.u64 %%base, [p1]; add.u64 %%base, %%base, %d; add.u32 %%to, %%tile, %d;" % (source, target))
        body.append("cp.async.bulk.global.shared::cta.bulk_group [%%base], [%%to], %d; cp.async.bulk.commit_group; cp.async.bulk.wait_group 0; DONE: ret;" % size)
        g.kernel("bulk_store_%d" % size, ["in:words", "out:d:2048"], body, block=128)
    body = hopper_head(2048, 16) + fill_shared(2048, 128)
    body.append("bar.sync 0; ld.param.u64 %base, [p0]; mad.lo.u64 %at, %index, 16, %base; mad.lo.u32 %to, %thread, 16, %tile; and.b32 %n, %thread, 15;")
    body.append("cp.async.cg.shared.global [%to], [%at+2048], 16, %n; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;")
    body += dump_shared(2048, 128, 1) + ["ret;"]
    g.kernel("cp_async_zero_fill", ["in:words", "out:d:2048"], body, block=128)
    g.save()


def memory():
    g = Group("memory")
    for t, ops in (("u32", ("add", "min", "max", "inc", "dec")), ("s32", ("add", "min", "max")), ("b32", ("and", "or", "xor", "exch")), ("u64", ("add", "min", "max")),
                   ("b64", ("and", "or", "xor", "exch")), ("s64", ("min", "max"))):
        for op in ops:
            for space in ("global", "shared"):
                bits = int(t[1:])
                # Each thread works on a cell of its own, so that the old value is the same everywhere.
                if space == "global":
                    text = "ld.param.u64 %%base, [p2]; mad.lo.u64 %%at, %%index, %d, %%base; st.global.b%d [%%at], %%a; atom.global.%s.%s %%d, [%%at], %%b; ld.global.b%d %%a, [%%at]; xor.b%d %%d, %%d, %%a;" % (bits // 8, bits, op, t, bits, bits)
                else:
                    text = ".shared .align 8 .b8 cells[2048]; .reg .b32 %%to; mov.u32 %%to, cells; mad.lo.u32 %%to, %%thread, %d, %%to; st.shared.b%d [%%to], %%a; atom.shared.%s.%s %%d, [%%to], %%b; ld.shared.b%d %%a, [%%to]; xor.b%d %%d, %%d, %%a;" % (bits // 8, bits, op, t, bits, bits)
                elementwise(g, "atom_%s_%s_%s" % (space, op, t), text, t, [t, t])
    for t, bits in (("b32", 32), ("b64", 64)):
        elementwise(g, "atom_cas_" + t, "ld.param.u64 %%base, [p3]; mad.lo.u64 %%at, %%index, %d, %%base; st.global.b%d [%%at], %%a; atom.global.cas.%s %%d, [%%at], %%b, %%c; ld.global.b%d %%a, [%%at]; xor.b%d %%d, %%d, %%a;" % (bits // 8, bits, t, bits, bits), t, [t, t, t])
    for t, bits in (("f32", 32), ("f64", 64)):
        elementwise(g, "atom_add_" + t, "ld.param.u64 %%base, [p2]; mad.lo.u64 %%at, %%index, %d, %%base; st.global.b%d [%%at], %%a; atom.global.add.%s %%d, [%%at], %%b; ld.global.b%d %%d, [%%at];" % (bits // 8, bits, t, bits), t, [t, t], compare="f64nan" if t == "f64" else "bits")
    for t in ("f16x2", "bf16x2"):
        elementwise(g, "atom_add_" + t, "ld.param.u64 %%base, [p2]; mad.lo.u64 %%at, %%index, 4, %%base; st.global.b32 [%%at], %%a; atom.global.add.noftz.%s %%d, [%%at], %%b; ld.global.b32 %%d, [%%at];" % t, t, [t, t])
    for kind, bits in (("s8", 8), ("u8", 8), ("s16", 16), ("u16", 16), ("s32", 32), ("u32", 32)):
        for register in (32, 64):
            if register < bits:
                continue
            elementwise(g, "ld_%s_into_%d" % (kind, register), "ld.param.u64 %%base, [p0]; mad.lo.u64 %%at, %%index, 8, %%base; ld.global.%s %%d, [%%at];" % kind, "b%d" % register, ["b64"])
    g.save()


if __name__ == "__main__":
    for group in (integers, floats, conversions, approximations, comparisons, warps, mma, wgmma, tensors, barriers, memory):
        group()
