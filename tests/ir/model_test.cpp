// Declarations, blocks, repetitions, states, outputs, and the binding of dims.
#include "ir/model.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "ir/verify.h"
#include "tests/ir/language.h"

using namespace tenon;

namespace {

Model parse(const std::string& text) {
  return Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", text}));
}

std::string built(const Model& model, const DimBinding& given = {}) {
  auto graph = model.build(model.bind(given, {}));
  CHECK(verify(*graph) == "");
  return print(*graph);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE(
    "a repeated block has weights and states of its own in each repetition, and shares what has one name") {
  Model model = parse(R"(tenon = 1
[model]
name = "m"
dtype = "bf16"
tf32 = true
[dims]
T = "1..9"
D = 4
L = 2
[inputs]
x = { shape = ["T", "D"] }
p = { shape = [], dtype = "i32" }
[block.layer]
args = ["x"]
returns = ["x"]
body = ['x = relu(x * w + v) + d + p2', 'p2, q2 = cache(a, b, reshape(x, shape=[1, 1, T, D]), c4, p)']
[block.layer.weights]
w = { shape = ["D"], from = "l.{2*i+1}.{D//2}.w" }
v = { shape = ["D"] }
d = { shape = ["D"], from = "shared", dtype = "bf16" }
f = { shape = [2], rope = { theta = 5e5, linear = { factor = 4 } } }
p2 = { shape = [] }
c4 = { shape = [1, 1, "T", "D"], from = "c4" }
[block.layer.state]
a = { shape = [1, 1, 16, "D"] }
b = { shape = [1, 1, 16, "D"] }
[graph]
body = ['x = repeat(layer, L, x)']
outputs = { "mid.x" = { from = "x", dtype = "f32" }, x = {} }
)");
  CHECK(model.name() == "m");
  CHECK(model.tf32());
  CHECK(built(model, {{"T", 3}}) == R"(%x = input {name = "x"} : bf16[T, 4]
%p = input {name = "p"} : i32[]
%layer.0.w = weight {from = "l.1.2.w", name = "layer.0.w"} : bf16[4]
%layer.0.v = weight {from = "layer.0.v", name = "layer.0.v"} : bf16[4]
%layer.d = weight {from = "shared", name = "layer.d"} : bf16[4]
%layer.f = rope_table {factor = 4.0, name = "layer.f", scheme = "linear", theta = 5e+05} : f32[2]
%layer.0.p2 = weight {from = "layer.0.p2", name = "layer.0.p2"} : bf16[]
%layer.c4 = weight {from = "c4", name = "layer.c4"} : bf16[1, 1, T, 4]
%layer.0.a = state {name = "layer.0.a"} : bf16[1, 1, 16, 4]
%layer.0.b = state {name = "layer.0.b"} : bf16[1, 1, 16, 4]
%0 = mul %x, %layer.0.w : bf16[T, 4]
%1 = add %0, %layer.0.v : bf16[T, 4]
%2 = relu %1 : bf16[T, 4]
%3 = add %2, %layer.d : bf16[T, 4]
%layer.0.x = add %3, %layer.0.p2 : bf16[T, 4]
%4 = reshape %layer.0.x : bf16[1, 1, T, 4]
%layer.0.p2.2 = cache_write %layer.0.a, %4, %p : bf16[1, 1, 16, 4]
%layer.0.q2 = cache_write %layer.0.b, %layer.c4, %p : bf16[1, 1, 16, 4]
%layer.1.w = weight {from = "l.3.2.w", name = "layer.1.w"} : bf16[4]
%layer.1.v = weight {from = "layer.1.v", name = "layer.1.v"} : bf16[4]
%layer.1.p2 = weight {from = "layer.1.p2", name = "layer.1.p2"} : bf16[]
%layer.1.a = state {name = "layer.1.a"} : bf16[1, 1, 16, 4]
%layer.1.b = state {name = "layer.1.b"} : bf16[1, 1, 16, 4]
%5 = mul %layer.0.x, %layer.1.w : bf16[T, 4]
%6 = add %5, %layer.1.v : bf16[T, 4]
%7 = relu %6 : bf16[T, 4]
%8 = add %7, %layer.d : bf16[T, 4]
%layer.1.x = add %8, %layer.1.p2 : bf16[T, 4]
%9 = reshape %layer.1.x : bf16[1, 1, T, 4]
%layer.1.p2.2 = cache_write %layer.1.a, %9, %p : bf16[1, 1, 16, 4]
%layer.1.q2 = cache_write %layer.1.b, %layer.c4, %p : bf16[1, 1, 16, 4]
%10 = cast %layer.1.x : f32[T, 4]
return %10, %layer.1.x
update %layer.0.a = %layer.0.p2.2
update %layer.0.b = %layer.0.q2
update %layer.1.a = %layer.1.p2.2
update %layer.1.b = %layer.1.q2
)");
  auto graph = model.build(model.bind({}, {}));
  CHECK(graph->outputs()[0].name == "mid.x");
  CHECK(graph->outputs()[1].name == "x");
}

TEST_CASE("blocks call blocks: a plain call keeps the repetition, a repeated one has its own") {
  std::string text =
      built(model_of(lines({"y = repeat(outer, 2, x)", "y = inner(y)"}), "[\"y\"]", R"([block.inner]
args = ["x"]
returns = ["x"]
body = ['x = x + c']
weights = { c = { shape = ["D"] } }
[block.outer]
args = ["z"]
returns = ["z"]
body = ['z = inner(z)', 'z = repeat(inner, 2, x=z) * T']
)"),
            {{"T", 5}});
  CHECK(text.find("%inner.0.c = weight {from = \"inner.0.c\"") != std::string::npos);
  CHECK(text.find("%inner.1.c = weight {from = \"inner.1.c\"") != std::string::npos);
  CHECK(text.find("inner.2.c") == std::string::npos);
  CHECK(text.substr(text.find("%outer.0.inner.x")) == R"(%outer.0.inner.x = add %x, %inner.0.c : f32[T, 8]
%outer.0.inner.0.x = add %outer.0.inner.x, %inner.0.c : f32[T, 8]
%inner.1.c = weight {from = "inner.1.c", name = "inner.1.c"} : f32[8]
%outer.0.inner.1.x = add %outer.0.inner.0.x, %inner.1.c : f32[T, 8]
%outer.0.z = mul %outer.0.inner.1.x, 5.0 : f32[T, 8]
%outer.1.inner.x = add %outer.0.z, %inner.1.c : f32[T, 8]
%outer.1.inner.0.x = add %outer.1.inner.x, %inner.0.c : f32[T, 8]
%outer.1.inner.1.x = add %outer.1.inner.0.x, %inner.1.c : f32[T, 8]
%outer.1.z = mul %outer.1.inner.1.x, 5.0 : f32[T, 8]
%inner.0.x = add %outer.1.z, %inner.0.c : f32[T, 8]
return %inner.0.x
)");
}

TEST_CASE("names: assigned again, beside operations, inputs unchanged, numbers as values") {
  CHECK(computed(*[] {
          static Model model =
              model_of(lines({"sum = sum(x, axis=0)", "x = x + sum", "half = 1 / 2 # a number",
                              "x = x * half", "y = two(x, half)", "z, c = swap(x, 3)", "e = n + c"}),
                       "[\"y\", \"n\"]", R"([block.two]
args = ["a", "times"]
returns = ["r"]
body = ["x = x + a", "r = x * times"]   # x: the graph's input
[block.swap]
args = ["a", "b"]
returns = ["a", "b"]
body = []
)");
          return model.build(model.bind({{"T", 2}}, {}));
        }()) == R"(%sum = sum %x {axes = [0]} : f32[8]
%x.2 = add %x, %sum : f32[T, 8]
%x.3 = mul %x.2, 0.5 : f32[T, 8]
%two.0.x = add %x, %x.3 : f32[T, 8]
%two.0.r = mul %two.0.x, 0.5 : f32[T, 8]
%e = add %n, 3 : i32[T]
)");
}

TEST_CASE("nodes know the line and column of their operation, in every kind of TOML string") {
  Model model = parse(
      "tenon = 1\n[model]\ndtype = \"f32\"\n[inputs]\nx = { shape = [2] }\n[graph]\nbody = [\n"
      "  'a = x + exp(x)',\n"
      "  \"\\tb = \\u0074anh(a)\", '''\nc = relu(b)''', \"\"\"\\\n    d = neg(c)\"\"\", # \xc3\xa9\n"
      "  '# \xc3\xa9 y', 'y = abs(d)' ]\noutputs = [\"y\"]\n");
  std::string places;
  auto graph = model.build({});
  for (const Node& node : graph->nodes())
    places += name_of(node.op()).str() + " " + std::to_string(node.location.line) + ":" +
              std::to_string(node.location.column) + "+" + std::to_string(node.location.length) + "\n";
  CHECK(places == "input 5:1+1\nexp 8:12+3\nadd 8:10+1\ntanh 9:10+9\nrelu 10:5+4\nneg 11:9+3\nabs 12:18+3\n");
}

TEST_CASE("inputs bind dims, affine expressions too, and what contradicts is an error") {
  Model model = parse(R"(tenon = 1
[model]
dtype = "f32"
[dims]
B = "1..4"
T = "2..100"
U = "1..4096"
D = 8
[inputs]
x = { shape = ["B", "2*T+1", "D"] }
z = { shape = ["T"] }
[graph]
body = ['y = sum(x, axis=1)']
outputs = ["y"]
)");
  std::vector<std::string> defaulted;
  CHECK(model.bind({}, {{"x", {3, 11, 8}}}, &defaulted) ==
        DimBinding{{"B", 3}, {"D", 8}, {"T", 5}, {"U", 512}});
  CHECK(defaulted == std::vector<std::string>{"U"});
  defaulted.clear();
  CHECK(model.bind({{"T", 7}, {"D", 8}}, {}, &defaulted) ==
        DimBinding{{"B", 4}, {"D", 8}, {"T", 7}, {"U", 512}});
  CHECK(defaulted == std::vector<std::string>{"B", "U"});

  CHECK(error_of([&] {
          model.bind({{"TT", 1}}, {});
        }) == "error: the model has no dim 'TT'\n  hint: did you mean 'T'?\n");
  CHECK(error_of([&] {
          model.bind({{"T", 101}}, {});
        }) == "m.toml:6:1: error: dim T = 101 is outside 2..100\n  6 | T = \"2..100\"\n    | ^\n");
  CHECK(error_of([&] {
          model.bind({{"D", 9}}, {});
        }) == "m.toml:8:1: error: dim D = 9 is outside its fixed value 8\n  8 | D = 8\n    | ^\n");
  CHECK(error_of([&] {
          model.bind({}, {{"v", {1}}});
        }) == "error: the model has no input 'v'\n  hint: did you mean 'x'?\n");
  CHECK(error_of([&] {
          model.bind({}, {{"z", {5, 1}}});
        }) ==
        "m.toml:11:1: error: input 'z' has rank 2, the model says 1\n  11 | z = { shape = [\"T\"] }\n     | "
        "^\n");
  CHECK(
      error_of([&] {
        model.bind({}, {{"x", {3, 11, 8}}, {"z", {6}}});
      }) ==
      "m.toml:11:17: error: input 'z' has 6 along axis 0, the model says 5\n  11 | z = { shape = [\"T\"] }\n"
      "     |                 ^\n  hint: the input 'x' makes T 5\n");
  CHECK(error_of([&] {
          model.bind({}, {{"z", {500}}});
        }) ==
        "m.toml:11:1: error: input 'z' makes dim T 500, outside 2..100\n  11 | z = { shape = [\"T\"] }\n     "
        "| ^\n");
  CHECK(error_of([&] {
          model.bind({}, {{"x", {3, 12, 8}}});
        }).find("has 12 along axis 1") != std::string::npos);
  CHECK(error_of([&] { model.build({{"B", 1}}); }).find("dim 'T' has no value") != std::string::npos);
}

TEST_CASE("dims, policy and rope tables are read as written") {
  Model model = model_of(
      lines({"y = rope(q, p, frequencies=r1) + rope(q, p, frequencies=r2) + rope(q, p, frequencies=r3)"}),
      "[\"y\"]",
      R"(r1 = { shape = ["D//2"], rope = { theta = 500000.0, llama3 = { factor = 32.0, low = 1, high = 4.0, original = 8192 } } }
r2 = { shape = ["D//2"], dtype = "f32", rope = { yarn = { factor = 4.0, original = 4096, beta_slow = 2 } } }
r3 = { shape = ["D//2"], rope = { longrope = { factors = [1, 1.5, 2, 3] } } }
[policy]
"layer.*.mlp" = "library"
"layer.0.attn" = "unfused"
)");
  auto graph = model.build(model.bind({}, {}));
  std::string text = print(*graph);
  CHECK(
      text.find(
          R"(%r1 = rope_table {factor = 32.0, high = 4.0, low = 1.0, name = "r1", original = 8192.0, scheme = "llama3", theta = 5e+05} : f32[4])") !=
      std::string::npos);
  CHECK(
      text.find(
          R"(%r2 = rope_table {beta_fast = 32.0, beta_slow = 2.0, factor = 4.0, name = "r2", original = 4096.0, scheme = "yarn", theta = 10000.0} : f32[4])") !=
      std::string::npos);
  CHECK(
      text.find(
          R"(%r3 = rope_table {factors = [1.0, 1.5, 2.0, 3.0], name = "r3", scheme = "longrope", theta = 10000.0} : f32[4])") !=
      std::string::npos);
  REQUIRE(model.policy().size() == 2);
  CHECK(model.policy()[0].pattern == "layer.*.mlp");
  CHECK(model.policy()[1].choice == "unfused");
  REQUIRE(model.dims().size() == 2);
  CHECK(model.dims()[0].upper == 64);
  CHECK_FALSE(model.dims()[0].fixed());
  CHECK(model.dims()[1].fixed());
}

TEST_CASE("a quantised weight is two weights and what they stand for, in each repetition") {
  Model model = parse(R"(tenon = 1
[model]
dtype = "bf16"
[inputs]
x = { shape = [3, 8] }
[weights]
e = { shape = [5, 8], quant = { scheme = "int8", group = 2 } }
[block.layer]
args = ["x"]
returns = ["x"]
body = ['x = linear(x, w)']
[block.layer.weights]
w = { shape = [8, 8], from = "l.{i}.w", quant = { scheme = "int4", group = 4 } }
[graph]
body = ['x = repeat(layer, 2, x)', 'y = linear(x, e)']
outputs = ["y"]
)");
  CHECK(built(model) == R"(%x = input {name = "x"} : bf16[3, 8]
%e = weight {from = "e", name = "e"} : i8[5, 8]
%e_scale = weight {from = "e.scale", name = "e.scale"} : bf16[5, 4]
%0 = dequantise %e, %e_scale {group = 2} : bf16[5, 8]
%layer.0.w = weight {from = "l.0.w", name = "layer.0.w"} : u8[8, 4]
%layer.0.w_scale = weight {from = "l.0.w.scale", name = "layer.0.w.scale"} : bf16[8, 2]
%1 = dequantise %layer.0.w, %layer.0.w_scale {group = 4} : bf16[8, 8]
%layer.0.x = matmul %x, %1 {transpose_b = true} : bf16[3, 8]
%layer.1.w = weight {from = "l.1.w", name = "layer.1.w"} : u8[8, 4]
%layer.1.w_scale = weight {from = "l.1.w.scale", name = "layer.1.w.scale"} : bf16[8, 2]
%2 = dequantise %layer.1.w, %layer.1.w_scale {group = 4} : bf16[8, 8]
%layer.1.x = matmul %layer.0.x, %2 {transpose_b = true} : bf16[3, 8]
%y = matmul %layer.1.x, %0 {transpose_b = true} : bf16[3, 5]
return %y
)");
}

TEST_CASE("extents of 0 and counts of 0 are legal") {
  Model model = parse(R"(tenon = 1
[model]
dtype = "f32"
[dims]
T = "0..8"
Z = 0
[inputs]
x = { shape = ["T", "Z", 3] }
[block.b]
args = ["x"]
returns = ["x"]
body = ['x = relu(x)']
[graph]
body = ['y = repeat(b, Z, x)', 'z = reshape(sum(y, axis=1), shape=[T, 3]) + 1', 'u = reshape(x, shape=[0, 7])']
outputs = ["y", "z", "u"]
)");
  std::string text = built(model, {{"T", 0}});
  CHECK(text.find("return %x, %z, %u") != std::string::npos);
  CHECK(text.find("%u = reshape %x : f32[0, 7]") != std::string::npos);
}
