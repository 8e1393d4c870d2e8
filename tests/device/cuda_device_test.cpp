// Whole models on a GPU, under each policy, against the f64 evaluator.
#include "runtime/cuda/cuda_device.h"

#include <doctest/doctest.h>

#include "runtime/cuda/card_at_hand.h"
#include "tests/runtime/cuda/drawn_model.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

std::string model_text(const std::string& dtype, const std::string& rest) {
  return "tenon = 1\n[model]\nname = \"test\"\ndtype = \"" + dtype + "\"\n" + rest;
}

const char* kFfn = R"toml([dims]
T = "1..512"
[inputs]
x = { shape = ["T", 64] }
[weights]
w1 = { shape = [64, 192] }
b1 = { shape = [192] }
w2 = { shape = [192, 64] }
g = { shape = [64] }
[graph]
body = [
  'h = rmsnorm(x, g)',
  'y = x + gelu(h @ w1 + b1) @ w2',
  'm = softmax(y * 0.5)',
]
outputs = ["y", "m"]
)toml";

const char* kAttention = R"toml([dims]
T = "1..512"
[inputs]
x = { shape = [2, "T", 128] }
position = { shape = [], dtype = "i32" }
[weights]
norm = { shape = [128] }
wq = { shape = [128, 128] }
wk = { shape = [64, 128] }
wv = { shape = [64, 128] }
wo = { shape = [128, 128] }
gate = { shape = [320, 128] }
up = { shape = [320, 128] }
down = { shape = [128, 320] }
[state]
k_cache = { shape = [2, 2, 128, 32] }
v_cache = { shape = [2, 2, 128, 32] }
[graph]
body = [
  'h = rmsnorm(x, norm)',
  'q = rope(heads(linear(h, wq), 4), position)',
  'k = rope(heads(linear(h, wk), 2), position)',
  'v = heads(linear(h, wv), 2)',
  'k, v = cache(k_cache, v_cache, k, v, position)',
  'a = attention(q, k, v, causal=true, offset=position)',
  'x = x + linear(merge_heads(a), wo)',
  'x = x + linear(silu(linear(x, gate)) * linear(x, up), down)',
]
outputs = ["x"]
)toml";

}  // namespace

TEST_CASE("models on the GPU equal the f64 evaluator under each policy") {
  const auto gpu = GpuContext::open(0);
  CudaDevice device(gpu);
  MESSAGE(device.description());
  for (const char* body : {kFfn, kAttention})
    for (const char* dtype : {"f32", "f16", "bf16"})
      for (const int64_t rows : {1, 17, 96})
        for (const Policy policy : {Policy::kFused, Policy::kAuto, Policy::kLibrary}) {
          if (policy == Policy::kLibrary && !gpu->has_library()) continue;
          CAPTURE(body);
          CAPTURE(dtype);
          CAPTURE(rows);
          CAPTURE(static_cast<int>(policy));
          DrawnModel subject(model_text(dtype, body), {{"T", rows}});
          const auto plan = subject.plan(card_at_hand(gpu->gpu()), gpu->has_library(), policy);
          const auto program =
              device.prepare(*subject.graph, plan.get(), device.hold(subject.weights, subject.states));
          const double tolerance = 12 * unit_roundoff(*parse_dtype(dtype)) + 2e-5;
          CHECK(subject.error(program->run(subject.inputs)) < tolerance);
          auto& executor = static_cast<CudaProgram&>(*program).executor();
          CHECK(executor.measure(3).run_us > 0);
        }
}

TEST_CASE("a run inside the caller's capture replays with the caller's graph") {
  const auto gpu = GpuContext::open(0);
  DrawnModel subject(model_text("f32", kFfn), {{"T", 8}});
  const auto plan = subject.plan(card_at_hand(gpu->gpu()), false, Policy::kFused);
  CudaDevice device(gpu);
  const auto program =
      device.prepare(*subject.graph, plan.get(), device.hold(subject.weights, subject.states));
  const RunResult first = program->run(subject.inputs);
  auto& executor = static_cast<CudaProgram&>(*program).executor();

  const ContextScope scope(gpu->context());
  const DriverApi& api = gpu->api();
  const OwnedMemory place = gpu->context().allocate(first.outputs[0].bytes(), "a test");
  executor.bind_output("y", place.get());
  const OwnedStream stream = gpu->context().make_stream();
  TENON_CUDA(api, cuStreamBeginCapture_v2, stream.get(), kCaptureThreadLocal);
  executor.enqueue(stream.get());
  GraphHandle captured = nullptr;
  TENON_CUDA(api, cuStreamEndCapture, stream.get(), &captured);
  const OwnedGraph graph(gpu->context().ref(), captured);
  GraphExec handle = nullptr;
  TENON_CUDA(api, cuGraphInstantiateWithFlags, &handle, graph.get(), 0);
  const OwnedGraphExec exec(gpu->context().ref(), handle);
  TENON_CUDA(api, cuGraphLaunch, exec.get(), stream.get());
  Tensor second = Tensor::zeros(first.outputs[0].type());
  TENON_CUDA(api, cuMemcpyDtoHAsync_v2, second.mutable_data(), place.get(), second.bytes(), stream.get());
  TENON_CUDA(api, cuStreamSynchronize, stream.get());
  for (int64_t i = 0; i < second.elements(); ++i) CHECK(second.at(i) == first.outputs[0].at(i));
}
