// What a model's author is told: message, place and hint of each kind of mistake.
#include <doctest/doctest.h>

#include <chrono>

#include "ir/diagnostics.h"
#include "tests/ir/language.h"

using namespace tenon;

namespace {

struct Mistake {
  const char* equation;
  int column;  // of the equation's own text
  const char* message;
  const char* hint;
};

// clang-format off
const Mistake kMistakes[] = {
    {R"(y = gelo(x))", 5, R"(unknown operation or block 'gelo')", R"(did you mean 'gelu'?)"},
    {R"(y = repeet(x))", 5, R"(unknown operation or block 'repeet')", R"(did you mean 'repeat'?)"},
    {R"(y = zzzzzz(x))", 5, R"(unknown operation or block 'zzzzzz')", R"()"},
    {R"(y = x + xx)", 9, R"(unknown name 'xx')", R"(did you mean 'x'?)"},
    {R"(y = softmax)", 5, R"(unknown name 'softmax')", R"(to call it, write softmax(..))"},
    {R"(y = softmax(x, axs=1))", 16, R"(softmax: no argument is called 'axs')", R"(did you mean 'axis'?)"},
    {R"(y = softmax(x, zzzz=1))", 16, R"(softmax: no argument is called 'zzzz')", R"(softmax(x, axis=-1))"},
    {R"(y = softmax(x, 1, 2))", 19, R"(softmax: takes 2 arguments at most)", R"(softmax(x, axis=-1))"},
    {R"(y = softmax(x, axis=1, axis=0))", 24, R"(softmax: 'axis' is given twice)", R"(softmax(x, axis=-1))"},
    {R"(y = softmax(x, axis=1, 2))", 24, R"(softmax: a positional argument follows a keyword)", R"(softmax(x, axis=-1))"},
    {R"(y = softmax())", 5, R"(softmax: 'x' is missing)", R"(softmax(x, axis=-1))"},
    {R"(y = maximum(x))", 5, R"(maximum: takes 2 operands or more)", R"(maximum(a, b, ..))"},
    {R"(y = slice(x, axis=0, start=0))", 5, R"(slice: 'stop' is missing)", R"(slice(x, axis=, start=, stop=, step=1))"},
    {R"(y, z = relu(x))", 8, R"(this gives 1 value, and 2 names take them)", R"()"},
    {R"(y = topk(x, 1))", 5, R"(this gives 2 values, and 1 name takes them)", R"()"},
    {R"(y = split(s, parts=2) + 1)", 5, R"(this gives 2 values where one is needed)", R"(a, b = f(x) names each)"},
    {R"(y, T = topk(x, 1))", 4, R"('T' is a dim; a value needs another name)", R"()"},
    {R"(y = x @ x)", 7, R"(matmul: f32[T, 8] and f32[T, 8] do not fit: the inner extents are 8 and T)", R"(linear takes its weight as [out, in], @ as [in, out])"},
    {R"(y = x + n)", 7, R"(add: operands of types f32[T, 8] and i32[T])", R"(cast one of them)"},
    {R"(y = x + m)", 7, R"(add: operands of types f32[T, 8] and bool[T, 8])", R"(cast one of them)"},
    {R"(y = n * 0.5)", 7, R"(a number with a point, an exponent or a true division beside i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = n + T / 2)", 7, R"(a number with a point, an exponent or a true division beside i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = n + 1e3)", 7, R"(a number with a point, an exponent or a true division beside i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = x + true)", 7, R"(true or false beside f32)", R"(write a number)"},
    {R"(y = and(m, 1))", 5, R"(a number beside bool)", R"(write true or false)"},
    {R"(y = n + 3000000000)", 7, R"(3000000000 does not fit i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = cast(n, dtype="i64") + 9007199254740993)", 26, R"(9007199254740993 is no exact f64, which constants are kept in)", R"(write an integer, or cast the tensor)"},
    {R"(y = exp(n))", 5, R"(exp: needs a floating type, not i32[T])", R"(cast it)"},
    {R"(y = where(n, x, x))", 5, R"(where: the condition must be bool, not i32[T])", R"()"},
    {R"(y = maximum(x, n))", 5, R"(maximum: operands of types f32[T, 8] and i32[T])", R"(cast one of them)"},
    {R"(y = maximum(1, true))", 5, R"(maximum: needs a tensor; all operands are numbers)", R"(full(shape=[], value=, dtype=) makes one)"},
    {R"(y = 3 + true)", 7, R"(+ does not take true or false)", R"()"},
    {R"(y = x // 2)", 7, R"(// is for numbers and dims)", R"(of tensors: floor(a / b); / truncates integers)"},
    {R"(y = 2 @ x)", 7, R"(@ takes tensors, not numbers)", R"()"},
    {R"(y = softmax(3))", 13, R"(softmax: x must be a tensor, not a number)", R"()"},
    {R"(y = sum(x, axis=2))", 5, R"(axis 2 is outside a tensor of rank 2)", R"()"},
    {R"(y = sum(x, axis=[0, 0]))", 5, R"(sum: axis 0 stands twice)", R"()"},
    {R"(y = sum(x, axis=0.5))", 17, R"(sum: axis must be an integer, not 0.5)", R"()"},
    {R"(y = sum(x, keepdims=1))", 21, R"(sum: keepdims must be true or false, not a number)", R"()"},
    {R"(y = sum(m))", 5, R"(sum: does not take bool)", R"(cast it)"},
    {R"(y = gelu(x, approximate="tan"))", 25, R"(gelu: approximate is "none" or "tanh", not "tan")", R"()"},
    {R"(y = gelu(x, approximate=1))", 25, R"(gelu: approximate must be a string)", R"(gelu(x, approximate="none"))"},
    {R"(y = cast(x, dtype="f31"))", 19, R"(cast: unknown data type "f31")", R"(did you mean "f32"?)"},
    {R"(y = cast(x, dtype=f32))", 19, R"(unknown name 'f32')", R"(data types are strings: "f32")"},
    {R"(y = layernorm(x, 1.0))", 18, R"(layernorm: weight must be a tensor, not a number)", R"()"},
    {R"(y = layernorm(x, b))", 5, R"(shapes [8] and [16] do not broadcast)", R"()"},
    {R"(y = layernorm(h, g))", 5, R"(layernorm: weight or bias of type f32[8] for f16[T, 8])", R"(declare it with dtype "f16")"},
    {R"(y = layernorm(x, eps=x))", 22, R"(layernorm: eps must be a number, not f32[T, 8])", R"()"},
    {R"(y = reshape(x, shape=[3]))", 5, R"(reshape: f32[T, 8] has 48 elements, [3] has 3)", R"()"},
    {R"(y = reshape(x, shape=[-1, -1]))", 22, R"(reshape: one extent of -1 at most)", R"()"},
    {R"(y = reshape(x, shape=[-1, 5]))", 22, R"(reshape: f32[T, 8] does not divide into [5])", R"()"},
    {R"(y = reshape(x, shape=[-2, 5]))", 22, R"(reshape: negative extent in [-2, 5])", R"()"},
    {R"(y = reshape(x, shape=[1.5]))", 23, R"(reshape: shape must be an integer, not 1.5)", R"()"},
    {R"(y = reshape(x, shape=x))", 22, R"(reshape: shape must be an integer, not f32[T, 8])", R"()"},
    {R"(y = transpose(x, perm=[0, 0]))", 5, R"(transpose: perm names axis 0 twice)", R"()"},
    {R"(y = transpose(n))", 5, R"(transpose: needs two axes to swap, not i32[T])", R"()"},
    {R"(y = slice(x, axis=0, start=0, stop=2, step=0))", 44, R"(slice: a step of 0)", R"()"},
    {R"(a, y = split(x, parts=3))", 23, R"(split: an axis of 8 does not split into 3 equal parts)", R"()"},
    {R"(a, y = split(x, sizes=[1, 2]))", 23, R"(split: sizes sum to 3, the axis has 8)", R"()"},
    {R"(a, y = split(x))", 8, R"(split: needs either parts or sizes)", R"(split(x, parts=none, axis=-1, sizes=none))"},
    {R"(y = concat(x, n, axis=0))", 5, R"(concat: operands of types f32[T, 8] and i32[T])", R"(cast one of them)"},
    {R"(y = concat(x, 1, axis=0))", 5, R"(concat: joins tensors, not a number)", R"()"},
    {R"(y = concat(x, g, axis=0))", 5, R"(concat: f32[T, 8] and f32[8] differ in rank)", R"()"},
    {R"(y = expand(x, shape=[3, 3]))", 5, R"(shapes [T, 8] and [3, 3] do not broadcast)", R"()"},
    {R"(y = squeeze(x, axis=0))", 21, R"(squeeze: axis 0 of f32[T, 8] is not 1)", R"()"},
    {R"(y = pad(x, before=[1], after=[1]))", 5, R"(pad: before and after need 2 entries each)", R"()"},
    {R"(y = pad(n, before=[1], after=[1], value=0.5))", 5, R"(a number with a point, an exponent or a true division beside i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = gather(x, x, axis=0))", 5, R"(gather: the index must be i32 or i64, not f32[T, 8])", R"()"},
    {R"(y = embedding(g, n))", 15, R"(embedding: the table must be [entries, width], not f32[8])", R"()"},
    {R"(y = scatter(x, n, x, axis=1))", 5, R"(scatter: updates must be f32[T, T], not f32[T, 8])", R"()"},
    {R"(y = iota(2.5, dtype="i32"))", 10, R"(iota: n must be an integer, not 2.5)", R"()"},
    {R"(y = iota(T, dtype="bool"))", 19, R"(iota: does not make bool)", R"()"},
    {R"(y = full(shape=[2], value=x, dtype="f32"))", 27, R"(full: value must be a number, not f32[T, 8])", R"(expand(x, shape=) repeats a tensor)"},
    {R"(y = full(shape=[-2], value=0, dtype="f32"))", 16, R"(full: negative extent in [-2])", R"()"},
    {R"(y = full(shape=[4000000000, 4000000000], value=0, dtype="f32"))", 5, R"(a tensor of shape [4000000000, 4000000000] is too large: more than 2^62)", R"()"},
    {R"(y = full(shape=[4000000000, 1], value=0, dtype="f32") + full(shape=[4000000000], value=0, dtype="f32"))", 55, R"(a tensor of shape [4000000000, 4000000000] is too large: more than 2^62)", R"()"},
    {R"(y = heads(s, 5))", 14, R"(heads: 32 does not divide into 5 heads)", R"()"},
    {R"(y = heads(x, 2))", 11, R"(heads: x must be [B, T, n*d], not f32[T, 8])", R"()"},
    {R"(y = merge_heads(x))", 17, R"(merge_heads: x must be [B, n, T, d], not f32[T, 8])", R"()"},
    {R"(y = attention(q, k, x))", 5, R"(attention: q, k and v must be [B, heads, T, d], not f32[T, 8])", R"(heads(x, n) splits them)"},
    {R"(y = attention(k, q, q))", 5, R"(attention: 2 query heads are no multiple of 4 key heads)", R"()"},
    {R"(y = attention(q, k, k, mask=n))", 5, R"(attention: the mask must be bool or f32, not i32[T])", R"()"},
    {R"(y = attention(q, k, k, window=-1))", 31, R"(attention: a negative window)", R"()"},
    {R"(y = attention(q, k, k, alibi=1))", 30, R"(attention: alibi must be a tensor, not a number)", R"()"},
    {R"(y = rope(x, p))", 5, R"(rope: x must be [B, n, T, d], not f32[T, 8])", R"()"},
    {R"(y = rope(q, 0.5))", 5, R"(a number with a point, an exponent or a true division beside i32)", R"(write an integer, or cast the tensor)"},
    {R"(y = rope(q, g))", 5, R"(rope: position must be i32 or i64, not f32[8])", R"()"},
    {R"(y = rope(q, p, frequencies=[1, 2]))", 5, R"(rope: frequencies f32[2] for rotary_dim 8)", R"()"},
    {R"(y = rope(q, p, rotary_dim=5))", 5, R"(rope: rotary_dim 5 of 8)", R"()"},
    {R"(y = cache(q, q, q, q, p))", 5, R"(cache: 'q' is no state)", R"(cache writes what [state] or a block's state declares)"},
    {R"(y = "text")", 5, R"(a string is no value)", R"(strings are keyword arguments)"},
    {R"(y = [1, 2])", 5, R"(a list is no value)", R"(lists are arguments)"},
    {R"(y = none)", 5, R"(none is no value)", R"(it stands for an argument that is not given)"},
    {R"(y = repeat(T, 2, x))", 12, R"(repeat: 'T' is no block)", R"()"},
    {R"(y = experts(x, x, n, x, x, x))", 22, R"(experts: gate must be [E, F, D] with the D of x f32[T, 8], not f32[T, 8])", R"()"},
    {R"(y = cast(x, dtype="i4"))", 19, R"(cast: unknown data type "i4")", R"(a weight of 4-bit integers is declared as quant = { scheme = "int4", group = 128 })"},
    {R"(y = cast(x, dtype="f8e4m4"))", 19, R"(cast: unknown data type "f8e4m4")", R"(did you mean "f8e4m3"?)"},
    {R"(y = cast(n, dtype="u8") + 256)", 25, R"(256 does not fit u8)", R"(write an integer, or cast the tensor)"},
    {R"(y = gather(x, cast(n, dtype="i8"), axis=0))", 5, R"(gather: the index must be i32 or i64, not i8[T])", R"()"},
    {R"(y = 3)", 9, R"(output 'y' is a number, not a tensor)", R"()"},
};
// clang-format on

Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return Error("no error");
}

Error parse_error(const std::string& text) {
  return error_of([&] {
    Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", text}));
    model.build(model.bind({}, {}));
  });
}

std::string many(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

const char kHead[] = "tenon = 1\n[model]\ndtype = \"f32\"\n";

}  // namespace

TEST_CASE("each mistake in an equation gives one message, at its place, with what would help") {
  for (const Mistake& mistake : kMistakes) {
    CAPTURE(mistake.equation);
    Error error = error_of([&] { computed(mistake.equation); });
    REQUIRE(error.diagnostics().size() == 1);
    const Diagnostic& first = error.diagnostics()[0];
    CHECK(first.message == mistake.message);
    CHECK(first.location.column - 3 == mistake.column);
    CHECK(first.hint == mistake.hint);
  }
}

TEST_CASE("quantised weights that cannot be are told apart, all of them together") {
  Error error = parse_error(std::string(kHead) + R"([inputs]
x = { shape = [2, 12] }
[weights]
a = { shape = [3, 12], quant = { scheme = "int3", group = 4 } }
b = { shape = [3, 12], quant = { scheme = "int4" } }
c = { shape = [12], quant = { scheme = "int4", group = 4 } }
d = { shape = [3, 12], dtype = "i32", quant = { scheme = "int8", group = 0, size = 1 } }
[graph]
body = ['y = linear(x, a)']
outputs = ['y']
)");
  CHECK(error.status() == Status::kBadInput);
  std::vector<std::string> messages;
  for (const Diagnostic& diagnostic : error.diagnostics()) messages.push_back(diagnostic.message);
  CHECK(messages == std::vector<std::string>{"unknown scheme \"int3\"", "quant needs a scheme and a group",
                                             "'c' is quantised, so it has two axes or more",
                                             "'d' is quantised, so it is f32, f16 or bf16, not i32",
                                             "a group has at least 1 element",
                                             "unknown key 'size' in quant"});
  Error uneven = parse_error(std::string(kHead) + R"([inputs]
x = { shape = [2, 12] }
[weights]
a = { shape = [3, 12], quant = { scheme = "int4", group = 8 } }
b = { shape = [3, 9], quant = { scheme = "int4", group = 3 } }
[graph]
body = ['y = linear(x, a)', 'z = linear(slice(x, axis=1, start=0, stop=9), b)']
outputs = ['y', 'z']
)");
  REQUIRE(uneven.diagnostics().size() == 2);
  CHECK(uneven.diagnostics()[0].message ==
        "'a' has 12 elements along its last axis, which do not divide into groups of 8");
  CHECK(uneven.diagnostics()[1].message ==
        "'b' has 9 elements along its last axis, an odd number: a byte holds two");
}

TEST_CASE("all errors of a file come together, in its order, each with its line and caret") {
  Error error = parse_error(R"(tenon = 1
foo = 3
[model]
name = "m"
dtype = "f23"
[dims]
T = "4..2"
repeat = 3
[inptus]
[inputs]
x = { shap = [1] }
y = { shape = ["T", "U", -1, 2.5], from = "z" }
z = 3
v = { shape = [2, 2], dtype = "f32" }
u = { shape = [2], dtype = "f32" }
[weights]
v = { shape = [2], dtype = "f32" }
w = { shape = [2], dtype = "f32", from = "a.{j" }
r = { shape = [2], rope = { theta = -1, yarm = {} } }
[block.relu]
args = ["x"]
returns = ["x"]
body = []
[block.b]
args = ["x", "x"]
body = ['x = v +']
[graph]
body = ['a = v @ foo', 'b = v + m', 'c = relu(a)', 'd = exp(v', 'e = d + 1', 'f = cast(u, dtype="i32") + u']
outputs = ["c", "q"]
)");
  CHECK(std::string(error.what()) == R"TEXT(m.toml:2:1: error: unknown key 'foo' in the file
  2 | foo = 3
    | ^~~
  hint: keys here: tenon, model, dims, inputs, weights, state, block, graph, policy
m.toml:5:9: error: unknown data type "f23"
  5 | dtype = "f23"
    |         ^~~~~
  hint: f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i8 u8 bool
m.toml:7:5: error: this range is empty
  7 | T = "4..2"
    |     ^~~~~~
m.toml:8:1: error: 'repeat' is reserved
  8 | repeat = 3
    | ^~~~~~
  hint: choose another name
m.toml:9:2: error: unknown key 'inptus' in the file
  9 | [inptus]
    |  ^~~~~~
  hint: did you mean 'inputs'?
m.toml:11:7: error: unknown key 'shap' in 'x'
  11 | x = { shap = [1] }
     |       ^~~~
  hint: did you mean 'shape'?
m.toml:12:22: error: unknown dim 'U'
  12 | y = { shape = ["T", "U", -1, 2.5], from = "z" }
     |                      ^
  hint: did you mean 'T'?
m.toml:12:26: error: a negative extent
  12 | y = { shape = ["T", "U", -1, 2.5], from = "z" }
     |                          ^~
m.toml:12:30: error: an extent must be an integer, not a number with a point
  12 | y = { shape = ["T", "U", -1, 2.5], from = "z" }
     |                              ^~~
m.toml:12:36: error: unknown key 'from' in 'y'
  12 | y = { shape = ["T", "U", -1, 2.5], from = "z" }
     |                                    ^~~~
  hint: keys here: shape, dtype
m.toml:13:5: error: 'z' must be a table, not an integer
  13 | z = 3
     |     ^
m.toml:17:1: error: 'v' is declared twice
  17 | v = { shape = [2], dtype = "f32" }
     | ^
m.toml:18:45: error: this { is not closed
  18 | w = { shape = [2], dtype = "f32", from = "a.{j" }
     |                                             ^
  hint: {i} stands for the repetition
m.toml:19:37: error: theta must be a positive number
  19 | r = { shape = [2], rope = { theta = -1, yarm = {} } }
     |                                     ^~
m.toml:19:41: error: unknown key 'yarm' in a rope table
  19 | r = { shape = [2], rope = { theta = -1, yarm = {} } }
     |                                         ^~~~
  hint: did you mean 'yarn'?
m.toml:20:8: error: 'relu' is an operation; a block needs another name
  20 | [block.relu]
     |        ^~~~
m.toml:24:8: error: block 'b' has no returns
  24 | [block.b]
     |        ^
  hint: returns = ["x"]
m.toml:25:14: error: 'x' is declared twice
  25 | args = ["x", "x"]
     |              ^~~
m.toml:26:17: error: the text ends where a value is expected
  26 | body = ['x = v +']
     |                 ^
m.toml:28:18: error: unknown name 'foo'
  28 | body = ['a = v @ foo', 'b = v + m', 'c = relu(a)', 'd = exp(v', 'e = d + 1', 'f = cast(u, dtype="i32") + u']
     |                  ^~~
m.toml:28:33: error: unknown name 'm'
  28 | body = ['a = v @ foo', 'b = v + m', 'c = relu(a)', 'd = exp(v', 'e = d + 1', 'f = cast(u, dtype="i32") + u']
     |                                 ^
  hint: did you mean 'a'?
m.toml:28:62: error: the text ends where ',' or ')' is expected
  28 | body = ['a = v @ foo', 'b = v + m', 'c = relu(a)', 'd = exp(v', 'e = d + 1', 'f = cast(u, dtype="i32") + u']
     |                                                              ^
m.toml:28:104: error: add: operands of types i32[2] and f32[2]
  28 | body = ['a = v @ foo', 'b = v + m', 'c = relu(a)', 'd = exp(v', 'e = d + 1', 'f = cast(u, dtype="i32") + u']
     |                                                                                                        ^
  hint: cast one of them
m.toml:29:17: error: unknown value 'q'
  29 | outputs = ["c", "q"]
     |                 ^~~
  hint: did you mean 'a'?
)TEXT");
  CHECK(error.status() == Status::kBadInput);
}

TEST_CASE("what is no TOML is reported alone, and so is another version") {
  CHECK(std::string(parse_error("tenon = 1\n[model\nfoo = 3\n").what()) ==
        "m.toml:2:7: error: not TOML: Error while parsing table header: expected ']', saw '\\n'\n  2 | "
        "[model\n    |       ^\n");
  CHECK(std::string(parse_error("[model]\nfoo = 3\n").what()) ==
        "m.toml:1:1: error: the file does not say which version of the language it is in\n  1 | [model]\n    "
        "| ^\n"
        "  hint: begin it with `tenon = 1`\n");
  CHECK(std::string(parse_error("tenon = 2\nfoo = 3\n").what()) ==
        "m.toml:1:9: error: this program reads version 1 of the language\n  1 | tenon = 2\n    |         ^\n"
        "  hint: `tenon = 1`\n");
  CHECK(parse_error("").diagnostics().size() == 1);
  CHECK(std::string(parse_error(std::string("tenon = 1\nx = 'a\0b'\n", 20)).what())
            .find("m.toml:2:7: error: not TOML") == 0);
  CHECK(std::string(parse_error("tenon = 1\nx = '\xff'\n").what()).find("m.toml:2:") == 0);
  CHECK(std::string(parse_error("tenon = 1\n\u00e9 = 3\n").what()).find("m.toml:2:1: error: not TOML") == 0);
  CHECK(std::string(parse_error("tenon = 1\nx = 3 \u00e9\n").what()).find("m.toml:2:7: error: not TOML") ==
        0);
}

TEST_CASE("what is shown and not parsed holds no control characters") {
  const std::string inputs = "[inputs]\nx = { shape = [2] }\n", body = "[graph]\nbody = ['y = relu(x)']\n";
  for (const char* escape : {"\\n", "\\u001b[31m", "\\u0000", "\\u007f", "\\u009b31m"}) {
    const std::string name = "\"a" + std::string(escape) + "b\"";
    CAPTURE(name);
    CHECK(std::string(
              parse_error(kHead + ("name = " + name + "\n") + inputs + body + "outputs = ['y']\n").what())
              .find("m.toml:4:8: error: the model's name holds a control character") == 0);
    CHECK(std::string(
              parse_error(kHead + inputs + body + "outputs = { " + name + " = { from = 'y' } }\n").what())
              .find("m.toml:8:13: error: the output's name holds a control character") == 0);
    CHECK(std::string(parse_error(kHead + inputs + "[weights]\nw = { shape = [2], from = " + name + " }\n" +
                                  body + "outputs = ['y']\n")
                          .what())
              .find("m.toml:7:27: error: the tensor's name holds a control character") == 0);
  }
  const std::string shown = parse_error("tenon = 1\n\"\x1b[31m\xc2\x9b\" = 1\n").what();
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(shown.find('\x9b') == std::string::npos);
}

TEST_CASE("states are written by cache alone, once") {
  std::string state = "[state]\nkc = { shape = [1, 2, 9, 8] }\nvc = { shape = [1, 2, 9, 8] }\n";
  auto message = [&](std::initializer_list<const char*> equations) {
    Error error = error_of([&] {
      Model model = model_of(lines(equations), "[\"y\"]", state);
      model.build(model.bind({{"T", 6}}, {}));
    });
    return error.diagnostics()[0].message;
  };
  CHECK(message({"kc, y = cache(kc, vc, k, k, p)"}) == "'kc' is a state; only cache writes it");
  CHECK(message({"y, v = cache(kc, vc, k, k, p)", "a, b = cache(kc, vc, k, k, p)"}) ==
        "cache: the state 'kc' is written a second time; line 30 wrote it");
  CHECK(message({"y, v = cache(kc, kc, k, k, p)"}) ==
        "cache: the state 'kc' is written a second time; line 30 wrote it");
}

TEST_CASE("blocks: calls that do not fit, and blocks that call themselves") {
  auto first = [](const char* equation, const std::string& blocks) {
    return error_of([&] {
             Model model = model_of(lines({equation}), "[\"y\"]", blocks);
             model.build(model.bind({{"T", 6}}, {}));
           })
        .diagnostics()[0];
  };
  std::string b = "[block.b]\nargs = ['x']\nreturns = ['x']\nbody = ['x = cast(x, dtype=\"f16\")']\n";
  CHECK(first("y = b()", b).message == "b: 'x' is missing");
  CHECK(first("y = b(x, x)", b).message == "b: takes 1 argument at most");
  CHECK(first("y = repeat(b, 2)", b).hint == "repeat(b, n, x)");
  CHECK(first("y = repeat(b, T, x)", b).message == "a repeat count must be fixed, and dim 'T' is dynamic");
  CHECK(first("y = repeat(b, p, x)", b).message == "a repeat count is a fixed dim or a number");
  CHECK(first("y = repeat(b, 0 - 1, x)", b).message == "a negative repeat count");
  CHECK(first("y = repeat(b, 2, x)", b).message ==
        "repeat: block 'b' takes f32[T, 8] for 'x' and returns f16[T, 8]");
  CHECK(first("y = repeat(c, 2, x)", b).hint == "did you mean 'b'?");
  CHECK(first("y = b(x)", "[block.b]\nargs = ['x']\nreturns = ['x']\nbody = ['x = x + w']\n").hint ==
        "a block sees its args, its weights and state, the dims and the inputs; pass it as an arg");
  CHECK(
      first(
          "y = b(x)",
          "[block.b]\nargs = ['x']\nreturns = ['x']\nbody = ['x = c(x)']\n[block.c]\nargs = ['x']\nreturns = "
          "['x']\nbody = ['x = b(x)']\n")
          .message == "block 'b' calls itself through 'c'");
}

TEST_CASE("absurd models are refused at once and in few words") {
  std::string inputs = "[inputs]\nx = { shape = [2] }\n", graph = "[graph]\noutputs = ['y']\nbody = ['y = ";
  std::string block = "[block.b]\nargs = ['x']\nreturns = ['x']\nbody = [";
  std::string chain, doubling, joined;
  for (int i = 0; i < 60; ++i) joined += "x = concat(x, x, axis=0)', '";
  for (int i = 0; i < 5000; ++i) {
    std::string next = std::to_string(i + 1),
                head = "[block.b" + std::to_string(i) + "]\nargs = ['x']\nreturns = ['x']\nbody = ['x = b";
    if (i < 4999) chain += head + next + "(x)']\n";
    if (i < 40) doubling += head + next + "(b" + next + "(x))']\n";
  }
  chain += "[block.b4999]\nargs = ['x']\nreturns = ['x']\nbody = []\n";
  doubling += "[block.b40]\nargs = ['x']\nreturns = ['x']\nbody = []\n";
  const std::pair<std::string, const char*> kCases[] = {
      {kHead + inputs + block + "'x = relu(x)']\n" + graph + "repeat(b, 1000000, x)']\n",
       "more than 500000 nodes"},
      {kHead + inputs + block + "]\n" + graph + "repeat(b, 4611686018427387904, x)']\n",
       "more than 500000 nodes"},
      {kHead + inputs + doubling + graph + "b0(x)']\n", "more than 500000 nodes"},
      {kHead + inputs + chain + graph + "b0(x)']\n", "blocks nest more than 64 deep"},
      {kHead + inputs + graph + many("(", 100000) + "x" + many(")", 100000) + "']\n",
       "nests more than 200 deep"},
      {kHead + inputs + graph + "reshape(x, shape=[" + many("1,", 100000) + "])']\n", "at most 16 axes"},
      {kHead + std::string("[inputs]\nx = { shape = [") + many("1,", 100000) + "] }\n" + graph + "x']\n",
       "at most 16 axes"},
      {kHead + std::string("[inputs]\nx = { shape = [9223372036854775807] }\n") + graph + "x']\n",
       "too large: more than 2^62"},
      {kHead + std::string("[inputs]\nx = { shape = [9223372036854775808] }\n") + graph + "x']\n",
       "not TOML"},
      {kHead + std::string("[inputs]\nx = { shape = [2147483648, 2147483648, 8] }\n") + graph + "x']\n",
       "too large: more than 2^62"},
      {kHead + std::string("[inputs]\nx = { shape = ['9223372036854775807'] }\n") + graph + "x']\n",
       "too large: more than 2^62"},
      {kHead +
           std::string(
               "[dims]\nT = '1..4'\n[inputs]\nx = { shape = ['T'] }\n[graph]\noutputs = ['x']\nbody = ['") +
           joined + "']\n",
       "takes more than 1024 characters to write: T+T+T+"},
      {kHead + std::string("[dims]\nN = -1\n") + inputs + graph + "x']\n", "a dim is not negative"},
      {"tenon = 1\n" + many("a.", 100000) + "b = 1\n", "a key of more than 16 parts"},
      {"tenon = 1\n[" + many("a.", 100000) + "b]\n", "a key of more than 16 parts"},
      {"tenon = 1\nx = " + many("[", 100000) + many("]", 100000) + "\n", "not TOML"},
      {"tenon = 1\nx = " + many("{a.b.c.d = ", 20000) + "1" + many("}", 20000) + "\n", "not TOML"},
  };
  for (const auto& c : kCases) {
    std::string expected = c.second;
    CAPTURE(expected);
    auto start = std::chrono::steady_clock::now();
    Error error = parse_error(c.first);
    CHECK(std::string(error.what()).find(expected) != std::string::npos);
    CHECK(std::string(error.what()).size() < 1500);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  }
}

TEST_CASE("a file of many errors shows a hundred of them") {
  Error error = parse_error(kHead + std::string("[graph]\nbody = [\n") + many("'y = foo(x)',\n", 5000) +
                            "]\noutputs = ['y']\n");
  CHECK(error.diagnostics().size() == 101);
  CHECK(error.diagnostics().back().message == "and 9900 more errors");
}

TEST_CASE("files that cannot be read") {
  CHECK(std::string(error_of([] { Model::read("/nonexistent/m.toml"); }).what())
            .find("error: cannot read '/nonexistent/m.toml'") == 0);
  CHECK_THROWS_AS(Model::read("/"), Error);
}
