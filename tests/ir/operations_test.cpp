// Every operation of the language against the nodes that it becomes.
#include "ir/operations.h"

#include <doctest/doctest.h>

#include <set>

#include "ir/verify.h"
#include "tests/ir/language.h"

using namespace tenon;

namespace {

struct Case {
  const char* expression;
  const char* nodes;
};

// clang-format off
const Case kCases[] = {
    {R"(matmul(x, transpose(w)))",
     R"(%0 = transpose %w {perm = [1, 0]} : f32[8, 16]
%y = matmul %x, %0 : f32[T, 16]
)"},
    {R"(x @ transpose(w))",
     R"(%0 = transpose %w {perm = [1, 0]} : f32[8, 16]
%y = matmul %x, %0 : f32[T, 16]
)"},
    {R"(n * n @ n)",
     R"(%0 = mul %n, %n : i32[T]
%y = matmul %0, %n : i32[]
)"},
    {R"(linear(x, w))",
     R"(%y = matmul %x, %w {transpose_b = true} : f32[T, 16]
)"},
    {R"(linear(x, w, b))",
     R"(%0 = matmul %x, %w {transpose_b = true} : f32[T, 16]
%y = add %0, %b : f32[T, 16]
)"},
    {R"(neg(x))",
     R"(%y = neg %x : f32[T, 8]
)"},
    {R"(-x)",
     R"(%y = neg %x : f32[T, 8]
)"},
    {R"(abs(n))",
     R"(%y = abs %n : i32[T]
)"},
    {R"(sign(x))",
     R"(%y = sign %x : f32[T, 8]
)"},
    {R"(exp(x))",
     R"(%y = exp %x : f32[T, 8]
)"},
    {R"(log(x))",
     R"(%y = log %x : f32[T, 8]
)"},
    {R"(sqrt(x))",
     R"(%y = sqrt %x : f32[T, 8]
)"},
    {R"(rsqrt(x))",
     R"(%y = rsqrt %x : f32[T, 8]
)"},
    {R"(reciprocal(x))",
     R"(%y = reciprocal %x : f32[T, 8]
)"},
    {R"(erf(x))",
     R"(%y = erf %x : f32[T, 8]
)"},
    {R"(tanh(x))",
     R"(%y = tanh %x : f32[T, 8]
)"},
    {R"(sigmoid(x))",
     R"(%y = sigmoid %x : f32[T, 8]
)"},
    {R"(relu(x))",
     R"(%y = relu %x : f32[T, 8]
)"},
    {R"(silu(x))",
     R"(%y = silu %x : f32[T, 8]
)"},
    {R"(gelu(x))",
     R"(%y = gelu %x : f32[T, 8]
)"},
    {R"(gelu(x, approximate="tanh"))",
     R"(%y = gelu_tanh %x : f32[T, 8]
)"},
    {R"(sin(x))",
     R"(%y = sin %x : f32[T, 8]
)"},
    {R"(cos(x))",
     R"(%y = cos %x : f32[T, 8]
)"},
    {R"(floor(x))",
     R"(%y = floor %x : f32[T, 8]
)"},
    {R"(ceil(x))",
     R"(%y = ceil %x : f32[T, 8]
)"},
    {R"(round(x))",
     R"(%y = round %x : f32[T, 8]
)"},
    {R"(not(m))",
     R"(%y = not %m : bool[T, 8]
)"},
    {R"(softplus(x))",
     R"(%y = softplus %x : f32[T, 8]
)"},
    {R"(leaky_relu(x, 0.1))",
     R"(%y = leaky_relu %x {slope = 0.1} : f32[T, 8]
)"},
    {R"(cast(x))",
     R"()"},
    {R"(cast(x, dtype="bf16"))",
     R"(%y = cast %x : bf16[T, 8]
)"},
    {R"(cast(3, dtype="i32") + n)",
     R"(%y = add 3, %n : i32[T]
)"},
    {R"(clamp(x, 0, 6.0))",
     R"(%0 = maximum %x, 0.0 : f32[T, 8]
%y = minimum %0, 6.0 : f32[T, 8]
)"},
    {R"(clamp(x, none, g))",
     R"(%y = minimum %x, %g : f32[T, 8]
)"},
    {R"(x + g - 1 * x / 2)",
     R"(%0 = add %x, %g : f32[T, 8]
%1 = mul 1.0, %x : f32[T, 8]
%2 = div %1, 2.0 : f32[T, 8]
%y = sub %0, %2 : f32[T, 8]
)"},
    {R"(x ** 2)",
     R"(%y = pow %x, 2.0 : f32[T, 8]
)"},
    {R"(2 ** -x)",
     R"(%0 = neg %x : f32[T, 8]
%y = pow 2.0, %0 : f32[T, 8]
)"},
    {R"(maximum(x, 0, g))",
     R"(%0 = maximum %x, 0.0 : f32[T, 8]
%y = maximum %0, %g : f32[T, 8]
)"},
    {R"(minimum(n, maximum(T, 4)))",
     R"(%y = minimum %n, 6 : i32[T]
)"},
    {R"(equal(x, 0))",
     R"(%y = equal %x, 0.0 : bool[T, 8]
)"},
    {R"(less(n, T))",
     R"(%y = less %n, 6 : bool[T]
)"},
    {R"(less_equal(0, x))",
     R"(%y = less_equal 0.0, %x : bool[T, 8]
)"},
    {R"(greater(x, x))",
     R"(%y = greater %x, %x : bool[T, 8]
)"},
    {R"(greater_equal(x, -inf))",
     R"(%y = greater_equal %x, -inf : bool[T, 8]
)"},
    {R"(and(m, m))",
     R"(%y = and %m, %m : bool[T, 8]
)"},
    {R"(or(m, true))",
     R"(%y = or %m, true : bool[T, 8]
)"},
    {R"(xor(m, m))",
     R"(%y = xor %m, %m : bool[T, 8]
)"},
    {R"(where(m, x, 0))",
     R"(%y = where %m, %x, 0.0 : f32[T, 8]
)"},
    {R"(where(less(n, 3), 1, n))",
     R"(%0 = less %n, 3 : bool[T]
%y = where %0, 1, %n : i32[T]
)"},
    {R"(sum(x))",
     R"(%y = sum %x {axes = [1]} : f32[T]
)"},
    {R"(mean(x, axis=0, keepdims=true))",
     R"(%y = mean %x {axes = [0], keepdims = true} : f32[1, 8]
)"},
    {R"(max(x, axis=[0, 1]))",
     R"(%y = max %x {axes = [0, 1]} : f32[]
)"},
    {R"(min(x, axis=none))",
     R"(%y = min %x {axes = [0, 1]} : f32[]
)"},
    {R"(prod(x, axis=[]))",
     R"(%y = prod %x {axes = []} : f32[T, 8]
)"},
    {R"(argmax(x, axis=-2))",
     R"(%y = argmax %x {axes = [0]} : i64[8]
)"},
    {R"(cumsum(x, 0))",
     R"(%y = cumsum %x {axis = 0} : f32[T, 8]
)"},
    {R"(argmax(x, axis=1, keepdims=true))",
     R"(%y = argmax %x {axes = [1], keepdims = true} : i64[T, 1]
)"},
    {R"(softmax(x))",
     R"(%y = softmax %x {axis = 1} : f32[T, 8]
)"},
    {R"(log_softmax(x, axis=0))",
     R"(%y = log_softmax %x {axis = 0} : f32[T, 8]
)"},
    {R"(layernorm(x))",
     R"(%y = layernorm %x {axis = 1, eps = 1e-05} : f32[T, 8]
)"},
    {R"(layernorm(x, g, g, eps=1e-3))",
     R"(%y = layernorm %x, %g, %g {axis = 1, bias = true, eps = 0.001, weight = true} : f32[T, 8]
)"},
    {R"(layernorm(q, bias=g, axis=-1))",
     R"(%y = layernorm %q, %g {axis = 3, bias = true, eps = 1e-05} : f32[1, 4, T, 8]
)"},
    {R"(layernorm(x, axis=0))",
     R"(%y = layernorm %x {axis = 0, eps = 1e-05} : f32[T, 8]
)"},
    {R"(rmsnorm(x, g))",
     R"(%y = rmsnorm %x, %g {axis = 1, eps = 1e-06, weight = true} : f32[T, 8]
)"},
    {R"(reshape(q, shape=[-1, D]))",
     R"(%y = reshape %q : f32[4*T, 8]
)"},
    {R"(reshape(s, shape=[T, 4, -1]))",
     R"(%y = reshape %s : f32[T, 4, 8]
)"},
    {R"(reshape(x, shape=[T*D]))",
     R"(%y = reshape %x : f32[T*8]
)"},
    {R"(transpose(q, perm=[0, 2, -3, 3]))",
     R"(%y = transpose %q {perm = [0, 2, 1, 3]} : f32[1, T, 4, 8]
)"},
    {R"(transpose(x))",
     R"(%y = transpose %x {perm = [1, 0]} : f32[8, T]
)"},
    {R"(slice(x, axis=0, start=0, stop=T - 1))",
     R"(%y = slice %x {axis = 0, start = 0, step = 1} : f32[T-1, 8]
)"},
    {R"(slice(x, axis=1, start=-3, stop=100, step=2))",
     R"(%y = slice %x {axis = 1, start = 5, step = 2} : f32[T, 2]
)"},
    {R"(slice(x, axis=-1, start=-1, stop=-1000000, step=-1))",
     R"(%y = slice %x {axis = 1, start = 7, step = -1} : f32[T, 8]
)"},
    {R"(slice(x, axis=1, start=5, stop=2))",
     R"(%y = slice %x {axis = 1, start = 0, step = 1} : f32[T, 0]
)"},
    {R"(concat(split(x, sizes=[8], axis=1), axis=0))",
     R"(%0 = slice %x {axis = 1, start = 0, step = 1} : f32[T, 8]
%y = concat %0 {axis = 0} : f32[T, 8]
)"},
    {R"(concat(x, x, axis=0))",
     R"(%y = concat %x, %x {axis = 0} : f32[T+T, 8]
)"},
    {R"(expand(g, shape=[T, D]))",
     R"(%y = expand %g : f32[T, 8]
)"},
    {R"(expand(x, shape=[1, 1]))",
     R"(%y = expand %x : f32[T, 8]
)"},
    {R"(squeeze(q, axis=0))",
     R"(%y = reshape %q : f32[4, T, 8]
)"},
    {R"(unsqueeze(x, axis=[0, -1]))",
     R"(%y = reshape %x : f32[1, T, 8, 1]
)"},
    {R"(unsqueeze(n, axis=1))",
     R"(%y = reshape %n : i32[T, 1]
)"},
    {R"(pad(x, before=[0, 1], after=[2, 0], value=-inf))",
     R"(%y = pad %x {after = [2, 0], before = [0, 1], value = -inf} : f32[T+2, 9]
)"},
    {R"(gather(x, n, axis=1))",
     R"(%y = gather %x, %n {axis = 1} : f32[T, T]
)"},
    {R"(gather(x, -1, axis=0))",
     R"(%y = gather %x, -1 {axis = 0} : f32[8]
)"},
    {R"(embedding(w, n))",
     R"(%y = gather %w, %n {axis = 0} : f32[T, 8]
)"},
    {R"(scatter(x, n, x, axis=0))",
     R"(%y = scatter %x, %n, %x {axis = 0} : f32[T, 8]
)"},
    {R"(iota(T, dtype="i64"))",
     R"(%y = iota : i64[T]
)"},
    {R"(full(shape=[T, 2*D], value=1/sqrt(D), dtype="f16"))",
     R"(%y = constant {value = 0.35355339059327373} : f16[T, 16]
)"},
    {R"(full(shape=[], value=true, dtype="bool"))",
     R"()"},
    {R"(heads(s, 4))",
     R"(%0 = reshape %s : f32[1, T, 4, 8]
%y = transpose %0 {perm = [0, 2, 1, 3]} : f32[1, 4, T, 8]
)"},
    {R"(merge_heads(q))",
     R"(%0 = transpose %q {perm = [0, 2, 1, 3]} : f32[1, T, 4, 8]
%y = reshape %0 : f32[1, T, 32]
)"},
    {R"(attention(q, k, k))",
     R"(%y = attention %q, %k, %k {scale = 0.35355339059327373} : f32[1, 4, T, 8]
)"},
    {R"(attention(q, k, k, causal=true, scale=0.5, offset=p))",
     R"(%y = attention %q, %k, %k, %p {causal = true, offset = true, scale = 0.5} : f32[1, 4, T, 8]
)"},
    {R"(attention(q, k, k, mask=less(iota(T, dtype="i32"), 3), window=4, softcap=30, alibi=a4, offset=2, sinks=a4, causal=true))",
     R"(%0 = iota : i32[T]
%1 = less %0, 3 : bool[T]
%y = attention %q, %k, %k, %1, 2, %a4, %a4 {alibi = true, causal = true, mask = true, offset = true, scale = 0.35355339059327373, sinks = true, softcap = 30.0, window = 4} : f32[1, 4, T, 8]
)"},
    {R"(experts(x, slice(x, axis=1, start=0, stop=2), expand(reshape(n, shape=[T, 1]), shape=[T, 2]), e3, e3, transpose(e3)))",
     R"(%0 = slice %x {axis = 1, start = 0, step = 1} : f32[T, 2]
%1 = reshape %n : i32[T, 1]
%2 = expand %1 : i32[T, 2]
%3 = transpose %e3 {perm = [0, 2, 1]} : f32[3, 8, 5]
%4 = grouped_matmul %x, %e3, %2 : f32[T, 2, 5]
%5 = silu %4 : f32[T, 2, 5]
%6 = grouped_matmul %x, %e3, %2 : f32[T, 2, 5]
%7 = mul %5, %6 : f32[T, 2, 5]
%8 = grouped_matmul %7, %3, %2 : f32[T, 2, 8]
%9 = reshape %0 : f32[T, 2, 1]
%10 = mul %8, %9 : f32[T, 2, 8]
%y = sum %10 {axes = [1]} : f32[T, 8]
)"},
    {R"(rope(q, p))",
     R"(%y = rope %q, %p {rotary_dim = 8, theta = 10000.0} : f32[1, 4, T, 8]
)"},
    {R"(rope(q, 0, theta=500000, rotary_dim=4, interleaved=true, scale=0.5))",
     R"(%y = rope %q, 0 {interleaved = true, rotary_dim = 4, scale = 0.5, theta = 5e+05} : f32[1, 4, T, 8]
)"},
    {R"(rope(q, n, frequencies=[1.0, 0.5, 0.25, 0.125]))",
     R"(%0 = constant {values = [1.0, 0.5, 0.25, 0.125]} : f32[4]
%y = rope %q, %n, %0 {frequencies = true, rotary_dim = 8} : f32[1, 4, T, 8]
)"},
    {R"(rope(q, p, frequencies=f))",
     R"(%y = rope %q, %p, %f {frequencies = true, rotary_dim = 8} : f32[1, 4, T, 8]
)"},
};
// clang-format on

}  // namespace

TEST_CASE("each operation becomes the nodes that the table says") {
  for (const Case& c : kCases) {
    CAPTURE(c.expression);
    CHECK(computed("y = " + std::string(c.expression)) == c.nodes);
  }
}

TEST_CASE("every row of the table of operations is read by a test") {
  std::set<std::string> tested;
  for (const Case& c : kCases)
    for (const Operation& operation : operations())
      if (llvm::StringRef(c.expression).contains(operation.name + "(")) tested.insert(operation.name);
  for (const char* several : {"split", "topk", "cache"}) tested.insert(several);  // below
  for (const Operation& operation : operations()) {
    CAPTURE(operation.signature);
    CHECK(tested.count(operation.name) == 1);
  }
}

TEST_CASE("operations of several results name each") {
  Model model = model_of(
      lines({"a, c = split(s, sizes=[D, 24])", "y, z = topk(x, 2)", "u, v = split(x, parts=2, axis=0)"}));
  auto graph = model.build(model.bind({{"T", 6}}, {}));
  CHECK(computed(*graph) == R"(%a = slice %s {axis = 2, start = 0, step = 1} : f32[1, T, 8]
%c = slice %s {axis = 2, start = 8, step = 1} : f32[1, T, 24]
%y, %z = topk %x {axis = 1, k = 2} : f32[T, 2], i64[T, 2]
%u = slice %x {axis = 0, start = 0, step = 1} : f32[T//2, 8]
%v = slice %x {axis = 0, start = T//2, step = 1} : f32[T//2, 8]
)");
  CHECK(verify(*graph) == "");
}

TEST_CASE("cache writes two states once and gives their new values") {
  Model model =
      model_of(lines({"kc, vc = cache(k_cache, v_cache, k, k, p)", "y = kc + k_cache"}), "[\"y\"]", R"([state]
k_cache = { shape = [1, 2, 128, "D"] }
v_cache = { shape = [1, 2, 128, "D"], dtype = "f32" }
)");
  auto graph = model.build(model.bind({{"T", 6}}, {}));
  CHECK(computed(*graph) == R"(%kc = cache_write %k_cache, %k, %p : f32[1, 2, 128, 8]
%vc = cache_write %v_cache, %k, %p : f32[1, 2, 128, 8]
%y = add %kc, %k_cache : f32[1, 2, 128, 8]
)");
  REQUIRE(graph->state_updates().size() == 2);
  CHECK(graph->state_updates()[0].state->attributes.string("name") == "k_cache");
  CHECK(graph->state_updates()[0].value->name() == "kc");
  CHECK(verify(*graph) == "");
}

TEST_CASE("cache with pages writes pools and reads them as caches") {
  Model model = model_of(lines({"kc, y = cache(k_pool, v_pool, k, k, p, pages=t2)"}), "[\"y\"]", R"([state]
k_pool = { shape = [9, 2, 16, "D"] }
v_pool = { shape = [9, 2, 16, "D"] }
)");
  auto graph = model.build(model.bind({{"T", 6}}, {}));
  CHECK(computed(*graph) == R"(%0 = cache_write %k_pool, %k, %p, %t2 {pages = true} : f32[9, 2, 16, 8]
%1 = gather %0, %t2 {axis = 0} : f32[1, 3, 2, 16, 8]
%2 = transpose %1 {perm = [0, 2, 1, 3, 4]} : f32[1, 2, 3, 16, 8]
%kc = reshape %2 : f32[1, 2, 48, 8]
%3 = cache_write %v_pool, %k, %p, %t2 {pages = true} : f32[9, 2, 16, 8]
%4 = gather %3, %t2 {axis = 0} : f32[1, 3, 2, 16, 8]
%5 = transpose %4 {perm = [0, 2, 1, 3, 4]} : f32[1, 2, 3, 16, 8]
%y = reshape %5 : f32[1, 2, 48, 8]
)");
  REQUIRE(graph->state_updates().size() == 2);
  CHECK(graph->state_updates()[0].state->attributes.string("name") == "k_pool");
  CHECK(verify(*graph) == "");
}
