// On a GPU: the application's device memory, its stream, and a run captured into its own CUDA graph.
#include <cuda_runtime_api.h>
#include <tenon/tenon.h>

#include <cstdio>
#include <vector>

namespace {

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

bool equal(const std::vector<float>& got, float wanted) {
  for (const float value : got)
    if (value != wanted) {
      std::printf("%f instead of %f\n", value, wanted);
      return false;
    }
  return true;
}

}  // namespace

int main() {
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) {
    std::printf("no GPU\n");
    return 77;
  }
  constexpr int kCount = 1 << 20;
  tenon::Model model("scale", "f32");
  const tenon::Value x = model.input("x", "1048576");
  model.output("y", x * x + x);

  tenon::Options options;
  options.device = "cuda";
  tenon::Program program(model, options);
  std::printf("%s\n", program.device().c_str());

  float *input = nullptr, *output = nullptr;
  check(cudaMalloc(reinterpret_cast<void**>(&input), kCount * sizeof(float)));
  check(cudaMalloc(reinterpret_cast<void**>(&output), kCount * sizeof(float)));
  program.bind_input("x", input);
  program.bind_output("y", output);
  program.prepare();

  std::vector<float> host(kCount, 3.0f);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreate(&stream));
  check(cudaMemcpyAsync(input, host.data(), kCount * sizeof(float), cudaMemcpyHostToDevice, stream));
  program.enqueue(stream);
  check(cudaMemcpyAsync(host.data(), output, kCount * sizeof(float), cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  if (!equal(host, 12.0f)) return 1;

  // The same run as part of the application's own graph: y of y of x.
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  program.enqueue(stream);
  check(cudaMemcpyAsync(input, output, kCount * sizeof(float), cudaMemcpyDeviceToDevice, stream));
  program.enqueue(stream);
  check(cudaStreamEndCapture(stream, &graph));
  check(cudaGraphInstantiateWithFlags(&exec, graph, 0));
  check(cudaGraphLaunch(exec, stream));
  check(cudaMemcpyAsync(host.data(), output, kCount * sizeof(float), cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  std::printf("captured and replayed\n");
  return equal(host, 156.0f) ? 0 : 1;
}
