// The CUDA driver's interface over the emulator: memory, modules with variables, launches, capture, events, statuses.
#include "runtime/emulator/device/emulated_driver.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace tenon;
using namespace tenon::cuda;
using emulator::EmulatedMachine;

namespace {

using Floats = std::vector<float>;

// y[i] = x[i] * factor, and thread 0 of each block counts a call; table holds the address of factor.
const char* kScale = R"ptx(
.version 8.0
.target sm_80
.address_size 64

.global .align 4 .f32 factor = 0f40000000;
.global .align 4 .u32 calls;
.global .align 8 .u64 table[2] = {generic(factor), 7};
.const .align 4 .u32 numbers[3] = {5, 6};

.visible .entry scale(.param .u64 p_x, .param .u64 p_y, .param .u32 p_n)
{
  .reg .pred %p<3>;
  .reg .f32 %f<4>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<10>;
  ld.param.u64 %rd1, [p_x];
  ld.param.u64 %rd2, [p_y];
  ld.param.u32 %r1, [p_n];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ne.s32 %p1, %r4, 0;
  @%p1 bra AFTER;
  atom.global.add.u32 %r6, [calls], 1;
AFTER:
  setp.ge.s32 %p2, %r5, %r1;
  @%p2 bra DONE;
  cvta.to.global.u64 %rd3, %rd1;
  cvta.to.global.u64 %rd4, %rd2;
  mul.wide.s32 %rd5, %r5, 4;
  add.s64 %rd6, %rd3, %rd5;
  add.s64 %rd7, %rd4, %rd5;
  ld.global.u64 %rd8, [table];
  cvta.to.global.u64 %rd9, %rd8;
  ld.global.f32 %f1, [%rd9];
  ld.global.f32 %f2, [%rd6];
  mul.f32 %f3, %f1, %f2;
  st.global.f32 [%rd7], %f3;
DONE:
  ret;
}

.visible .entry read(.param .u64 p_out)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [p_out];
  ld.const.u32 %r1, [numbers];
  ld.const.u32 %r2, [numbers+8];
  ld.global.u32 %r3, [calls];
  st.global.u32 [%rd1], %r1;
  st.global.u32 [%rd1+4], %r2;
  st.global.u32 [%rd1+8], %r3;
  ret;
}
)ptx";

struct Driver {
  EmulatedMachine machine{emulator::find_architecture("sm_80"), emulator::Options()};
  DriverApi api = emulator::emulated_driver_api();
  Context context = nullptr;
  Stream stream = nullptr;

  Driver() {
    REQUIRE(api.cuDevicePrimaryCtxRetain(&context, machine.ordinal()) == 0);
    REQUIRE(api.cuCtxPushCurrent_v2(context) == 0);
    REQUIRE(api.cuStreamCreate(&stream, 0) == 0);
  }
  ~Driver() {
    api.cuStreamDestroy_v2(stream);
    api.cuCtxPopCurrent_v2(&context);
  }
  DevicePointer allocate(size_t bytes) {
    DevicePointer pointer = 0;
    REQUIRE(api.cuMemAlloc_v2(&pointer, bytes) == 0);
    return pointer;
  }
  DevicePointer upload(const Floats& values) {
    const DevicePointer pointer = allocate(values.size() * 4);
    REQUIRE(api.cuMemcpyHtoDAsync_v2(pointer, values.data(), values.size() * 4, stream) == 0);
    return pointer;
  }
  Floats download(DevicePointer pointer, size_t count) {
    Floats values(count);
    REQUIRE(api.cuMemcpyDtoHAsync_v2(values.data(), pointer, count * 4, stream) == 0);
    return values;
  }
  Function function(Module& module, const char* name) {
    REQUIRE(api.cuModuleLoadData(&module, kScale) == 0);
    Function function = nullptr;
    REQUIRE(api.cuModuleGetFunction(&function, module, name) == 0);
    return function;
  }
  DriverStatus launch(Function function, unsigned grid, unsigned block, std::vector<void*> parameters,
                      unsigned shared = 0) {
    const LaunchConfig config{grid, 1, 1, block, 1, 1, shared, stream, nullptr, 0};
    return api.cuLaunchKernelEx(&config, function, parameters.data(), nullptr);
  }
  std::string words(DriverStatus status) {
    const char* text = nullptr;
    api.cuGetErrorString(status, &text);
    return text;
  }
};

}  // namespace

TEST_CASE("emulator: the driver's table has every function") {
  const DriverApi api = emulator::emulated_driver_api();
#define TENON_FILLED(name, parameters) CHECK(static_cast<bool>(api.name));
  TENON_DRIVER_FUNCTIONS(TENON_FILLED)
#undef TENON_FILLED
  CHECK(static_cast<bool>(api.describe_memory));
}

TEST_CASE("emulator: a device is its architecture's card") {
  const EmulatedMachine first(emulator::find_architecture("sm_90a"), emulator::Options());
  emulator::Options options;
  options.multiprocessors = 7;
  const EmulatedMachine second(emulator::find_architecture("sm_120"), options);
  CHECK(first.ordinal() != second.ordinal());
  const DriverApi api = emulator::emulated_driver_api();
  const auto attribute = [&](DeviceAttribute which, const EmulatedMachine& machine) {
    int value = -1;
    CHECK(api.cuDeviceGetAttribute(&value, which, machine.ordinal()) == 0);
    return value;
  };
  CHECK(attribute(kComputeCapabilityMajor, first) == 9);
  CHECK(attribute(kSharedMemoryPerBlockOptin, first) == 232448);
  CHECK(attribute(kComputeCapabilityMajor, second) == 12);
  CHECK(attribute(kMultiprocessorCount, second) == 7);
  char name[64];
  CHECK(api.cuDeviceGetName(name, sizeof name, first.ordinal()) == 0);
  CHECK(std::string(name) == "emulated NVIDIA H200 SXM 141 GB");
  DeviceOrdinal device = 0;
  CHECK(api.cuDeviceGet(&device, 1000) == 101);
  Context context = nullptr;
  CHECK(api.cuDevicePrimaryCtxRetain(&context, 1000) == 101);
}

TEST_CASE("emulator: memory is allocated, filled, copied, named and freed") {
  Driver d;
  const DevicePointer a = d.upload({1, 2, 3, 4}), b = d.allocate(16);
  CHECK(d.api.cuMemsetD8Async(b, 0, 16, d.stream) == 0);
  CHECK(d.api.cuMemcpyDtoDAsync_v2(b + 4, a, 8, d.stream) == 0);
  CHECK(d.download(b, 4) == Floats{0, 1, 2, 0});
  d.api.describe_memory(a, "the weight w1", true);
  CHECK(d.machine.memory().find(a, 16)->name == "the weight w1");
  CHECK(d.machine.memory().find(a, 16)->read_only);
  CHECK(d.api.cuMemcpyDtoDAsync_v2(b + 12, a, 8, d.stream) == 1);
  CHECK(d.words(1).find("16 bytes") != std::string::npos);
  CHECK(d.api.cuMemFree_v2(a) == 0);
  CHECK(d.api.cuMemFree_v2(a) == 1);
  CHECK(d.api.cuMemFree_v2(0) == 0);
  DevicePointer none = 0;
  CHECK(d.api.cuMemAlloc_v2(&none, 0) == 1);
  CHECK(d.api.cuMemAlloc_v2(&none, size_t{1} << 60) == 2);
}

TEST_CASE("emulator: a module's variables are initialised, shared by its kernels, and gone with it") {
  Driver d;
  Module module = nullptr;
  const Function scale = d.function(module, "scale");
  Function read = nullptr;
  REQUIRE(d.api.cuModuleGetFunction(&read, module, "read") == 0);
  DevicePointer x = d.upload({1, 2, 3, 4, 5}), y = d.upload({0, 0, 0, 0, 0}), out = d.allocate(12);
  int n = 5;
  for (int repeat = 0; repeat < 2; ++repeat) CHECK(d.launch(scale, 3, 2, {&x, &y, &n}) == 0);
  CHECK(d.download(y, 5) == Floats{2, 4, 6, 8, 10});
  CHECK(d.launch(read, 1, 1, {&out}) == 0);
  const Floats bits = d.download(out, 3);
  uint32_t numbers[3];
  std::memcpy(numbers, bits.data(), sizeof numbers);
  CHECK(numbers[0] == 5);
  CHECK(numbers[1] == 0);  // what an initialiser leaves out
  CHECK(numbers[2] == 6);  // three blocks, twice
  REQUIRE(d.machine.records().size() == 3);
  CHECK(d.machine.records()[2].kernel == "read");
  CHECK(!d.machine.has_findings());
  const int64_t live = d.machine.memory().bytes_live();
  CHECK(d.api.cuModuleUnload(module) == 0);
  CHECK(d.machine.memory().bytes_live() == live - 4 - 4 - 16 - 12);
}

TEST_CASE("emulator: a capture runs nothing; its graph runs as often as it is launched") {
  Driver d;
  Module module = nullptr;
  const Function scale = d.function(module, "scale");
  DevicePointer x = d.upload({1, 2}), y = d.upload({0, 0});
  int n = 2, capturing = -1;
  CHECK(d.api.cuStreamBeginCapture_v2(d.stream, kCaptureThreadLocal) == 0);
  CHECK(d.api.cuStreamBeginCapture_v2(d.stream, kCaptureThreadLocal) == 401);
  CHECK(d.api.cuStreamIsCapturing(d.stream, &capturing) == 0);
  CHECK(capturing == 1);
  CHECK(d.launch(scale, 1, 2, {&x, &y, &n}) == 0);
  n = 0;  // parameters were copied
  CHECK(d.api.cuMemcpyDtoDAsync_v2(x, y, 8, d.stream) == 0);
  CHECK(d.api.cuStreamSynchronize(d.stream) == 901);
  GraphHandle graph = nullptr;
  CHECK(d.api.cuStreamEndCapture(d.stream, &graph) == 0);
  CHECK(d.api.cuStreamEndCapture(d.stream, &graph) == 401);
  CHECK(d.machine.records().empty());
  GraphExec exec = nullptr;
  CHECK(d.api.cuGraphInstantiateWithFlags(&exec, graph, 0) == 0);
  CHECK(d.api.cuGraphDestroy(graph) == 0);
  for (int repeat = 0; repeat < 3; ++repeat) CHECK(d.api.cuGraphLaunch(exec, d.stream) == 0);
  CHECK(d.download(y, 2) == Floats{8, 16});
  CHECK(d.machine.records().size() == 3);
  CHECK(d.api.cuGraphExecDestroy(exec) == 0);
  CHECK(d.api.cuModuleUnload(module) == 0);
}

TEST_CASE("emulator: events tell the host's clock") {
  Driver d;
  Event start = nullptr, stop = nullptr;
  CHECK(d.api.cuEventCreate(&start, 0) == 0);
  CHECK(d.api.cuEventCreate(&stop, 0) == 0);
  float milliseconds = -1;
  CHECK(d.api.cuEventElapsedTime(&milliseconds, start, stop) == 400);
  CHECK(d.api.cuEventRecord(start, d.stream) == 0);
  CHECK(d.api.cuEventRecord(stop, d.stream) == 0);
  CHECK(d.api.cuEventSynchronize(stop) == 0);
  CHECK(d.api.cuEventElapsedTime(&milliseconds, start, stop) == 0);
  CHECK(milliseconds >= 0);
  CHECK(d.api.cuEventDestroy_v2(start) == 0);
  CHECK(d.api.cuEventDestroy_v2(stop) == 0);
}

TEST_CASE("emulator: what the driver refuses comes as a status with words") {
  Driver d;
  Module module = nullptr;
  CHECK(d.api.cuModuleLoadData(&module, ".version 8.0\n.target sm_80\nnonsense\n") == 218);
  CHECK(d.words(218).find("module.ptx:3") != std::string::npos);
  CHECK(d.words(2) == "the emulated driver refused the call");  // not the last failure's
  const Function scale = d.function(module, "scale");
  Function other = nullptr;
  CHECK(d.api.cuModuleGetFunction(&other, module, "missing") == 500);
  DevicePointer x = d.upload({1}), y = d.upload({0});
  int n = 1;
  CHECK(d.launch(scale, 0, 1, {&x, &y, &n}) == 1);
  CHECK(d.launch(scale, 1, 1025, {&x, &y, &n}) == 1);
  CHECK(d.launch(scale, 1, 1, {&x, &y, &n}, 49153) == 1);
  CHECK(d.words(1).find("49152") != std::string::npos);
  CHECK(d.api.cuFuncSetAttribute(scale, kMaxDynamicSharedBytes, 100000) == 0);
  CHECK(d.launch(scale, 1, 1, {&x, &y, &n}, 49153) == 0);
  CHECK(d.api.cuFuncSetAttribute(scale, kMaxDynamicSharedBytes, 200000) == 1);
  int blocks = 0;
  CHECK(d.api.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, scale, 1024, 0) == 0);
  CHECK(blocks == 2);
  CHECK(d.api.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, scale, 32, 80 * 1024) == 0);
  CHECK(blocks == 2);
  CHECK(d.api.cuModuleUnload(module) == 0);
  CHECK(d.api.cuModuleUnload(nullptr) == 400);
  const char* name = nullptr;
  CHECK(d.api.cuGetErrorName(218, &name) == 0);
  CHECK(std::string(name) == "CUDA_ERROR_INVALID_PTX");
  Context none = nullptr;
  CHECK(d.api.cuCtxPopCurrent_v2(&none) == 0);
  DevicePointer pointer = 0;
  CHECK(d.api.cuMemAlloc_v2(&pointer, 4) == 201);
  CHECK(d.api.cuCtxPushCurrent_v2(d.context) == 0);
}

TEST_CASE("emulator: an instruction that is not known stops the load with its line") {
  Driver d;
  Module module = nullptr;
  REQUIRE(d.api.cuModuleLoadData(&module,
                                 ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n  "
                                 "frob.u32 1;\n  ret;\n}\n") == 0);
  Function function = nullptr;
  CHECK(d.api.cuModuleGetFunction(&function, module, "k") == 218);
  CHECK(d.words(218).find("module.ptx:6") != std::string::npos);
  CHECK(d.api.cuModuleUnload(module) == 0);
}

TEST_CASE("emulator: what a kernel does wrong is a finding; after a trap nothing more is launched") {
  Driver d;
  Module module = nullptr;
  const Function scale = d.function(module, "scale");
  DevicePointer x = d.upload({1, 2}), y = d.upload({0, 0});
  int n = 3;
  CHECK(d.launch(scale, 1, 3, {&x, &y, &n}) == 0);
  REQUIRE(d.machine.has_findings());
  const emulator::Finding& finding = d.machine.records()[0].result.findings[0];
  CHECK(finding.kind == emulator::FindingKind::kOutOfBounds);
  CHECK(finding.kernel == "scale");
  CHECK(finding.thread[0] == 2);
  d.machine.forget_records();
  Module trap = nullptr;
  REQUIRE(
      d.api.cuModuleLoadData(
          &trap,
          ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n  trap;\n  ret;\n}\n") ==
      0);
  Function stops = nullptr;
  REQUIRE(d.api.cuModuleGetFunction(&stops, trap, "k") == 0);
  CHECK(d.launch(stops, 1, 1, {}) == 0);
  CHECK(d.launch(scale, 1, 1, {&x, &y, &n}) == 0);
  REQUIRE(d.machine.records().size() == 1);
  CHECK(!d.machine.records()[0].result.completed);
  CHECK(d.machine.records()[0].result.findings.at(0).kind == emulator::FindingKind::kTrap);
  d.api.cuModuleUnload(trap);
  d.api.cuModuleUnload(module);
}
